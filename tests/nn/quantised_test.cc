// A quantised network against the integer emulator of its design, and its gradients against those
// of the network without casts.
#include "tailor/nn/quantised.h"
#include "support/rooms.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "support/expect_error.h"
#include "support/networks.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/design/lower.h"
#include "tailor/emulate/integer.h"
#include "tailor/ir/weights.h"
#include "tailor/nn/model.h"

namespace tailor::test::quantised_test {
namespace {

using testing::Surgery;

at::Tensor random_batch(const MapShape& shape, int64_t n) {
  std::vector<float> all;
  for (int64_t i = 0; i < n; ++i) {
    for (double v : testing::random_image(shape, i)) all.push_back(static_cast<float>(v));
  }
  return at::tensor(all, at::kFloat)
      .reshape({n, shape.height, shape.width, shape.channels})
      .permute({0, 3, 1, 2})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

TrainedPrecision types(const std::string& weights, const std::string& activations,
                       Layout layout = Layout::Fused) {
  TrainedPrecision p;
  p.weights = weights, p.activations = activations;
  p.layout = layout;
  p.input_magnitude = 2.1;
  return p;
}

/// The most bits that a stage sums in.
int widest_sum(const Graph& design) {
  int widest = 0;
  for (const Node& node : design.nodes) {
    if (node.hardware.accumulator) widest = std::max(widest, node.hardware.accumulator->width);
  }
  return widest;
}

/// The network in LibTorch, in float64 and in float32, against the integers of its design.
void expect_integers(const Network& network, const TrainedPrecision& trained, int64_t seed = 5) {
  const TensorMap tensors = testing::random_tensors(network, seed);
  const Plan plan = plan_trained(lower(network, tensors, "test"), trained);
  const IntegerEmulator emulator(plan.graph());
  Model model(network, tensors);
  model.quantise(trained);
  at::NoGradGuard no_grad;
  const at::Tensor x = random_batch(network.input, 3);
  const at::Tensor exact = model.forward_exactly(x).flatten(1),
                   fast = model.forward(x, /*training=*/false).flatten(1);
  const bool fits_float32 = widest_sum(plan.graph()) <= 24;
  const double step = plan.graph().value(plan.graph().output()).type->step();
  for (int64_t i = 0; i < 3; ++i) {
    std::vector<double> image;
    for (double v : testing::random_image(network.input, i)) image.push_back(static_cast<float>(v));
    const std::vector<double> expected = emulator.run(image).logits;
    ASSERT_EQ(exact.size(1), static_cast<int64_t>(expected.size()));
    for (size_t k = 0; k < expected.size(); ++k) {
      const auto at = static_cast<int64_t>(k);
      EXPECT_EQ(exact[i][at].item<double>(), expected[k]) << "input " << i << ", output " << k;
      const double difference = std::abs(fast[i][at].item<double>() - expected[k]);
      EXPECT_LE(difference, fits_float32 ? 0 : 1 + step) << "input " << i << ", output " << k;
    }
  }
}

TEST(Quantised, IsBitForBitWhatTheIntegersComputeWhereverASkipMayBe) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    for (const testing::Variant& v : testing::all_variants()) {
      SCOPED_TRACE(v.name() + to_string(layout));
      Network network = testing::small_network(v.join, v.shortcut);
      testing::alter(network, v.surgery);
      expect_integers(network, types("8,3", "8,3", layout));
      expect_integers(network, types("6,2", "7,3", layout));
    }
  }
}

/// In float64 all of 16 bits is exact; float32 rounds sums of more than 24 bits, so that now and
/// then a value falls on the other side of a cast.
TEST(Quantised, IsExactAtSixteenBitsToo) {
  Network network = testing::small_network();
  expect_integers(network, types("16,6", "16,6"));
  testing::alter(network, Surgery::Shortened);
  expect_integers(network, types("16,4", "12,5"));
  // Weights that hold no 1: an identity does not fold.
  expect_integers(network, types("6,1", "8,3"));
}

TEST(Quantised, StagesHaveTypesOfTheirOwn) {
  Network network = testing::small_network();
  testing::alter(network, Surgery::Mixed);
  TrainedPrecision p = types("6,2", "8,3");
  p.stages = {{"stem.conv1", "8,2", ""}, {"stage2.block0.conv1", "", "6,3"}, {"fc", "8,1", ""}};
  expect_integers(network, p);
}

TEST(Quantised, WithoutASignWhereNothingIsNegative) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    for (const testing::Variant& v : testing::all_variants()) {
      SCOPED_TRACE(v.name() + to_string(layout));
      Network network = testing::small_network(v.join, v.shortcut);
      testing::alter(network, v.surgery);
      TrainedPrecision p = types("5,-1", "u6,3", layout);
      p.stages = {{"stage1.block0.conv1", "4,0", "5,2"}, {"stage2.block0.conv2", "", "u4,1"}};
      expect_integers(network, p);
    }
  }
}

