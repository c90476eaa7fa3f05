// The plan for a budget, on numbers made by hand and against every choice of random ones.
#include "tailor/surgery/budget.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::message_of;
using Effects = std::vector<SkipEffect>;
constexpr AlterationKind kRemove = AlterationKind::Remove, kShorten = AlterationKind::Shorten;

/// "-a ~b +c": removed, shortened, kept.
std::string text_of(const std::vector<SkipPlan>& plan) {
  std::vector<std::string> words;
  for (const SkipPlan& p : plan)
    words.push_back((p.kind == kRemove ? "-" : p.kind == kShorten ? "~" : "+") + p.skip);
  return join(words, " ");
}

/// Of designs whose savings add up.
BitsOf additive(const Effects& effects, int64_t whole) {
  return [=](const std::vector<SkipPlan>& plan) {
    int64_t bits = whole;
    for (const SkipPlan& p : plan) {
      for (const SkipEffect& e : effects)
        bits -= e.skip == p.skip && e.kind == p.kind ? e.saved_bits : 0;
    }
    return bits;
  };
}

std::string within(const Effects& effects, int64_t whole, int64_t budget) {
  return text_of(plan_within(effects, whole, budget, additive(effects, whole)));
}

const Effects kThree = {{"a", kRemove, 5.0, 400}, {"a", kShorten, 1.0, 200},
                        {"b", kRemove, 0.5, 300}, {"b", kShorten, 0.6, 300},
                        {"c", kRemove, 4.0, 500}, {"c", kShorten, 0.1, 0}};

TEST(SkipEffects, TheCheapestABitComesFirst) {
  EXPECT_DOUBLE_EQ((SkipEffect{"a", kRemove, 0.5, 250000}.lost_per_mbit()), 2);
  EXPECT_EQ((SkipEffect{"a", kRemove, -1, 0}.lost_per_mbit()),
            std::numeric_limits<double>::infinity());
  EXPECT_EQ(text_of(plan_of_all(kThree)), "-b ~a -c");
  Effects gained = kThree;
  gained[4].lost = -0.1;
  EXPECT_EQ(text_of(plan_of_all(gained)), "-c -b ~a");
  EXPECT_EQ(text_of(plan_of_all({{"x", kRemove, 2, 0}, {"y", kShorten, 1, 0}})), "~y -x");
}

TEST(PlanWithin, LosesTheLeastThatReachesTheBudget) {
  EXPECT_EQ(within(kThree, 1500, 1500), "+b +a +c");  // nothing has to go
  EXPECT_EQ(within(kThree, 1500, 1200), "-b +a +c");
  EXPECT_EQ(within(kThree, 1500, 1100), "-b ~a +c");
  EXPECT_EQ(within(kThree, 1500, 1000), "-b ~a +c");
  EXPECT_EQ(within(kThree, 1500, 999),
            "-b -c +a");  // greedy would go on from ~a: 5.5 lost, not 4.5
  EXPECT_EQ(within(kThree, 1500, 600), "-b ~a -c");
  EXPECT_EQ(within(kThree, 1500, 300), "-b -c -a");
}

TEST(PlanWithin, ABudgetBeyondReachIsAnErrorThatSaysTheLeast) {
  EXPECT_EQ(message_of(ErrorKind::Usage, [] { within(kThree, 12500, 11299); }),
            "a budget of 11,299 FIFO bits: no plan of these alterations reaches it; the least is "
            "11,300");
}

TEST(PlanWithin, AsksForMoreWhereSavingsDoNotAddUp) {
  // Two together save 150 less than each alone.
  const BitsOf bits = [&](const std::vector<SkipPlan>& plan) {
    int64_t altered = 0;
    for (const SkipPlan& p : plan) altered += p.kind != AlterationKind::Keep ? 1 : 0;
    return additive(kThree, 1500)(plan) + (altered > 1 ? 150 : 0);
  };
  EXPECT_EQ(text_of(plan_within(kThree, 1500, 1150, bits)), "-b ~a +c");
  EXPECT_EQ(text_of(plan_within(kThree, 1500, 1100, bits)), "-b -c +a");
  EXPECT_EQ(text_of(plan_within(kThree, 1500, 450, bits)), "-b -c -a");
  EXPECT_EQ(message_of(ErrorKind::Usage, [&] { plan_within(kThree, 1500, 449, bits); }),
            "a budget of 449 FIFO bits: no plan of these alterations reaches it; the least is 450");
}

TEST(PlanWithin, NoOtherChoiceOfRandomNumbersLosesLess) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CounterRandom random(seed, RandomStream::Noise, 0);
    Effects effects;
    int64_t most = 0;
    for (int skip = 0; skip < 5; ++skip) {
      const std::string name(1, static_cast<char>('a' + skip));
      const auto a = random.below(50), b = random.below(50);
      effects.push_back({name, kRemove, static_cast<double>(random.below(30)) - 3, a});
      effects.push_back({name, kShorten, static_cast<double>(random.below(30)) - 3, b});
      most += std::max(a, b);
    }
    const int64_t whole = 1000, budget = whole - random.below(most + 1);
    const BitsOf bits = additive(effects, whole);
    auto lost = [&](const std::vector<SkipPlan>& plan) {
      double sum = 0;
      for (const SkipPlan& p : plan) {
        for (const SkipEffect& e : effects)
          sum += e.skip == p.skip && e.kind == p.kind ? e.lost : 0;
      }
      return sum;
    };
    double least = std::numeric_limits<double>::infinity();
    for (int choice = 0; choice < 243; ++choice) {
      std::vector<SkipPlan> plan;
      bool saves = true;  // what saves nothing is never chosen
      for (int skip = 0, rest = choice; skip < 5; ++skip, rest /= 3) {
        if (rest % 3 == 2) continue;
        const SkipEffect& e = effects[static_cast<size_t>(2 * skip + rest % 3)];
        saves &= e.saved_bits > 0;
        plan.push_back({e.skip, e.kind});
      }
      if (saves && bits(plan) <= budget) least = std::min(least, lost(plan));
    }
    const std::vector<SkipPlan> found = plan_within(effects, whole, budget, bits);
    EXPECT_EQ(found.size(), 5U);
    EXPECT_LE(bits(found), budget) << seed;
    EXPECT_DOUBLE_EQ(lost(found), least) << seed;
  }
}

}  // namespace
}  // namespace tailor::test
