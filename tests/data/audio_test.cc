// Audio files as samples: exact to the bit, mixed down, at another rate; what is damaged is named.
#include "tailor/data/audio.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "support/sounds.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

using testing::append_number;
using testing::expect_error;
using testing::sine;
using testing::wav_bytes;

struct AudioFile : ::testing::Test {
  TemporaryDirectory folder;
  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = path_join(folder.path(), name);
    write_file(path, bytes);
    return path;
  }
  static std::vector<float> read_all(const std::string& path, int64_t rate_hz) {
    std::vector<float> samples;
    read_audio(path, {0, probe_audio(path).samples}, rate_hz, samples);
    return samples;
  }
};

TEST_F(AudioFile, OfSixteenBitsIsExactlyWordsOver32768) {
  const std::vector<int16_t> words = {0, 1, -1, 32767, -32768, 12345, -4321};
  const std::string wav = write("a.wav", wav_bytes(words, 1, 16000));
  const std::vector<float> samples = read_all(wav, 16000);
  ASSERT_EQ(samples.size(), words.size());
  for (size_t i = 0; i < words.size(); ++i)
    EXPECT_EQ(samples[i], static_cast<float>(words[i]) / 32768);
  const std::string flac = path_join(folder.path(), "a.flac");
  write_flac(flac, samples, 16000);
  EXPECT_EQ(read_all(flac, 16000), samples);
  EXPECT_EQ(probe_audio(flac).rate_hz, 16000);
}

TEST_F(AudioFile, OfTwoChannelsIsTheirMean) {
  const std::string wav = write("a.wav", wav_bytes({100, 300, -50, 50, 7, 9}, 2, 16000));
  EXPECT_EQ(read_all(wav, 16000), (std::vector<float>{200.0F / 32768, 0, 8.0F / 32768}));
}

