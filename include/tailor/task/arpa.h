// Back-off language models of words (Katz 1987) in ARPA files, plain or gzipped: the probability of
// a word behind others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::task {

/// Words that were said, the latest last; no more than the model looks back to.
using WordHistory = std::vector<uint32_t>;

class LanguageModel {
 public:
  /// Throws Data naming path and line.
  static LanguageModel load(const std::string& path);
  /// Of a file's text; `source` names it in errors.
  static LanguageModel parse(std::string_view text, const std::string& source);

  int64_t order() const { return order_; }
  int64_t words() const { return static_cast<int64_t>(words_.size()); }
  int64_t ngrams() const { return static_cast<int64_t>(entries_.size()); }
  /// The number of a word, ASCII letters in lower case; of one that the model does not know, that
  /// of <unk>.
  uint32_t word(const std::string& word) const;
  bool knows(const std::string& word) const;
  /// The beginning of a sentence: <s>, if the model has it.
  WordHistory begin() const;
  /// log10 of the word's probability behind `history`, to which it is then added. Where the n-gram
  /// is unknown, that of the one with a word less behind it, times the weight of the longer history
  /// (1 if unknown). Without <unk> an unknown word has 10^-100.
  double score(WordHistory& history, uint32_t word) const;

 private:
  friend class ArpaReader;
  struct Entry {
    float log10_p = 0, log10_backoff = 0;
  };
  /// The n-gram of `prefix` and a word behind it, or kNone.
  uint32_t child(uint32_t prefix, uint32_t word) const;
  uint32_t find(const uint32_t* begin, const uint32_t* end) const;

  int64_t order_ = 0;
  std::unordered_map<std::string, uint32_t> words_;  // a word is its unigram's place in entries_
  std::vector<Entry> entries_;
  std::unordered_map<uint64_t, uint32_t> children_;  // prefix << 32 | word
  uint32_t unknown_ = 0, start_ = 0;
};

}  // namespace tailor::task
