#include "tailor/task/word_errors.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace tailor::task {
namespace {

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; (at = text.find_first_not_of(" \t\r\n", at)) != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

EditCounts with(EditCounts counts, int64_t EditCounts::*edit) {
  ++(counts.*edit);
  return counts;
}

bool is_better(const EditCounts& a, const EditCounts& b) {
  return a.edits() != b.edits() ? a.edits() < b.edits() : a.substitutions > b.substitutions;
}

/// Wagner and Fischer's table, a row at a time.
template <class Sequence>
EditCounts fewest_edits(const Sequence& reference, const Sequence& hypothesis) {
  std::vector<EditCounts> above(hypothesis.size() + 1), row(hypothesis.size() + 1);
  for (size_t j = 1; j <= hypothesis.size(); ++j)
    above[j] = with(above[j - 1], &EditCounts::insertions);
  for (size_t i = 1; i <= reference.size(); ++i) {
    row[0] = with(above[0], &EditCounts::deletions);
    for (size_t j = 1; j <= hypothesis.size(); ++j) {
      EditCounts best = reference[i - 1] == hypothesis[j - 1]
                            ? above[j - 1]
                            : with(above[j - 1], &EditCounts::substitutions);
      for (const EditCounts& other :
           {with(above[j], &EditCounts::deletions), with(row[j - 1], &EditCounts::insertions)}) {
        if (is_better(other, best)) best = other;
      }
      row[j] = best;
    }
    std::swap(above, row);
  }
  EditCounts counts = above.back();
  counts.reference = static_cast<int64_t>(reference.size());
  return counts;
}

}  // namespace

double EditCounts::rate() const {
  return static_cast<double>(edits()) / static_cast<double>(std::max<int64_t>(reference, 1));
}

EditCounts& EditCounts::operator+=(const EditCounts& other) {
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  reference += other.reference;
  return *this;
}

bool operator==(const EditCounts& a, const EditCounts& b) {
  return a.substitutions == b.substitutions && a.deletions == b.deletions &&
         a.insertions == b.insertions && a.reference == b.reference;
}

EditCounts word_edits(const std::string& reference, const std::string& hypothesis) {
  return fewest_edits(words_in(reference), words_in(hypothesis));
}

EditCounts character_edits(const std::string& reference, const std::string& hypothesis) {
  return fewest_edits(std::string_view(reference), std::string_view(hypothesis));
}

}  // namespace tailor::task
