// Bytes as numpy.lib.format describes them, written out by hand; tests/tensors/fixtures has files
// that NumPy itself wrote.
#include "tailor/tensors/npy.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "support/expect_error.h"
#include "support/npy.h"
#include "tailor/core/files.h"
#include "tensors/fixture.h"
#include "tensors/torch_bytes.h"

namespace tailor::test::npy_test {
namespace {

using testing::expect_error;
using testing::message_of;
using testing::raw;

/// A file of this version with this header text.
std::string npy(int major, const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += {static_cast<char>(major), '\0'};
  for (size_t i = 0; i < (major == 1 ? 2U : 4U); ++i)
    bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}
std::string npy(const std::string& descr, const std::string& order, const std::string& shape,
                const std::string& data) {
  return npy(1,
             "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }",
             data);
}
Tensor parse(const std::string& bytes) { return parse_npy(bytes, "a.npy"); }
void expect_refused(const std::string& bytes, std::initializer_list<std::string> words) {
  const std::string message = message_of(ErrorKind::Data, [&] { parse(bytes); });
  testing::expect_words(message, words);
  testing::expect_words(message, {".npy file a.npy: ", "; the file is damaged or not a .npy file"});
}

TEST(Npy, PrintsTheBytesOfTheFormat) {
  std::string header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(117, ' ');
  EXPECT_EQ(print_npy(Tensor::from<int16_t>({2, 3}, {1, -2, 258, 0, 5, 6})),
            npy(1, header + "\n", raw("\x01\0\xfe\xff\x02\x01\0\0\x05\0\x06\0")));
}

TEST(Npy, RoundTripsEveryTypeAndRank) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "sub/a.npy");
  for (const Tensor& tensor :
       {Tensor::from<double>({1, 2}, {1e300, -0.5}), Tensor::from<float>({3}, {1, -2.5F, 3e-40F}),
        Tensor::from<int64_t>({}, {int64_t{1} << 40}), Tensor::from<int32_t>({2, 1}, {-7, 70000}),
        Tensor::from<int8_t>({2, 3, 1}, {-1, 2, 3, 4, 5, 6}), Tensor::from<uint8_t>({2}, {0, 255}),
        Tensor::from<int16_t>({1, 1, 1, 4}, {1, -2, 3, 300}), Tensor(DType::F32, {0, 4})}) {
    save_npy(path, tensor);
    EXPECT_EQ(load_npy(path), tensor);
    EXPECT_EQ((read_file(path).size() - tensor.bytes().size()) % 64, 0U);
  }
}

TEST(Npy, ReadsEveryVersion) {
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)}\n";
  for (int major : {1, 2, 3}) {
    EXPECT_EQ(parse(npy(major, header, "abcdef")),
              Tensor::from<uint8_t>({2, 3}, {'a', 'b', 'c', 'd', 'e', 'f'}));
  }
  expect_refused(npy(4, header, "abcdef"), {"its version is 4.0, expected 1.0, 2.0 or 3.0"});
  std::string minor = npy(1, header, "abcdef");
  minor[7] = 1;
  expect_refused(minor, {"its version is 1.1"});
}

TEST(Npy, FortranOrderIsTransposed) {
  // Element (i, j, k) of shape (2, 3, 2) has the value 100 i + 10 j + k.
  const auto expected =
      Tensor::from<uint8_t>({2, 3, 2}, {0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121});
  const std::string columns = raw("\0\x64\x0a\x6e\x14\x78\x01\x65\x0b\x6f\x15\x79");
  EXPECT_EQ(parse(npy("|u1", "True", "(2, 3, 2)", columns)), expected);
}

TEST(Npy, BigEndianIsTurned) {
  EXPECT_EQ(parse(npy(">i2", "False", "(3,)", raw("\x01\x02\xff\xfe\0\x07"))),
            Tensor::from<int16_t>({3}, {258, -2, 7}));
  EXPECT_EQ(parse(npy(">f4", "False", "(1, 2)", raw("\x3f\xc0\0\0\xc0\x20\0\0"))),
            Tensor::from<float>({1, 2}, {1.5F, -2.5F}));
  EXPECT_EQ(parse(npy(">f8", "True", "()", raw("\x3f\xf8\0\0\0\0\0\0"))),
            Tensor::from<double>({}, {1.5}));
}

