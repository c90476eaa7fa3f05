// Bonito's folders of signal chunks: every element type in the wild, the validation split, and what
// is damaged.
#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/npy.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/data/sequences.h"
#include "tailor/data/signal.h"
#include "tailor/data/source.h"

namespace tailor::test::chunks_test {
namespace {

using testing::expect_error;
using testing::npy_bytes;
using testing::packed_bytes;

const std::vector<double> kSamples = {0.5, -2, 1, 1, 0.5, 0.5, -2, -2, 1, 1, 1, 0.5};
const std::vector<int> kReferences = {4, 1, 0, 2, 0, 0, 3, 3, 1};

class Bonito : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  DataConfig config_;
  void SetUp() override {
    config_.name = "bonito";
    config_.root = folder_.path();
    save("chunks", npy_bytes("<f4", "(3, 4)", packed_bytes<float>(kSamples)));
    save("references", npy_bytes("|u1", "(3, 3)", packed_bytes<uint8_t>(kReferences)));
    save_lengths({2, 1, 3});
    for (const char* name : {"chunks", "references", "reference_lengths"})
      save("validation/" + std::string(name), read_file(path_of(name)));
  }
  std::string path_of(const std::string& name) const {
    return path_join(folder_.path(), name + ".npy");
  }
  void save(const std::string& name, const std::string& bytes) { write_file(path_of(name), bytes); }
  void save_lengths(const std::vector<int>& lengths) {
    save("reference_lengths", npy_bytes("<u2", "(" + std::to_string(lengths.size()) + ",)",
                                        packed_bytes<uint16_t>(lengths)));
  }
  void refuses(std::initializer_list<std::string> words) {
    expect_error(ErrorKind::Data, words, [&] { open_data(config_); });
  }
  static std::vector<float> samples(const Sequences& set, int64_t index) {
    std::vector<float> out = {7};
    set->read(index, out);
    return out;
  }
  static std::vector<int64_t> labels(const Sequences& set, int64_t index) {
    std::vector<int64_t> out = {7};
    set->read_labels(index, out);
    return out;
  }
  void is_what_was_saved() {
    const Sequences set = as_sequences(open_data(config_).train);
    ASSERT_EQ(set->size(), 3);
    EXPECT_EQ(samples(set, 1), (std::vector<float>{0.5, 0.5, -2, -2}));
    EXPECT_EQ(samples(set, 0), (std::vector<float>{0.5, -2, 1, 1}));
    EXPECT_EQ(labels(set, 0), (std::vector<int64_t>{4, 1}));
    EXPECT_EQ(labels(set, 1), (std::vector<int64_t>{2}));
    EXPECT_EQ(labels(set, 2), (std::vector<int64_t>{3, 3, 1}));
    EXPECT_EQ(set->length(2), 4);
    EXPECT_EQ(set->name(2), "chunk 2");
  }
};

TEST_F(Bonito, HasItsOwnValidationChunksWhichAreTheTestsToo) {
  const DataSplits data = open_data(config_);
  EXPECT_EQ(data.kind, ExampleKind::Signal);
  EXPECT_EQ(data.shape, (MapShape{1, 1, 4}));
  EXPECT_EQ(data.classes, 5);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"", "A", "C", "G", "T"}));
  EXPECT_EQ(data.rate_hz, 4000);
  EXPECT_EQ(data.train->size(), 3);
  EXPECT_EQ(data.validation->size(), 3);
  EXPECT_EQ(data.test, data.validation);
  EXPECT_EQ(open_test_data(config_).train, nullptr);
  is_what_was_saved();
}

TEST_F(Bonito, ReadsEveryTypeInTheWild) {
  save("chunks", npy_bytes("<f8", "(3, 4)", packed_bytes<double>(kSamples)));
  is_what_was_saved();
  std::vector<int> halves;
  for (const double v : kSamples) halves.push_back(v == 1 ? 0x3C00 : v == 0.5 ? 0x3800 : 0xC000);
  save("chunks", npy_bytes("<f2", "(3, 4)", packed_bytes<uint16_t>(halves)));
  is_what_was_saved();
  save("references", npy_bytes("<i2", "(3, 3)", packed_bytes<int16_t>(kReferences)));
  save("reference_lengths", npy_bytes("<i4", "(3,)", packed_bytes<int32_t>(std::vector{2, 1, 3})));
  is_what_was_saved();
  save("references", npy_bytes("<u2", "(3, 3)", packed_bytes<uint16_t>(kReferences)));
  save("reference_lengths", npy_bytes("<u4", "(3,)", packed_bytes<uint32_t>(std::vector{2, 1, 3})));
  is_what_was_saved();
  save("references", npy_bytes("<i4", "(3, 3)", packed_bytes<int32_t>(kReferences)));
  save("reference_lengths", npy_bytes("<i8", "(3,)", packed_bytes<int64_t>(std::vector{2, 1, 3})));
  is_what_was_saved();
  save("references", npy_bytes("<i8", "(3, 3)", packed_bytes<int64_t>(kReferences)));
  save("reference_lengths", npy_bytes("<i2", "(3,)", packed_bytes<int16_t>(std::vector{2, 1, 3})));
  is_what_was_saved();
}

