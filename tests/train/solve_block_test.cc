// The edit that solves: what it promises of every kind of skip, on networks with random weights.
#include "train/solve_block.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/nn/model.h"

namespace tailor::test {
namespace {

at::Tensor random_images(const Network& network, int64_t count) {
  const MapShape& in = network.input;
  return at::randn({count, in.height, in.width, in.channels}).permute({0, 3, 1, 2});
}

std::string block_of(const std::string& skip_id) {
  return skip_id.substr(0, skip_id.find(".skip"));
}

/// Of a student that is its own teacher.
BlockSolution solved(const Network& network, const TensorMap& tensors, const std::string& skip,
                     const at::Tensor& images, int64_t steps = 0) {
  SolveConfig config;
  config.steps = steps;
  return solve_block({network, tensors}, {network, tensors}, skip, config, 1, images, [] {});
}

/// What a block gives in eval mode: its squared distance to another network's, relative to the
/// square of that.
double block_error(const TrainedNetwork& altered, const TrainedNetwork& teacher,
                   const std::string& block, const at::Tensor& images) {
  auto maps = [&](const TrainedNetwork& t) {
    Network part = t.network;
    part.head.clear();
    while (part.blocks.back().id != block) part.blocks.pop_back();
    TensorMap own;
    for (const TensorSpec& spec : tensor_specs(part))
      own.emplace(spec.name, t.tensors.at(spec.name));
    return FrozenModel(part, own).forward(images).to(at::kDouble);
  };
  const at::Tensor wanted = maps(teacher), apart = maps(altered).sub(wanted);
  return apart.norm().item<double>() * apart.norm().item<double>() /
         (wanted.norm().item<double>() * wanted.norm().item<double>());
}

TensorMap with(TensorMap tensors, const BlockSolution& solution) {
  for (const auto& [name, tensor] : solution.tensors) tensors.insert_or_assign(name, tensor);
  return tensors;
}

Network without(const Network& network, const std::string& skip) {
  Network altered = network;
  apply_alteration(altered, skip, AlterationKind::Remove);
  return altered;
}

TEST(SolveBlock, ASkipOverOneStageFoldsIntoItsConvolution) {
  at::NoGradGuard no_grad;
  for (const Shortcut shortcut : {Shortcut::Pad, Shortcut::Projection}) {
    Network network = testing::small_network(Join::BeforeActivation, shortcut, 16);
    for (const std::string& id : skip_ids(network))
      apply_alteration(network, id, AlterationKind::Shorten);
    TensorMap tensors = testing::random_tensors(network, 3);
    const at::Tensor images = random_images(network, 8);
    int64_t folded = 0;
    for (const std::string& id : skip_ids(network)) {
      Network alone = network;  // the block's other skip is gone
      for (Block& block : alone.blocks) {
        if (block.id != block_of(id)) continue;
        block.skips.erase(std::remove_if(block.skips.begin(), block.skips.end(),
                                         [&](const Skip& s) { return s.id != id; }),
                          block.skips.end());
        if (block.skips.empty() || block.skips[0].from != 0) continue;
        TensorMap own;
        for (const TensorSpec& spec : tensor_specs(alone))
          own.emplace(spec.name, tensors.at(spec.name));
        const BlockSolution solution = solved(alone, own, id, images);
        EXPECT_LT(solution.error, 1e-10) << id;
        ++folded;
      }
    }
    EXPECT_GE(folded, 3);
  }
}

TEST(SolveBlock, IsNeverFurtherFromTheTeacherThanACutWithNewStatistics) {
  at::NoGradGuard no_grad;
  for (const Join join : {Join::BeforeActivation, Join::AfterActivation}) {
    for (const Shortcut shortcut : {Shortcut::Pad, Shortcut::Projection}) {
      const Network network = testing::small_network(join, shortcut, 8);
      const at::Tensor images = random_images(network, 64);
      Model trained(network, testing::random_tensors(network, 5));
      trained.absorb_statistics(images, 1);  // as of a network that has seen them
      const TensorMap tensors = trained.tensors();
      for (const std::string& id : skip_ids(network)) {
        SCOPED_TRACE(id);
        const Network altered = without(network, id);
        TensorMap kept;
        for (const TensorSpec& spec : tensor_specs(altered))
          kept.emplace(spec.name, tensors.at(spec.name));
        Model cut(altered, kept);
        cut.absorb_statistics(images, 1);
        const TensorMap re_estimated = cut.tensors();
        const BlockSolution solution = solved(network, tensors, id, images);
        const double of_cut = block_error({altered, re_estimated}, {network, tensors}, block_of(id),
                                          images),
                     of_solved = block_error({altered, with(kept, solution)}, {network, tensors},
                                             block_of(id), images);
        EXPECT_LT(of_solved, of_cut);
        EXPECT_NEAR(of_solved, solution.error, 1e-6 * of_solved);
        // In training it is what it is in eval mode.
        Model model(altered, with(kept, solution));
        model.absorb_statistics(images, 1);
        const double of_training =
            block_error({altered, model.tensors()}, {network, tensors}, block_of(id), images);
        EXPECT_NEAR(of_training, of_solved, 0.01 * of_solved);
      }
    }
  }
}

TEST(SolveBlock, StepsOfTheBlockAloneComeNearerAndRepeatThemselves) {
  const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Pad, 8);
  const TensorMap tensors = testing::random_tensors(network, 5);
  const at::Tensor images = random_images(network, 64);
  const std::string id = skip_ids(network)[0];
  const BlockSolution closed = solved(network, tensors, id, images),
                      stepped = solved(network, tensors, id, images, 60),
                      again = solved(network, tensors, id, images, 60);
  EXPECT_LT(stepped.error, closed.error);
  EXPECT_EQ(stepped.tensors, again.tensors);
}

TEST(SolveBlock, FewerEquationsThanUnknownsAndNoRidgeStillGiveWeights) {
  const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Pad, 8);
  const TensorMap tensors = testing::random_tensors(network, 5);
  SolveConfig config;
  config.ridge = 0, config.positions = 2;
  const BlockSolution solution =
      solve_block({network, tensors}, {network, tensors}, skip_ids(network)[0], config, 1,
                  random_images(network, 2), [] {});
  for (const auto& [name, tensor] : solution.tensors) {
    for (const float v : tensor.as<float>()) ASSERT_TRUE(std::isfinite(v)) << name;
  }
  EXPECT_TRUE(std::isfinite(solution.error));
}