TEST(Npy, HalvesBecomeFloatsExactly) {
  // 1.5, -2, the largest, the smallest normal, the largest and smallest subnormal, -0, infinities.
  const Tensor halves = parse(npy(
      "<f2", "False", "(9,)", raw("\0\x3e\0\xc0\xff\x7b\0\x04\xff\x03\x01\0\0\x80\0\x7c\0\xfc")));
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(halves, Tensor::from<float>({9}, {1.5F, -2, 65504, 0x1p-14F, 0x1.ff8p-15F, 0x1p-24F,
                                              -0.0F, inf, -inf}));
  const Tensor nan = parse(npy("<f2", "False", "(1,)", raw("\x01\x7e")));
  EXPECT_NE(nan.as<float>()[0], nan.as<float>()[0]);
}

TEST(Npy, WidensUnsignedAndBool) {
  EXPECT_EQ(parse(npy("<u2", "False", "(2,)", raw("\xff\xff\x01\0"))),
            Tensor::from<int32_t>({2}, {65535, 1}));
  EXPECT_EQ(parse(npy("<u4", "False", "(1,)", raw("\xff\xff\xff\xff"))),
            Tensor::from<int64_t>({1}, {4294967295}));
  EXPECT_EQ(parse(npy("|b1", "False", "(3,)", raw("\0\x01\x02"))),
            Tensor::from<uint8_t>({3}, {0, 1, 1}));
}

TEST(Npy, ReadsHeadersOfOtherWriters) {
  EXPECT_EQ(parse(npy(1, R"({"shape":(2L,),"fortran_order":False,"descr":"<i2"})", "abcd")).shape(),
            Shape{2});
  EXPECT_EQ(parse(npy("<i1", "False", "(3)", "abc")).shape(), Shape{3});
}

TEST(Npy, ReadsWhatNumpyWrote) {
  auto counted = [](auto zero) {
    std::vector<decltype(zero)> values(24);
    std::iota(values.begin(), values.end(), zero);
    return Tensor::from({2, 3, 4}, values);
  };
  EXPECT_EQ(load_npy(testing::fixture("fortran_f2.npy")), counted(0.0F));
  EXPECT_EQ(load_npy(testing::fixture("big_i4.npy")), counted(int32_t{0}));
  EXPECT_EQ(load_npy(testing::fixture("version2_u2.npy")), counted(int32_t{0}));
  const Tensor thirds = load_npy(testing::fixture("bool.npy"));
  for (size_t i = 0; i < 24; ++i) EXPECT_EQ(thirds.as<uint8_t>()[i], i % 3 == 0 ? 1 : 0);
}