TEST(Quantised, EveryChannelHasAScaleOfItsOwn) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    for (const testing::Variant& v : testing::all_variants()) {
      SCOPED_TRACE(v.name() + to_string(layout));
      Network network = testing::small_network(v.join, v.shortcut);
      testing::alter(network, v.surgery);
      TrainedPrecision p = types("4,3", "u6,3", layout);
      p.scales = "u8,0";
      p.stages = {{"stage1.block0.conv1", kBinary, "u2,1"}, {"stem.conv1", "8,3", "", "u6,1"}};
      expect_integers(network, p);
    }
  }
}

/// Steps before the batch norm, which multiplies them; a skip's projection has some too.
TEST(Quantised, StepsThatCameWithTheWeightsAreTheScales) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    for (Rounding rounding : {Rounding::RndConv, Rounding::Trn}) {
      const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Projection);
      const TensorMap tensors = testing::random_tensors(network, 5);
      TrainedPrecision p = types("6,2", "8,3", layout);
      p.rounding = rounding;
      for (const PlacedLayer& layer : placed_layers(network)) {
        const auto* conv = layer.as<ConvLayer>();
        if (!conv || layer.name == "stem.conv1") continue;
        StageTypes s{layer.name, "8,4", "", "u16,1"};
        for (int64_t o = 0; o < conv->out; ++o)
          s.steps.push_back(0.01 + 0.003 * static_cast<double>(o % 5));
        p.stages.push_back(s);
      }
      ASSERT_GE(p.stages.size(), 5U);
      expect_integers(network, p);
    }
  }
}

/// A kernel in steps of its channel's magnitude: a factor on a channel's weights is one on its
/// scale, and nothing else.
TEST(Quantised, AScaleFollowsItsChannel) {
  const Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 3);
  TrainedPrecision p = types("3,2", "16,6");
  p.scales = "u12,2";
  auto plan_of = [&] { return plan_trained(lower(network, tensors, "test"), p); };
  const Graph before = plan_of().graph();
  const std::string name = "stage1.block0.conv1";
  Span<float> weight = tensors.at(name + ".weight").as<float>();
  const size_t each = weight.size() / static_cast<size_t>(tensors.at(name + ".weight").shape()[0]);
  for (size_t i = 0; i < each; ++i) weight[i] *= 4;
  const Graph after = plan_of().graph();
  auto stage_of = [&](const Graph& g) -> const Node& {
    return *std::find_if(g.nodes.begin(), g.nodes.end(),
                         [&](const Node& n) { return n.name == name; });
  };
  const auto scales = quantised_scales(before, stage_of(before)),
             more = quantised_scales(after, stage_of(after));
  EXPECT_NEAR(static_cast<double>(more[0]), 4.0 * static_cast<double>(scales[0]), 2.1);
  EXPECT_EQ(more[1], scales[1]);
  EXPECT_EQ(quantised_weights(after, stage_of(after)), quantised_weights(before, stage_of(before)));
}

/// Both signs pass their gradient on; training against fixed targets finds weights that fit.
TEST(Quantised, BinaryWeightsLearn) {
  const Network network = testing::small_network();
  TrainedPrecision p = types(kBinary, "16,6");
  p.scales = "u12,2";
  Model model(network, testing::random_tensors(network, 7));
  model.quantise(p);
  model.freeze_statistics(true);
  const at::Tensor x = random_batch(network.input, 8);
  const at::Tensor target = [&] {
    at::NoGradGuard no_grad;
    return model.forward_unquantised(x);
  }();
  auto loss = [&] { return model.forward(x, true).sub(target).square().mean(); };
  const double before = loss().item<double>();
  for (int step = 0; step < 60; ++step) {
    loss().backward();
    at::NoGradGuard no_grad;
    for (const std::string name :
         {"stage1.block0.conv1.weight", "fc.weight", "stem.conv1.weight"}) {
      at::Tensor parameter = model.parameters().parameter(name);
      parameter.sub_(parameter.grad().mul(0.02));
      parameter.mutable_grad() = at::Tensor();
    }
  }
  EXPECT_LT(loss().item<double>(), 0.7 * before);
}

