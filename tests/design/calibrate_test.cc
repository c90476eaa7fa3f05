// Types by data: the point stands where rounding and saturating cost least, and a network whose
// stages differ in size loses less than with one type for all.
#include "tailor/design/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "support/expect_error.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"

namespace tailor::test::calibrate_test {
namespace {

std::vector<std::vector<double>> some_images(const MapShape& shape, int64_t first, int64_t n) {
  std::vector<std::vector<double>> images;
  for (int64_t i = first; i < first + n; ++i) images.push_back(testing::random_image(shape, i));
  return images;
}

double error_of(const Lowered& lowered, const Precision& precision) {
  const Plan typed = design::plan(lowered, Layout::Fused, precision, 2.1);
  const IntegerEmulator integers(typed.graph());
  const Float64Emulator exact(lowered.graph());
  double squares = 0;
  for (const auto& image : some_images(lowered.graph().input_shape(), 50, 6)) {
    const auto expected = exact.run(image), got = integers.run(image).logits;
    for (size_t k = 0; k < expected.size(); ++k) squares += std::pow(got[k] - expected[k], 2);
  }
  return std::sqrt(squares);
}

CalibrationRequest request(int weight_bits, int bits) {
  CalibrationRequest r;
  r.weight_bits = weight_bits, r.bits = bits, r.input_magnitude = 2.1;
  return r;
}

/// Stage by stage the weights are of another size.
Lowered uneven_network() {
  const Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 4);
  for (float& v : tensors.at("stem.bn1.weight").as<float>()) v *= 6;
  for (float& v : tensors.at("stage2.block0.bn1.weight").as<float>()) v *= 0.1F;
  return lower(network, tensors, "test");
}

TEST(Calibrate, LosesLessThanOneTypeForAll) {
  const Lowered lowered = uneven_network();
  const auto images = some_images(lowered.graph().input_shape(), 0, 4);
  const TypeCalibration c = calibrate(lowered, request(8, 8), images);
  ASSERT_EQ(c.types.stages.size(), c.stages.size());
  const double calibrated = error_of(lowered, c.types.precision("test"));
  for (int integer = 2; integer <= 6; ++integer)
    EXPECT_LT(calibrated, 0.8 * error_of(lowered, FixedType{8, integer})) << integer;
}

TEST(Calibrate, SaysWhatEachStageHasAndWhatItSaturates) {
  const Lowered lowered = uneven_network();
  const auto images = some_images(lowered.graph().input_shape(), 0, 4);
  const TypeCalibration c = calibrate(lowered, request(6, 8), images);
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const StageRange& s = c.stages[i];
    const StageTypes& t = c.types.stages[i];
    EXPECT_EQ(t.weights, s.has_weights ? fmt::format("6,{}", s.weights.integer) : "") << s.stage;
    EXPECT_EQ(s.weights.largest > 0, s.has_weights) << s.stage;
    // Where nothing saturates, the type holds the largest value.
    const FixedType type = parse_precision(t.activations.empty() ? "8,3" : t.activations, "", true);
    EXPECT_EQ(type.integer, t.activations.empty() ? 3 : s.values.integer) << s.stage;
    const bool has_relu = t.activations != "" && s.stage.find("skip") == std::string::npos;
    EXPECT_EQ(type.is_signed, !has_relu) << s.stage;
    EXPECT_TRUE(s.values.saturated > 0 || type.is_signed ||
                s.values.largest <= type.max_value() + type.step() / 2)
        << s.stage;
    EXPECT_LT(s.values.saturated_frac(), 0.2) << s.stage;
  }
  EXPECT_EQ(c.stages.front().stage, "stem.conv1");
  EXPECT_GT(c.stages.front().values.integer, 3);
  EXPECT_EQ(c.types.stages.back().activations, "");  // logits
  const TrainedPrecision read = read_trained_precision(write_trained_precision(c.types), "file");
  EXPECT_EQ(write_trained_precision(read), write_trained_precision(c.types));
}

