// Every convolution that a description can have, forward and backward, against the definition in
// float64: what a library's fast kernels get wrong must not reach a weight (design decision 16).
#include "nn/convolution.h"

#include <ATen/ops/add.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "nn/gpu/forked_convolution.h"
#include "nn/map_convolution.h"
#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/net/network.h"

namespace tailor::test {
namespace {

struct Case {
  int64_t batch = 2, channels = 3, height = 7, width = 9, filters = 5;
  ConvGeometry geometry;
  Size2 kernel() const { return geometry.window.kernel; }
  Size2 out() const { return count_windows(geometry.window, {channels, height, width}); }
  int64_t macs() const {
    return batch * filters * out().size() * channels / geometry.groups * kernel().size();
  }
  std::string name() const {
    const Pads& p = geometry.window.pads;
    return fmt::format("{}x{}x{}x{} to {} channels, kernel {}, pads {} {} {} {}, {} groups", batch,
                       channels, height, width, filters, to_string(geometry.window), p.top, p.left,
                       p.bottom, p.right, geometry.groups);
  }
};

/// Square windows, as most are; a pad_end of -1 is as pad.
ConvGeometry square(int64_t kernel, int64_t stride = 1, int64_t pad = 0, int64_t pad_end = -1,
                    int64_t groups = 1) {
  return {square_window(kernel, stride, pad, pad_end), groups};
}

/// What a convolution gives and, for a gradient of its output, gives back; NHWC and [out, kernel
/// rows, kernel columns, in / groups].
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
        weight(random_values(c.filters * c.kernel().size() * c.channels / c.geometry.groups, 2)),
        bias(random_values(c.filters, 3)),
        output_gradient(random_values(c.batch * c.out().size() * c.filters, 4)) {}
};

/// The definition, written as a sum over (output pixel, tap); nothing of LibTorch's is in it.
ConvPasses by_definition(const Case& c, const Operands& o) {
  const ConvGeometry& g = c.geometry;
  const Size2 k = c.kernel(), s = g.window.stride, d = g.window.dilation;
  const int64_t oh = c.out().height, ow = c.out().width, in = c.channels / g.groups,
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
          for (int64_t ky = 0; ky < k.height; ++ky) {
            const int64_t iy = y * s.height + ky * d.height - g.window.pads.top;
            if (iy < 0 || iy >= c.height) continue;
            for (int64_t kx = 0; kx < k.width; ++kx) {
              const int64_t ix = x * s.width + kx * d.width - g.window.pads.left;
              if (ix < 0 || ix >= c.width) continue;
              const auto i0 = static_cast<size_t>(
                             ((n * c.height + iy) * c.width + ix) * c.channels + f / out * in),
                         w0 = static_cast<size_t>(((f * k.height + ky) * k.width + kx) * in);
              for (size_t i = 0; i < static_cast<size_t>(in); ++i) {
                sum += o.input[i0 + i] * o.weight[w0 + i];
                p.input_gradient[i0 + i] += dy * o.weight[w0 + i];
                p.weight_gradient[w0 + i] += dy * o.input[i0 + i];
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
  const at::ScalarType of_weights = type == at::kBFloat16 ? at::kFloat : type;
  at::Tensor x = leaf(o.input, c.batch, c.height, c.width, c.channels, type),
             weight = leaf(o.weight, c.filters, c.kernel().height, c.kernel().width,
                           c.channels / g.groups, of_weights);
  at::Tensor bias = at::from_blob(const_cast<double*>(o.bias.data()), {c.filters}, at::kDouble)
                        .to(of_weights)
                        .clone();
  bias.set_requires_grad(true);
  at::Tensor y = convolve(x, g, weight, bias);
  y.backward(
      leaf(o.output_gradient, c.batch, c.out().height, c.out().width, c.filters, type).detach());
  return {nhwc_values(y.detach()), nhwc_values(x.grad()), nhwc_values(weight.grad()),
          nhwc_values(bias.grad())};
}

/// Largest difference, relative to the largest value.
double difference(const std::vector<double>& got, const std::vector<double>& expected) {
  double scale = 1e-30, worst = 0;
  for (double v : expected) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::isfinite(got[i]) ? std::abs(got[i] - expected[i]) : scale * 1e9);
  return worst / scale;
}

void expect_equal(const char* what, const std::vector<double>& got,
                  const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  EXPECT_LE(difference(got, expected), tolerance) << what;
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
      for (int64_t stride : {2, 3}) check({2, channels, size, size, 8, square(1, stride)});
    }
    check({32, channels, 32, 32, 2 * channels, square(1, 2)});
  }
}

TEST(Convolution, NarrowAndOddShapesAreRight) {
  for (int64_t in : {1, 3, 4, 5, 7, 9, 17}) {
    for (int64_t out : {1, 3, 4, 5, 7, 9, 17}) {
      for (int64_t kernel : {1, 2, 3, 5, 7}) {
        for (int64_t stride : {1, 2, 3}) {
          const int64_t pad = (kernel - 1) / 2;
          check({2, in, 9, 11, out, square(kernel, stride, pad)});
          if (kernel == 3) check({3, in, 14, 6, out, square(kernel, stride, 0, 1)});
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
        check({2, channels, 10, 7, channels,
               square(kernel, stride, pad, pad, channels)});  // depthwise
        check({2, channels, 10, 7, 2 * channels, square(kernel, stride, pad, 0, channels)});
        check({5, channels, 1, 1, 6, square(kernel, stride, pad)});
        check({1, channels, 1, 1, 6, square(kernel, stride, pad)});
        check({2, channels, kernel, kernel, 6, square(kernel, stride)});  // over the whole map
        if (channels % 2 == 0) check({2, channels, 11, 8, 6, square(kernel, stride, pad, pad, 2)});
      }
    }
  }
}

TEST(Convolution, RectangularStridedDilatedWindowsOfAllPadsAreRight) {
  const Window windows[] = {
      {{1, 5}, {1, 1}, {1, 1}, {0, 2, 0, 2}}, {{1, 33}, {1, 2}, {1, 1}, {0, 16, 0, 16}},
      {{1, 7}, {1, 1}, {1, 2}, {0, 6, 0, 6}}, {{3, 1}, {2, 1}, {2, 1}, {2, 0, 2, 0}},
      {{2, 3}, {1, 2}, {3, 2}, {1, 4, 2, 0}}, {{3, 3}, {2, 2}, {2, 2}, {2, 2, 2, 2}},
      {{1, 1}, {1, 2}, {1, 1}, {0, 0, 0, 0}}, {{1, 1}, {3, 2}, {1, 1}, {0, 0, 0, 0}},
      {{1, 1}, {2, 1}, {1, 1}, {0, 0, 1, 0}}, {{1, 2}, {1, 3}, {1, 1}, {0, 0, 0, 1}}};
  for (const Window& window : windows) {
    for (int64_t channels : {1, 3, 4, 8, 12, 16, 17}) {
      const int64_t height = window.kernel.height == 1 && window.stride.height == 1 ? 1 : 9;
      check({2, channels, height, 37, 6, {window, 1}});
      check({2, channels, height, 37, channels, {window, channels}});
      check({2, channels, height, 37, 2 * channels, {window, channels}});
      if (channels % 4 == 0) check({2, channels, height, 37, 8, {window, 4}});
    }
  }
}

/// Shapes that the kernels of our own take, whatever the length of a vector.
std::vector<Case> own_cases() {
  std::vector<Case> cases;
  for (int64_t in : {16, 48}) {
    for (int64_t out : {16, 32, 80}) {
      for (int64_t height : {1, 2, 5, 8}) {
        for (int64_t width : {1, 7, 12})
          cases.push_back({3, in, height, width, out, square(3, 1, 1)});
      }
      cases.push_back({17, in, 6, 9, out, square(3, 1, 0)});
      cases.push_back({1, in, 4, 70, out, square(3, 1, 2)});
      cases.push_back({2, in, 9, 6, out, {{{3, 3}, {1, 1}, {1, 1}, {0, 2, 1, 0}}, 1}});
      cases.push_back({2, in, 9, 10, out, square(3, 2, 1)});
      cases.push_back({2, in, 9, 10, out, square(1, 2)});
      cases.push_back({2, in, 9, 10, out, {{{3, 2}, {3, 1}, {2, 1}, {4, 1, 3, 0}}, 1}});
    }
  }
  return cases;
}

TEST(Convolution, KernelsOfOurOwnAreRight) {
  for (const Case& c : own_cases()) {
    const at::Tensor x = at::zeros({c.batch, c.channels, c.height, c.width}),
                     w = at::zeros({c.filters, c.channels, c.kernel().height, c.kernel().width});
    EXPECT_TRUE(is_for_map_kernels(x, c.geometry, w)) << c.name();
    check(c);
  }
  check({5, 3, 9, 12, 32, square(3, 1, 1)});  // a first layer
  check({2, 3, 17, 16, 16, square(3, 2, 1)});
}

/// As bfloat16 maps hold them.
std::vector<double> rounded(const std::vector<double>& values) {
  const auto n = static_cast<int64_t>(values.size());
  return nhwc_values(at::from_blob(const_cast<double*>(values.data()), {n}, at::kDouble)
                         .to(at::kFloat)
                         .to(at::kBFloat16));
}

TEST(Convolution, OfBfloat16MapsIsNearAndSumsAreFloat32) {
  if (!has_narrow_kernels()) GTEST_SKIP() << "this CPU has no products of bfloat16";
  std::vector<Case> cases = own_cases();
  cases.push_back({5, 3, 9, 12, 32, square(3, 1, 1)});  // a first layer
  cases.push_back({2, 3, 17, 16, 16, square(3, 2, 1)});
  cases.push_back({2, 16, 1, 21, 16, {{{1, 5}, {1, 1}, {1, 1}, {0, 2, 0, 2}}, 16}});  // in float32
  cases.push_back({2, 16, 6, 6, 32, square(1)});                                      // LibTorch's
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name());
    Operands o(c);
    const ConvPasses got = by_libtorch(c, o, at::kBFloat16);
    o.input = rounded(o.input), o.output_gradient = rounded(o.output_gradient);
    const ConvPasses exact = by_definition(c, o);
    expect_equal(got, exact, 0.03);
    EXPECT_GT(difference(got.output, exact.output), 1e-5);
    // Each product is off by at most 2^-8 or so; sums of thousands would be off by far more.
    if (c.kernel().size() > 1 && c.geometry.groups == 1)
      expect_equal("bias gradient", got.bias_gradient, exact.bias_gradient, kTolerance);
  }
}

