// How many edits lie between what was said and what was heard (Levenshtein 1966), in words and in
// characters.
#pragma once

#include <cstdint>
#include <string>

#include "tailor/core/rooms.h"

namespace tailor::task {

/// Edits, fewest in all, that make a reference into a hypothesis; sums over a corpus.
struct EditCounts {
  int64_t substitutions = 0, deletions = 0, insertions = 0;
  int64_t reference = 0;  // words or characters

  int64_t edits() const { return substitutions + deletions + insertions; }
  /// Edits by the reference: WER or CER, which may be more than 1. Of an empty reference, whose
  /// edits are insertions, their number.
  double rate() const;
  EditCounts& operator+=(const EditCounts& other);
};
bool operator==(const EditCounts& a, const EditCounts& b);

/// Every edit costs the same, as in the definition of the rate; sclite aligns with weights 4, 3, 3,
/// which may count more. Of alignments with as few edits the one with most substitutions counts.
/// Words are what blanks separate.
EditCounts word_edits(const std::string& reference, const std::string& hypothesis);
/// Characters are bytes, those of blanks as well.
EditCounts character_edits(const std::string& reference, const std::string& hypothesis);

}  // namespace tailor::task
