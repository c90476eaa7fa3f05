#include "tailor/task/alignment.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "tailor/core/error.h"

#ifdef TAILOR_WITH_PARASAIL
#include <parasail.h>
#include <parasail/matrix_lookup.h>
#endif

namespace tailor::task {
namespace {

constexpr int kMatch = 5, kMismatch = -4;
constexpr int kGapOpen = 8, kGapExtend = 4;  // of the first base of a gap, of each further one
constexpr double kLeastCoverage = 0.5;
constexpr size_t kMostCells = size_t{1} << 33;

void verify_bases(const std::string& text, const char* what, const std::string& other) {
  const size_t bad = text.find_first_not_of("ACGT");
  if (bad != std::string::npos) {
    fail(ErrorKind::Data, "{}: base {}: expected A, C, G or T, got byte {:#04x}", what, bad,
         static_cast<unsigned char>(text[bad]));
  }
  if (text.size() * other.size() > kMostCells) {
    fail(ErrorKind::Unsupported,
         "an alignment of {} with {} bases needs more memory than there is; align by chunks",
         text.size(), other.size());
  }
}

/// How a cell's best score came about; the bits of a gap say that it was opened here.
constexpr uint8_t kStop = 0, kDiagonal = 1, kInsertion = 2, kDeletion = 3, kKinds = 3;
constexpr uint8_t kInsertionOpened = 4, kDeletionOpened = 8;

struct Cells {
  size_t rows = 0;  // of the call
  std::vector<uint8_t> trace;
  size_t best_row = 0, best_column = 0;
  uint8_t at(size_t row, size_t column) const { return trace[column * rows + row]; }
};

/// Gotoh's recursion, column by column. Ties: the diagonal before an insertion before a deletion, a
/// longer gap before a new one, the first best cell.
Cells fill_cells(const std::string& call, const std::string& reference) {
  constexpr int kNever = -(1 << 29);
  Cells cells;
  cells.rows = call.size() + 1;
  cells.trace.resize(cells.rows * (reference.size() + 1));
  std::vector<int> best(cells.rows, 0), deletion(cells.rows, kNever);
  int highest = 0;
  for (size_t column = 1; column <= reference.size(); ++column) {
    uint8_t* trace = &cells.trace[column * cells.rows];
    const char base = reference[column - 1];
    int diagonal = 0, insertion = kNever;
    for (size_t row = 1; row < cells.rows; ++row) {
      const int delete_new = best[row] - kGapOpen, delete_more = deletion[row] - kGapExtend;
      const int insert_new = best[row - 1] - kGapOpen, insert_more = insertion - kGapExtend;
      deletion[row] = std::max(delete_new, delete_more);
      insertion = std::max(insert_new, insert_more);
      const int here = diagonal + (call[row - 1] == base ? kMatch : kMismatch);
      const int score = std::max({0, here, insertion, deletion[row]});
      diagonal = best[row];
      best[row] = score;
      const int kind = score == 0           ? kStop
                       : score == here      ? kDiagonal
                       : score == insertion ? kInsertion
                                            : kDeletion;
      trace[row] = static_cast<uint8_t>(kind | (insert_new > insert_more ? kInsertionOpened : 0) |
                                        (delete_new > delete_more ? kDeletionOpened : 0));
      if (score > highest) {
        highest = score;
        cells.best_row = row, cells.best_column = column;
      }
    }
  }
  return cells;
}

#ifdef TAILOR_WITH_PARASAIL
Alignment align_by_parasail(const std::string& call, const std::string& reference) {
  const auto query = static_cast<int>(call.size()), target = static_cast<int>(reference.size());
  const std::unique_ptr<parasail_result_t, void (*)(parasail_result_t*)> result(
      parasail_sw_trace_striped_32(call.data(), query, reference.data(), target, kGapOpen,
                                   kGapExtend, &parasail_dnafull),
      parasail_result_free);
  if (!result) fail(ErrorKind::ExternalTool, "parasail could not align: it is out of memory");
  const std::unique_ptr<parasail_cigar_t, void (*)(parasail_cigar_t*)> cigar(
      parasail_result_get_cigar(result.get(), call.data(), query, reference.data(), target,
                                &parasail_dnafull),
      parasail_cigar_free);
  if (!cigar) fail(ErrorKind::ExternalTool, "parasail gave no alignment: it is out of memory");
  Alignment out;
  for (int i = 0; i < cigar->len; ++i) {
    const char kind = parasail_cigar_decode_op(cigar->seq[i]);
    const int64_t count = parasail_cigar_decode_len(cigar->seq[i]);
    // A local alignment begins with no gap: this one is what of one text lies before it.
    if (i == 0 && (kind == 'I' || kind == 'D')) continue;
    (kind == '='   ? out.matches
     : kind == 'X' ? out.mismatches
     : kind == 'I' ? out.insertions
                   : out.deletions) += count;
  }
  return out;
}
#endif

}  // namespace

Alignment align_plainly(const std::string& call, const std::string& reference) {
  verify_bases(call, "call", reference);
  verify_bases(reference, "reference", call);
  const Cells cells = fill_cells(call, reference);
  Alignment out;
  size_t row = cells.best_row, column = cells.best_column;
  uint8_t gap = kStop;
  while (row > 0 && column > 0) {
    const uint8_t cell = cells.at(row, column);
    const auto kind = gap != kStop ? gap : static_cast<uint8_t>(cell & kKinds);
    if (kind == kStop) break;
    if (kind == kDiagonal) {
      ++(call[--row] == reference[--column] ? out.matches : out.mismatches);
    } else if (kind == kInsertion) {
      ++out.insertions, --row;
      gap = cell & kInsertionOpened ? kStop : kInsertion;
    } else {
      ++out.deletions, --column;
      gap = cell & kDeletionOpened ? kStop : kDeletion;
    }
  }
  return out;
}

#ifdef TAILOR_WITH_PARASAIL
Alignment align_locally(const std::string& call, const std::string& reference) {
  verify_bases(call, "call", reference);
  verify_bases(reference, "reference", call);
  if (call.empty() || reference.empty()) return {};
  return align_by_parasail(call, reference);
}

std::string alignment_library() {
  int major = 0, minor = 0, patch = 0;
  parasail_version(&major, &minor, &patch);
  return fmt::format("parasail {}.{}.{}", major, minor, patch);
}
#else
Alignment align_locally(const std::string& call, const std::string& reference) {
  return align_plainly(call, reference);
}
std::string alignment_library() { return "own"; }
#endif

double alignment_accuracy(const Alignment& alignment, int64_t reference_bases) {
  const auto columns = static_cast<double>(alignment.columns());
  if (columns == 0 || columns < kLeastCoverage * static_cast<double>(reference_bases)) return 0;
  return static_cast<double>(alignment.matches) / columns;
}

double alignment_accuracy(const std::string& call, const std::string& reference) {
  return alignment_accuracy(align_locally(call, reference), static_cast<int64_t>(reference.size()));
}

}  // namespace tailor::task
