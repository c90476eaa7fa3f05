#include "train/ctc.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ctc_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isinf.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "tailor/core/error.h"
#include "tailor/nn/workers.h"
#include "train/ctc_recursion.h"

namespace tailor::train {
namespace {

/// What all labels together have of the smoothing's weight, where the blank has 1.
constexpr double kSmoothingOfLabels = 0.25;

/// The numbers on a device, without waiting for it.
at::Tensor numbers_on(at::Device device, const std::vector<int64_t>& numbers) {
  const at::Tensor host = at::from_blob(const_cast<int64_t*>(numbers.data()),
                                        {static_cast<int64_t>(numbers.size())}, at::kLong);
  return device.is_cpu() ? host.clone() : host.pin_memory().to(device, at::kLong, true);
}

/// Positions that are an example's own.
std::vector<int64_t> own_positions(const at::Tensor& outputs, const DeviceBatch& batch) {
  TAILOR_CHECK(outputs.dim() == 3, "CTC on outputs of {} dimensions", outputs.dim());
  const int64_t examples = outputs.size(0), positions = outputs.size(1);
  std::vector<int64_t> own = batch.positions;
  if (own.empty()) own.assign(static_cast<size_t>(examples), positions);
  TAILOR_CHECK(static_cast<int64_t>(own.size()) == examples, "{} positions of {} examples",
               own.size(), examples);
  for (int64_t n : own) TAILOR_CHECK(n >= 0 && n <= positions, "{} of {} positions", n, positions);
  return own;
}

/// The mean over the positions that are an example's own, of all examples, and over the classes.
at::Tensor mean_of_own(const at::Tensor& values, const DeviceBatch& batch) {
  const std::vector<int64_t> own = own_positions(values, batch);
  const int64_t count = std::accumulate(own.begin(), own.end(), int64_t{0}) * values.size(2);
  const int64_t positions = values.size(1);
  if (count == values.numel()) return values.mean();
  const at::Tensor is_own = at::lt(at::arange(positions, values.options().dtype(at::kLong)),
                                   numbers_on(values.device(), own).unsqueeze(1));
  const at::Tensor kept = at::where(is_own.unsqueeze(2), values, at::zeros({1}, values.options()));
  return kept.sum().div(static_cast<double>(std::max<int64_t>(count, 1)));
}

at::Tensor log_probabilities(const at::Tensor& outputs) {
  return at::log_softmax(outputs, -1, at::kFloat);
}

/// -mean(w * log p), w = smoothing · (1 of the blank, a quarter shared by the labels).
at::Tensor smoothing_term(const at::Tensor& log_p, const DeviceBatch& batch,
                          const ObjectiveSpec& spec) {
  const int64_t classes = log_p.size(2);
  const double labels = static_cast<double>(std::max<int64_t>(classes - 1, 1));
  at::Tensor weights = at::full({classes}, -spec.ctc.smoothing * kSmoothingOfLabels / labels,
                                log_p.options().requires_grad(false));
  weights.narrow(0, spec.blank, 1).fill_(-spec.ctc.smoothing);
  return mean_of_own(log_p.mul(weights), batch);
}

/// -ln p of every example's labels by ATen, in logarithms.
at::Tensor losses_in_logarithms(const at::Tensor& log_p, const at::Tensor& targets,
                                const std::vector<int64_t>& positions,
                                const std::vector<int64_t>& labels, int64_t blank) {
  return at::ctc_loss(log_p.transpose(0, 1), targets, positions, labels, blank, at::Reduction::None,
                      /*zero_infinity=*/false);
}

/// -ln p of every example's labels, on the host: by the recursion in probabilities, and in
/// logarithms those examples that it refuses. What an example gets does not depend on the others.
at::Tensor losses_on_host(const at::Tensor& log_p, const std::vector<int64_t>& own,
                          const DeviceBatch& batch, const ObjectiveSpec& spec) {
  const bool learns = log_p.requires_grad();
  const at::Tensor rows = log_p.detach().contiguous(), targets = batch.targets.contiguous();
  at::Tensor losses = at::zeros({log_p.size(0)}, rows.options());
  at::Tensor gradient = learns ? at::zeros(rows.sizes(), rows.options()) : at::Tensor();
  const int64_t stride = rows.size(1) * rows.size(2);
  std::vector<char> refuses(own.size(), 0);  // not bool: threads write side by side
  work_off(log_p.size(0), [&](WorkQueue& queue) {
    for (int64_t n = queue.take(); n >= 0; n = queue.take()) {
      const auto i = static_cast<size_t>(n);
      const CtcExample example{rows.data_ptr<float>() + n * stride,
                               own[i],
                               rows.size(2),
                               spec.blank,
                               targets.data_ptr<int64_t>() + n * targets.size(1),
                               batch.target_lengths[i]};
      float* const place = learns ? gradient.data_ptr<float>() + n * stride : nullptr;
      refuses[i] = ctc_of_example(example, losses.data_ptr<float>()[n], place) ? 0 : 1;
    }
  });
  std::vector<int64_t> refused, positions, labels;
  for (size_t i = 0; i < own.size(); ++i) {
    if (!refuses[i]) continue;
    refused.push_back(static_cast<int64_t>(i));
    positions.push_back(own[i]);
    labels.push_back(batch.target_lengths[i]);
    if (learns) gradient.select(0, refused.back()).zero_();
  }
  // The value is that of `losses`, the gradient at log_p is `gradient`.
  if (learns) losses = at::add(at::sub(log_p, rows).mul(gradient).sum({1, 2}), losses);
  if (refused.empty()) return losses;
  const at::Tensor which = numbers_on(at::kCPU, refused);
  return losses.index_copy(
      0, which,
      losses_in_logarithms(log_p.index_select(0, which), targets.index_select(0, which), positions,
                           labels, spec.blank));
}

/// The mean over those that `fits` (undefined: all) marks, 0 where none does: an example that no
/// answer can be right for is left out, for as a loss of 0 it would pass for one without fault.
at::Tensor mean_of_examples(const at::Tensor& losses, const at::Tensor& fits) {
  if (!fits.defined()) return losses.mean();
  const at::Tensor kept = at::where(fits, losses, at::zeros({1}, losses.options()));
  return kept.sum().div(fits.sum().clamp_min(1));
}

at::Tensor ctc_loss(const at::Tensor& outputs, const DeviceBatch& batch,
                    const ObjectiveSpec& spec) {
  const std::vector<int64_t> own = own_positions(outputs, batch);
  TAILOR_CHECK(spec.blank >= 0 && spec.blank < outputs.size(2), "blank {} of {} outputs",
               spec.blank, outputs.size(2));
  TAILOR_CHECK(batch.target_lengths.size() == own.size(), "labels of {} examples, outputs of {}",
               batch.target_lengths.size(), own.size());
  const at::Tensor log_p = log_probabilities(outputs);
  at::Tensor losses = log_p.is_cpu() ? losses_on_host(log_p, own, batch, spec)
                                     : losses_in_logarithms(log_p, batch.targets, own,
                                                            batch.target_lengths, spec.blank);
  at::Tensor fits;
  if (spec.skips_impossible) fits = at::isinf(losses).logical_not();
  if (spec.ctc.reduction == CtcReduction::Target) {
    std::vector<int64_t> labels = batch.target_lengths;
    for (int64_t& n : labels) n = std::max<int64_t>(n, 1);
    losses = losses.div(numbers_on(losses.device(), labels));
  }
  const at::Tensor loss = mean_of_examples(losses, fits);
  return spec.ctc.smoothing > 0 ? at::add(loss, smoothing_term(log_p, batch, spec)) : loss;
}

at::Tensor ctc_distance(const at::Tensor& outputs, const at::Tensor& teacher,
                        const DeviceBatch& batch) {
  return mean_of_own(at::sub(log_probabilities(outputs), log_probabilities(teacher)).pow(2), batch);
}

}  // namespace

Objective ctc_objective() { return {ctc_loss, nullptr, ctc_distance}; }

}  // namespace tailor::train
