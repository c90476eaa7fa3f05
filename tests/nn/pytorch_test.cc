// One dilated convolution and one depthwise-separable block against PyTorch 2.13.0 (CPU, float64).
// Its numbers stand here; each test says what made them, with f(n, a, b)[i] =
// ((a * i + b) mod 19 - 9) / 8, which float32 has exactly.
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include "nn/convolution.h"
#include "support/rooms.h"
#include "tailor/nn/model.h"

namespace tailor::test {
namespace {

at::Tensor f(const std::vector<int64_t>& shape, int64_t a, int64_t b) {
  const int64_t n = element_count(shape);
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    values[static_cast<size_t>(i)] = static_cast<float>((a * i + b) % 19 - 9) / 8;
  return at::from_blob(values.data(), shape, at::kFloat).clone();
}

Tensor host(const std::vector<int64_t>& shape, int64_t a, int64_t b) {
  const at::Tensor values = f(shape, a, b);
  Tensor result(DType::F32, shape);
  std::copy_n(values.data_ptr<float>(), values.numel(), result.as<float>().data());
  return result;
}

at::Tensor channels_last(const at::Tensor& t) {
  return t.contiguous(at::MemoryFormat::ChannelsLast);
}

void expect_values(const char* what, const at::Tensor& got, const std::vector<double>& expected) {
  const at::Tensor plain = got.detach().contiguous().to(at::kDouble);
  ASSERT_EQ(plain.numel(), static_cast<int64_t>(expected.size())) << what;
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(plain.data_ptr<double>()[i], expected[i], 2e-5) << what << " " << i;
}

// c = nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=(1, 2), dilation=(2, 1))
// c.weight = f(36, 7, 3); c.bias = f(3, 5, 2); y = c(f(40, 11, 5)); y.backward(f(48, 13, 1))
const std::vector<double> kOutput = {
    -0.421875, -0.796875, 0.3125,   -0.875,   -1.25,     0.5,       0.375,     -0.75,
    -3.515625, -2.484375, 0.359375, -0.375,   -2.203125, -1.84375,  -1.890625, -0.96875,
    0.078125,  -0.015625, -0.8125,  -1.25,    0.3125,    1.4375,    -2.5,      0.25,
    0.015625,  2.578125,  1.609375, -0.375,   0.171875,  1,         1.421875,  0.53125,
    -0.90625,  -0.71875,  1.328125, 0.75,     -0.203125, -2.078125, -0.328125, 0.359375,
    1.46875,   -1.265625, -2.1875,  1.109375, 0.171875,  1.46875,   1.46875,   -0.046875};
const std::vector<double> kInputGradient = {
    1.078125, -0.078125, 1.359375,  -0.828125, -2.21875,  3.171875,  -0.96875,  -2.4375,
    1.125,    1.75,      -2.640625, 1.171875,  1.546875,  0.890625,  0.6875,    0.453125,
    0.515625, -0.6875,   -0.5,      -0.640625, 0.046875,  0.03125,   -0.140625, -0.0625,
    -0.625,   -0.671875, 0.4375,    -1.28125,  -0.015625, -0.109375, -1.328125, 0.109375,
    -0.15625, -0.640625, 1.609375,  -0.375,    -0.609375, 1.578125,  0.8125,    -0.921875};
const std::vector<double> kWeightGradient = {
    -0.859375, 2.15625,   -0.71875,  -1.875,   0.125,    0.140625,  0.828125,  -0.75,     0.75,
    2.203125,  0,         0.140625,  -0.4375,  1.84375,  -0.296875, -1.46875,  -0.296875, 0.546875,
    0.59375,   -0.609375, 0.515625,  1.65625,  0.328125, -0.40625,  -0.015625, 1.53125,   0.125,
    -1.0625,   -0.71875,  -0.828125, 0.359375, -0.46875, 0.28125,   1.109375,  0.65625,   0.53125};

TEST(PyTorch, ADilatedConvolutionIsItsForwardAndBackward) {
  const ConvGeometry geometry{{{2, 3}, {1, 2}, {2, 1}, {1, 2, 1, 2}}, 1};
  at::Tensor x = channels_last(f({1, 2, 4, 5}, 11, 5)).set_requires_grad(true),
             weight = channels_last(f({3, 2, 2, 3}, 7, 3)).set_requires_grad(true);
  at::Tensor y = convolve(x, geometry, weight, f({3}, 5, 2));
  y.backward(channels_last(f({1, 3, 4, 4}, 13, 1)));
  expect_values("output", y, kOutput);
  expect_values("input gradient", x.grad(), kInputGradient);
  expect_values("weight gradient", weight.grad(), kWeightGradient);
}

// s = nn.Sequential(nn.Conv1d(3, 3, 5, stride=2, padding=4, dilation=2, groups=3, bias=False),
//                   nn.Conv1d(3, 4, 1, bias=False), nn.BatchNorm1d(4, eps=1e-3), nn.ReLU())
// weights f(15, 7, 3) and f(12, 5, 2), gamma f(4, 3, 11), beta f(4, 7, 6); x = f(54, 11, 5)
// y = s(x); y.backward(f(40, 13, 1)); then s.eval(); s(x)
const std::vector<double> kTrained = {0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0.229948195,
                                      0.594244104,
                                      1.08534508,
                                      0.112814702,
                                      1.61083387,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      1.92510408,
                                      0,
                                      0,
                                      0.152952802,
                                      0.0697749059,
                                      0,
                                      0,
                                      0.00470071383,
                                      0,
                                      0,
                                      1.14659837,
                                      0,
                                      0,
                                      0.419081174,
                                      0.495379137,
                                      0.0417421458,
                                      0,
                                      0,
                                      0,
                                      0.131806308,
                                      0,
                                      0.132158328,
                                      0,
                                      1.11643009,
                                      0};
const std::vector<double> kTrainedInputGradient = {
    -0.591626285,   0, -0.295839998, 0, 0.918876524,  0, -0.404641442, 0, 0.00739054273,
    0.147443827,    0, 0.582972614,  0, -1.28630251,  0, 0.124703122,  0, 0.451716308,
    -0.00132633581, 0, 0.568742272,  0, -1.12128406,  0, 0.437324827,  0, -0.168632371,
    -0.164006915,   0, 0.227353305,  0, -0.187890561, 0, -0.38109103,  0, 0.561996107,
    0.429980035,    0, -1.59383297,  0, 1.61025672,   0, 0.590389456,  0, -1.2156661,
    -0.642992227,   0, -0.402675404, 0, 1.96897564,   0, -0.763644926, 0, -0.639723386};
const std::vector<double> kEvaluated = {
    0,           0,           0,           0, 0, 0.31086649, 0.715819815, 1.26173034, 0.180660259,
    1.84586656,  0,           0,           0, 0, 0,          1.80235385,  0,          0,
    0.289319038, 0.218303062, 0,           0, 0, 0,          0,           1.32981984, 0.0504540273,
    0,           0.521107744, 0.605920977, 0, 0, 0,          0,           0,          0,
    0.271565044, 0,           1.11192076,  0};

TEST(PyTorch, ADepthwiseSeparableBlockIsItsForwardBackwardAndStatistics) {
  Network network = read_network(Json::parse(R"({"name": "separable", "classes": 4,
      "input": {"channels": 3, "height": 1, "width": 9}, "bn_epsilon": 1e-3,
      "blocks": [{"id": "b", "stages": [{"layers": [
        {"kind": "depthwise", "kernel": [1, 5], "stride": [1, 2], "dilation": [1, 2]},
        {"kind": "conv", "kernel": 1, "out_channels": 4},
        {"kind": "batch_norm"}, {"kind": "relu"}]}]}],
      "head": {"layers": [{"kind": "conv", "kernel": 1}]}})",
                                             "separable"),
                                 "separable");
  Tensor ones(DType::F32, {4}), identity(DType::F32, {4, 4, 1, 1});
  for (size_t i = 0; i < 4; ++i) ones.as<float>()[i] = identity.as<float>()[5 * i] = 1;
  const TensorMap tensors = {{"b.conv1.weight", host({3, 1, 1, 5}, 7, 3)},
                             {"b.conv1b.weight", host({4, 3, 1, 1}, 5, 2)},
                             {"b.bn1.weight", host({4}, 3, 11)},
                             {"b.bn1.bias", host({4}, 7, 6)},
                             {"b.bn1.running_mean", Tensor(DType::F32, {4})},
                             {"b.bn1.running_var", ones},
                             {"head.conv.weight", identity}};
  Model model(network, tensors);
  at::Tensor x = channels_last(f({2, 3, 1, 9}, 11, 5)).set_requires_grad(true);
  // The head changes nothing, and answers position by position.
  auto by_channel = [](const at::Tensor& logits) { return logits.permute({0, 2, 1}); };
  at::Tensor y = by_channel(model.forward(x, /*training=*/true));
  y.backward(f({2, 4, 5}, 13, 1));
  expect_values("output", y, kTrained);
  expect_values("input gradient", x.grad(), kTrainedInputGradient);
  const std::vector<double> mean = {-0.00712890625, 0.0201757813, -0.00892578125, -0.0194726563},
                            variance = {0.958233749, 1.04326223, 0.956792709, 0.979286368};
  const TensorMap after = model.tensors();
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(after.at("b.bn1.running_mean").as<float>()[c], mean[c], 1e-6);
    EXPECT_NEAR(after.at("b.bn1.running_var").as<float>()[c], variance[c], 1e-6);
  }
  expect_values("eval output", by_channel(model.forward(x, /*training=*/false)), kEvaluated);
  expect_values("folded", by_channel(FrozenModel(network, after).forward(x)), kEvaluated);
}

}  // namespace
}  // namespace tailor::test
