// Features against torchaudio 0.13.1 (melscale_fbanks, MelSpectrogram), whose numbers stand here.
#include "tailor/data/features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/rooms.h"
#include "support/sounds.h"

namespace tailor::test {
namespace {

TEST(MelFilters, AreSlaneys) {
  const std::vector<float> filters = mel_filters({});
  ASSERT_EQ(filters.size(), 64U * 257);
  double sum = 0;
  for (const float f : filters) sum += static_cast<double>(f);
  EXPECT_NEAR(sum, 2.0461817, 2e-6);
  EXPECT_NEAR(*std::max_element(filters.begin(), filters.end()), 0.021113267, 1e-8);
}

/// A chirp, a tone and a saw of no period, as scripts of the reference make them.
std::vector<float> chirp() {
  constexpr double kPi = 3.14159265358979323846;
  std::vector<float> samples;
  for (int64_t i = 0; i < 8011; ++i) {
    const double t = static_cast<double>(i) / 16000;
    samples.push_back(static_cast<float>(
        0.4 * std::sin(2 * kPi * (200 * t + 3000 * t * t)) + 0.1 * std::sin(2 * kPi * 5000 * t) +
        (static_cast<double>(i * 7919 % 1009) / 1009.0 - 0.5) * 0.02));
  }
  return samples;
}

TEST(LogMel, AgreesWithTorchaudio) {
  const LogMel log_mel;
  std::vector<float> samples = chirp(), features;
  EXPECT_EQ(log_mel.frames(8011), 51);
  log_mel.compute(samples, features);
  ASSERT_EQ(features.size(), 51U * 64);
  constexpr size_t kFrames[] = {0, 1, 7, 25, 49, 50}, kFilters[] = {0, 1, 5, 20, 40, 63};
  constexpr double kExpected[6][6] = {{4.48147, 4.22834, 2.51538, -1.17055, -0.65671, 5.51761},
                                      {1.54984, 2.53595, 3.18517, -0.37563, -0.45304, -0.31903},
                                      {-0.08989, 0.15035, 0.28685, -0.41457, -0.45039, -0.30290},
                                      {-0.31581, -0.34423, -0.42209, -0.43867, -0.42709, -0.16600},
                                      {-0.33305, -0.33531, -0.40565, -0.43771, -0.40964, -0.07501},
                                      {4.53711, 3.99945, 2.24337, 1.40299, 1.07716, 4.13304}};
  for (size_t t = 0; t < 6; ++t) {
    for (size_t m = 0; m < 6; ++m) {
      EXPECT_NEAR(features[kFrames[t] * 64 + kFilters[m]], kExpected[t][m], 1e-3)
          << "frame " << kFrames[t] << ", filter " << kFilters[m];
    }
  }
}

TEST(LogMel, IsNormalisedInEveryFilter) {
  const LogMel log_mel;
  std::vector<float> samples = chirp(), features;
  log_mel.compute(samples, features);
  for (size_t m = 0; m < 64; ++m) {
    double sum = 0, squares = 0;
    for (size_t t = 0; t < 51; ++t) {
      const auto v = static_cast<double>(features[t * 64 + m]);
      sum += v, squares += v * v;
    }
    EXPECT_NEAR(sum / 51, 0, 1e-5);
    EXPECT_NEAR(squares / 50, 1, 1e-3);  // n - 1
  }
}

TEST(LogMel, OfSilenceIsZeroAndOfTheFewestSamplesFinite) {
  const LogMel log_mel;
  std::vector<float> silence(4000, 0.0F), features;
  log_mel.compute(silence, features);
  for (const float v : features) EXPECT_EQ(v, 0);
  std::vector<float> fewest = testing::sine(log_mel.fewest_samples(), 700, 16000);
  log_mel.compute(fewest, features);
  EXPECT_EQ(features.size(), 2U * 64);
  for (const float v : features) EXPECT_TRUE(std::isfinite(v));
  std::vector<float> fewer(static_cast<size_t>(log_mel.fewest_samples() - 1));
  EXPECT_THROW(log_mel.compute(fewer, features), Error);
}

}  // namespace
}  // namespace tailor::test