/// Ranges go where the errors send them, types follow, and the network stays what its integers
/// compute.
TEST(Quantised, LearnsWhereItsPointsStand) {
  Network network = testing::small_network();
  testing::alter(network, Surgery::Mixed);
  const TensorMap tensors = testing::random_tensors(network, 7);
  TrainedPrecision p = types("6,-1", "u6,0");  // much of it saturates
  p.learns_points = true;
  Model model(network, tensors);
  model.quantise(p);
  const auto exact = [&] {
    at::NoGradGuard no_grad;
    return model.forward_unquantised(random_batch(network.input, 5));
  }();
  auto error_of = [&] {
    at::NoGradGuard no_grad;
    return model.forward(random_batch(network.input, 5), false).sub(exact).square().mean();
  };
  const double before = error_of().item<double>();
  model.freeze_statistics(true);
  for (int step = 0; step < 400; ++step) {
    model.forward(random_batch(network.input, 5), /*training=*/true)
        .sub(exact)
        .square()
        .mean()
        .backward();
    model.step_ranges(0.02);
  }
  EXPECT_LT(error_of().item<double>(), 0.3 * before);
  const TrainedPrecision learnt = *model.trained();
  EXPECT_EQ(learnt.range_steps, 400);
  int64_t wider = 0;
  for (const StageTypes& s : learnt.stages) {
    const FixedType type = parse_precision(s.activations.empty() ? "6,0" : s.activations, "", true);
    wider += type.integer > 0 ? 1 : 0;
  }
  EXPECT_GE(wider, 4);
  expect_integers(network, learnt, 7);
  // Read back, it goes on with the same step.
  TrainedPrecision read = read_trained_precision(write_trained_precision(learnt), "test");
  Model again(network, tensors);
  again.quantise(read);
  again.freeze_statistics(true);
  for (Model* m : {&model, &again}) {
    m->forward(random_batch(network.input, 5), true).sub(exact).square().mean().backward();
    m->step_ranges(0.02);
  }
  EXPECT_EQ(write_trained_precision(*again.trained()), write_trained_precision(*model.trained()));
}

/// Widths go down to the budget, where the loss needs them least, and the network stays what its
/// integers compute.
TEST(Quantised, LearnsItsWidthsWithinABudget) {
  Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 7);
  TrainedPrecision p = types("8,1", "u8,3");
  p.learns_points = true, p.mean_bits = 5;
  Model model(network, tensors);
  model.quantise(p);
  model.freeze_statistics(true);
  EXPECT_GT(*model.mean_bits(), 7);
  const at::Tensor x = random_batch(network.input, 5);
  const auto exact = [&] {
    at::NoGradGuard no_grad;
    return model.forward_unquantised(x);
  }();
  auto loss = [&] { return model.forward(x, /*training=*/true).sub(exact).square().mean(); };
  for (int step = 0; step < 500; ++step) {
    loss().backward();
    model.step_ranges(step < 400 ? 0.02 : 0.005);
  }
  EXPECT_NEAR(*model.mean_bits(), 5, 0.3);
  const TrainedPrecision learnt = *model.trained();
  std::set<int> widths;
  for (const StageTypes& s : learnt.stages) {
    for (const std::string& text : {s.weights, s.activations}) {
      if (!text.empty()) widths.insert(parse_precision(text, "", true).width);
    }
  }
  EXPECT_GE(widths.size(), 3U);  // not all alike
  // The same budget for all of them costs more.
  TrainedPrecision alike = types("5,1", "u5,3");
  alike.learns_points = true;
  Model other(network, tensors);
  other.quantise(alike);
  other.freeze_statistics(true);
  for (int step = 0; step < 500; ++step) {
    other.forward(x, true).sub(exact).square().mean().backward();
    other.step_ranges(0.02);
  }
  at::NoGradGuard no_grad;
  EXPECT_LT(loss().item<double>(),
            1.5 * other.forward(x, true).sub(exact).square().mean().item<double>());
  expect_integers(network, learnt, 7);
  const TrainedPrecision read = read_trained_precision(write_trained_precision(learnt), "test");
  EXPECT_EQ(write_trained_precision(read), write_trained_precision(learnt));
}

TEST(Quantised, ModesAreThoseOfTheExport) {
  const Network network = testing::small_network();
  for (Rounding rounding : {Rounding::Trn, Rounding::RndConv}) {
    for (Overflow overflow : {Overflow::SatZero, Overflow::Wrap}) {
      TrainedPrecision p = types("8,3", "8,4");
      p.rounding = rounding, p.overflow = overflow;
      expect_integers(network, p);
    }
  }
}