TEST_F(Bonito, ReadsColumnsFirstAndBigEnds) {
  const std::vector<int> columns = {4, 2, 3, 1, 0, 3, 0, 0, 1};
  save("references", npy_bytes("|i1", "(3, 3)", packed_bytes<int8_t>(columns), true));
  save("reference_lengths", npy_bytes(">u2", "(3,)", std::string("\0\2\0\1\0\3", 6)));
  is_what_was_saved();
}

TEST_F(Bonito, WholeNumbersOfCurrentAreNormalisedChunkByChunk) {
  const std::vector<int> raw = {10, 20, 40, 20, 500, 500, 510, 490, 1, 2, 3, 5};
  save("chunks", npy_bytes("<i2", "(3, 4)", packed_bytes<int16_t>(raw)));
  const std::vector<float> got = samples(as_sequences(open_data(config_).train), 0);
  EXPECT_NEAR(got[0], -10 / (5 * 1.4826), 1e-6);
  EXPECT_EQ(got[1], 0);
  EXPECT_NEAR(got[2], 20 / (5 * 1.4826), 1e-6);
}

TEST_F(Bonito, ChunksMayBeShorterThanTheirRow) {
  save("chunk_lengths", npy_bytes("<u2", "(3,)", packed_bytes<uint16_t>(std::vector{3, 4, 3})));
  const Sequences set = as_sequences(open_data(config_).train);
  EXPECT_EQ(set->length(0), 3);
  EXPECT_EQ(samples(set, 0), (std::vector<float>{0.5, -2, 1}));
  save("chunk_lengths", npy_bytes("<u2", "(3,)", packed_bytes<uint16_t>(std::vector{3, 4, 5})));
  refuses({"chunk_lengths.npy", "row 2", "1 to 4", "got 5"});
  save("chunk_lengths", npy_bytes("<u2", "(3,)", packed_bytes<uint16_t>(std::vector{3, 4, 2})));
  refuses({"references.npy", "row 2", "no more bases than samples, 2", "got 3"});
}

TEST_F(Bonito, IsWrittenAsItIsRead) {
  save("chunk_lengths", npy_bytes("<u2", "(3,)", packed_bytes<uint16_t>(std::vector{2, 4, 3})));
  const DataSplits data = open_data(config_);
  const TemporaryDirectory out;
  DataConfig copy = config_;
  copy.root = path_join(out.path(), "copy");
  write_bonito(data, copy.root);
  const DataSplits read = open_data(copy);
  for (const auto& [before, after] :
       {std::pair{data.train, read.train}, std::pair{data.validation, read.validation}}) {
    const Sequences a = as_sequences(before), b = as_sequences(after);
    ASSERT_EQ(b->size(), 3);
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(samples(b, i), samples(a, i));
      EXPECT_EQ(labels(b, i), labels(a, i));
    }
  }
  // Of the same length there is no file of lengths.
  EXPECT_TRUE(path_exists(path_join(copy.root, "chunk_lengths.npy")));
  EXPECT_FALSE(path_exists(path_join(copy.root, "validation/chunk_lengths.npy")));

  save("chunks", npy_bytes("<f4", "(3, 4)", packed_bytes<float>(std::vector<double>(12, NAN))));
  expect_error(ErrorKind::Data, {"chunks.npy", "row", "finite"},
               [&] { write_bonito(open_data(config_), copy.root); });
  EXPECT_EQ(open_data(copy).train->size(), 3);  // as it was
  EXPECT_EQ(list_directory(out.path()), std::vector<std::string>{"copy"});
  DataSplits alone = read;
  alone.validation = alone.test = nullptr;
  expect_error(ErrorKind::Data, {"chunks to train and to validate with"},
               [&] { write_bonito(alone, copy.root); });
  alone.kind = ExampleKind::Speech;
  expect_error(ErrorKind::Unsupported, {"expected signal, got speech"},
               [&] { write_bonito(alone, copy.root); });
}

TEST_F(Bonito, IndicesSayWhichRowsAreUsed) {
  save("indices", npy_bytes("<i8", "(4,)", packed_bytes<int64_t>(std::vector{2, 0, 3, 9})));
  const Sequences set = as_sequences(open_data(config_).train);
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->id(0), 2);
  EXPECT_EQ(labels(set, 1), (std::vector<int64_t>{4, 1}));
  save("indices", npy_bytes("<i8", "(1,)", packed_bytes<int64_t>(std::vector{-1})));
  refuses({"indices.npy", "row 0", "got -1"});
  save("indices", npy_bytes("<i8", "(1,)", packed_bytes<int64_t>(std::vector{3})));
  refuses({"indices.npy", "none is a row"});
}

