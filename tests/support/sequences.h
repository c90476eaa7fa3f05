// Sequences in memory for tests, and answers that say what they should.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/data/sequences.h"

namespace tailor::testing {

struct GivenSequence {
  std::vector<float> samples;
  std::vector<int64_t> labels;
};

class GivenSequences : public SequenceDataset {
 public:
  GivenSequences(ExampleKind kind, std::vector<GivenSequence> all)
      : kind_(kind), all_(std::move(all)) {}
  ExampleKind kind() const override { return kind_; }
  int64_t size() const override { return static_cast<int64_t>(all_.size()); }
  std::string name(int64_t index) const override { return "given-" + std::to_string(index); }
  int64_t length(int64_t index) const override {
    return static_cast<int64_t>(at(index).samples.size());
  }
  void read(int64_t index, std::vector<float>& samples) const override {
    samples = at(index).samples;
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    labels = at(index).labels;
  }

 private:
  const GivenSequence& at(int64_t index) const { return all_.at(static_cast<size_t>(index)); }
  ExampleKind kind_;
  std::vector<GivenSequence> all_;
};

inline std::vector<float> noise_samples(int64_t count, int64_t number, float height = 0.1F) {
  CounterRandom random(5, RandomStream::Synthetic, static_cast<uint64_t>(number));
  std::vector<float> samples(static_cast<size_t>(count));
  for (float& v : samples) v = height * static_cast<float>(random.normal());
  return samples;
}

inline GivenSequence noise_that_says(const Alphabet& alphabet, const std::string& text,
                                     int64_t samples, int64_t number) {
  return {noise_samples(samples, number), labels_of(alphabet, text, "test")};
}

/// Answers of `positions` frames that spell the labels, a blank behind each; the rest is blanks.
inline std::vector<float> spelled(const Alphabet& alphabet, const std::vector<int64_t>& labels,
                                  int64_t positions, float sure = 20) {
  const auto n = static_cast<size_t>(alphabet.size());
  std::vector<float> rows(static_cast<size_t>(positions) * n, 0.0F);
  for (size_t t = 0; t < static_cast<size_t>(positions); ++t) {
    const bool says = t % 2 == 0 && t / 2 < labels.size();
    rows[t * n + static_cast<size_t>(says ? labels[t / 2] : alphabet.blank)] = sure;
  }
  return rows;
}

}  // namespace tailor::testing
