// Simulated current: a function of the seed, with the levels, dwells and labels of the real thing.
#include "data/squiggle.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/record.h"
#include "tailor/data/source.h"

namespace tailor::test::squiggle_test {
namespace {

DataConfig make_config() {
  DataConfig config;
  config.name = "squiggle";
  config.signal.chunk = 1201;
  config.train_size = 11;
  config.test_size = 6;
  config.validation = 3;
  return config;
}

std::vector<float> samples(const ExampleSet& set, int64_t index) {
  std::vector<float> out;
  as_sequences(set)->read(index, out);
  return out;
}
std::vector<int64_t> labels(const ExampleSet& set, int64_t index) {
  std::vector<int64_t> out;
  as_sequences(set)->read_labels(index, out);
  return out;
}

TEST(Squiggle, IsASetLikeAnyOther) {
  const DataSplits data = open_data(make_config());
  EXPECT_EQ(data.kind, ExampleKind::Signal);
  EXPECT_EQ(data.shape, (MapShape{1, 1, 1201}));
  EXPECT_EQ(data.classes, 5);
  EXPECT_EQ(data.class_names, base_alphabet().symbols);
  EXPECT_EQ(data.train->size(), 8);
  EXPECT_EQ(data.validation->size(), 3);
  EXPECT_EQ(data.test->size(), 6);
  EXPECT_EQ(samples(data.train, 7).size(), 1201U);
  EXPECT_EQ(as_sequences(data.test)->length(5), 1201);
}

TEST(Squiggle, IsAFunctionOfItsSeedAndNotOfHowManyAreMade) {
  DataConfig config = make_config();
  const DataSplits first = open_test_data(config);
  config.test_size = 2;
  const DataSplits fewer = open_test_data(config);
  EXPECT_EQ(samples(first.test, 1), samples(fewer.test, 1));
  EXPECT_EQ(labels(first.test, 1), labels(fewer.test, 1));
  config.validation = 0;
  EXPECT_NE(labels(open_data(config).train, 1), labels(fewer.test, 1));
  config.seed = 2;
  EXPECT_NE(labels(open_test_data(config).test, 1), labels(fewer.test, 1));
}

TEST(Squiggle, IsNormalisedAndHasTheDwellsAskedFor) {
  SignalConfig config;
  config.chunk = 4000;
  config.dwell = 11;
  const Sequences set = make_squiggle(config, 60, 0, 5);
  double sum = 0, squares = 0, bases = 0;
  std::vector<float> signal;
  std::vector<int64_t> bases_said;
  std::vector<int> seen(5);
  for (int64_t i = 0; i < set->size(); ++i) {
    set->read(i, signal);
    for (const float v : signal) sum += v, squares += v * v;
    set->read_labels(i, bases_said);
    for (const int64_t label : bases_said) ++seen.at(static_cast<size_t>(label));
    bases += static_cast<double>(bases_said.size());
  }
  const double count = 60 * 4000;
  EXPECT_NEAR(count / bases, 11, 0.3);
  EXPECT_NEAR(sum / count, -0.05, 0.05);
  EXPECT_NEAR(std::sqrt(squares / count), 0.87, 0.05);
  EXPECT_EQ(seen[0], 0);
  for (size_t label = 1; label < 5; ++label) EXPECT_NEAR(seen[label], bases / 4, bases / 40);
}

/// Of a strand without noise each stretch of equal samples is a base, or two of one level.
TEST(Squiggle, WithoutNoiseEachBaseIsItsLevel) {
  SignalConfig config;
  config.chunk = 900;
  config.noise = 0;
  const Sequences set = make_squiggle(config, 4, 9, 5);
  std::vector<float> signal, all;
  std::vector<int64_t> bases, all_bases;
  for (int64_t i = 0; i < 4; ++i) {
    set->read(i, signal);
    all.insert(all.end(), signal.begin(), signal.end());
    set->read_labels(i, bases);
    all_bases.insert(all_bases.end(), bases.begin(), bases.end());
  }
  size_t stretches = 1;
  for (size_t i = 1; i < all.size(); ++i) stretches += all[i] != all[i - 1] ? 1 : 0;
  EXPECT_LE(stretches, all_bases.size());
  EXPECT_GE(stretches, all_bases.size() * 97 / 100);
}

TEST(Squiggle, LevelsAreSumsOverPairsOfTheSixBases) {
  EXPECT_NEAR(pore_level({0, 0, 0, 0, 0, 0}), 0.05 - 0.38 - 0.30 + 0.15 + 0.21, 1e-12);
  EXPECT_NEAR(pore_level({0, 1, 2, 3, 0, 2}), 0.07 - 0.33 - 0.58 + 0.05 + 0.14, 1e-12);
  // T is the highest, as in the real current, and C and A are the lowest.
  double mean[4] = {};
  for (uint32_t k = 0; k < 4096; ++k) {
    std::array<uint8_t, kPoreBases> bases{};
    for (size_t i = 0; i < kPoreBases; ++i) bases[i] = static_cast<uint8_t>(k >> (2 * i) & 3U);
    mean[bases[2]] += pore_level(bases) / 1024;
  }
  EXPECT_GT(mean[3], mean[1]);
  EXPECT_GT(mean[1], mean[0]);
  EXPECT_GT(mean[0], mean[2]);
}

TEST(Squiggle, ItsNumbersAreConfiguration) {
  DataConfig config;
  auto read = [&](const char* json) {
    read_record(Json::parse(json, "test"), "test", [&](RecordVisitor& v) { describe(v, config); });
  };
  read(R"({"name": "squiggle", "signal": {"chunk": 1200, "dwell": 8.5, "noise": 0.2}})");
  EXPECT_EQ(config.signal.chunk, 1200);
  EXPECT_EQ(config.signal.dwell, 8.5);
  EXPECT_EQ(config.signal.noise, 0.2);
  testing::expect_error(ErrorKind::Config, {"/signal/dwell"},
                        [&] { read(R"({"signal": {"dwell": 1}})"); });
}

}  // namespace
}  // namespace tailor::test::squiggle_test