TEST(Quantised, RandomNetworks) {
  int64_t compared = 0;
  for (int64_t seed = 0; seed < 60; ++seed) {
    const Network network = testing::random_network(seed);
    SCOPED_TRACE(network.name);
    TrainedPrecision p = types(seed % 3 == 0 ? "5,2" : "8,3", seed % 2 == 0 ? "8,3" : "7,4");
    if (seed % 4 == 3) p.scales = "u8,1";
    if (seed % 8 == 7) p.weights = kBinary;
    try {  // what cannot be a design has an error of its own
      plan_trained(lower(network, testing::random_tensors(network, seed), "test"), p);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Unsupported) << e.what();
      EXPECT_THROW(QuantisedForm(network, p), Error);
      continue;
    }
    expect_integers(network, p, seed);
    ++compared;
  }
  EXPECT_GE(compared, 40);
}

TEST(Quantised, BranchesAreInTheKernelsAndDiracKernelsRefused) {
  const Network branches = alter_every_skip(testing::small_network(), InitialSkips::Repvgg);
  expect_integers(branches, types("8,3", "8,3", Layout::Fused));
  expect_integers(branches, types("8,3", "8,3", Layout::Stock));
  const Network dirac = alter_every_skip(testing::small_network(), InitialSkips::Dirac);
  testing::expect_error(ErrorKind::Unsupported, {"stem.conv1 is dirac", "--format safetensors"},
                        [&] { QuantisedForm(dirac, types("8,3", "8,3")); });
}

TEST(Quantised, ANetworkThatMasksIsRefused) {
  Network network = testing::small_network();
  network.masks_padding = true;
  testing::expect_error(ErrorKind::Unsupported, {"masks", "/quantization"},
                        [&] { QuantisedForm(network, types("8,3", "8,3")); });
}

struct Gradients {
  at::Tensor logits;
  TensorMap statistics;
  std::map<std::string, at::Tensor> of;
};

Gradients gradients(Model& model, const at::Tensor& x, bool training) {
  const at::Tensor labels = at::tensor({3, 0, 6, 3, 1}, at::kLong);
  Gradients g;
  g.logits = model.forward(x, training);
  model.parameters().zero_gradients();
  at::cross_entropy_loss(g.logits, labels).backward();
  g.logits = g.logits.detach();
  for (const ParameterRange& range : model.parameters().ranges)
    g.of[range.name] = range.view(model.parameters().gradients).clone();
  for (const auto& [name, tensor] : model.tensors()) {
    if (name.find("running") != std::string::npos) g.statistics[name] = tensor;
  }
  return g;
}

/// With types so fine that casts change nothing, a quantised network is the network: straight
/// through means exactly that.
TEST(Quantised, GradientsAreThoseOfTheNetworkWhereCastsAreFine) {
  for (Surgery surgery : {Surgery::Traditional, Surgery::Shortened, Surgery::Mixed}) {
    for (bool frozen : {false, true}) {
      SCOPED_TRACE(std::string(to_string(surgery)) + (frozen ? ", folded" : ", batch"));
      Network network = testing::small_network();
      testing::alter(network, surgery);
      const TensorMap tensors = testing::random_tensors(network, 7);
      Model plain(network, tensors), quantised(network, tensors);
      TrainedPrecision fine = types("24,6", "24,6");
      quantised.quantise(fine);
      quantised.freeze_statistics(frozen);
      const at::Tensor x = random_batch(network.input, 5);
      const Gradients expected = gradients(plain, x, /*training=*/!frozen),
                      got = gradients(quantised, x, /*training=*/true);
      EXPECT_TRUE(got.logits.allclose(expected.logits, 1e-3, 1e-3));
      for (const auto& [name, gradient] : expected.of) {
        const double difference = got.of.at(name).sub(gradient).abs().max().item<double>(),
                     size = gradient.abs().max().item<double>();
        EXPECT_LE(difference, 2e-3 * size + 1e-4) << name;
      }
      for (const auto& [name, tensor] : expected.statistics) {
        const auto a = tensor.as<float>(), b = got.statistics.at(name).as<float>();
        for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-3) << name;
      }
    }
  }
}

std::vector<float> floats(const Json& json) {
  std::vector<float> values;
  for (const Json& v : json.as_array()) values.push_back(static_cast<float>(v.as_number()));
  return values;
}

