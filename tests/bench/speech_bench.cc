// Seconds of speech a second, from FLAC files to features (one thread and all), and its parts.
// TAILOR_BENCH_SPEECH names a LibriSpeech tree; without it 24 noisy chirps of 12 s are made.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>

#include "data/augment.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/threads.h"
#include "tailor/data/audio.h"
#include "tailor/data/source.h"
#include "tailor/data/speech.h"

namespace tailor::test {
namespace {

constexpr double kRate = 16000;

std::vector<float> made_sound(int64_t n) {
  CounterRandom random(1, RandomStream::Test, static_cast<uint64_t>(n));
  std::vector<float> samples;
  for (int64_t i = 0; i < 12 * 16000; ++i) {
    const double t = static_cast<double>(i) / kRate;
    samples.push_back(
        static_cast<float>(0.3 * std::sin(700 * t * (1 + t / 9)) + random.uniform(-0.05, 0.05)));
  }
  return samples;
}

struct SpeechSubject {
  TemporaryDirectory folder;
  DataConfig config;
  Sequences set;
  double seconds = 0;

  SpeechSubject() {
    set_log_levels("warn");
    config.name = "librispeech";
    config.root = folder.path();
    config.validation = 0;
    if (const char* tree = std::getenv("TAILOR_BENCH_SPEECH")) {
      config.root = tree;
    } else {
      std::string lines;
      create_directories(folder.path() + "/test/1/1");
      for (int64_t n = 0; n < 24; ++n) {
        write_flac(fmt::format("{}/test/1/1/1-1-{:04}.flac", folder.path(), n), made_sound(n),
                   16000);
        lines += fmt::format("1-1-{:04} A SOUND\n", n);
      }
      write_file(folder.path() + "/test/1/1/1-1.trans.txt", lines);
    }
    const DataSplits data = open_any_data(config);
    set = as_sequences(data.test ? data.test : data.train);
    for (int64_t i = 0; i < set->size(); ++i)
      seconds += static_cast<double>(set->length(i)) / kRate;
  }
};
SpeechSubject& speech() {
  static SpeechSubject all;
  return all;
}

/// Iterations handle all utterances: how many seconds of speech in one.
void count_speech(benchmark::State& state, double seconds) {
  state.counters["x real time"] = benchmark::Counter(
      seconds * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void files_to_features(benchmark::State& state, std::vector<std::string> augment, int threads) {
  DataConfig config = speech().config;
  config.augment = std::move(augment);
  const SpeechFeatures maker(config, 1);
  const Sequences& set = speech().set;
  int64_t epoch = 0;
  for (auto _ : state) {
    parallel_for(set->size(), threads, [&](int64_t i) {
      std::vector<float> features;
      maker.make(*set, i, epoch, features);
      benchmark::DoNotOptimize(features.data());
    });
    ++epoch;
  }
  count_speech(state, speech().seconds);
}
BENCHMARK_CAPTURE(files_to_features, plain_1_thread, {}, 1)->UseRealTime();
BENCHMARK_CAPTURE(files_to_features, plain, {}, 0)->UseRealTime();
BENCHMARK_CAPTURE(files_to_features, nemo, {"dither", "spec_cutout"}, 0)->UseRealTime();
BENCHMARK_CAPTURE(files_to_features, all, {"dither", "speed", "spec_cutout", "spec_augment"}, 0)
    ->UseRealTime();

void decode_flac(benchmark::State& state) {
  std::vector<float> samples;
  for (auto _ : state) {
    for (int64_t i = 0; i < speech().set->size(); ++i) speech().set->read(i, samples);
  }
  count_speech(state, speech().seconds);
}
BENCHMARK(decode_flac);

void log_mel(benchmark::State& state) {
  const LogMel maker;
  const std::vector<float> sound = made_sound(1);
  std::vector<float> samples, features;
  for (auto _ : state) {
    samples = sound;
    maker.compute(samples, features);
  }
  count_speech(state, 12);
}
BENCHMARK(log_mel);

void resample_by_1_07(benchmark::State& state) {
  const std::vector<float> sound = made_sound(1);
  std::vector<float> out;
  for (auto _ : state) resample_audio(sound, 1.07, 1, out);
  count_speech(state, 12);
}
BENCHMARK(resample_by_1_07);

void dither(benchmark::State& state) {
  std::vector<float> samples = made_sound(1);
  for (auto _ : state) add_dither(samples, {}, {1, 2, 3});
  count_speech(state, 12);
}
BENCHMARK(dither);

}  // namespace
}  // namespace tailor::test

BENCHMARK_MAIN();
