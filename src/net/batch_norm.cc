#include "tailor/net/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "tailor/net/dirac.h"

namespace tailor::net {
namespace {

/// Neighbours of a float32 among which one is looked for whose partner is nearly a float32 too.
constexpr int kNeighbours = 1 << 14;
constexpr double kExact = 1e-11;

/// The first a from `start` on, away from 0, for which `error(a)` is within the tolerance, or the
/// best.
template <class Error>
float best_neighbour(float start, double tolerance, const Error& error) {
  float best = start, a = start;
  double least = error(a);
  for (int i = 0; i < kNeighbours && least > tolerance; ++i) {
    a = std::nextafter(a, std::copysign(HUGE_VALF, a));
    if (const double e = error(a); e < least) best = a, least = e;
  }
  return best;
}

}  // namespace

ScaleShift scale_and_shift(const TensorMap& tensors, const std::string& norm, double epsilon) {
  const auto gamma = tensors.at(norm + ".weight").as<float>(),
             beta = tensors.at(norm + ".bias").as<float>(),
             mean = tensors.at(norm + ".running_mean").as<float>(),
             variance = tensors.at(norm + ".running_var").as<float>();
  ScaleShift result;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    result.scale.push_back(scale);
    result.shift.push_back(beta[c] - mean[c] * scale);
  }
  return result;
}

FoldedConv fold_batch_norm(const TensorMap& tensors, const NamedLayer& conv,
                           const std::string& norm, double epsilon) {
  const auto* layer = conv.as<ConvLayer>();
  FoldedConv folded{kernel_of(tensors, conv), layer->bias ? tensors.at(conv.name + ".bias")
                                                          : Tensor(DType::F32, {layer->out})};
  if (norm.empty()) return folded;
  const ScaleShift bn = scale_and_shift(tensors, norm, epsilon);
  auto w = folded.weight.as<float>(), b = folded.bias.as<float>();
  const size_t per_output = w.size() / b.size();
  for (size_t o = 0; o < b.size(); ++o) {
    for (size_t i = o * per_output; i < (o + 1) * per_output; ++i)
      w[i] = static_cast<float>(w[i] * bn.scale[o]);
    b[o] = static_cast<float>(b[o] * bn.scale[o] + bn.shift[o]);
  }
  return folded;
}

NormChannel norm_channel(double scale, double shift, double mean, double variance, double epsilon) {
  if (scale == 0) {
    return {0, static_cast<float>(shift), static_cast<float>(mean), static_cast<float>(variance)};
  }
  NormChannel n;
  auto variance_for = [&](float gamma) {
    return static_cast<float>(std::max(std::pow(gamma / scale, 2) - epsilon, 0.0));
  };
  auto scale_of = [&](float gamma) {
    return gamma / std::sqrt(static_cast<double>(variance_for(gamma)) + epsilon);
  };
  n.gamma = best_neighbour(static_cast<float>(scale * std::sqrt(variance + epsilon)), kExact,
                           [&](float gamma) { return std::abs(scale_of(gamma) / scale - 1); });
  n.variance = variance_for(n.gamma);
  const double exact = scale_of(n.gamma);
  auto mean_for = [&](float beta) { return static_cast<float>((beta - shift) / exact); };
  const auto beta = static_cast<float>(shift + mean * exact);
  n.beta = best_neighbour(beta, kExact * std::max(std::abs(shift), std::abs(mean * exact)),
                          [&](float b) { return std::abs(b - mean_for(b) * exact - shift); });
  n.mean = mean_for(n.beta);
  return n;
}

void set_norm_channel(TensorMap& tensors, const std::string& norm, size_t channel,
                      const NormChannel& values) {
  auto set = [&](const char* what, float value) {
    tensors.at(norm + what).as<float>()[channel] = value;
  };
  set(".weight", values.gamma);
  set(".bias", values.beta);
  set(".running_mean", values.mean);
  set(".running_var", values.variance);
}

}  // namespace tailor::net
