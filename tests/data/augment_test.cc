// The random transforms: inside their bounds, spread as they should be, and pure functions of a
// key.
#include "data/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/rooms.h"
#include "tailor/data/batch.h"

namespace tailor::test {
namespace {

constexpr MapShape kPictureShape{3, 30, 20};

TEST(RandomResizedWindow, StaysInsideWithItsAreaAndAspect) {
  const RandomResizedCropConfig config{0.2, 1.5};
  const Extent extent{200, 300};
  double area = 0, least = 1, most = 0;
  constexpr int kCount = 3000;
  for (int64_t id = 0; id < kCount; ++id) {
    const CropWindow w = random_resized_window(extent, {3, 8, 8}, config, {1, 2, id});
    ASSERT_GE(w.top, 0);
    ASSERT_GE(w.left, 0);
    ASSERT_LE(w.top + w.height, 200);
    ASSERT_LE(w.left + w.width, 300);
    const double aspect = static_cast<double>(w.width) / static_cast<double>(w.height);
    ASSERT_GT(aspect, 1 / 1.53);
    ASSERT_LT(aspect, 1.53);
    const double part = static_cast<double>(w.height * w.width) / 60000;
    area += part / kCount;
    least = std::min(least, part), most = std::max(most, part);
  }
  EXPECT_NEAR(least, 0.2, 0.01);
  EXPECT_GT(most, 0.9);
  EXPECT_NEAR(area, 0.47, 0.02);  // below 0.6: large and upright ones do not fit and are redrawn
}

TEST(RandomResizedWindow, APictureThatNoAspectFitsGivesItsCentre) {
  const CropWindow w = random_resized_window({3, 3000}, {3, 8, 8}, {0.9, 1.2}, {1, 0, 5});
  EXPECT_EQ(w.top, 0);
  EXPECT_EQ(w.height, 3);
  EXPECT_EQ(w.width, 4);  // 3 · 1.2
  EXPECT_EQ(w.left, 1498);
}

TEST(RandomWindow, IsOfTheCentresSizeAndReachesEveryPlace) {
  std::vector<int> tops(7), lefts(17);
  for (int64_t id = 0; id < 2000; ++id) {
    const CropWindow w = random_window({36, 36}, {3, 30, 20}, 36, {7, 1, id});
    ASSERT_EQ(w.height, 30);
    ASSERT_EQ(w.width, 20);
    ++tops.at(static_cast<size_t>(w.top));
    ++lefts.at(static_cast<size_t>(w.left));
  }
  for (int n : tops) EXPECT_GT(n, 200);
  for (int n : lefts) EXPECT_GT(n, 70);
}

TEST(JitterColors, NothingChangesWithoutAnAmplitude) {
  std::vector<uint8_t> rgb(3 * 77), before;
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 37);
  before = rgb;
  jitter_colors(rgb, 3, {0, 0, 0}, {1, 2, 3});
  EXPECT_EQ(rgb, before);
  jitter_colors(rgb, 3, {0.4, 0.4, 0.4}, {1, 2, 3});
  EXPECT_NE(rgb, before);
}

TEST(JitterColors, EachDoesItsOwn) {
  // Brightness alone: every byte times one factor within 1 ± 0.5.
  std::vector<uint8_t> rgb = {100, 60, 20, 40, 80, 120};
  jitter_colors(rgb, 3, {0.5, 0, 0}, {1, 2, 3});
  const double factor = rgb[0] / 100.0;
  EXPECT_GT(std::abs(factor - 1), 0.01);
  EXPECT_LE(std::abs(factor - 1), 0.505);
  for (const auto& [at, was] : {std::pair(1, 60), std::pair(2, 20), std::pair(5, 120)})
    EXPECT_NEAR(rgb[static_cast<size_t>(at)], was * factor, 1.5);
  // Saturation and contrast leave a grey picture of one value alone.
  std::vector<uint8_t> grey(3 * 5, 90);
  jitter_colors(grey, 3, {0, 0.9, 0.9}, {1, 2, 3});
  EXPECT_EQ(grey, std::vector<uint8_t>(3 * 5, 90));
  // Saturation keeps each pixel's grey.
  std::vector<uint8_t> color = {200, 100, 50};
  jitter_colors(color, 3, {0, 0, 0.5}, {4, 4, 4});
  EXPECT_NE(color[0], 200);
  EXPECT_NEAR(0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2],
              0.299 * 200 + 0.587 * 100 + 0.114 * 50, 1);
}

