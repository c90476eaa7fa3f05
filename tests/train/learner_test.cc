// One step on its own, and that surgery changes weights, gradients and slots in one go.
#include "tailor/train/learner.h"
#include "support/expect_error.h"
#include "support/rooms.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/networks.h"
#include "tailor/nn/bfloat16.h"
#include "tailor/nn/host.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

/// Four random images with labels.
Batch small_batch(const Network& network) {
  const MapShape& s = network.input;
  Batch batch;
  batch.count = 4;
  batch.inputs = Tensor(DType::F32, {4, s.height, s.width, s.channels});
  auto pixels = batch.inputs.as<float>();
  for (int64_t i = 0; i < 4; ++i) {
    const std::vector<double> chw = testing::random_image(s, i);
    const int64_t area = s.height * s.width;
    for (int64_t p = 0; p < area; ++p) {
      for (int64_t c = 0; c < s.channels; ++c) {
        pixels[static_cast<size_t>((i * area + p) * s.channels + c)] =
            static_cast<float>(chw[static_cast<size_t>(c * area + p)]);
      }
    }
  }
  batch.targets = Tensor::from<int64_t>({4}, {0, 3, 6, 1});
  return batch;
}

Learner make_learner(const Network& network, const char* optimizer = "sgd") {
  OptimizerConfig config;
  config.kind = optimizer;
  return {Model(network, testing::random_tensors(network, 2)), "cross_entropy", config};
}

TEST(Learner, AStepLowersTheLossOfItsBatch) {
  const Network network = testing::small_network();
  for (const char* kind : {"sgd", "adamw", "novograd", "muon"}) {
    Learner learner = make_learner(network, kind);
    const Batch batch = small_batch(network);
    const double first = learner.step(batch, 0.01).loss.item<double>();
    for (int i = 0; i < 8; ++i) learner.step(batch, 0.01);
    EXPECT_LT(learner.step(batch, 0.01).loss.item<double>(), first) << kind;
  }
}

TEST(Learner, OfMixedImagesBothLabelsCountByTheirShares) {
  const Network network = testing::small_network();
  Batch batch = small_batch(network);
  const auto loss = [&] { return make_learner(network).step(batch, 0).loss.item<double>(); };
  const double own = loss();
  batch.targets = Tensor::from<int64_t>({4}, {1, 6, 3, 0});  // the other way round
  const double other = loss();
  batch.share = 0.25;
  EXPECT_NEAR(loss(), 0.25 * other + 0.75 * own, 1e-6);
}

TEST(Learner, FollowsItsTeacherAsMuchAsBetaSays) {
  const Network network = testing::small_network();
  const Batch batch = small_batch(network);
  const TensorMap other = testing::random_tensors(network, 9);
  const StepResult alone = make_learner(network).step(batch, 0);
  const double apart =
      at::mse_loss(alone.outputs,
                   FrozenModel(network, other).forward(to_device(batch, at::kCPU).inputs))
          .item<double>();
  Learner student = make_learner(network);
  student.follow(FrozenModel(network, other), {0.4});
  EXPECT_NEAR(student.step(batch, 0).loss.item<double>(),
              0.6 * alone.loss.item<double>() + 0.4 * apart, 1e-4);
}

/// Of one image, in double.
double by_definition(const DistillConfig& how, std::vector<double> s, std::vector<double> t) {
  const auto n = static_cast<double>(s.size());
  if (how.distance == Distance::Kl) {
    auto softmax = [&](std::vector<double>& v) {
      double sum = 0;
      for (double& x : v) sum += x = std::exp(x / how.temperature);
      for (double& x : v) x /= sum;
    };
    softmax(s), softmax(t);
    double divergence = 0;
    for (size_t i = 0; i < s.size(); ++i) divergence += t[i] * std::log(t[i] / s[i]);
    return divergence * how.temperature * how.temperature;
  }
  auto standardise = [&](std::vector<double>& v) {
    double mean = 0, square = 0;
    for (const double x : v) mean += x / n;
    for (double& x : v) square += (x - mean) * (x - mean) / n;
    for (double& x : v) x = (x - mean) / std::sqrt(square);
  };
  if (how.distance == Distance::StandardisedMse) standardise(s), standardise(t);
  double error = 0;
  for (size_t i = 0; i < s.size(); ++i) error += (s[i] - t[i]) * (s[i] - t[i]) / n;
  return error;
}

