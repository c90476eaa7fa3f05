// Taiyaki's mapped reads, cut into chunks as Bonito's converter does.
#ifdef TAILOR_WITH_HDF5
#include <gtest/gtest.h>

#include <set>

#include "support/expect_error.h"
#include "support/hdf5.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/data/sequences.h"
#include "tailor/data/source.h"

namespace tailor::test::mapped_reads_test {
namespace {

using namespace testing;

class Taiyaki : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  DataConfig config_;
  void SetUp() override {
    config_.name = "taiyaki";
    config_.root = folder_.path();
    config_.signal.chunk = 100;
  }
  std::string path() const { return path_join(folder_.path(), "mapped_reads.hdf5"); }
  static std::string name_of(int read) { return std::string(1, static_cast<char>('a' + read)); }
  /// Every 10 samples a base, from sample 3 on; the number of the base by 4 is what it is.
  static void add_read(hid_t file, const std::string& name, int samples, int missing = 0,
                       double range = 1000) {
    const Group read(make_group(file, "Reads/" + name));
    std::vector<int16_t> raw, bases;
    std::vector<int32_t> starts;
    for (int i = 0; i < samples; ++i) raw.push_back(static_cast<int16_t>(i));
    for (int at = 3; at + 10 <= samples - missing; at += 10) {
      starts.push_back(at);
      bases.push_back(static_cast<int16_t>(bases.size() % 4));
    }
    starts.push_back(starts.back() + 10);
    set_row(read, "Dacs", raw, H5Z_FILTER_DEFLATE, {1});
    set_row(read, "Ref_to_signal", starts);
    set_row(read, "Reference", bases);
    const std::pair<const char*, double> numbers[] = {{"range", range},
                                                      {"digitisation", 2000},
                                                      {"offset", 6},
                                                      {"shift_frompA", 80},
                                                      {"scale_frompA", 20}};
    for (const auto& [key, value] : numbers) set_number(read, key, value);
  }
  void refuses(std::initializer_list<std::string> words) {
    expect_error(ErrorKind::Data, words, [&] { open_data(config_); });
  }
};

TEST_F(Taiyaki, ReadsAreCutFromTheirMiddle) {
  {
    const File file(make_file(path()));
    for (int i = 0; i < 12; ++i) add_read(file, name_of(i), 250 + i);
  }
  const DataSplits data = open_data(config_);
  EXPECT_EQ(data.kind, ExampleKind::Signal);
  EXPECT_EQ(data.shape, (MapShape{1, 1, 100}));
  EXPECT_EQ(data.train->size(), 20);
  EXPECT_EQ(data.validation->size(), 4);  // two reads of twelve
  EXPECT_EQ(data.test, data.validation);
  const Sequences train = as_sequences(data.train);
  const std::string name = train->name(1);
  const int samples = 250 + (name[6] - 'a');
  const int first = samples % 100 / 2 + 100;
  EXPECT_EQ(name, "Reads/" + name.substr(6, 1) + " from sample " + std::to_string(first));
  std::vector<float> got;
  train->read(1, got);
  ASSERT_EQ(got.size(), 100U);
  EXPECT_FLOAT_EQ(got[7], static_cast<float>(((first + 7 + 6) * 0.5 - 80) / 20));
  std::vector<int64_t> labels;
  train->read_labels(1, labels);
  // The first base that begins at `first` or behind it.
  const int base = (first - 3 + 9) / 10;
  ASSERT_EQ(labels.size(), 10U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(labels[static_cast<size_t>(i)], (base + i) % 4 + 1);
}

TEST_F(Taiyaki, ValidationIsWholeReads) {
  {
    const File file(make_file(path()));
    for (int i = 0; i < 20; ++i) add_read(file, name_of(i), 430);
  }
  const DataSplits data = open_data(config_);
  std::set<std::string> train, validation;
  for (int64_t i = 0; i < data.train->size(); ++i) train.insert(data.train->name(i).substr(0, 7));
  for (int64_t i = 0; i < data.validation->size(); ++i)
    validation.insert(data.validation->name(i).substr(0, 7));
  EXPECT_EQ(train.size(), 18U);
  EXPECT_EQ(validation.size(), 2U);
  for (const std::string& name : validation) EXPECT_EQ(train.count(name), 0U);
  config_.root = path();
  EXPECT_EQ(open_test_data(config_).test->size(), data.validation->size());
}

TEST_F(Taiyaki, ChunksOfAnUnusualNumberOfBasesAreLeftOut) {
  {
    const File file(make_file(path()));
    for (int i = 0; i < 20; ++i) add_read(file, name_of(i), 400);
    add_read(file, "slow", 100, 60);
    add_read(file, "slower", 100, 60);
    add_read(file, "slowest", 100, 60);
  }
  // Three reads in 83 chunks have 3 bases instead of 9 or 10, wherever they are drawn to.
  const DataSplits data = open_data(config_);
  for (const ExampleSet& set : {data.train, data.validation}) {
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < set->size(); ++i) {
      as_sequences(set)->read_labels(i, labels);
      EXPECT_GT(labels.size(), 8U) << set->name(i);
    }
  }
}

TEST_F(Taiyaki, SamplesThatAreNoNumbersAreNamed) {
  {
    const File file(make_file(path()));
    for (int i = 0; i < 12; ++i) add_read(file, name_of(i), 250, 0, 1e300);
  }
  const DataSplits data = open_data(config_);
  const std::string read = data.train->name(0).substr(0, 7);
  std::vector<float> samples;
  expect_error(ErrorKind::Data, {"mapped_reads.hdf5", read, "range", "inf of sample"},
               [&] { as_sequences(data.train)->read(0, samples); });
}

TEST_F(Taiyaki, WhatIsDamagedIsNamed) {
  refuses({"mapped_reads.hdf5", "data.root"});
  { const File file(make_file(path())); }
  refuses({"mapped_reads.hdf5", "/Reads", "none"});
  {
    const File file(make_file(path()));
    add_read(file, "a", 150);
  }
  refuses({"chunks of 100 samples to train with", "got 0"});
  auto spoil = [&](const char* what, const std::vector<int32_t>& numbers) {
    const File file(H5Fopen(path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
    const std::string place = std::string("Reads/a/") + what;
    H5Ldelete(file, place.c_str(), H5P_DEFAULT);
    set_row(file, place.c_str(), std::vector<int16_t>(numbers.begin(), numbers.end()));
  };
  spoil("Ref_to_signal", {5, 4, 9});
  refuses({"Reads/a/Ref_to_signal", "ascending"});
  spoil("Ref_to_signal", {5, 7, 9});
  refuses({"Reads/a/Ref_to_signal", "15 ascending", "got 3"});
  spoil("Reference", {1, 4});
  refuses({"Reads/a/Reference", "0 to 3", "4 at base 1"});
  {
    const File file(H5Fopen(path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
    H5Adelete_by_name(file, "Reads/a", "offset", H5P_DEFAULT);
  }
  refuses({"Reads/a", "'offset'"});
}

}  // namespace
}  // namespace tailor::test::mapped_reads_test
#endif
