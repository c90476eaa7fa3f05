#include "tailor/ir/operation.h"

#include <algorithm>
#include <map>

#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

constexpr int kMaxAccumulator = 62;

std::map<std::string, const Operation*>& registry() {
  static std::map<std::string, const Operation*> all;
  return all;
}

}  // namespace

void register_operation(const Operation& operation) {
  const bool added = registry().emplace(operation.name(), &operation).second;
  TAILOR_CHECK(added, "two operations are named {}", operation.name());
}

const Operation* find_operation(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : found->second;
}

std::vector<const Operation*> operations() {
  std::vector<const Operation*> all;
  for (const auto& [name, operation] : registry()) all.push_back(operation);
  return all;
}

const char* to_string(const Op& op) { return op.rules().name(); }

void Op::fail_as(const Operation& wanted) const {
  fail(ErrorKind::Internal, "the attributes of a {} were asked of a {}", wanted.name(),
       rules_->name());
}

std::vector<OwnedTensor> Operation::tensors(const Graph& /*graph*/, const Node& /*node*/) const {
  return {};
}

std::vector<int> Operation::fold_groups(const Graph& /*graph*/, const Node& node) const {
  return std::vector<int>(node.inputs.size() + node.outputs.size(), kWhole);
}

void Operation::print_onnx(OnnxPrinter& /*printer*/, const Node& node) const {
  fail(ErrorKind::Unsupported,
       "{}: an operation {} has no form in ONNX; write one (Operation::print_onnx)", node.name,
       traits_.name);
}

FixedType Operation::types(const Graph& graph, Node& node, const TypeRequest& /*request*/) const {
  TAILOR_CHECK(traits_.keeps_type, "{} ({}) has no rule for its types", node.name, traits_.name);
  return *graph.value(node.inputs[0]).type;
}

void describe_window(Window& w, AttributeVisitor& visitor) {
  visitor.field("kernel", w.kernel,
                "Taps of the window: k × l, each 1 to 2^20; an integer says both.");
  visitor.field("stride", w.stride, "From one window to the next: s × t, each 1 to 2^20.");
  visitor.optional("dilation", w.dilation, Size2{},
                   "From one tap to the next: d × e, each 1 to 2^20.");
  visitor.field("pads", w.pads, "Pixels that stand around x, each 0 to 2^20.");
}

StageLoop pixel_loop(const MapShape& map) {
  StageLoop loop;
  loop.scan = {map.height, map.width};
  loop.reads.count = loop.emits.count = loop.scan;
  return loop;
}

StageLoop token_loop(const Value& value) {
  StageLoop loop;
  loop.scan = {value.shape.height, value.shape.width * value.fold};
  loop.reads.count = loop.emits.count = loop.scan;
  return loop;
}

void need(bool ok, const Node& node, const std::string& what) {
  if (!ok) fail(ErrorKind::Data, "graph: {} ({}): {}", node.name, to_string(node.op), what);
}

void need_window(const Window& window, const Node& node) {
  need(is_window(window), node,
       fmt::format("kernel, stride and dilation must be 1..{}, pads 0..{}", kMaxMapSide,
                   kMaxMapSide));
}

OnnxPrinter::Attributes window_attributes(const Window& w) {
  return {{"kernel_shape", std::vector<int64_t>{w.kernel.height, w.kernel.width}},
          {"strides", std::vector<int64_t>{w.stride.height, w.stride.width}},
          {"dilations", std::vector<int64_t>{w.dilation.height, w.dilation.width}},
          {"pads", std::vector<int64_t>{w.pads.top, w.pads.left, w.pads.bottom, w.pads.right}}};
}

std::string kernel_text(const Window& window) {
  const Size2& k = window.kernel;
  return k.height == k.width ? std::to_string(k.height) : fmt::format("{}x{}", k.height, k.width);
}

