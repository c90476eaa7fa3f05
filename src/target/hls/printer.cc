#include "target/hls/printer.h"

#include <map>

#include "tailor/core/strings.h"
#include "tailor/ir/packing.h"
#include "tailor/ir/weights.h"

namespace tailor::target {
namespace {

std::map<const Operation*, StagePrinter>& printers() {
  static std::map<const Operation*, StagePrinter> all;
  return all;
}

}  // namespace

std::string type_name(const Value& v) { return v.identifier + "_t"; }
std::string token_name(const Value& v) { return v.identifier + "_token"; }
std::string stream_type(const Value& v) { return "hls::stream<" + token_name(v) + ">"; }
std::string config_name(const Node& node) { return node.identifier + "_config"; }
std::string array_name(const Node& node, const char* part) { return node.identifier + "_" + part; }

/// A type as C++ writes it; the default modes of the vendor's type are left out.
std::string cpp_type(const FixedType& type) {
  std::string name = type.is_signed ? "ap_fixed" : "ap_ufixed";
  if (type.rounding == Rounding::Trn && type.overflow == Overflow::Wrap)
    return fmt::format("{}<{}, {}>", name, type.width, type.integer);
  return fmt::format("{}<{}, {}, {}, {}>", name, type.width, type.integer,
                     vendor_name(type.rounding), vendor_name(type.overflow));
}

/// The smallest built-in integer that holds every raw value; `long long` in C++11 and in every
/// vendor's compiler.
std::string raw_type(const FixedType& type) {
  const int width = type.width + (type.is_signed ? 0 : 1);
  if (width <= 8) return "signed char";
  if (width <= 16) return "short";
  if (width <= 32) return "int";
  return "long long";
}

void StageConfig::add(const char* name, int64_t value) {
  members.push_back(cpp::Constant{"int", name, std::to_string(value)});
}

void StageConfig::add_flag(const char* name, bool value) {
  members.push_back(cpp::Constant{"bool", name, value ? "true" : "false"});
}

void StageConfig::add_type(const char* name, const std::string& type) {
  members.push_back(cpp::Alias{name, type});
}

void StageConfig::add_tokens() {
  add_type("in_token", token_name(in));
  add_type("out_token", token_name(out));
}

void StageConfig::add_streams() {
  add("in_bits", in.type->width);
  add("out_bits", out.type->width);
  add_type("in_t", type_name(in));
  add_type("out_t", type_name(out));
  add_tokens();
}

void StageConfig::add_operand_types(const char* name, size_t first) {
  std::vector<std::string> types;
  for (size_t i = first; i < node.inputs.size(); ++i) {
    const Value& value = graph.value(node.inputs[i]);
    types.push_back(fmt::format("tailor::Carries<{}, {}>", type_name(value), value.type->width));
  }
  add_type(name, "tailor::OperandTypes<" + join(types, ", ") + ">");
}

void StageConfig::add_value() {
  add("bits", out.type->width);
  add_type("value_t", type_name(out));
  add_tokens();
}

void StageConfig::add_window(const Window& w) {
  add("kernel_height", w.kernel.height);
  add("kernel_width", w.kernel.width);
  add("stride_height", w.stride.height);
  add("stride_width", w.stride.width);
  add("dilation_height", w.dilation.height);
  add("dilation_width", w.dilation.width);
  add("pad_top", w.pads.top);
  add("pad_left", w.pads.left);
}

void StageConfig::add_scan() {
  add("scan_height", loop.scan.height);
  add("scan_width", loop.scan.width);
}

void StageConfig::add_products() {
  const NodeHardware& h = node.hardware;
  add("n_in", loop.n_in);
  add("n_out", loop.n_out);
  add("reuse_factor", h.reuse_factor);
  add("multipliers", h.multipliers);
  const FixedType weight = stored_weight(node);
  add("weight_bits", weight.width);
  add("bias_bits", h.bias->width);
  add_type("weight_t", cpp_type(weight));
  add_type("weight_raw", raw_type(weight));
  add_type("bias_t", cpp_type(*h.bias));
  add_type("bias_raw", raw_type(*h.bias));
  add_type("acc_t", cpp_type(*h.accumulator));
  if (h.scale) {
    add("scale_bits", h.scale->width);
    add_type("scale_t", cpp_type(*h.scale));
    add_type("scale_raw", raw_type(*h.scale));
    add_type("sum_t", cpp_type(*h.product_sum));
  }
  add_flag("packed", h.packed);
  if (!h.packed) return;
  add_type("operand_raw",
           fmt::format("{}<{}>", in.type->is_signed ? "ap_int" : "ap_uint", in.type->width));
  const int fraction = in.type->fraction() + h.weight->fraction();
  add_type("product_t",
           fmt::format("ap_fixed<{}, {}>", kPackedDistance, kPackedDistance - fraction));
}

StagePorts stage_ports(const Node& node) {
  StagePorts ports;
  for (size_t i = 0; i < node.inputs.size(); ++i)
    ports.inputs.push_back(i == 0 ? "in" : "skip" + std::to_string(i - 1));
  for (size_t i = 0; i < node.outputs.size(); ++i)
    ports.outputs.push_back(node.outputs.size() == 1 ? "out" : "out" + std::to_string(i));
  return ports;
}

cpp::Call plain_call(const Node& node, const char* function) {
  return {function, {config_name(node)}, {"in", "out"}};
}

void register_printer(const Operation& operation, StagePrinter printer) {
  const bool added = printers().emplace(&operation, std::move(printer)).second;
  TAILOR_CHECK(added, "{} has its printer already", operation.name());
}

const StagePrinter* find_printer(const Operation& operation) {
  const auto found = printers().find(&operation);
  return found == printers().end() ? nullptr : &found->second;
}

const StagePrinter& printer_of(const Node& node) {
  const StagePrinter* printer = find_printer(node.op.rules());
  TAILOR_CHECK(printer, "{} ({}) has no stage", node.name, to_string(node.op));
  return *printer;
}

std::vector<LibraryHeader> own_headers(const Graph& design) {
  std::map<std::string, LibraryHeader> headers;
  for (const Node& node : design.nodes) {
    if (node.traits().port) continue;
    for (const LibraryHeader& header : printer_of(node).headers) headers[header.name] = header;
  }
  std::vector<LibraryHeader> list;
  list.reserve(headers.size());
  for (auto& [name, header] : headers) list.push_back(std::move(header));
  return list;
}

}  // namespace tailor::target
