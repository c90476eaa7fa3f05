#include "tailor/ir/onnx.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/version.h"
#include "tailor/ir/weights.h"

namespace tailor::ir {
namespace {

constexpr int64_t kOnnxIr = 7;  // of opset 13
constexpr int kSingleBits = 24;

Tensor singles(const Tensor& tensor) {
  Tensor single(DType::F32, tensor.shape());
  const std::vector<double> values = tensor.to_doubles();
  std::transform(values.begin(), values.end(), single.as<float>().begin(),
                 [](double v) { return static_cast<float>(v); });
  return single;
}

/// QONNX's name of a rounding, and whether it is the same one.
std::pair<const char*, bool> rounding_of(Rounding rounding) {
  switch (rounding) {
    case Rounding::Trn:
      return {"FLOOR", true};
    case Rounding::TrnZero:
      return {"DOWN", true};
    case Rounding::RndConv:
      return {"ROUND", true};
    case Rounding::RndInf:
      return {"HALF_UP", true};
    case Rounding::RndZero:
      return {"HALF_DOWN", true};
    case Rounding::Rnd:
    case Rounding::RndMinInf:
      return {"ROUND", false};
  }
  return {"ROUND", false};
}

OnnxValue described(const std::string& name, int64_t batch, const MapShape& m, bool flat) {
  if (flat) return {name, {batch, m.channels}};
  return {name, {batch, m.channels, m.height, m.width}};
}

}  // namespace

const std::string& OnnxPrinter::input(const Node& node, size_t i) const {
  return names_[node.inputs[i]];
}

std::string OnnxPrinter::add(const char* op_type, std::string name, std::vector<std::string> inputs,
                             Attributes attributes) {
  out_.model.nodes.push_back({op_type, name, "", std::move(inputs), {name}, std::move(attributes)});
  return name;
}

std::string OnnxPrinter::constant(const std::string& name, Tensor tensor) {
  out_.model.initializers.emplace(name, std::move(tensor));
  return name;
}

std::string OnnxPrinter::integers(const std::string& name, const std::vector<int64_t>& values) {
  return constant(name, Tensor::from({static_cast<int64_t>(values.size())}, values));
}

std::string OnnxPrinter::weights(const Node& node, const char* part, Tensor tensor,
                                 const std::optional<FixedType>& type) {
  const std::string name = node.name + "." + part;
  if (!type) return constant(name, singles(tensor));
  if (node.hardware.scale && std::string_view(part) == "weight")
    return scaled_weights(node, name, tensor, *type);
  Tensor rounded(DType::F32, tensor.shape());
  const std::vector<double> values = tensor.to_doubles();
  bool exact = true;
  std::transform(values.begin(), values.end(), rounded.as<float>().begin(), [&](double v) {
    const double value = type->to_double(quantise(v, *type));
    const auto single = static_cast<float>(value);
    exact &= static_cast<double>(single) == value;
    return single;
  });
  if (!exact) warn("weights or biases have more bits than the model's float32 holds");
  return quantised(node, constant(name, std::move(rounded)), name + "/quantised", *type);
}

/// In steps of each output channel's scale: a Quant, or of binary ones a BipolarQuant, by channel.
std::string OnnxPrinter::scaled_weights(const Node& node, const std::string& name,
                                        const Tensor& tensor, const FixedType& type) {
  const std::vector<double> values = tensor.to_doubles(),
                            scales = graph_.tensor(node, "scale").to_doubles();
  std::vector<float> rounded, steps;
  std::vector<double> exact = values;
  round_part(graph_, node, "weight", exact);
  bool fits = true;
  for (double v : exact) {
    rounded.push_back(static_cast<float>(v));
    fits &= static_cast<double>(rounded.back()) == v;
  }
  if (!fits) warn("weights or biases have more bits than the model's float32 holds");
  for (double scale : scales) steps.push_back(static_cast<float>(scale * type.step()));
  Shape by_channel(tensor.shape().size(), 1);
  by_channel[0] = static_cast<int64_t>(scales.size());
  const std::string weight = constant(name, Tensor::from<float>(tensor.shape(), rounded)),
                    quantised_name = name + "/quantised",
                    scale =
                        constant(quantised_name + "/scale", Tensor::from<float>(by_channel, steps));
  if (!is_binary(type)) {
    FixedType nearest = type;  // they are numbers of it, but for what a division loses
    nearest.rounding = Rounding::RndConv;
    return quantised(node, weight, quantised_name, nearest, scale);
  }
  add("BipolarQuant", quantised_name, {weight, scale});
  take_from_qonnx();
  return quantised_name;
}

void OnnxPrinter::take_from_qonnx() {
  out_.model.nodes.back().domain = kQonnxDomain;
  out_.model.opsets[kQonnxDomain] = 1;
}

std::string OnnxPrinter::tensor(const Node& node, const char* part,
                                const std::optional<FixedType>& type) {
  return weights(node, part, graph_.tensor(node, part), type);
}

std::string OnnxPrinter::quantised(const Node& node, const std::string& value,
                                   const std::string& name, const FixedType& type,
                                   std::string scale) {
  if (type.overflow != Overflow::Sat && type.overflow != Overflow::SatSym) {
    fail(ErrorKind::Unsupported,
         "{}: its type {} does not saturate at its ends, as QONNX's Quant does; export with "
         "--overflow sat or sat_sym",
         node.name, to_string(type));
  }
  const auto [rounding, exact] = rounding_of(type.rounding);
  if (!exact) {
    warn(
        fmt::format("{} is not QONNX's: {} stands for it, which differs where a value lies in the "
                    "middle of two (--rounding rnd_conv is the same in both)",
                    vendor_name(type.rounding), rounding));
  }
  auto number = [&](const char* what, double v) {
    return constant(name + what, Tensor::from<float>({}, {static_cast<float>(v)}));
  };
  if (scale.empty()) scale = number("/scale", type.step());
  const std::vector<std::string> inputs = {value, scale, number("/zero_point", 0),
                                           number("/bits", type.width)};
  add("Quant", name, inputs,
      {{"signed", int64_t{type.is_signed}},
       {"narrow", int64_t{type.is_signed && type.overflow == Overflow::SatSym}},
       {"rounding_mode", std::string(rounding)}});
  take_from_qonnx();
  return name;
}

std::string OnnxPrinter::padded(const Node& node, const std::string& value, const Pads& p,
                                double with) {
  const std::string pads =
      integers(node.name + ".pads", {0, 0, p.top, p.left, 0, 0, p.bottom, p.right});
  const std::string fill =
      constant(node.name + ".fill", Tensor::from<float>({}, {static_cast<float>(with)}));
  return add("Pad", node.name, {value, pads, fill});
}

void OnnxPrinter::answer(const Node& node, std::string value, size_t output) {
  const Value& out = graph_.value(node.outputs[output]);
  const std::optional<FixedType>& exact = node.hardware.accumulator;
  const bool casts =
      out.type && !node.traits().keeps_type &&
      !(exact && exact->fraction() <= out.type->fraction() && exact->integer <= out.type->integer);
  if (casts && out.type->width > kSingleBits) {
    warn(fmt::format("streams of more than {} bits are not exact in the model's float32",
                     kSingleBits));
  }
  if (casts) value = quantised(node, value, node.name + "/out", *out.type);
  names_[node.outputs[output]] = std::move(value);
}

void OnnxPrinter::forward(const Node& node, std::string value) {
  names_[node.outputs[1]] = std::move(value);
}

void OnnxPrinter::warn(std::string text) {
  auto& list = out_.warnings;
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

OnnxExport OnnxPrinter::finish() {
  OnnxModel& m = out_.model;
  m.ir_version = kOnnxIr;
  m.producer = "tailor";
  m.producer_version = version();
  m.opsets[""] = kOnnxOpset;
  m.graph = graph_.name;
  for (const Node& node : graph_.nodes) node.op.rules().print_onnx(*this, node);
  // Whoever reads QONNX wants all shapes said.
  const int64_t batch = graph_.state == GraphState::Design ? 1 : -1;
  m.inputs = {described("input", batch, graph_.input_shape(), false)};
  const ValueId last = graph_.output();
  const MapShape& answer = graph_.output_shape();
  bool flat = false;
  for (const Node& node : graph_.nodes) flat |= node.is<ops::Dense>() && node.outputs[0] == last;
  std::string name = names_[last];
  if (!flat && answer.pixels() == 1) {
    name = add("Flatten", "output", {name});
    flat = true;
  }
  m.outputs = {described(name, batch, answer, flat)};
  for (ValueId id : graph_.value_ids()) {
    const std::string& own = names_[id];
    const bool known = own.empty() || own == name || own == "input" ||
                       std::any_of(m.values.begin(), m.values.end(),
                                   [&](const OnnxValue& v) { return v.name == own; });
    const bool two = own == names_[last];
    if (!known) m.values.push_back(described(own, batch, graph_.value(id).shape, two && flat));
  }
  return std::move(out_);
}

OnnxExport onnx_of(const Graph& graph) { return OnnxPrinter(graph).finish(); }

}  // namespace tailor::ir
