// Files of PyTorch 2.13 (tests/tensors/fixtures/make.py says what is in them), and files that it
// would never write.
#include "tailor/tensors/torch_file.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tensors/fixture.h"
#include "tensors/torch_bytes.h"

namespace tailor::test::torch_file_test {
namespace {

using testing::call;
using testing::dict;
using testing::expect_words;
using testing::fixture;
using testing::global;
using testing::little;
using testing::made;
using testing::message_of;
using testing::number;
using testing::raw;
using testing::sizes;
using testing::storage;
using testing::tensor;
using testing::text;
using testing::torch_old;
using testing::torch_zip;
using testing::tuple;
using testing::ZipWriter;

template <class T = float>
Tensor counted(T start, const Shape& shape) {
  std::vector<T> values(static_cast<size_t>(element_count(shape)));
  std::iota(values.begin(), values.end(), start);
  return Tensor::from<T>(shape, values);
}

/// The state_dict of make.py's Net, every name behind a prefix.
TensorMap net(const std::string& prefix = "") {
  return {{prefix + "conv1.weight", counted(0.0F, {2, 3, 1, 1})},
          {prefix + "bn1.weight", counted(10.0F, {2})},
          {prefix + "bn1.bias", counted(20.0F, {2})},
          {prefix + "bn1.running_mean", counted(30.0F, {2})},
          {prefix + "bn1.running_var", counted(40.0F, {2})},
          {prefix + "bn1.num_batches_tracked", counted<int64_t>(50, {})},
          {prefix + "layer1.0.weight", counted(60.0F, {5, 2})},
          {prefix + "layer1.0.bias", counted(70.0F, {5})}};
}

WeightFile load(const std::string& name) { return load_torch_file(fixture(name)); }
WeightFile parse(const std::string& bytes) { return parse_torch_file(bytes, "m.pt"); }
std::string refused(const std::string& bytes, ErrorKind kind = ErrorKind::Data) {
  const std::string message = message_of(kind, [&] { parse(bytes); });
  expect_words(message, {"weight file m.pt: "});
  return message;
}
void expect_refused(const std::string& bytes, std::initializer_list<std::string> words) {
  expect_words(refused(bytes), words);
}

const std::string kSix = little(0x3F800000, 4) + little(0x40000000, 4) + little(0x40400000, 4) +
                         little(0x40800000, 4) + little(0x40A00000, 4) + little(0x40C00000, 4);
/// "w": six floats 1…6, seen with this offset, shape and strides.
std::string seen(int64_t offset, const std::vector<int64_t>& shape,
                 const std::vector<int64_t>& strides) {
  return torch_zip(dict({{"w", tensor(storage("FloatStorage", "0", 6), offset, shape, strides)}}),
                   {{"0", kSix}})
      .bytes();
}
const std::string kGood = dict({{"w", tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})}});

TEST(TorchFile, ReadsBothFormatsOfAStateDict) {
  for (const char* name : {"zip.pt", "old.pt"}) {
    const WeightFile file = load(name);
    EXPECT_EQ(file.format, "torch");
    EXPECT_EQ(file.tensors, net());
    EXPECT_EQ(file.remarks, std::vector<std::string>{}) << name;
  }
}

TEST(TorchFile, ReadsNewerPickleProtocolsAndMissingChecksums) {
  for (const char* name : {"protocol4.pt", "old_protocol4.pt", "no_checksums.pt"})
    EXPECT_EQ(load(name).tensors, (TensorMap{{"w", counted(0.0F, {2, 3})}})) << name;
}

TEST(TorchFile, KeepsWrappersAsPrefixesAndSaysWhatItSkips) {
  const std::vector<std::string> remarks = {
      "epoch: int 12",
      "arch: str 'resnet20'",
      "best: float 91.5",
      "optimizer: skipped, an optimiser's state",
      "args: argparse.Namespace object, skipped",
      "history: list of 3 without weights",
  };
  for (const char* name : {"wrapped.pt", "wrapped_old.pt"}) {
    const WeightFile file = load(name);
    EXPECT_EQ(file.tensors, net("state_dict.module.")) << name;
    EXPECT_EQ(file.remarks, remarks) << name;
  }
}

TEST(TorchFile, ModulesGiveTheNamesOfTheirStateDict) {
  const WeightFile module = load("module.pt"), script = load("script.pt");
  EXPECT_EQ(module.tensors, net());
  EXPECT_EQ(module.format, "torch");
  EXPECT_EQ(script.tensors, net());
  EXPECT_EQ(script.format, "torchscript");
  EXPECT_EQ(script.remarks, std::vector<std::string>{});
}

