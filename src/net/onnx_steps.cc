// The pass itself: the input, what is known, what only moves, QONNX's quantisers.
#include <algorithm>
#include <cmath>
#include <set>

#include "net/onnx_walk.h"
#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::net {
namespace {

constexpr const char* kOwnDomains[] = {"", "qonnx.custom_op.general", "finn.custom_op.general",
                                       "onnx.brevitas"};

}  // namespace

OnnxWalk::OnnxWalk(const OnnxModel& model, const std::string& where, const OnnxInputSize& size)
    : model_(model), where_(where) {
  for (const auto& [name, tensor] : model.initializers) known_[name] = constant_of(tensor);
  add_input(size);
}

OnnxSteps OnnxWalk::run() {
  for (const OnnxNode& node : model_.nodes) visit(OnnxReason(where_, node));
  if (model_.outputs.size() != 1)
    fail(ErrorKind::Unsupported, "{}: {} outputs, expected one", where_, model_.outputs.size());
  const auto found = known_.find(model_.outputs[0].name);
  const OnnxSource* source =
      found == known_.end() ? nullptr : std::get_if<OnnxSource>(&found->second);
  if (!source || source->pads.any() || source->step == 0) {
    fail(ErrorKind::Data, "{}: no node computes its output '{}'", where_,
         printable(model_.outputs[0].name));
  }
  steps_.steps[source->step].read_as.push_back(source->type);
  steps_.answer = source->step;
  return std::move(steps_);
}

void OnnxWalk::add_input(const OnnxInputSize& size) {
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
         where_, printable(inputs[0]->name), tensors::to_string(s));
  }
  steps_.steps.push_back({printable(inputs[0]->name), "Input", OnnxInput{}, {}, map, {}, 0, {}});
  known_[inputs[0]->name] = OnnxSource{0, last ? OnnxLayout::Nhwc : OnnxLayout::Nchw};
}

bool OnnxWalk::is_turned(const std::string& input) const {
  static const std::set<std::string> before = {"Identity", "Cast", "Quant", "Pad",
                                               "Add",      "Sub",  "Mul",   "Div"};
  std::set<std::string> names = {input};
  for (const OnnxNode& node : model_.nodes) {
    if (node.outputs.empty() || std::none_of(node.inputs.begin(), node.inputs.end(),
                                             [&](const auto& n) { return names.count(n) != 0; }))
      continue;
    if (before.count(node.op_type) != 0) names.insert(node.outputs[0]);
    if (node.op_type != "Transpose") continue;
    if (OnnxReason(where_, node).integers("perm") == std::vector<int64_t>{0, 3, 1, 2}) return true;
  }
  return false;
}

