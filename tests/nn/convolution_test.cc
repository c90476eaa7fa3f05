// Every convolution that a description can have, forward and backward, against the definition in
// float64: what a library's fast kernels get wrong must not reach a weight (design decision 16).
#include "nn/convolution.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tailor/core/random.h"
#include "tailor/net/network.h"

namespace tailor {
namespace {

struct Case {
  int64_t batch = 2, channels = 3, height = 7, width = 9, filters = 5, kernel = 3;
  ConvGeometry geometry;
  int64_t out(int64_t n) const {
    return (n + geometry.pad + geometry.pad_end - kernel) / geometry.stride + 1;
  }
  int64_t macs() const {
    return batch * filters * out(height) * out(width) * channels / geometry.groups * kernel *
           kernel;
  }
  std::string name() const {
    return fmt::format("{}x{}x{}x{} to {} channels, kernel {}, stride {}, pads {} {}, {} groups",
                       batch, channels, height, width, filters, kernel, geometry.stride,
                       geometry.pad, geometry.pad_end, geometry.groups);
  }
};

/// What a convolution gives and, for a gradient of its output, gives back; NHWC and [out, kernel,
/// kernel, in / groups].
struct ConvPasses {
  std::vector<double> output, input_gradient, weight_gradient, bias_gradient;
};

std::vector<double> random_values(int64_t n, uint64_t stream) {
  CounterRandom random(7, RandomStream::Test, stream);
  std::vector<double> values(static_cast<size_t>(n));
  for (double& v : values) v = static_cast<float>(random.uniform(-1, 1));
  return values;
}

struct Operands {
  std::vector<double> input, weight, bias, output_gradient;
  explicit Operands(const Case& c)
      : input(random_values(c.batch * c.height * c.width * c.channels, 1)),
        weight(random_values(c.filters * c.kernel * c.kernel * c.channels / c.geometry.groups, 2)),
        bias(random_values(c.filters, 3)),
        output_gradient(random_values(c.batch * c.out(c.height) * c.out(c.width) * c.filters, 4)) {}
};

/// The definition, written as a sum over (output pixel, tap); nothing of LibTorch's is in it.
ConvPasses by_definition(const Case& c, const Operands& o) {
  const ConvGeometry& g = c.geometry;
  const int64_t oh = c.out(c.height), ow = c.out(c.width), in = c.channels / g.groups,
                out = c.filters / g.groups;
  ConvPasses p{std::vector<double>(o.output_gradient.size()), std::vector<double>(o.input.size()),
               std::vector<double>(o.weight.size()), std::vector<double>(o.bias.size())};
  for (int64_t n = 0; n < c.batch; ++n) {
    for (int64_t y = 0; y < oh; ++y) {
      for (int64_t x = 0; x < ow; ++x) {
        const int64_t at = ((n * oh + y) * ow + x) * c.filters;
        for (int64_t f = 0; f < c.filters; ++f) {
          const double dy = o.output_gradient[static_cast<size_t>(at + f)];
          double sum = o.bias[static_cast<size_t>(f)];
          p.bias_gradient[static_cast<size_t>(f)] += dy;
          for (int64_t ky = 0; ky < c.kernel; ++ky) {
            const int64_t iy = y * g.stride + ky - g.pad;
            if (iy < 0 || iy >= c.height) continue;
            for (int64_t kx = 0; kx < c.kernel; ++kx) {
              const int64_t ix = x * g.stride + kx - g.pad;
              if (ix < 0 || ix >= c.width) continue;
              const auto i0 = static_cast<size_t>(
                             ((n * c.height + iy) * c.width + ix) * c.channels + f / out * in),
                         w0 = static_cast<size_t>(((f * c.kernel + ky) * c.kernel + kx) * in);
              for (size_t k = 0; k < static_cast<size_t>(in); ++k) {
                sum += o.input[i0 + k] * o.weight[w0 + k];
                p.input_gradient[i0 + k] += dy * o.weight[w0 + k];
                p.weight_gradient[w0 + k] += dy * o.input[i0 + k];
              }
            }
          }
          p.output[static_cast<size_t>(at + f)] = sum;
        }
      }
    }
  }
  return p;
}

/// NHWC values as a channels-last [n, c, h, w] leaf of a type.
at::Tensor leaf(const std::vector<double>& nhwc, int64_t n, int64_t h, int64_t w, int64_t c,
                at::ScalarType type) {
  at::Tensor values = at::from_blob(const_cast<double*>(nhwc.data()), {n, c, h, w},
                                    {h * w * c, 1, w * c, c}, at::kDouble)
                          .to(type);
  at::Tensor copy = at::zeros({n, h, w, c}, type).permute({0, 3, 1, 2});
  copy.copy_(values);
  return copy.set_requires_grad(true);
}

std::vector<double> nhwc_values(const at::Tensor& t) {
  const at::Tensor plain =
      (t.dim() == 4 ? t.permute({0, 2, 3, 1}) : t).contiguous().to(at::kDouble);
  return {plain.data_ptr<double>(), plain.data_ptr<double>() + plain.numel()};
}

ConvPasses by_libtorch(const Case& c, const Operands& o, at::ScalarType type) {
  const ConvGeometry& g = c.geometry;
  at::Tensor x = leaf(o.input, c.batch, c.height, c.width, c.channels, type),
             weight = leaf(o.weight, c.filters, c.kernel, c.kernel, c.channels / g.groups, type);
  at::Tensor bias =
      at::from_blob(const_cast<double*>(o.bias.data()), {c.filters}, at::kDouble).to(type).clone();
  bias.set_requires_grad(true);
  at::Tensor y = convolve(x, g, weight, bias);
  y.backward(
      leaf(o.output_gradient, c.batch, c.out(c.height), c.out(c.width), c.filters, type).detach());
  return {nhwc_values(y.detach()), nhwc_values(x.grad()), nhwc_values(weight.grad()),
          nhwc_values(bias.grad())};
}

/// Largest difference, relative to the largest value.
void expect_equal(const char* what, const std::vector<double>& got,
                  const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double scale = 1e-30, worst = 0;
  for (double v : expected) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::isfinite(got[i]) ? std::abs(got[i] - expected[i]) : scale * 1e9);
  EXPECT_LE(worst / scale, tolerance) << what;
}

void expect_equal(const ConvPasses& got, const ConvPasses& expected, double tolerance) {
  expect_equal("output", got.output, expected.output, tolerance);
  expect_equal("input gradient", got.input_gradient, expected.input_gradient, tolerance);
  expect_equal("weight gradient", got.weight_gradient, expected.weight_gradient, tolerance);
  expect_equal("bias gradient", got.bias_gradient, expected.bias_gradient, tolerance);
}

/// Float32 sums of up to 200,000 products.
constexpr double kTolerance = 1e-4;

void check(const Case& c) {
  SCOPED_TRACE(c.name());
  const Operands o(c);
  expect_equal(by_libtorch(c, o, at::kFloat), by_definition(c, o), kTolerance);
}

TEST(Convolution, StridedPointwiseOfNarrowNetworksIsRight) {
  // Maps on which oneDNN's kernel crashed, hung or, at 24, 28, 32 and 56, was silently wrong.
  for (int64_t channels : {1, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17}) {
    for (int64_t size : {2, 8, 13, 24, 28, 32, 56}) {
      for (int64_t stride : {2, 3}) check({2, channels, size, size, 8, 1, {stride}});
    }
    check({32, channels, 32, 32, 2 * channels, 1, {2}});
  }
}

TEST(Convolution, NarrowAndOddShapesAreRight) {
  for (int64_t in : {1, 3, 4, 5, 7, 9, 17}) {
    for (int64_t out : {1, 3, 4, 5, 7, 9, 17}) {
      for (int64_t kernel : {1, 2, 3, 5, 7}) {
        for (int64_t stride : {1, 2, 3}) {
          const int64_t pad = (kernel - 1) / 2;
          check({2, in, 9, 11, out, kernel, {stride, pad, pad}});
          if (kernel == 3) check({3, in, 14, 6, out, kernel, {stride, 0, 1}});
        }
      }
    }
  }
}

TEST(Convolution, GroupsUnequalPadsAndSinglePixelsAreRight) {
  for (int64_t channels : {1, 3, 4, 6, 8, 9, 16, 24}) {
    for (int64_t stride : {1, 2}) {
      for (int64_t kernel : {1, 3, 5}) {
        const int64_t pad = kernel / 2;
        check({2, channels, 10, 7, channels, kernel, {stride, pad, pad, channels}});  // depthwise
        check({2, channels, 10, 7, 2 * channels, kernel, {stride, pad, 0, channels}});
        check({5, channels, 1, 1, 6, kernel, {stride, pad, pad}});
        check({1, channels, 1, 1, 6, kernel, {stride, pad, pad}});
        check({2, channels, kernel, kernel, 6, kernel, {stride, 0, 0}});  // over the whole map
        if (channels % 2 == 0) check({2, channels, 11, 8, 6, kernel, {stride, pad, pad, 2}});
      }
    }
  }
}

/// Every convolution of a network, projections included, as it meets it.
std::vector<Case> cases_of(const Network& network, int64_t batch) {
  std::vector<Case> cases;
  const std::vector<MapShape> inputs = block_inputs(network);
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    const Block& block = network.blocks[b];
    const std::vector<MapShape> points = point_shapes(block, inputs[b]);
    auto add = [&](size_t from, size_t to, int64_t kernel, ConvGeometry geometry) {
      cases.push_back({batch, points[from].channels, points[from].height, points[from].width,
                       points[to].channels, kernel, geometry});
    };
    for (size_t i = 0; i < block.stages.size(); ++i) {
      const Stage& s = block.stages[i];
      if (!is_pool(s)) add(i, i + 1, s.kernel, {s.stride, s.pad, s.pad_end, s.groups});
    }
    for (const Skip& s : block.skips) {
      if (s.kind == SkipKind::Projection)
        add(static_cast<size_t>(s.from), static_cast<size_t>(s.to), 1, {s.stride});
    }
  }
  return cases;
}

