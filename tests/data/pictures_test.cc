#include "tailor/data/pictures.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/pictures.h"
#include "tailor/tensors/npy.h"

namespace tailor::test {
namespace {

using testing::gradient;

struct Pictures : public ::testing::Test {
  TemporaryDirectory folder{"tailor-pictures"};

  std::string file(const std::string& name) const { return path_join(folder.path(), name); }
  std::string npy(const std::string& name, const Shape& shape, const std::vector<uint8_t>& bytes) {
    Tensor t(DType::U8, shape);
    std::copy(bytes.begin(), bytes.end(), t.as<uint8_t>().data());
    save_npy(file(name), t);
    return file(name);
  }
  /// What is seen of one file, which must be readable and whole.
  static std::vector<uint8_t> see(const std::string& path, MapShape shape, int64_t resize) {
    const Images images = open_pictures({path}, shape, resize);
    std::vector<uint8_t> pixels(static_cast<size_t>(shape.size()), 7);
    images->get(0, pixels);
    EXPECT_TRUE(images->report().left_out.empty()) << images->report().left_out[0].second;
    EXPECT_TRUE(images->report().damaged.empty());
    return pixels;
  }
  /// Why one file cannot be seen.
  static std::string reason(const std::string& path, MapShape shape) {
    const Images images = open_pictures({path}, shape, shape.height);
    std::vector<uint8_t> pixels(static_cast<size_t>(shape.size()), 7);
    images->get(0, pixels);
    EXPECT_EQ(*std::max_element(pixels.begin(), pixels.end()), 0);
    const auto bad = images->report().left_out;
    EXPECT_EQ(bad.size(), 1U);
    return bad.empty() ? "" : bad[0].first + ": " + bad[0].second;
  }
};

TEST_F(Pictures, AreSeenAsEvaluationSeesThoseOfAFolder) {
  const Extent extent{45, 70};
  for (const char* kind : {"cat", "dog"}) {
    write_file(file(fmt::format("set/test/{}/a.jpg", kind)), testing::jpeg_picture(extent));
    write_file(file(fmt::format("set/test/{}/b.png", kind)), testing::png_picture(extent));
    write_file(file(fmt::format("set/train/{}/a.png", kind)), testing::png_picture(extent));
  }
  DataConfig config;
  config.name = "folder";
  config.root = file("set");
  config.image_size = 24;
  config.resize = 30;
  config.validation = config.test_size = 0;
  const DataSplits data = open_test_data(config);
  ASSERT_EQ(data.test->size(), 4);
  for (int64_t i = 0; i < 4; ++i) {
    std::vector<uint8_t> expected(static_cast<size_t>(data.shape.size()));
    as_images(data.test)->get(i, expected);
    EXPECT_EQ(see(file("set/" + data.test->name(i)), data.shape, 30), expected);
    EXPECT_NE(see(file("set/" + data.test->name(i)), data.shape, 24), expected);
  }
}

TEST_F(Pictures, ArraysOfBytesAreThePngOfTheSamePixels) {
  const Extent extent{33, 50};
  const std::vector<uint8_t> rgb = gradient(extent);
  write_file(file("x.png"), testing::png_picture(extent));
  const std::string array = npy("x.npy", {33, 50, 3}, rgb);
  for (int64_t resize : {20, 26}) {
    const MapShape shape{3, 20, 20};
    EXPECT_EQ(see(array, shape, resize), see(file("x.png"), shape, resize));
  }
  // At its own size it is what was written, and grey is made RGB.
  EXPECT_EQ(see(array, {3, 33, 50}, 33), rgb);
  EXPECT_EQ(see(npy("grey.npy", {1, 2}, {10, 200}), {3, 1, 2}, 1),
            (std::vector<uint8_t>{10, 10, 10, 200, 200, 200}));
  // Any number of channels that is the network's.
  EXPECT_EQ(see(npy("two.npy", {1, 2, 2}, {1, 2, 3, 4}), {2, 1, 2}, 1),
            (std::vector<uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(see(npy("one.npy", {1, 2, 1}, {1, 2}), {1, 1, 2}, 1), (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(see(npy("flat.npy", {1, 2}, {1, 2}), {1, 1, 2}, 1), (std::vector<uint8_t>{1, 2}));
}

TEST_F(Pictures, ArraysKeepTheirSixteenBitsAndFloatsTheirValues) {
  auto values = [&](const std::vector<std::string>& paths, MapShape shape, int64_t index) {
    const Images images = open_pictures(paths, shape, shape.height);
    EXPECT_EQ(images->pixel_type(), PixelType::F32);
    std::vector<float> seen(static_cast<size_t>(shape.size()));
    images->get_values(index, seen);
    EXPECT_TRUE(images->report().left_out.empty());
    return seen;
  };
  save_npy(file("i2.npy"), Tensor::from<int16_t>({1, 2, 2}, {-32768, 32767, 0, -32767}));
  const std::vector<float> words = values({file("i2.npy")}, {2, 1, 2}, 0);
  EXPECT_EQ(words, (std::vector<float>{0, 1, 32768.F / 65535.F, 1.F / 65535.F}));
  save_npy(file("f4.npy"), Tensor::from<float>({1, 2}, {-7.5F, 1000.25F}));
  EXPECT_EQ(values({file("f4.npy")}, {1, 1, 2}, 0), (std::vector<float>{-7.5F, 1000.25F}));
  // Beside one of those, a picture of bytes is its bytes over 255.
  const std::string bytes = npy("u1.npy", {1, 2}, {51, 255});
  EXPECT_EQ(values({file("f4.npy"), bytes}, {1, 1, 2}, 1), (std::vector<float>{0.2F, 1}));
}

TEST_F(Pictures, OneChannelTakesGreyOnes) {
  std::vector<uint8_t> grey;
  for (int i = 0; i < 8 * 8; ++i) grey.push_back(static_cast<uint8_t>(3 * i));
  write_file(file("grey.jpg"), testing::encode_jpeg(grey, {8, 8}, TJPF_GRAY, TJSAMP_GRAY));
  const std::vector<uint8_t> seen = see(file("grey.jpg"), {1, 8, 8}, 8);
  const std::vector<uint8_t> rgb = see(file("grey.jpg"), {3, 8, 8}, 8);
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_NEAR(seen[i], grey[i], 4);
    EXPECT_EQ(seen[i], rgb[3 * i]);
  }
  EXPECT_EQ(
      reason(file("grey.jpg"), {4, 8, 8}),
      file("grey.jpg") + ": a picture has 3 channels or 1, the network takes 4; give it as .npy");
}

TEST_F(Pictures, BadFilesAreNamedAndDoNotHideTheOthers) {
  const MapShape shape{3, 16, 16};
  EXPECT_EQ(reason(file("no.jpg"), shape), file("no.jpg") + ": there is no such file");
  EXPECT_EQ(reason(folder.path(), shape), folder.path() + ": it is a folder, expected a picture");
  write_file(file("text"), "hello");
  EXPECT_EQ(reason(file("text"), shape),
            file("text") + ": it is no JPEG and no PNG (it begins with 68 65 6c 6c)");
  EXPECT_EQ(reason(npy("wide.npy", {2, 2, 2}, std::vector<uint8_t>(8)), shape),
            file("wide.npy") +
                ": expected the shape [rows, columns, 3] or [rows, columns], got [2, 2, 2]");
  EXPECT_EQ(reason(npy("none.npy", {0, 2, 3}, {}), shape)
                .find(file("none.npy") + ": the array: expected u1"),
            0U);

  const std::string whole = testing::jpeg_picture({64, 48});
  write_file(file("good.jpg"), whole);
  write_file(file("cut.jpg"), whole.substr(0, whole.size() / 2));
  const Images images =
      open_pictures({file("no.jpg"), file("cut.jpg"), file("good.jpg")}, shape, 16);
  ASSERT_EQ(images->size(), 3);
  std::vector<uint8_t> pixels(static_cast<size_t>(shape.size()));
  for (int64_t i = 0; i < 3; ++i) images->get(i, pixels);
  EXPECT_EQ(pixels, see(file("good.jpg"), shape, 16));
  const FileReport report = images->report();
  ASSERT_EQ(report.left_out.size(), 1U);
  EXPECT_EQ(report.left_out[0].first, file("no.jpg"));
  ASSERT_EQ(report.damaged.size(), 1U);
  EXPECT_EQ(report.damaged[0].first, file("cut.jpg"));
}

TEST(OfficialClassNames, AreInTheOrderOfTheLabels) {
  const std::vector<std::string> cifar10 = official_class_names("cifar10");
  ASSERT_EQ(cifar10.size(), 10U);
  EXPECT_EQ(cifar10[3], "cat");
  EXPECT_EQ(cifar10[9], "truck");
  EXPECT_EQ(official_class_names("mlperf_tiny"), cifar10);
  EXPECT_EQ(official_class_names("synthetic").size(), 10U);
  const std::vector<std::string> cifar100 = official_class_names("cifar100");
  ASSERT_EQ(cifar100.size(), 100U);
  EXPECT_TRUE(std::is_sorted(cifar100.begin(), cifar100.end()));
  EXPECT_EQ(std::adjacent_find(cifar100.begin(), cifar100.end()), cifar100.end());
  EXPECT_TRUE(official_class_names("folder").empty());
}

}  // namespace
}  // namespace tailor::test
