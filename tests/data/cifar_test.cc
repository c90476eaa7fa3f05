// Small files of the official layout; every byte of a record differs from what its neighbours on
// each axis would give.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/data/images.h"
#include "tensors/torch_bytes.h"

namespace tailor::test {
namespace {

using testing::message_of;

uint8_t pixel(int64_t image, int64_t channel, int64_t y, int64_t x) {
  return static_cast<uint8_t>(41 * image + 85 * channel + 7 * y + x);
}

/// Records of the given labels, each behind `coarse` bytes that must be skipped.
std::string records(const std::vector<int64_t>& labels, int64_t label_bytes,
                    int64_t first_image = 0) {
  std::string bytes;
  for (size_t n = 0; n < labels.size(); ++n) {
    if (label_bytes == 2)
      bytes += static_cast<char>(77);  // the coarse label; above CIFAR-100's 20 on purpose
    bytes += static_cast<char>(labels[n]);
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t y = 0; y < 32; ++y) {
        for (int64_t x = 0; x < 32; ++x)
          bytes += static_cast<char>(pixel(first_image + static_cast<int64_t>(n), c, y, x));
      }
    }
  }
  return bytes;
}

class Cifar : public ::testing::Test {
 protected:
  std::string write(const char* name, const std::string& bytes) {
    const std::string path = path_join(folder_.path(), name);
    write_file(path, bytes);
    return path;
  }
  TemporaryDirectory folder_;
};

void expect_image(const Images& images, int64_t index, int64_t label) {
  std::vector<uint8_t> pixels(3072);
  EXPECT_EQ(images->get(index, pixels), label);
  int64_t wrong = 0;
  for (int64_t y = 0; y < 32; ++y) {
    for (int64_t x = 0; x < 32; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        wrong += pixels[static_cast<size_t>((y * 32 + x) * 3 + c)] != pixel(index, c, y, x) ? 1 : 0;
    }
  }
  EXPECT_EQ(wrong, 0) << "image " << index;
}

TEST_F(Cifar, PythonBatchesAreTheSameImages) {
  auto batch = [](const std::vector<int64_t>& labels, int64_t first, const char* key) {
    std::string planes = records(labels, 1, first), rows;
    for (size_t n = 0; n < labels.size(); ++n) rows += planes.substr(n * 3073 + 1, 3072);
    return testing::old_dict_pickle(
        {{"batch_label", testing::old_text("training batch 1 of 5")},
         {key, testing::list(labels)},
         {"data", testing::numpy_array("u1", "|", {static_cast<int64_t>(labels.size()), 3072},
                                       false, rows)}});
  };
  const std::string a = write("a", batch({3, 9, 0}, 0, "labels")),
                    b = write("b", batch({7}, 3, "labels"));
  const Images images = load_cifar_python({{a, 3}, {b, 1}}, "labels", 10);
  ASSERT_EQ(images->size(), 4);
  const int64_t labels[] = {3, 9, 0, 7};
  for (int64_t i = 0; i < 4; ++i) expect_image(images, i, labels[i]);
  testing::expect_error(ErrorKind::Data, {"'fine_labels' is missing from CIFAR file " + a}, [&] {
    load_cifar_python({{a, 3}}, "fine_labels", 100);
  });
  testing::expect_error(ErrorKind::Data, {"expected data of U8 [4, 3072]", "got U8 [3, 3072]"},
                        [&] {
                          load_cifar_python({{a, 4}}, "labels", 10);
                        });
  testing::expect_error(ErrorKind::Data, {"record 1: expected a label 0..8, got 9"}, [&] {
    load_cifar_python({{a, 3}}, "labels", 9);
  });
  // The test batch alone is found by its name, in the root or in the official folder.
  std::vector<int64_t> ten_thousand(10000);
  for (size_t i = 0; i < ten_thousand.size(); ++i) ten_thousand[i] = static_cast<int64_t>(i % 10);
  write("cifar-10-batches-py/test_batch", batch(ten_thousand, 0, "labels"));
  DataConfig config;
  config.name = "cifar10";
  config.root = folder_.path();
  const DataSplits data = open_test_data(config);
  ASSERT_EQ(data.test->size(), 10000);
  expect_image(as_images(data.test), 9876, 6);
  EXPECT_EQ(open_any_data(config).train, nullptr);
  config.root = path_join(folder_.path(), "cifar-10-batches-py");
  EXPECT_EQ(open_test_data(config).test->size(), 10000);
  testing::expect_error(ErrorKind::Data, {"data_batch_1.bin", "scripts/fetch_data.sh cifar10"},
                        [&] { open_data(config); });
}

TEST_F(Cifar, TenIsTurnedToRowsColumnsChannels) {
  const std::string a = write("a.bin", records({3, 9, 0}, 1)),
                    b = write("b.bin", records({5}, 1, 3));
  const Images images = load_cifar({{a, 3}, {b, 1}}, 1, 10);
  ASSERT_EQ(images->size(), 4);
  expect_image(images, 0, 3);
  expect_image(images, 1, 9);
  expect_image(images, 2, 0);
  expect_image(images, 3, 5);
  EXPECT_EQ(images->id(3), 3);
}

TEST_F(Cifar, HundredTakesTheFineLabel) {
  const Images images = load_cifar({{write("a.bin", records({99, 0, 42}, 2)), 3}}, 2, 100);
  expect_image(images, 0, 99);
  expect_image(images, 1, 0);
  expect_image(images, 2, 42);
}

TEST_F(Cifar, RefusesAnotherSize) {
  const std::string bytes = records({1, 2}, 1);
  const std::string path = write("a.bin", bytes);
  EXPECT_EQ(message_of(ErrorKind::Data,
                       [&] {
                         load_cifar({{path, 3}}, 1, 10);
                       }),
            "CIFAR file " + path +
                ": expected 9219 bytes (3 records of 3073), got 6146; the file is damaged or not "
                "the binary version");
  write("a.bin", bytes + "x");
  testing::expect_error(ErrorKind::Data, {path, "expected 6146 bytes", "got 6147"}, [&] {
    load_cifar({{path, 2}}, 1, 10);
  });
  testing::expect_error(ErrorKind::Data, {"cannot read CIFAR file " + path + "x: No such file"},
                        [&] {
                          load_cifar({{path + "x", 2}}, 1, 10);
                        });
}

TEST_F(Cifar, RefusesALabelOutOfRange) {
  const std::string ten = write("a.bin", records({9, 10}, 1)),
                    hundred = write("b.bin", records({255}, 2));
  EXPECT_EQ(message_of(ErrorKind::Data,
                       [&] {
                         load_cifar({{ten, 2}}, 1, 10);
                       }),
            "CIFAR file " + ten + ": record 1: expected a label 0..9, got 10; the file is damaged");
  testing::expect_error(ErrorKind::Data, {hundred, "record 0: expected a label 0..99, got 255"},
                        [&] {
                          load_cifar({{hundred, 1}}, 2, 100);
                        });
}

TEST_F(Cifar, RefusesAnIndexOrABufferThatDoesNotFit) {
  const Images images = load_cifar({{write("a.bin", records({1}, 1)), 1}}, 1, 10);
  std::vector<uint8_t> pixels(3072), small(3071);
  testing::expect_error(ErrorKind::Internal, {"image 1 of 1"}, [&] { images->get(1, pixels); });
  testing::expect_error(ErrorKind::Internal, {"image -1 of 1"}, [&] { images->get(-1, pixels); });
  testing::expect_error(ErrorKind::Internal, {"image 0 of 1"}, [&] { images->get(0, small); });
}

}  // namespace
}  // namespace tailor::test
