#include "train/score.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>

#include "tailor/nn/host.h"

namespace tailor::train {

void LossParts::write(Json& state) const {
  if (examples == 0) return;
  state.set("objective_sum", objective);
  state.set("distance_sum", distance);
  state.set("parts_of", examples);
}

LossParts LossParts::read(const Json& state) {
  if (!state.find("parts_of")) return {};
  return {state.at("objective_sum").as_number(), state.at("distance_sum").as_number(),
          state.at("parts_of").as_int()};
}

std::optional<BadLoss> Score::add(const StepResult& result, const Batch& batch) {
  at::Tensor tally = result.tally;
  if (!tally.defined()) {
    const Tensor outputs = to_host(result.outputs);
    const std::vector<double> counted =
        task_.tally({outputs.as<float>(), result.positions, split_}, batch);
    tally = at::empty({static_cast<int64_t>(counted.size())}, at::kDouble);
    std::copy(counted.begin(), counted.end(), tally.data_ptr<double>());
  }
  results_.push_back({result.loss, tally, result.objective, result.distance, batch.count});
  return results_.size() < waiting_ ? std::nullopt : read();
}

std::optional<BadLoss> Score::read() {
  if (results_.empty()) return std::nullopt;
  // One copy for all: [loss, its parts, tally...] of each, in float64, which holds either exactly.
  // Of several workers the number of examples stands before them, and means are sums.
  const bool shared = group_.is_shared();
  std::vector<at::Tensor> parts_of_all;
  for (const Waiting& r : results_) {
    const auto count = static_cast<double>(r.count);
    if (shared) parts_of_all.push_back(at::full({1}, count, r.loss.options().dtype(at::kDouble)));
    for (const at::Tensor& part : {r.loss, r.objective, r.distance}) {
      if (!part.defined()) continue;
      const at::Tensor mean = part.reshape({1}).to(at::kDouble);
      parts_of_all.push_back(shared ? mean.mul(count) : mean);
    }
    parts_of_all.push_back(r.tally.to(r.loss.device(), at::kDouble));
  }
  at::Tensor all = at::cat(parts_of_all);
  group_.sum(all);
  all = all.cpu();
  const double* at = all.data_ptr<double>();
  std::optional<BadLoss> bad;
  for (size_t i = 0; i < results_.size(); ++i) {
    const auto size = static_cast<size_t>(results_[i].tally.numel());
    const auto examples = shared ? static_cast<int64_t>(*at++) : results_[i].count;
    const auto count = static_cast<double>(examples);
    const double mean = shared ? 1 / count : 1, loss = *at++ * mean;
    if (results_[i].objective.defined()) {
      parts.objective += count * mean * *at++;
      parts.distance += count * mean * *at++;
      parts.examples += examples;
    }
    meter_.add(examples, loss, {at, size});
    if (!bad && !std::isfinite(loss))
      bad = BadLoss{loss, static_cast<int64_t>(results_.size() - 1 - i)};
    at += size;
  }
  results_.clear();
  return bad;
}

}  // namespace tailor::train
