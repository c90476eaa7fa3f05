#include "tailor/data/pictures.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/pictures.h"
#include "tailor/tensors/npy.h"

namespace tailor {
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
    data.test->get(i, expected);
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
  write_file(file("colour.png"), testing::png_picture({8, 8}));
  EXPECT_EQ(reason(file("colour.png"), {1, 8, 8}),
            file("colour.png") +
                ": it is a colour picture, the network takes 1 channel; give it as .npy");
  EXPECT_EQ(
      reason(file("grey.jpg"), {4, 8, 8}),
      file("grey.jpg") + ": it is a grey picture, the network takes 4 channels; give it as .npy");
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
                ": expected U8 of shape [rows, columns, 3] or [rows, columns], got U8 of shape "
                "[2, 2, 2]");
  EXPECT_EQ(reason(npy("none.npy", {0, 2, 3}, {}), shape).find(file("none.npy") + ": expected U8"),
            0U);
  Tensor floats(DType::F32, {2, 2, 3});
  save_npy(file("f.npy"), floats);
  EXPECT_NE(reason(file("f.npy"), shape).find("got F32 of shape [2, 2, 3]"), std::string::npos);

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
}  // namespace tailor
