#include "nn/fused_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/convolution.h"
#include "nn/gpu/fused_norm.h"
#include "nn/map_types.h"
#include "tailor/nn/kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {
namespace {

/// Numbers of a chunk of pixels: both of its passes find it in the first-level cache.
constexpr int64_t kChunk = 4096;

/// A map's pixels in chunks, the same ones for any number of threads.
struct Chunks {
  int64_t channels, pixels, most;

  explicit Chunks(const at::Tensor& x)
      : channels(x.size(1)),
        pixels(x.size(0) * x.size(2) * x.size(3)),
        most(std::max<int64_t>(1, kChunk / channels)) {}
  int64_t count() const { return (pixels + most - 1) / most; }
  /// Pixels of a chunk.
  int64_t size(int64_t chunk) const { return std::min(most, pixels - chunk * most); }
  /// of(chunk, first number, pixels) for each, in parallel.
  template <typename F>
  void each(F of) const {
    work_off(count(), [&](WorkQueue& queue) {
      for (int64_t i = queue.take(); i >= 0; i = queue.take()) of(i, i * most * channels, size(i));
    });
  }
};

/// Two sums of a chunk, `channels` floats each.
class ChunkSums {
 public:
  explicit ChunkSums(const Chunks& chunks)
      : chunks_(chunks), sums_(static_cast<size_t>(2 * chunks.count() * chunks.channels)) {}
  float* first(int64_t chunk) { return sums_.data() + 2 * chunk * chunks_.channels; }
  float* second(int64_t chunk) { return first(chunk) + chunks_.channels; }

