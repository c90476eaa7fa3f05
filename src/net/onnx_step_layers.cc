// Nodes that become layers: windows, what is done pixel by pixel, shortcuts without weights, linear
// layers.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "net/onnx_walk.h"
#include "tailor/core/strings.h"

namespace tailor::net {

// ---- windows

Size2 OnnxWalk::pair_of(const OnnxReason& at, const char* attribute) {
  const auto list = at.integers(attribute);
  if (!list) return {};
  if (list->size() != 2)
    at.refuse(fmt::format("{} of {} dimensions, expected 2", attribute, list->size()));
  return {(*list)[0], (*list)[1]};
}

std::pair<int64_t, int64_t> OnnxWalk::same_pads(int64_t map, int64_t extent, int64_t stride,
                                                bool upper) {
  const int64_t windows = (map + stride - 1) / stride;
  const int64_t all = std::max<int64_t>((windows - 1) * stride + extent - map, 0);
  return upper ? std::pair(all / 2, all - all / 2) : std::pair(all - all / 2, all / 2);
}

Window OnnxWalk::window_of(const OnnxReason& at, const Size2& kernel, const OnnxSource& x) const {
  Window w{kernel, pair_of(at, "strides"), pair_of(at, "dilations"), {}};
  if (!is_window(w)) at.damaged(fmt::format("a window of {}", to_string(w)));
  const std::string automatic = at.text("auto_pad", "NOTSET");
  const MapShape& m = map(x);
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    const bool upper = automatic == "SAME_UPPER";
    if (x.pads.any()) at.refuse(fmt::format("auto_pad {} on a map with pads", automatic));
    std::tie(w.pads.top, w.pads.bottom) =
        same_pads(m.height, w.extent().height, w.stride.height, upper);
    std::tie(w.pads.left, w.pads.right) =
        same_pads(m.width, w.extent().width, w.stride.width, upper);
  } else if (automatic == "NOTSET") {
    const auto pads = at.integers("pads").value_or(std::vector<int64_t>(4, 0));
    if (pads.size() != 4) at.refuse(fmt::format("pads of {} numbers, expected 4", pads.size()));
    w.pads = {pads[0], pads[1], pads[2], pads[3]};
  } else if (automatic != "VALID") {
    at.damaged(fmt::format("auto_pad '{}'", printable(automatic)));
  }
  if (!is_window(w)) at.refuse(fmt::format("pads of a window of {}", to_string(w)));
  w.pads = {w.pads.top + x.pads.top, w.pads.left + x.pads.left, w.pads.bottom + x.pads.bottom,
            w.pads.right + x.pads.right};
  if (!is_window(w) || count_windows(w, m).size() == 0)
    at.damaged(fmt::format("a window of {} on {}", to_string(w), to_string(m)));
  return w;
}

void OnnxWalk::conv(const OnnxReason& at) {
  OnnxSource x = padded_source(at);
  need_nchw(at, x);
  if (x.pads.any() && x.lowest) at.refuse("its pads are not 0");
  const OnnxArray& w = constant(at, 1, "weight");
  const int64_t groups = at.integer("group", 1);
  if (w.shape.size() != 4) {
    at.refuse(fmt::format("a kernel of {} dimensions, expected 2",
                          static_cast<int64_t>(w.shape.size()) - 2));
  }
  if (groups < 1 || w.shape[0] < 1 || w.shape[0] % groups != 0 || map(x).channels % groups != 0 ||
      w.shape[1] != map(x).channels / groups) {
    at.damaged(fmt::format("weights {} in {} groups on {}", tensors::to_string(w.shape), groups,
                           to_string(map(x))));
  }
  if (const auto kernel = at.integers("kernel_shape");
      kernel && *kernel != std::vector<int64_t>{w.shape[2], w.shape[3]})
    at.damaged("kernel_shape is not its weights'");
  ConvLayer layer;
  layer.in = map(x).channels;
  layer.out = w.shape[0];
  layer.groups = groups;
  layer.window = window_of(at, {w.shape[2], w.shape[3]}, x);
  layer.bias = has_input(at, 2);
  TensorMap parts = {{"weight", floats_of(w)}};
  if (layer.bias) parts.emplace("bias", vector(at, 2, "bias", layer.out));
  x.pads = {};
  OnnxStep& step = add(at, Layer(layer), {x}, output_of(Layer(layer), map(x)), x.layout);
  step.parts = std::move(parts);
  step.weight_type = w.type;
  step.weight_steps = steps_by_output(at, w);
}