TEST(Convolution, AddsItsSkipAndActivatesAsOperationsThatFollowDo) {
  at::NoGradGuard no_grad;
  for (const Case& c :
       {Case{3, 16, 6, 7, 32, square(3, 1, 1)}, Case{3, 16, 6, 7, 32, square(3, 2, 1)},
        Case{2, 32, 5, 5, 16, square(1)}, Case{2, 5, 6, 6, 7, square(3, 1, 1)}}) {
    SCOPED_TRACE(c.name());
    const Operands o(c);
    const auto type = at::kFloat;
    const at::Tensor
        x = leaf(o.input, c.batch, c.height, c.width, c.channels, type),
        w = leaf(o.weight, c.filters, c.kernel().height, c.kernel().width, c.channels, type),
        skip = leaf(o.output_gradient, c.batch, c.out().height, c.out().width, c.filters, type),
        bias = at::from_blob(const_cast<double*>(o.bias.data()), {c.filters}, at::kDouble).to(type);
    for (const bool relu : {false, true}) {
      for (const at::Tensor& added : {skip, at::Tensor()}) {
        const at::Tensor got = convolve_and_add(x, c.geometry, w, bias, added, relu),
                         wanted =
                             add_and_activate(plain_convolve(x, c.geometry, w, bias), added, relu);
        expect_equal("output", nhwc_values(got), nhwc_values(wanted), 1e-5);
      }
    }
  }
}

