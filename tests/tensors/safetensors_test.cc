// The file is read by others and outlives us: its bytes are pinned, and whatever is not exactly
// such a file is refused.
#include "tailor/tensors/safetensors.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/expect_error.h"
#include "tailor/core/files.h"

namespace tailor::test::safetensors_test {
namespace {

using testing::expect_error;
using testing::message_of;

std::string file_of(std::string_view header, std::string_view data) {
  const uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes.append(header).append(data);
}

/// One tensor "a" with these words in its header entry, and `bytes` bytes of data.
std::string with_entry(const std::string& entry, size_t bytes) {
  return file_of("{\"a\":{" + entry + "}}", std::string(bytes, 'x'));
}

TensorFile parse(std::string_view bytes) { return parse_safetensors(bytes, "m.st", "checkpoint"); }

void expect_refused(const std::string& bytes, std::initializer_list<std::string> words) {
  const std::string message = message_of(ErrorKind::Data, [&] { parse(bytes); });
  testing::expect_words(message, words);
  testing::expect_words(message,
                        {"checkpoint m.st: ", "; the file is damaged or not a safetensors file"});
}

TensorFile example() {
  TensorFile file;
  file.metadata = {{"format", "tailor"}, {"é \"quoted\"", "{\"nested\": [1]}\n"}};
  file.tensors["w"] = Tensor::from<float>({2, 3}, {1, -2.5F, 0, 4, 5e-20F, 6});
  file.tensors["b"] = Tensor::from<int8_t>({3}, {-1, 2, 3});
  file.tensors["d"] = Tensor::from<double>({1, 2}, {1e300, -0.0});
  file.tensors["empty"] = Tensor(DType::I64, {0, 4});
  file.tensors["scalar"] = Tensor::from<int16_t>({}, {-7});
  return file;
}

TEST(Safetensors, PrintsTheBytesOfTheFormat) {
  TensorFile file;
  file.tensors["b"] = Tensor::from<uint8_t>({3}, {1, 2, 255});
  file.tensors["a"] = Tensor::from<int16_t>({1, 2}, {-2, 258});
  file.metadata["k"] = "v";
  std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"I16","shape":[1,2],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}})";
  header.resize(136, ' ');  // the next multiple of 8
  EXPECT_EQ(print_safetensors(file),
            file_of(header, std::string_view("\xfe\xff\x02\x01\x01\x02\xff", 7)));
}

TEST(Safetensors, RoundTripsByteForByte) {
  const TensorFile file = example();
  const std::string bytes = print_safetensors(file);
  const TensorFile back = parse(bytes);
  EXPECT_EQ(back.metadata, file.metadata);
  EXPECT_EQ(back.tensors, file.tensors);
  EXPECT_EQ(print_safetensors(back), bytes);

  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "sub/m.st");
  save_safetensors(path, file);
  EXPECT_EQ(read_file(path), bytes);
  EXPECT_EQ(load_safetensors(path).tensors, file.tensors);
}

TEST(Safetensors, PadsTheHeaderToEightBytesAndNoFurther) {
  for (size_t length = 0; length < 8; ++length) {
    TensorFile file;
    file.metadata["k"] = std::string(length, 'x');
    const std::string bytes = print_safetensors(file);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    EXPECT_EQ(header % 8, 0U);
    EXPECT_EQ(bytes.size(), 8 + header);
    EXPECT_LT(bytes.size() - 1 - bytes.find_last_not_of(' '), 8U);
  }
}

TEST(Safetensors, ReadsAnotherOrderAndUnpaddedHeaders) {
  const TensorFile file = parse(file_of(
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"data_offsets":[2,3],"dtype":"U8","shape":[1]}})",
      "xyz"));
  EXPECT_EQ(file.tensors.at("a").as<uint8_t>()[0], 'z');
  EXPECT_EQ(file.tensors.at("b").as<uint8_t>()[1], 'y');
}

TEST(Safetensors, RefusesAFileCutAnywhere) {
  const std::string bytes = print_safetensors(example());
  for (size_t length = 0; length < bytes.size(); ++length)
    expect_refused(bytes.substr(0, length), {length < 8 ? "expected at least 8 bytes, got" : ""});
  expect_refused(bytes + "x", {"bytes of tensors, expected"});
}

TEST(Safetensors, RefusesAHeaderLargerThanTheFile) {
  const std::string bytes = print_safetensors(example());
  for (uint64_t claimed :
       {uint64_t{bytes.size()} - 7, uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{7}}) {
    std::string changed = bytes;
    std::memcpy(changed.data(), &claimed, 8);
    expect_refused(changed, {"its header claims " + std::to_string(claimed) +
                             " bytes, the file has " + std::to_string(bytes.size())});
  }
}

TEST(Safetensors, RefusesAHeaderThatIsNoObject) {
  expect_refused(file_of("not JSON", ""), {"not valid JSON at line 1"});
  expect_refused(file_of("[1]", ""), {"its header is not a JSON object"});
  expect_refused(file_of("", ""), {"not valid JSON"});
  expect_refused(file_of(std::string(300, '['), ""), {"nested deeper"});
  expect_refused(file_of(R"({"a":1})", ""), {"JSON: expected the key \"dtype\" in an integer"});
  expect_refused(file_of(R"({"__metadata__":{"k":1}})", ""), {"expected string, got integer"});
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1})", ""),
                 {"the key \"a\" stands twice"});
}

