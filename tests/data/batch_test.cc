// The fast path (rows, memcpy, one multiply-add) against the definition written out pixel by pixel:
// pad, crop, mirror, normalise.
#include "tailor/data/batch.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tailor/core/random.h"

namespace tailor::test {
namespace {

constexpr MapShape kShape{2, 7, 11};  // channels, rows, columns
const Preprocessing kPreprocessing{{0.25, 0.6}, {0.5, 0.125}};

uint8_t source_pixel(int64_t id, int64_t y, int64_t x, int64_t c) {
  return static_cast<uint8_t>(1 +
                              (37 * id + 23 * y + 5 * x + 111 * c) % 255);  // never the padding's 0
}

class FakeImages : public ImageDataset {
 public:
  int64_t size() const override { return 100; }
  int64_t get(int64_t index, Span<uint8_t> pixels) const override {
    for (int64_t y = 0; y < kShape.height; ++y) {
      for (int64_t x = 0; x < kShape.width; ++x) {
        for (int64_t c = 0; c < kShape.channels; ++c)
          pixels[static_cast<size_t>((y * kShape.width + x) * kShape.channels + c)] =
              source_pixel(index, y, x, c);
      }
    }
    return index % 10;
  }
};

std::vector<float> fill(const ImageDataset& images, const std::vector<int64_t>& indices,
                        const std::optional<Augmentation>& augmentation, int64_t epoch) {
  std::vector<float> out(indices.size() * static_cast<size_t>(kShape.size()));
  std::vector<int64_t> labels(indices.size());
  BatchMaker(kShape, kPreprocessing).fill(images, indices, augmentation, epoch, out, labels);
  for (size_t n = 0; n < indices.size(); ++n) EXPECT_EQ(labels[n], images.id(indices[n]) % 10);
  return out;
}

double normalised(double byte, int64_t channel) {
  const auto c = static_cast<size_t>(channel);
  return (byte / 255 - kPreprocessing.mean[c]) / kPreprocessing.deviation[c];
}

/// One image by the definition. `cases` collects what happened to it.
std::vector<double> reference(int64_t id, const Augmentation& a, int64_t epoch,
                              std::set<int64_t>* cases) {
  CounterRandom random(static_cast<uint64_t>(a.seed), RandomStream::Augment,
                       static_cast<uint64_t>(epoch), static_cast<uint64_t>(id));
  int64_t top = random.below(9), left = random.below(9), mirrored = random.below(2);
  if (!a.pad_crop) top = left = 4;
  if (!a.flip) mirrored = 0;
  if (cases) cases->insert((top * 9 + left) * 2 + mirrored);
  std::vector<double> out;
  for (int64_t y = 0; y < kShape.height; ++y) {
    for (int64_t x = 0; x < kShape.width; ++x) {
      const int64_t crop_x = mirrored ? kShape.width - 1 - x : x;
      const int64_t from_y = y + top - 4, from_x = crop_x + left - 4;
      const bool inside =
          from_y >= 0 && from_y < kShape.height && from_x >= 0 && from_x < kShape.width;
      for (int64_t c = 0; c < kShape.channels; ++c)
        out.push_back(normalised(inside ? source_pixel(id, from_y, from_x, c) : 0, c));
    }
  }
  return out;
}

double difference(const std::vector<float>& got, const std::vector<double>& expected) {
  double largest = got.size() == expected.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(got[i]) - expected[i]));
  return largest;
}

constexpr double kTolerance = 2e-6;  // float32 at magnitudes up to 4.8

TEST(BatchMaker, NormalisesByChannel) {
  const FakeImages images;
  const auto batch = fill(images, {42, 3}, std::nullopt, 0);
  std::vector<double> expected;
  for (int64_t id : {42, 3}) {
    for (int64_t y = 0; y < kShape.height; ++y) {
      for (int64_t x = 0; x < kShape.width; ++x) {
        for (int64_t c = 0; c < kShape.channels; ++c)
          expected.push_back(normalised(source_pixel(id, y, x, c), c));
      }
    }
  }
  EXPECT_LT(difference(batch, expected), kTolerance);
  // Image 3, first pixel: bytes 112 and 223.
  EXPECT_FLOAT_EQ(batch[154], (112 / 255.0F - 0.25F) / 0.5F);
  EXPECT_FLOAT_EQ(batch[155], (223 / 255.0F - 0.6F) / 0.125F);
}

