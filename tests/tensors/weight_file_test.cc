// A file is what its bytes say, whatever its name.
#include "tailor/tensors/weight_file.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/tensors/npy.h"
#include "tailor/tensors/safetensors.h"
#include "tensors/fixture.h"
#include "tensors/torch_bytes.h"

namespace tailor::test::weight_file_test {
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
          {"m.x is an HDF5 file, as Keras writes it; expected", "v in model.weights"});
  refused(raw("\x1c\0\0\0TFL3 and more"), {"m.x is a TensorFlow Lite model", "float weights"});
  refused("\x1f\x8b and more", {"m.x is compressed by gzip", "gunzip"});
  refused(std::string(257, '\0') + "ustar", {"m.x is a tar archive"});
  refused(
      "\xfd"
      "7zXZ and more",
      {"m.x is compressed by xz", "unpack it"});
  refused("BZh9 and more", {"m.x is compressed by bzip2"});
  refused("\x28\xb5\x2f\xfd and more", {"m.x is compressed by zstd"});
  refused("7z\xbc\xaf and more", {"m.x is a 7z archive"});
  refused("MATLAB 5.0 MAT-file, Platform", {"m.x is a MATLAB file"});
  refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
          {"m.x is a Git LFS pointer", "git lfs pull"});
  for (const char* page : {"<!DOCTYPE html><html>", "\xEF\xBB\xBF\n <HTML lang=en>", "<?xml ?>"})
    refused(page, {"m.x is a web page, saved in the place of the file", "download link"});
  // ir_version 8 and producer "pytorch"; ir_version 10 and the graph.
  refused("\x08\x08\x12\x07pytorch", {"m.x is an ONNX model", "tailor import takes it"});
  refused(raw("\x08\x0a\x3a\x80\x01 and more"), {"m.x is an ONNX model"});
  refused(testing::pickle("}(U\x0b"
                          "batch_labelU\x03"
                          "oneu"),
          {"m.x is a batch of CIFAR's Python version, images and no weights"});
  refused(testing::pickle("}(U\x0b"
                          "fine_labels]u"),
          {"m.x is a batch of CIFAR's Python version"});
  refused(read_file(fixture("big_i4.npy")), {"m.x is a single NumPy array"});
  refused(testing::pickle("}"), {"m.x is a Python pickle that torch.save did not write"});
  testing::ZipWriter keras;
  keras.members = {{"config.json", "x"}};
  refused(keras.bytes(), {"zip archive of 1 members (the first is 'config.json') without data.pkl",
                          ".keras is not read"});
}

TEST(WeightFile, AnNpzIsItsArraysByTheirNames) {
  const auto kernel = Tensor::from<float>({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
  testing::ZipWriter npz;
  npz.zip64 = true;  // as numpy.savez writes it
  npz.members = {{"conv2d/kernel:0.npy", print_npy(kernel)},
                 {"dense/bias:0.npy", read_file(fixture("fortran_f2.npy"))}};
  const WeightFile file = parse_weight_file(npz.bytes(), "m.x");
  EXPECT_EQ(file.format, "npz");
  EXPECT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors.at("conv2d/kernel:0"), kernel);
  EXPECT_EQ(file.tensors.at("dense/bias:0"), load_npy(fixture("fortran_f2.npy")));
  npz.members[0].bytes = "x";
  expect_error(ErrorKind::Data, {"m.x: conv2d/kernel:0.npy"},
               [&] { parse_weight_file(npz.bytes(), "m.x"); });
  npz.members[0].method = 8;
  expect_error(ErrorKind::Unsupported, {"m.x", "conv2d/kernel:0.npy", "compressed"},
               [&] { parse_weight_file(npz.bytes(), "m.x"); });
}

/// A safetensors file of these tensors, read back.
WeightFile reread(const TensorMap& tensors) {
  TensorFile file;
  file.tensors = tensors;
  return parse_weight_file(print_safetensors(file), "m.x");
}

TEST(WeightFile, APruningMaskIsAppliedToItsWeight) {
  const TensorMap kept = {{"fc.weight", Tensor::from<float>({2}, {7, 8})},
                          {"lone.weight_orig", Tensor::from<float>({1}, {9})}};
  TensorMap tensors = kept;
  tensors.emplace("conv1.weight_orig", Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  tensors.emplace("conv1.weight_mask", Tensor::from<float>({2, 3}, {1, 0, 1, 1, 0, 0}));
  tensors.emplace("conv1.bias_orig", Tensor::from<double>({2}, {0.5, -1.5}));
  tensors.emplace("conv1.bias_mask", Tensor::from<uint8_t>({2}, {0, 1}));
  const WeightFile file = reread(tensors);
  TensorMap expected = kept;
  expected.emplace("conv1.weight", Tensor::from<float>({2, 3}, {1, 0, 3, 4, 0, 0}));
  expected.emplace("conv1.bias", Tensor::from<float>({2}, {0, -1.5F}));
  EXPECT_EQ(file.tensors, expected);
  EXPECT_EQ(file.remarks.back(), "2 pruning masks were applied; 4 of 8 weights are 0");
  tensors.at("conv1.weight_mask") = Tensor(DType::F32, {3, 2});
  expect_error(ErrorKind::Data,
               {"m.x: tensor 'conv1.weight': its mask has shape [3, 2], expected [2, 3]"},
               [&] { reread(tensors); });
}

/// w = g · v / ‖v‖ (Salimans and Kingma 2016), one norm for each value of g.
TEST(WeightFile, WeightNormIsAppliedByWhateverDimensionsItHas) {
  const auto v = Tensor::from<float>({2, 1, 2}, {3, 4, 5, 12});
  const auto by_output = Tensor::from<float>({2, 1, 1}, {10, 26}),
             by_last = Tensor::from<float>({1, 1, 2}, {1, 1}),
             single = Tensor::from<float>({}, {1});
  const WeightFile file = reread({{"a.weight_v", v},
                                  {"a.weight_g", by_output},
                                  {"b.parametrizations.weight.original0", by_output},
                                  {"b.parametrizations.weight.original1", v},
                                  {"c.weight_v", v},
                                  {"c.weight_g", by_last},
                                  {"d.weight_v", v},
                                  {"d.weight_g", single}});
  const auto expected = Tensor::from<float>({2, 1, 2}, {6, 8, 10, 24});
  EXPECT_EQ(file.tensors.size(), 4U);
  EXPECT_EQ(file.tensors.at("a.weight"), expected);
  EXPECT_EQ(file.tensors.at("b.weight"), expected);
  EXPECT_FLOAT_EQ(file.tensors.at("c.weight").as<float>()[0], 3 / std::sqrt(34.F));
  EXPECT_FLOAT_EQ(file.tensors.at("c.weight").as<float>()[3], 12 / std::sqrt(160.F));
  EXPECT_FLOAT_EQ(file.tensors.at("d.weight").as<float>()[2], 5 / std::sqrt(194.F));
  EXPECT_EQ(file.remarks.back(), "4 weight norms were applied");
  expect_error(ErrorKind::Data, {"tensor 'a.weight': weight norm of shapes [3, 1, 1] (g) and"},
               [&] {
                 reread({{"a.weight_v", v}, {"a.weight_g", Tensor(DType::F32, {3, 1, 1})}});
               });
  expect_error(ErrorKind::Data, {"tensor 'a.weight': weight norm of a direction v that is 0"}, [&] {
    reread({{"a.weight_v", Tensor(DType::F32, {2, 1, 2})}, {"a.weight_g", by_output}});
  });
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
}  // namespace tailor::test::weight_file_test
