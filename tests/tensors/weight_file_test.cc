// A file is what its bytes say, whatever its name.
#include "tailor/tensors/weight_file.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/tensors/safetensors.h"
#include "tensors/fixture.h"
#include "tensors/torch_bytes.h"

namespace tailor::weight_file_test {
namespace {

using testing::expect_error;
using testing::fixture;
using testing::message_of;
using testing::raw;

TEST(WeightFile, RecognisesFormatsByContent) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "weights.bin");
  for (const auto& [name, format] :
       std::vector<std::pair<std::string, std::string>>{{"zip.pt", "torch"},
                                                        {"old.pt", "torch"},
                                                        {"script.pt", "torchscript"},
                                                        {"old_protocol4.pt", "torch"},
                                                        {"types.safetensors", "safetensors"}}) {
    write_file(path, read_file(fixture(name)));
    const WeightFile file = load_weight_file(path);
    EXPECT_EQ(file.format, format) << name;
    EXPECT_FALSE(file.tensors.empty()) << name;
  }
}

TEST(WeightFile, ConvertsForeignTypesOfSafetensorsAndSaysSo) {
  const WeightFile file = load_weight_file(fixture("types.safetensors"));
  EXPECT_EQ(file.tensors.size(), 12U);
  const auto six = Tensor::from<float>({2, 3}, {-1, 0, 1, 2, 3, 4});
  for (const char* name : {"float32", "float16", "bfloat16"})
    EXPECT_EQ(file.tensors.at(name), six) << name;
  EXPECT_EQ(file.tensors.at("uint16"), Tensor::from<int32_t>({3}, {65533, 65534, 65535}));
  EXPECT_EQ(file.tensors.at("uint32"), Tensor::from<int64_t>({2}, {4294967294, 4294967295}));
  EXPECT_EQ(file.tensors.at("bool"), Tensor::from<uint8_t>({3}, {1, 0, 1}));
  EXPECT_EQ(file.tensors.at("int8"), Tensor::from<int8_t>({2, 3}, {-1, 0, 1, 2, 3, 4}));
  EXPECT_EQ(file.remarks, (std::vector<std::string>{
                              "metadata 'format': 'pt'", "1 tensor became F32 from F16",
                              "1 tensor became F32 from BF16", "1 tensor became I64 from U32",
                              "1 tensor became I32 from U16", "1 tensor became U8 from BOOL"}));
}

TEST(WeightFile, RefusesKnownFormatsWithAdvice) {
  auto refused = [](const std::string& bytes, std::initializer_list<std::string> words) {
    testing::expect_words(
        message_of(ErrorKind::Unsupported, [&] { parse_weight_file(bytes, "m.x"); }), words);
  };
  refused("\x89HDF\r\n\x1a\n and more",
          {"m.x is an HDF5 file, as Keras writes it; expected", "get_weights"});
  refused(raw("\x1c\0\0\0TFL3 and more"), {"m.x is a TensorFlow Lite model", "float weights"});
  refused("\x1f\x8b and more", {"m.x is compressed by gzip", "gunzip"});
  refused(std::string(257, '\0') + "ustar", {"m.x is a tar archive"});
  refused(read_file(fixture("big_i4.npy")), {"m.x is a single NumPy array"});
  refused(testing::pickle("}"), {"m.x is a Python pickle that torch.save did not write"});
  testing::ZipWriter npz;
  npz.members = {{"arr_0.npy", "x"}};
  refused(npz.bytes(), {"zip archive of 1 members (the first is 'arr_0.npy') without data.pkl",
                        ".npz and .keras are not read"});
}

TEST(WeightFile, ADamagedSafetensorsFileIsStillCalledOne) {
  const std::string bytes = read_file(fixture("types.safetensors"));
  for (size_t length : {bytes.size() - 1, size_t{20}}) {
    expect_error(ErrorKind::Data, {"m.x: ", "the file is damaged or not a safetensors file"},
                 [&] { parse_weight_file(bytes.substr(0, length), "m.x"); });
  }
}

TEST(WeightFile, RefusesAnythingElseByItsFirstBytes) {
  expect_error(
      ErrorKind::Data,
      {"weight file m.x has 5 bytes and begins with '68 65 6c 6c 6f'; expected torch.save"},
      [] { parse_weight_file("hello", "m.x"); });
  expect_error(ErrorKind::Data, {"m.x has 0 bytes and begins with ''"},
               [] { parse_weight_file("", "m.x"); });
  EXPECT_EQ(message_of(ErrorKind::Data, [] { load_weight_file("/none/m.x"); }),
            "cannot read weight file /none/m.x: No such file or directory");
}

}  // namespace
}  // namespace tailor::weight_file_test