TEST(BatchMaker, PadsCropsAndMirrorsAsDefined) {
  const FakeImages images;
  for (const auto& [pad_crop, flip] :
       {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
    std::set<int64_t> cases;
    for (int64_t seed : {1, 77}) {
      const Augmentation a{pad_crop, flip, seed};
      for (int64_t epoch = 0; epoch < 10; ++epoch) {
        for (int64_t id = 0; id < 60; ++id)
          ASSERT_LT(difference(fill(images, {id}, a, epoch), reference(id, a, epoch, &cases)),
                    kTolerance)
              << "seed " << seed << " epoch " << epoch << " image " << id;
      }
    }
    EXPECT_EQ(cases.size(),
              (pad_crop ? 81U : 1U) * (flip ? 2U : 1U));  // every crop and mirror was seen
  }
}

TEST(BatchMaker, AnImageNarrowerThanThePadCanBeCroppedToNothing) {
  class Small : public ImageDataset {
   public:
    int64_t size() const override { return 200; }
    int64_t get(int64_t, Span<uint8_t> pixels) const override {
      std::fill(pixels.begin(), pixels.end(), uint8_t{255});
      return 0;
    }
  } images;
  BatchMaker maker({1, 2, 3}, {{0}, {1}});
  int empty = 0;
  for (int64_t i = 0; i < images.size(); ++i) {
    std::vector<float> out(6);
    std::vector<int64_t> indices = {i}, labels = {0};
    maker.fill(images, indices, Augmentation{true, true, 1}, 0, out, labels);
    for (float v : out) EXPECT_TRUE(v == 0 || v == 1) << v;
    empty += std::count(out.begin(), out.end(), 0.0F) == 6 ? 1 : 0;
  }
  EXPECT_GT(empty, 60);  // 6 of 9 rows or 4 of 9 columns: most
  EXPECT_LT(empty, 190);
}

TEST(BatchMaker, WithoutAugmentationTheImageStays) {
  const FakeImages images;
  const Augmentation off{false, false, 5};
  for (int64_t epoch : {0, 9})
    EXPECT_EQ(fill(images, {8, 2}, off, epoch), fill(images, {8, 2}, std::nullopt, 0));
}

TEST(BatchMaker, AnImageDoesNotDependOnItsBatch) {
  const FakeImages images;
  const Augmentation a{true, true, 3};
  std::vector<int64_t> order(20);
  std::iota(order.rbegin(), order.rend(), 40);
  const auto together = fill(images, order, a, 6);
  const auto size = static_cast<std::ptrdiff_t>(kShape.size());
  for (std::ptrdiff_t n = 0; n < 20; ++n) {
    const auto begin = together.begin() + n * size;
    EXPECT_EQ(fill(images, {order[static_cast<size_t>(n)]}, a, 6),
              std::vector<float>(begin, begin + size));
  }
}

TEST(BatchMaker, AugmentationFollowsTheImageNotItsPlaceInAView) {
  const auto images = std::make_shared<FakeImages>();
  const Images view = make_subset(images, {50, 7, 31});
  const Augmentation a{true, true, 3};
  EXPECT_EQ(fill(*view, {2, 0}, a, 4), fill(*images, {31, 50}, a, 4));
}

TEST(BatchMaker, ChangesWithSeedAndEpoch) {
  const FakeImages images;
  std::vector<int64_t> all(30);
  std::iota(all.begin(), all.end(), 0);
  const auto base = fill(images, all, Augmentation{true, true, 3}, 4);
  EXPECT_NE(fill(images, all, Augmentation{true, true, 3}, 5), base);
  EXPECT_NE(fill(images, all, Augmentation{true, true, 4}, 4), base);
}

TEST(MakeAugmentation, TakesTheNamesOfTheConfig) {
  DataConfig config;
  config.augment = {"flip"};
  const Augmentation a = make_augmentation(config, 9);
  EXPECT_FALSE(a.pad_crop);
  EXPECT_TRUE(a.flip);
  EXPECT_EQ(a.seed, 9);
  config.augment = {"pad_crop"};
  EXPECT_TRUE(make_augmentation(config, 9).pad_crop);
  EXPECT_FALSE(make_augmentation(config, 9).flip);
}

TEST(BatchShare, EveryPlaceIsOneWorkersAndMixedPairsStayTogether) {
  for (const int64_t count : {12, 13, 2, 7}) {
    for (const int64_t size : {1, 2, 3, 5}) {
      std::multiset<int64_t> all;
      int64_t least = count;
      for (int64_t rank = 0; rank < size; ++rank) {
        const std::vector<int64_t> places = BatchShare{rank, size}.places(count);
        all.insert(places.begin(), places.end());
        for (size_t n = 0; n < places.size(); ++n)
          EXPECT_EQ(places[n] + places[places.size() - 1 - n], count - 1);
        least = std::min(least, static_cast<int64_t>(places.size()));
      }
      std::multiset<int64_t> expected;
      for (int64_t n = 0; n < count; ++n) expected.insert(n);
      EXPECT_EQ(all, expected) << count << " over " << size;
      EXPECT_EQ((BatchShare{0, size}.smallest(count)), least);
    }
  }
  EXPECT_EQ((BatchShare{1, 2}.places(8)), std::vector<int64_t>({2, 3, 4, 5}));
}

TEST(EpochOrder, IsAPermutationOfItsSeedAndEpoch) {
  auto order = epoch_order(100, 1, 0);
  EXPECT_EQ(epoch_order(100, 1, 0), order);
  EXPECT_NE(epoch_order(100, 1, 1), order);
  EXPECT_NE(epoch_order(100, 2, 0), order);
  EXPECT_EQ(epoch_order(10, 1, 1), (std::vector<int64_t>{7, 5, 2, 1, 0, 6, 4, 8, 9, 3}));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(order.at(static_cast<size_t>(i)), i);
}

TEST(NormalisedHwc, IsTheImagePixelByPixel) {
  const FakeImages images;
  int64_t label = -1;
  const auto hwc = normalised_hwc(images, 47, kShape, kPreprocessing, &label);
  EXPECT_EQ(label, 7);
  std::vector<double> expected;
  for (int64_t y = 0; y < kShape.height; ++y) {
    for (int64_t x = 0; x < kShape.width; ++x) {
      for (int64_t c = 0; c < kShape.channels; ++c)
        expected.push_back(normalised(source_pixel(47, y, x, c), c));
    }
  }
  EXPECT_LT(difference(hwc, expected), kTolerance);
}

TEST(EpochBatches, ASingleImageJoinsTheBatchBeforeIt) {
  const EpochBatches even{96, 32}, rest{98, 32}, one{97, 32}, alone{1, 32}, few{20, 32}, ones{5, 1};
  EXPECT_EQ(even.count(), 3);
  EXPECT_EQ(even.size(2), 32);
  EXPECT_EQ(rest.count(), 4);
  EXPECT_EQ(rest.size(3), 2);
  EXPECT_EQ(rest.smallest(), 2);
  EXPECT_EQ(one.count(), 3);
  EXPECT_EQ(one.size(1), 32);
  EXPECT_EQ(one.size(2), 33);
  EXPECT_EQ(one.largest(), 33);
  EXPECT_EQ(one.smallest(), 32);
  EXPECT_EQ(alone.count(), 1);
  EXPECT_EQ(alone.size(0), 1);
  EXPECT_EQ(few.smallest(), 20);
  EXPECT_EQ(ones.count(), 5);
  EXPECT_EQ(ones.smallest(), 1);
  for (int64_t images = 1; images < 80; ++images) {
    for (int64_t size = 1; size < 40; ++size) {
      const EpochBatches b{images, size};
      int64_t total = 0;
      for (int64_t step = 0; step < b.count(); ++step) {
        EXPECT_EQ(b.first(step), total);
        total += b.size(step);
      }
      EXPECT_EQ(total, images) << size;
    }
  }
}

}  // namespace
}  // namespace tailor::test
