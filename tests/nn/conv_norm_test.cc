// A convolution and the batch norm behind it as one layer against ATen's operations in float64,
// forward and backward.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/relu.h>
#include <gtest/gtest.h>

#include "nn/convolution.h"
#include "nn/fused_norm.h"
#include "nn/map_convolution.h"
#include "nn/map_types.h"
#include "support/rooms.h"
#include "tailor/core/random.h"

namespace tailor::test {
namespace {

struct ConvNormCase {
  int64_t images, in, height, width, out;
  Window window;
  bool has_skip, relu, of_input = true;  // a first layer's input has no gradient
};

std::string text_of(const ConvNormCase& c) {
  return fmt::format("{}x{}x{}x{} to {}, {}, skip {}, relu {}, input's gradient {}", c.images, c.in,
                     c.height, c.width, c.out, to_string(c.window), c.has_skip, c.relu, c.of_input);
}

at::Tensor random_values(std::vector<int64_t> sizes, uint64_t stream, double centre = 0) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  CounterRandom random(11, RandomStream::Test, stream);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(centre + random.uniform(-1, 1));
  const at::Tensor t = at::from_blob(values.data(), sizes, at::kFloat).clone();
  return sizes.size() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast) : t;
}

struct ConvAndNorm {
  at::Tensor x, weight, skip, dy, y;
  NormParameters norm;

  /// Maps of a type and parameters of another; bfloat16 values in both.
  ConvAndNorm(const ConvNormCase& c, at::ScalarType maps, at::ScalarType parameters) {
    const Size2 out = count_windows(c.window, {c.in, c.height, c.width});
    auto map = [&](int64_t channels, const Size2& size, uint64_t stream) {
      return random_values({c.images, channels, size.height, size.width}, stream)
          .to(at::kBFloat16)
          .to(maps);
    };
    auto parameter = [&](std::vector<int64_t> sizes, uint64_t stream, double centre) {
      return random_values(std::move(sizes), stream, centre).to(parameters);
    };
    x = map(c.in, {c.height, c.width}, 1).set_requires_grad(c.of_input);
    weight = parameter({c.out, c.in, c.window.kernel.height, c.window.kernel.width}, 2, 0)
                 .set_requires_grad(true);
    if (c.has_skip) skip = map(c.out, out, 3).set_requires_grad(true);
    dy = map(c.out, out, 4);
    norm.gamma = parameter({c.out}, 5, 1).set_requires_grad(true);
    norm.beta = parameter({c.out}, 6, 0).set_requires_grad(true);
    norm.running_mean = parameter({c.out}, 7, 0), norm.running_variance = parameter({c.out}, 8, 2);
  }
  void run_as_one(const ConvNormCase& c) {
    ASSERT_TRUE(is_for_conv_norm(x, {c.window, 1}, weight, skip));
    y = conv_norm(x, {c.window, 1}, weight, norm, skip, c.relu);
    y.backward(dy);
  }
  void run_as_two(const ConvNormCase& c) {
    y = fused_norm(map_convolve(x, {c.window, 1}, weight, {}), norm, skip, c.relu);
    y.backward(dy);
  }
  void run_plain(const ConvNormCase& c) {
    y = plain_convolve(x, {c.window, 1}, weight, {});
    y = at::batch_norm(y, norm.gamma, norm.beta, norm.running_mean, norm.running_variance,
                       /*training=*/true, norm.momentum, norm.epsilon, /*cudnn_enabled=*/false);
    if (skip.defined()) y = at::add(y, skip);
    if (c.relu) y = at::relu(y);
    y.backward(dy);
  }
};

void expect_close(const char* what, const at::Tensor& got, const at::Tensor& wanted,
                  double tolerance) {
  ASSERT_TRUE(got.defined()) << what;
  const at::Tensor exact = wanted.detach().to(at::kDouble);
  const double apart = got.detach().to(at::kDouble).sub(exact).norm().item<double>();
  EXPECT_LE(apart, tolerance * exact.norm().item<double>()) << what;
}

void expect_same(const ConvNormCase& c, const ConvAndNorm& one, const ConvAndNorm& plain,
                 double tolerance) {
  SCOPED_TRACE(text_of(c));
  expect_close("output", one.y, plain.y, tolerance);
  if (c.of_input) expect_close("input gradient", one.x.grad(), plain.x.grad(), tolerance);
  EXPECT_EQ(one.x.grad().defined(), c.of_input);
  expect_close("weight gradient", one.weight.grad(), plain.weight.grad(), tolerance);
  if (c.has_skip) expect_close("skip gradient", one.skip.grad(), plain.skip.grad(), tolerance);
  expect_close("gamma", one.norm.gamma.grad(), plain.norm.gamma.grad(), tolerance);
  expect_close("beta", one.norm.beta.grad(), plain.norm.beta.grad(), tolerance);
  expect_close("running mean", one.norm.running_mean, plain.norm.running_mean, tolerance);
  expect_close("running variance", one.norm.running_variance, plain.norm.running_variance,
               tolerance);
}

