// NumPy arrays and MLPerf Tiny's files as data sets.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/data/batch.h"
#include "tailor/data/packed.h"
#include "tailor/tensors/npy.h"

namespace tailor {
namespace {

using testing::expect_error;

class Npy : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  DataConfig config_;
  void SetUp() override {
    config_.name = "npy";
    config_.root = folder_.path();
    config_.validation = 0;
    save("train_images", bytes({5, 6, 7, 3}));
    save("train_labels", Tensor::from<int64_t>({5}, {3, 0, 1, 1, 2}));
    save("test_images", bytes({2, 6, 7, 3}));
    save("test_labels", Tensor::from<int32_t>({2}, {4, 0}));
  }
  static Tensor bytes(const Shape& shape) {
    std::vector<uint8_t> v(static_cast<size_t>(element_count(shape)));
    for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<uint8_t>(i * 7);
    return Tensor::from(shape, v);
  }
  void save(const std::string& name, const Tensor& t) {
    save_npy(path_join(folder_.path(), name + ".npy"), t);
  }
  void refuses(std::initializer_list<std::string> words) {
    expect_error(ErrorKind::Data, words, [&] { open_data(config_); });
  }
};

TEST_F(Npy, IsTheArraysWithTheLargestLabelOfBothParts) {
  const DataSplits data = open_data(config_);
  EXPECT_EQ(data.shape, (MapShape{3, 6, 7}));
  EXPECT_EQ(data.classes, 5);
  EXPECT_EQ(data.train->size(), 5);
  std::vector<uint8_t> got(6 * 7 * 3);
  EXPECT_EQ(data.train->get(4, got), 2);
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], static_cast<uint8_t>((4 * got.size() + i) * 7));
  EXPECT_EQ(open_test_data(config_).test->get(0, got), 4);
}

TEST_F(Npy, GreyBecomesRgb) {
  save("train_images", bytes({5, 6, 7}));
  save("test_images", bytes({2, 6, 7}));
  std::vector<uint8_t> got(6 * 7 * 3);
  open_data(config_).train->get(1, got);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<uint8_t>((42 + i / 3) * 7));
}

TEST_F(Npy, AChannelOfItsOwnStaysOne) {
  save("train_images", bytes({5, 6, 7, 1}));
  save("test_images", bytes({2, 6, 7, 1}));
  DataSplits data = open_data(config_);
  EXPECT_EQ(data.shape, (MapShape{1, 6, 7}));
  EXPECT_EQ(data.preprocessing, (Preprocessing{{0.5}, {0.5}}));
  std::vector<uint8_t> got(6 * 7);
  EXPECT_EQ(data.train->get(1, got), 0);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<uint8_t>((42 + i) * 7));
  config_.augment = {"random_resized_crop", "flip", "color_jitter", "cutout", "mixup"};
  config_.cutout.side = 2;
  config_.mean = {0.25}, config_.deviation = {0.5};
  data = open_data(config_);
  std::vector<int64_t> order = {2, 0, 4}, labels(3);
  std::vector<float> batch(3 * 6 * 7, -9);
  BatchMaker(data.shape, data.preprocessing)
      .fill(*data.train, order, make_augmentation(config_, 1), 0, batch, labels);
  EXPECT_EQ(labels, (std::vector<int64_t>{1, 3, 2}));
  for (float v : batch) {
    EXPECT_GE(v, -0.5F);
    EXPECT_LE(v, 1.5F);
  }
  config_.mean = {0.5, 0.5, 0.5}, config_.deviation = {1, 1, 1};
  refuses({"/data/mean and /data/deviation: expected one number in each", "are 1x6x7, got 3"});
  config_.mean = {0.5}, config_.deviation = {1};
  save("train_images", bytes({5, 6, 7, 3}));
  refuses({"expected images of one shape, got 3x6x7 to train and 1x6x7 to test"});
  save("test_images", bytes({2, 6, 7, 3}));
  refuses({"/data/mean and /data/deviation: expected three numbers in each", "got 1"});
}

