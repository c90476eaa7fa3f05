// NumPy arrays and MLPerf Tiny's files as data sets.
#include <gtest/gtest.h>

#include <cstdio>
#include <limits>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/data/batch.h"
#include "tailor/data/packed.h"
#include "tailor/tensors/npy.h"

namespace tailor::test {
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
  EXPECT_EQ(as_images(data.train)->get(4, got), 2);
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], static_cast<uint8_t>((4 * got.size() + i) * 7));
  EXPECT_EQ(as_images(open_test_data(config_).test)->get(0, got), 4);
}

TEST_F(Npy, GreyBecomesRgb) {
  save("train_images", bytes({5, 6, 7}));
  save("test_images", bytes({2, 6, 7}));
  std::vector<uint8_t> got(6 * 7 * 3);
  as_images(open_data(config_).train)->get(1, got);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<uint8_t>((42 + i / 3) * 7));
}

TEST_F(Npy, AChannelOfItsOwnStaysOne) {
  save("train_images", bytes({5, 6, 7, 1}));
  save("test_images", bytes({2, 6, 7, 1}));
  DataSplits data = open_data(config_);
  EXPECT_EQ(data.shape, (MapShape{1, 6, 7}));
  EXPECT_EQ(data.preprocessing, (Preprocessing{{0.5}, {0.5}}));
  std::vector<uint8_t> got(6 * 7);
  EXPECT_EQ(as_images(data.train)->get(1, got), 0);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<uint8_t>((42 + i) * 7));
  config_.augment = {"random_resized_crop", "flip", "color_jitter", "cutout", "mixup"};
  config_.cutout.side = 2;
  config_.mean = {0.25}, config_.deviation = {0.5};
  data = open_data(config_);
  std::vector<int64_t> order = {2, 0, 4}, labels(3);
  std::vector<float> batch(3 * 6 * 7, -9);
  BatchMaker(data.shape, data.preprocessing)
      .fill(*as_images(data.train), order, make_augmentation(config_, 1), 0, batch, labels);
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

/// A .npy file of a type that tailor itself does not write.
void write_raw_npy(const std::string& path, const std::string& descr, const std::string& shape,
                   const std::string& bytes) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "}\n";
  std::string file = "\x93NUMPY\x01";
  file += '\0';
  file += static_cast<char>(header.size());
  file += '\0';
  write_file(path, file + header + bytes);
}

std::string words(const std::vector<int>& values) {
  std::string out;
  for (int v : values) out += {static_cast<char>(v & 255), static_cast<char>(v >> 8 & 255)};
  return out;
}

class NpySensor : public Npy {
 protected:
  /// The same array in both parts: N×1×2×C of 16 bits.
  void save_words(const std::string& descr, int64_t count, int64_t channels,
                  const std::vector<int>& values) {
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < count; ++i) labels.push_back(i % 2);
    for (const char* part : {"train", "test"}) {
      write_raw_npy(path_join(folder_.path(), std::string(part) + "_images.npy"), descr,
                    fmt::format("({}, 1, 2, {})", count, channels), words(values));
      save(std::string(part) + "_labels", Tensor::from({count}, labels));
    }
  }
  std::vector<float> values(const Images& images, int64_t index, MapShape shape) {
    std::vector<float> out(static_cast<size_t>(shape.size()));
    images->get_values(index, out);
    return out;
  }
};

