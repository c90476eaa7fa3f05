#include "target/hls/emit.h"

#include <algorithm>

#include "tailor/core/strings.h"
#include "tailor/ir/line_buffer.h"
#include "tailor/ir/weights.h"
#include "target/hls/printer.h"

namespace tailor::target {
namespace {

using namespace cpp;  // the tree's node types are this file's vocabulary

std::string num(int64_t n) { return std::to_string(n); }
bool is_stage(const Node& node) { return !node.traits().port; }
bool has_weights(const Node& node) { return node.traits().has_weights; }

Struct stage_config(const Graph& design, const Node& node) {
  StageConfig config(design, node);
  printer_of(node).config(config);
  return {config_name(node), std::move(config.members)};
}

std::vector<Parameter> stage_parameters(const Graph& design, const Node& node) {
  const StagePorts ports = stage_ports(node);
  std::vector<Parameter> list;
  for (size_t i = 0; i < node.inputs.size(); ++i)
    list.push_back({stream_type(design.value(node.inputs[i])) + "&", ports.inputs[i]});
  for (size_t i = 0; i < node.outputs.size(); ++i)
    list.push_back({stream_type(design.value(node.outputs[i])) + "&", ports.outputs[i]});
  return list;
}

Items stage_body(const Graph& design, const Node& node) {
  const StagePrinter& printer = printer_of(node);
  Items body = {Macro{"TAILOR_STAGE", {}}};
  if (const FifoStorage rom = node.hardware.weight_storage; rom != FifoStorage::Auto)
    body.push_back(Macro{"TAILOR_WEIGHTS", {array_name(node, "weight"), to_string(rom)}});
  if (printer.locals) {
    for (Item& item : printer.locals(design, node)) body.push_back(std::move(item));
  }
  body.push_back(printer.call(node));
  return body;
}

Items with_banner(const std::string& banner, const std::string& about, Items rest) {
  Items items = {Comment{banner}, Comment{about}};
  items.insert(items.end(), rest.begin(), rest.end());
  return items;
}

/// Elements of a row of a node's tables, which are [multiplier][cycle], as the stage reads them; of
/// frames [word][multiplier], and biases [word][output].
struct WeightRows {
  int64_t weight, bias = 0;
};
WeightRows weight_rows(const Graph& design, const Node& node) {
  const NodeHardware& h = node.hardware;
  if (!has_line_buffer(node)) return {h.reuse_factor};
  return {h.multipliers, line_parallelism(design, node, h.reuse_factor).outputs};
}

std::string guard_name(const std::string& file) {
  std::string name = "TAILOR_PROJECT_";
  for (char c : file) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name + "_H_";
}

}  // namespace

int64_t token_bits(const Graph& design, ValueId value) {
  const Value& v = design.value(value);
  const int64_t bits = v.token_bits();
  return value == design.input() || value == design.output() ? (bits + 7) / 8 * 8 : bits;
}

std::string emit_defines(const Graph& design, const std::string& banner) {
  Items items = {Include{"ap_fixed.h"}, Include{"ap_int.h"}, Include{"hls_stream.h"}, Blank{}};
  for (ValueId id : design.value_ids()) {
    const Value& v = design.value(id);
    std::string about = fmt::format("{}: {}", v.name, to_string(v.shape));
    if (v.fold > 1) about += fmt::format(", {} tokens a frame", v.fold);
    items.push_back(Comment{about});
    items.push_back(Alias{type_name(v), cpp_type(*v.type)});
    items.push_back(Alias{token_name(v), fmt::format("ap_uint<{}>", token_bits(design, id))});
  }
  // The vendor's integers end at 1,024 bits unless asked for more before their header is read.
  int64_t widest = 0;
  for (ValueId id : design.value_ids()) widest = std::max(widest, token_bits(design, id));
  for (const Node& node : design.nodes) {
    if (has_line_buffer(node))
      widest = std::max(widest, line_memory(design, node, node.hardware.reuse_factor).word_bits);
  }
  Items guarded;
  if (widest > 1024)
    guarded = {Conditional{"!defined(AP_INT_MAX_W)", {Define{"AP_INT_MAX_W", num(widest)}}, {}}};
  guarded.insert(guarded.end(), items.begin(), items.end());
  return print(
      with_banner(banner,
                  has_line_buffers(design)
                      ? "Types of every stream: the value's, and the token's (channels of "
                        "one frame in one word, or in several)."
                      : "Types of every stream: the value's, and the token's (all channels "
                        "of one pixel in one word).",
                  {Guard{guard_name("defines"), guarded}}));
}

std::string emit_parameters(const Graph& design, const std::string& banner) {
  Items items = {Include{"defines.h"}, Include{"tailor/tokens.h"}};
  for (const Node& node : design.nodes) {
    if (!is_stage(node)) continue;
    items.push_back(Blank{});
    items.push_back(Comment{fmt::format("{}: {}", node.name, to_string(node.op))});
    items.push_back(stage_config(design, node));
  }
  return print(with_banner(banner, "What each stage's template is instantiated with.",
                           {Guard{guard_name("parameters"), items}}));
}

std::string emit_weights_header(const Graph& design, const std::string& banner) {
  Items included, parsed = {Include{"tailor/host.h"}}, loads;
  for (const Node& node : design.nodes) {
    if (!has_weights(node)) continue;
    const std::string file = node.identifier + ".h";
    included.push_back(Include{"weights/" + file});
    const WeightRows rows = weight_rows(design, node);
    const int64_t outputs = design.value(node.outputs[0]).shape.channels;
    parsed.push_back(Array{raw_type(stored_weight(node)), array_name(node, "weight"),
                           design.tensor(node, "weight").size(), rows.weight});
    parsed.push_back(
        Array{raw_type(*node.hardware.bias), array_name(node, "bias"), outputs, rows.bias});
    std::vector<const char*> parts = {"weight", "bias"};
    if (node.hardware.scale) {
      parts.push_back("scale");
      parsed.push_back(
          Array{raw_type(*node.hardware.scale), array_name(node, "scale"), outputs, rows.bias});
    }
    for (const char* part : parts) {
      loads.push_back(
          Call{"tailor::load_weights",
               {},
               {"\"" + file + "\"", "\"" + array_name(node, part) + "\"", array_name(node, part)}});
    }
  }
  loads.push_back(Statement{"return true;"});
  parsed.push_back(Function{"bool", "load_all_weights", {}, loads, false, true});
  return print(
      with_banner(banner,
                  "Weights exist once, in weights/: compiled in for synthesis, parsed from the "
                  "same files otherwise.",
                  {Guard{guard_name("weights"),
                         {Include{"tailor/profile.h"}, Blank{},
                          Conditional{"defined(TAILOR_COMPILE_WEIGHTS)", included, parsed}}}}));
}

static std::vector<int64_t> in_order(const std::vector<int64_t>& values,
                                     const std::vector<int64_t>& order) {
  std::vector<int64_t> sorted;
  sorted.reserve(order.size());
  for (int64_t i : order) sorted.push_back(values[static_cast<size_t>(i)]);
  return sorted;
}

void emit_weight_files(const Graph& design, const std::string& banner,
                       const std::function<void(const WeightFile&)>& use) {
  for (const Node& node : design.nodes) {
    if (!has_weights(node)) continue;
    const Shape& shape = design.tensor(node, "weight").shape();
    const NodeHardware& h = node.hardware;
    std::string order = shape.size() == 4 ? fmt::format("[out {}][ky {}][kx {}][in {}]", shape[0],
                                                        shape[2], shape[3], shape[1])
                                          : fmt::format("[out {}][in {}]", shape[0], shape[1]);
    order += fmt::format(", in rows of {}, one for each multiplier", h.reuse_factor);
    std::vector<int64_t> weights = quantised_weights(design, node);
    if (has_line_buffer(node)) {
      weights = in_order(weights, line_weight_order(design, node, h.reuse_factor));
      order = fmt::format("as the stage reads them: a word of {} a cycle", h.multipliers);
    }
    Items items;  // one by one: a list of them would copy the tables
    items.push_back(Comment{banner});
    items.push_back(
        Comment{fmt::format("{}: raw integers of {} (value = raw / 2^{}), order {}", node.name,
                            to_string(stored_weight(node)), h.weight->fraction(), order)});
    const WeightRows rows = weight_rows(design, node);
    items.push_back(Table{raw_type(stored_weight(node)), array_name(node, "weight"),
                          std::move(weights), rows.weight});
    items.push_back(Comment{fmt::format("raw integers of {} (value = raw / 2^{})",
                                        to_string(*h.bias), h.bias->fraction())});
    items.push_back(Table{raw_type(*h.bias), array_name(node, "bias"), quantised_bias(design, node),
                          rows.bias});
    if (h.scale) {
      items.push_back(
          Comment{fmt::format("of each output channel, raw integers of {} (value = raw "
                              "/ 2^{})",
                              to_string(*h.scale), h.scale->fraction())});
      items.push_back(Table{raw_type(*h.scale), array_name(node, "scale"),
                            quantised_scales(design, node), rows.bias});
    }
    use({node.identifier + ".h", print(items)});
  }
}

std::string emit_top_header(const Graph& design, const std::string& top,
                            const std::string& banner) {
  const Value& in = design.value(design.input());
  const Value& out = design.value(design.output());
  Function declaration{
      "void", top,  {{stream_type(in) + "&", "in"}, {stream_type(out) + "&", "out"}},
      {},     true, false};
  return print(with_banner(banner,
                           fmt::format("The top function: {} tokens in ({}), {} token out.",
                                       in.tokens(), to_string(in.shape), out.tokens()),
                           {Guard{guard_name(top), {Include{"defines.h"}, Blank{}, declaration}}}));
}

/// The streams, and a call of every stage.
static Items top_body(const Graph& design, bool ports) {
  const ValueId first = design.input(), last = design.output();
  auto stream_name = [&](ValueId id) {
    return id == first  ? std::string("in")
           : id == last ? std::string("out")
                        : design.value(id).identifier;
  };
  Items body;
  if (ports) {
    body = {Macro{"TAILOR_AXI_STREAM", {"in", num(design.value(first).tokens())}},
            Macro{"TAILOR_AXI_STREAM", {"out", num(design.value(last).tokens())}}};
  }
  body.push_back(Macro{"TAILOR_DATAFLOW", {}});
  body.push_back(Conditional{
      "!defined(TAILOR_COMPILE_WEIGHTS)",
      {Statement{"static const bool loaded = load_all_weights();"}, Statement{"(void)loaded;"}},
      {}});
  for (ValueId id : design.value_ids()) {
    if (id == first || id == last) continue;
    const Value& v = design.value(id);
    body.push_back(Variable{stream_type(v), v.identifier, "\"" + v.identifier + "\""});
    body.push_back(
        Macro{"TAILOR_FIFO", {v.identifier, num(v.fifo_depth), to_string(v.fifo_storage)}});
  }
  body.push_back(Blank{});
  for (const Node& node : design.nodes) {
    if (!is_stage(node)) continue;
    Call c{node.identifier, {}, {}};
    for (ValueId id : node.inputs) c.arguments.push_back(stream_name(id));
    for (ValueId id : node.outputs) c.arguments.push_back(stream_name(id));
    body.push_back(c);
    body.push_back(Macro{"TAILOR_ITERATIONS", {"\"" + node.identifier + "\"", config_name(node)}});
    for (ValueId id : node.outputs) {
      const Value& v = design.value(id);
      body.push_back(Macro{"TAILOR_TAP",
                           {"\"" + v.identifier + "\"", stream_name(id), num(v.token_channels()),
                            num(v.type->width), type_name(v)}});
    }
  }
  return body;
}

std::string emit_top_source(const Graph& design, const std::string& top, const std::string& banner,
                            bool ports) {
  Items items = {
      Include{top + ".h"},        Include{"parameters.h"},     Include{"weights.h"},
      Include{"tailor/conv2d.h"}, Include{"tailor/dense.h"},   Include{"tailor/host.h"},
      Include{"tailor/pool.h"},   Include{"tailor/profile.h"}, Include{"tailor/stream_ops.h"}};
  if (has_line_buffers(design)) items.push_back(Include{"tailor/conv1d.h"});
  for (const LibraryHeader& header : own_headers(design)) items.push_back(Include{header.name});
  for (const Node& node : design.nodes) {
    if (!is_stage(node)) continue;
    items.push_back(Blank{});
    items.push_back(Function{"void", node.identifier, stage_parameters(design, node),
                             stage_body(design, node), false, true});
  }
  const Value& in = design.value(design.input());
  const Value& out = design.value(design.output());
  items.push_back(Blank{});
  items.push_back(Function{"void",
                           top,
                           {{stream_type(in) + "&", "in"}, {stream_type(out) + "&", "out"}},
                           top_body(design, ports),
                           false,
                           false});
  return print(with_banner(
      banner,
      fmt::format("{}: every stage is a plain function over streams; all of them run at once.",
                  design.name),
      items));
}

std::string emit_test_bench_header(const Graph& design, const std::string& top,
                                   const std::string& banner,
                                   const std::optional<KernelMemory>& kernel) {
  const Value& in = design.value(design.input());
  const Value& out = design.value(design.output());
  Items items = {Include{"firmware/" + top + (kernel ? "_kernel.h" : ".h")},
                 Blank{},
                 Define{"TAILOR_TOP", top},
                 Alias{"input_t", type_name(in)},
                 Alias{"input_token", token_name(in)},
                 Alias{"output_token", token_name(out)},
                 Define{"TAILOR_INPUT_PIXELS", num(in.tokens())},
                 Define{"TAILOR_INPUT_CHANNELS", num(in.token_channels())},
                 Define{"TAILOR_INPUT_BITS", num(in.type->width)},
                 Define{"TAILOR_OUTPUT_PIXELS", num(out.tokens())},
                 Define{"TAILOR_OUTPUT_CHANNELS", num(out.token_channels())},
                 Define{"TAILOR_OUTPUT_BITS", num(out.type->width)},
                 Define{"TAILOR_OUTPUT_FRACTION", num(out.type->fraction())}};
  if (kernel) {
    items.push_back(Define{"TAILOR_KERNEL", top + "_kernel"});
    items.push_back(Define{"TAILOR_INPUT_DEPTH", num(kernel->input_beats * kernel->images)});
    items.push_back(Define{"TAILOR_OUTPUT_DEPTH", num(kernel->output_beats * kernel->images)});
  }
  return print(with_banner(banner, "What the test bench needs to know of this project.",
                           {Guard{guard_name("test_bench"), items}}));
}

}  // namespace tailor::target