TEST(Learner, DistancesToTheTeacherAreThoseOfTheirDefinitions) {
  const std::vector<std::vector<double>> student = {{1, -2, 0.5, 3}, {0, 4, 4, -8}},
                                         teacher = {{20, -7, 1, 0}, {-3, 5, 2, 2}};
  auto rows = [](const std::vector<std::vector<double>>& v) {
    at::Tensor t = at::zeros({2, 4}, at::kDouble);
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 4; ++j) t[i][j] = v[static_cast<size_t>(i)][static_cast<size_t>(j)];
    return t;
  };
  for (const DistillConfig& how : {DistillConfig{0.5, Distance::Mse},
                                   {0.5, Distance::StandardisedMse},
                                   {0.5, Distance::Kl, 1},
                                   {0.5, Distance::Kl, 4}}) {
    const double wanted =
        (by_definition(how, student[0], teacher[0]) + by_definition(how, student[1], teacher[1])) /
        2;
    EXPECT_NEAR(distance_between(how, rows(student), rows(teacher)).item<double>(), wanted,
                1e-9 * wanted)
        << to_string(how.distance);
    // Of a student that is its teacher nothing is left, and nothing pulls.
    const at::Tensor same = rows(teacher).set_requires_grad(true);
    const at::Tensor none = distance_between(how, same, rows(teacher));
    EXPECT_NEAR(none.item<double>(), 0, 1e-12);
    none.backward();
    EXPECT_LT(same.grad().abs().max().item<double>(), 1e-12);
  }
  // Of equal logits there is no deviation.
  const DistillConfig standardised{0.5, Distance::StandardisedMse};
  EXPECT_EQ(distance_between(standardised, at::zeros({2, 4}), at::zeros({2, 4})).item<double>(), 0);
}

TEST(Learner, MapsAreComparedWithTheTeachersByTheirRelativeErrors) {
  const Network network = testing::small_network();
  const Batch batch = small_batch(network);
  const TensorMap other = testing::random_tensors(network, 9);
  const ComparedBlocks compared = compared_blocks(Features::Blocks, network, network, "test.json");
  const std::vector<size_t>& blocks = compared.student;
  EXPECT_EQ(blocks.size(), network.blocks.size());
  EXPECT_EQ(blocks, compared.teacher);
  DistillConfig how{0.4};
  auto loss_with = [&](double weight) {
    Learner student = make_learner(network);
    how.feature_weight = weight;
    student.follow(FrozenModel(network, other), how, 0, compared);
    return student.step(batch, 0).loss.item<double>();
  };
  // The sum over the blocks by its definition, in double.
  const at::Tensor inputs = to_device(batch, at::kCPU).inputs;
  BlockMaps mine{blocks, {}}, theirs{blocks, {}};
  make_learner(network).model().forward(inputs, true, {}, nullptr, &mine);
  FrozenModel(network, other).forward(inputs, {}, &theirs);
  double error = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const at::Tensor wanted = theirs.maps[i].to(at::kDouble);
    error += mine.maps[i]
                 .to(at::kDouble)
                 .sub(wanted)
                 .square()
                 .sum({1, 2, 3})
                 .div(wanted.square().sum({1, 2, 3}))
                 .mean()
                 .item<double>() /
             static_cast<double>(blocks.size());
  }
  EXPECT_GT(error, 0);
  EXPECT_NEAR(loss_with(2) - loss_with(0), 0.4 * 2 * error, 1e-4 * error);
  // Networks of other depths are compared where their stages end.
  NetworkConfig eight, twenty;
  eight.depth = 8, twenty.depth = 20;
  const ComparedBlocks ends =
      compared_blocks(Features::Stages, make_network(eight, {3, 32, 32}, 10),
                      make_network(twenty, {3, 32, 32}, 10), "test.json");
  EXPECT_EQ(ends.student, (std::vector<size_t>{1, 2, 3}));
  EXPECT_EQ(ends.teacher, (std::vector<size_t>{3, 6, 9}));
  auto refused = [](const Network& student, const Network& teacher, const char* why) {
    testing::expect_error(ErrorKind::Config, {"/distill/features", why}, [&] {
      compared_blocks(Features::Blocks, student, teacher, "test.json");
    });
  };
  refused(make_network(eight, {3, 32, 32}, 10), make_network(twenty, {3, 32, 32}, 10),
          "\"stages\" or \"none\", because resnet8 and its teacher resnet20 have other blocks");
  NetworkConfig wide = eight;
  wide.width = 2 * eight.width + 1;
  refused(make_network(eight, {3, 32, 32}, 10), make_network(wide, {3, 32, 32}, 10),
          "no block with maps of the same shape");
}

TEST(FeatureDistance, OfAnImageOfWhichNothingIsWantedIsThatOfTheOthers) {
  // Of three images the first is to be 0, and the second is nearly.
  const at::Tensor wanted = at::ones({3, 2, 1, 1}), own = at::ones({3, 2, 1, 1}).mul(2);
  wanted[0].zero_();
  wanted[1].mul_(1e-9);
  const double third = 1, average = 2.0 / 3;  // squares: 0, 0, 2
  EXPECT_NEAR(feature_distance({own}, {wanted}).item<double>(),
              (2 * 8 / (0.01 * average) + third) / 3, 1e-2);
  const at::Tensor none = at::zeros({3, 2, 1, 1});
  EXPECT_NEAR(feature_distance({own}, {none}).item<double>(), 8, 1e-5);
}