TEST_F(NpySensor, SixteenBitsAreKeptToTheLast) {
  save_words("<u2", 2, 1, {0, 1, 0x1234, 65535});
  const DataSplits data = open_data(config_);
  EXPECT_EQ(data.shape, (MapShape{1, 1, 2}));
  EXPECT_EQ(as_images(data.train)->pixel_type(), PixelType::U16);
  EXPECT_EQ(values(as_images(data.train), 0, data.shape), (std::vector<float>{0, 1 / 65535.F}));
  EXPECT_EQ(values(as_images(data.train), 1, data.shape),
            (std::vector<float>{0x1234 / 65535.F, 1}));
  // The range that is said holds every value, in the float32 that they have.
  EXPECT_EQ(data.preprocessing.high, 1);
  save_words("<u2", 1, 1, {7, 0x0909});
  EXPECT_EQ(open_data(config_).preprocessing.low, 7 / 65535.F);
  EXPECT_EQ(open_data(config_).preprocessing.high, 0x0909 / 65535.F);
  // What the network sees tells neighbours apart: a step is 1 / 65,535 / deviation.
  const std::vector<float> seen =
      normalised_hwc(*as_images(data.test), 0, data.shape, {{0.000015}, {0.00001}}, nullptr);
  EXPECT_NEAR(seen[1] - seen[0], 1 / 65535.0 / 0.00001, 1e-6);
  save_words("<i2", 2, 1, {-32768, 32767, 0, -1});
  const DataSplits with_sign = open_data(config_);
  EXPECT_EQ(values(as_images(with_sign.train), 0, data.shape), (std::vector<float>{0, 1}));
  EXPECT_EQ(values(as_images(with_sign.train), 1, data.shape),
            (std::vector<float>{32768 / 65535.F, 32767 / 65535.F}));
  save_words(">u2", 2, 1, {0x0100, 0xFFFF, 0, 0});  // big-endian
  EXPECT_EQ(values(as_images(open_data(config_).train), 0, data.shape),
            (std::vector<float>{1 / 65535.F, 1}));
}

TEST_F(NpySensor, SmallTypesAreScaledByTheirRange) {
  for (const auto& [descr, bytes, expected] :
       {std::tuple("|i1", std::string("\x80\x7F\x00\xFF", 4), std::vector<int>{0, 255, 128, 127}),
        std::tuple("|b1", std::string("\0\1\1\0", 4), std::vector<int>{0, 255, 255, 0})}) {
    for (const char* part : {"train", "test"}) {
      write_raw_npy(path_join(folder_.path(), std::string(part) + "_images.npy"), descr,
                    "(2, 1, 2, 1)", bytes);
      save(std::string(part) + "_labels", Tensor::from<int64_t>({2}, {0, 1}));
    }
    const DataSplits data = open_data(config_);
    std::vector<uint8_t> got(2), all;
    for (int64_t i = 0; i < 2; ++i) {
      as_images(data.train)->get(i, got);
      all.insert(all.end(), got.begin(), got.end());
    }
    EXPECT_EQ(all, std::vector<uint8_t>(expected.begin(), expected.end())) << descr;
  }
  save("train_images", Tensor(DType::I32, {5, 6, 7, 3}));
  refuses({"train_images.npy: expected u1, u2, i1, i2, b1", "got i4", "astype(), to float32"});
}

TEST_F(NpySensor, FloatsOfAnyChannelsAreAsTheyAre) {
  std::vector<float> train(5 * 2 * 3 * 7), test(2 * 2 * 3 * 7);
  for (size_t i = 0; i < train.size(); ++i) train[i] = 900 + 0.25F * static_cast<float>(i);
  for (size_t i = 0; i < test.size(); ++i) test[i] = -3.5F * static_cast<float>(i);
  save("train_images", Tensor::from({5, 2, 3, 7}, train));
  save("test_images", Tensor::from({2, 2, 3, 7}, test));
  const DataSplits data = open_data(config_);
  EXPECT_EQ(data.shape, (MapShape{7, 2, 3}));
  EXPECT_EQ(values(as_images(data.train), 4, data.shape),
            std::vector<float>(train.begin() + 4 * 42, train.end()));
  EXPECT_EQ(data.preprocessing,
            (Preprocessing{std::vector<double>(7, 0), std::vector<double>(7, 1)}));
  // The range is known, so that an export can choose its input's type.
  EXPECT_EQ(data.preprocessing.low, -3.5 * 83);
  EXPECT_EQ(data.preprocessing.high, 900 + 0.25 * 209);
  EXPECT_EQ(data.preprocessing.magnitude(), 900 + 0.25 * 209);
  const Preprocessing copy = read_preprocessing(write_preprocessing(data.preprocessing));
  EXPECT_EQ(copy.low, data.preprocessing.low);
  EXPECT_EQ(copy.high, data.preprocessing.high);
  // Every transform but colours takes them, and what is large stays exact.
  config_.mean.assign(7, 900), config_.deviation.assign(7, 0.25);
  config_.augment = {"pad_crop", "flip"};
  const DataSplits opened = open_data(config_);
  std::vector<float> batch(42);
  std::vector<int64_t> label(1);
  BatchMaker(opened.shape, opened.preprocessing)
      .fill(*as_images(opened.train), std::vector<int64_t>{2}, std::nullopt, 0, batch, label);
  for (size_t i = 0; i < 42; ++i) ASSERT_EQ(batch[i], static_cast<float>(84 + i));
  Augmentation flip;
  flip.flip = true;
  bool mirrored = false, plain = false;
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    BatchMaker(opened.shape, opened.preprocessing)
        .fill(*as_images(opened.train), std::vector<int64_t>{2}, flip, epoch, batch, label);
    mirrored |= batch[0] == 84 + 14;  // the last column of the first row
    plain |= batch[0] == 84;
    EXPECT_TRUE(batch[0] == 84 || batch[0] == 84 + 14);
  }
  EXPECT_TRUE(mirrored && plain);
  config_.augment = {"color_jitter"};
  expect_error(ErrorKind::Config,
               {"/data/augment: color_jitter needs images of one channel or of three"},
               [&] { open_data(config_); });
  save("train_images", Tensor(DType::F32, {5, 2, 3, 1}));
  save("test_images", Tensor(DType::F32, {2, 2, 3, 1}));
  config_.mean.clear(), config_.deviation.clear();
  expect_error(ErrorKind::Config, {"color_jitter needs pixels with a black and a white"},
               [&] { open_data(config_); });
  test[50] = std::numeric_limits<float>::quiet_NaN();
  save("train_images", Tensor::from({5, 2, 3, 7}, train));
  save("test_images", Tensor::from({2, 2, 3, 7}, test));
  refuses({"test_images.npy: image 1: expected numbers that float32 has, got nan"});
}