TEST_F(Npy, AChannelOfItsOwnIsNotPacked) {
  save("train_images", bytes({5, 6, 7, 1}));
  save("test_images", bytes({2, 6, 7, 1}));
  const std::string cache = path_join(folder_.path(), "cache");
  expect_error(ErrorKind::Unsupported, {"the cache holds RGB, the images of npy are 1x6x7"},
               [&] { write_packed(cache, open_data(config_), 6, null_progress()); });
  EXPECT_FALSE(path_exists(cache));
}

TEST_F(Npy, WhatDoesNotFitSaysWhy) {
  save("test_images", bytes({2, 7, 6, 3}));
  refuses({"expected images of one shape, got 3x6x7 to train and 3x7x6 to test"});
  save("test_images", bytes({2, 6, 7, 4}));
  refuses({"test_images.npy: expected U8 of shape [images, rows, columns, 3]", "[2, 6, 7, 4]"});
  save("test_images", Tensor(DType::F32, {2, 6, 7, 3}));
  refuses({"test_images.npy: expected U8", "got F32"});
  save("train_labels", Tensor(DType::I64, {4}));
  refuses({"train_labels.npy: expected whole numbers of shape [5], got I64 of shape [4]"});
  save("train_labels", Tensor::from<int64_t>({5}, {0, 1, -1, 0, 0}));
  refuses({"train_labels.npy: element 2: expected a class from 0 to 999999, got -1"});
  config_.root = path_join(folder_.path(), "none");
  refuses({"expected train_images.npy, train_labels.npy, test_images.npy and test_labels.npy"});
}

TEST(MlperfTiny, IsATestSetInTheOrderOfItsList) {
  TemporaryDirectory folder;
  const std::string root = path_join(folder.path(), "mlcommons");
  std::string pixels(3072, '\0');
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<char>(i * 5);
  write_file(path_join(root, "emu.bin"), std::string(3072, 'e'));
  write_file(path_join(root, "taxi.bin"), pixels);
  write_file(path_join(root, "y_labels.csv"), "taxi.bin,10,1\nemu.bin,10,2\n");
  DataConfig config;
  config.name = "mlperf_tiny";
  config.root = folder.path();
  const DataSplits data = open_test_data(config);
  ASSERT_EQ(data.test->size(), 2);
  std::vector<uint8_t> got(3072);
  EXPECT_EQ(data.test->get(0, got), 1);
  EXPECT_EQ(got[100], static_cast<uint8_t>(500));
  EXPECT_EQ(data.test->get(1, got), 2);
  // Raw bytes: what the network sees is 0..255.
  EXPECT_NEAR(data.preprocessing.deviation[0] * 255, 1, 1e-12);
  expect_error(ErrorKind::Data, {"MLPerf Tiny's files are a test set"}, [&] { open_data(config); });
  write_file(path_join(root, "y_labels.csv"), "taxi.bin,10,1\nemu.bin,10,12\n");
  expect_error(ErrorKind::Data, {"y_labels.csv: line 2: expected FILE.bin,10,LABEL"},
               [&] { open_test_data(config); });
  write_file(path_join(root, "y_labels.csv"), "../taxi.bin,10,1\n");
  expect_error(ErrorKind::Data, {"line 1"}, [&] { open_test_data(config); });
  write_file(path_join(root, "y_labels.csv"), "emu.bin,10,2\n");
  write_file(path_join(root, "emu.bin"), "short");
  expect_error(ErrorKind::Data, {"emu.bin: expected 3072 bytes", "got 5"},
               [&] { open_test_data(config); });
}

TEST(MemoryImages, AWindowCanHaveAnotherSizeThanTheImages) {
  const Images images = make_synthetic(2, 0, 1);
  std::vector<uint8_t> all(3072), part(3 * 5 * 9);
  images->get(1, all);
  images->read_window(
      1,
      [](Extent e) {
        return Window{e.height - 5, 3, 5, 9};
      },
      {3, 5, 9}, part);
  for (size_t y = 0; y < 5; ++y) {
    for (size_t x = 0; x < 27; ++x) ASSERT_EQ(part[y * 27 + x], all[(27 + y) * 96 + 9 + x]);
  }
}

}  // namespace
}  // namespace tailor
