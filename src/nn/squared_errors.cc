#include "tailor/nn/squared_errors.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "nn/convolution.h"
#include "nn/map_types.h"
#include "tailor/core/error.h"
#include "tailor/nn/kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {
namespace {

/// of(image, its first number) for each image of n, in parallel.
template <typename F>
void each_image(const at::Tensor& maps, F of) {
  const int64_t n = maps.size(0), size = maps.numel() / n;
  work_off(n, [&](WorkQueue& queue) {
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) of(i, i * size, size);
  });
}

struct SquaredErrorsFunction : torch::autograd::Function<SquaredErrorsFunction> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& map, const at::Tensor& wanted) {
    const at::Tensor x = channels_last(map), y = channels_last(wanted);
    const auto options = at::TensorOptions(at::kFloat);
    at::Tensor apart = at::empty({x.size(0)}, options), own = at::empty({x.size(0)}, options);
    with_map_type(x, [&](auto number) {
      using T = decltype(number);
      each_image(x, [&, of = map_data<T>(x), to = map_data<T>(y), sums = map_data<float>(apart),
                     squares = map_data<float>(own)](int64_t i, int64_t at, int64_t size) {
        map_kernels<T>().squares(of + at, to + at, size, sums + i, squares + i);
      });
    });
    context->save_for_backward({x, y});
    context->mark_non_differentiable({own});
    return {apart, own};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    if (at::GradMode::is_enabled()) {
      fail(ErrorKind::Internal,
           "a distance of maps was asked for a gradient of its gradient, which has no kernel");
    }
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], factors = gradients[0].contiguous();
    at::Tensor dx = at::empty_like(x);
    with_map_type(x, [&](auto number) {
      using T = decltype(number);
      each_image(x, [&, of = map_data<T>(x), to = map_data<T>(y), out = map_data<T>(dx),
                     factor = map_data<float>(factors)](int64_t i, int64_t at, int64_t size) {
        map_kernels<T>().scaled_difference(of + at, to + at, 2 * factor[i], size, out + at);
      });
    });
    return {dx, at::Tensor()};
  }
};

bool has_kernels_for(const at::Tensor& x, const at::Tensor& y) {
  return uses_fast_kernels() && x.is_cpu() && y.is_cpu() && x.dim() == 4 && x.numel() > 0 &&
         has_map_kernels(x.scalar_type()) && x.scalar_type() == y.scalar_type() &&
         x.sizes() == y.sizes() && x.size(1) % vector_kernels().lanes == 0;
}

}  // namespace

SquaredErrors squared_errors(const at::Tensor& map, const at::Tensor& wanted) {
  if (has_kernels_for(map, wanted)) {
    const auto both = SquaredErrorsFunction::apply(map, wanted.detach());
    return {both[0], both[1]};
  }
  const at::Tensor y = wanted.detach().to(at::kFloat);
  return {map.to(at::kFloat).sub(y).square().sum({1, 2, 3}), y.square().sum({1, 2, 3})};
}

}  // namespace tailor::nn
