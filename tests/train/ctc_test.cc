// CTC against values that PyTorch and a computation by hand in float64 have; what is padding counts
// for nothing.
#include "support/rooms.h"
#include "tailor/train/objective.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tailor/core/random.h"
#include "tailor/train/device.h"
#include "tailor/train/learner.h"

namespace tailor::test {
namespace {

/// The devices there are: a GPU counts as the CPU does.
std::vector<at::Device> ctc_devices() {
  std::vector<at::Device> devices = {at::kCPU};
  if (list_devices().size() > 1) devices.push_back(resolve_device("cuda", "test"));
  return devices;
}

/// An example a row of labels, 0 behind an example's own.
DeviceBatch labels(const std::vector<std::vector<int64_t>>& rows, at::Device device = at::kCPU) {
  DeviceBatch batch;
  batch.count = static_cast<int64_t>(rows.size());
  size_t most = 0;
  for (const auto& row : rows) most = std::max(most, row.size());
  batch.targets = at::zeros({batch.count, static_cast<int64_t>(most)}, at::kLong);
  for (size_t n = 0; n < rows.size(); ++n) {
    batch.target_lengths.push_back(static_cast<int64_t>(rows[n].size()));
    for (size_t i = 0; i < rows[n].size(); ++i)
      batch.targets[static_cast<int64_t>(n)][static_cast<int64_t>(i)].fill_(rows[n][i]);
  }
  batch.targets = batch.targets.to(device);
  return batch;
}

ObjectiveSpec ctc_spec(CtcReduction reduction, double smoothing = 0, int64_t blank = 0) {
  ObjectiveSpec spec("ctc");
  spec.blank = blank;
  spec.ctc.reduction = reduction;
  spec.ctc.smoothing = smoothing;
  return spec;
}

double loss_of(const at::Tensor& outputs, const DeviceBatch& batch, const ObjectiveSpec& spec) {
  return find_objective("ctc").loss(outputs, batch, spec).item<double>();
}

/// ln of three positions' probabilities of three outputs, as one example.
at::Tensor three_positions() {
  return at::log(at::tensor({.6F, .3F, .1F, .5F, .2F, .3F, .4F, .4F, .2F})).reshape({1, 3, 3});
}
/// Two examples of seven positions and five outputs.
at::Tensor two_examples() {
  return at::sin(at::arange(70, at::kFloat).mul(.37)).reshape({7, 2, 5}).transpose(0, 1);
}
DeviceBatch two_answers(at::Device device = at::kCPU) {
  DeviceBatch batch = labels({{1, 2, 2}, {3, 4}}, device);
  batch.positions = {7, 6};
  return batch;
}

TEST(Ctc, LossesOfOneExampleAreThoseByHand) {
  const ObjectiveSpec spec = ctc_spec(CtcReduction::Batch);
  for (const at::Device device : ctc_devices()) {
    const at::Tensor outputs = three_positions().to(device);
    const auto loss = [&](const std::vector<int64_t>& row) {
      return loss_of(outputs, labels({row}, device), spec);
    };
    EXPECT_NEAR(loss({1, 2}), 2.1202635, 1e-6);
    EXPECT_NEAR(loss({1}), 1.1270118, 1e-6);
    EXPECT_NEAR(loss({1, 1}), 2.8134107, 1e-6);
    EXPECT_NEAR(loss({1, 2, 1}), 3.3242364, 1e-6);
    EXPECT_NEAR(loss({}), -std::log(.6 * .5 * .4), 1e-6);  // silence: blanks alone
  }
}

TEST(Ctc, LabelsThatDoNotFitTheirPositionsAreInfinitelyUnlikely) {
  // [2, 2, 2] needs a blank between any two: five positions. It is not to pass for a loss of 0.
  for (const CtcReduction reduction : {CtcReduction::Batch, CtcReduction::Target})
    EXPECT_EQ(loss_of(three_positions(), labels({{2, 2, 2}}), ctc_spec(reduction)), INFINITY);
  DeviceBatch batch = labels({{1, 2}});
  batch.positions = {1};
  EXPECT_EQ(loss_of(three_positions(), batch, ctc_spec(CtcReduction::Batch)), INFINITY);
}

/// A batch of which the recursion in probabilities refuses the second example, for its likeliest
/// answers are too sure of something else, and the fourth's labels fit no four positions.
at::Tensor mixed_examples() {
  const at::Tensor outputs = at::sin(at::arange(4 * 70, at::kFloat).mul(.37)).reshape({4, 14, 5});
  return at::cat(
      {outputs.narrow(0, 0, 1), outputs.narrow(0, 1, 1).mul(200), outputs.narrow(0, 2, 2)});
}
const std::vector<std::vector<int64_t>> kMixedLabels = {{1, 2, 2}, {3, 4}, {4, 1, 3, 3}, {2, 2, 2}};
const std::vector<int64_t> kMixedPositions = {14, 12, 13, 4};

/// Loss and, in place of `outputs`, its gradient, of the examples `from` to `to`.
double mixed_loss(int64_t from, int64_t to, at::Tensor& outputs, bool skips_impossible = false) {
  ObjectiveSpec spec = ctc_spec(CtcReduction::Batch);
  spec.skips_impossible = skips_impossible;
  DeviceBatch batch = labels({kMixedLabels.begin() + from, kMixedLabels.begin() + to});
  batch.positions.assign(kMixedPositions.begin() + from, kMixedPositions.begin() + to);
  outputs = mixed_examples().narrow(0, from, to - from).clone().requires_grad_(true);
  const at::Tensor loss = find_objective("ctc").loss(outputs, batch, spec);
  loss.backward();
  outputs = outputs.grad();
  return loss.item<double>();
}

TEST(Ctc, WhatAnExampleGetsDoesNotDependOnItsBatch) {
  at::Tensor together, alone;
  mixed_loss(0, 4, together);
  for (int64_t n = 0; n < 3; ++n) {
    ASSERT_TRUE(std::isfinite(mixed_loss(n, n + 1, alone)));
    EXPECT_TRUE(at::equal(together[n].mul(4), alone[0])) << n;
    EXPECT_GT(alone.abs().max().item<double>(), 0) << n;
  }
  // The mean of two, in float32 as the losses are.
  at::Tensor both;
  const double sure = mixed_loss(0, 1, alone), unsure = mixed_loss(1, 2, alone);
  EXPECT_GT(unsure, 100);
  EXPECT_EQ(mixed_loss(0, 2, both), (static_cast<float>(sure) + static_cast<float>(unsure)) / 2);
}

TEST(Ctc, IsTheSameBitForBitOnAnyNumberOfThreads) {
  at::Tensor one, many;
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double loss = mixed_loss(0, 3, one);
  for (int threads : {2, 4}) {
    at::set_num_threads(threads);
    EXPECT_EQ(mixed_loss(0, 3, many), loss) << threads;
    EXPECT_TRUE(at::equal(many, one)) << threads;
  }
  at::set_num_threads(before);
}

TEST(Ctc, AnImpossibleExampleIsInfiniteOrNoneOfTheMean) {
  at::Tensor gradient;
  const double others = mixed_loss(0, 3, gradient);
  EXPECT_EQ(mixed_loss(0, 4, gradient), INFINITY);
  EXPECT_NEAR(mixed_loss(0, 4, gradient, /*skips_impossible=*/true), others, 1e-6 * others);
  EXPECT_EQ(mixed_loss(3, 4, gradient, /*skips_impossible=*/true), 0);
}

TEST(Ctc, GradientAtTheLogitsIsProbabilityLessPosterior) {
  const double expected[9] = {.4, -.5, .1, .25, -.1, -.15, .1, .4, -.5};
  for (const at::Device device : ctc_devices()) {
    const at::Tensor outputs = three_positions().to(device).requires_grad_(true);
    find_objective("ctc")
        .loss(outputs, labels({{1, 2}}, device), ctc_spec(CtcReduction::Batch))
        .backward();
    const at::Tensor gradient = outputs.grad().cpu().reshape({9});
    for (int64_t i = 0; i < 9; ++i) EXPECT_NEAR(gradient[i].item<double>(), expected[i], 1e-6) << i;
  }
}

TEST(Ctc, ABatchIsReducedAsPyTorchsMeanOrAsNeMos) {
  for (const at::Device device : ctc_devices()) {
    const at::Tensor outputs = two_examples().to(device);
    const DeviceBatch both = two_answers(device);
    EXPECT_NEAR(loss_of(outputs, both, ctc_spec(CtcReduction::Target)), 2.5309153, 1e-6);
    EXPECT_NEAR(loss_of(outputs, both, ctc_spec(CtcReduction::Batch)), 6.2660904, 2e-6);
    const ObjectiveSpec alone = ctc_spec(CtcReduction::Batch);
    EXPECT_NEAR(loss_of(outputs.narrow(0, 0, 1), labels({{1, 2, 2}}, device), alone), 7.2255588,
                2e-6);
    DeviceBatch second = labels({{3, 4}}, device);
    second.positions = {6};
    EXPECT_NEAR(loss_of(outputs.narrow(0, 1, 1), second, alone), 5.3066222, 2e-6);
  }
}

TEST(Ctc, TheBlankMayBeTheLastOutput) {
  // The outputs turned by one: 1, 2, blank.
  const at::Tensor first = three_positions(), last = first.roll({-1}, {2});
  EXPECT_NEAR(loss_of(last, labels({{0, 1}}), ctc_spec(CtcReduction::Batch, 0, 2)), 2.1202635,
              1e-6);
}

TEST(Ctc, SmoothingWeighsTheBlankAndAQuarterOfItTheLabels) {
  // Bonito's weights of 0.4 and 0.025 each of four bases, over the positions that count.
  const at::Tensor outputs = two_examples();
  const at::Tensor log_p = at::log_softmax(outputs.to(at::kDouble), -1);
  const at::Tensor weights = at::tensor({.4, .025, .025, .025, .025}, at::kDouble);
  const at::Tensor weighted = log_p.mul(weights);
  const double all = weighted.sum().item<double>() / (2 * 7 * 5);
  const double padding = weighted[1][6].sum().item<double>();
  const double own = (weighted.sum().item<double>() - padding) / (13 * 5);
  DeviceBatch batch = two_answers();
  const auto smoothed = [&](double smoothing) {
    return loss_of(outputs, batch, ctc_spec(CtcReduction::Target, smoothing));
  };
  EXPECT_NEAR(smoothed(.4) - smoothed(0), -own, 1e-6);
  EXPECT_NEAR(smoothed(.8) - smoothed(0), -2 * own, 1e-6);
  batch.positions.clear();  // all of them
  EXPECT_NEAR(smoothed(.4) - smoothed(0), -all, 1e-6);
}

TEST(Ctc, WhatIsPaddingCountsForNothing) {
  const ObjectiveSpec spec = ctc_spec(CtcReduction::Target, .4);
  const Objective& ctc = find_objective("ctc");
  for (const at::Device device : ctc_devices()) {
    const at::Tensor short_one = two_examples().to(device).narrow(0, 1, 1).narrow(1, 0, 6);
    const at::Tensor teacher = short_one.mul(-.5);
    const at::Tensor wild = short_one.narrow(1, 1, 4).mul(1e4);
    const at::Tensor long_one = at::cat({short_one, wild}, 1).requires_grad_(true);
    const at::Tensor alone = short_one.clone().requires_grad_(true);
    const DeviceBatch whole = labels({{3, 4}}, device);
    DeviceBatch padded = whole;
    padded.positions = {6};
    const at::Tensor loss = ctc.loss(alone, whole, spec), same = ctc.loss(long_one, padded, spec);
    EXPECT_NEAR(loss.item<double>(), same.item<double>(), 1e-6);
    const at::Tensor far = ctc.distance(alone, teacher, whole),
                     as_far = ctc.distance(long_one, at::cat({teacher, wild}, 1), padded);
    EXPECT_NEAR(far.item<double>(), as_far.item<double>(), 1e-6);
  }
}

TEST(Ctc, PaddingHasNoGradient) {
  const ObjectiveSpec spec = ctc_spec(CtcReduction::Batch, .4);
  const Objective& ctc = find_objective("ctc");
  const at::Tensor outputs = two_examples().clone().requires_grad_(true);
  const DeviceBatch batch = two_answers();
  ctc.loss(outputs, batch, spec)
      .add(ctc.distance(outputs, outputs.detach().mul(2), batch))
      .backward();
  const at::Tensor gradient = outputs.grad();
  EXPECT_EQ(gradient[1][6].abs().max().item<double>(), 0);
  EXPECT_GT(gradient[1][5].abs().min().item<double>(), 0);
  EXPECT_GT(gradient[0][6].abs().min().item<double>(), 0);
}

TEST(Ctc, TheDistanceIsThatOfLogProbabilities) {
  const at::Tensor student = two_examples(), teacher = student.mul(3).add(1);
  const auto log_p = [](const at::Tensor& t) { return at::log_softmax(t.to(at::kDouble), -1); };
  const auto distance = [&](const at::Tensor& t, const DeviceBatch& batch) {
    return find_objective("ctc").distance(student, t, batch).item<double>();
  };
  DeviceBatch batch = two_answers();
  const at::Tensor squares = at::sub(log_p(student), log_p(teacher)).pow(2);
  const double all = squares.sum().item<double>(), padding = squares[1][6].sum().item<double>();
  EXPECT_NEAR(distance(teacher, batch), (all - padding) / (13 * 5), 1e-5);
  batch.positions.clear();
  EXPECT_NEAR(distance(teacher, batch), all / 70, 1e-5);
  // A constant added to a position's outputs is no difference.
  EXPECT_NEAR(distance(student.add(7), batch), 0, 1e-10);
}

/// Two utterances of 40 and 31 frames, of three channels.
Batch two_utterances() {
  Batch batch;
  batch.count = 2;
  batch.inputs = Tensor(DType::F32, {2, 1, 40, 3});
  CounterRandom random(3, RandomStream::Test, 9);
  for (float& v : batch.inputs.as<float>()) v = static_cast<float>(random.uniform(-1, 1));
  batch.targets = Tensor::from<int64_t>({2, 4}, {0, 4, 4, 2, 3, 1, 0, 0});
  batch.lengths = {40, 31};
  batch.target_lengths = {4, 2};
  return batch;
}

TEST(Ctc, ALearnerLearnsLabelsWhosePlacesNobodySays) {
  NetworkConfig config;
  read_record(Json::parse(R"({"family": "quartznet", "width": 8, "quartznet": {"kind": "speech",
      "blocks": [{"kernel": 5}, {"kernel": 7}], "repeat": 2, "stem_kernel": 5, "context_kernel": 9,
      "last_filters": 2}})",
                          "small"),
              "small", [&](RecordVisitor& v) { describe(v, config); });
  const Network network = make_network(config, {3, 1, 40}, 6);
  OptimizerConfig optimizer;
  optimizer.kind = "adamw";
  Learner learner(Model(network, initial_tensors(network, 1)), ctc_spec(CtcReduction::Target, 0, 5),
                  optimizer);
  learner.follow(FrozenModel(network, initial_tensors(network, 2)), {0.125});
  const Batch batch = two_utterances();
  const StepResult first = learner.step(batch, 0.01);
  ASSERT_EQ(first.positions, (std::vector<int64_t>{20, 16}));  // the first layer has stride 2
  EXPECT_NEAR(first.loss.item<double>(),
              0.875 * first.objective.item<double>() + 0.125 * first.distance.item<double>(), 1e-5);
  for (int i = 0; i < 60; ++i) learner.step(batch, 0.01);
  const double last = learner.step(batch, 0.01).objective.item<double>();
  EXPECT_LT(last, 0.2 * first.objective.item<double>());
}

}  // namespace
}  // namespace tailor::test