TEST_F(NpySensor, AllTransformsOf16BitsAreThoseOf8) {
  // Bytes as words v · 257 are the same values: each transform gives the same to a rounding.
  std::vector<uint8_t> small(4 * 9 * 11 * 3);
  std::vector<uint16_t> large;
  for (size_t i = 0; i < small.size(); ++i) {
    small[i] = static_cast<uint8_t>(i * i * 7 + i * 13);
    large.push_back(static_cast<uint16_t>(small[i] * 257));
  }
  const MapShape shape{3, 9, 11};
  auto shared = [](const auto& values) {
    using T = typename std::decay_t<decltype(values)>::value_type;
    std::shared_ptr<T> copy(new T[values.size()], std::default_delete<T[]>());
    std::copy(values.begin(), values.end(), copy.get());
    return std::shared_ptr<const T>(copy);
  };
  const Images bytes = make_memory_images(shape, shared(small), {0, 1, 0, 1}),
               values = make_memory_images(shape, shared(large), {0, 1, 0, 1});
  const BatchMaker maker(shape, {{0.5, 0.4, 0.3}, {0.2, 0.25, 0.3}});
  for (const std::vector<std::string>& augment : {std::vector<std::string>{},
                                                  {"pad_crop", "flip"},
                                                  {"random_resized_crop", "flip", "cutout"},
                                                  {"color_jitter"},
                                                  {"mixup", "flip"}}) {
    config_.augment = augment;
    config_.cutout.side = 3;
    const Augmentation how = make_augmentation(config_, 5);
    std::vector<float> a(4 * 9 * 11 * 3), b(a.size());
    std::vector<int64_t> labels(4), indices = {0, 1, 2, 3};
    maker.fill(*bytes, indices, how, 3, a, labels);
    maker.fill(*values, indices, how, 3, b, labels);
    // Bytes are rounded once by the filter, and thrice by the colours.
    const bool rounds = augment == std::vector<std::string>{"color_jitter"};
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], (rounds ? 2.6 : 1.1) / 255 / 0.2);
  }
}