TEST(Npy, RefusesAFileCutAnywhere) {
  const std::string bytes = npy("<i2", "False", "(2, 3)", "123456789012");
  ASSERT_EQ(parse(bytes).shape(), (Shape{2, 3}));
  for (size_t length = 0; length < bytes.size(); ++length)
    expect_refused(bytes.substr(0, length), {});
  expect_refused(bytes + "x", {"13 bytes of data, its shape [2, 3] of '<i2' needs 12"});
  const std::string wide = npy(2, "{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "x");
  for (size_t length = 0; length < wide.size(); ++length)
    expect_refused(wide.substr(0, length), {});
}

TEST(Npy, RefusesSizesBeyondTheFile) {
  // 2^63 elements, 2^32 · 2^32, a zero that hides an overflow, and a header of 4 GB.
  expect_refused(npy("<f4", "False", "(9223372036854775807, 2)", "1234"), {"more than any file"});
  expect_refused(npy("|u1", "False", "(4294967296, 4294967296)", ""), {"more than any file"});
  expect_refused(npy("|u1", "False", "(0, 4294967296, 4294967296)", ""), {"more than any file"});
  expect_refused(npy("<f8", "False", "(281474976710656,)", ""), {"needs 2251799813685248"});
  expect_refused(npy("|u1", "False", "(99999999999999999999,)", ""), {"its header is"});
  std::string claimed = npy(2, "{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "x");
  claimed.replace(8, 4, "\xff\xff\xff\xff");
  expect_refused(claimed, {"its header claims 4294967295 bytes, the file has 66"});
}

TEST(Npy, RefusesWhatIsNotSuchAHeader) {
  for (const char* header :
       {"", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "__import__('os').system('true')"}) {
    expect_refused(npy(1, header, "1234"),
                   {"expected a dict of 'descr', 'fortran_order' and 'shape'"});
  }
  expect_refused(npy("|f4", "False", "(1,)", "1234"), {"'|f4', whose byte order is unknown"});
  expect_refused("PK\x03\x04 and so on", {"it does not begin as a .npy file does"});
}

TEST(Npy, NamesTypesThatAreNotNumbers) {
  for (const char* descr : {"<c8", "|O", "<U3", "|V4", "<M8[ns]", "<u8", "f4", ""}) {
    expect_error(ErrorKind::Unsupported,
                 {"a.npy: its elements are '" + std::string(descr) + "', expected one of f8 f4"},
                 [&] { parse(npy(descr, "False", "(1,)", "12345678")); });
  }
  expect_error(ErrorKind::Unsupported, {"its elements are records"}, [] {
    parse(npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234"));
  });
}

TEST(Npy, AMissingFileIsNamed) {
  EXPECT_EQ(message_of(ErrorKind::Data, [] { load_npy("/none/a.npy", "labels"); }),
            "cannot read labels /none/a.npy: No such file or directory");
}

class NpyRowsTest : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  std::string save(const std::string& bytes) const {
    write_file(path_join(folder_.path(), "a.npy"), bytes);
    return path_join(folder_.path(), "a.npy");
  }
};

TEST_F(NpyRowsTest, AreThoseOfTheWholeArray) {
  for (const char* name : {"big_i4.npy", "fortran_f2.npy", "version2_u2.npy", "bool.npy"}) {
    const Tensor whole = load_npy(testing::fixture(name));
    std::string type;
    load_npy(testing::fixture(name), "array", &type);
    const NpyRows rows(testing::fixture(name));
    EXPECT_EQ(rows.shape(), whole.shape()) << name;
    EXPECT_EQ(rows.type(), type);
    const std::vector<double> expected = whole.to_doubles();
    std::vector<float> row = {1, 2, 3};
    for (int64_t r = 0; r < rows.rows(); ++r) {
      rows.read(r, row);
      ASSERT_EQ(static_cast<int64_t>(row.size()), rows.row_size());
      for (size_t i = 0; i < row.size(); ++i)
        EXPECT_EQ(row[i], static_cast<float>(expected[static_cast<size_t>(r) * row.size() + i]));
    }
  }
}

TEST_F(NpyRowsTest, OfWholeNumbersKeepAllBits) {
  const int64_t large = (int64_t{1} << 53) + 1;
  const NpyRows rows(save(npy("<i8", "False", "(2, 1)",
                              testing::packed_bytes<int64_t>(std::vector<int64_t>{-3, large}))));
  std::vector<int64_t> row;
  rows.read(1, row);
  EXPECT_EQ(row, std::vector<int64_t>{large});
  expect_error(ErrorKind::Internal, {"row 2 of 2"}, [&] { rows.read(2, row); });
  const NpyRows floats(save(npy("<f4", "False", "(1,)", "1234")));
  expect_error(ErrorKind::Internal, {"has floats"}, [&] { floats.read(0, row); });
}

TEST_F(NpyRowsTest, OfADamagedFileAreRefusedWhenItIsOpened) {
  expect_error(ErrorKind::Data, {"a.npy", "7 bytes", "needs 8"},
               [&] { NpyRows(save(npy("<f4", "False", "(2,)", "1234567"))); });
  expect_error(ErrorKind::Data, {"a.npy", "single number"},
               [&] { NpyRows(save(npy("<f4", "False", "()", "1234"))); });
  expect_error(ErrorKind::Data, {"a.npy"}, [&] {
    NpyRows(save(npy("<f4", "False", "(0, 1099511627776, 1099511627776)", "")));
  });
  expect_error(ErrorKind::Data, {"/none/a.npy", "labels"},
               [] { NpyRows("/none/a.npy", "labels"); });
}

}  // namespace
}  // namespace tailor::test::npy_test