TEST(Safetensors, RefusesUnknownTypes) {
  for (const char* type : {"F16", "BF16", "BOOL", "f32", ""})
    expect_refused(
        with_entry(std::string("\"dtype\":\"") + type + R"(","shape":[2],"data_offsets":[0,4])", 4),
        {std::string("tensor 'a' has the type ") + type + ", expected one of F64 F32 I64"});
  // Users' files have them; ours never do.
  auto convert = [](const std::string& bytes) {
    return parse_safetensors(bytes, "m.st", "file", ForeignTypes::Convert);
  };
  const TensorFile halves =
      convert(file_of(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                      std::string_view("\x00\x3e\x00\xc0", 4)));
  EXPECT_EQ(halves.tensors.at("a"), Tensor::from<float>({2}, {1.5F, -2}));
  EXPECT_EQ(halves.remarks, std::vector<std::string>{"1 tensor became F32 from F16"});
  for (const char* type : {"F8_E4M3", "U64", "C64"}) {
    expect_error(
        ErrorKind::Data,
        {std::string("'a' has the type ") + type +
         ", expected one of F64 F32 I64 I32 I16 I8 U8 F16 BF16 U32 U16 BOOL;"},
        [&] {
          convert(with_entry(
              std::string("\"dtype\":\"") + type + R"(","shape":[0],"data_offsets":[0,0])", 0));
        });
  }
  expect_refused(with_entry(R"("dtype":3,"shape":[2],"data_offsets":[0,4])", 4),
                 {"expected string"});
}

TEST(Safetensors, RefusesShapesThatDisagreeWithTheBytes) {
  expect_refused(with_entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4),
                 {"tensor 'a' has 4 bytes, its shape [2] needs 8"});
  expect_refused(with_entry(R"("dtype":"F32","shape":[],"data_offsets":[0,8])", 8),
                 {"tensor 'a' has 8 bytes, its shape [] needs 4"});
  expect_refused(with_entry(R"("dtype":"F32","shape":[1],"data_offsets":[1,8])", 8),
                 {"tensor 'a' has 7 bytes, its shape [1] needs 4"});  // half an element
  expect_refused(
      with_entry(R"("dtype":"U8","shape":[0,4611686018427387904,8],"data_offsets":[0,0])", 0),
      {"a shape larger"});
  expect_refused(with_entry(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])", 4),
                 {"'a' has a shape larger"});
  expect_refused(with_entry(R"("dtype":"U8","shape":[-2,-2],"data_offsets":[0,4])", 4),
                 {"a shape larger"});
  // 2^32 · 2^32 elements are 0 in 64 bits, 2^62 · 4 bytes too.
  expect_refused(
      with_entry(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
      {"tensor 'a' has a shape larger than the file"});
  expect_refused(
      with_entry(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])", 8),
      {"tensor 'a' has a shape larger than the file"});
  expect_refused(with_entry(R"("dtype":"U8","shape":[1.5],"data_offsets":[0,1])", 1),
                 {"expected integer"});
  expect_refused(with_entry(R"("dtype":"U8","shape":4,"data_offsets":[0,4])", 4),
                 {"expected array"});
}

TEST(Safetensors, RefusesOffsetsOutsideTheFile) {
  for (const char* offsets : {"[0,5]", "[-1,3]", "[4,0]", "[0,9223372036854775807]", "[5,5]"})
    expect_refused(
        with_entry(std::string(R"("dtype":"U8","shape":[4],"data_offsets":)") + offsets, 4),
        {"tensor 'a' lies at bytes ", " of 4"});
  expect_refused(with_entry(R"("dtype":"U8","shape":[4],"data_offsets":[0,2,4])", 4),
                 {"tensor 'a' has 3 offsets, expected 2"});
}

TEST(Safetensors, RefusesOverlapsAndGaps) {
  auto two = [](const char* a, const char* b) {
    return file_of(std::string(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":)") + a +
                       R"(},"b":{"dtype":"U8","shape":[3],"data_offsets":)" + b + "}}",
                   "12345678");
  };
  expect_refused(two("[0,3]", "[2,5]"),
                 {"tensor 'b' starts at byte 2, expected 3 (tensors overlap or leave a gap)"});
  expect_refused(two("[0,3]", "[0,3]"), {"starts at byte 0, expected 3"});
  expect_refused(two("[4,7]", "[0,3]"), {"tensor 'a' starts at byte 4, expected 3"});
  expect_refused(two("[1,4]", "[4,7]"), {"tensor 'a' starts at byte 1, expected 0"});
  expect_refused(two("[0,3]", "[3,6]"), {"8 bytes of tensors, expected 6"});
}

TEST(Safetensors, AMissingFileIsNamed) {
  EXPECT_EQ(message_of(ErrorKind::Data, [] { load_safetensors("/none/m.st", "graph file"); }),
            "cannot read graph file /none/m.st: No such file or directory");
}

}  // namespace
}  // namespace tailor::test::safetensors_test
