// A model reads back as it was written; whatever is cut off, too long or elsewhere is refused.
#include "tailor/tensors/onnx.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"

namespace tailor::test::onnx_file_test {
namespace {

using testing::expect_error;

/// A field of bytes, below 128 of them.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string number(int field_number, char value) {
  return std::string{static_cast<char>(field_number << 3), value};
}
/// A model whose graph has this one tensor.
std::string with_tensor(const std::string& tensor) { return field(7, field(5, tensor)); }

OnnxModel example() {
  OnnxModel m;
  m.producer = "somebody";
  m.opsets = {{"", 13}, {"qonnx.custom_op.general", 1}};
  m.graph = "g";
  m.initializers["w"] = Tensor::from<float>({2, 1}, {1.5F, -2});
  m.initializers["scalar"] = Tensor::from<float>({}, {0.25F});
  m.initializers["i"] = Tensor::from<int64_t>({3}, {-1, 0, int64_t{1} << 40});
  m.inputs = {{"x", {-1, 3, 4, 5}}};
  m.outputs = {{"y", {-1, 2}}};
  OnnxNode n;
  n.op_type = "Conv";
  n.name = "c";
  n.inputs = {"x", "", "w"};
  n.outputs = {"y"};
  n.attributes = {{"pads", std::vector<int64_t>{0, 1, 0, 1}},
                  {"group", int64_t{-3}},
                  {"epsilon", 0.5},
                  {"mode", std::string("constant")},
                  {"list", std::vector<double>{0.5, -2}},
                  {"words", std::vector<std::string>{"a", ""}},
                  {"value", Tensor::from<float>({1}, {7})}};
  m.nodes = {n};
  m.metadata = {{"k", "v"}};
  return m;
}

TEST(Onnx, ReadsBackAsItWasWritten) {
  const OnnxModel m = example(), back = parse_onnx(print_onnx(m), "m.onnx");
  EXPECT_TRUE(is_onnx(print_onnx(m)));
  EXPECT_EQ(print_onnx(back), print_onnx(m));
  EXPECT_EQ(back.opsets, m.opsets);
  EXPECT_EQ(back.initializers, m.initializers);
  EXPECT_EQ(back.inputs.at(0).shape, (Shape{-1, 3, 4, 5}));
  EXPECT_EQ(back.nodes.at(0).inputs, m.nodes[0].inputs);
  EXPECT_EQ(back.nodes[0].attributes, m.nodes[0].attributes);
  EXPECT_EQ(back.metadata, m.metadata);
}

TEST(Onnx, OfAFileThatIsCutOffNothingIsRead) {
  const std::string bytes = print_onnx(example());
  for (size_t n = 0; n < bytes.size(); ++n) {
    try {
      parse_onnx(std::string_view(bytes).substr(0, n), "m.onnx");
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
    }
  }
  expect_error(ErrorKind::Data, {"m.onnx", "it has no graph", "damaged"},
               [] { parse_onnx("", "m.onnx"); });
  expect_error(ErrorKind::Data, {"field 7 claims 100 bytes, 1 are left"},
               [] { parse_onnx("\x3a\x64x", "m.onnx"); });
  expect_error(ErrorKind::Data, {"a number has more than 10 bytes"},
               [] { parse_onnx(std::string("\x08") + std::string(11, '\xff'), "m.onnx"); });
  expect_error(ErrorKind::Data, {"wire type 3"}, [] { parse_onnx("\x0b", "m.onnx"); });
}

TEST(Onnx, NumbersStandInFieldsOfTheirKind) {
  const std::string two = number(1, 2), name = field(8, "t");
  auto read = [](const std::string& tensor) {
    return parse_onnx(with_tensor(tensor), "m").initializers.at("t").to_doubles();
  };
  const std::vector<double> expected = {1, 2};
  EXPECT_EQ(read(two + number(2, 7) + name + field(7, "\x01\x02")), expected);  // int64, packed
  EXPECT_EQ(read(two + number(2, 7) + name + number(7, 1) + number(7, 2)), expected);
  EXPECT_EQ(read(two + number(2, 2) + name + field(5, "\x01\x02")), expected);  // uint8
  EXPECT_EQ(read(two + number(2, 10) + name + field(9, std::string("\0\x3c\0\x40", 4))), expected);
  const std::string halves = "\x80\x78\x80\x80\x01";  // 0x3c00 and 0x4000 as numbers
  EXPECT_EQ(read(two + number(2, 10) + name + field(5, halves)), expected);
  expect_error(ErrorKind::Data, {"tensor 't' has 1 values, its shape [2] needs 2"},
               [&] { read(two + number(2, 7) + name + field(7, "\x01")); });
  expect_error(ErrorKind::Data, {"tensor 't' has 3 bytes, its shape [2] needs 8"},
               [&] { read(two + number(2, 1) + name + field(9, "abc")); });
  expect_error(ErrorKind::Unsupported, {"ONNX's data type 8"},
               [&] { read(two + number(2, 8) + name); });
}

TEST(Onnx, TensorsMayLieInAFileBesideTheModel) {
  const TemporaryDirectory folder;
  auto write = [&](const std::string& location, const std::string& more = "") {
    write_file(path_join(folder.path(), "m.onnx"),
               with_tensor(number(1, 2) + number(2, 2) + field(8, "t") + number(14, 1) +
                           field(13, field(1, "location") + field(2, location)) + more));
  };
  auto load = [&] { return load_onnx(path_join(folder.path(), "m.onnx")); };
  write_file(path_join(folder.path(), "m.data"), "abcd");
  write("m.data", field(13, field(1, "offset") + field(2, "2")));
  EXPECT_EQ(load().initializers.at("t"), Tensor::from<uint8_t>({2}, {'c', 'd'}));
  write("m.data", field(13, field(1, "offset") + field(2, "5")));
  expect_error(ErrorKind::Data, {"begins at byte 5 of 4"}, load);
  write("m.data", field(13, field(1, "length") + field(2, "9")));
  expect_error(ErrorKind::Data, {"has 9 bytes at 0 of 4"}, load);
  for (const char* outside : {"../m.data", "/etc/passwd", ""}) {
    write(outside);
    expect_error(ErrorKind::Data, {"expected a file beside the model"}, load);
  }
  expect_error(ErrorKind::Unsupported, {"lies in another file"},
               [&] { parse_onnx(read_file(path_join(folder.path(), "m.onnx")), "m.onnx"); });
}

}  // namespace
}  // namespace tailor::test::onnx_file_test