std::vector<double> OnnxWalk::steps_by_output(const OnnxReason& at, const OnnxArray& w) {
  if (!w.type) return {};
  const OnnxArray& steps = *w.steps;
  if (steps.one()) return std::vector<double>(static_cast<size_t>(w.shape[0]), steps.values[0]);
  Shape by_output(w.shape.size(), 1);
  by_output[0] = w.shape[0];
  if (steps.shape != by_output) {
    at.refuse(fmt::format("scales {} of weights {}, expected one for all or one for each output",
                          tensors::to_string(steps.shape), tensors::to_string(w.shape)));
  }
  return steps.values;
}

Tensor OnnxWalk::vector(const OnnxReason& at, size_t i, const char* what, int64_t size) const {
  const OnnxArray& a = constant(at, i, what);
  if (static_cast<int64_t>(a.values.size()) != size && !a.one()) {
    at.damaged(
        fmt::format("its {} is {}, expected {} numbers", what, tensors::to_string(a.shape), size));
  }
  Tensor t(DType::F32, {size});
  for (size_t k = 0; k < static_cast<size_t>(size); ++k)
    t.as<float>()[k] = static_cast<float>(a.values[a.one() ? 0 : k]);
  return t;
}

void OnnxWalk::max_pool(const OnnxReason& at) {
  OnnxSource x = padded_source(at);
  // Zeros never win against what a ReLU lets through.
  if (x.pads.any() && !x.lowest && !steps_.steps[x.step].layer<ReluLayer>())
    at.refuse("its map is padded with zeros, which may be the largest of a window");
  pool(at, x, PoolKind::Max);
}

void OnnxWalk::average_pool(const OnnxReason& at) {
  OnnxSource x = padded_source(at);
  const std::string automatic = at.text("auto_pad", "NOTSET");
  const auto pads = at.integers("pads").value_or(std::vector<int64_t>{});
  const bool own = automatic.substr(0, 4) == "SAME" ||
                   std::any_of(pads.begin(), pads.end(), [](int64_t n) { return n != 0; });
  if (x.pads.any() && x.lowest) at.refuse("its pads are not 0");
  if (own && at.integer("count_include_pad", 0) == 0)
    at.refuse("its means leave out the pads (count_include_pad 0), and ours count them as zeros");
  pool(at, x, PoolKind::Average);
}

void OnnxWalk::pool(const OnnxReason& at, OnnxSource x, PoolKind kind) {
  need_nchw(at, x);
  PoolLayer layer{kind, window_of(at, pair_of(at, "kernel_shape"), x)};
  const Window& w = layer.window;
  const MapShape& m = map(x);
  if (w.dilation.size() != 1) at.refuse("a pooling with dilations");
  auto uneven = [](int64_t size, int64_t pads, int64_t kernel, int64_t stride) {
    return (size + pads - kernel) % stride != 0;
  };
  if (at.integer("ceil_mode", 0) != 0 &&
      (uneven(m.height, w.pads.top + w.pads.bottom, w.kernel.height, w.stride.height) ||
       uneven(m.width, w.pads.left + w.pads.right, w.kernel.width, w.stride.width)))
    at.refuse("ceil_mode makes windows that are not whole");
  if (w.pads.top >= w.kernel.height || w.pads.left >= w.kernel.width ||
      w.pads.bottom >= w.kernel.height || w.pads.right >= w.kernel.width)
    at.refuse("pads as large as its kernel");
  if (kind == PoolKind::Average && !w.pads.any() && w.kernel == Size2{m.height, m.width})
    layer = {PoolKind::GlobalAverage, {}};
  x.pads = {};
  add(at, Layer(layer), {x}, output_of(Layer(layer), m), x.layout);
}

void OnnxWalk::global_average(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  need_nchw(at, x);
  add_mean(at, x, OnnxLayout::Nchw);
}

void OnnxWalk::add_mean(const OnnxReason& at, const OnnxSource& x, OnnxLayout layout) {
  add(at, Layer(PoolLayer{PoolKind::GlobalAverage, {}}), {x}, {map(x).channels, 1, 1}, layout);
}