/// Every convolution of a network, projections included, as it meets it.
std::vector<Case> cases_of(const Network& network, int64_t batch) {
  std::vector<Case> cases;
  for (const PlacedLayer& layer : placed_layers(network)) {
    if (const auto* conv = layer.as<ConvLayer>()) {
      cases.push_back({batch,
                       conv->in,
                       layer.in.height,
                       layer.in.width,
                       conv->out,
                       {conv->window, conv->groups}});
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
  for (const Case& c : {Case{2, 9, 12, 11, 10, square(3, 2, 1)}, Case{2, 6, 13, 8, 4, square(1, 2)},
                        Case{2, 4, 9, 7, 6, square(5, 3, 2, 0, 2)},
                        Case{2, 4, 9, 17, 6, {{{2, 5}, {3, 2}, {4, 3}, {1, 5, 3, 2}}, 2}}}) {
    SCOPED_TRACE(c.name());
    const Operands o(c);
    expect_equal(by_libtorch(c, o, at::kDouble), by_definition(c, o), 1e-12);
  }
}

/// Runs at once, and counts.
class NoStream : public tailor::nn::SideStream {
 public:
  int forks = 0;
  void fork(const std::vector<at::Tensor>& /*reads*/, const std::function<void()>& work) override {
    ++forks;
    work();
  }
  void join() override {}
};

/// A map of these sizes, channels-last.
at::Tensor random_map(std::vector<int64_t> sizes, uint64_t stream) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  std::vector<double> values = random_values(count, stream);
  return at::from_blob(values.data(), sizes, at::kDouble)
      .to(at::kFloat)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

TEST(ForkedConvolution, GivesWhatTheOtherGivesAndItsWeightsGradientFromTheSideStream) {
  for (const ConvGeometry& geometry :
       {square(3, 1, 1), square(3, 2, 1), square(1), square(3, 1, 1, -1, 2)}) {
    for (const bool learns : {true, false}) {
      NoStream side;
      const at::Tensor x = random_map({2, 4, 8, 8}, 1).requires_grad_(learns),
                       same = x.detach().clone();
      same.requires_grad_(learns);
      const int64_t kernel = geometry.window.kernel.height;
      const at::Tensor weight =
          random_map({6, 4 / geometry.groups, kernel, kernel}, 2).requires_grad_();
      const at::Tensor twin = weight.detach().clone().requires_grad_();
      weight.mutable_grad() = at::zeros_like(weight).detach();
      // Used twice, as nothing forbids.
      auto twice = [&](const auto& convolve_with) {
        const at::Tensor y = convolve_with();
        at::add(y, convolve_with(), 2).sin().sum().backward();
        return y;
      };
      const at::Tensor got =
          twice([&] { return tailor::nn::gpu::forked_convolve(x, geometry, weight, side); });
      const at::Tensor wanted = twice([&] { return convolve(same, geometry, twin, {}); });
      EXPECT_LT(got.sub(wanted).abs().max().item<double>(), 1e-5);
      EXPECT_EQ(side.forks, 2);
      const double largest = twin.grad().abs().max().item<double>();
      EXPECT_LT(weight.grad().sub(twin.grad()).abs().max().item<double>(), 1e-5 * largest);
      ASSERT_EQ(x.grad().defined(), learns);
      if (learns) {
        EXPECT_LT(x.grad().sub(same.grad()).abs().max().item<double>(), 1e-4);
      }
    }
  }
}

}  // namespace
}  // namespace tailor::test
