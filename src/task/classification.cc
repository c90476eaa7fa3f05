#include "tailor/task/classification.h"

#include <algorithm>

namespace tailor {
namespace {

template <class T>
int64_t argmax(Span<const T> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace

int64_t predicted_class(Span<const double> logits) { return argmax(logits); }
int64_t predicted_class(Span<const float> logits) { return argmax(logits); }

void ClassificationMeter::add(Span<const float> logits, Span<const int64_t> labels) {
  TAILOR_CHECK(!labels.empty() && logits.size() % labels.size() == 0, "{} logits for {} labels",
               logits.size(), labels.size());
  size_t classes = logits.size() / labels.size();
  for (size_t i = 0; i < labels.size(); ++i)
    add_one(predicted_class(logits.subspan(i * classes, classes)), labels[i]);
}

}  // namespace tailor
