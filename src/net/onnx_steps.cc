// One pass over the nodes, in their order: constants are computed, what only renames or turns a map
// moves with the name, everything else becomes a step or is refused.
#include "net/onnx_steps.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::net {
namespace {

/// How a value lies: its pixels by channel or its channels by pixel, a vector alike.
enum class OnnxLayout { Nchw, Nhwc, Flat, FlatNhwc };

/// A value: what a step made, perhaps turned, rounded or with pads around it.
struct OnnxSource {
  size_t step = 0;
  OnnxLayout layout = OnnxLayout::Nchw;
  std::optional<OnnxType> type = {};
  Pads pads = {};
  bool lowest = false;  // the pads' values
  bool flat() const { return layout == OnnxLayout::Flat || layout == OnnxLayout::FlatNhwc; }
};

constexpr const char* kOwnDomains[] = {"", "qonnx.custom_op.general", "finn.custom_op.general",
                                       "onnx.brevitas"};

class OnnxWalk {
 public:
  OnnxWalk(const OnnxModel& model, const std::string& where, const OnnxInputSize& size)
      : model_(model), where_(where) {
    for (const auto& [name, tensor] : model.initializers) known_[name] = constant_of(tensor);
    add_input(size);
  }

  OnnxSteps run() {
    for (const OnnxNode& node : model_.nodes) visit(OnnxReason(where_, node));
    if (model_.outputs.size() != 1)
      fail(ErrorKind::Unsupported, "{}: {} outputs, expected one", where_, model_.outputs.size());
    const auto found = known_.find(model_.outputs[0].name);
    const OnnxSource* source =
        found == known_.end() ? nullptr : std::get_if<OnnxSource>(&found->second);
    if (!source || source->pads.any() || source->step == 0)
      fail(ErrorKind::Data, "{}: no node computes its output '{}'", where_, model_.outputs[0].name);
    steps_.steps[source->step].read_as.push_back(source->type);
    steps_.answer = source->step;
    return std::move(steps_);
  }

 private:
  using Handler = void (OnnxWalk::*)(const OnnxReason&);
  static const std::map<std::string, Handler>& handlers();

  void add_input(const OnnxInputSize& size) {
    std::vector<const OnnxValue*> inputs;
    for (const OnnxValue& v : model_.inputs) {
      if (known_.count(v.name) == 0) inputs.push_back(&v);
    }
    if (inputs.size() != 1 || inputs[0]->shape.size() != 4) {
      fail(ErrorKind::Unsupported,
           "{}: expected one input of images, [N, channels, rows, columns], got {}", where_,
           inputs.size() == 1 ? tensors::to_string(inputs[0]->shape)
                              : fmt::format("{} inputs", inputs.size()));
    }
    const Shape& s = inputs[0]->shape;
    const bool last = is_turned(inputs[0]->name);
    MapShape map = last ? MapShape{s[3], s[1], s[2]} : MapShape{s[1], s[2], s[3]};
    if (map.height < 0) map.height = size.rows;
    if (map.width < 0) map.width = size.columns;
    if (!is_map_side(map.channels) || !is_map_side(map.height) || !is_map_side(map.width) ||
        map.channels * map.height > kMaxMapElements / map.width) {
      fail(ErrorKind::Unsupported,
           "{}: its input '{}' is {}, expected channels, rows and columns; say --image-size, or "
           "export it with the size of its images",
           where_, inputs[0]->name, tensors::to_string(s));
    }
    steps_.steps.push_back({inputs[0]->name, "Input", OnnxInput{}, {}, map, {}, 0, {}});
    known_[inputs[0]->name] = OnnxSource{0, last ? OnnxLayout::Nhwc : OnnxLayout::Nchw};
  }
  /// Whether the input's channels are last: it is turned before a convolution reads it.
  bool is_turned(const std::string& input) const {
    static const std::set<std::string> before = {"Identity", "Cast", "Quant", "Pad",
                                                 "Add",      "Sub",  "Mul",   "Div"};
    std::set<std::string> names = {input};
    for (const OnnxNode& node : model_.nodes) {
      if (node.outputs.empty() || std::none_of(node.inputs.begin(), node.inputs.end(),
                                               [&](const auto& n) { return names.count(n) != 0; }))
        continue;
      if (before.count(node.op_type) != 0) names.insert(node.outputs[0]);
      if (node.op_type != "Transpose") continue;
      if (OnnxReason(where_, node).integers("perm") == std::vector<int64_t>{0, 3, 1, 2})
        return true;
    }
    return false;
  }

