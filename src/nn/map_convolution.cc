#include "nn/map_convolution.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "nn/map_passes.h"
#include "nn/map_types.h"
#include "nn/vector_kernels.h"

namespace tailor::nn {
namespace {

MapShape map_of(const at::Tensor& x) { return {x.size(1), x.size(2), x.size(3)}; }

MapConv map_conv(const at::Tensor& x, const Window& window, int64_t outputs) {
  const Size2 out = count_windows(window, map_of(x));
  return {x.size(0), map_of(x), {outputs, out.height, out.width}, window};
}

template <typename T>
MapPasses<T> passes_of(const MapConv& conv) {
  return is_for_winograd(conv) ? winograd_passes<T>() : row_product_passes<T>(conv);
}

at::Tensor run_forward(const at::Tensor& x, const Window& window, const at::Tensor& weight,
                       const at::Tensor& bias, const at::Tensor& skip, bool relu) {
  const at::Tensor in = channels_last(x), w = channels_last(weight);
  const MapConv conv = map_conv(in, window, w.size(0));
  at::Tensor y = at::empty({conv.images, conv.out.channels, conv.out.height, conv.out.width},
                           in.options().memory_format(at::MemoryFormat::ChannelsLast));
  with_map_type(in, [&](auto number) {
    using T = decltype(number);
    passes_of<T>(conv).forward(conv, map_data<T>(in), map_data<float>(w),
                               {map_data<float>(bias), map_data<T>(skip), relu}, map_data<T>(y));
  });
  return y;
}

std::vector<int64_t> record(const Window& w) {
  return {w.kernel.height,  w.kernel.width, w.stride.height, w.stride.width, w.dilation.height,
          w.dilation.width, w.pads.top,     w.pads.left,     w.pads.bottom,  w.pads.right};
}
Window window_of(const std::vector<int64_t>& v) {
  return {{v.at(0), v.at(1)},
          {v.at(2), v.at(3)},
          {v.at(4), v.at(5)},
          {v.at(6), v.at(7), v.at(8), v.at(9)}};
}

struct MapFunction : torch::autograd::Function<MapFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias_or_empty,
                            const std::vector<int64_t>& window) {
    const at::Tensor bias = bias_or_empty.numel() > 0 ? bias_or_empty.contiguous() : at::Tensor();
    context->save_for_backward({x, weight});
    context->saved_data["window"] = window;
    context->saved_data["x"] = x.requires_grad();
    context->saved_data["weight"] = weight.requires_grad();
    context->saved_data["bias"] = bias.defined() && bias.requires_grad();
    return run_forward(x, window_of(window), weight, bias, {}, /*relu=*/false);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    if (at::GradMode::is_enabled()) {
      fail(ErrorKind::Internal,
           "a convolution was asked for a gradient of its gradient, which has no kernel; call "
           "backward without create_graph");
    }
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor x = channels_last(saved[0]), weight = channels_last(saved[1]),
                     dy = channels_last(gradients[0]);
    const Window window = window_of(context->saved_data["window"].toIntVector());
    const MapConv conv = map_conv(x, window, weight.size(0));
    auto made = [&](const char* what, const at::Tensor& like) {
      return context->saved_data[what].toBool() ? at::empty_like(like) : at::Tensor();
    };
    at::Tensor dx = made("x", x), dw = made("weight", weight), db;
    const bool plain = dx.defined() && conv.in.channels % vector_kernels().lanes != 0;
    if (plain) dx = plain_input_gradient(dy, x, weight, window);
    with_map_type(x, [&](auto number) {
      using T = decltype(number);
      passes_of<T>(conv).backward(conv, {map_data<T>(x), map_data<T>(dy), map_data<float>(weight),
                                         plain ? nullptr : map_data<T>(dx), map_data<float>(dw)});
    });
    if (context->saved_data["bias"].toBool())
      db = at::sum(dy, {0, 2, 3}, /*keepdim=*/false, at::kFloat);
    return {dx, dw, db, at::Tensor(), at::Tensor()};
  }

 private:
  /// Of the first layer, whose input nobody but a test asks a gradient of.
  static at::Tensor plain_input_gradient(const at::Tensor& dy, const at::Tensor& x,
                                         const at::Tensor& weight, const Window& window) {
    at::Tensor leaf = x.detach().set_requires_grad(true);
    {
      const at::AutoGradMode enabled(true);
      plain_convolve(leaf, {window, 1}, weight.detach().to(x.scalar_type()), {}).backward(dy);
    }
    return leaf.grad();
  }
};

}  // namespace

bool is_for_map_kernels(const at::Tensor& x, const ConvGeometry& geometry,
                        const at::Tensor& weight) {
  if (!x.is_cpu() || !has_map_kernels(x.scalar_type()) || weight.scalar_type() != at::kFloat ||
      geometry.groups != 1 || x.numel() == 0)
    return false;
  const MapConv conv = map_conv(x, geometry.window, weight.size(0));
  return conv.out.size() > 0 && (is_for_winograd(conv) || is_for_row_products(conv));
}

at::Tensor map_convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                        const at::Tensor& bias) {
  const bool learns = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() ||
                                                     (bias.defined() && bias.requires_grad()));
  if (!learns) return map_convolve_and_add(x, geometry, weight, bias, {}, /*relu=*/false);
  // LibTorch 1.13 takes no undefined tensor here.
  return MapFunction::apply(x, weight, bias.defined() ? bias : at::empty({0}, weight.options()),
                            record(geometry.window));
}

at::Tensor map_convolve_and_add(const at::Tensor& x, const ConvGeometry& geometry,
                                const at::Tensor& weight, const at::Tensor& bias,
                                const at::Tensor& skip, bool relu) {
  return run_forward(x, geometry.window, weight, bias.defined() ? bias.contiguous() : bias,
                     skip.defined() ? channels_last(skip) : skip, relu);
}

}  // namespace tailor::nn
