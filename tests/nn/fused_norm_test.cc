// A batch norm with its skip and ReLU in one layer against ATen's operations in float64, forward
// and backward.
#include "nn/fused_norm.h"

#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sub.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nn/map_types.h"
#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/nn/kernels.h"

namespace tailor::test {
namespace {

/// Values around `centre`, as a channels-last leaf.
at::Tensor random_leaf(std::vector<int64_t> sizes, uint64_t stream, double centre = 0) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  CounterRandom random(5, RandomStream::Test, stream);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(centre + random.uniform(-1, 1));
  at::Tensor t = at::from_blob(values.data(), sizes, at::kFloat).clone();
  if (sizes.size() == 4) t = t.contiguous(at::MemoryFormat::ChannelsLast);
  return t.set_requires_grad(true);
}

struct NormCase {
  std::vector<int64_t> sizes;
  bool has_skip, relu;
  double centre;
};

/// The layer's inputs, and what one pass each way makes of them, in one type.
struct Layer {
  at::Tensor x, skip, dy;
  NormParameters norm;
  at::Tensor y;

  Layer(const NormCase& c, at::ScalarType type) {
    auto leaf = [&](std::vector<int64_t> sizes, uint64_t stream, double centre) {
      return random_leaf(std::move(sizes), stream, centre)
          .detach()
          .to(type)
          .set_requires_grad(true);
    };
    const int64_t channels = c.sizes[1];
    x = leaf(c.sizes, 1, c.centre);
    if (c.has_skip) skip = leaf(c.sizes, 2, 0);
    dy = leaf(c.sizes, 3, 0).detach();
    type = type == at::kBFloat16 ? at::kFloat : type;
    norm.gamma = leaf({channels}, 4, 0.5), norm.beta = leaf({channels}, 5, 0);
    norm.running_mean = leaf({channels}, 6, 0).detach();
    norm.running_variance = leaf({channels}, 7, 2).detach();
  }
  /// The same values in float64.
  Layer in_float64() const {
    auto leaf = [](const at::Tensor& t) {
      return t.defined() ? t.detach().to(at::kDouble).set_requires_grad(true) : t;
    };
    Layer l(*this);
    l.x = leaf(x), l.skip = leaf(skip), l.dy = dy.to(at::kDouble);
    l.norm.gamma = leaf(norm.gamma), l.norm.beta = leaf(norm.beta);
    l.norm.running_mean = norm.running_mean.to(at::kDouble);
    l.norm.running_variance = norm.running_variance.to(at::kDouble);
    return l;
  }
  void run_fused(bool relu) {
    y = fused_norm(x, norm, skip, relu);
    y.backward(dy);
  }
  void run_plain(bool relu) {
    y = at::batch_norm(x, norm.gamma, norm.beta, norm.running_mean, norm.running_variance,
                       /*training=*/true, norm.momentum, norm.epsilon, /*cudnn_enabled=*/false);
    if (skip.defined()) y = at::add(y, skip);
    if (relu) y = at::relu(y);
    y.backward(dy);
  }
};

void expect_near(const char* what, const at::Tensor& got, const at::Tensor& wanted,
                 double tolerance) {
  ASSERT_TRUE(got.defined()) << what;
  const at::Tensor exact = wanted.detach().to(at::kDouble);
  const double apart = at::sub(got.detach().to(at::kDouble), exact).norm().item<double>(),
               size = exact.norm().item<double>();
  EXPECT_LE(apart, tolerance * (size + 1e-3)) << what;
}

/// `of_maps`: how far maps and their gradients may be apart, and `of_sums` those of parameters.
void expect_batch_norm(const NormCase& c, at::ScalarType type, double of_maps, double of_sums) {
  SCOPED_TRACE(fmt::format("{}x{}x{}x{}, skip {}, relu {}, around {}", c.sizes[0], c.sizes[1],
                           c.sizes[2], c.sizes[3], c.has_skip, c.relu, c.centre));
  Layer fused(c, type), plain = fused.in_float64();
  ASSERT_TRUE(is_for_fused_norm(fused.x, fused.skip));
  fused.run_fused(c.relu);
  plain.run_plain(c.relu);
  expect_near("output", fused.y, plain.y, of_maps);
  expect_near("input gradient", fused.x.grad(), plain.x.grad(), of_maps);
  if (c.has_skip) expect_near("skip gradient", fused.skip.grad(), plain.skip.grad(), of_maps);
  expect_near("gamma", fused.norm.gamma.grad(), plain.norm.gamma.grad(), of_sums);
  expect_near("beta", fused.norm.beta.grad(), plain.norm.beta.grad(), of_sums);
  expect_near("running mean", fused.norm.running_mean, plain.norm.running_mean, 1e-6);
  expect_near("running variance", fused.norm.running_variance, plain.norm.running_variance, 1e-5);
}

std::vector<NormCase> norm_cases() {
  return {{{3, 16, 5, 7}, false, false, 0},  {{3, 16, 5, 7}, false, true, 0},
          {{2, 48, 9, 3}, true, true, 0},    {{2, 48, 9, 3}, true, false, 0},
          {{40, 16, 32, 32}, true, true, 0}, {{6, 16, 1, 1}, false, true, 0}};
}

TEST(FusedNorm, IsBatchNormThenSkipThenRelu) {
  for (const NormCase& c : norm_cases()) expect_batch_norm(c, at::kFloat, 2e-5, 2e-5);
  // Around 100 float32 itself keeps five digits of a deviation.
  expect_batch_norm({{4, 32, 16, 16}, false, true, 100}, at::kFloat, 1e-4, 1e-4);
}

TEST(FusedNorm, OfBfloat16MapsRoundsThemAndNothingElse) {
  if (!has_map_kernels(at::kBFloat16)) GTEST_SKIP() << "this CPU has no products of bfloat16";
  // What comes behind a ReLU is the rounded output, which may be 0 where the exact one is not.
  for (const NormCase& c : norm_cases()) expect_batch_norm(c, at::kBFloat16, 4e-3, 1e-4);
}

TEST(FusedNorm, WhatIsNoNumberStaysNone) {
  const NormCase c{{2, 16, 4, 4}, false, true, 0};
  Layer layer(c, at::kFloat);
  layer.x.detach().data_ptr<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  layer.run_fused(true);
  EXPECT_TRUE(std::isnan(layer.y.sum().item<float>()));
}

TEST(FusedNorm, TakesWholeVectorsOfChannelsAndTheReferenceNone) {
  const at::Tensor odd = random_leaf({2, 17, 4, 4}, 1), map = random_leaf({2, 16, 4, 4}, 1),
                   other = random_leaf({2, 16, 4, 5}, 1);
  EXPECT_FALSE(is_for_fused_norm(odd, {}));
  EXPECT_FALSE(is_for_fused_norm(map, other));
  EXPECT_TRUE(is_for_fused_norm(map, map));
  use_kernels(Kernels::Reference);
  EXPECT_FALSE(is_for_fused_norm(map, map));
  use_kernels(Kernels::Fast);
}

}  // namespace
}  // namespace tailor::test