  void visit(const OnnxReason& at) {
    const OnnxNode& node = at.node();
    if (std::find(std::begin(kOwnDomains), std::end(kOwnDomains), node.domain) ==
        std::end(kOwnDomains))
      at.refuse(fmt::format("operators of the domain '{}' are not known", node.domain));
    if (node.outputs.empty()) return;
    std::vector<OnnxConstant> constants;
    bool all = true;
    for (const std::string& name : node.inputs) {
      const auto found = known_.find(name);
      if (found == known_.end() && !name.empty())
        at.damaged(fmt::format("no node before it computes its input '{}'", name));
      const auto* c = name.empty() ? nullptr : std::get_if<OnnxConstant>(&found->second);
      constants.push_back(c ? *c : nullptr);
      all &= c || name.empty();
    }
    if (all && node.op_type != "Quant") {
      OnnxConstant made = evaluate_constant(at, constants);
      if (!made) at.refuse("an operator between constants that is not known");
      return set(at, std::move(made));
    }
    const auto handler = handlers().find(node.op_type);
    if (handler == handlers().end())
      at.refuse("an operator that no layer of a residual classifier is made of");
    (this->*handler->second)(at);
  }

  // ---- values

  void set(const OnnxReason& at, std::variant<OnnxSource, OnnxConstant> value) {
    if (!known_.emplace(at.node().outputs[0], std::move(value)).second)
      at.damaged(fmt::format("the value '{}' is computed twice", at.node().outputs[0]));
  }
  bool has_input(const OnnxReason& at, size_t i) const {
    return i < at.node().inputs.size() && !at.node().inputs[i].empty();
  }
  const OnnxConstant* find_constant(const OnnxReason& at, size_t i) const {
    if (!has_input(at, i)) return nullptr;
    return std::get_if<OnnxConstant>(&known_.at(at.node().inputs[i]));
  }
  const OnnxArray& constant(const OnnxReason& at, size_t i, const char* what) const {
    const OnnxConstant* c = find_constant(at, i);
    if (!c) at.refuse(fmt::format("its {} is no constant", what));
    return **c;
  }
  std::vector<OnnxConstant> constants(const OnnxReason& at) const {
    std::vector<OnnxConstant> list;
    for (size_t i = 0; i < at.node().inputs.size(); ++i) {
      const OnnxConstant* c = find_constant(at, i);
      list.push_back(c ? *c : nullptr);
    }
    return list;
  }
  /// With the pads that stand around it.
  const OnnxSource& padded_source(const OnnxReason& at, size_t i = 0) const {
    if (!has_input(at, i)) at.damaged(fmt::format("input {} is missing", i));
    const auto* s = std::get_if<OnnxSource>(&known_.at(at.node().inputs[i]));
    if (!s) at.refuse("it reads a constant in the place of a map");
    return *s;
  }
  const OnnxSource& source(const OnnxReason& at, size_t i = 0) const {
    const OnnxSource& s = padded_source(at, i);
    if (s.pads.any()) at.refuse("it reads a map with pads, which only convolutions and pools do");
    return s;
  }
  const MapShape& map(const OnnxSource& s) const { return steps_.steps[s.step].out; }
  void need_nchw(const OnnxReason& at, const OnnxSource& s) const {
    if (s.layout != OnnxLayout::Nchw)
      at.refuse("it reads a map whose channels are last, or a vector; expected NCHW");
  }

  OnnxStep& add(const OnnxReason& at, decltype(OnnxStep::what) what,
                const std::vector<OnnxSource>& inputs, const MapShape& out, OnnxLayout layout) {
    OnnxStep step{at.name(), at.node().op_type, std::move(what), {}, out, {}, 0, {}};
    for (const OnnxSource& s : inputs) {
      step.inputs.push_back(s.step);
      steps_.steps[s.step].read_as.push_back(s.type);
    }
    steps_.steps.push_back(std::move(step));
    set(at, OnnxSource{steps_.steps.size() - 1, layout});
    return steps_.steps.back();
  }
  void alias(const OnnxReason& at, OnnxSource s) { set(at, std::move(s)); }