TEST_F(NpySensor, ThePackedCacheHoldsThemAsTheyAre) {
  save_words("<u2", 3, 5, {0,     1, 2, 300,  65535, 65534, 7, 8, 9,  10,    11, 12, 13, 14, 15,
                           40000, 1, 2, 3000, 5,     6,     7, 8, 90, 10000, 11, 12, 13, 14, 15});
  const std::string cache = path_join(folder_.path(), "cache");
  DataConfig packed = config_;
  packed.name = "packed", packed.root = cache;
  packed.image_size = packed.resize = 1;
  for (bool floats : {false, true}) {
    if (floats) {
      for (const char* part : {"train", "test"}) {
        std::vector<float> v(3 * 1 * 2 * 5);
        for (size_t i = 0; i < v.size(); ++i) v[i] = 1e6F / static_cast<float>(i + 1);
        save(std::string(part) + "_images", Tensor::from({3, 1, 2, 5}, v));
      }
    }
    const DataSplits source = open_data(config_);
    write_packed(cache, source, 1, null_progress());
    const DataSplits data = open_data(packed);
    EXPECT_EQ(data.shape, (MapShape{5, 1, 1}));
    EXPECT_EQ(as_images(data.train)->pixel_type(), floats ? PixelType::F32 : PixelType::U16);
    EXPECT_EQ(data.preprocessing.high, source.preprocessing.high);
    std::vector<float> got(10);
    const WindowChooser all = [](Extent e) { return CropWindow{0, 0, e.height, e.width}; };
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(as_images(data.test)->read_window_values(i, all, {5, 1, 2}, got), i % 2);
      EXPECT_EQ(got, values(as_images(source.test), i, source.shape));
    }
  }
  packed.channels = 3;
  expect_error(ErrorKind::Data, {"/data/channels: expected 0 or the cache's 5, got 3"},
               [&] { open_data(packed); });
  packed.channels = 0;
  packed.mean = {0.5}, packed.deviation = {1};
  expect_error(ErrorKind::Data, {"expected 5 numbers in each", "are 5x1x1, got 1"},
               [&] { open_data(packed); });
}

TEST_F(NpySensor, ATestSetAloneIsEnoughToEvaluate) {
  for (const char* name : {"train_images.npy", "train_labels.npy"})
    ASSERT_EQ(::remove(path_join(folder_.path(), name).c_str()), 0);
  const DataSplits data = open_test_data(config_);
  EXPECT_EQ(data.test->size(), 2);
  EXPECT_EQ(open_any_data(config_).train, nullptr);
  // Its labels reach to 4; whether there are more classes it cannot know.
  EXPECT_NO_THROW(verify_data_fits(data, {3, 6, 7}, 5, "network"));
  EXPECT_NO_THROW(verify_data_fits(data, {3, 6, 7}, 10, "network"));
  expect_error(ErrorKind::Data, {"it tells 4 classes apart"}, [&] {
    verify_data_fits(data, {3, 6, 7}, 4, "network");
  });
  refuses({"to train train_images.npy and train_labels.npy; train_images.npy is missing"});
}

TEST_F(Npy, WhatDoesNotFitSaysWhy) {
  save("test_images", bytes({2, 7, 6, 3}));
  refuses({"expected images of one shape, got 3x6x7 to train and 3x7x6 to test"});
  save("test_images", bytes({2, 6, 7, 4}));
  refuses({"expected images of one shape, got 3x6x7 to train and 4x6x7 to test"});
  save("test_images", bytes({2, 6}));
  refuses({"test_images.npy: expected u1", "[images, rows, columns, channels]", "[2, 6]"});
  save("test_images", Tensor(DType::F32, {2, 6, 7, 3}));
  refuses({"expected images of one type, got u1 to train and f4 to test"});
  save("train_labels", Tensor(DType::I64, {4}));
  refuses({"train_labels.npy: expected whole numbers of shape [5], got I64 of shape [4]"});
  save("train_labels", Tensor::from<int64_t>({5}, {0, 1, -1, 0, 0}));
  refuses({"train_labels.npy: element 2: expected a class from 0 to 999999, got -1"});
  config_.root = path_join(folder_.path(), "none");
  refuses({"expected test_images.npy and test_labels.npy, and to train train_images.npy"});
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
  EXPECT_EQ(as_images(data.test)->get(0, got), 1);
  EXPECT_EQ(got[100], static_cast<uint8_t>(500));
  EXPECT_EQ(as_images(data.test)->get(1, got), 2);
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
        return CropWindow{e.height - 5, 3, 5, 9};
      },
      {3, 5, 9}, part);
  for (size_t y = 0; y < 5; ++y) {
    for (size_t x = 0; x < 27; ++x) ASSERT_EQ(part[y * 27 + x], all[(27 + y) * 96 + 9 + x]);
  }
}

}  // namespace
}  // namespace tailor::test