TEST(Calibrate, TheInputHasBitsOfItsOwnWhereItIsNamed) {
  const Lowered lowered = uneven_network();
  const auto images = some_images(lowered.graph().input_shape(), 0, 4);
  CalibrationRequest named = request(4, 4);
  named.stages = {{kInputStage, 0, 8}};
  const TypeCalibration plain = calibrate(lowered, request(4, 4), images),
                        wide = calibrate(lowered, named, images);
  EXPECT_EQ(wide.types.stages.size(), wide.stages.size() + 1);
  EXPECT_EQ(wide.types.stages.back().stage, "input");
  auto input_type = [&](const TypeCalibration& c) {
    const Plan typed = plan_trained(lowered, c.types);
    return *typed.graph().value(typed.graph().input()).type;
  };
  EXPECT_EQ(input_type(wide), (FixedType{8, 3}));  // up to 2.1
  EXPECT_EQ(input_type(plain).width, 4);
}

TEST(TrainedPrecision, SaysWhatDiffersFromOtherTypes) {
  TrainedPrecision trained;
  EXPECT_EQ(trained.text(), "8,3");
  EXPECT_EQ(trained.changes_from(trained), "");
  TrainedPrecision other = trained;
  other.layout = Layout::Stock;
  other.stages = {{"fc", "6,2", "", "u8,0"}};
  EXPECT_EQ(other.text(), "8,3, 1 stage with types of its own");
  EXPECT_EQ(other.changes_from(trained),
            "layout stock instead of fused, weights of fc 6,2 instead of 8,3, scales of fc u8,0 "
            "instead of none");
  for (int i = 0; i < 5; ++i) other.stages.push_back({fmt::format("s{}", i), "", "u8,3"});
  const std::string many = other.changes_from(trained);
  EXPECT_EQ(many.substr(many.size() - 11), " and 4 more") << many;
  // The same types, said stage by stage.
  other = trained;
  other.stages = {{"fc", "8,3", ""}};
  EXPECT_EQ(other.changes_from(trained), "");
  // What is not named has types, too.
  other.weights = "6,2";
  EXPECT_EQ(other.changes_from(trained), "weights 6,2 instead of 8,3");
}

TEST(TrainedPrecision, NamesTheKeyAndTheStageOfWhatIsNoType) {
  auto refused = [](const char* json, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Usage, words,
                          [&] { read_trained_precision(Json::parse(json, "p.json"), "p.json"); });
  };
  refused(R"({"weights": "66,1", "activations": "8,3"})", {"p.json: weights: expected W,I"});
  refused(R"({"weights": "8,1", "activations": "8", "stages": []})", {"p.json: activations: "});
  refused(
      R"({"weights": "8,1", "activations": "8,3", "stages": [{"stage": "fc", "weights": "1"}]})",
      {"p.json: weights of fc: expected W,I", "got '1'"});
}

int64_t saturated_by(const FixedType& type, Span<const double> values) {
  return std::count_if(values.begin(), values.end(), [&](double v) {
    bool saturates = false;
    quantise(v, type, &saturates);
    return saturates;
  });
}

TEST(Calibrate, CountsWhatTheTypesSaturate) {
  const Lowered lowered = uneven_network();
  const auto images = some_images(lowered.graph().input_shape(), 0, 4);
  const TypeCalibration c = calibrate(lowered, request(3, 3), images);
  const Plan plan = design::plan(lowered, Layout::Fused, FixedType{24, 10}, 2.1);
  const Graph& graph = plan.graph();
  std::map<size_t, int64_t> saturated;  // by value
  const Precision precision = c.types.precision("test");
  const ByValue<NodeId> writer = producers(graph);
  for (const auto& image : images) {
    Float64Emulator(graph).run(image, [&](ValueId id, Span<const double> values) {
      saturated[id.index()] +=
          saturated_by(precision.activation(graph.node(writer[id]).name), values);
    });
  }
  int64_t all = 0;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const StageRange& s = c.stages[i];
    const auto node = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                   [&](const Node& n) { return n.name == s.stage; });
    ASSERT_NE(node, graph.nodes.end()) << s.stage;
    const Value& value = graph.value(node->outputs[0]);
    EXPECT_EQ(s.values.count, 4 * value.shape.size()) << s.stage;
    if (!c.types.stages[i].activations.empty()) {
      EXPECT_EQ(s.values.saturated, saturated[node->outputs[0].index()]) << s.stage;
    }
    if (!s.has_weights) continue;
    const std::vector<double> weights = graph.tensor(*node, "weight").to_doubles();
    EXPECT_EQ(s.weights.count, static_cast<int64_t>(weights.size())) << s.stage;
    EXPECT_EQ(s.weights.saturated, saturated_by(precision.weight(s.stage), weights)) << s.stage;
    all += s.weights.saturated;
  }
  EXPECT_GT(all, 0);
}

