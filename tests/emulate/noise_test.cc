// The prediction must be neither violated (every variant stays under the bound) nor vacuous (within
// a factor of the measured error).
#include "tailor/emulate/noise.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "support/designs.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"

namespace tailor::test {
namespace {

using testing::Surgery;

struct Ratio {
  double measured, predicted;
};

Ratio measure(const Graph& lowered, const testing::DesignOptions& options) {
  Graph design = testing::make_design(lowered, options);
  Float64Emulator exact(design);
  IntegerEmulator integers(design);
  std::vector<std::vector<double>> images;
  double squares = 0, count = 0;
  for (int64_t i = 0; i < 3; ++i) {
    images.push_back(testing::random_image(lowered.input_shape(), 100 + i));
    auto a = exact.run(images.back());
    auto b = integers.run(images.back()).logits;
    for (size_t k = 0; k < a.size(); ++k) squares += (a[k] - b[k]) * (a[k] - b[k]), ++count;
  }
  return {std::sqrt(squares / count), predict_rms_error(design, images)};
}

TEST(QuantisationNoise, PredictsEveryVariant) {
  for (const auto& variant : testing::all_variants()) {
    for (FixedType type : {FixedType{16, 6}, FixedType{12, 5}, FixedType{8, 3},
                           FixedType{12, 2},  // little room above the point: overflow decides

                           FixedType{16, 6, true, Rounding::Trn, Overflow::Sat}}) {
      for (Layout layout : {Layout::Fused, Layout::Stock}) {
        testing::DesignOptions options;
        options.type = type;
        options.input_magnitude = 2.1;
        options.layout = layout;
        Ratio r = measure(testing::lowered_variant(variant, 11, 6), options);
        std::string name = variant.name() + " " + to_string(type) + " " + to_string(layout);
        EXPECT_LT(r.measured, kQuantisationSafety * r.predicted) << name;
        EXPECT_GT(r.measured, 0.5 * r.predicted) << name;
        if (std::getenv("TAILOR_PRINT"))
          printf("%-40s %8.2g / %8.2g = %.2f\n", name.c_str(), r.measured, r.predicted,
                 r.measured / r.predicted);
      }
    }
  }
}

TEST(QuantisationNoise, PredictsPoolsGroupsAndOneSidedPads) {
  for (bool shortened : {false, true}) {
    for (FixedType type : {FixedType{16, 6}, FixedType{9, 4}, FixedType{12, 1}}) {
      for (Layout layout : {Layout::Fused, Layout::Stock}) {
        testing::DesignOptions options;
        options.type = type;
        options.input_magnitude = 2.1;
        options.layout = layout;
        const Ratio r = measure(testing::windows_graph(10, 13, shortened), options);
        EXPECT_LT(r.measured, kQuantisationSafety * r.predicted) << to_string(type);
        EXPECT_GT(r.measured, 0.5 * r.predicted) << to_string(type);
      }
    }
  }
}

/// Fifty layers with a skip over each: errors reach the logits on many ways at once, which to count
/// as independent was wrong by a factor of 5 in either direction.
TEST(QuantisationNoise, PredictsADeepNetwork) {
  for (Surgery surgery : {Surgery::Traditional, Surgery::Shortened, Surgery::Removed}) {
    Network network =
        testing::small_network(Join::BeforeActivation, Shortcut::Pad, /*width=*/4, /*depth=*/50);
    testing::alter(network, surgery);
    Graph lowered = lower(network, initial_tensors(network, 1), "test");
    calibrate_batch_norm(lowered, {testing::random_image(network.input, 1),
                                   testing::random_image(network.input, 2)});
    testing::DesignOptions options;
    options.input_magnitude = 2.1;
    const Ratio r = measure(lowered, options);
    EXPECT_LT(r.measured, 1.5 * r.predicted) << static_cast<int>(surgery);
    EXPECT_GT(r.measured, 0.66 * r.predicted) << static_cast<int>(surgery);
  }
}

}  // namespace
}  // namespace tailor::test
