#include "tailor/surgery/budget.h"

#include <algorithm>
#include <limits>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::surgery {
namespace {

using Effects = std::vector<SkipEffect>;

/// A choice for the skips so far: places of the effects that are to happen.
struct Choice {
  int64_t saved_bits = 0;
  double lost = 0;
  std::vector<size_t> effects;
};

/// Of those that save as many bits or more, beyond `wanted` alike, one that loses the least stays.
std::vector<Choice> undominated(std::vector<Choice> choices, int64_t wanted) {
  std::sort(choices.begin(), choices.end(), [&](const Choice& a, const Choice& b) {
    const int64_t mine = std::min(a.saved_bits, wanted), other = std::min(b.saved_bits, wanted);
    if (mine != other) return mine > other;
    return a.lost != b.lost ? a.lost < b.lost : a.saved_bits > b.saved_bits;
  });
  std::vector<Choice> front;
  for (Choice& choice : choices) {
    if (front.empty() || choice.lost < front.back().lost) front.push_back(std::move(choice));
  }
  return front;
}

/// The names in `effects`, each once.
std::vector<std::string> skips_of(const Effects& effects) {
  std::vector<std::string> skips;
  for (const SkipEffect& e : effects) {
    if (std::find(skips.begin(), skips.end(), e.skip) == skips.end()) skips.push_back(e.skip);
  }
  return skips;
}

/// The least loss that saves so many bits, which all together can, by the sums that no other sum
/// beats in both (Nemhauser, Ullmann 1969).
Choice choose(const Effects& effects, int64_t wanted) {
  std::vector<Choice> front{{}};
  for (const std::string& skip : skips_of(effects)) {
    std::vector<Choice> choices = front;  // it is kept
    for (size_t i = 0; i < effects.size(); ++i) {
      if (effects[i].skip != skip || effects[i].saved_bits <= 0) continue;
      for (Choice choice : front) {
        choice.saved_bits += effects[i].saved_bits;
        choice.lost += effects[i].lost;
        choice.effects.push_back(i);
        choices.push_back(std::move(choice));
      }
    }
    front = undominated(std::move(choices), wanted);
  }
  return front.front();
}

/// In the effects' order; what is kept behind that.
std::vector<SkipPlan> plan_of(const Effects& effects, Choice choice) {
  std::sort(choice.effects.begin(), choice.effects.end());
  std::vector<SkipPlan> plan;
  plan.reserve(effects.size());
  for (size_t i : choice.effects) plan.push_back({effects[i].skip, effects[i].kind});
  const size_t altered = plan.size();
  for (const std::string& skip : skips_of(effects)) {
    const bool kept =
        std::none_of(plan.begin(), plan.begin() + static_cast<std::ptrdiff_t>(altered),
                     [&](const SkipPlan& p) { return p.skip == skip; });
    if (kept) plan.push_back({skip, AlterationKind::Keep});
  }
  return plan;
}

/// The sum of each skip's largest saving.
int64_t most_savings(const Effects& effects) {
  int64_t sum = 0;
  for (const std::string& skip : skips_of(effects)) {
    int64_t most = 0;
    for (const SkipEffect& e : effects) {
      if (e.skip == skip) most = std::max(most, e.saved_bits);
    }
    sum += most;
  }
  return sum;
}

}  // namespace

double SkipEffect::lost_per_mbit() const {
  return saved_bits > 0 ? lost * 1e6 / static_cast<double>(saved_bits)
                        : std::numeric_limits<double>::infinity();
}

bool is_cheaper(const SkipEffect& a, const SkipEffect& b) {
  const double mine = a.lost_per_mbit(), other = b.lost_per_mbit();
  return mine != other ? mine < other : a.lost < b.lost;
}

std::vector<SkipPlan> plan_of_all(std::vector<SkipEffect> effects) {
  std::stable_sort(effects.begin(), effects.end(), is_cheaper);
  const std::vector<std::string> skips = skips_of(effects);
  std::vector<SkipPlan> plan;
  plan.reserve(skips.size());
  for (const std::string& skip : skips) {
    const auto cheapest = std::find_if(effects.begin(), effects.end(),
                                       [&](const SkipEffect& e) { return e.skip == skip; });
    plan.push_back({skip, cheapest->kind});
  }
  return plan;
}

std::vector<SkipPlan> plan_within(std::vector<SkipEffect> effects, int64_t whole_bits,
                                  int64_t budget, const BitsOf& bits_of) {
  std::stable_sort(effects.begin(), effects.end(), is_cheaper);
  const int64_t most = most_savings(effects);
  for (int64_t wanted = whole_bits - budget;;) {
    const Choice choice = choose(effects, std::min(wanted, most));
    const std::vector<SkipPlan> plan = plan_of(effects, choice);
    const int64_t bits = bits_of(plan);
    if (bits <= budget) return plan;
    if (choice.saved_bits >= most) {
      fail(ErrorKind::Usage,
           "a budget of {} FIFO bits: no plan of these alterations reaches it; the least is {}",
           with_commas(budget), with_commas(bits));
    }
    wanted = choice.saved_bits + bits - budget;
  }
}

}  // namespace tailor::surgery
