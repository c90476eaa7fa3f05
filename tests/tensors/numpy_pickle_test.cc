// Pickles of NumPy arrays, byte by byte as Python 2 wrote CIFAR's.
#include "tailor/tensors/numpy_pickle.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tensors/torch_bytes.h"

namespace tailor::test {
namespace {

using namespace testing;

TEST(NumpyPickle, ArraysAndListsHaveTheirKeys) {
  const TensorMap read = parse_numpy_pickle(
      old_dict_pickle(
          {{"batch_label", old_text("batch 1 of 5")},
           {"labels", list({6, 9, -1})},
           {"data", numpy_array("u1", "|", {2, 3}, false, raw("\x01\x02\x03\xFF\x00\x06"))},
           {"columns",
            numpy_array("i2", ">", {2, 2}, true, raw("\x00\x01\x00\x02\x00\x03\xFF\xFE"))},
           {"filenames", "](" + old_text("a.png") + "e"},
           {"unwanted", list({1, 2})}}),
      "x", {"data", "labels", "columns", "batch_label", "filenames", "absent"});
  EXPECT_EQ(read.size(), 3U);
  EXPECT_EQ(read.at("data"), Tensor::from<uint8_t>({2, 3}, {1, 2, 3, 255, 0, 6}));
  EXPECT_EQ(read.at("labels"), Tensor::from<int64_t>({3}, {6, 9, -1}));
  EXPECT_EQ(read.at("columns"), Tensor::from<int16_t>({2, 2}, {1, 3, 2, -2}));
}

TEST(NumpyPickle, WhatPython3WritesIsReadToo) {
  const std::string dtype = call(global("numpy", "dtype"), {text("u1"), "\x89", "\x88"}) +
                            tuple({number(3), text("|"), "N"}) + "b";
  const std::string ndarray = global("numpy", "ndarray");
  // Protocol 2: bytes as encode('ÈA', 'latin1'), keys too.
  const std::string encode = global("_codecs", "encode");
  const std::string old =
      raw("\x80\x02") + "}(" + call(encode, {text("data"), text("latin1")}) +
      call(global("numpy._core.multiarray", "_reconstruct"),
           {ndarray, tuple({number(0)}), call(encode, {text("b"), text("latin1")})}) +
      tuple({number(1), sizes({3}), dtype, "\x89",
             call(encode, {text("\xC3\x88"
                                "A"
                                "\xC2\x80"),
                           text("latin1")})}) +
      "bu.";
  EXPECT_EQ(parse_numpy_pickle(old, "x", {"data"}).at("data"),
            Tensor::from<uint8_t>({3}, {200, 65, 128}));
  // Protocol 5: _frombuffer(bytearray, dtype, shape, order).
  const std::string recent =
      raw("\x80\x05") + "}(" + text("data") +
      call(global("numpy._core.numeric", "_frombuffer"),
           {"\x96" + little(4, 8) + "abcd", dtype, sizes({2, 2}), text("F")}) +
      "u.";
  EXPECT_EQ(parse_numpy_pickle(recent, "x", {"data"}).at("data"),
            Tensor::from<uint8_t>({2, 2}, {'a', 'c', 'b', 'd'}));
}

TEST(NumpyPickle, NothingIsRunAndWhatIsNoneSaysSo) {
  auto refuses = [](ErrorKind kind, std::initializer_list<std::string> words_,
                    const std::string& bytes) {
    expect_error(kind, words_, [&] {
      parse_numpy_pickle(bytes, "batch", {"data", "labels"}, "CIFAR file");
    });
  };
  refuses(ErrorKind::Data, {"CIFAR file batch", "asks to call posix.system"},
          old_dict_pickle({{"data", call(global("posix", "system"), {old_text("true")})}}));
  refuses(ErrorKind::Data, {"it holds a list, expected a dict"}, raw("\x80\x02") + list({1}) + ".");
  refuses(ErrorKind::Data, {"array of shape [2, 4] and 1-byte elements has 3 bytes"},
          old_dict_pickle({{"data", numpy_array("u1", "|", {2, 4}, false, "abc")}}));
  refuses(ErrorKind::Data, {"array of shape [-2, 4]"},
          old_dict_pickle({{"data", numpy_array("u1", "|", {-2, 4}, false, "abc")}}));
  refuses(ErrorKind::Data, {"the byte order '|' is unknown"},
          old_dict_pickle({{"data", numpy_array("f4", "|", {1}, false, "abcd")}}));
  refuses(ErrorKind::Unsupported, {"an array of 'O8', expected numbers"},
          old_dict_pickle({{"data", numpy_array("O8", "|", {1}, false, "abcdefgh")}}));
  const std::string whole = old_dict_pickle(
      {{"data", numpy_array("u1", "|", {4}, false, "abcd")}, {"labels", list({1, 2})}});
  for (size_t size = 0; size < whole.size(); ++size)
    refuses(ErrorKind::Data, {"CIFAR file batch"}, whole.substr(0, size));
}

/// One array in the memo (q) under ever more keys (h recalls it).
TEST(NumpyPickle, AnArrayRecalledByEveryKeyIsMadeForNoneButTheWanted) {
  const std::string array = numpy_array("u1", "|", {6000}, false, std::string(6000, 'a'));
  auto recalled = [&](const std::string& key, int times) {
    std::vector<std::pair<std::string, std::string>> entries = {
        {"data", array + raw("q\x07")}, {"labels", list({1}) + raw("q\x08")}};
    for (int i = 0; i < times; ++i)
      entries.emplace_back(key.empty() ? std::to_string(i) : key, raw("h\x07"));
    return old_dict_pickle(entries);
  };
  const TensorMap read = parse_numpy_pickle(recalled("", 5000), "x", {"data", "labels"});
  EXPECT_EQ(read.size(), 2U);
  EXPECT_EQ(read.at("data").shape(), Shape{6000});
  // Wanted ones too are made no larger in all than the file accounts for.
  EXPECT_EQ(parse_numpy_pickle(recalled("data", 1), "x", {"data"}).size(), 1U);
  expect_error(ErrorKind::Data, {"x: its arrays are more than 8 times as large as it is"},
               [&] { parse_numpy_pickle(recalled("data", 100), "x", {"data"}); });
  // So are keys, and lists that turn out to hold other things than numbers.
  std::string keys = raw("\x80\x02") + "}(" + old_text(std::string(200, 'k')) + raw("q\x07") + "N";
  for (int i = 0; i < 1000; ++i) keys += raw("h\x07") + "N";
  expect_error(ErrorKind::Data, {"more than 8 times"},
               [&] { parse_numpy_pickle(keys + "u.", "x", {"data"}); });
  std::string lists = raw("\x80\x02") + "}(" + old_text("data") + raw("q\x07") + "](" +
                      std::string(3000, 'N') + "e" + raw("q\x08");
  for (int i = 0; i < 100; ++i) lists += raw("h\x07h\x08");
  expect_error(ErrorKind::Data, {"more than 8 times"},
               [&] { parse_numpy_pickle(lists + "u.", "x", {"data"}); });
}

}  // namespace
}  // namespace tailor::test
