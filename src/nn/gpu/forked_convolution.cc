#include "nn/gpu/forked_convolution.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <vector>

namespace tailor::nn::gpu {
namespace {

struct Call {
  std::vector<int64_t> stride, pad, dilation;
  int64_t groups;

  explicit Call(const ConvGeometry& g)
      : stride{g.window.stride.height, g.window.stride.width},
        pad{g.window.pads.top, g.window.pads.left},
        dilation{g.window.dilation.height, g.window.dilation.width},
        groups(g.groups) {}
  at::Tensor gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                      bool of_weight) const {
    const auto all = at::convolution_backward(
        dy, x, weight, /*bias_sizes=*/{}, stride, pad, dilation, /*transposed=*/false,
        /*output_padding=*/{0, 0}, groups, std::array<bool, 3>{!of_weight, of_weight, false});
    return of_weight ? std::get<1>(all) : std::get<0>(all);
  }
};

struct ForkedFunction : torch::autograd::Function<ForkedFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const Call& call, SideStream* side) {
    context->save_for_backward({x, weight});
    auto& data = context->saved_data;
    data["stride"] = call.stride, data["pad"] = call.pad, data["dilation"] = call.dilation;
    data["groups"] = call.groups;
    data["side"] = static_cast<int64_t>(reinterpret_cast<intptr_t>(side));
    data["gradient"] = weight.grad();
    data["passes_on"] = x.requires_grad();
    return at::conv2d(x, weight, {}, call.stride, at::IntArrayRef(call.pad), call.dilation,
                      call.groups);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    auto& data = context->saved_data;
    Call call{ConvGeometry()};
    call.stride = data["stride"].toIntVector(), call.pad = data["pad"].toIntVector();
    call.dilation = data["dilation"].toIntVector(), call.groups = data["groups"].toInt();
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1],
                     dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor gradient = data["gradient"].toTensor();
    auto* side = reinterpret_cast<SideStream*>(static_cast<intptr_t>(data["side"].toInt()));
    side->fork({dy, x}, [&] { gradient.add_(call.gradient(dy, x, weight, /*of_weight=*/true)); });
    return {data["passes_on"].toBool() ? call.gradient(dy, x, weight, /*of_weight=*/false)
                                       : at::Tensor(),
            at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool can_fork(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& bias) {
  const Window& w = geometry.window;
  const bool even = w.pads.top == w.pads.bottom && w.pads.left == w.pads.right;
  return x.is_cuda() && !bias.defined() && even && (w.taps() > 1 || w.stride.size() == 1);
}

at::Tensor forked_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                           const at::Tensor& weight, SideStream& side) {
  return ForkedFunction::apply(x, weight, Call(geometry), &side);
}

}  // namespace tailor::nn::gpu