TEST(SolveBlock, CanBeStopped) {
  const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Pad, 8);
  const TensorMap tensors = testing::random_tensors(network, 5);
  SolveConfig config;
  config.steps = 1000000;
  int64_t calls = 0;
  EXPECT_THROW(solve_block({network, tensors}, {network, tensors}, skip_ids(network)[0], config, 1,
                           random_images(network, 8),
                           [&] {
                             if (++calls > 200) throw Interrupted(2);
                           }),
               Interrupted);
}

TEST(SolveBlock, TheStudentsOwnBlockIsTheTargetWhereTheTeacherHasNone) {
  const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Pad, 8);
  NetworkConfig other;
  other.depth = 8;
  other.width = 3;
  const Network teacher = make_network(other, network.input, 10);
  const TensorMap tensors = testing::random_tensors(network, 5),
                  foreign = testing::random_tensors(teacher, 6);
  const at::Tensor images = random_images(network, 16);
  const std::string id = skip_ids(network)[0];
  const BlockSolution own = solved(network, tensors, id, images);
  EXPECT_TRUE(own.of_teacher);
  EXPECT_EQ(solve_block({network, tensors}, {teacher, foreign}, id, {}, 1, images, [] {}).tensors,
            own.tensors);
  // A deeper network has blocks of the same names and shapes, but other things on their channels.
  const Network deep = testing::small_network(Join::BeforeActivation, Shortcut::Pad, 8, 14);
  const BlockSolution under = solve_block(
      {network, tensors}, {deep, testing::random_tensors(deep, 6)}, id, {}, 1, images, [] {});
  EXPECT_FALSE(under.of_teacher);
  EXPECT_EQ(under.tensors, own.tensors);
}

}  // namespace
}  // namespace tailor::test
