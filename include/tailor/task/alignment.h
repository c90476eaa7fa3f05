// How much of a read's bases a call has right, as the field counts it: the best local alignment
// (parasail's sw_trace_striped_32 with its DNA scores), and the share of its columns that match.
#pragma once

#include <cstdint>
#include <string>

#include "tailor/core/rooms.h"

namespace tailor::task {

/// Columns of the best local alignment of a call with a reference, by kind.
struct Alignment {
  int64_t matches = 0, mismatches = 0;
  int64_t insertions = 0, deletions = 0;  // bases of the call alone, of the reference alone

  int64_t columns() const { return matches + mismatches + insertions + deletions; }
  friend bool operator==(const Alignment& a, const Alignment& b) {
    return a.matches == b.matches && a.mismatches == b.mismatches && a.insertions == b.insertions &&
           a.deletions == b.deletions;
  }
};

/// Match 5, mismatch -4, a gap of n bases -8 - 4 (n - 1). By parasail where the program is built
/// with it, else by align_plainly, which gives the same. Texts of A, C, G and T; of anything else
/// Data. Thread-safe.
Alignment align_locally(const std::string& call, const std::string& reference);
/// The same without a library. Among alignments of equal score it takes the one that parasail does.
Alignment align_plainly(const std::string& call, const std::string& reference);
/// What aligns: "parasail 2.6.0", or "own".
std::string alignment_library();

/// Matches by columns, 0 to 1; 0 where the alignment has fewer columns than half of the reference's
/// bases (Bonito's accuracy with a least coverage of 0.5).
double alignment_accuracy(const Alignment& alignment, int64_t reference_bases);
double alignment_accuracy(const std::string& call, const std::string& reference);

}  // namespace tailor::task
