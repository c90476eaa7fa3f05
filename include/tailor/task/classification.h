// Image classification: the label is a class index, a prediction is the largest logit (the first
// one on ties).
#pragma once

#include <cstdint>

#include "tailor/core/span.h"

namespace tailor {

int64_t predicted_class(Span<const double> logits);
int64_t predicted_class(Span<const float> logits);

/// Counts of right answers; adding two meters is adding their images.
struct ClassificationMeter {
  int64_t images = 0;
  int64_t correct = 0;
  double loss_sum = 0;  // of the mean loss of each batch times its images

  /// logits: labels.size() rows of equal length.
  void add(Span<const float> logits, Span<const int64_t> labels);
  void add_one(int64_t predicted, int64_t label) {
    ++images;
    correct += predicted == label ? 1 : 0;
  }
  double accuracy_frac() const {
    return images > 0 ? static_cast<double>(correct) / static_cast<double>(images) : 0;
  }
  double mean_loss() const { return images > 0 ? loss_sum / static_cast<double>(images) : 0; }
};

}  // namespace tailor
