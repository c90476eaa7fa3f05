#include "tailor/task/classification.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tailor::task {
namespace {

template <class T>
int64_t argmax(Span<const T> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

void verify_finite(Span<const double> logits) {
  for (size_t c = 0; c < logits.size(); ++c) {
    if (std::isfinite(logits[c])) continue;
    fail(ErrorKind::Data,
         "the network's output {} of {} is {}, expected a finite number: its weights or batch norm "
         "statistics are damaged (tailor inspect); take another checkpoint, or train it again",
         c, logits.size(), logits[c]);
  }
}

/// log of the sum of exp(logit - largest).
double log_sum(Span<const double> logits, double largest) {
  double sum = 0;
  for (double v : logits) sum += std::exp(v - largest);
  return std::log(sum);
}

/// How many classes stand before one: larger, or equal and earlier.
int64_t rank_of(Span<const double> logits, size_t label) {
  int64_t rank = 0;
  for (size_t c = 0; c < logits.size(); ++c) {
    if (logits[c] > logits[label] || (logits[c] == logits[label] && c < label)) ++rank;
  }
  return rank;
}

}  // namespace

int64_t predicted_class(Span<const float> logits) { return argmax(logits); }

void ClassificationMeter::add(int64_t examples, double loss, Span<const double> tally) {
  TAILOR_CHECK(tally.size() == 1, "{} counts of right answers", tally.size());
  images_ += examples;
  correct_ += static_cast<int64_t>(tally[0]);
  loss_sum_ += loss * static_cast<double>(examples);
}

std::vector<Figure> ClassificationMeter::summary() const {
  const double count = static_cast<double>(std::max<int64_t>(images_, 1));
  return {{"loss", loss_sum_ / count},
          {"accuracy", static_cast<double>(correct_) / count, /*higher_is_better=*/true,
           /*is_share=*/true}};
}

Json ClassificationMeter::state() const {
  return Json::object({{"images", images_}, {"correct", correct_}, {"loss_sum", loss_sum_}});
}

void ClassificationMeter::restore(const Json& state) {
  *this = {};
  if (state.as_object().empty()) return;
  images_ = state.at("images").as_int();
  correct_ = state.at("correct").as_int();
  loss_sum_ = state.at("loss_sum").as_number();
}

Classification::Classification(const DataSplits& data, const Preprocessing& preprocessing,
                               const Augmentation& augmentation)
    : images_{as_images(data.train), as_images(data.validation), as_images(data.test)},
      shape_(data.shape),
      maker_(data.shape, preprocessing),
      augmentation_(augmentation) {}

int64_t Classification::size(Split split) const {
  const Images& images = images_[static_cast<size_t>(split)];
  return images ? images->size() : 0;
}

void Classification::collate(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
                             Batch& batch) const {
  fill(split, indices, epoch, std::nullopt, batch);
}

void Classification::collate_share(Span<const int64_t> indices, int64_t epoch,
                                   const BatchShare& share, Batch& batch) const {
  const std::vector<int64_t> own = take_share(indices, share);
  fill(Split::Train, own, epoch, indices[0], batch);
  batch.weight = static_cast<double>(own.size()) / static_cast<double>(indices.size());
}

void Classification::fill(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
                          std::optional<int64_t> first, Batch& batch) const {
  batch.count = static_cast<int64_t>(indices.size());
  prepare_buffer(batch.inputs, DType::F32,
                 {batch.count, shape_.height, shape_.width, shape_.channels});
  prepare_buffer(batch.targets, DType::I64, {batch.count});
  batch.share =
      maker_.fill(*images_[static_cast<size_t>(split)], indices,
                  epoch ? std::optional(augmentation_) : std::nullopt, epoch.value_or(0),
                  batch.inputs.as<float>(), batch.targets.as<int64_t>(), /*threads=*/0, first);
}

std::vector<double> Classification::tally(const Answers& answers, const Batch& batch) const {
  const Span<const float> logits = answers.outputs;
  const auto labels = batch.targets.as<int64_t>();
  TAILOR_CHECK(!labels.empty() && logits.size() % labels.size() == 0, "{} logits for {} labels",
               logits.size(), labels.size());
  const size_t classes = logits.size() / labels.size();
  int64_t correct = 0;
  for (size_t i = 0; i < labels.size(); ++i)
    correct += predicted_class(logits.subspan(i * classes, classes)) == labels[i] ? 1 : 0;
  return {static_cast<double>(correct)};
}

std::unique_ptr<Meter> Classification::meter() const {
  return std::make_unique<ClassificationMeter>();
}

std::vector<RankedClass> top_classes(Span<const double> logits, int64_t k) {
  verify_finite(logits);
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t count = std::min(logits.size(), static_cast<size_t>(std::max<int64_t>(k, 0)));
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
      [&](size_t a, size_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  std::vector<RankedClass> top;
  if (count == 0) return top;
  const double largest = logits[order[0]], log_of_sum = log_sum(logits, largest);
  for (size_t i = 0; i < count; ++i) {
    const double logit = logits[order[i]];
    top.push_back({static_cast<int64_t>(order[i]), logit, std::exp(logit - largest - log_of_sum)});
  }
  return top;
}

void EvaluationMeter::add(Span<const double> logits, int64_t label) {
  TAILOR_CHECK(static_cast<int64_t>(logits.size()) == confusion_.classes() && label >= 0 &&
                   label < confusion_.classes(),
               "{} logits and label {} for {} classes", logits.size(), label, confusion_.classes());
  verify_finite(logits);
  const int64_t predicted = argmax(logits);
  const auto right = static_cast<size_t>(label);
  confusion_.add(label, predicted);
  ++images_;
  correct_ += predicted == label ? 1 : 0;
  top_correct_ += rank_of(logits, right) < kTop ? 1 : 0;
  const double largest = logits[static_cast<size_t>(predicted)];
  loss_sum_ += log_sum(logits, largest) + (largest - logits[right]);
}

}  // namespace tailor::task
