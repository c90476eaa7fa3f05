// Image classification: the label is a class index, a prediction is the largest logit (the first
// one on ties).
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/core/span.h"
#include "tailor/data/batch.h"
#include "tailor/task/confusion.h"
#include "tailor/task/task.h"

namespace tailor::task {

int64_t predicted_class(Span<const float> logits);

/// Images, right answers and the loss.
class ClassificationMeter : public Meter {
 public:
  /// tally: {right answers}.
  void add(int64_t examples, double loss, Span<const double> tally) override;
  int64_t examples() const override { return images_; }
  /// "loss", "accuracy".
  std::vector<Figure> summary() const override;
  Json state() const override;
  void restore(const Json& state) override;

 private:
  int64_t images_ = 0, correct_ = 0;
  double loss_sum_ = 0;  // of the mean loss of each batch times its images
};

/// Splits of one shape, labelled with classes; mixed images have mixed targets (Batch::share).
class Classification : public Task {
 public:
  /// The sets of `data` (a null one is a split that there is not), augmented as `augmentation`
  /// says.
  Classification(const DataSplits& data, const Preprocessing& preprocessing,
                 const Augmentation& augmentation);

  const char* unit() const override { return "image"; }
  int64_t size(Split split) const override;
  void collate(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
               Batch& batch) const override;
  void collate_share(Span<const int64_t> indices, int64_t epoch, const BatchShare& share,
                     Batch& batch) const override;
  ObjectiveSpec objective() const override { return "cross_entropy"; }
  std::vector<double> tally(const Answers& answers, const Batch& batch) const override;
  std::unique_ptr<Meter> meter() const override;

 private:
  void fill(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
            std::optional<int64_t> first, Batch& batch) const;

  Images images_[3];  // by Split
  MapShape shape_;
  BatchMaker maker_;
  Augmentation augmentation_;
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

}  // namespace tailor::task
