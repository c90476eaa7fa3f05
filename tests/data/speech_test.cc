// LibriSpeech trees and manifests: which files are which split's, texts as labels, and what is
// wrong with them by name.
#include "data/speech.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "support/sounds.h"
#include "tailor/core/files.h"
#include "tailor/core/record.h"
#include "tailor/data/audio.h"
#include "tailor/data/source.h"
#include "tailor/data/speech.h"

namespace tailor::test::speech_test {
namespace {

using testing::expect_error;
using testing::sine;

struct SpeechTree : ::testing::Test {
  TemporaryDirectory folder;
  DataConfig config;
  SpeechTree() {
    config.name = "librispeech";
    config.root = folder.path();
    config.augment = {};
    config.validation = 0;
  }
  void sound(const std::string& path, int64_t samples) const {
    create_directories(parent_path(path_join(folder.path(), path)));
    write_flac(path_join(folder.path(), path), sine(samples, 300, 16000), 16000);
  }
  void text(const std::string& path, const std::string& bytes) const {
    write_file(path_join(folder.path(), path), bytes);
  }
  /// Utterance n of a set has 1000 · n samples and the text "SPOKEN X…", of n signs.
  void set(const std::string& name, int64_t utterances) const {
    std::string lines;
    for (int64_t n = 1; n <= utterances; ++n) {
      sound(fmt::format("{}/7/21/7-21-{:04}.flac", name, n), 1000 * n);
      lines += fmt::format("7-21-{:04} SPOKEN {}\n", n, std::string(static_cast<size_t>(n), 'X'));
    }
    text(fmt::format("{}/7/21/7-21.trans.txt", name), lines);
  }
};

std::string text_of(const ExampleSet& set, int64_t index) {
  std::vector<int64_t> labels;
  as_sequences(set)->read_labels(index, labels);
  return english_alphabet().text(labels);
}

TEST_F(SpeechTree, HasItsSetsByTheirOfficialNames) {
  set("LibriSpeech/train-clean-100", 3);
  set("LibriSpeech/train-other-500", 2);
  set("LibriSpeech/dev-clean", 4);
  set("LibriSpeech/dev-other", 6);
  set("LibriSpeech/test-clean", 5);
  set("LibriSpeech/test-other", 7);
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.kind, ExampleKind::Speech);
  EXPECT_EQ(data.shape, (MapShape{64, 1, 1600}));
  EXPECT_EQ(data.classes, 29);
  EXPECT_EQ(data.rate_hz, 16000);
  EXPECT_EQ(data.class_names[28], "");
  EXPECT_EQ(data.train->size(), 5);
  EXPECT_EQ(data.validation->size(), 4);
  EXPECT_EQ(data.test->size(), 5);
  EXPECT_EQ(data.test->name(1), "7-21-0002");
  EXPECT_EQ(text_of(data.test, 2), "spoken xxx");
  const Sequences test = as_sequences(data.test);
  EXPECT_EQ(test->length(3), 4000);
  std::vector<float> samples;
  test->read(3, samples);
  ASSERT_EQ(samples.size(), 4000U);
  EXPECT_NEAR(samples[13], sine(4000, 300, 16000)[13], 2e-5);

  config.speech.test = {"dev-other", "test-other"};
  config.speech.max_seconds = 0.16;
  const DataSplits other = open_data(config);
  EXPECT_EQ(other.test->size(), 13);
  EXPECT_EQ(other.train->size(), 4);  // that of 3000 samples is 0.1875 s long
  EXPECT_EQ(open_test_data(config).test->size(), 13);
  config.speech.test = {"test-clear"};
  expect_error(ErrorKind::Data, {"/data/speech/test", "did you mean 'test-clean'"},
               [&] { open_data(config); });
  config.speech.test = {"train-clean-100"};
  expect_error(ErrorKind::Data, {"train-clean-100 is a training set and a test set"},
               [&] { open_data(config); });
}

TEST_F(SpeechTree, OfOneSetIsSplitByTheSeed) {
  set("test-other", 12);
  expect_error(ErrorKind::Data, {"no training set", "data.test_size"}, [&] { open_data(config); });
  EXPECT_EQ(open_test_data(config).test->size(), 12);
  config.test_size = 4;
  config.validation = 3;
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.train->size(), 5);
  EXPECT_EQ(data.validation->size(), 3);
  EXPECT_EQ(data.test->size(), 4);
  const DataSplits again = open_test_data(config);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(again.test->name(i), data.test->name(i));
  EXPECT_EQ(again.train, nullptr);
}