std::vector<ConvNormCase> layer_cases() {
  std::vector<ConvNormCase> cases;
  for (const bool skip : {false, true}) {
    for (const bool relu : {false, true}) {
      cases.push_back({3, 16, 7, 9, 32, square_window(3, 1, 1), skip, relu});
      cases.push_back({19, 32, 4, 4, 16, square_window(3, 1, 1), skip, relu});
      cases.push_back({2, 16, 32, 32, 16, square_window(3, 1, 1), skip, relu});
      cases.push_back({5, 16, 9, 8, 48, square_window(3, 2, 1), skip, relu});
      cases.push_back({3, 32, 6, 6, 16, square_window(1, 2), skip, relu});
    }
  }
  cases.push_back({4, 3, 11, 12, 16, square_window(3, 1, 1), false, true, /*of_input=*/false});
  cases.push_back({4, 16, 11, 12, 16, square_window(3, 1, 1), false, true, /*of_input=*/false});
  return cases;
}

TEST(ConvNorm, IsAConvolutionAndThenABatchNorm) {
  for (const ConvNormCase& c : layer_cases()) {
    ConvAndNorm one(c, at::kFloat, at::kFloat), plain(c, at::kDouble, at::kDouble);
    one.run_as_one(c);
    plain.run_plain(c);
    expect_same(c, one, plain, 1e-5);
  }
}

TEST(ConvNorm, OfBfloat16MapsRoundsAsTheTwoLayersDo) {
  if (!has_map_kernels(at::kBFloat16)) GTEST_SKIP() << "this CPU has no products of bfloat16";
  for (const ConvNormCase& c : layer_cases()) {
    ConvAndNorm one(c, at::kBFloat16, at::kFloat), two(c, at::kBFloat16, at::kFloat),
        plain(c, at::kDouble, at::kDouble);
    one.run_as_one(c);
    two.run_as_two(c);
    plain.run_plain(c);
    expect_same(c, one, two, 2e-3);
    expect_same(c, one, plain, 0.1);  // a ReLU's side may be another where its input is nearly 0
  }
}

TEST(ConvNorm, IsTheSameOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  std::vector<at::ScalarType> types = {at::kFloat};
  if (has_map_kernels(at::kBFloat16)) types.push_back(at::kBFloat16);
  for (const at::ScalarType type : types) {
    for (const ConvNormCase& c : layer_cases()) {
      ConvAndNorm one(c, type, at::kFloat), several(c, type, at::kFloat);
      at::set_num_threads(1);
      one.run_as_one(c);
      at::set_num_threads(3);
      several.run_as_one(c);
      EXPECT_TRUE(at::equal(one.y, several.y)) << text_of(c);
      EXPECT_TRUE(at::equal(one.weight.grad(), several.weight.grad())) << text_of(c);
      EXPECT_TRUE(at::equal(one.norm.gamma.grad(), several.norm.gamma.grad())) << text_of(c);
      if (c.of_input) {
        EXPECT_TRUE(at::equal(one.x.grad(), several.x.grad())) << text_of(c);
      }
    }
  }
  at::set_num_threads(before);
}

TEST(ConvNorm, IsNotForWhatHasNoKernels) {
  const ConvNormCase c{2, 16, 6, 6, 16, square_window(3, 1, 1), true, true};
  const ConvAndNorm layer(c, at::kFloat, at::kFloat);
  EXPECT_TRUE(is_for_conv_norm(layer.x, {c.window, 1}, layer.weight, layer.skip));
  EXPECT_FALSE(is_for_conv_norm(layer.x, {c.window, 16}, layer.weight, layer.skip));
  EXPECT_FALSE(is_for_conv_norm(layer.x, {c.window, 1}, layer.weight, layer.skip.to(at::kDouble)));
  const at::Tensor odd = random_values({17, 16, 3, 3}, 1);
  EXPECT_FALSE(is_for_conv_norm(layer.x, {c.window, 1}, odd, {}));
  EXPECT_FALSE(is_for_conv_norm(layer.x, {c.window, 1}, layer.weight, layer.skip.narrow(2, 0, 5)));
}

}  // namespace
}  // namespace tailor::test