void OnnxWalk::visit(const OnnxReason& at) {
  const OnnxNode& node = at.node();
  if (std::find(std::begin(kOwnDomains), std::end(kOwnDomains), node.domain) ==
      std::end(kOwnDomains))
    at.refuse(fmt::format("operators of the domain '{}' are not known", printable(node.domain)));
  if (node.outputs.empty()) return;
  std::vector<OnnxConstant> constants;
  bool all = true;
  for (const std::string& name : node.inputs) {
    const auto found = known_.find(name);
    if (found == known_.end() && !name.empty())
      at.damaged(fmt::format("no node before it computes its input '{}'", printable(name)));
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

void OnnxWalk::set(const OnnxReason& at, std::variant<OnnxSource, OnnxConstant> value) {
  if (!known_.emplace(at.node().outputs[0], std::move(value)).second)
    at.damaged(fmt::format("the value '{}' is computed twice", printable(at.node().outputs[0])));
}

const OnnxConstant* OnnxWalk::find_constant(const OnnxReason& at, size_t i) const {
  if (!has_input(at, i)) return nullptr;
  return std::get_if<OnnxConstant>(&known_.at(at.node().inputs[i]));
}

const OnnxArray& OnnxWalk::constant(const OnnxReason& at, size_t i, const char* what) const {
  const OnnxConstant* c = find_constant(at, i);
  if (!c) at.refuse(fmt::format("its {} is no constant", what));
  return **c;
}

std::vector<OnnxConstant> OnnxWalk::constants(const OnnxReason& at) const {
  std::vector<OnnxConstant> list;
  for (size_t i = 0; i < at.node().inputs.size(); ++i) {
    const OnnxConstant* c = find_constant(at, i);
    list.push_back(c ? *c : nullptr);
  }
  return list;
}

const OnnxSource& OnnxWalk::padded_source(const OnnxReason& at, size_t i) const {
  if (!has_input(at, i)) at.damaged(fmt::format("input {} is missing", i));
  const auto* s = std::get_if<OnnxSource>(&known_.at(at.node().inputs[i]));
  if (!s) at.refuse("it reads a constant in the place of a map");
  return *s;
}

const OnnxSource& OnnxWalk::source(const OnnxReason& at, size_t i) const {
  const OnnxSource& s = padded_source(at, i);
  if (s.pads.any()) at.refuse("it reads a map with pads, which only convolutions and pools do");
  return s;
}

void OnnxWalk::need_nchw(const OnnxReason& at, const OnnxSource& s) const {
  if (s.layout != OnnxLayout::Nchw)
    at.refuse("it reads a map whose channels are last, or a vector; expected NCHW");
}

OnnxStep& OnnxWalk::add(const OnnxReason& at, decltype(OnnxStep::what) what,
                        const std::vector<OnnxSource>& inputs, const MapShape& out,
                        OnnxLayout layout) {
  OnnxStep step{at.name(), at.node().op_type, std::move(what), {}, out, {}, 0, {}};
  for (const OnnxSource& s : inputs) {
    step.inputs.push_back(s.step);
    steps_.steps[s.step].read_as.push_back(s.type);
  }
  step.may_be_negative = may_be_negative(step);
  steps_.steps.push_back(std::move(step));
  set(at, OnnxSource{steps_.steps.size() - 1, layout});
  return steps_.steps.back();
}

bool OnnxWalk::may_be_negative(const OnnxStep& step) const {
  if (step.layer<ReluLayer>()) return false;
  const bool keeps_sign = std::holds_alternative<OnnxSum>(step.what) || step.layer<PoolLayer>() ||
                          step.layer<PickLayer>();
  return !keeps_sign || std::any_of(step.inputs.begin(), step.inputs.end(), [&](size_t input) {
    return steps_.steps[input].may_be_negative;
  });
}

// ---- what only moves

void OnnxWalk::identity(const OnnxReason& at) { alias(at, padded_source(at)); }

void OnnxWalk::cast(const OnnxReason& at) {
  if (at.integer("to", 1) != 1) at.refuse("casts a map to another type than float32");
  alias(at, padded_source(at));
}

void OnnxWalk::softmax(const OnnxReason& at) {
  const std::string& out = at.node().outputs[0];
  if (model_.outputs.empty() || model_.outputs[0].name != out)
    at.refuse("stands in the middle of the network; expected it at the end");
  steps_.remarks.push_back(fmt::format("{} ({}): left out, the class is the largest logit",
                                       at.name(), at.node().op_type));
  alias(at, source(at));
}

void OnnxWalk::transpose(const OnnxReason& at) {
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

void OnnxWalk::flatten(const OnnxReason& at) {
  OnnxSource x = source(at);
  if (at.integer("axis", 1) != 1) at.refuse("flattens another axis than the first");
  flatten(at, x);
}

void OnnxWalk::flatten(const OnnxReason& at, OnnxSource x) {
  if (x.layout == OnnxLayout::Nchw) x.layout = OnnxLayout::Flat;
  if (x.layout == OnnxLayout::Nhwc) x.layout = OnnxLayout::FlatNhwc;
  if (map(x).pixels() == 1) x.layout = OnnxLayout::Flat;
  alias(at, x);
}

void OnnxWalk::reshape(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  const Shape to = integers_of(constant(at, 1, "shape"));
  const MapShape& m = map(x);
  if (to.size() == 2 && (to[1] == -1 || to[1] == m.size())) return flatten(at, x);
  if (!x.flat() && to == Shape{to.empty() ? 0 : to[0], m.channels, m.height, m.width})
    return alias(at, x);
  at.refuse(fmt::format("makes {} of a map of {}, expected a vector", tensors::to_string(to),
                        to_string(m)));
}

void OnnxWalk::squeeze(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  if (map(x).pixels() != 1) at.refuse(fmt::format("squeezes a map of {}", to_string(map(x))));
  flatten(at, x);
}

void OnnxWalk::shape(const OnnxReason& at) {
  const OnnxSource& x = source(at);
  const MapShape& m = map(x);
  auto size = [](int64_t n) { return static_cast<double>(n); };
  std::vector<double> s = {-1, size(m.channels), size(m.height), size(m.width)};
  if (x.layout == OnnxLayout::Nhwc) s = {-1, size(m.height), size(m.width), size(m.channels)};
  if (x.flat()) s = {-1, size(m.size())};
  const auto rank = static_cast<int64_t>(s.size());
  set(at, std::make_shared<const OnnxArray>(OnnxArray{{rank}, std::move(s), {}}));
}

// ---- QONNX

OnnxType OnnxWalk::type_of(const OnnxReason& at) const {
  const OnnxArray &zero = constant(at, 2, "zero point"), &bits = constant(at, 3, "bit width");
  for (const OnnxArray* a : {&zero, &bits}) {
    const bool same = std::all_of(a->values.begin(), a->values.end(),
                                  [&](double v) { return v == a->values[0]; });
    if (a->values.empty() || !same)
      at.refuse("zero points or widths that differ from channel to channel; expected one for all");
  }
  const double b = bits.values[0];
  if (zero.values[0] != 0)
    at.refuse(fmt::format("a zero point of {:.9g}, expected 0", zero.values[0]));
  if (!(b >= 1 && b <= 32) || b != std::floor(b))
    at.refuse(fmt::format("a width of {:.9g} bits, expected 1 to 32", b));
  OnnxType type;
  type.node = at.name();
  type.bits = static_cast<int>(b);
  type.is_signed = at.integer("signed", 1) != 0;
  type.narrow = at.integer("narrow", 0) != 0;
  type.rounding = at.text("rounding_mode", "ROUND");
  if (type.bits == 1 && type.is_signed) at.refuse("bipolar values of 1 bit");
  return type;
}

const OnnxArray& OnnxWalk::scales_of(const OnnxReason& at) const {
  const OnnxArray& scale = constant(at, 1, "scale");
  if (scale.values.empty()) at.damaged("a scale without numbers");
  for (double s : scale.values) {
    if (!(s > 0 && std::isfinite(s)))
      at.refuse(fmt::format("a scale of {:.9g}, expected a positive number", s));
  }
  return scale;
}

double OnnxWalk::rounded(const OnnxReason& at, double v, double step, const OnnxType& t) {
  const double high =
      std::ldexp(1.0, t.bits - (t.is_signed ? 1 : 0)) - 1 - (t.narrow && !t.is_signed ? 1 : 0);
  const double low = !t.is_signed ? 0 : -std::ldexp(1.0, t.bits - 1) + (t.narrow ? 1 : 0);
  // In single precision, as whoever runs the model divides.
  v = static_cast<double>(static_cast<float>(v) / static_cast<float>(step));
  v = std::clamp(v, low, high);
  const double down = std::floor(v), rest = v - down;
  if (t.rounding == "FLOOR") return down;
  if (t.rounding == "CEIL") return std::ceil(v);
  if (t.rounding == "DOWN" || t.rounding == "ROUND_TO_ZERO") return std::trunc(v);
  if (t.rounding == "HALF_UP") return std::round(v);
  if (t.rounding != "ROUND" && t.rounding != "HALF_EVEN")
    at.refuse(fmt::format("the rounding mode {}", printable(t.rounding)));
  if (rest != 0.5) return std::floor(v + 0.5);
  return std::fmod(down, 2) == 0 ? down : down + 1;
}

void OnnxWalk::quant(const OnnxReason& at) {
  OnnxType type = type_of(at);
  if (const OnnxConstant* c = find_constant(at, 0)) return quant(at, **c, type);
  const OnnxArray& scale = scales_of(at);
  type.step = scale.values[0];
  if (std::any_of(scale.values.begin(), scale.values.end(),
                  [&](double s) { return s != type.step; }))
    at.refuse("scales of a map that differ from channel to channel; expected one for all");
  OnnxSource x = source(at);
  if (x.type == type) return alias(at, x);
  rounded(at, 0, 1, type);  // a mode that is not known
  const bool negative = steps_.steps[x.step].may_be_negative;
  if (!type.is_signed && x.step != 0 && negative)
    at.refuse("an unsigned range where no ReLU stands, which cuts negative values off");
  const std::optional<double> grid = x.type ? x.type->step : kept_step(steps_.steps, x.step);
  if (x.type || (grid && !share_mantissa(*grid, type.step))) {
    // What is on a grid already goes to another one by a multiplication, of a stage of its own.
    const auto channels = static_cast<size_t>(map(x).channels);
    const MapShape out = map(x);
    add(at, OnnxAffine{std::vector<double>(channels, 1), std::vector<double>(channels, 0)}, {x},
        out, x.layout);
    steps_.steps.back().may_be_negative = negative;
    x.step = steps_.steps.size() - 1;
    known_.erase(at.node().outputs[0]);
  }
  x.type = type;
  alias(at, x);
}

/// Weights: what they are rounded to.
void OnnxWalk::quant(const OnnxReason& at, OnnxArray out, const OnnxType& type) {
  OnnxArray steps = scales_of(at);
  if (steps.shape.size() > out.shape.size()) {
    at.damaged(fmt::format("scales {} of {}", tensors::to_string(steps.shape),
                           tensors::to_string(out.shape)));
  }
  steps.shape.insert(steps.shape.begin(), out.shape.size() - steps.shape.size(), 1);
  const OnnxConstant by_element =
      broadcast(at, out, steps, [](double, double step) { return step; });
  if (by_element->shape != out.shape) {
    at.damaged(fmt::format("scales {} of {}", tensors::to_string(steps.shape),
                           tensors::to_string(out.shape)));
  }
  for (size_t i = 0; i < out.values.size(); ++i) {
    if (out.values[i] != out.values[i]) at.damaged("a weight that is no number");
    out.values[i] = rounded(at, out.values[i], by_element->values[i], type) * by_element->values[i];
  }
  out.type = type;
  out.steps = std::make_shared<const OnnxArray>(std::move(steps));
  set(at, std::make_shared<const OnnxArray>(std::move(out)));
}

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

OnnxSteps steps_of(const OnnxModel& model, const std::string& where, const OnnxInputSize& size) {
  return OnnxWalk(model, where, size).run();
}

}  // namespace tailor::net