TEST_F(SpeechTree, WithoutATestSetAsksHowManyToKeepBack) {
  set("train-clean-5", 6);
  expect_error(ErrorKind::Data, {"no test set", "--set data.test_size=1", "6 utterances"},
               [&] { open_data(config); });
  const DataSplits any = open_any_data(config);
  EXPECT_EQ(any.train->size(), 6);
  EXPECT_EQ(any.test, nullptr);
  config.test_size = 2;
  EXPECT_EQ(open_data(config).train->size(), 4);
}

TEST_F(SpeechTree, LeavesOutWhatCannotBeReadOrRefusesIt) {
  set("test-clean", 3);
  text("test-clean/7/21/7-21-0002.flac", "no audio");
  text("test-clean/8/1/8-1.trans.txt", "8-1-0001 NOBODY READ THIS\n");
  sound("test-clean/8/1/8-1-0002.flac", 900);
  EXPECT_EQ(open_test_data(config).test->size(), 2);
  config.unreadable = Unreadable::Error;
  expect_error(ErrorKind::Data, {"1 lines of text have no audio file", "8-1-0001"},
               [&] { open_test_data(config); });
  remove_all(path_join(folder.path(), "test-clean/8"));
  expect_error(ErrorKind::Data, {"7-21-0002.flac", "expected audio"},
               [&] { open_test_data(config); });
}

TEST_F(SpeechTree, ThatIsNoneSaysWhatWasExpected) {
  expect_error(ErrorKind::Data, {"SET/SPEAKER/CHAPTER/*.trans.txt", "fetch_data.sh librispeech"},
               [&] { open_data(config); });
  text("test-clean/7/21/7-21.trans.txt", "7-21-0001 FINE\nALONE\n");
  expect_error(ErrorKind::Data, {"7-21.trans.txt:2", "ID TEXT", "ALONE"},
               [&] { open_test_data(config); });
}

TEST_F(SpeechTree, HasATextOnceForAnUtterance) {
  set("test-clean", 2);
  text("test-clean/7/21/7-21.trans.txt", "7-21-0001 ONE\n7-21-0002 TWO\n7-21-0001 OTHER\n");
  expect_error(ErrorKind::Data, {"7-21.trans.txt:3", "'7-21-0001'", "7-21.trans.txt:1"},
               [&] { open_test_data(config); });
  text("test-clean/7/21/7-21.trans.txt", "7-21-0001 ONE\n");
  text("test-clean/7/21/more.trans.txt", "7-21-0002 TWO\n7-21-0001 ONE\n");
  expect_error(ErrorKind::Data, {"more.trans.txt:2", "'7-21-0001'", "7-21.trans.txt:1"},
               [&] { open_test_data(config); });
  text("test-clean/7/21/more.trans.txt", "7-21-0002 TWO\n");
  EXPECT_EQ(open_test_data(config).test->size(), 2);
}

TEST_F(SpeechTree, IsWrittenAsItIsRead) {
  set("train-clean-5", 3);
  set("test-clean", 2);
  TemporaryDirectory out;
  write_librispeech(open_data(config), path_join(out.path(), "copy"));
  DataConfig copy = config;
  copy.root = path_join(out.path(), "copy");
  const DataSplits data = open_data(copy);
  ASSERT_EQ(data.train->size(), 3);
  ASSERT_EQ(data.test->size(), 2);
  EXPECT_EQ(text_of(data.train, 2), "spoken xxx");
  std::vector<float> before, after;
  as_sequences(open_data(config).train)->read(1, before);
  as_sequences(data.train)->read(1, after);
  EXPECT_EQ(before, after);
}

TEST_F(SpeechTree, WithoutATestSetIsWrittenOnce) {
  set("train-clean-5", 3);
  set("dev-clean", 2);
  TemporaryDirectory out;
  config.root = folder.path();
  const DataSplits data = open_data(config);
  ASSERT_EQ(data.test, data.validation);
  const std::string copy = path_join(out.path(), "copy");
  write_librispeech(data, copy);
  EXPECT_EQ(list_directory(path_join(copy, "LibriSpeech")),
            (std::vector<std::string>{"dev", "train"}));
  config.root = copy;
  EXPECT_EQ(open_data(config).test->size(), 2);
}

struct Manifest : SpeechTree {
  Manifest() {
    config.name = "manifest";
    sound("wav/a.flac", 16'000);
    sound("wav/b.flac", 48'000);
    text("nemo.json",
         R"({"audio_filepath": "wav/a.flac", "duration": 1.0, "text": "one  Two"})"
         "\n"
         R"({"audio_filepath": "wav/b.flac", "offset": 0.5, "duration": 1.25, "text": "it’s"})"
         "\n\n");
    text("dle.json", R"([{"transcript": "a text", "original_duration": 3.0, "files": [
           {"fname": "wav/x.flac", "speed": 0.9}, {"fname": "wav/b.flac", "speed": 1}]}])");
  }
};