TEST(Convolution, EveryShapeOfEveryFamilyIsRight) {
  // Large ones go against ATen's float64, which has no oneDNN and agrees with the definition.
  constexpr int64_t kLarge = 3'000'000;
  std::vector<Network> networks;
  for (const std::string& name : network_names()) networks.push_back(network_by_name(name).network);
  for (int64_t width : {1, 3, 4, 5, 7, 9, 17}) {
    NetworkConfig narrow;
    narrow.depth = 8;
    narrow.width = width;
    networks.push_back(make_network(narrow, {3, 32, 32}, 10));
    narrow.family = "resnet_imagenet";
    narrow.depth = 50;
    networks.push_back(make_network(narrow, {3, 56, 56}, 10));
  }
  std::set<std::string> seen;
  for (const Network& network : networks) {
    SCOPED_TRACE(network.name);
    for (const Case& c : cases_of(network, 2)) {
      if (!seen.insert(c.name()).second) continue;
      if (c.macs() <= kLarge) {
        check(c);
      } else {
        SCOPED_TRACE(c.name());
        const Operands o(c);
        expect_equal(by_libtorch(c, o, at::kFloat), by_libtorch(c, o, at::kDouble), kTolerance);
      }
    }
  }
  EXPECT_GT(seen.size(), 100U);
}

TEST(Convolution, AtensFloat64AgreesWithTheDefinition) {
  for (const Case& c : {Case{2, 9, 12, 11, 10, 3, {2, 1, 1}}, Case{2, 6, 13, 8, 4, 1, {2}},
                        Case{2, 4, 9, 7, 6, 5, {3, 2, 0, 2}}}) {
    SCOPED_TRACE(c.name());
    const Operands o(c);
    expect_equal(by_libtorch(c, o, at::kDouble), by_definition(c, o), 1e-12);
  }
}

}  // namespace
}  // namespace tailor