TEST_F(Bonito, WithoutValidationTheLastThreePerCentAreKeptBack) {
  remove_all(path_join(folder_.path(), "validation"));
  DataSplits data = open_data(config_);
  EXPECT_EQ(data.train->size(), 2);
  ASSERT_EQ(data.validation->size(), 1);
  EXPECT_EQ(data.validation->name(0), "chunk 2");
  EXPECT_EQ(open_test_data(config_).test->name(0), "chunk 2");
  const std::vector<int> many(200, 1);
  save("chunks", npy_bytes("<f4", "(200, 1)", packed_bytes<float>(many)));
  save("references", npy_bytes("|u1", "(200, 1)", packed_bytes<uint8_t>(many)));
  save_lengths(many);
  data = open_data(config_);
  EXPECT_EQ(data.train->size(), 194);
  EXPECT_EQ(data.validation->name(0), "chunk 194");
  const std::vector<int> one(1, 1);
  save("chunks", npy_bytes("<f4", "(1, 1)", packed_bytes<float>(one)));
  save("references", npy_bytes("|u1", "(1, 1)", packed_bytes<uint8_t>(one)));
  save_lengths(one);
  refuses({"validation", "got 1"});
}

TEST_F(Bonito, WhatIsDamagedIsNamedByFileAndRow) {
  save("references", npy_bytes("|u1", "(3, 3)",
                               packed_bytes<uint8_t>(std::vector<int>{4, 1, 0, 2, 0, 0, 3, 5, 1})));
  refuses({"references.npy: row 2", "1 to 4", "5 at base 1 of 3"});
  save("references", npy_bytes("|u1", "(3, 3)", packed_bytes<uint8_t>(kReferences)));
  save_lengths({2, 2, 3});
  refuses({"references.npy: row 1", "0 at base 1 of 2"});
  save_lengths({2, 1, 4});
  refuses({"reference_lengths.npy: row 2", "1 to 3", "got 4"});
  save_lengths({2, 0, 3});
  refuses({"reference_lengths.npy: row 1", "1 to 3", "got 0"});
  save_lengths({2, 1});
  refuses({"reference_lengths.npy", "shape [3]", "[2]"});
  save("reference_lengths", npy_bytes("<f4", "(3,)", packed_bytes<float>(std::vector{2, 1, 3})));
  refuses({"reference_lengths.npy", "whole numbers", "F32"});
  save_lengths({2, 1, 3});
  save("references", npy_bytes("|u1", "(2, 3)", packed_bytes<uint8_t>(std::vector<int>(6, 1))));
  refuses({"references.npy", "as many rows", "3, got 2"});
  save("references", npy_bytes("<f4", "(3, 3)", packed_bytes<float>(kReferences)));
  refuses({"references.npy", "whole numbers", "got f4"});
  save("references", npy_bytes("|u1", "(3, 3)", packed_bytes<uint8_t>(kReferences).substr(1)));
  refuses({"references.npy", "8 bytes", "needs 9"});
  remove_all(path_of("references"));
  refuses({"references.npy"});
  remove_all(path_of("chunks"));
  refuses({"chunks.npy", "bonito convert"});
}

TEST_F(Bonito, ChunksOfAnotherKindOrNoNumbersAreRefused) {
  std::vector<double> bad = kSamples;
  bad[9] = std::numeric_limits<double>::quiet_NaN();
  save("chunks", npy_bytes("<f4", "(3, 4)", packed_bytes<float>(bad)));
  const Sequences set = as_sequences(open_data(config_).train);
  EXPECT_EQ(samples(set, 1).size(), 4U);
  expect_error(ErrorKind::Data, {"chunks.npy: row 2", "finite", "nan at sample 1"},
               [&] { samples(set, 2); });
  save("chunks", npy_bytes("<i8", "(3, 4)", packed_bytes<int64_t>(kSamples)));
  refuses({"chunks.npy", "f2, f4, f8 or i2", "got i8"});
  save("chunks", npy_bytes("<f4", "(12,)", packed_bytes<float>(kSamples)));
  refuses({"chunks.npy", "[chunks, samples]", "[12]"});
}

TEST_F(Bonito, AFileCutShortWhileItIsReadIsAnError) {
  const Sequences set = as_sequences(open_data(config_).train);
  const std::string bytes = read_file(path_of("chunks"));
  FILE* file = std::fopen(path_of("chunks").c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fwrite(bytes.data(), 1, bytes.size() - 5, file);
  std::fclose(file);
  EXPECT_EQ(samples(set, 0).size(), 4U);
  expect_error(ErrorKind::Data, {"chunks.npy", "ends before"}, [&] { samples(set, 2); });
}

}  // namespace
}  // namespace tailor::test::chunks_test
