// What pictures are drawn with: colours that are evenly apart, ticks at round numbers.
#include "cli/canvas.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/data/codec.h"
#include "tailor/report/scale.h"

namespace tailor::test::canvas_test {
namespace {

using cli::Canvas;
using cli::Rgb;

/// Lightness of CIELAB, by its definition: a measure that the colours are not made with.
double lightness(Rgb rgb) {
  const double weights[] = {0.2126, 0.7152, 0.0722};
  double luminance = 0;
  for (size_t i = 0; i < 3; ++i) {
    const double s = rgb[i] / 255.0;
    luminance += weights[i] * (s <= 0.04045 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4));
  }
  return luminance > 0.008856 ? 116 * std::cbrt(luminance) - 16 : 903.3 * luminance;
}

TEST(Canvas, ColoursBecomeLighterInEvenSteps) {
  const std::vector<Rgb>& colours = cli::even_colours();
  ASSERT_EQ(colours.size(), 256U);
  EXPECT_LT(lightness(colours.front()), 10);
  EXPECT_GT(lightness(colours.back()), 90);
  const double step = (lightness(colours.back()) - lightness(colours.front())) / 15;
  for (size_t i = 17; i < colours.size(); i += 17) {
    const double rise = lightness(colours[i]) - lightness(colours[i - 17]);
    EXPECT_GT(rise, 0.5 * step) << i;
    EXPECT_LT(rise, 1.6 * step) << i;
  }
}

TEST(Canvas, TicksStandAtRoundNumbers) {
  EXPECT_DOUBLE_EQ(report::round_step(1), 1);
  EXPECT_DOUBLE_EQ(report::round_step(1.1), 2);
  EXPECT_DOUBLE_EQ(report::round_step(30), 50);
  EXPECT_DOUBLE_EQ(report::round_step(0.07), 0.1);
  EXPECT_DOUBLE_EQ(report::round_step(600), 1000);
}

TEST(Canvas, DrawsWithinItsBoxAndThePicture) {
  const TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "line.png");
  Canvas canvas({20, 30});
  // From far outside to far outside; the box is rows 5 to 14, the whole width and more.
  canvas.line({{-50, 10}, {90, 10}}, 3, {5, -4, 10, 40}, {255, 0, 0});
  canvas.line({{3, -90}, {3, 90}}, 2, {5, 0, 10, 30}, {0, 0, 0});
  canvas.text(0, 25, "outside", 100);
  canvas.save(path);
  const std::string png = read_file(path);
  std::vector<uint8_t> rgb(20 * 30 * 3);
  decode_window(
      {reinterpret_cast<const uint8_t*>(png.data()), png.size()},
      [](Extent whole) {
        return CropWindow{0, 0, whole.height, whole.width};
      },
      {3, 20, 30}, rgb);
  auto at = [&](size_t y, size_t x) {
    return Rgb{rgb[(y * 30 + x) * 3], rgb[(y * 30 + x) * 3 + 1], rgb[(y * 30 + x) * 3 + 2]};
  };
  EXPECT_EQ(at(9, 20), (Rgb{255, 0, 0}));
  EXPECT_EQ(at(9, 29), (Rgb{255, 0, 0}));
  EXPECT_EQ(at(8, 20), (Rgb{255, 128, 128}));  // of which the line covers half
  EXPECT_EQ(at(12, 20), (Rgb{255, 255, 255}));
  EXPECT_EQ(at(14, 2), (Rgb{0, 0, 0}));
  EXPECT_EQ(at(15, 2), (Rgb{255, 255, 255}));  // below the box
  EXPECT_EQ(at(4, 2), (Rgb{255, 255, 255}));   // above it
}

}  // namespace
}  // namespace tailor::test::canvas_test