TEST(TorchFile, LeavesOutBuffersThatAreNotPersistent) {
  const std::string w = tensor(storage("FloatStorage", "0", 6), 0, {6}, {1});
  for (const std::string& set : {std::string("\x8f(") + text("b") + "\x90",
                                 call(global("builtins", "set"), {"](" + text("b") + "e"})}) {
    const std::string module = made(global("nets", "Net")) +
                               dict({{"_buffers", dict({{"a", w}, {"b", w}})},
                                     {"_modules", dict({{"c", "N"}})},
                                     {"_non_persistent_buffers_set", set}}) +
                               "b";
    const TensorMap tensors = parse(torch_zip(module, {{"0", kSix}}).bytes()).tensors;
    EXPECT_EQ(tensors, (TensorMap{{"a", counted(1.0F, {6})}}));
  }
}

TEST(TorchFile, FollowsStridesOffsetsAndSharedStorages) {
  for (const char* name : {"views.pt", "views_old.pt"}) {
    const TensorMap tensors = load(name).tensors;
    EXPECT_EQ(tensors.size(), 9U);
    EXPECT_EQ(tensors.at("row"), counted(12.0F, {6}));
    EXPECT_EQ(tensors.at("column"), Tensor::from<float>({4}, {1, 7, 13, 19}));
    EXPECT_EQ(tensors.at("block"), Tensor::from<float>({2, 3}, {8, 9, 10, 14, 15, 16}));
    EXPECT_EQ(tensors.at("transposed").shape(), (Shape{6, 4}));
    for (size_t i = 0; i < 24; ++i) {
      EXPECT_EQ(tensors.at("transposed").as<float>()[i], static_cast<float>(6 * (i % 4) + i / 4));
    }
    EXPECT_EQ(tensors.at("tied"), counted(0.0F, {4, 6}));
    EXPECT_EQ(tensors.at("expanded"), Tensor::from<float>({3, 2}, {7, 7, 8, 8, 9, 9}));
    EXPECT_EQ(tensors.at("scalar"), Tensor::from<float>({}, {2.5F}));
    EXPECT_EQ(tensors.at("empty"), Tensor(DType::F32, {0, 3}));
    EXPECT_EQ(tensors.at("parameter"), Tensor::from<float>({2}, {22, 23}));
  }
}

TEST(TorchFile, ConvertsWhatTailorHasNoTypeForAndSaysSo) {
  for (const char* name : {"types.pt", "types_old.pt"}) {
    const bool has_unsigned = std::string(name) == "types.pt";
    const WeightFile file = load(name);
    TensorMap expected = {{"float64", counted(-1.0, {2, 3})},
                          {"float32", counted(-1.0F, {2, 3})},
                          {"float16", counted(-1.0F, {2, 3})},
                          {"bfloat16", counted(-1.0F, {2, 3})},
                          {"int64", counted<int64_t>(-1, {2, 3})},
                          {"int32", counted<int32_t>(-1, {2, 3})},
                          {"int16", counted<int16_t>(-1, {2, 3})},
                          {"int8", counted<int8_t>(-1, {2, 3})},
                          {"uint8", counted<uint8_t>(1, {2, 3})},
                          {"bool", Tensor::from<uint8_t>({1, 3}, {1, 0, 1})}};
    if (has_unsigned) {
      expected["uint16"] = counted<int32_t>(1, {2, 3});
      expected["uint32"] = counted<int64_t>(1, {2, 3});
    }
    EXPECT_EQ(file.tensors, expected) << name;
    std::vector<std::string> remarks = {"1 tensor became F32 from F16",
                                        "1 tensor became F32 from BF16"};
    if (has_unsigned) {
      remarks.emplace_back("1 tensor became I64 from U32");
      remarks.emplace_back("1 tensor became I32 from U16");
    }
    remarks.emplace_back("1 tensor became U8 from BOOL");
    EXPECT_EQ(file.remarks, remarks) << name;
  }
}

