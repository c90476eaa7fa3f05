#include "train/ctc.h"

#include <ATen/Parallel.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ctc_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isinf.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "tailor/core/error.h"
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

/// -ln p of every example's labels by the recursion in probabilities; undefined where that cannot
/// be, for logarithms are needed or the outputs are not on the host.
at::Tensor losses_on_host(const at::Tensor& log_p, const std::vector<int64_t>& own,
                          const DeviceBatch& batch, const ObjectiveSpec& spec) {
  if (!log_p.is_cpu()) return {};
  const bool learns = log_p.requires_grad();
  const at::Tensor rows = log_p.detach().contiguous(), targets = batch.targets.contiguous();
  at::Tensor losses = at::empty({log_p.size(0)}, rows.options());
  at::Tensor gradient = learns ? at::zeros(rows.sizes(), rows.options()) : at::Tensor();
  const int64_t stride = rows.size(1) * rows.size(2);
  std::atomic<bool> whole{true};
  at::parallel_for(0, log_p.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end && whole; ++n) {
      const auto i = static_cast<size_t>(n);
      const CtcExample example{rows.data_ptr<float>() + n * stride,
                               own[i],
                               rows.size(2),
                               spec.blank,
                               targets.data_ptr<int64_t>() + n * targets.size(1),
                               batch.target_lengths[i]};
      float* const place = learns ? gradient.data_ptr<float>() + n * stride : nullptr;
      if (!ctc_of_example(example, losses.data_ptr<float>()[n], place)) whole = false;
    }
  });
  if (!whole || !learns) return whole ? losses : at::Tensor();
  // The value is that of `losses`, the gradient at log_p is `gradient`.
  return at::add(at::sub(log_p, rows).mul(gradient).sum({1, 2}), losses);
}

at::Tensor ctc_loss(const at::Tensor& outputs, const DeviceBatch& batch,
                    const ObjectiveSpec& spec) {
  const std::vector<int64_t> own = own_positions(outputs, batch);
  TAILOR_CHECK(spec.blank >= 0 && spec.blank < outputs.size(2), "blank {} of {} outputs",
               spec.blank, outputs.size(2));
  TAILOR_CHECK(batch.target_lengths.size() == own.size(), "labels of {} examples, outputs of {}",
               batch.target_lengths.size(), own.size());
  const at::Tensor log_p = log_probabilities(outputs);
  at::Tensor losses = losses_on_host(log_p, own, batch, spec);
  if (!losses.defined()) {
    losses = at::ctc_loss(log_p.transpose(0, 1), batch.targets, own, batch.target_lengths,
                          spec.blank, at::Reduction::None, /*zero_infinity=*/false);
  }
  if (spec.skips_impossible)
    losses = at::where(at::isinf(losses), at::zeros({1}, losses.options()), losses);
  if (spec.ctc.reduction == CtcReduction::Target) {
    std::vector<int64_t> labels = batch.target_lengths;
    for (int64_t& n : labels) n = std::max<int64_t>(n, 1);
    losses = losses.div(numbers_on(losses.device(), labels));
  }
  const at::Tensor loss = losses.mean();
  return spec.ctc.smoothing > 0 ? at::add(loss, smoothing_term(log_p, batch, spec)) : loss;
}

at::Tensor ctc_distance(const at::Tensor& outputs, const at::Tensor& teacher,
                        const DeviceBatch& batch) {
  return mean_of_own(at::sub(log_probabilities(outputs), log_probabilities(teacher)).pow(2), batch);
}

}  // namespace

Objective ctc_objective() { return {ctc_loss, nullptr, ctc_distance}; }

}  // namespace tailor::train