TEST_F(AudioFile, IsReadInPart) {
  std::vector<int16_t> words;
  for (int i = 0; i < 40'000; ++i) words.push_back(static_cast<int16_t>(i * 37 % 30011));
  std::vector<float> all = read_all(write("a.wav", wav_bytes(words, 1, 16000)), 16000), part;
  const std::string flac = path_join(folder.path(), "a.flac");
  write_flac(flac, all, 16000);
  for (const std::string& path : {flac, path_join(folder.path(), "a.wav")}) {
    read_audio(path, {17'001, 20'003}, 16000, part);
    EXPECT_EQ(part, std::vector<float>(all.begin() + 17'001, all.begin() + 37'004));
  }
  expect_error(ErrorKind::Data, {"a.flac", "39000 to 41000", "40000"}, [&] {
    read_audio(flac, {39'000, 2'000}, 16000, part);
  });
}

TEST_F(AudioFile, ThatIsCutOffIsFoundBehindMetadata) {
  const std::string plain = wav_bytes(std::vector<int16_t>(16'000, 3), 1, 16000);
  constexpr size_t kData = 36;  // where the samples' chunk begins
  std::string comments = "INFO";
  for (int i = 0; i < 60; ++i) {  // more than libsndfile's log holds
    comments += "ICMT";
    append_number(comments, 42, 4);
    comments += std::string(42, 'x');
  }
  std::string list = "LIST";
  append_number(list, comments.size(), 4);
  list += comments + std::string("note\3\0\0\0odd\0", 12);
  const std::string commented = plain.substr(0, kData) + list + plain.substr(kData);
  std::string large = std::string("RF64\xFF\xFF\xFF\xFFWAVE", 12) + "ds64";
  append_number(large, 28, 4);
  for (const uint64_t number : {36 + 36 + 32'000, 32'000, 16'000}) append_number(large, number, 8);
  append_number(large, 0, 4);
  large += plain.substr(12, kData - 12) + "data\xFF\xFF\xFF\xFF" + plain.substr(kData + 8);
  for (const std::string& bytes : {plain, commented, large}) {
    EXPECT_EQ(read_all(write("whole.wav", bytes), 16000).size(), 16'000U);
    for (const size_t missing : {1, 16'000}) {
      const std::string path = write("cut.wav", bytes.substr(0, bytes.size() - missing));
      expect_error(ErrorKind::Data,
                   {"cut.wav", "32000 bytes", "there are " + std::to_string(32'000 - missing)},
                   [&] { probe_audio(path); });
    }
  }
  // A program that writes as it hears does not know the length.
  std::string live = plain.substr(0, kData + 4);
  append_number(live, 0xFFFFFFFF, 4);
  EXPECT_EQ(probe_audio(write("live.wav", live + plain.substr(kData + 8))).samples, 16'000);
}

TEST_F(AudioFile, ThatIsDamagedIsNamed) {
  const std::vector<float> samples = sine(30'000, 440, 16000);
  const std::string flac = path_join(folder.path(), "whole.flac");
  write_flac(flac, samples, 16000);
  const std::string bytes = read_file(flac);
  const std::string wav = wav_bytes(std::vector<int16_t>(5000, 3), 1, 16000);
  expect_error(ErrorKind::Data, {"gone.flac", "No such file"},
               [&] { probe_audio(path_join(folder.path(), "gone.flac")); });
  expect_error(ErrorKind::Data, {"zero.flac", "zero bytes"},
               [&] { probe_audio(write("zero.flac", "")); });
  expect_error(ErrorKind::Data, {"text.flac", "expected audio"},
               [&] { probe_audio(write("text.flac", "one two three four")); });
  expect_error(ErrorKind::Data, {"head.flac", "damaged or cut off"},
               [&] { probe_audio(write("head.flac", bytes.substr(0, 20))); });
  expect_error(ErrorKind::Data, {"none.wav", "no samples"},
               [&] { probe_audio(write("none.wav", wav_bytes({}, 1, 16000))); });
  expect_error(ErrorKind::Data, {"short.wav", "10000 bytes", "cut off"},
               [&] { probe_audio(write("short.wav", wav.substr(0, wav.size() - 3000))); });
  const std::string half = write("half.flac", bytes.substr(0, bytes.size() / 2));
  expect_error(ErrorKind::Data, {"half.flac", "expected 30000 samples"},
               [&] { read_all(half, 16000); });
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorKind::Data, {"nan.wav", "sample 2"}, [&] {
    read_all(write("nan.wav", wav_bytes({}, 1, 16000, {0, 0.5F, nan})), 16000);
  });
  expect_error(ErrorKind::Data, {"slow.wav", "samples a second", "got 900"}, [&] {
    probe_audio(write("slow.wav", wav_bytes({1, 2}, 1, 900)));
  });
}

/// Largest difference of two sounds but for `border` samples at both ends.
double difference(const std::vector<float>& a, const std::vector<float>& b, size_t border) {
  double most = 0;
  for (size_t i = border; i + border < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

TEST(ResampledAudio, IsTheSameSoundAtAnotherRate) {
  std::vector<float> out;
  for (const double from : {8000.0, 22050.0, 44100.0, 48000.0, 15999.0}) {
    const auto count = static_cast<int64_t>(from);
    resample_audio(sine(count, 1234, from), from, 16000, out);
    EXPECT_EQ(static_cast<int64_t>(out.size()), resampled_length(count, from, 16000));
    EXPECT_EQ(static_cast<int64_t>(out.size()), 16000);
    EXPECT_LT(difference(out, sine(16000, 1234, 16000), 200), 1e-4) << from;
  }
}

TEST(ResampledAudio, LosesWhatTheRateCannotHold) {
  std::vector<float> out;
  resample_audio(sine(48'000, 9'500, 48'000), 48'000, 16'000, out);
  EXPECT_LT(difference(out, std::vector<float>(out.size()), 200), 1e-4);
  resample_audio(std::vector<float>(5'000, 0.25F), 16'000 * 1.07, 16'000, out);
  EXPECT_LT(difference(out, std::vector<float>(out.size(), 0.25F), 200), 1e-6);
  EXPECT_EQ(out.size(), 4'673U);
}

TEST_F(AudioFile, OfAnotherRateHasAsManySamplesAsItsHeaderPromises) {
  const std::string wav = write("a.wav", wav_bytes(std::vector<int16_t>(11'025, 1000), 1, 22'050));
  EXPECT_EQ(static_cast<int64_t>(read_all(wav, 16000).size()),
            resampled_length(11'025, 22'050, 16'000));
}

}  // namespace
}  // namespace tailor::test
