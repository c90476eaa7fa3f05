// The keys of speech: which sets are which split's, and the augmentations of its features.
#include <algorithm>

#include "data/speech.h"

namespace tailor::data {
namespace {

constexpr const char* kVoices[] = {"slt", "awb", "rms", "kal16"};

}  // namespace

void describe_speech_augmentation(RecordVisitor& v, DataConfig& c) {
  v.record(
      "spec_cutout",
      [&](RecordVisitor& r) {
        r.integer("rectangles", c.spec_cutout.rectangles, 1, 100, "How many.");
        r.integer("filters", c.spec_cutout.filters, 1, kSpeechFilters,
                  "Most mel filters that one covers.");
        r.integer("frames", c.spec_cutout.frames, 1, 10000,
                  "Most frames (of 10 ms) that one covers.");
      },
      "Parameters of spec_cutout, which sets rectangles of the features to 0, their mean.");
  v.record(
      "spec_augment",
      [&](RecordVisitor& r) {
        r.integer("filter_masks", c.spec_augment.filter_masks, 0, 100, "Bands of filters.");
        r.integer("filters", c.spec_augment.filters, 1, kSpeechFilters,
                  "Most mel filters of a band.");
        r.integer("frame_masks", c.spec_augment.frame_masks, 0, 100, "Spans of frames.");
        r.integer("frames", c.spec_augment.frames, 1, 10000, "Most frames (of 10 ms) of a span.");
      },
      "Parameters of spec_augment, which sets whole filters and whole frames to 0 (Park et al. "
      "2019).");
  v.record(
      "speed",
      [&](RecordVisitor& r) {
        r.number("change", c.speed.change, 0.01, 0.3,
                 "Speech is 1 ± this times as fast, and as high.");
      },
      "Parameter of speed, which resamples the audio.");
  v.record(
      "dither",
      [&](RecordVisitor& r) {
        r.number("deviation", c.dither.deviation, 1e-9, 0.1,
                 "Standard deviation of the noise on samples in -1..1.");
      },
      "Parameter of dither, which adds normal noise to the audio.");
}

void describe_speech(RecordVisitor& v, DataConfig& c) {
  v.record(
      "speech",
      [&](RecordVisitor& r) {
        r.texts("train", c.speech.train,
                "librispeech: sets (folders) to train on; empty: those whose names begin with "
                "train. manifest: files.");
        r.texts("validation", c.speech.validation,
                "The same for validation; empty: librispeech's dev-clean and dev-clean-2, else "
                "what begins with dev. Without any, data.validation examples are drawn.");
        r.texts("test", c.speech.test,
                "The same for tests; empty: librispeech's test-clean, else what begins with test, "
                "else the validation set.");
        r.number("max_seconds", c.speech.max_seconds, 0, 3600,
                 "Longer training examples are left out, and counted in the log. 0: none.");
        r.enumeration("other_signs", c.speech.other_signs,
                      "Signs of a text that are no letter a-z, ' or blank, after lower case: an "
                      "error, or dropped (drop), where - and / become blanks.");
        r.choices("voices", c.speech.voices, {kVoices, std::size(kVoices)},
                  "flite: who speaks the sentences to train on and to validate with, in turn.");
        r.choices("test_voices", c.speech.test_voices, {kVoices, std::size(kVoices)},
                  "flite: who speaks the sentences to test with, which are others. By default a "
                  "voice that training never hears.");
      },
      "Which speech is which split's, and its texts.");
}

std::vector<std::string> usual_augmentation(ExampleKind kind) {
  if (kind == ExampleKind::Images) return {"pad_crop", "flip"};
  if (kind == ExampleKind::Speech) return {"dither", "spec_cutout"};
  return {};
}

void verify_speech(const DataConfig& c, const std::string& source) {
  if (c.speech.voices.empty())
    fail_config("/data/speech/voices", "one of flite's voices, or more", "[]", source);
  if (c.speech.test_voices.empty())
    fail_config("/data/speech/test_voices", "one of flite's voices, or more", "[]", source);
  for (const auto& [key, names] :
       {std::pair("train", &c.speech.train), std::pair("validation", &c.speech.validation),
        std::pair("test", &c.speech.test)}) {
    for (auto name = names->begin(); name != names->end(); ++name) {
      if (std::find(names->begin(), name, *name) == name) continue;
      fail_config(fmt::format("/data/speech/{}/{}", key, name - names->begin()),
                  "every set or file once", fmt::format("\"{}\" twice", *name), source);
    }
  }
}

}  // namespace tailor::data
