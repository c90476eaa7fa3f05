// The float64 emulator against sums written from the definitions, for what LibTorch's witness does
// not reach from here: groups, one-sided pads, max pools. The witness covers the rest.
#include "tailor/emulate/float64.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/graphs.h"
#include "support/networks.h"

namespace tailor::test {
namespace {

TEST(Float64Emulator, GroupsOneSidedPadsAndDilationAreTheDefinition) {
  struct Case {
    int64_t groups, stride, dilation;
  };
  for (const Case& k : {Case{1, 1, 1}, {2, 2, 1}, {4, 1, 1}, {1, 2, 2}, {2, 1, 2}, {4, 2, 2}}) {
    testing::GraphBuilder b("conv", {4, 7, 9});
    ops::Conv2d a;
    a.window = {{3, 3}, {k.stride, k.stride}, {1, k.dilation}, {0, 2, 1, 1}};
    a.groups = k.groups;
    b.conv("conv", b.at, a, 20);
    const Graph g = b.finish(3);
    const std::vector<double> image = testing::random_image({4, 7, 9}, 6),
                              weight = g.tensors.at("conv.weight").to_doubles(),
                              bias = g.tensors.at("conv.bias").to_doubles();
    const MapShape out = g.value(ValueId(1)).shape;
    EXPECT_EQ(out, (MapShape{20, 6 / k.stride, (12 - 2 * k.dilation) / k.stride}));
    bool seen = false;
    Float64Emulator(g).run(image, [&](ValueId value, Span<const double> hwc) {
      if (value != ValueId(1)) return;
      seen = true;
      for (int64_t o = 0; o < out.channels; ++o) {
        for (int64_t p = 0; p < out.pixels(); ++p) {
          double sum = bias[static_cast<size_t>(o)];
          for (int64_t i = 0; i < 4; ++i) {
            if (i * k.groups / 4 != o * k.groups / 20) continue;
            for (int64_t tap = 0; tap < 9; ++tap) {
              const int64_t y = p / out.width * k.stride + tap / 3,
                            x = p % out.width * k.stride + tap % 3 * k.dilation - 2;
              if (y >= 7 || x < 0 || x >= 9) continue;
              const int64_t read = 4 / k.groups;
              sum += weight[static_cast<size_t>((o * read + i % read) * 9 + tap)] *
                     image[static_cast<size_t>((y * 9 + x) * 4 + i)];
            }
          }
          ASSERT_NEAR(hwc[static_cast<size_t>(p * 20 + o)], sum, 1e-12) << k.groups << " " << p;
        }
      }
    });
    EXPECT_TRUE(seen);
  }
}

TEST(Float64Emulator, PaddingNeverWinsAMaximum) {
  testing::GraphBuilder b("pool", {1, 3, 4});
  ops::MaxPool2d a;
  a.window = {{2, 2}, {2, 2}, {1, 1}, {1, 0, 0, 1}};
  b.at = b.add(a, "p", {b.at});
  const Graph g = b.finish(2);
  const std::vector<double> image = {-5, -3,  -9,  -8,  //
                                     -7, -1,  -6,  -4,  //
                                     -2, -10, -12, -11};
  Float64Emulator(g).run(image, [&](ValueId value, Span<const double> hwc) {
    if (value != ValueId(1)) return;
    EXPECT_EQ(std::vector<double>(hwc.begin(), hwc.end()), (std::vector<double>{-3, -8, -1, -4}));
  });
  // As a stage of its own: pads that are -infinity, not 0.
  testing::GraphBuilder split("split", {1, 3, 4});
  split.at = split.add(ops::ZeroPad{{1, 0, 0, 1}, true}, "pad", {split.at});
  a.window.pads = {};
  split.at = split.add(a, "p", {split.at});
  const Graph h = split.finish(2);
  Float64Emulator(h).run(image, [&](ValueId value, Span<const double> hwc) {
    if (value != ValueId(2)) return;
    EXPECT_EQ(std::vector<double>(hwc.begin(), hwc.end()), (std::vector<double>{-3, -8, -1, -4}));
  });
}

}  // namespace
}  // namespace tailor::test
