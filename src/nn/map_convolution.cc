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
                               {map_data<float>(bias), map_data<T>(skip), relu}, map_data<T>(y),
                               /*moments=*/nullptr);
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

void refuse_second_gradient() {
  if (!at::GradMode::is_enabled()) return;
  fail(ErrorKind::Internal,
       "a convolution was asked for a gradient of its gradient, which has no kernel; call backward "
       "without create_graph");
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
    refuse_second_gradient();
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
      passes_of<T>(conv).backward(
          conv, {map_data<T>(x), map_data<T>(dy), map_data<float>(weight),
                 plain ? nullptr : map_data<T>(dx), map_data<float>(dw), nullptr});
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

/// A convolution and the batch norm behind it. The map between them is written once and read as
/// often as needed, and its gradient is made image by image where the convolution's backward pass
/// reads it: it is never a map of its own.
struct ConvNormFunction : torch::autograd::Function<ConvNormFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_in,
                            const at::Tensor& weight_in, const at::Tensor& skip_in,
                            const at::Tensor& gamma, const at::Tensor& /*beta*/,
                            const NormParameters& norm, const std::vector<int64_t>& window,
                            bool relu) {
    const at::Tensor x = channels_last(x_in), weight = channels_last(weight_in),
                     skip = skip_in.numel() > 0 ? channels_last(skip_in) : at::Tensor();
    const MapConv conv = map_conv(x, window_of(window), weight.size(0));
    const at::Tensor map =
        at::empty({conv.images, conv.out.channels, conv.out.height, conv.out.width},
                  x.options().memory_format(at::MemoryFormat::ChannelsLast));
    at::Tensor y = at::empty_like(map);
    const at::Tensor rows = at::empty({4, conv.out.channels}, gamma.options());
    with_map_type(x, [&](auto number) {
      using T = decltype(number);
      PieceMoments moments;
      passes_of<T>(conv).forward(conv, map_data<T>(x), map_data<float>(weight), {},
                                 map_data<T>(map), &moments);
      const Chunks chunks(map);
      const Saved saved(rows, chunks.channels);
      take_statistics(chunks, moments.total(), norm, saved);
      normalise_map(map_data<T>(map), map_data<T>(skip), chunks, saved, relu, map_data<T>(y));
    });
    context->save_for_backward(
        {x, weight, map, relu && skip.defined() ? y : at::Tensor(), rows, gamma});
    context->saved_data["window"] = window;
    context->saved_data["relu"] = relu;
    context->saved_data["x"] = x_in.requires_grad();
    context->saved_data["weight"] = weight_in.requires_grad();
    context->saved_data["skip"] = skip.defined() && skip_in.requires_grad();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    refuse_second_gradient();
    const torch::autograd::variable_list kept = context->get_saved_variables();
    const at::Tensor &x = kept[0], &weight = kept[1], &map = kept[2], &y = kept[3], &rows = kept[4],
                     &gamma = kept[5], dy = channels_last(gradients[0]);
    auto flag = [&](const char* what) { return context->saved_data[what].toBool(); };
    const bool relu = flag("relu"), to_skip = flag("skip");
    const at::Tensor d_skip = !to_skip ? at::Tensor()
                              : relu   ? at::empty_like(map)
                                       : dy,
                     masked = to_skip && relu ? d_skip : at::Tensor(),
                     dx = flag("x") ? at::empty_like(x) : at::Tensor(),
                     dw = flag("weight") ? at::empty_like(weight) : at::Tensor();
    const MapConv conv =
        map_conv(x, window_of(context->saved_data["window"].toIntVector()), weight.size(0));
    const Chunks chunks(map);
    const Saved saved(rows, chunks.channels);
    const NormBackward b = with_map_type(x, [&](auto number) {
      using T = decltype(number);
      const NormGradient<T> all{map_data<T>(dy), map_data<T>(map), map_data<T>(y),
                                saved.scale,     saved.shift,      mask_of(relu, y.defined())};
      NormBackward sums = sum_gradients(chunks, all, saved, map_data<T>(masked));
      const NormGradient<T> rest = second_pass<T>(all, map_data<T>(masked));
      if (!dx.defined() && !dw.defined()) return sums;
      passes_of<T>(conv).backward(
          conv, {map_data<T>(x), nullptr, map_data<float>(weight), map_data<T>(dx),
                 map_data<float>(dw), [&](int64_t first, int64_t images, T* to) {
                   map_kernels<T>().input_gradient(
                       part_of(rest, first * conv.out.size()), sums.to_gradient.data(),
                       sums.to_input.data(), sums.constant.data(),
                       images * conv.out.height * conv.out.width, conv.out.channels, to);
                 }});
      return sums;
    });
    return {
        dx,           dw,           d_skip,      row_of(b.d_gamma, gamma), row_of(b.d_beta, gamma),
        at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool is_for_conv_norm(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                      const at::Tensor& skip) {
  if (!is_for_map_kernels(x, geometry, weight)) return false;
  const int64_t lanes = vector_kernels().lanes;
  const bool whole = x.size(1) % lanes == 0 || !x.requires_grad();
  const Size2 out = count_windows(geometry.window, map_of(x));
  const bool fits =
      !skip.defined() ||
      (skip.scalar_type() == x.scalar_type() &&
       skip.sizes() == at::IntArrayRef({x.size(0), weight.size(0), out.height, out.width}));
  return whole && weight.size(0) % lanes == 0 && x.size(0) * out.size() > 1 && fits;
}

at::Tensor conv_norm(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                     const NormParameters& norm, const at::Tensor& skip, bool relu) {
  return ConvNormFunction::apply(x, weight, skip.defined() ? skip : at::empty({0}, x.options()),
                                 norm.gamma, norm.beta, norm, record(geometry.window), relu);
}

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
