// Bias correction: once biases have taken the shifts, every channel of every stage has the mean
// that it has in floating point, as the integers see it.
#include "tailor/design/correct_biases.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/ir/weights.h"

namespace tailor::test::correct_biases_test {
namespace {

std::vector<std::vector<double>> some_images(const MapShape& shape) {
  std::vector<std::vector<double>> images;
  for (int64_t i = 0; i < 6; ++i) images.push_back(testing::random_image(shape, i));
  return images;
}

/// Mean of each logit over the images.
template <class Run>
std::vector<double> mean_logits(const std::vector<std::vector<double>>& images, const Run& run) {
  std::vector<double> mean;
  for (const auto& image : images) {
    const std::vector<double> logits = run(image);
    mean.resize(logits.size());
    for (size_t k = 0; k < logits.size(); ++k)
      mean[k] += logits[k] / static_cast<double>(images.size());
  }
  return mean;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(CorrectBiases, MakesTheIntegersMeansThoseOfFloatingPoint) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    for (Join join : {Join::BeforeActivation, Join::AfterActivation}) {
      for (auto surgery : {testing::Surgery::Traditional, testing::Surgery::Mixed}) {
        Network network = testing::small_network(join);
        testing::alter(network, surgery);
        TensorMap tensors = testing::random_tensors(network, 7);
        const Lowered lowered = lower(network, tensors, "test");
        const auto images = some_images(network.input);
        const FixedType type{7, 3};
        const Plan plan = design::plan(lowered, layout, type, 2.1);
        add_to_biases(tensors, bias_corrections(lowered, plan, images));
        const Lowered corrected = lower(network, tensors, "test");
        const Float64Emulator exact(lowered.graph());
        const Plan corrected_plan = design::plan(corrected, layout, type, 2.1);
        const IntegerEmulator before(plan.graph()), after(corrected_plan.graph());
        const auto wanted = mean_logits(images, [&](const auto& x) { return exact.run(x); });
        const auto plain = mean_logits(images, [&](const auto& x) { return before.run(x).logits; });
        const auto got = mean_logits(images, [&](const auto& x) { return after.run(x).logits; });
        const std::string what = fmt::format("{} {} {}", to_string(layout), to_string(join),
                                             testing::to_string(surgery));
        EXPECT_GT(largest_difference(plain, wanted), 0.02) << what;
        // Two steps of the last bias, and a mean of the pool that falls to the other side.
        EXPECT_LT(largest_difference(got, wanted), 0.008) << what;
      }
    }
  }
}

TEST(CorrectBiases, KnowsScalesOfChannels) {
  const Network network = testing::small_network();
  const Lowered lowered = lower(network, testing::random_tensors(network, 7), "test");
  const auto images = some_images(network.input);
  for (const FixedType& weights : {FixedType{4, 3}, ir::binary_weights()}) {
    Precision types(FixedType{16, 6});
    types.weights = weights, types.scales = FixedType{8, 1, false};
    const Plan plan = design::plan(lowered, Layout::Fused, types, 2.1);
    TensorMap tensors = testing::random_tensors(network, 7);
    add_to_biases(tensors, bias_corrections(lowered, plan, images));
    const Lowered corrected = lower(network, tensors, "test");
    const Float64Emulator exact(lowered.graph());
    const Plan corrected_plan = design::plan(corrected, Layout::Fused, types, 2.1);
    const IntegerEmulator before(plan.graph()), after(corrected_plan.graph());
    const auto wanted = mean_logits(images, [&](const auto& x) { return exact.run(x); });
    const auto plain = mean_logits(images, [&](const auto& x) { return before.run(x).logits; });
    const auto got = mean_logits(images, [&](const auto& x) { return after.run(x).logits; });
    EXPECT_LT(largest_difference(got, wanted), 0.2 * largest_difference(plain, wanted));
  }
}

TEST(CorrectBiases, GoToBatchNormsAndLinearLayers) {
  const Network network = testing::small_network();
  const Lowered lowered = lower(network, testing::random_tensors(network, 7), "test");
  const Plan plan = design::plan(lowered, Layout::Fused, FixedType{6, 3}, 2.1);
  const auto shifts = bias_corrections(lowered, plan, some_images(network.input));
  EXPECT_EQ(shifts.count("stem.bn1.bias"), 1U);
  EXPECT_EQ(shifts.count("fc.bias"), 1U);
  for (const auto& [name, shift] : shifts) EXPECT_NE(name.find(".bias"), std::string::npos) << name;
  testing::expect_error(ErrorKind::Usage, {"at least one image"},
                        [&] { bias_corrections(lowered, plan, {}); });
}

}  // namespace
}  // namespace tailor::test::correct_biases_test
