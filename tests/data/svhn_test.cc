// SVHN files as MATLAB writes them, made here byte by byte, so that an axis mix-up in the reader
// cannot agree with itself: the byte of a sample is row + 32·(column + 32·(channel + 3·n)).
#include "data/svhn.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

using testing::expect_error;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

/// A tagged element of the MATLAB 5 format, padded to 8 bytes.
std::string element(uint32_t type, const std::string& bytes) {
  std::string out;
  put(out, type);
  put(out, static_cast<uint32_t>(bytes.size()));
  out += bytes;
  out.resize((out.size() + 7) / 8 * 8, '\0');
  return out;
}

std::string variable(const std::string& name, const std::vector<int32_t>& dims, uint8_t array_class,
                     uint32_t type, const std::string& bytes) {
  std::string flags, sizes;
  put(flags, uint32_t{array_class});
  put(flags, uint32_t{0});
  for (int32_t d : dims) put(sizes, d);
  return element(14,
                 element(6, flags) + element(5, sizes) + element(1, name) + element(type, bytes));
}

constexpr uint8_t kUint8Class = 9, kDoubleClass = 6;
constexpr uint32_t kUint8 = 2, kDouble = 9;

std::string header() {
  std::string out = "MATLAB 5.0 MAT-file, written by a test";
  out.resize(116, ' ');
  out.resize(124, '\0');
  return out + std::string("\0\1IM", 4);
}

uint8_t sample(int64_t n, int64_t row, int64_t column, int64_t channel) {
  return static_cast<uint8_t>(n * 101 + row * 7 + column * 3 + channel * 61);
}

std::string pixels(int32_t count) {
  std::string x(static_cast<size_t>(count) * 3072, '\0');
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t column = 0; column < 32; ++column) {
        for (int64_t row = 0; row < 32; ++row)
          x[static_cast<size_t>(row + 32 * (column + 32 * (c + 3 * n)))] =
              static_cast<char>(sample(n, row, column, c));
      }
    }
  }
  return x;
}

std::string images(int32_t count) {
  return variable("X", {32, 32, 3, count}, kUint8Class, kUint8, pixels(count));
}
std::string labels(const std::string& values) {
  return variable("y", {static_cast<int32_t>(values.size()), 1}, kUint8Class, kUint8, values);
}

class Svhn : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  std::string path_ = path_join(folder_.path(), "train_32x32.mat");
  Images load(const std::string& bytes) {
    write_file(path_, bytes);
    return load_svhn({path_});
  }
};

TEST_F(Svhn, PixelsStandWhereMatlabPutThem) {
  const Images set = load(header() + images(5) + labels("\x01\x0A\x09\x02\x05"));
  ASSERT_EQ(set->size(), 5);
  std::vector<uint8_t> got(3072);
  const int64_t digits[] = {1, 0, 9, 2, 5};
  for (int64_t n = 0; n < 5; ++n) {
    EXPECT_EQ(set->get(n, got), digits[n]);
    for (int64_t row = 0; row < 32; ++row) {
      for (int64_t column = 0; column < 32; ++column) {
        for (int64_t c = 0; c < 3; ++c)
          ASSERT_EQ(got[static_cast<size_t>((row * 32 + column) * 3 + c)],
                    sample(n, row, column, c));
      }
    }
  }
}

TEST_F(Svhn, LabelsMayBeDoubles) {
  std::string y;
  put(y, 10.0);
  put(y, 3.0);
  const Images set = load(header() + images(2) + variable("y", {2, 1}, kDoubleClass, kDouble, y));
  std::vector<uint8_t> got(3072);
  EXPECT_EQ(set->get(0, got), 0);
  EXPECT_EQ(set->get(1, got), 3);
}

