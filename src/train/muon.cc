// Muon (Jordan et al. 2024): filters move along the nearest semi-orthogonal matrix to their
// momentum, as large as AdamW's step is (Liu et al. 2025); all else moves as AdamW does.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "train/optimizers.h"

namespace tailor::train {
namespace {

constexpr int kIterations = 5;
constexpr std::array<double, 3> kQuintic = {3.4445, -4.7750, 2.0315};  // Jordan et al.
constexpr double kAdamWsSize = 0.2;  // root mean square of AdamW's steps, by Liu et al.

/// Newton-Schulz: matrices [n, r, c] to ones with the same singular vectors and all singular values
/// near 1 (0.7 to 1.2).
at::Tensor orthogonalised(const at::Tensor& matrices) {
  const bool tall = matrices.size(1) > matrices.size(2);
  at::Tensor x = tall ? matrices.transpose(1, 2).contiguous() : matrices;
  x = x.div(at::linalg_vector_norm(x, 2, at::IntArrayRef{1, 2}, /*keepdim=*/true).add_(1e-7));
  for (int i = 0; i < kIterations; ++i) {
    const at::Tensor squared = at::matmul(x, x.transpose(1, 2));
    const at::Tensor polynomial =
        at::matmul(squared, squared).mul_(kQuintic[2]).add_(squared, kQuintic[1]);
    x = at::matmul(polynomial, x).add_(x, kQuintic[0]);
  }
  return tall ? x.transpose(1, 2) : x;
}

/// [filters, numbers of a filter], of a convolution whose filters read more than one channel; of
/// one with groups all filters, whatever they read.
std::optional<std::pair<int64_t, int64_t>> matrix_of(const Shape& shape) {
  if (shape.size() < 3 || shape[1] == 1) return std::nullopt;
  return std::pair(shape[0], element_count(shape) / shape[0]);
}

class Muon : public Optimizer {
 public:
  explicit Muon(const OptimizerConfig& config)
      : Optimizer({{"exp_avg"}, {"exp_avg_sq"}, {"steps", /*of_parameter=*/true}}),
        config_(config) {
    if (config_.betas.empty()) config_.betas = {0.95, 0.999};
  }
  void step(Parameters& parameters, const Rate& rate) override {
    const double lr = rate.value;
    const at::Tensor& momentum = slot("exp_avg");
    at::Tensor update =
        adamw_update(parameters, {slot("exp_avg"), slot("exp_avg_sq"), slot("steps")}, config_, lr);
    std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> places;  // those of a size at once
    for (const ParameterRange& range : parameters.ranges)
      if (const auto matrix = matrix_of(range.shape)) places[*matrix].push_back(range.offset);
    const at::Tensor nesterov = parameters.gradients.lerp(momentum, config_.betas[0]);
    for (const auto& [size, offsets] : places) {
      const auto& [rows, columns] = size;
      auto matrix = [&, rows = rows, columns = columns](const at::Tensor& flat, int64_t offset) {
        return flat.narrow(0, offset, rows * columns).view({rows, columns});
      };
      std::vector<at::Tensor> moved;
      moved.reserve(offsets.size());
      for (const int64_t offset : offsets) moved.push_back(matrix(nesterov, offset));
      const at::Tensor along =
          orthogonalised(at::stack(moved))
              .mul(lr * kAdamWsSize * std::sqrt(static_cast<double>(std::max(rows, columns))));
      for (size_t i = 0; i < offsets.size(); ++i)
        matrix(update, offsets[i]).copy_(along[static_cast<int64_t>(i)]);
    }
    parameters.values.mul_(1 - lr * config_.weight_decay).sub_(update);
  }

 private:
  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_muon(const OptimizerConfig& config) {
  return std::make_unique<Muon>(config);
}

}  // namespace tailor::train
