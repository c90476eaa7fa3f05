// The recursion in probabilities against ATen's in logarithms and float64, and that it says where
// it cannot answer.
#include "train/ctc_recursion.h"
#include "support/rooms.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/ctc_loss.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tailor/core/random.h"

namespace tailor::test {
namespace {

struct CtcCase {
  int64_t frames, classes, count, blank;
  double spread, of_blank;  // of logits, and what the blank has more
};

/// Logits and labels of a case.
std::pair<at::Tensor, std::vector<int64_t>> make_case(const CtcCase& c, uint64_t seed) {
  CounterRandom random(seed, RandomStream::Test, 3);
  std::vector<double> logits;
  for (int64_t i = 0; i < c.frames * c.classes; ++i) {
    logits.push_back(c.spread * random.uniform(-1, 1) +
                     (i % c.classes == c.blank ? c.of_blank : 0));
  }
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < c.count; ++i) {
    const int64_t label = random.below(c.classes - 1);
    labels.push_back(label < c.blank ? label : label + 1);
  }
  return {at::tensor(logits, at::kDouble).reshape({c.frames, 1, c.classes}), labels};
}

bool recursion(const CtcCase& c, const at::Tensor& log_p, const std::vector<int64_t>& labels,
               float& loss, std::vector<float>* gradient) {
  const at::Tensor rows = log_p.detach().to(at::kFloat).contiguous();
  if (gradient) gradient->assign(static_cast<size_t>(c.frames * c.classes), 7.0F);
  return ctc_of_example(
      {rows.data_ptr<float>(), c.frames, c.classes, c.blank, labels.data(), c.count}, loss,
      gradient ? gradient->data() : nullptr);
}

TEST(CtcRecursion, IsATensInLossAndGradient) {
  const CtcCase cases[] = {{40, 5, 12, 0, 2, 0},    {40, 5, 12, 0, 2, 6},   {17, 29, 9, 28, 3, 0},
                           {24, 3, 12, 2, 1, -2},   {7, 4, 0, 3, 2, 0},     {300, 5, 110, 0, 8, 0},
                           {1200, 5, 444, 0, 1, 0}, {400, 29, 60, 28, 4, 2}};
  for (const CtcCase& c : cases) {
    const auto [logits, labels] = make_case(c, 5);
    const at::Tensor outputs = logits.clone().requires_grad_(true);
    const at::Tensor log_p = at::log_softmax(outputs, -1);
    const at::Tensor expected =
        at::ctc_loss(log_p, at::tensor(labels, at::kLong).reshape({1, c.count}), {c.frames},
                     {c.count}, c.blank, at::Reduction::Sum, false);
    float loss = 0, alone = 0;
    std::vector<float> gradient;
    ASSERT_TRUE(recursion(c, log_p, labels, loss, &gradient)) << c.frames << " " << c.count;
    const double size = expected.item<double>();
    EXPECT_NEAR(loss, size, 1e-6 * size + 1e-6);
    ASSERT_TRUE(recursion(c, log_p, labels, alone, nullptr));
    EXPECT_EQ(loss, alone);
    expected.backward();
    const at::Tensor at_logits = outputs.grad(), p = log_p.detach().exp();
    // Through the softmax: p · (sum of posteriors, 1) less the posterior.
    const at::Tensor mine =
        at::tensor(gradient).to(at::kDouble).reshape({c.frames, 1, c.classes}).add(p);
    EXPECT_LE(at::sub(mine, at_logits).abs().max().item<double>(), 2e-6);
  }
}

TEST(CtcRecursion, SaysWhereItCannotAnswer) {
  float loss = 0;
  std::vector<float> gradient;
  const auto answers = [&](const CtcCase& c) {
    const auto [logits, labels] = make_case(c, 5);
    return recursion(c, at::log_softmax(logits, -1), labels, loss, &gradient);
  };
  EXPECT_TRUE(answers({40, 5, 12, 0, 2, 0}));
  EXPECT_FALSE(answers({11, 5, 12, 0, 2, 0}));  // labels that do not fit
  EXPECT_FALSE(answers({0, 5, 1, 0, 2, 0}));
  EXPECT_FALSE(answers({40, 5, 12, 0, 100, 0}));    // probabilities below 1e-20
  EXPECT_FALSE(answers({1200, 5, 444, 0, 1, 12}));  // blanks alone are 1e300 times as likely
  EXPECT_FALSE(answers({40, 5, 12, 0, NAN, 0}));
}

}  // namespace
}  // namespace tailor::test
