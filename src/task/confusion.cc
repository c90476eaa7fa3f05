#include "tailor/task/confusion.h"

#include "tailor/core/error.h"

namespace tailor::task {

ConfusionMatrix::ConfusionMatrix(int64_t classes)
    : images_(static_cast<size_t>(classes)), predicted_(images_.size()) {
  TAILOR_CHECK(classes >= 1, "{} classes", classes);
}

void ConfusionMatrix::add(int64_t label, int64_t predicted) {
  ++images_.at(static_cast<size_t>(label));
  ++predicted_.at(static_cast<size_t>(predicted));
  ++cells_[{label, predicted}];
}

int64_t ConfusionMatrix::count(int64_t label, int64_t predicted) const {
  const auto found = cells_.find({label, predicted});
  return found == cells_.end() ? 0 : found->second;
}

std::pair<int64_t, int64_t> ConfusionMatrix::most_taken_for(int64_t label) const {
  std::pair<int64_t, int64_t> most{0, 0};
  for (auto at = cells_.lower_bound({label, 0}); at != cells_.end() && at->first.first == label;
       ++at) {
    if (at->first.second != label && at->second > most.second)
      most = {at->first.second, at->second};
  }
  return most;
}

}  // namespace tailor::task