TEST(Learner, MapsGoOnThroughTheTeachersLaterBlocks) {
  const Network network = testing::small_network();
  const Batch batch = small_batch(network);
  const FrozenModel teacher(network, testing::random_tensors(network, 9));
  const ComparedBlocks through = through_blocks(network, network, "test.json");
  ASSERT_EQ(through.student.size(), 2U);  // of three map sizes, none behind the last
  EXPECT_EQ(through.student, through.teacher);
  const DeviceBatch examples = to_device(batch, at::kCPU);
  BlockMaps own{through.teacher, {}};
  const at::Tensor answers = teacher.forward(examples.inputs, {}, &own);
  for (size_t i = 0; i < own.maps.size(); ++i) {  // to the teacher's own maps it answers the same
    EXPECT_LT(at::sub(teacher.forward_from(own.blocks[i] + 1, own.maps[i]), answers)
                  .abs()
                  .max()
                  .item<double>(),
              1e-5);
  }
  DistillConfig how{0.4};
  auto taken = [&](double weight) {
    Learner student = make_learner(network);
    how.through_weight = weight;
    student.follow(teacher, how, 0, {}, through);
    const double loss = student.step(batch, 0).loss.item<double>();
    return std::pair(loss, student.model().parameters().gradients.clone());
  };
  // The loss by its definition.
  Learner plain = make_learner(network);
  BlockMaps mine{through.student, {}};
  plain.model().forward(examples.inputs, true, {}, nullptr, &mine);
  double expected = 0;
  for (size_t i = 0; i < mine.maps.size(); ++i) {
    const at::Tensor answer = teacher.forward_from(through.teacher[i] + 1, mine.maps[i].detach());
    const double apart = distance_between(how, answer, answers).item<double>(),
                 labels =
                     plain.objective().loss(answer, examples, {"cross_entropy"}).item<double>();
    expected += (0.6 * labels + 0.4 * apart) / 2;
  }
  const auto [alone, by_itself] = taken(0);
  const auto [both, mixed] = taken(2);
  EXPECT_NEAR(both - alone, 2 * expected, 1e-4 * expected);
  // What is added is of the blocks that the maps come from, and of nothing behind them.
  for (const ParameterRange& range : plain.model().parameters().ranges) {
    const at::Tensor added = at::sub(range.view(mixed), range.view(by_itself)).abs().max();
    if (range.name.rfind("stage3", 0) == 0 || range.name.rfind("fc", 0) == 0) {
      EXPECT_LT(added.item<double>(), 1e-6) << range.name;
    } else {
      EXPECT_GT(added.item<double>(), 1e-6) << range.name;
    }
  }
  Network one = network;
  one.blocks.resize(1);
  testing::expect_error(ErrorKind::Config, {"/distill/through_weight", "no block that could go on"},
                        [&] { through_blocks(one, one, "test.json"); });
}

TEST(Learner, InBfloat16MapsGoThroughTheTeacherAndDiracKernelsLearn) {
  if (!has_bfloat16(at::kCPU)) GTEST_SKIP() << "this CPU does not compute in bfloat16";
  const Network teacher = testing::small_network(Join::BeforeActivation, Shortcut::Projection, 16),
                network = alter_every_skip(teacher, InitialSkips::Dirac);
  const Batch batch = small_batch(network);
  std::vector<double> losses[2];
  for (const bool narrow : {false, true}) {
    const at::ScalarType compute = narrow ? at::kBFloat16 : at::kFloat;
    Learner learner(Model(network, testing::random_tensors(network, 2), at::kCPU, compute),
                    {"cross_entropy"}, {});
    DistillConfig how{0.4};
    how.through_weight = 2;
    learner.follow(FrozenModel(teacher, testing::random_tensors(teacher, 9), at::kCPU, compute),
                   how, 0, {}, through_blocks(network, teacher, "test.json"));
    for (int i = 0; i < 8; ++i)
      losses[narrow].push_back(learner.step(batch, 0.005).loss.item<double>());
  }
  EXPECT_NE(losses[0][7], losses[0][0]);
  for (size_t i = 0; i < losses[0].size(); ++i)
    EXPECT_NEAR(losses[1][i], losses[0][i], 0.08 * losses[0][i]) << i;
}