void OnnxWalk::reduce_mean(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  std::vector<int64_t> axes = axes_of(at, constants(at), 1).value_or(std::vector<int64_t>{});
  for (int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
  std::sort(axes.begin(), axes.end());
  const bool last = x.layout == OnnxLayout::Nhwc;
  if (x.flat() || axes != (last ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{2, 3}))
    at.refuse("a mean over other axes than rows and columns");
  add_mean(at, x, at.integer("keepdims", 1) != 0 ? x.layout : OnnxLayout::Flat);
}

// ---- pixel by pixel

void OnnxWalk::relu(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  add(at, Layer(ReluLayer{}), {x}, map(x), x.layout);
}

void OnnxWalk::clip(const OnnxReason& at) {
  at.refuse("a ReLU with an upper end (ReLU6, Clip); train it with a plain one");
}

void OnnxWalk::batch_norm(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  const int64_t channels = map(x).channels;
  if (x.layout == OnnxLayout::Nhwc || (x.flat() && map(x).pixels() != 1))
    at.refuse("it reads a map whose channels are last");
  if (at.integer("training_mode", 0) != 0)
    at.refuse("it is in training mode; export the model with eval()");
  TensorMap parts;
  const char* parts_of[] = {"weight", "bias", "running_mean", "running_var"};
  for (size_t i = 0; i < 4; ++i)
    parts.emplace(parts_of[i], vector(at, i + 1, parts_of[i], channels));
  OnnxStep& step = add(at, Layer(BatchNormLayer{}), {x}, map(x), x.layout);
  step.parts = std::move(parts);
  step.epsilon = at.real("epsilon", 1e-5);
  if (!(step.epsilon >= 0 && step.epsilon < 1))
    at.damaged(fmt::format("an epsilon of {}", step.epsilon));
}

std::vector<double> OnnxWalk::by_channel(const OnnxReason& at, const OnnxArray& a,
                                         const OnnxSource& x) const {
  const size_t rank = x.flat() ? 2 : 4, axis = x.layout == OnnxLayout::Nhwc ? 3 : 1;
  const int64_t channels = map(x).channels;
  bool fits = a.shape.size() <= rank && !(x.flat() && map(x).pixels() != 1);
  for (size_t i = 0; fits && i < a.shape.size(); ++i) {
    const bool own = i + rank - a.shape.size() == axis;
    fits = a.shape[i] == 1 || (own && a.shape[i] == channels);
  }
  if (!fits || a.values.empty()) {
    at.refuse(fmt::format("a constant of {} on {} channels, expected a number for each",
                          tensors::to_string(a.shape), channels));
  }
  std::vector<double> out(static_cast<size_t>(channels), a.values[0]);
  if (!a.one()) out = a.values;
  return out;
}

void OnnxWalk::affine(const OnnxReason& at, size_t constant_at, bool scales, bool inverse) {
  const OnnxSource& x = source(at, 1 - constant_at);
  OnnxAffine a;
  std::vector<double> values = by_channel(at, constant(at, constant_at, "constant"), x);
  for (double& v : values) {
    if (inverse) v = scales ? 1 / v : -v;
    if (!std::isfinite(v)) at.damaged("a constant that is no finite number");
  }
  a.scale.assign(values.size(), 1);
  a.shift.assign(values.size(), 0);
  (scales ? a.scale : a.shift) = std::move(values);
  const MapShape out = map(x);
  const OnnxLayout layout = x.layout;
  add(at, std::move(a), {x}, out, layout);
}

void OnnxWalk::sum(const OnnxReason& at) {
  for (size_t i = 0; i < 2; ++i) {
    if (find_constant(at, i)) return affine(at, i, false, false);
  }
  const OnnxSource a = source(at, 0), b = source(at, 1);
  if (map(a) != map(b) || a.layout != b.layout) {
    at.refuse(fmt::format("adds maps of {} and {}", to_string(map(a)), to_string(map(b))));
  }
  add(at, OnnxSum{}, {a, b}, map(a), a.layout);
}

void OnnxWalk::product(const OnnxReason& at) {
  for (size_t i = 0; i < 2; ++i) {
    if (find_constant(at, i)) return affine(at, i, true, false);
  }
  at.refuse("multiplies two maps (an attention or a gate), which no layer of ours does");
}

void OnnxWalk::difference(const OnnxReason& at) {
  if (!find_constant(at, 1)) at.refuse("subtracts a map");
  affine(at, 1, false, true);
}

void OnnxWalk::quotient(const OnnxReason& at) {
  if (!find_constant(at, 1)) at.refuse("divides by a map");
  affine(at, 1, true, true);
}

// ---- shortcuts without weights: every stride-th pixel, channels of zeros

void OnnxWalk::slice(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  const auto inputs = constants(at);
  const auto starts = axes_of(at, inputs, 1, "starts"), ends = axes_of(at, inputs, 2, "ends");
  const auto axes = axes_of(at, inputs, 3), steps = axes_of(at, inputs, 4, "steps");
  if (!starts || !ends || starts->size() != ends->size() || x.flat() ||
      (axes && axes->size() != starts->size()) || (steps && steps->size() != starts->size()))
    at.refuse("takes a part of a map whose ends are not known");
  PickLayer pick{map(x).channels, {}, 0};
  const bool last = x.layout == OnnxLayout::Nhwc;
  const int64_t sizes[] = {1, last ? map(x).height : map(x).channels,
                           last ? map(x).width : map(x).height,
                           last ? map(x).channels : map(x).width};
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t axis = axes ? (*axes)[i] : static_cast<int64_t>(i);
    axis += axis < 0 ? 4 : 0;
    const int64_t step = steps ? (*steps)[i] : 1;
    if (axis < 0 || axis > 3 || (*starts)[i] != 0 || step < 1 || step > kMaxMapSide)
      at.refuse("takes a part of a map other than every n-th pixel from the first on");
    const int64_t size = sizes[axis];
    const bool whole = (*ends)[i] >= size - (step - 1) && axis != 0;
    const bool rows = axis == (last ? 1 : 2), columns = axis == (last ? 2 : 3);
    if (!(axis == 0 && step == 1) && (!whole || (step != 1 && !rows && !columns)))
      at.refuse("takes a part of a map other than every n-th pixel");
    if (rows) pick.stride.height = step;
    if (columns) pick.stride.width = step;
  }
  if (pick.stride.size() == 1) return alias(at, x);
  add(at, Layer(pick), {x}, output_of(Layer(pick), map(x)), x.layout);
}