/// Rows are of the very stages that the types make, and say of their kernels what is in them.
void expect_rows_of_design(const Lowered& lowered, const TypeCalibration& c) {
  const Plan plan = plan_trained(lowered, c.types);
  const Precision precision = c.types.precision("test");
  size_t row = 0;
  for (const Node& node : plan.graph().nodes) {
    if (node.outputs.empty() || node.traits().port || node.traits().keeps_type) continue;
    ASSERT_LT(row, c.stages.size()) << node.name;
    const StageRange& s = c.stages[row++];
    EXPECT_EQ(s.stage, node.name);
    if (!node.traits().has_weights) continue;
    const std::vector<double> weights = plan.graph().tensor(node, "weight").to_doubles();
    EXPECT_EQ(s.weights.saturated, saturated_by(precision.weight(node.name), weights)) << s.stage;
  }
  EXPECT_EQ(row, c.stages.size());
}

size_t stages_on_skips(const TypeCalibration& c) {
  return static_cast<size_t>(std::count_if(c.stages.begin(), c.stages.end(), [](const auto& s) {
    return s.stage.find("skip") != std::string::npos;
  }));
}

size_t unfolded_stages(const Lowered& lowered, const TypeCalibration& c) {
  const Plan plan = plan_trained(lowered, c.types);
  return static_cast<size_t>(std::count_if(plan.unfolded().begin(), plan.unfolded().end(),
                                           [](const UnfoldedSkip& s) { return s.is_stage; }));
}

TEST(Calibrate, RowsAreOfTheDesignThatTheTypesMake) {
  const Lowered lowered(testing::lowered_variant({testing::Surgery::Shortened,
                                                  Join::BeforeActivation, Shortcut::Projection}),
                        "test");
  const auto images = some_images(lowered.graph().input_shape(), 0, 3);
  for (int bits = 2; bits <= 8; ++bits) {
    const TypeCalibration c = calibrate(lowered, request(bits, 8), images);
    expect_rows_of_design(lowered, c);
    EXPECT_EQ(stages_on_skips(c), unfolded_stages(lowered, c)) << bits;
  }
  EXPECT_EQ(stages_on_skips(calibrate(lowered, request(3, 8), images)), 2U);
}

TEST(Calibrate, TypesHoldSkipsThatWouldBeStagesIfTheyAreAskedTo) {
  const Lowered lowered(testing::lowered_variant({testing::Surgery::Shortened,
                                                  Join::BeforeActivation, Shortcut::Projection}),
                        "test");
  const auto images = some_images(lowered.graph().input_shape(), 0, 3);
  CalibrationRequest holds = request(3, 8);
  holds.holds_folded_skips = true;
  const TypeCalibration c = calibrate(lowered, holds, images);
  expect_rows_of_design(lowered, c);
  EXPECT_EQ(stages_on_skips(c), 0U);
  EXPECT_EQ(unfolded_stages(lowered, c), 0U);
}

TEST(Calibrate, NeedsImagesAndBits) {
  const Lowered lowered = uneven_network();
  testing::expect_error(ErrorKind::Usage, {"at least one image"},
                        [&] { calibrate(lowered, request(8, 8), {}); });
  const auto images = some_images(lowered.graph().input_shape(), 0, 1);
  testing::expect_error(ErrorKind::Usage, {"2 to 16 bits, got 1"},
                        [&] { calibrate(lowered, request(1, 8), images); });
}

}  // namespace
}  // namespace tailor::test::calibrate_test