int64_t waiting_tokens(const Window& window) {
  const Size2 extent = window.extent();
  return std::max(window.kernel.height * extent.width, extent.height);
}

MapShape window_map(const Window& window, const MapShape& x, int64_t channels, const Node& node) {
  const Size2 places = count_windows(window, x);
  need(places.height > 0, node,
       fmt::format("a kernel of {} does not fit on {}", kernel_text(window), to_string(x)));
  return {channels, places.height, places.width};
}

Places complete_windows(const Window& window, const MapShape& out) {
  const Size2 extent = window.extent();
  return {{extent.height - 1 - window.pads.top, extent.width - 1 - window.pads.left},
          window.stride,
          {out.height, out.width}};
}

Places last_step(const Size2& scan) { return {{scan.height - 1, scan.width - 1}, {1, 1}, {1, 1}}; }

void own_scales(const Graph& graph, const Node& node, int64_t outputs,
                std::vector<OwnedTensor>& owned) {
  if (node.hardware.scale) owned.push_back({"scale", {outputs}});
  if (graph.has_tensor(node, "step")) owned.push_back({"step", {outputs}});
}

int ceil_log2(int64_t n) {
  int bits = 0;
  while ((int64_t{1} << bits) < n) ++bits;
  return bits;
}

void need_bits(const FixedType& type, const Node& node, const FixedType& model) {
  if (type.width > kMaxAccumulator) {
    fail(ErrorKind::Unsupported,
         "--precision {},{}: {} would need an accumulator of {} bits, at most {} are supported; "
         "ask for fewer bits",
         model.width, model.integer, node.name, type.width, kMaxAccumulator);
  }
  if (type.fraction() > kMaxAccumulator || type.fraction() < 0) {
    fail(ErrorKind::Unsupported,
         "--precision {},{}: {} would sum with {} bits behind the point, 0 to {} are supported; "
         "ask for a point nearer to the bits",
         model.width, model.integer, node.name, type.fraction(), kMaxAccumulator);
  }
}

FixedType exact_accumulator(FixedType type, const Node& node, const FixedType& model) {
  type.rounding = Rounding::Trn;
  type.overflow = Overflow::Wrap;
  need_bits(type, node, model);
  return type;
}

int signed_integer(const FixedType& type) { return type.integer + (type.is_signed ? 0 : 1); }

FixedType product_sum_types(const Graph& graph, Node& node, const TypeRequest& request,
                            int64_t products, int64_t added) {
  const FixedType& model = request.model;
  const int carry = ceil_log2(2 + added);  // the product sum, the bias, and what is added
  FixedType sum = accumulator_type(*graph.value(node.inputs[0]).type, request.weight, products);
  sum.rounding = model.rounding;
  sum.overflow = model.overflow;
  if (const std::optional<FixedType>& scale = node.hardware.scale) {
    node.hardware.product_sum = exact_accumulator(sum, node, model);
    sum.width += scale->width, sum.integer += scale->integer;
  }
  FixedType accumulator = sum;
  accumulator.integer += carry;
  accumulator.width += carry;
  int fraction = 0;
  for (size_t s = 1; s < node.inputs.size(); ++s)
    fraction = std::max(fraction, graph.value(node.inputs[s]).type->fraction());
  accumulator.width += std::max(0, fraction - sum.fraction());
  // A skip, the one of the window too, may be wider than the product sum.
  for (size_t s = added > 0 ? 0 : 1; s < node.inputs.size(); ++s) {
    const FixedType& skip = *graph.value(node.inputs[s]).type;
    const int needed = signed_integer(skip) + carry - accumulator.integer;
    if (needed > 0) accumulator.integer += needed, accumulator.width += needed;
  }
  node.hardware.weight = request.weight;
  node.hardware.bias = sum;
  node.hardware.accumulator = exact_accumulator(accumulator, node, model);
  return request.logits ? *node.hardware.accumulator : model;
}

}  // namespace tailor::ir
