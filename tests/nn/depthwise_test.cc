// Own depthwise kernels along a row against ATen's plain convolution in float64: forward and all
// gradients, over random windows, lengths and channel counts.
#include "nn/depthwise.h"

#include <ATen/Parallel.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "nn/convolution.h"
#include "nn/vector_kernels.h"
#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/random.h"

namespace tailor::test {
namespace {

struct RowCase {
  int64_t batch, channels, rows, length;
  Window window;  // of columns
  bool bias = false;
  ConvGeometry geometry() const { return {window, channels}; }
  int64_t out_length() const { return count_windows(window, {channels, rows, length}).width; }
  std::string name() const {
    return fmt::format("{} x {} channels x {} x {}, kernel {}, pads {} {}, bias {}", batch,
                       channels, rows, length, to_string(window), window.pads.left,
                       window.pads.right, bias);
  }
};

Window columns(int64_t kernel, int64_t stride, int64_t dilation, int64_t left, int64_t right) {
  return {{1, kernel}, {1, stride}, {1, dilation}, {0, left, 0, right}};
}

at::Tensor random_tensor(const std::vector<int64_t>& shape, uint64_t stream) {
  CounterRandom random(11, RandomStream::Test, stream);
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (float& v : values) v = static_cast<float>(random.uniform(-1, 1));
  return at::from_blob(values.data(), shape, at::kFloat).clone();
}

/// What goes in, in any type, and what comes out of both directions.
struct RowPasses {
  at::Tensor x, weight, bias, gradient, y;
};

RowPasses operands_of(const RowCase& c) {
  return {random_tensor({c.batch, c.channels, c.rows, c.length}, 1),
          random_tensor({c.channels, 1, 1, c.window.kernel.width}, 2),
          c.bias ? random_tensor({c.channels}, 3) : at::Tensor(),
          random_tensor({c.batch, c.channels, c.rows, c.out_length()}, 4),
          {}};
}

using ConvolveRows = at::Tensor (*)(const at::Tensor&, const ConvGeometry&, const at::Tensor&,
                                    const at::Tensor&);

RowPasses run_rows(const RowCase& c, const RowPasses& operands, ConvolveRows convolve_with,
                   at::ScalarType type, at::MemoryFormat format = at::MemoryFormat::ChannelsLast) {
  auto leaf = [&](const at::Tensor& t) {
    if (!t.defined()) return at::Tensor();
    at::Tensor copy = t.to(type).clone(t.dim() == 4 ? format : at::MemoryFormat::Contiguous);
    return copy.set_requires_grad(true);
  };
  RowPasses p{
      leaf(operands.x), leaf(operands.weight), leaf(operands.bias), operands.gradient.to(type), {}};
  p.y = convolve_with(p.x, c.geometry(), p.weight, p.bias);
  p.y.backward(p.gradient.contiguous(format));
  return p;
}

/// Largest difference, as a share of the largest sum of the summands' magnitudes.
void expect_close(const char* what, const at::Tensor& got, const at::Tensor& expected,
                  const at::Tensor& magnitudes) {
  ASSERT_EQ(got.sizes(), expected.sizes()) << what;
  const double
      worst = at::abs(got.detach().to(at::kDouble).sub(expected.detach())).max().item<double>(),
      scale = magnitudes.detach().max().item<double>();
  EXPECT_LE(worst, 1e-6 * scale + 1e-30) << what;  // a NaN is not
}

void check_rows(const RowCase& c) {
  SCOPED_TRACE(c.name());
  const RowPasses operands = operands_of(c);
  ASSERT_TRUE(is_row_depthwise(operands.x, c.geometry(), operands.weight));
  auto magnitude = [](const at::Tensor& t) { return t.defined() ? t.abs() : t; };
  const RowPasses sizes{magnitude(operands.x),
                        magnitude(operands.weight),
                        magnitude(operands.bias),
                        magnitude(operands.gradient),
                        {}};
  const RowPasses got = run_rows(c, operands, depthwise_convolve, at::kFloat),
                  expected = run_rows(c, operands, plain_convolve, at::kDouble),
                  magnitudes = run_rows(c, sizes, plain_convolve, at::kDouble);
  expect_close("output", got.y, expected.y, magnitudes.y);
  expect_close("input gradient", got.x.grad(), expected.x.grad(), magnitudes.x.grad());
  expect_close("weight gradient", got.weight.grad(), expected.weight.grad(),
               magnitudes.weight.grad());
  if (c.bias)
    expect_close("bias gradient", got.bias.grad(), expected.bias.grad(), magnitudes.bias.grad());
}

TEST(Depthwise, AgreesWithFloat64ForTheWindowsOfSequences) {
  for (int64_t kernel : {33, 39, 51, 63, 75, 87}) {
    const int64_t pad = kernel / 2;
    check_rows({2, 32, 1, 200, columns(kernel, 1, 1, pad, pad)});
    check_rows({1, 20, 1, 77, columns(kernel, 2, 1, pad, pad), true});
    check_rows({2, 16, 1, 201, columns(kernel, 3, 1, pad, pad)});
    check_rows({1, 48, 1, 150, columns(kernel, 1, 2, 2 * pad, 2 * pad)});
  }
  check_rows({3, 7, 1, 2000, columns(33, 1, 1, 16, 16)});  // many blocks of time
  check_rows({1, 16, 1, 1500, columns(87, 1, 9, 0, 0)});   // taps farther apart than a block
  check_rows({1, 16, 1, 3600, columns(33, 3, 1, 16, 16)});
}

TEST(Depthwise, AgreesWithFloat64ForRandomWindowsAndChannels) {
  CounterRandom random(5, RandomStream::Test, 0);
  auto draw = [&](int64_t from, int64_t to) {
    return from + static_cast<int64_t>(random.uniform(0, static_cast<double>(to - from + 1)));
  };
  int checked = 0;
  while (checked < 120) {
    const int64_t kernel = draw(1, 60), dilation = draw(1, 3);
    const RowCase c{draw(1, 3),
                    draw(1, 50),
                    draw(1, 2),
                    draw(1, 160),
                    columns(kernel, draw(1, 5), dilation, draw(0, 70), draw(0, 70)),
                    draw(0, 1) == 1};
    if (c.out_length() == 0) continue;
    check_rows(c);
    ++checked;
  }
}

TEST(Depthwise, IsTheSameBitForBitOnAnyNumberOfThreads) {
  const RowCase c{3, 40, 1, 700, columns(39, 2, 1, 19, 19), true};
  const RowPasses operands = operands_of(c);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const RowPasses one = run_rows(c, operands, depthwise_convolve, at::kFloat);
  for (int threads : {2, 3, 7}) {
    at::set_num_threads(threads);
    const RowPasses many = run_rows(c, operands, depthwise_convolve, at::kFloat);
    EXPECT_TRUE(at::equal(many.y, one.y)) << threads;
    EXPECT_TRUE(at::equal(many.x.grad(), one.x.grad())) << threads;
    EXPECT_TRUE(at::equal(many.weight.grad(), one.weight.grad())) << threads;
    EXPECT_TRUE(at::equal(many.bias.grad(), one.bias.grad())) << threads;
  }
  at::set_num_threads(before);
}

TEST(Depthwise, TakesPlanesAndExpandedGradients) {
  const RowCase c{2, 18, 1, 90, columns(33, 1, 1, 16, 16), true};
  const RowPasses operands = operands_of(c),
                  planes = run_rows(c, operands, depthwise_convolve, at::kFloat,
                                    at::MemoryFormat::Contiguous),
                  last = run_rows(c, operands, depthwise_convolve, at::kFloat);
  EXPECT_TRUE(planes.y.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(planes.y, last.y));
  EXPECT_TRUE(at::equal(planes.x.grad(), last.x.grad()));
  EXPECT_TRUE(at::equal(planes.weight.grad(), last.weight.grad()));
  at::Tensor x = operands.x.clone().set_requires_grad(true);
  depthwise_convolve(x, c.geometry(), operands.weight, operands.bias).sum().backward();
  RowPasses ones = operands;
  ones.gradient = operands.gradient.clone().fill_(1);
  EXPECT_TRUE(at::equal(x.grad(), run_rows(c, ones, depthwise_convolve, at::kFloat).x.grad()));
}

TEST(Depthwise, GivesTheGradientsThatAreAskedFor) {
  const RowCase c{2, 18, 1, 40, columns(5, 1, 1, 2, 2), true};
  const RowPasses operands = operands_of(c),
                  all = run_rows(c, operands, depthwise_convolve, at::kFloat);
  for (int which : {0, 1, 2}) {
    at::Tensor leaves[] = {operands.x.clone(), operands.weight.clone(), operands.bias.clone()};
    leaves[which].set_requires_grad(true);
    depthwise_convolve(leaves[0], c.geometry(), leaves[1], leaves[2]).backward(operands.gradient);
    const at::Tensor expected[] = {all.x.grad(), all.weight.grad(), all.bias.grad()};
    for (int i : {0, 1, 2}) {
      ASSERT_EQ(leaves[i].grad().defined(), i == which);
      if (i == which) {
        EXPECT_TRUE(at::equal(leaves[i].grad(), expected[i]));
      }
    }
  }
}

TEST(Depthwise, WithoutAutogradIsTheSame) {
  const RowCase c{2, 18, 1, 40, columns(5, 2, 1, 2, 2), true};
  const RowPasses operands = operands_of(c),
                  all = run_rows(c, operands, depthwise_convolve, at::kFloat);
  c10::InferenceMode guard;
  const at::Tensor y =
      convolve(operands.x.clone(), c.geometry(), operands.weight.clone(), operands.bias.clone());
  EXPECT_TRUE(at::equal(y, all.y.detach()));
}

TEST(Depthwise, RefusesAGradientOfAGradient) {
  const RowCase c{1, 4, 1, 12, columns(3, 1, 1, 1, 1)};
  const RowPasses operands = operands_of(c);
  at::Tensor x = operands.x.clone().set_requires_grad(true);
  const at::Tensor y = depthwise_convolve(x, c.geometry(), operands.weight, {});
  testing::expect_error(ErrorKind::Internal, {"gradient of its gradient", "create_graph"}, [&] {
    y.backward(operands.gradient, /*retain_graph=*/true, /*create_graph=*/true);
  });
}

TEST(Depthwise, LeavesEveryOtherConvolutionToLibTorch) {
  const RowCase c{2, 6, 2, 20, columns(5, 1, 1, 2, 2)};
  const RowPasses o = operands_of(c);
  auto takes = [&](const at::Tensor& x, const at::Tensor& weight, auto&& change) {
    ConvGeometry g = c.geometry();
    change(g);
    return is_row_depthwise(x, g, weight);
  };
  auto nothing = [](ConvGeometry&) {};
  EXPECT_TRUE(takes(o.x, o.weight, nothing));
  EXPECT_FALSE(takes(o.x.to(at::kDouble), o.weight.to(at::kDouble), nothing));
  EXPECT_FALSE(takes(o.x, at::zeros({12, 1, 1, 5}), nothing));
  EXPECT_FALSE(takes(o.x, at::zeros({6, 3, 1, 5}), [](ConvGeometry& g) { g.groups = 2; }));
  EXPECT_FALSE(
      takes(o.x, at::zeros({6, 1, 2, 5}), [](ConvGeometry& g) { g.window.kernel.height = 2; }));
  EXPECT_FALSE(takes(o.x, o.weight, [](ConvGeometry& g) { g.window.pads.top = 1; }));
  EXPECT_FALSE(takes(o.x, o.weight, [](ConvGeometry& g) { g.window.stride.height = 2; }));
  EXPECT_FALSE(takes(at::zeros({0, 6, 2, 20}), o.weight, nothing));
}

TEST(Depthwise, InstructionSetsFollowOneDnnsVariable) {
  const VectorKernels &plain = find_vector_kernels("SSE41"), &best = find_vector_kernels("DEFAULT"),
                      &avx2 = find_vector_kernels("AVX2_VNNI");
  EXPECT_STREQ(plain.name, "plain");
  EXPECT_EQ(&find_vector_kernels("AVX"), &plain);
  EXPECT_EQ(&find_vector_kernels("AVX2"), &avx2);
  EXPECT_EQ(&find_vector_kernels("AVX512_CORE_BF16"), &best);
  EXPECT_LE(plain.lanes, avx2.lanes);
  EXPECT_LE(avx2.lanes, best.lanes);
  EXPECT_LE(avx2.lanes, 8);
}

}  // namespace
}  // namespace tailor::test
