#include "nn/fused_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "nn/batch_norm_passes.h"
#include "nn/convolution.h"
#include "nn/gpu/fused_norm.h"
#include "nn/map_types.h"
#include "tailor/nn/kernels.h"

namespace tailor::nn {
namespace {

template <typename T>
Moments moments_of(const Chunks& chunks, const T* x) {
  PieceMoments pieces;
  pieces.reserve(chunks.count(), chunks.channels);
  chunks.each([&](int64_t i, int64_t at, int64_t pixels) { pieces.take(i, x + at, pixels); });
  return pieces.total();
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
      const Chunks chunks(x);
      const Saved saved(rows, chunks.channels);
      take_statistics(chunks, moments_of(chunks, map_data<T>(x)), norm, saved);
      normalise_map(map_data<T>(x), map_data<T>(skip), chunks, saved, relu, map_data<T>(y));
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
    const Chunks chunks(x);
    const Saved saved(rows, chunks.channels);
    const NormBackward b = with_map_type(x, [&](auto number) {
      using T = decltype(number);
      const NormGradient<T> all{map_data<T>(dy), map_data<T>(x), map_data<T>(y),
                                saved.scale,     saved.shift,    mask_of(relu, y.defined())};
      NormBackward sums = sum_gradients(chunks, all, saved, map_data<T>(masked));
      if (!dx.defined()) return sums;
      const NormGradient<T> rest = second_pass<T>(all, map_data<T>(masked));
      chunks.each([&, out = map_data<T>(dx)](int64_t, int64_t at, int64_t pixels) {
        map_kernels<T>().input_gradient(part_of(rest, at), sums.to_gradient.data(),
                                        sums.to_input.data(), sums.constant.data(), pixels,
                                        chunks.channels, out + at);
      });
      return sums;
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