void OnnxWalk::pad(const OnnxReason& at) {
  OnnxSource x = padded_source(at);
  const auto inputs = constants(at);
  const auto pads = axes_of(at, inputs, 1, "pads");
  if (!pads || pads->size() != 8 || x.flat() || has_input(at, 3))
    at.refuse("pads that are not known, or of some axes only");
  if (at.text("mode", "constant") != "constant") at.refuse("pads other than a constant");
  const double with = find_constant(at, 2) && (*find_constant(at, 2))->one()
                          ? (*find_constant(at, 2))->values[0]
                          : at.real("value", 0);
  const bool last = x.layout == OnnxLayout::Nhwc, lowest = with < -1e30;
  if (with != 0 && !lowest) at.refuse(fmt::format("pads of {}, expected 0", with));
  for (int64_t n : *pads) {
    if (n < 0 || n > kMaxMapSide) at.refuse(fmt::format("{} pads", n));
  }
  const auto& p = *pads;
  const int64_t front = p[last ? 3 : 1], behind = p[last ? 7 : 5];
  const Pads around = last ? Pads{p[1], p[2], p[5], p[6]} : Pads{p[2], p[3], p[6], p[7]};
  if (p[0] != 0 || p[4] != 0) at.refuse("pads the batch");
  if (front == 0 && behind == 0) {
    if (x.pads.any() && around.any()) at.refuse("pads a map that has pads already");
    if (around.any()) x.pads = around, x.lowest = lowest;
    return alias(at, x);
  }
  if (around.any() || x.pads.any() || lowest) at.refuse("pads channels and pixels at once");
  const PickLayer pick{front + map(x).channels + behind, {}, front};
  add(at, Layer(pick), {x}, output_of(Layer(pick), map(x)), x.layout);
}

// ---- linear layers

void OnnxWalk::gemm(const OnnxReason& at) {
  if (at.real("alpha", 1) != 1 || (has_input(at, 2) && at.real("beta", 1) != 1) ||
      at.integer("transA", 0) != 0)
    at.refuse("alpha, beta or transA, expected a plain linear layer");
  linear(at, at.integer("transB", 0) != 0, has_input(at, 2));
}

void OnnxWalk::mat_mul(const OnnxReason& at) { linear(at, false, false); }

void OnnxWalk::linear(const OnnxReason& at, bool by_row, bool bias) {
  const OnnxSource& x = source(at);
  const OnnxArray& given = constant(at, 1, "weight");
  if (!x.flat()) at.refuse("it reads a map; expected it flattened");
  if (given.shape.size() != 2)
    at.refuse(fmt::format("weights of {}", tensors::to_string(given.shape)));
  OnnxArray w = by_row ? given : transposed(given, {1, 0});
  std::vector<double> steps = steps_by_output(at, w);
  const MapShape m = map(x);
  if (w.shape[1] != m.size() || w.shape[0] < 1) {
    at.damaged(fmt::format("weights {} on {} numbers", tensors::to_string(given.shape), m.size()));
  }
  if (x.layout == OnnxLayout::FlatNhwc) {
    w.shape = {w.shape[0], m.height, m.width, m.channels};
    w = transposed(w, {0, 3, 1, 2});
    w.shape = {w.shape[0], m.size()};
  }
  const LinearLayer layer{w.shape[0]};
  TensorMap parts = {{"weight", floats_of(w)}};
  parts.emplace("bias", bias ? vector(at, 2, "bias", layer.out) : Tensor(DType::F32, {layer.out}));
  OnnxStep& step = add(at, Layer(layer), {x}, {layer.out, 1, 1}, OnnxLayout::Flat);
  step.parts = std::move(parts);
  step.weight_type = w.type;
  step.weight_steps = std::move(steps);
}

}  // namespace tailor::net