TEST(TorchFile, ReadsBigEndianAndZip64Archives) {
  ZipWriter zip = torch_zip(dict({{"w", tensor(storage("ShortStorage", "0", 2), 0, {2}, {1})}}),
                            {{"0", raw("\x01\x02\xff\xfe")}});
  zip.zip64 = true;
  EXPECT_EQ(parse(zip.bytes()).tensors.at("w"), Tensor::from<int16_t>({2}, {0x0201, -257}));
  zip.members.push_back({"a/byteorder", "big"});
  EXPECT_EQ(parse(zip.bytes()).tensors.at("w"), Tensor::from<int16_t>({2}, {0x0102, -2}));
  zip.members.back().bytes = "middle";
  expect_refused(zip.bytes(), {"its byte order is 'middle', expected little or big"});
}

TEST(TorchFile, NamesTensorsByDictListAndAlone) {
  const std::string w = tensor(storage("FloatStorage", "0", 6), 5, {}, {});
  auto names = [&](const std::string& value) {
    std::vector<std::string> out;
    for (const auto& [name, t] : parse(torch_zip(value, {{"0", kSix}}).bytes()).tensors)
      out.push_back(name);
    return out;
  };
  EXPECT_EQ(names(w), std::vector<std::string>{"tensor"});
  EXPECT_EQ(names("](" + w + dict({{"b", tuple({w})}}) + "e"),
            (std::vector<std::string>{"0", "1.b.0"}));
  EXPECT_EQ(names("}(" + number(7) + w + "u"), std::vector<std::string>{"7"});
  // As Python 2 wrote it: OrderedDict([['w', …]]).
  const std::string pairs = "](](" + text("w") + w + "ee";
  EXPECT_EQ(names(call(global("collections", "OrderedDict"), {pairs})),
            std::vector<std::string>{"w"});
  expect_refused(torch_zip(dict({{"a", dict({{"b", w}})}, {"a.b", w}}), {{"0", kSix}}).bytes(),
                 {"it has two tensors 'a.b'"});
}

TEST(TorchFile, ObjectsOfUnknownClassesAreSkippedAndNeverCalled) {
  const std::string w = tensor(storage("FloatStorage", "0", 6), 0, {6}, {1});
  const std::string built = made(global("yacs.config", "CfgNode")) + dict({{"w", w}}) + "b";
  const WeightFile file =
      parse(torch_zip(dict({{"w", w},
                            {"config", built},
                            {"path", call(global("pathlib", "PosixPath"), {text("x")})}}),
                      {{"0", kSix}})
                .bytes());
  EXPECT_EQ(file.tensors.size(), 1U);
  EXPECT_EQ(file.remarks, (std::vector<std::string>{"config: yacs.config.CfgNode object, skipped",
                                                    "path: pathlib.PosixPath object, skipped"}));
}

TEST(TorchFile, RefusesWhatCouldDoHarmByName) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"posix", "system"},
                                                        {"nt", "system"},
                                                        {"subprocess", "Popen"},
                                                        {"builtins", "eval"},
                                                        {"builtins", "exec"},
                                                        {"__builtin__", "getattr"},
                                                        {"builtins", "__import__"},
                                                        {"os.path", "join"},
                                                        {"importlib", "import_module"},
                                                        {"socket", "socket"},
                                                        {"sys", "exit"}}) {
    const std::string asks =
        "the file asks to call " + module + "." + name + "; tailor never runs code";
    const std::string evil = call(global(module, name), {text("touch /tmp/owned")});
    expect_refused(torch_zip(dict({{"w", evil}})).bytes(), {asks});
    expect_refused(torch_old(evil, {}), {asks});
    expect_refused(torch_zip(text(module) + text(name) + "\x93)R").bytes(), {asks});
  }
}

TEST(TorchFile, RefusesSpecialTensorsByName) {
  expect_words(message_of(ErrorKind::Unsupported, [] { load("sparse.pt"); }),
               {"tensor 'mask' is rebuilt by torch._utils._rebuild_sparse_tensor"});
  expect_words(message_of(ErrorKind::Unsupported, [] { load("negated.pt"); }),
               {"negated.pt: tensor 'minus_one' is a view that torch negates", "('neg')"});
  expect_words(message_of(ErrorKind::Unsupported, [] { load("complex.pt"); }),
               {"a storage of type torch.ComplexFloatStorage"});
  expect_words(
      refused(
          torch_zip(dict({{"w", tensor(storage("QInt8Storage", "0", 6), 0, {6}, {1})}})).bytes(),
          ErrorKind::Unsupported),
      {"torch.QInt8Storage, expected a torch storage of floats, integers or bool"});
}