TEST(FrozenModel, AnswersToAMapHaveItsGradient) {
  const Network network = testing::small_network();
  const FrozenModel model(network, testing::random_tensors(network, 9));
  BlockMaps maps{{1}, {}};
  model.forward(to_device(small_batch(network), at::kCPU).inputs, {}, &maps);
  const at::Tensor map = maps.maps[0].set_requires_grad(true);
  model.forward_from(2, map).square().sum().backward();
  const at::NoGradGuard no_grad;
  const at::Tensor along = map.grad().div(map.grad().norm());
  auto at_distance = [&](double step) {
    return model.forward_from(2, at::add(map, along, step)).to(at::kDouble).square().sum();
  };
  const double norm = map.grad().norm().item<double>(),
               slope = at::sub(at_distance(1e-2), at_distance(-1e-2)).item<double>() / 2e-2;
  EXPECT_GT(norm, 1e-3);
  EXPECT_NEAR(slope, norm, 0.02 * norm);
}

TEST(Learner, AnAlterationErasesSlotsWithTheirParametersAndKeepsTheRest) {
  const Network network = testing::small_network();
  for (const char* kind : {"sgd", "adamw", "novograd", "muon"}) {
    Learner learner = make_learner(network, kind);
    const Batch batch = small_batch(network);
    for (int i = 0; i < 3; ++i) learner.step(batch, 0.01);
    const TensorMap values = learner.model().tensors();
    const OptimizerSlots slots = learner.slots();
    const Alteration a = learner.alter({0, "stage2.block0.skip", AlterationKind::Remove}, 1);
    ASSERT_FALSE(a.erased.empty());
    EXPECT_EQ(learner.model().parameters().gradients.abs().max().item<double>(), 0);
    for (const auto& [name, tensor] : learner.model().tensors())
      EXPECT_EQ(tensor, values.at(name)) << name;
    for (const auto& [slot, tensors] : learner.slots()) {
      for (const std::string& name : a.erased) EXPECT_EQ(tensors.count(name), 0U);
      for (const auto& [name, tensor] : tensors)
        EXPECT_EQ(tensor, slots.at(slot).at(name)) << slot << " of " << name;
    }
    const TensorMap before = learner.model().tensors();
    learner.step(batch, 0.01);  // and it still learns
    EXPECT_FALSE(learner.model().tensors().at("fc.weight") == before.at("fc.weight"));
  }
}

TEST(Learner, AnAlterationMayResetTheOptimiserAndNothingElse) {
  const Network network = testing::small_network();
  for (const char* kind : {"sgd", "adamw", "novograd", "muon"}) {
    Learner learner = make_learner(network, kind);
    const Batch batch = small_batch(network);
    for (int i = 0; i < 3; ++i) learner.step(batch, 0.01);
    const TensorMap values = learner.model().tensors();
    learner.alter({0, "stage2.block0.skip", AlterationKind::Remove}, 1, {}, OptimizerState::Reset);
    for (const auto& [name, tensor] : learner.model().tensors())
      EXPECT_EQ(tensor, values.at(name)) << name;
    for (const auto& [slot, tensors] : learner.slots()) {
      for (const auto& [name, tensor] : tensors)
        for (float v : tensor.as<float>())
          ASSERT_EQ(v, 0.0F) << kind << ": " << slot << " of " << name;
    }
    // As an optimiser that is started with these weights.
    OptimizerConfig config;
    config.kind = kind;
    Learner anew(Model(learner.model().network(), learner.model().tensors()), "cross_entropy",
                 config);
    learner.step(batch, 0.01), anew.step(batch, 0.01);
    EXPECT_EQ(weights_digest(learner.model().tensors()), weights_digest(anew.model().tensors()));
  }
}

TEST(Learner, WhatAnAlterationAddsComesWithSlotsOfZero) {
  // A bottleneck: 1×1, 3×3, 1×1 with a projection; its short skips need two projections more.
  Network network = testing::small_network();
  Block& block = network.blocks[2];
  const std::vector<MapShape> points = point_shapes(block, block_inputs(network)[2]);
  const int64_t in = points[0].channels, out = points[2].channels;
  block.stages = {conv_stage(in, 3, 1, 1), conv_stage(3, 5, 3, 2), conv_stage(5, out, 1, 1)};
  block.skips[0].to = 3;
  ASSERT_TRUE(verify_network(network).empty());
  Learner learner = make_learner(network, "adamw");
  const Batch batch = small_batch(network);
  learner.step(batch, 0.01);
  const Alteration a = learner.alter({0, block.skips[0].id, AlterationKind::Shorten}, 1);
  ASSERT_FALSE(a.added.empty());
  const OptimizerSlots slots = learner.slots();
  for (const TensorSpec& spec : a.added) {
    if (!is_parameter(spec.role)) continue;
    for (const auto& [slot, tensors] : slots) {
      for (float v : tensors.at(spec.name).as<float>()) EXPECT_EQ(v, 0.0F) << slot;
    }
  }
  learner.step(batch, 0.01);
}

}  // namespace
}  // namespace tailor::test