/// quantised_peer.py computes it with PyTorch alone, from the definition.
TEST(Quantised, LogitsAndGradientsAreThoseOfPyTorch) {
  const std::string file = path_join(TAILOR_TEST_SOURCE, "nn/quantised_peer.json");
  const Json peer = Json::parse(read_file(file), file);
  const Network network = read_network(Json::parse(R"({
    "name": "peer", "input": {"channels": 2, "height": 4, "width": 8}, "classes": 3,
    "blocks": [
      {"id": "stem", "stages": [{"out_channels": 3}]},
      {"id": "b", "stages": [{"out_channels": 3}], "skips": [{"from": 0, "to": 1}]},
      {"id": "c", "stages": [{"out_channels": 4, "stride": 2}],
       "skips": [{"from": 0, "to": 1, "kind": "projection"}]}]})",
                                                   "peer"),
                                       "peer");
  TensorMap tensors;
  for (const TensorSpec& spec : tensor_specs(network))
    tensors.emplace(spec.name, Tensor::from(spec.shape, floats(peer.at("tensors").at(spec.name))));
  Model model(network, tensors);
  model.quantise(types("6,2", "7,3"));
  model.freeze_statistics(true);
  std::vector<float> pixels = floats(peer.at("inputs"));
  const at::Tensor x = at::from_blob(pixels.data(), {2, 2, 4, 8}, at::kFloat)
                           .contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor logits = model.forward(x, /*training=*/true);
  at::cross_entropy_loss(logits, at::tensor({2, 0}, at::kLong)).backward();
  const std::vector<float> expected = floats(peer.at("logits"));
  const at::Tensor got = logits.detach().flatten();
  for (size_t k = 0; k < expected.size(); ++k)
    EXPECT_EQ(got[static_cast<int64_t>(k)].item<float>(), expected[k]) << k;
  for (const ParameterRange& range : model.parameters().ranges) {
    const at::Tensor gradient = range.view(model.parameters().gradients).flatten();
    const std::vector<float> theirs = floats(peer.at("gradients").at(range.name));
    ASSERT_EQ(gradient.numel(), static_cast<int64_t>(theirs.size())) << range.name;
    for (size_t i = 0; i < theirs.size(); ++i)
      EXPECT_NEAR(gradient[static_cast<int64_t>(i)].item<float>(), theirs[i], 2e-6)
          << range.name << " " << i;
  }
}

TEST(Quantised, FrozenStatisticsStayAndOthersMove) {
  const Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 7);
  for (bool frozen : {false, true}) {
    Model model(network, tensors);
    model.quantise(types("8,3", "8,3"));
    model.freeze_statistics(frozen);
    const at::Tensor x = random_batch(network.input, 5);
    const Gradients g = gradients(model, x, true);
    for (const auto& [name, tensor] : g.statistics)
      EXPECT_EQ(tensor == tensors.at(name), frozen) << name;
    at::NoGradGuard no_grad;
    EXPECT_EQ(g.logits.equal(model.forward(x, false)), frozen);
    model.absorb_statistics(x, 1.0);
    EXPECT_FALSE(model.tensors().at("stem.bn1.running_mean") ==
                 tensors.at("stem.bn1.running_mean"));
  }
}

/// A batch norm whose gamma is 0, as new projections begin: nothing is divided by it.
TEST(Quantised, AScaleOfZeroLearns) {
  Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 7);
  for (float& v : tensors.at("stage2.block0.skip.bn.weight").as<float>()) v = 0;
  Model model(network, tensors);
  model.quantise(types("8,3", "8,3"));
  const Gradients g = gradients(model, random_batch(network.input, 5), true);
  EXPECT_GT(g.of.at("stage2.block0.skip.bn.weight").abs().max().item<double>(), 0);
  for (const auto& [name, gradient] : g.of)
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << name;
}

TEST(Quantised, StaysSoThroughAnAlteration) {
  Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 7);
  const TrainedPrecision p = types("8,3", "8,3");
  Model model(network, tensors);
  model.quantise(p);
  const Alteration alteration =
      apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten);
  model.alter(network, added_tensors(alteration, network, model.tensors(), 1));
  ASSERT_NE(model.trained(), nullptr);
  at::NoGradGuard no_grad;
  const at::Tensor x = random_batch(network.input, 1);
  const IntegerEmulator emulator(plan_trained(lower(network, model.tensors(), "test"), p).graph());
  std::vector<double> image;
  for (double v : testing::random_image(network.input, 0)) image.push_back(static_cast<float>(v));
  const std::vector<double> expected = emulator.run(image).logits;
  for (size_t k = 0; k < expected.size(); ++k)
    EXPECT_EQ(model.forward(x, false)[0][static_cast<int64_t>(k)].item<double>(), expected[k]);
}

}  // namespace
}  // namespace tailor::test::quantised_test
