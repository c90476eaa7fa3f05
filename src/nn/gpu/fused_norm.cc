#include "nn/gpu/fused_norm.h"

#include "tailor/core/error.h"

#ifdef TAILOR_CUDA
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include <map>
#include <mutex>
#include <utility>

#include "nn/convolution.h"
#include "nn/gpu/kernels.h"

namespace tailor::nn::gpu {
namespace {

constexpr int64_t kLeast = 8, kMost = 256;

Map map_of(const at::Tensor& x) {
  return {x.size(0) * x.size(2) * x.size(3), static_cast<int>(x.size(1))};
}
uint16_t* narrow(const at::Tensor& t) {
  return t.defined() ? static_cast<uint16_t*>(t.data_ptr()) : nullptr;
}
cudaStream_t stream_of(const at::Tensor& x) {
  return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
}
/// Of one stream: what reductions leave for each other, and their counter. Kernels of a stream run
/// one after the other.
struct Workspace {
  at::Tensor scratch, counters;
};
Workspace& workspace_of(const at::Tensor& x) {
  static std::mutex mutex;
  static std::map<std::pair<int, cudaStream_t>, Workspace> all;  // each device has a default one
  const std::lock_guard lock(mutex);
  Workspace& w = all[{x.device().index(), stream_of(x)}];
  if (!w.scratch.defined()) {
    const auto options = x.options().memory_format(at::MemoryFormat::Contiguous);
    w.scratch =
        at::empty({scratch_floats({1, static_cast<int>(kMost)})}, options.dtype(at::kFloat));
    w.counters = at::zeros({kCounters}, options.dtype(at::kInt));
  }
  return w;
}
unsigned* counters_of(const Workspace& w) {
  return reinterpret_cast<unsigned*>(w.counters.data_ptr<int>());
}

struct NormFunction : torch::autograd::Function<NormFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& map_in,
                            const at::Tensor& skip_in, const NormParameters& norm, bool relu) {
    const c10::cuda::CUDAGuard on_device(map_in.device());
    const at::Tensor x = channels_last(map_in),
                     skip = skip_in.numel() > 0 ? channels_last(skip_in) : at::Tensor();
    const Map map = map_of(x);
    const at::Tensor saved = at::empty({2, map.channels}, norm.gamma.options());
    const Statistics statistics{saved.data_ptr<float>(), saved.data_ptr<float>() + map.channels};
    Workspace& w = workspace_of(x);
    const auto stream = stream_of(x);
    batch_statistics(narrow(x), map, static_cast<float>(norm.epsilon),
                     static_cast<float>(norm.momentum), norm.running_mean.data_ptr<float>(),
                     norm.running_variance.data_ptr<float>(), statistics,
                     w.scratch.data_ptr<float>(), counters_of(w), stream);
    at::Tensor y = at::empty_like(x);
    normalise(narrow(x), narrow(skip), relu, map, &statistics, norm.gamma.data_ptr<float>(),
              norm.beta.data_ptr<float>(), narrow(y), stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    context->save_for_backward({x, relu ? y : at::Tensor(), saved});
    context->saved_data["gamma"] = norm.gamma.detach();
    context->saved_data["d_gamma"] = norm.gamma.grad();
    context->saved_data["d_beta"] = norm.beta.grad();
    context->saved_data["skip"] = skip.defined() && skip_in.requires_grad();
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const c10::cuda::CUDAGuard on_device(gradients[0].device());
    const at::Tensor dy = channels_last(gradients[0]);
    const at::Tensor &x = saved[0], &y = saved[1], &statistics = saved[2];
    const at::Tensor gamma = context->saved_data["gamma"].toTensor(),
                     d_gamma = context->saved_data["d_gamma"].toTensor(),
                     d_beta = context->saved_data["d_beta"].toTensor();
    const bool to_skip = context->saved_data["skip"].toBool();
    const Map map = map_of(x);
    const at::Tensor dx = at::empty_like(x), d_skip = to_skip ? at::empty_like(x) : at::Tensor(),
                     sums = at::empty({2 * map.channels}, gamma.options());
    Workspace& w = workspace_of(x);
    auto* of = statistics.data_ptr<float>();
    normalise_backward(narrow(dy), narrow(y), narrow(x), map, {of, of + map.channels},
                       gamma.data_ptr<float>(), narrow(dx), narrow(d_skip),
                       d_gamma.data_ptr<float>(), d_beta.data_ptr<float>(), sums.data_ptr<float>(),
                       w.scratch.data_ptr<float>(), counters_of(w), stream_of(x));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return {dx, d_skip, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool is_for_fused_norm(const at::Tensor& x, const at::Tensor& skip) {
  const int64_t channels = x.dim() == 4 ? x.size(1) : 0;
  return x.is_cuda() && x.scalar_type() == at::kBFloat16 && channels >= kLeast &&
         channels <= kMost && (channels & (channels - 1)) == 0 && x.numel() > channels &&
         (!skip.defined() || (skip.scalar_type() == at::kBFloat16 && skip.sizes() == x.sizes()));
}

at::Tensor fused_norm(const at::Tensor& x, const NormParameters& norm, const at::Tensor& skip,
                      bool relu) {
  // An undefined tensor cannot be an argument.
  return NormFunction::apply(x, skip.defined() ? skip : at::empty({0}, x.options()), norm, relu);
}

at::Tensor fused_bias(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& skip,
                      bool relu) {
  const c10::cuda::CUDAGuard on_device(x.device());
  const at::Tensor map = channels_last(x),
                   added = skip.defined() ? channels_last(skip) : at::Tensor();
  at::Tensor y = at::empty_like(map);
  normalise(narrow(map), narrow(added), relu, map_of(map), nullptr, nullptr, bias.data_ptr<float>(),
            narrow(y), stream_of(map));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return y;
}

}  // namespace tailor::nn::gpu

#else

namespace tailor::nn::gpu {

bool is_for_fused_norm(const at::Tensor& /*x*/, const at::Tensor& /*skip*/) { return false; }

at::Tensor fused_norm(const at::Tensor& /*x*/, const NormParameters& /*norm*/,
                      const at::Tensor& /*skip*/, bool /*relu*/) {
  fail(ErrorKind::Internal, "a build without CUDA has no fused batch norm");
}

at::Tensor fused_bias(const at::Tensor& /*x*/, const at::Tensor& /*bias*/,
                      const at::Tensor& /*skip*/, bool /*relu*/) {
  fail(ErrorKind::Internal, "a build without CUDA has no fused bias");
}

}  // namespace tailor::nn::gpu

#endif
