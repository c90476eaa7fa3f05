#include "nn/batch_norm_passes.h"

#include <ATen/ops/empty_like.h>

#include <cmath>

namespace tailor::nn {
namespace {

NormBackward combine(const Chunks& chunks, ChunkSums& sums, const Saved& saved) {
  const auto channels = static_cast<size_t>(chunks.channels);
  const auto n = static_cast<double>(chunks.pixels);
  NormBackward b;
  for (auto* v : {&b.to_gradient, &b.to_input, &b.constant, &b.d_gamma, &b.d_beta})
    v->resize(channels);
  std::vector<double> sum(channels), product(channels);
  for (int64_t i = 0; i < chunks.count(); ++i) {
    const float *s = sums.first(i), *p = sums.second(i);
    for (size_t c = 0; c < channels; ++c) sum[c] += s[c], product[c] += p[c];
  }
  for (size_t c = 0; c < channels; ++c) {
    const double inverse = saved.inverse[c], d_gamma = product[c] * inverse, scale = saved.scale[c],
                 to_input = -scale * inverse * d_gamma / n;
    b.d_gamma[c] = static_cast<float>(d_gamma);
    b.d_beta[c] = static_cast<float>(sum[c]);
    b.to_gradient[c] = static_cast<float>(scale);
    b.to_input[c] = static_cast<float>(to_input);
    b.constant[c] = static_cast<float>(-scale * sum[c] / n - to_input * saved.mean[c]);
  }
  return b;
}

}  // namespace

Moments PieceMoments::total() const {
  const auto channels = static_cast<size_t>(channels_);
  Moments all{std::vector<double>(channels), std::vector<double>(channels)};
  double before = 0;
  for (size_t i = 0; i < pixels_.size(); ++i) {  // Chan, Golub and LeVeque 1979
    const auto n = static_cast<double>(pixels_[i]);
    const float *mean = numbers_.data() + 2 * i * channels, *squares = mean + channels;
    for (size_t c = 0; c < channels; ++c) {
      const double difference = mean[c] - all.mean[c];
      all.mean[c] += difference * n / (before + n);
      all.squares[c] += squares[c] + difference * difference * before * n / (before + n);
    }
    before += n;
  }
  return all;
}

void take_statistics(const Chunks& chunks, const Moments& moments, const NormParameters& norm,
                     const Saved& saved) {
  const auto *gamma = norm.gamma.data_ptr<float>(), *beta = norm.beta.data_ptr<float>();
  auto *mean = norm.running_mean.data_ptr<float>(),
       *variance = norm.running_variance.data_ptr<float>();
  const auto n = static_cast<double>(chunks.pixels);
  for (int64_t c = 0; c < chunks.channels; ++c) {
    const double m = moments.mean[static_cast<size_t>(c)],
                 squares = moments.squares[static_cast<size_t>(c)],
                 inverse = 1 / std::sqrt(squares / n + norm.epsilon), scale = gamma[c] * inverse;
    saved.mean[c] = static_cast<float>(m);
    saved.inverse[c] = static_cast<float>(inverse);
    saved.scale[c] = static_cast<float>(scale);
    saved.shift[c] = static_cast<float>(beta[c] - m * scale);
    auto move = [&](float& running, double to) {
      running = static_cast<float>((1 - norm.momentum) * running + norm.momentum * to);
    };
    move(mean[c], m);
    move(variance[c], squares / (n - 1));
  }
}

template <typename T>
NormBackward sum_gradients(const Chunks& chunks, const NormGradient<T>& all, const Saved& saved,
                           T* masked) {
  ChunkSums sums(chunks);
  chunks.each([&](int64_t i, int64_t at, int64_t pixels) {
    map_kernels<T>().gradient_sums(part_of(all, at), saved.mean, pixels, chunks.channels,
                                   masked ? masked + at : nullptr, sums.first(i), sums.second(i));
  });
  return combine(chunks, sums, saved);
}
template NormBackward sum_gradients(const Chunks&, const NormGradient<float>&, const Saved&,
                                    float*);
template NormBackward sum_gradients(const Chunks&, const NormGradient<uint16_t>&, const Saved&,
                                    uint16_t*);

at::Tensor row_of(const std::vector<float>& values, const at::Tensor& like) {
  at::Tensor t = at::empty_like(like);
  std::copy(values.begin(), values.end(), t.data_ptr<float>());
  return t;
}

}  // namespace tailor::nn