TEST_F(Svhn, VariablesMayBeCompressed) {  // as MATLAB 7 and the official files have them
  std::string file = header();
  for (const std::string& v : {labels("\x0A\x04\x01"), images(3)}) {
    uLongf size = compressBound(v.size());
    std::string packed(size, '\0');
    ASSERT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                       reinterpret_cast<const Bytef*>(v.data()), v.size()),
              Z_OK);
    put(file, uint32_t{15});
    put(file, static_cast<uint32_t>(size));
    file += packed.substr(0, size);
  }
  const Images set = load(file);
  ASSERT_EQ(set->size(), 3);
  std::vector<uint8_t> got(3072);
  EXPECT_EQ(set->get(1, got), 4);
  EXPECT_EQ(got[(17 * 32 + 5) * 3 + 2], sample(1, 17, 5, 2));
  for (size_t cut = 128; cut < file.size(); cut += 51)
    expect_error(ErrorKind::Data, {"SVHN file"}, [&] { load(file.substr(0, cut)); });
}

TEST_F(Svhn, OpensTrainExtraAndTest) {
  write_file(path_, header() + images(3) + labels("\x01\x02\x03"));
  write_file(path_join(folder_.path(), "extra_32x32.mat"),
             header() + images(2) + labels("\x04\x0A"));
  write_file(path_join(folder_.path(), "test_32x32.mat"), header() + images(1) + labels("\x07"));
  DataConfig config;
  config.name = "svhn";
  config.root = folder_.path();
  config.validation = 0;
  EXPECT_EQ(open_data(config).train->size(), 3);
  config.extra = true;
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.train->size(), 5);
  EXPECT_EQ(data.classes, 10);
  std::vector<uint8_t> got(3072);
  EXPECT_EQ(as_images(data.train)->get(3, got), 4);
  EXPECT_EQ(got[3], sample(0, 0, 1, 0));
  EXPECT_EQ(as_images(data.train)->get(4, got), 0);
  EXPECT_EQ(as_images(data.test)->get(0, got), 7);
}

TEST_F(Svhn, WhatIsNotSvhnSaysWhy) {
  const std::string good = header() + images(2) + labels("\x01\x02");
  auto refuses = [&](const std::string& bytes, std::initializer_list<std::string> words) {
    expect_error(ErrorKind::Data, words, [&] { load(bytes); });
  };
  refuses("", {"SVHN file " + path_ + ": expected a MATLAB 5 file, got 0 bytes"});
  std::string version = good;
  version[125] = 2;  // 7.3, which is HDF5
  refuses(version, {"expected a little-endian MATLAB 5 file", "got 00 02 49 4d"});
  refuses(std::string(400, 'x'), {"got 78 78 78 78"});
  refuses(header(), {"the variable X is missing or cut short"});
  refuses(header() + images(2), {"the variable y is missing or cut short"});
  refuses(good.substr(0, 3000), {"it is cut short: the variable at byte 128 needs 6208 bytes"});
  refuses(header() + labels("\1\2") + images(2).substr(0, 5000), {"it is cut short"});
  refuses(header() + variable("X", {3, 32, 32, 2}, kUint8Class, kUint8, pixels(2)) + labels("\1\2"),
          {"X: expected 32x32x3xN uint8", "got 3x32x32x2"});
  refuses(header() + images(2) + labels("\1"), {"y: expected 2 labels, one an image, got 1"});
  refuses(header() + images(2) + labels(std::string("\1\0", 2)),
          {"y(2): expected a digit 1..9, or 10 for 0; got 0"});
  refuses(header() + images(2) + labels("\1\x0B"), {"y(2): expected a digit", "got 11"});
}

TEST_F(Svhn, NoCutIsACrash) {
  const std::string good = header() + images(2) + labels("\x01\x02");
  for (size_t size = 128; size < good.size();
       size += size < 300 || size > good.size() - 90 ? 1 : 211)
    expect_error(ErrorKind::Data, {"SVHN file"}, [&] { load(good.substr(0, size)); });
}

}  // namespace
}  // namespace tailor::test