  // ---- windows

  static Size2 pair_of(const OnnxReason& at, const char* attribute) {
    const auto list = at.integers(attribute);
    if (!list) return {};
    if (list->size() != 2)
      at.refuse(fmt::format("{} of {} dimensions, expected 2", attribute, list->size()));
    return {(*list)[0], (*list)[1]};
  }
  /// Rows or columns before and behind a map, so that there are as many windows as strides.
  static std::pair<int64_t, int64_t> same_pads(int64_t map, int64_t extent, int64_t stride,
                                               bool upper) {
    const int64_t windows = (map + stride - 1) / stride;
    const int64_t all = std::max<int64_t>((windows - 1) * stride + extent - map, 0);
    return upper ? std::pair(all / 2, all - all / 2) : std::pair(all - all / 2, all / 2);
  }
  Window window_of(const OnnxReason& at, const Size2& kernel, const OnnxSource& x) const {
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
      at.damaged(fmt::format("auto_pad '{}'", automatic));
    }
    if (!is_window(w)) at.refuse(fmt::format("pads of a window of {}", to_string(w)));
    w.pads = {w.pads.top + x.pads.top, w.pads.left + x.pads.left, w.pads.bottom + x.pads.bottom,
              w.pads.right + x.pads.right};
    if (!is_window(w) || count_windows(w, m).size() == 0)
      at.damaged(fmt::format("a window of {} on {}", to_string(w), to_string(m)));
    return w;
  }

  void conv(const OnnxReason& at) {
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
  }
  /// A constant of so many numbers, or of one that stands for all.
  Tensor vector(const OnnxReason& at, size_t i, const char* what, int64_t size) const {
    const OnnxArray& a = constant(at, i, what);
    if (static_cast<int64_t>(a.values.size()) != size && !a.one()) {
      at.damaged(fmt::format("its {} is {}, expected {} numbers", what, tensors::to_string(a.shape),
                             size));
    }
    Tensor t(DType::F32, {size});
    for (size_t k = 0; k < static_cast<size_t>(size); ++k)
      t.as<float>()[k] = static_cast<float>(a.values[a.one() ? 0 : k]);
    return t;
  }