TEST(TorchFile, RefusesFilesCutAnywhere) {
  for (const char* name : {"zip.pt", "old.pt", "script.pt"}) {
    const std::string bytes = read_file(fixture(name));
    const size_t step = std::string(name) == "script.pt" ? 37 : 1;
    for (size_t length = 0; length < bytes.size(); length += step) {
      try {
        parse(bytes.substr(0, length));
        ADD_FAILURE() << name << " cut to " << length << " bytes was read";
      } catch (const Error& e) {
        EXPECT_NE(e.kind(), ErrorKind::Internal) << e.what();
      }
    }
  }
  expect_refused(read_file(fixture("old.pt")) + "x", {"1 bytes follow the last storage"});
}

TEST(TorchFile, ADamagedByteIsAnErrorOrAnotherFileButNeverMore) {
  for (const char* name : {"zip.pt", "old.pt", "views_old.pt"}) {
    const std::string bytes = read_file(fixture(name));
    size_t errors = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (int change : {0x01, 0xFF}) {
        std::string changed = bytes;
        changed[i] = static_cast<char>(changed[i] ^ change);
        try {
          parse(changed);
        } catch (const Error& e) {
          ++errors;
          EXPECT_NE(e.kind(), ErrorKind::Internal) << e.what();
        }
      }
    }
    EXPECT_GT(errors, bytes.size() / 2) << name;
  }
}

TEST(TorchFile, RefusesTensorsOutsideTheirStorage) {
  EXPECT_EQ(parse(seen(1, {2, 2}, {1, 3})).tensors.at("w"),
            Tensor::from<float>({2, 2}, {2, 5, 3, 6}));
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  for (const std::string& bytes :
       {seen(1, {2, 3}, {3, 1}), seen(0, {7}, {1}), seen(6, {}, {}), seen(0, {2, 2}, {5, 1}),
        seen(-1, {2}, {1}), seen(3, {2}, {-1}), seen(0, {3}, {kHuge}), seen(kHuge, {1}, {1}),
        seen(0, {2, 2}, {kHuge, kHuge})})
    expect_refused(bytes, {"tensor 'w': shape ", "lies outside its 24 bytes"});
  // A stride that is never taken means nothing.
  EXPECT_EQ(parse(seen(5, {1, 1}, {kHuge, -3})).tensors.at("w"), Tensor::from<float>({1, 1}, {6}));
  EXPECT_EQ(parse(seen(99, {0, 5}, {kHuge, 1})).tensors.at("w"), Tensor(DType::F32, {0, 5}));
}

