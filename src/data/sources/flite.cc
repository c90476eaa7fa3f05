// Made-up sentences spoken by flite (Black and Lenzo 2001), in memory: speech with its text without
// a download. The library is opened when it is wanted, so that no other command loads its voices.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "data/sentences.h"
#include "data/sources/sources.h"
#include "data/speech.h"
#include "tailor/core/error.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"

#ifdef TAILOR_FLITE
extern "C" {
#include <flite/flite.h>
}
#endif

namespace tailor::data {
namespace {

constexpr int64_t kTrainSentences = 1000, kTestSentences = 100;
constexpr double kSlowest = 1.12, kFastest = 0.92;  // durations, of the voice's own

/// Spoken sentences, as 16 bits.
struct Spoken {
  std::string name, text;
  std::vector<int16_t> words;
};

class SpokenSentences : public SequenceDataset {
 public:
  explicit SpokenSentences(std::vector<Spoken> items) : items_(std::move(items)) {}
  ExampleKind kind() const override { return ExampleKind::Speech; }
  int64_t size() const override { return static_cast<int64_t>(items_.size()); }
  std::string name(int64_t index) const override { return at(index).name; }
  int64_t length(int64_t index) const override {
    return static_cast<int64_t>(at(index).words.size());
  }
  void read(int64_t index, std::vector<float>& samples) const override {
    const std::vector<int16_t>& words = at(index).words;
    samples.resize(words.size());
    for (size_t i = 0; i < words.size(); ++i) samples[i] = static_cast<float>(words[i]) / 32768;
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    labels = labels_of(english_alphabet(), at(index).text, at(index).name);
  }
  bool decodes() const override { return true; }  // features take as long as decoding

 private:
  const Spoken& at(int64_t index) const { return items_.at(static_cast<size_t>(index)); }
  std::vector<Spoken> items_;
};

#ifdef TAILOR_FLITE
/// The library and its voices, which stay until the program ends. It keeps state: one at a time.
class Flite {
 public:
  static Flite& instance() {
    static Flite flite;
    return flite;
  }
  /// At kSpeechRate; `stretch` times as long as the voice speaks by itself.
  std::vector<int16_t> speak(const std::string& voice, const std::string& text, double stretch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    cst_voice* speaker = find(voice);
    set_float_(speaker->features, "duration_stretch", static_cast<float>(stretch));
    const std::unique_ptr<cst_wave, void (*)(cst_wave*)> wave(text_to_wave_(text.c_str(), speaker),
                                                              delete_wave_);
    if (!wave || wave->num_samples < 1 || wave->sample_rate != kSpeechRate ||
        wave->num_channels != 1) {
      fail(ErrorKind::ExternalTool,
           "flite, voice {}: expected speech of one channel at {} Hz, got {} samples of {} at {} "
           "Hz",
           voice, kSpeechRate, wave ? wave->num_samples : 0, wave ? wave->num_channels : 0,
           wave ? wave->sample_rate : 0);
    }
    return {wave->samples, wave->samples + wave->num_samples};
  }

 private:
  Flite() : library_(open("libflite.so.1")) {
    load(text_to_wave_, library_, "flite_text_to_wave");
    load(set_float_, library_, "feat_set_float");
    load(delete_wave_, library_, "delete_wave");
    int (*initialise)() = nullptr;
    load(initialise, library_, "flite_init");
    initialise();
  }
  static void* open(const std::string& name) {
    if (void* library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    fail(ErrorKind::Unsupported,
         "the data set flite speaks with the library flite: expected {}, got \"{}\"; install "
         "libflite1",
         name, ::dlerror());
  }
  template <class Function>
  static void load(Function*& function, void* library, const std::string& name) {
    void* found = ::dlsym(library, name.c_str());
    if (!found) fail(ErrorKind::Unsupported, "flite has no function {}; install libflite1", name);
    function = reinterpret_cast<Function*>(found);
  }
  cst_voice* find(const std::string& name) {
    for (const auto& [known, voice] : voices_) {
      if (known == name) return voice;
    }
    cst_voice* (*make)(const char*) = nullptr;
    load(make, open("libflite_cmu_us_" + name + ".so.1"), "register_cmu_us_" + name);
    voices_.emplace_back(name, make(nullptr));
    TAILOR_CHECK(voices_.back().second, "flite has no voice {}", name);
    return voices_.back().second;
  }

  void* library_;
  cst_wave* (*text_to_wave_)(const char*, cst_voice*) = nullptr;
  void (*set_float_)(cst_features*, const char*, float) = nullptr;
  void (*delete_wave_)(cst_wave*) = nullptr;
  std::vector<std::pair<std::string, cst_voice*>> voices_;
  std::mutex mutex_;
};
std::vector<int16_t> speak(const std::string& voice, const std::string& text, double stretch) {
  return Flite::instance().speak(voice, text, stretch);
}
#else
std::vector<int16_t> speak(const std::string& /*voice*/, const std::string& /*text*/,
                           double /*stretch*/) {
  fail(ErrorKind::Unsupported,
       "the data set flite is not in this build: it was configured without flite; install "
       "flite1-dev, configure with -DTAILOR_WITH_FLITE=ON and build again");
}
#endif

/// Sentence n is spoken by voice n mod voices, a little faster or slower.
Sequences speak_all(const std::vector<std::string>& voices, int64_t count, bool test,
                    int64_t seed) {
  const std::vector<std::string> sentences = make_sentences(count, test, seed);
  if (count >= 500) log_info("data", "flite speaks {} sentences, 30 a second", count);
  std::vector<Spoken> items;
  for (size_t i = 0; i < sentences.size(); ++i) {
    throw_if_interrupted();
    CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Synthetic, i, test ? 3 : 2);
    const std::string& voice = voices[i % voices.size()];
    items.push_back({fmt::format("{}-{}-{}", test ? "test" : "train", i, voice), sentences[i],
                     speak(voice, sentences[i], random.uniform(kFastest, kSlowest))});
  }
  return std::make_shared<SpokenSentences>(std::move(items));
}

class FliteSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    fill_speech_splits(splits);
    auto count = [](int64_t asked, int64_t usual) { return asked > 0 ? asked : usual; };
    splits.test = speak_all(config.speech.test_voices, count(config.test_size, kTestSentences),
                            true, config.seed);
    if (request.train) {
      splits.train = speak_all(config.speech.voices, count(config.train_size, kTrainSentences),
                               false, config.seed);
    }
  }
};

}  // namespace

std::unique_ptr<DataSource> make_flite_source() {
  SourceTraits t{"flite", "flite's speech", english_alphabet().size()};
  t.class_names = english_alphabet().symbols;
  t.kind = ExampleKind::Speech;
  t.in_memory = true;
  t.fetched = false;
  return std::make_unique<FliteSource>(t);
}

}  // namespace tailor::data