TEST(JitterColors, OneChannelHasBrightnessAndContrastButNoSaturation) {
  std::vector<uint8_t> one = {100, 60, 20, 40, 80, 120, 7}, tripled;
  for (uint8_t v : one) tripled.insert(tripled.end(), 3, v);
  const std::vector<uint8_t> before = one;
  jitter_colors(one, 1, {0, 0, 1}, {1, 2, 3});
  EXPECT_EQ(one, before);
  // What the same grey picture becomes as RGB: the same factors of the same key.
  jitter_colors(one, 1, {0.5, 0.4, 0.3}, {1, 2, 3});
  jitter_colors(tripled, 3, {0.5, 0.4, 0.3}, {1, 2, 3});
  EXPECT_NE(one, before);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], tripled[3 * i], 1) << i;
}

TEST(CutOut, SetsOneSquareToTheMean) {
  int64_t smallest = 1000, largest = 0;
  for (int64_t id = 0; id < 300; ++id) {
    std::vector<float> image(static_cast<size_t>(kPictureShape.size()), 1.0F);
    cut_out(image, kPictureShape, {7}, {3, 1, id});
    int64_t top = 99, bottom = -1, left = 99, right = -1, zeros = 0;
    for (int64_t i = 0; i < kPictureShape.size(); ++i) {
      if (image[static_cast<size_t>(i)] != 0) continue;
      const int64_t y = i / 60, x = i / 3 % 20;
      ++zeros;
      top = std::min(top, y), bottom = std::max(bottom, y);
      left = std::min(left, x), right = std::max(right, x);
    }
    ASSERT_EQ(zeros, (bottom - top + 1) * (right - left + 1) * 3);  // a full rectangle
    ASSERT_LE(bottom - top, 6);
    ASSERT_LE(right - left, 6);
    smallest = std::min(smallest, zeros), largest = std::max(largest, zeros);
  }
  EXPECT_EQ(largest, 7 * 7 * 3);
  EXPECT_LT(smallest, 7 * 6 * 3);  // cut off at an edge
}

TEST(MixupShare, IsTheLargerPartOfABetaNumber) {
  // The mean of max(b, 1 - b) is 3/4 for Beta(1, 1), and near 1 for a small alpha.
  for (const auto& [alpha, expected] : {std::pair(1.0, 0.75), std::pair(0.05, 0.972)}) {
    double sum = 0;
    for (int64_t id = 0; id < 4000; ++id) {
      const double share = mixup_share({alpha}, {1, 2, id});
      ASSERT_GE(share, 0.5);
      ASSERT_LE(share, 1);
      sum += share / 4000;
    }
    EXPECT_NEAR(sum, expected, 0.01) << alpha;
  }
}

TEST(MixBatch, BlendsEachImageWithItsMirror) {
  std::vector<float> batch = {0, 0, 10, 20, 100, 200};
  mix_batch(batch, 3, 0.75);
  EXPECT_EQ(batch, (std::vector<float>{25, 50, 10, 20, 75, 150}));
}

TEST(BatchMaker, TransformsDoNotChangeOneAnother) {
  const Images images = make_synthetic(6, 0, 1);
  std::vector<int64_t> all = {0, 1, 2, 3, 4, 5}, labels(6);
  auto fill = [&](const Augmentation& a) {
    std::vector<float> out(6 * 3072);
    BatchMaker({3, 32, 32}, {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}})
        .fill(*images, all, a, 4, out, labels);
    return out;
  };
  Augmentation plain;
  plain.seed = 9;
  plain.pad_crop = plain.flip = true;
  Augmentation cut = plain;
  cut.cutout = CutoutConfig{8};
  const auto a = fill(plain), b = fill(cut);
  int64_t different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    ++different;
    ASSERT_EQ(b[i], 0);
  }
  EXPECT_GT(different, 6 * 3 * 16);  // and nothing but the squares differs
  EXPECT_LE(different, 6 * 3 * 64);
}

TEST(MakeAugmentation, TakesTheParametersOfTheConfig) {
  DataConfig config;
  config.name = "folder";
  config.image_size = 112;
  config.augment = {"random_crop", "cutout", "mixup"};
  config.cutout.side = 9;
  config.mixup.alpha = 0.7;
  Augmentation a = make_augmentation(config, 1);
  EXPECT_EQ(a.random_crop_resize, 128);
  EXPECT_EQ(a.cutout->side, 9);
  EXPECT_EQ(a.mixup->alpha, 0.7);
  EXPECT_FALSE(a.color_jitter || a.random_resized_crop || a.pad_crop || a.flip);
  config.augment = {"random_resized_crop", "color_jitter"};
  config.random_resized_crop.min_area = 0.3;
  config.color_jitter.contrast = 0.1;
  a = make_augmentation(config, 1);
  EXPECT_EQ(a.random_crop_resize, 0);
  EXPECT_EQ(a.random_resized_crop->min_area, 0.3);
  EXPECT_EQ(a.color_jitter->contrast, 0.1);
}

}  // namespace
}  // namespace tailor::test
