#include "train/score.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "tailor/nn/host.h"

namespace tailor::train {

std::optional<BadLoss> Score::add(const StepResult& result, const Batch& batch) {
  at::Tensor tally = result.tally;
  if (!tally.defined()) {
    const Tensor outputs = to_host(result.outputs);
    const std::vector<double> counted =
        task_.tally({outputs.as<float>(), result.positions, split_}, batch);
    tally = at::empty({static_cast<int64_t>(counted.size())}, at::kDouble);
    std::copy(counted.begin(), counted.end(), tally.data_ptr<double>());
  }
  results_.push_back({result.loss, tally, batch.count});
  return results_.size() < waiting_ ? std::nullopt : read();
}

std::optional<BadLoss> Score::read() {
  if (results_.empty()) return std::nullopt;
  // One copy for all: [loss, tally...] of each, in float64, which holds either exactly.
  std::vector<at::Tensor> parts;
  for (const Waiting& r : results_) {
    parts.push_back(r.loss.reshape({1}).to(at::kDouble));
    parts.push_back(r.tally.to(r.loss.device(), at::kDouble));
  }
  const at::Tensor all = at::cat(parts).cpu();
  const double* at = all.data_ptr<double>();
  std::optional<BadLoss> bad;
  for (size_t i = 0; i < results_.size(); ++i) {
    const auto size = static_cast<size_t>(results_[i].tally.numel());
    meter_.add(results_[i].count, *at, {at + 1, size});
    if (!bad && !std::isfinite(*at))
      bad = BadLoss{*at, static_cast<int64_t>(results_.size() - 1 - i)};
    at += 1 + size;
  }
  results_.clear();
  return bad;
}

}  // namespace tailor::train
