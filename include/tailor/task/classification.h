// Image classification: the label is a class index, a prediction is the largest logit (the first
// one on ties).
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/core/span.h"
#include "tailor/task/confusion.h"

namespace tailor {

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

/// A class with its logit and its softmax probability.
struct RankedClass {
  int64_t index = 0;
  double logit = 0, probability = 0;
};
/// The k classes of the largest logits, the first ones on ties. Throws Data, without naming the
/// image, unless all logits are finite.
std::vector<RankedClass> top_classes(Span<const double> logits, int64_t k);

/// What an evaluation says, whatever computed the logits. The counts are exact.
class EvaluationMeter {
 public:
  static constexpr int64_t kTop = 5;

  explicit EvaluationMeter(int64_t classes) : confusion_(classes) {}
  /// The logits of one image, one a class. Throws Data, without naming the image, unless all are
  /// finite: such an image has no class.
  void add(Span<const double> logits, int64_t label);

  int64_t images() const { return images_; }
  int64_t correct() const { return correct_; }
  /// Images whose label is among the kTop largest logits.
  int64_t top_correct() const { return top_correct_; }
  double accuracy_frac() const { return frac(correct_); }
  double top_accuracy_frac() const { return frac(top_correct_); }
  /// Mean cross-entropy in nats.
  double mean_loss() const { return images_ > 0 ? loss_sum_ / static_cast<double>(images_) : 0; }
  const ConfusionMatrix& confusion() const { return confusion_; }

 private:
  double frac(int64_t count) const {
    return images_ > 0 ? static_cast<double>(count) / static_cast<double>(images_) : 0;
  }

  ConfusionMatrix confusion_;
  int64_t images_ = 0, correct_ = 0, top_correct_ = 0;
  double loss_sum_ = 0;
};

}  // namespace tailor