TEST(TorchFile, RefusesTensorsLargerThanTheFileCouldMean) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  for (const std::string& bytes :
       {seen(0, {1'000'000'000}, {0}), seen(0, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}),
        seen(0, {kHuge, kHuge}, {0, 0}), seen(0, {0, kHuge, kHuge}, {0, 0, 0}), seen(0, {-6}, {1}),
        seen(0, {-2, -3}, {3, 1})})
    expect_refused(bytes, {"tensor 'w': shape ", "more than 16 times the file's "});
  expect_refused(seen(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)),
                 {"tensor 'w' is not described as PyTorch does it"});
  // Many views, each small enough.
  std::vector<std::pair<std::string, std::string>> views;
  const std::string shared = storage("FloatStorage", "0", 6);
  for (int i = 0; i < 40; ++i)
    views.emplace_back(std::to_string(i), tensor(shared, 0, {40'000}, {0}));
  expect_refused(torch_zip(dict(views), {{"0", kSix}}).bytes(), {"more than 16 times the file's "});
}

TEST(TorchFile, RefusesStoragesThatDisagree) {
  auto with = [](const std::string& described) {
    return torch_zip(dict({{"w", tensor(described, 0, {2}, {1})}}), {{"0", kSix}}).bytes();
  };
  expect_refused(with(storage("FloatStorage", "0", 7)),
                 {"tensor 'w' needs 7 elements from 0 of storage '0', which has 6"});
  expect_refused(with(storage("FloatStorage", "0", 5)), {"needs 5 elements"});
  expect_refused(with(storage("DoubleStorage", "0", 6)), {"storage '0', which has 3"});
  expect_refused(with(storage("FloatStorage", "1", 6)), {"its member 'a/data/1' is missing"});
  expect_refused(with(storage("FloatStorage", "../data.pkl", 6)),
                 {"its member 'a/data/../data.pkl' is missing"});
  expect_refused(with(storage("FloatStorage", "0", -6)),
                 {"a storage is not described as PyTorch does it"});
  expect_refused(with(number(3)), {"a storage is not described"});
  expect_refused(with(text("x") + "Q"), {"a storage is not described"});
  for (const std::string& arguments :
       {tuple({}), tuple({"N", "N", "N", "N"}), sizes({1, 2, 3, 4})}) {
    expect_refused(
        torch_zip(dict({{"w", global("torch._utils", "_rebuild_tensor_v2") + arguments + "R"}}))
            .bytes(),
        {"tensor 'w' is not described as PyTorch does it"});
  }
}

TEST(TorchFile, RefusesValuesThatContainThemselves) {
  const std::string itself = raw("]q\x01h\x01") + "a";
  expect_refused(torch_zip(itself).bytes(), {"contains itself"});
  std::string nested = "N";
  for (int i = 0; i < 100'000; ++i) nested += "\x85";
  expect_refused(torch_zip(nested).bytes(), {"nest deeper than 200 levels"});
  // Each list holds the one before twice: 2^40 walks.
  std::string doubled = "]";
  for (int i = 0; i < 40; ++i)
    doubled += "q" + little(static_cast<uint64_t>(i), 1) + "0](" + "h" +
               little(static_cast<uint64_t>(i), 1) + "h" + little(static_cast<uint64_t>(i), 1) +
               "e";
  expect_refused(torch_zip(doubled).bytes(), {"contains itself"});
  // One dict of 500 entries in 3000 places: small in the file, long to walk.
  std::string wide = "](}(";
  for (int i = 0; i < 500; ++i) wide += ")N";
  wide += "uq\x01";
  for (int i = 1; i < 3000; ++i) wide += "h\x01";
  expect_refused(torch_zip(wide + "e").bytes(), {"contains itself"});
  const std::string key(5000, 'k');
  expect_refused(torch_zip(dict({{key, "N"}})).bytes(), {"is longer than 4096 bytes"});
}

TEST(TorchFile, RefusesFilesWithoutTensors) {
  expect_refused(torch_zip(dict({{"epoch", number(3)}})).bytes(),
                 {"no tensor in it has a name (found: the file: dict of 1 without weights)"});
  expect_refused("\x89HDF", {"it does not begin as torch.save's files do"});
}

TEST(TorchFile, BoundsItsRemarks) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 150; ++i) entries.emplace_back("n" + std::to_string(i), number(i));
  entries.emplace_back("w", tensor(storage("FloatStorage", "0", 6), 0, {6}, {1}));
  const auto remarks = parse(torch_zip(dict(entries), {{"0", kSix}}).bytes()).remarks;
  ASSERT_EQ(remarks.size(), 101U);
  EXPECT_EQ(remarks[99], "n99: int 99");
  EXPECT_EQ(remarks[100], "and 50 more such entries");
}

TEST(TorchFile, OldFormatHoldsWhatItsPickleSays) {
  EXPECT_EQ(parse(torch_old(kGood, {{"0", 6, kSix}})).tensors.at("w"), counted(1.0F, {2, 3}));
  // A view of two elements from the third, as PyTorch 0.4 shared storages.
  const std::string view = tuple({text("v"), number(2), number(2)});
  EXPECT_EQ(
      parse(torch_old(tensor(storage("FloatStorage", "0", 6, view), 0, {2}, {1}), {{"0", 6, kSix}}))
          .tensors.at("tensor"),
      counted(3.0F, {2}));
  for (const auto& [from, count] :
       std::vector<std::pair<int64_t, int64_t>>{{5, 2}, {7, 0}, {0, 7}}) {
    const std::string outside = tuple({text("v"), number(from), number(count)});
    expect_refused(
        torch_old(tensor(storage("FloatStorage", "0", 6, outside), 0, {0}, {1}), {{"0", 6, kSix}}),
        {"of storage '0', which has 6"});
  }
  expect_refused(torch_old(kGood, {{"0", 7, kSix}}), {"storage '0' has 7 elements of 4 bytes"});
  expect_refused(torch_old(kGood, {{"0", ~uint64_t{0}, kSix}}), {"18446744073709551615 elements"});
  expect_refused(torch_old(kGood, {{"0", 5, kSix}}), {"4 bytes follow the last storage"});
  expect_refused(torch_old(kGood, {{"0", 5, kSix.substr(4)}}), {"needs 6 elements"});
  expect_refused(torch_old(kGood, {}), {"storage '0' is missing"});
  expect_refused(torch_old(kGood, {{"1", 6, kSix}}), {"no tensor uses storage '1'"});
  expect_refused(torch_old(kGood, {{"0", 0, ""}, {"0", 0, ""}}), {"storage '0' stands twice"});
  expect_refused(torch_old(kGood, {{"0", 6, kSix}}, 1002),
                 {"its protocol version is 1002, expected 1001"});
  const std::string both = dict({{"a", tensor(storage("FloatStorage", "0", 6), 0, {2}, {1})},
                                 {"b", tensor(storage("IntStorage", "0", 6), 0, {2}, {1})}});
  expect_refused(torch_old(both, {{"0", 6, kSix}}), {"storage '0' has two types"});
}

TEST(TorchFile, RefusesDamagedArchives) {
  ASSERT_EQ(parse(torch_zip(kGood, {{"0", kSix}}).bytes()).tensors.size(), 1U);
  auto with = [](auto change) {
    ZipWriter zip = torch_zip(kGood, {{"0", kSix}});
    change(zip.members);
    return zip.bytes();
  };
  expect_refused(with([](auto& m) { m[1].bad_crc = true; }),
                 {"its member 'a/data/0' does not have the checksum 0x"});
  expect_refused(with([](auto& m) { m[0].bad_crc = true; }), {"its member 'a/data.pkl' does not"});
  expect_refused(with([](auto& m) { m.pop_back(); }), {"its member 'a/data/0' is missing"});
  expect_refused(with([](auto& m) { m.push_back(m[1]); }), {"it has two members 'a/data/0'"});
  expect_refused(with([](auto& m) {
                   m.push_back({"b/data.pkl", "."});
                 }),
                 {"it has both 'a/data.pkl' and 'b/data.pkl'"});
  expect_refused(with([](auto& m) { m[1].offset = 0; }), {" overlap"});
  expect_refused(with([](auto& m) { m[1].offset = 3; }),
                 {"member 'a/data/0' is not where the directory says"});
  expect_refused(with([](auto& m) { m[1].offset = 0xFFFFFFF0; }), {"is not where"});
  expect_refused(with([](auto& m) { m[1].size = 0x7FFFFFFF; }),
                 {"member 'a/data/0' has 2147483647 bytes at "});
  ZipWriter zip = torch_zip(kGood, {{"0", kSix}});
  zip.zip64 = true;
  zip.members[1].size = ~uint64_t{1};
  expect_refused(zip.bytes(), {"has 18446744073709551614 bytes"});
  zip.members[1] = {"a/data/0", kSix, std::numeric_limits<int64_t>::max()};
  expect_refused(zip.bytes(), {"is not where the directory says"});

  expect_words(refused(with([](auto& m) { m[1].method = 8; }), ErrorKind::Unsupported),
               {"its member 'a/data/0' is compressed, expected stored"});
  expect_words(refused(with([](auto& m) { m[0].flags = 1; }), ErrorKind::Unsupported),
               {"its member 'a/data.pkl' is encrypted"});
  expect_words(refused(with([](auto& m) { m[0].name = "a/b/data.pkl"; }), ErrorKind::Unsupported),
               {"a zip archive of 2 members (the first is 'a/b/data.pkl') without data.pkl"});
}

TEST(TorchFile, AMissingFileIsNamed) {
  EXPECT_EQ(message_of(ErrorKind::Data, [] { load_torch_file("/none/m.pt"); }),
            "cannot read weight file /none/m.pt: No such file or directory");
}

/// Class names of torch 2.13: a scripted module's packed weights, a layer of a whole saved module.
TEST(TorchFile, QuantisedLayersAreNamedAndNotPassedOver) {
  for (const auto& [module, name] :
       {std::pair("__torch__.torch.classes.quantized", "LinearPackedParamsBase"),
        std::pair("torch.ao.nn.quantized.modules.conv", "Conv2d")}) {
    const std::string value = testing::dict(
        {{"w", testing::tensor(testing::storage("FloatStorage", "0", 1), 0, {1}, {1})},
         {"conv1", testing::made(testing::global(module, name))}});
    testing::expect_error(
        ErrorKind::Unsupported,
        {"'conv1' is quantised (" + std::string(module) + "." + name + ")", "floating point"},
        [&, bytes = testing::torch_zip(value, {{"0", testing::little(0, 4)}}).bytes()] {
          parse_torch_file(bytes, "m.pt");
        });
  }
}

}  // namespace
}  // namespace tailor::test::torch_file_test
