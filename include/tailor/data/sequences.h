// Sequences with what they say: audio with its text, a pore's current with its bases. One row of
// samples each, of any length, float32; the labels of an answer are the network's outputs but the
// blank.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tailor/data/examples.h"

namespace tailor::data {

class SequenceDataset : public Examples {
 public:
  /// Samples of an example, known once the set is open.
  virtual int64_t length(int64_t index) const = 0;
  /// Replaces `samples` by all of the example's: audio mono in -1..1 at the splits' rate, current
  /// normalised. Throws Data naming the file.
  virtual void read(int64_t index, std::vector<float>& samples) const = 0;
  /// Replaces `labels` by what the example says, as outputs of the network, without blanks.
  virtual void read_labels(int64_t index, std::vector<int64_t>& labels) const = 0;
  /// Reading an example takes so long that a batch is worth threads.
  virtual bool decodes() const { return false; }
  /// What was wrong with the files that the set was opened without, each named.
  virtual std::vector<std::string> left_out() const { return {}; }
};
using Sequences = std::shared_ptr<const SequenceDataset>;

/// The set as sequences; null stays null. Throws Unsupported naming what it has instead.
Sequences as_sequences(const ExampleSet& set);
/// The examples `indices` of another set, in that order.
Sequences make_subset(Sequences base, std::vector<int64_t> indices);

/// Labels and their place among the outputs: which output is what, and which is none.
struct Alphabet {
  std::vector<std::string> symbols;  // by output; "" is the blank
  int64_t blank = 0;

  int64_t size() const { return static_cast<int64_t>(symbols.size()); }
  /// The symbols of labels, one behind the other.
  std::string text(const std::vector<int64_t>& labels) const;
};
/// " abcdefghijklmnopqrstuvwxyz'" and the blank behind it (NeMo's order).
const Alphabet& english_alphabet();
/// The blank, A, C, G, T (Bonito's order).
const Alphabet& base_alphabet();
/// The labels of a text in lower case; of any other sign Data, naming it and `where`.
std::vector<int64_t> labels_of(const Alphabet& alphabet, const std::string& text,
                               const std::string& where);

}  // namespace tailor::data