  void max_pool(const OnnxReason& at) {
    OnnxSource x = padded_source(at);
    // Zeros never win against what a ReLU lets through.
    if (x.pads.any() && !x.lowest && !steps_.steps[x.step].layer<ReluLayer>())
      at.refuse("its map is padded with zeros, which may be the largest of a window");
    pool(at, x, PoolKind::Max);
  }
  void average_pool(const OnnxReason& at) {
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
  void pool(const OnnxReason& at, OnnxSource x, PoolKind kind) {
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
  void global_average(const OnnxReason& at) {
    const OnnxSource& x = source(at);
    need_nchw(at, x);
    add_mean(at, x, OnnxLayout::Nchw);
  }
  void add_mean(const OnnxReason& at, const OnnxSource& x, OnnxLayout layout) {
    add(at, Layer(PoolLayer{PoolKind::GlobalAverage, {}}), {x}, {map(x).channels, 1, 1}, layout);
  }
  void reduce_mean(const OnnxReason& at) {
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

  void relu(const OnnxReason& at) {
    const OnnxSource& x = source(at);
    add(at, Layer(ReluLayer{}), {x}, map(x), x.layout);
  }
  void clip(const OnnxReason& at) {
    at.refuse("a ReLU with an upper end (ReLU6, Clip); train it with a plain one");
  }
  void batch_norm(const OnnxReason& at) {
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
  /// One number a channel, of a constant that stretches over the map.
  std::vector<double> by_channel(const OnnxReason& at, const OnnxArray& a,
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
  /// `sign` and `inverse` of the constant in the second place.
  void affine(const OnnxReason& at, size_t constant_at, bool scales, bool inverse) {
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
  void sum(const OnnxReason& at) {
    for (size_t i = 0; i < 2; ++i) {
      if (find_constant(at, i)) return affine(at, i, false, false);
    }
    const OnnxSource a = source(at, 0), b = source(at, 1);
    if (map(a) != map(b) || a.layout != b.layout) {
      at.refuse(fmt::format("adds maps of {} and {}", to_string(map(a)), to_string(map(b))));
    }
    add(at, OnnxSum{}, {a, b}, map(a), a.layout);
  }
  void product(const OnnxReason& at) {
    for (size_t i = 0; i < 2; ++i) {
      if (find_constant(at, i)) return affine(at, i, true, false);
    }
    at.refuse("multiplies two maps (an attention or a gate), which no layer of ours does");
  }
  void difference(const OnnxReason& at) {
    if (!find_constant(at, 1)) at.refuse("subtracts a map");
    affine(at, 1, false, true);
  }
  void quotient(const OnnxReason& at) {
    if (!find_constant(at, 1)) at.refuse("divides by a map");
    affine(at, 1, true, true);
  }

  // ---- what only moves

  void identity(const OnnxReason& at) { alias(at, padded_source(at)); }
  void cast(const OnnxReason& at) {
    if (at.integer("to", 1) != 1) at.refuse("casts a map to another type than float32");
    alias(at, padded_source(at));
  }
  void softmax(const OnnxReason& at) {
    const std::string& out = at.node().outputs[0];
    if (model_.outputs.empty() || model_.outputs[0].name != out)
      at.refuse("stands in the middle of the network; expected it at the end");
    steps_.remarks.push_back(fmt::format("{} ({}): left out, the class is the largest logit",
                                         at.name(), at.node().op_type));
    alias(at, source(at));
  }
  void transpose(const OnnxReason& at) {
    OnnxSource x = padded_source(at);
    const auto perm = at.integers("perm").value_or(std::vector<int64_t>{});
    const bool nchw = x.layout == OnnxLayout::Nchw;
    if (nchw && perm == std::vector<int64_t>{0, 2, 3, 1}) {
      x.layout = OnnxLayout::Nhwc;
    } else if (x.layout == OnnxLayout::Nhwc && perm == std::vector<int64_t>{0, 3, 1, 2}) {
      x.layout = OnnxLayout::Nchw;
    } else if (perm != std::vector<int64_t>{0, 1, 2, 3}) {
      at.refuse(fmt::format("turns a map by {}", tensors::to_string(perm)));
    }
    alias(at, x);
  }
  void flatten(const OnnxReason& at) {
    OnnxSource x = source(at);
    if (at.integer("axis", 1) != 1) at.refuse("flattens another axis than the first");
    flatten(at, x);
  }
  void flatten(const OnnxReason& at, OnnxSource x) {
    if (x.layout == OnnxLayout::Nchw) x.layout = OnnxLayout::Flat;
    if (x.layout == OnnxLayout::Nhwc) x.layout = OnnxLayout::FlatNhwc;
    if (map(x).pixels() == 1) x.layout = OnnxLayout::Flat;
    alias(at, x);
  }
  void reshape(const OnnxReason& at) {
    const OnnxSource& x = source(at);
    const Shape to = integers_of(constant(at, 1, "shape"));
    const MapShape& m = map(x);
    if (to.size() == 2 && (to[1] == -1 || to[1] == m.size())) return flatten(at, x);
    if (!x.flat() && to == Shape{to.empty() ? 0 : to[0], m.channels, m.height, m.width})
      return alias(at, x);
    at.refuse(fmt::format("makes {} of a map of {}, expected a vector", tensors::to_string(to),
                          to_string(m)));
  }
  void squeeze(const OnnxReason& at) {
    const OnnxSource& x = source(at);
    if (map(x).pixels() != 1) at.refuse(fmt::format("squeezes a map of {}", to_string(map(x))));
    flatten(at, x);
  }
  void shape(const OnnxReason& at) {
    const OnnxSource& x = source(at);
    const MapShape& m = map(x);
    auto size = [](int64_t n) { return static_cast<double>(n); };
    std::vector<double> s = {-1, size(m.channels), size(m.height), size(m.width)};
    if (x.layout == OnnxLayout::Nhwc) s = {-1, size(m.height), size(m.width), size(m.channels)};
    if (x.flat()) s = {-1, size(m.size())};
    const auto rank = static_cast<int64_t>(s.size());
    set(at, std::make_shared<const OnnxArray>(OnnxArray{{rank}, std::move(s), {}}));
  }

  // ---- shortcuts without weights: every stride-th pixel, channels of zeros

  void slice(const OnnxReason& at) {
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
  void pad(const OnnxReason& at) {
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

  void gemm(const OnnxReason& at) {
    if (at.real("alpha", 1) != 1 || (has_input(at, 2) && at.real("beta", 1) != 1) ||
        at.integer("transA", 0) != 0)
      at.refuse("alpha, beta or transA, expected a plain linear layer");
    linear(at, at.integer("transB", 0) != 0, has_input(at, 2));
  }
  void mat_mul(const OnnxReason& at) { linear(at, false, false); }
  void linear(const OnnxReason& at, bool by_row, bool bias) {
    const OnnxSource& x = source(at);
    const OnnxArray& given = constant(at, 1, "weight");
    if (!x.flat()) at.refuse("it reads a map; expected it flattened");
    if (given.shape.size() != 2)
      at.refuse(fmt::format("weights of {}", tensors::to_string(given.shape)));
    OnnxArray w = by_row ? given : transposed(given, {1, 0});
    const MapShape m = map(x);
    if (w.shape[1] != m.size() || w.shape[0] < 1) {
      at.damaged(
          fmt::format("weights {} on {} numbers", tensors::to_string(given.shape), m.size()));
    }
    if (x.layout == OnnxLayout::FlatNhwc) {
      w.shape = {w.shape[0], m.height, m.width, m.channels};
      w = transposed(w, {0, 3, 1, 2});
      w.shape = {w.shape[0], m.size()};
    }
    const LinearLayer layer{w.shape[0]};
    TensorMap parts = {{"weight", floats_of(w)}};
    parts.emplace("bias",
                  bias ? vector(at, 2, "bias", layer.out) : Tensor(DType::F32, {layer.out}));
    OnnxStep& step = add(at, Layer(layer), {x}, {layer.out, 1, 1}, OnnxLayout::Flat);
    step.parts = std::move(parts);
    step.weight_type = w.type;
  }

  // ---- QONNX

  OnnxType type_of(const OnnxReason& at) const {
    const OnnxArray &scale = constant(at, 1, "scale"), &zero = constant(at, 2, "zero point"),
                    &bits = constant(at, 3, "bit width");
    for (const OnnxArray* a : {&scale, &zero, &bits}) {
      const bool same = std::all_of(a->values.begin(), a->values.end(),
                                    [&](double v) { return v == a->values[0]; });
      if (a->values.empty() || !same)
        at.refuse("scales that differ from channel to channel; expected one power of two");
    }
    int exponent = 0;
    const double s = scale.values[0], b = bits.values[0];
    if (!(s > 0 && std::isfinite(s)) || std::frexp(s, &exponent) != 0.5)
      at.refuse(fmt::format("a scale of {:.9g}, expected a power of two", s));
    if (zero.values[0] != 0)
      at.refuse(fmt::format("a zero point of {:.9g}, expected 0", zero.values[0]));
    if (!(b >= 1 && b <= 32) || b != std::floor(b))
      at.refuse(fmt::format("a width of {:.9g} bits, expected 1 to 32", b));
    OnnxType type;
    type.bits = static_cast<int>(b);
    type.fraction = 1 - exponent;
    type.is_signed = at.integer("signed", 1) != 0;
    type.narrow = at.integer("narrow", 0) != 0;
    type.rounding = at.text("rounding_mode", "ROUND");
    if (type.bits == 1 && type.is_signed) at.refuse("bipolar values of 1 bit");
    return type;
  }
  static double rounded(const OnnxReason& at, double v, const OnnxType& t) {
    const double high =
        std::ldexp(1.0, t.bits - (t.is_signed ? 1 : 0)) - 1 - (t.narrow && !t.is_signed ? 1 : 0);
    const double low = !t.is_signed ? 0 : -std::ldexp(1.0, t.bits - 1) + (t.narrow ? 1 : 0);
    v = std::clamp(std::ldexp(v, t.fraction), low, high);
    const double down = std::floor(v), rest = v - down;
    if (t.rounding == "FLOOR") return down;
    if (t.rounding == "CEIL") return std::ceil(v);
    if (t.rounding == "DOWN" || t.rounding == "ROUND_TO_ZERO") return std::trunc(v);
    if (t.rounding == "HALF_UP") return std::round(v);
    if (t.rounding != "ROUND" && t.rounding != "HALF_EVEN")
      at.refuse(fmt::format("the rounding mode {}", t.rounding));
    if (rest != 0.5) return std::floor(v + 0.5);
    return std::fmod(down, 2) == 0 ? down : down + 1;
  }
  static bool is_sum_or_affine(const OnnxStep& step) {
    return std::holds_alternative<OnnxSum>(step.what) ||
           std::holds_alternative<OnnxAffine>(step.what);
  }
  void quant(const OnnxReason& at) {
    const OnnxType type = type_of(at);
    if (const OnnxConstant* c = find_constant(at, 0)) {
      OnnxArray out = **c;
      for (double& v : out.values) {
        if (v != v) at.damaged("a weight that is no number");
        v = std::ldexp(rounded(at, v, type), -type.fraction);
      }
      out.type = type;
      return set(at, std::make_shared<const OnnxArray>(std::move(out)));
    }
    OnnxSource x = source(at);
    if (x.type && !(*x.type == type)) at.refuse("rounds what is rounded to another type already");
    rounded(at, 0, type);  // a mode that is not known
    const OnnxStep& step = steps_.steps[x.step];
    const bool negative = step.layer<ConvLayer>() || step.layer<BatchNormLayer>() ||
                          step.layer<LinearLayer>() || is_sum_or_affine(step);
    if (!type.is_signed && negative)
      at.refuse("an unsigned range where no ReLU stands, which cuts negative values off");
    x.type = type;
    alias(at, x);
  }

  const OnnxModel& model_;
  const std::string& where_;
  OnnxSteps steps_;
  std::map<std::string, std::variant<OnnxSource, OnnxConstant>> known_;
};

const std::map<std::string, OnnxWalk::Handler>& OnnxWalk::handlers() {
  static const std::map<std::string, Handler> all = {
      {"Conv", &OnnxWalk::conv},
      {"BatchNormalization", &OnnxWalk::batch_norm},
      {"Relu", &OnnxWalk::relu},
      {"Clip", &OnnxWalk::clip},
      {"Add", &OnnxWalk::sum},
      {"Sub", &OnnxWalk::difference},
      {"Mul", &OnnxWalk::product},
      {"Div", &OnnxWalk::quotient},
      {"MaxPool", &OnnxWalk::max_pool},
      {"AveragePool", &OnnxWalk::average_pool},
      {"GlobalAveragePool", &OnnxWalk::global_average},
      {"ReduceMean", &OnnxWalk::reduce_mean},
      {"Flatten", &OnnxWalk::flatten},
      {"Reshape", &OnnxWalk::reshape},
      {"Squeeze", &OnnxWalk::squeeze},
      {"Transpose", &OnnxWalk::transpose},
      {"Identity", &OnnxWalk::identity},
      {"Dropout", &OnnxWalk::identity},
      {"Cast", &OnnxWalk::cast},
      {"Shape", &OnnxWalk::shape},
      {"Slice", &OnnxWalk::slice},
      {"Pad", &OnnxWalk::pad},
      {"Gemm", &OnnxWalk::gemm},
      {"MatMul", &OnnxWalk::mat_mul},
      {"Softmax", &OnnxWalk::softmax},
      {"LogSoftmax", &OnnxWalk::softmax},
      {"Quant", &OnnxWalk::quant},
      {"IntQuant", &OnnxWalk::quant},
  };
  return all;
}

}  // namespace

OnnxSteps steps_of(const OnnxModel& model, const std::string& where, const OnnxInputSize& size) {
  return OnnxWalk(model, where, size).run();
}

}  // namespace tailor::net