TEST_F(Manifest, OfEitherKindIsRead) {
  config.speech.train = {"dle.json"};
  config.speech.test = {"nemo.json"};
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.train->size(), 1);
  EXPECT_EQ(text_of(data.train, 0), "a text");
  EXPECT_EQ(as_sequences(data.train)->length(0), 48'000);
  EXPECT_EQ(text_of(data.test, 0), "one two");
  EXPECT_EQ(text_of(data.test, 1), "it's");
  const Sequences test = as_sequences(data.test);
  EXPECT_EQ(test->length(1), 20'000);
  std::vector<float> part, all;
  test->read(1, part);
  as_sequences(data.train)->read(0, all);
  EXPECT_EQ(part, std::vector<float>(all.begin() + 8'000, all.begin() + 28'000));
}

TEST_F(Manifest, WithMistakesNamesFileAndLine) {
  config.speech.test = {"bad.json"};
  auto expect_fault = [&](const std::string& bytes, std::initializer_list<std::string> words) {
    text("bad.json", bytes);
    expect_error(ErrorKind::Data, words, [&] { open_test_data(config); });
  };
  expect_fault("", {"bad.json", "expected utterances"});
  expect_fault("\n7\n", {"bad.json:2", "expected an object"});
  expect_fault("{\"audio_filepath\": 3}", {"bad.json:1", "audio_filepath"});
  expect_fault(R"({"audio_filepath": "wav/a.flac"})", {"bad.json:1", "\"text\"", "nothing"});
  expect_fault(R"({"audio_filepath": "wav/a.flac", "duration": -1, "text": ""})",
               {"bad.json:1", "duration", "-1"});
  expect_fault(R"({"audio_filepath": "wav/a.flac", "duration": 2, "text": ""})",
               {"none of its 1", "expected 2.00 s", "got 1.00 s"});
  expect_fault(R"({"audio_filepath": "wav/a.flac", "offset": 0.5, "duration": 1, "text": ""})",
               {"0.50 s to 1.50 s", "1.00 s long"});
  expect_fault(R"({"audio_filepath": "wav/c.flac", "text": ""})", {"c.flac", "No such file"});
  expect_fault(R"({"audio_filepath": "wav/a.flac", "text": "two % of"})",
               {"bad.json:1", "'%'", "data.speech.other_signs"});
  expect_fault(R"({"audio_filepath": "wav/a.flac", "text": "one"})"
               "\n"
               R"({"audio_filepath": "wav/a.flac", "text": "two"})",
               {"bad.json:2", "wav/a.flac", "bad.json:1"});
  expect_fault("[{}]", {"bad.json, entry 1", "\"files\""});
  expect_fault(R"([{"files": [{"fname": "a", "speed": 1.1}]}])", {"entry 1", "speed 1"});
  config.speech.test = {};
  expect_error(ErrorKind::Data, {"data.speech.test names no file"},
               [&] { open_test_data(config); });
}

TEST(SpeechText, BecomesLettersAndSaysWhatItDrops) {
  DroppedSigns dropped;
  auto normal = [&](const std::string& text) {
    return normalised_text(text, "here", OtherSigns::Drop, dropped);
  };
  EXPECT_EQ(normal("  Hello,\tWORLD's \r"), "hello world's");
  EXPECT_EQ(dropped.count, 1);
  EXPECT_EQ(normal("well-known / é"), "well known");
  EXPECT_EQ(dropped.count, 4);
  EXPECT_EQ(dropped.first, (std::vector<std::string>{",", "-", "/", "é"}));
  EXPECT_EQ(normal("\xC3"), "");  // half a sign
}

TEST(SpeechAugmentation, OfAKindIsTheUsualUnlessNamedAndThenMustFit) {
  auto read = [](const char* json) {
    DataConfig c;
    read_record(Json::parse(json, "test"), "test", [&](RecordVisitor& v) { describe(v, c); });
    verify_config(c, "test");
    return c;
  };
  EXPECT_EQ(read(R"({"name": "synthetic"})").augment,
            (std::vector<std::string>{"pad_crop", "flip"}));
  EXPECT_EQ(read(R"({"name": "librispeech"})").augment,
            (std::vector<std::string>{"dither", "spec_cutout"}));
  EXPECT_TRUE(read(R"({"augment": [], "name": "librispeech"})").augment.empty());
  expect_error(ErrorKind::Config, {"/data/augment/1", "augmentation of speech", "\"flip\""},
               [&] { read(R"({"name": "librispeech", "augment": ["speed", "flip"]})"); });
  expect_error(ErrorKind::Config, {"/data/augment/0", "augmentation of images", "\"speed\""},
               [&] { read(R"({"augment": ["speed"]})"); });
}

TEST(SpeechLists, NameASetOnce) {
  DataConfig c;
  c.name = "librispeech";
  c.augment = {};
  c.speech.train = {"train-a", "train-b"};
  verify_config(c, "test");
  c.speech.test = {"test-a", "test-b", "test-a"};
  expect_error(ErrorKind::Config, {"/data/speech/test/2", "\"test-a\" twice"},
               [&] { verify_config(c, "test"); });
}

struct SpokenOnce : SpeechTree {
  SpokenOnce() { set("train-x", 40), config.test_size = 3; }
  std::vector<float> features(std::vector<std::string> augment, int64_t seed, int64_t epoch,
                              int64_t index) {
    config.augment = std::move(augment);
    const DataSplits data = open_data(config);
    std::vector<float> out;
    SpeechFeatures(config, seed).make(*as_sequences(data.train), index, epoch, out);
    return out;
  }
};

TEST_F(SpokenOnce, IsAugmentedByItsSeedEpochAndNumberAlone) {
  const DataSplits data = open_data(config);
  const Sequences train = as_sequences(data.train);
  std::vector<float> plain;
  const SpeechFeatures maker(config, 1);
  maker.make(*train, 30, std::nullopt, plain);
  EXPECT_EQ(static_cast<int64_t>(plain.size()), 64 * maker.frames(train->length(30)));
  EXPECT_EQ(features({}, 1, 3, 30), plain);
  for (const char* name : {"dither", "speed", "spec_cutout", "spec_augment"}) {
    const std::vector<float> one = features({name}, 1, 3, 30);
    EXPECT_EQ(one, features({name}, 1, 3, 30)) << name;
    EXPECT_NE(one, plain) << name;
    EXPECT_NE(one, features({name}, 1, 4, 30)) << name;
    EXPECT_NE(one, features({name}, 2, 3, 30)) << name;
    // Through another view it is the same example.
    config.augment = {name};
    std::vector<float> seen;
    SpeechFeatures(config, 1).make(*make_subset(train, {7, 30}), 1, 3, seen);
    EXPECT_EQ(one, seen) << name;
  }
}

TEST_F(SpokenOnce, IsFasterAndSlowerWithinBounds) {
  config.augment = {"speed"};
  config.speed.change = 0.15;
  const Sequences train = as_sequences(open_data(config).train);
  const SpeechFeatures maker(config, 1);
  std::vector<float> out;
  int64_t least = 1'000'000, most = 0;
  for (int64_t epoch = 0; epoch < 40; ++epoch) {
    maker.make(*train, 36, epoch, out);
    least = std::min(least, static_cast<int64_t>(out.size()) / 64);
    most = std::max(most, static_cast<int64_t>(out.size()) / 64);
  }
  const auto usual = static_cast<double>(maker.frames(train->length(36)));
  EXPECT_GE(least, maker.fewest_frames(train->length(36)));
  EXPECT_LE(static_cast<double>(most), usual / 0.85 + 1);
  EXPECT_GT(static_cast<double>(most), usual * 1.1);
  EXPECT_LT(static_cast<double>(least), usual * 0.91);
  EXPECT_GE(static_cast<double>(least), usual / 1.15 - 1);
}

TEST_F(SpokenOnce, IsMaskedInWholeFiltersAndFrames) {
  const std::vector<float> plain = features({}, 1, 0, 36),
                           masked = features({"spec_augment"}, 1, 0, 36);
  const size_t frames = plain.size() / 64;
  std::vector<size_t> in_filter(64), in_frame(frames);
  for (size_t i = 0; i < plain.size(); ++i) {
    if (masked[i] == plain[i]) continue;
    EXPECT_EQ(masked[i], 0);
    ++in_filter[i % 64], ++in_frame[i / 64];
  }
  const auto whole_filters = std::count(in_filter.begin(), in_filter.end(), frames);
  const auto whole_frames = std::count(in_frame.begin(), in_frame.end(), 64U);
  EXPECT_GT(whole_filters + whole_frames, 0);
  EXPECT_LE(whole_filters, 2 * 15);
  EXPECT_LE(whole_frames, 2 * 55);
  for (size_t i = 0; i < plain.size(); ++i) {
    const bool whole = in_filter[i % 64] == frames || in_frame[i / 64] == 64;
    EXPECT_TRUE(masked[i] == plain[i] || whole) << i;
  }
}

}  // namespace
}  // namespace tailor::test::speech_test
