// The fewest bits for a loss: as few as the judge lets through, first where it harms the least, and
// asked for rarely.
#include "tailor/design/fewest_bits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "support/expect_error.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"

namespace tailor::test::fewest_bits_test {
namespace {

struct FewestBits : public ::testing::Test {
  Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 4);
  std::vector<std::vector<double>> images;
  WidthRequest request;
  int asked = 0;

  FewestBits() {
    for (int64_t i = 0; i < 5; ++i) images.push_back(testing::random_image(network.input, i));
    // The sum behind it hardly has this one.
    for (float& v : tensors.at("stage2.block0.bn2.weight").as<float>()) v *= 0.001F;
    request.start.bits = request.start.weight_bits = 8;
    request.start.input_magnitude = 2.1;
  }
  /// With a judge of the weights' bits.
  CalibrationRequest fewest(const std::function<bool(int64_t)>& is_enough) {
    const Lowered lowered = lower(network, tensors, "test");
    const StageRanges ranges(lowered, request.start, images, request.least);
    request.is_good = [&](const TypeCalibration& types) {
      ++asked;
      return is_enough(width_cost(plan_trained(lowered, types.types)).weight_bits);
    };
    return fewest_bits(lowered, ranges, request, images);
  }
  int64_t weights() const {
    int64_t count = 0;
    for (const TensorSpec& spec : tensor_specs(network)) {
      if (spec.role == TensorRole::ConvWeight || spec.role == TensorRole::LinearWeight)
        count += tensors.at(spec.name).size();
    }
    return count;
  }
};

TEST_F(FewestBits, CostsAreProductsAndWeightsByTheirBits) {
  const Lowered lowered = lower(network, tensors, "test");
  const WidthCost plain = width_cost(plan(lowered, Layout::Stock, FixedType{8, 3}, 2.1));
  EXPECT_EQ(plain.weight_bits, 8 * weights());
  EXPECT_EQ(plain.product_bits, 64 * mac_count(network));
  Precision precision(FixedType{8, 3});
  precision.stages["stem.conv1"].activation = FixedType{5, 3};
  precision.stages["fc"].weight = FixedType{3, 1};
  const WidthCost less = width_cost(plan(lowered, Layout::Stock, precision, 2.1));
  EXPECT_EQ(less.weight_bits, plain.weight_bits - 5 * tensors.at("fc.weight").size());
  EXPECT_LT(less.product_bits, plain.product_bits - 5 * 8 * tensors.at("fc.weight").size());
}

TEST_F(FewestBits, GoDownAsFarAsTheJudgeAllows) {
  const CalibrationRequest none = fewest([](int64_t) { return true; });
  for (const StageBits& s : none.stages) {
    EXPECT_EQ(bits_of(none, s.stage).activations, s.stage == "fc" ? 8 : 2) << s.stage;
    EXPECT_TRUE(bits_of(none, s.stage).weights == 2 || s.stage == "pool") << s.stage;
  }
  asked = 0;
  const int64_t limit = 5 * weights();
  const CalibrationRequest some = fewest([&](int64_t bits) { return bits >= limit; });
  EXPECT_LE(asked, 9);
  const Lowered lowered = lower(network, tensors, "test");
  const StageRanges ranges(lowered, some, images);
  const int64_t found = width_cost(plan_trained(lowered, ranges.types(some).types)).weight_bits;
  EXPECT_GE(found, limit);
  EXPECT_LT(found, limit + tensors.at("stage3.block0.conv2.weight").size());
  // What hardly matters has lost more than what does.
  EXPECT_LT(bits_of(some, "stage2.block0.conv2").weights, bits_of(some, "stem.conv1").weights);
}

TEST_F(FewestBits, NoStageAppearsThatHasNoWidths) {
  testing::alter(network, testing::Surgery::Shortened);
  request.start.holds_folded_skips = true;
  const CalibrationRequest few = fewest([](int64_t) { return true; });
  const Lowered lowered = lower(network, tensors, "test");
  const TypeCalibration c = StageRanges(lowered, request.start, images, request.least).types(few);
  std::map<std::string, int> bits;
  for (const StageRange& s : c.stages) bits[s.stage] = bits_of(few, s.stage).weights;
  int64_t weight_bits = 0;
  for (const StageProducts& p : stage_products(plan_trained(lowered, c.types).graph())) {
    EXPECT_EQ(p.stage.find("skip"), std::string::npos) << p.stage;
    ASSERT_EQ(bits.count(p.stage), 1U) << p.stage;
    EXPECT_EQ(p.weight_bits, bits.at(p.stage)) << p.stage;
    EXPECT_LT(p.weight_bits, 8) << p.stage;
    weight_bits += p.weights * p.weight_bits;
  }
  EXPECT_EQ(weight_bits, width_cost(plan_trained(lowered, c.types)).weight_bits);
}

TEST_F(FewestBits, AStartThatIsNotGoodIsRefused) {
  testing::expect_error(ErrorKind::Unsupported, {"8 bits of weights and 8 of values lose more"},
                        [&] { fewest([](int64_t) { return false; }); });
  EXPECT_EQ(asked, 1);
  images.clear();
  testing::expect_error(ErrorKind::Usage, {"at least one image"},
                        [&] { fewest([](int64_t) { return true; }); });
}

}  // namespace
}  // namespace tailor::test::fewest_bits_test
