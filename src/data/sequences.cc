// Views of sequences, and the alphabets of their labels.
#include "tailor/data/sequences.h"

#include <algorithm>

namespace tailor::data {
namespace {

class SequenceSubset : public SequenceDataset {
 public:
  SequenceSubset(Sequences base, std::vector<int64_t> indices)
      : base_(std::move(base)), indices_(std::move(indices)) {}
  ExampleKind kind() const override { return base_->kind(); }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  int64_t id(int64_t index) const override { return base_->id(at(index)); }
  std::string name(int64_t index) const override { return base_->name(at(index)); }
  int64_t length(int64_t index) const override { return base_->length(at(index)); }
  void read(int64_t index, std::vector<float>& samples) const override {
    base_->read(at(index), samples);
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    base_->read_labels(at(index), labels);
  }
  bool decodes() const override { return base_->decodes(); }
  std::vector<std::string> left_out() const override { return base_->left_out(); }

 private:
  int64_t at(int64_t index) const { return indices_.at(static_cast<size_t>(index)); }
  Sequences base_;
  std::vector<int64_t> indices_;
};

Alphabet alphabet_of(const std::string& symbols, bool blank_first) {
  Alphabet a;
  for (char c : symbols) a.symbols.emplace_back(1, c);
  a.blank = blank_first ? 0 : a.size();
  a.symbols.insert(a.symbols.begin() + static_cast<std::ptrdiff_t>(a.blank), "");
  return a;
}

}  // namespace

Sequences as_sequences(const ExampleSet& set) {
  if (set && set->kind() == ExampleKind::Images)
    fail(ErrorKind::Unsupported, "expected speech or signal, got a set of images");
  return std::static_pointer_cast<const SequenceDataset>(set);
}

Sequences make_subset(Sequences base, std::vector<int64_t> indices) {
  return std::make_shared<SequenceSubset>(std::move(base), std::move(indices));
}

std::string Alphabet::text(const std::vector<int64_t>& labels) const {
  std::string text;
  for (int64_t label : labels) text += symbols.at(static_cast<size_t>(label));
  return text;
}

const Alphabet& english_alphabet() {
  static const Alphabet alphabet = alphabet_of(" abcdefghijklmnopqrstuvwxyz'", false);
  return alphabet;
}

const Alphabet& base_alphabet() {
  static const Alphabet alphabet = alphabet_of("ACGT", true);
  return alphabet;
}

std::vector<int64_t> labels_of(const Alphabet& alphabet, const std::string& text,
                               const std::string& where) {
  std::vector<int64_t> labels;
  labels.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto found =
        std::find(alphabet.symbols.begin(), alphabet.symbols.end(), std::string(1, text[i]));
    if (found == alphabet.symbols.end()) {
      std::string known;
      for (const std::string& symbol : alphabet.symbols) known += symbol;
      fail(ErrorKind::Data, "{}: sign {} of the text, byte {:#04x}: expected one of \"{}\"", where,
           i + 1, static_cast<unsigned char>(text[i]), known);
    }
    labels.push_back(found - alphabet.symbols.begin());
  }
  return labels;
}

}  // namespace tailor::data