 private:
  const Chunks& chunks_;
  std::vector<float> sums_;
};

/// Of each channel, in float64.
struct Moments {
  std::vector<double> mean, squares;  // of the deviations from the mean
};

template <typename T>
Moments moments_of(const Chunks& chunks, const T* x) {
  ChunkSums sums(chunks);
  chunks.each([&](int64_t i, int64_t at, int64_t pixels) {
    map_kernels<T>().moments(x + at, pixels, chunks.channels, sums.first(i), sums.second(i));
  });
  const auto channels = static_cast<size_t>(chunks.channels);
  Moments all{std::vector<double>(channels), std::vector<double>(channels)};
  double before = 0;
  for (int64_t i = 0; i < chunks.count(); ++i) {  // Chan, Golub and LeVeque 1979
    const auto n = static_cast<double>(chunks.size(i));
    const float *mean = sums.first(i), *squares = sums.second(i);
    for (size_t c = 0; c < channels; ++c) {
      const double difference = mean[c] - all.mean[c];
      all.mean[c] += difference * n / (before + n);
      all.squares[c] += squares[c] + difference * difference * before * n / (before + n);
    }
    before += n;
  }
  return all;
}

/// Four rows of `channels` floats that a backward pass reads again.
struct Saved {
  float *mean, *inverse, *scale, *shift;
  Saved(const at::Tensor& rows, int64_t channels)
      : mean(rows.data_ptr<float>()),
        inverse(mean + channels),
        scale(inverse + channels),
        shift(scale + channels) {}
};

/// Fills `saved` and moves the running statistics.
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

/// What a backward pass does: dx = to_gradient · g + to_input · x + constant.
struct Backward {
  std::vector<float> to_gradient, to_input, constant, d_gamma, d_beta;
};

Backward combine(const Chunks& chunks, ChunkSums& sums, const Saved& saved) {
  const auto channels = static_cast<size_t>(chunks.channels);
  const auto n = static_cast<double>(chunks.pixels);
  Backward b;
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

at::Tensor row_of(const std::vector<float>& values, const at::Tensor& like) {
  at::Tensor t = at::empty_like(like);
  std::copy(values.begin(), values.end(), t.data_ptr<float>());
  return t;
}

template <typename T>
void run_forward(const T* x, const T* skip, const Chunks& chunks, const NormParameters& norm,
                 const at::Tensor& rows, bool relu, T* y) {
  const Saved saved(rows, chunks.channels);
  take_statistics(chunks, moments_of(chunks, x), norm, saved);
  chunks.each([&](int64_t, int64_t at, int64_t pixels) {
    map_kernels<T>().normalise(x + at, skip ? skip + at : nullptr, saved.scale, saved.shift, relu,
                               pixels, chunks.channels, y + at);
  });
}

template <typename T>
NormGradient<T> part_of(NormGradient<T> all, int64_t at) {
  all.gradient += at, all.input += at;
  if (all.output) all.output += at;
  return all;
}

/// `masked`, if any, becomes the gradient behind the ReLU, and `dx`, if any, the input's.
template <typename T>
Backward run_backward(const Chunks& chunks, const NormGradient<T>& all, const Saved& saved,
                      T* masked, T* dx) {
  const MapKernels<T>& kernels = map_kernels<T>();
  ChunkSums sums(chunks);
  chunks.each([&](int64_t i, int64_t at, int64_t pixels) {
    kernels.gradient_sums(part_of(all, at), saved.mean, pixels, chunks.channels,
                          masked ? masked + at : nullptr, sums.first(i), sums.second(i));
  });
  Backward b = combine(chunks, sums, saved);
  if (!dx) return b;
  const NormGradient<T> rest =
      masked ? NormGradient<T>{masked, all.input, nullptr, nullptr, nullptr, ReluMask::None} : all;
  chunks.each([&](int64_t, int64_t at, int64_t pixels) {
    kernels.input_gradient(part_of(rest, at), b.to_gradient.data(), b.to_input.data(),
                           b.constant.data(), pixels, chunks.channels, dx + at);
  });
  return b;
}

struct MapNormFunction : torch::autograd::Function<MapNormFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& map_in,
                            const at::Tensor& skip_in, const at::Tensor& gamma,
                            const at::Tensor& /*beta*/, const NormParameters& norm, bool relu) {
    const at::Tensor x = channels_last(map_in),
                     skip = skip_in.numel() > 0 ? channels_last(skip_in) : at::Tensor(),
                     rows = at::empty({4, x.size(1)}, gamma.options());
    at::Tensor y = at::empty_like(x);
    with_map_type(x, [&](auto number) {
      using T = decltype(number);
      run_forward(map_data<T>(x), map_data<T>(skip), Chunks(x), norm, rows, relu, map_data<T>(y));
    });
    context->save_for_backward({x, relu && skip.defined() ? y : at::Tensor(), rows, gamma});
    context->saved_data["relu"] = relu;
    context->saved_data["x"] = map_in.requires_grad();
    context->saved_data["skip"] = skip.defined() && skip_in.requires_grad();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved_tensors = context->get_saved_variables();
    const at::Tensor dy = channels_last(gradients[0]);
    const at::Tensor &x = saved_tensors[0], &y = saved_tensors[1], &rows = saved_tensors[2],
                     &gamma = saved_tensors[3];
    const bool relu = context->saved_data["relu"].toBool(),
               to_skip = context->saved_data["skip"].toBool();
    // The skip's gradient is what comes through the ReLU.
    const at::Tensor d_skip = !to_skip ? at::Tensor()
                              : relu   ? at::empty_like(x)
                                       : dy,
                     masked = to_skip && relu ? d_skip : at::Tensor(),
                     dx = context->saved_data["x"].toBool() ? at::empty_like(x) : at::Tensor();
    const ReluMask mask = !relu         ? ReluMask::None
                          : y.defined() ? ReluMask::Output
                                        : ReluMask::Recomputed;
    const Chunks chunks(x);
    const Saved saved(rows, chunks.channels);
    const Backward b = with_map_type(x, [&](auto number) {
      using T = decltype(number);
      return run_backward<T>(
          chunks, {map_data<T>(dy), map_data<T>(x), map_data<T>(y), saved.scale, saved.shift, mask},
          saved, map_data<T>(masked), map_data<T>(dx));
    });
    return {dx,           d_skip,      row_of(b.d_gamma, gamma), row_of(b.d_beta, gamma),
            at::Tensor(), at::Tensor()};
  }
};

bool is_for_map_norm(const at::Tensor& x, const at::Tensor& skip) {
  return x.is_cpu() && x.dim() == 4 && has_map_kernels(x.scalar_type()) && x.size(1) > 0 &&
         x.size(1) % vector_kernels().lanes == 0 && x.numel() > x.size(1) &&
         (!skip.defined() || (skip.scalar_type() == x.scalar_type() && skip.sizes() == x.sizes()));
}

}  // namespace

bool is_for_fused_norm(const at::Tensor& x, const at::Tensor& skip) {
  if (!uses_fast_kernels()) return false;
  if (x.is_cpu()) return is_for_map_norm(x, skip);
  const bool learns =
      at::GradMode::is_enabled() && (x.requires_grad() || (skip.defined() && skip.requires_grad()));
  return learns && gpu::is_for_fused_norm(x, skip);
}

at::Tensor fused_norm(const at::Tensor& x, const NormParameters& norm, const at::Tensor& skip,
                      bool relu) {
  if (!x.is_cpu()) return gpu::fused_norm(x, norm, skip, relu);
  // An undefined tensor cannot be an argument.
  return MapNormFunction::apply(x, skip.defined() ? skip : at::empty({0}, x.options()), norm.gamma,
                                norm.beta, norm, relu);
}

}  // namespace tailor::nn
