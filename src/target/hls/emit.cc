#include "target/hls/emit.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/strings.h"
#include "tailor/ir/weights.h"

namespace tailor {
namespace {

using namespace cpp;  // the tree's node types are this file's vocabulary

std::string num(int64_t n) { return std::to_string(n); }
std::string flag(bool b) { return b ? "true" : "false"; }

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
  if (type.width <= 8) return "signed char";
  if (type.width <= 16) return "short";
  if (type.width <= 32) return "int";
  return "long long";
}

bool is_stage(const Node& node) { return node.op != Op::Input && node.op != Op::Output; }
bool has_weights(const Node& node) { return node.op == Op::Conv2d || node.op == Op::Dense; }

Constant constant(const char* name, int64_t value) { return {"int", name, num(value)}; }

class Emitter {
 public:
  explicit Emitter(const Graph& g) : g_(g) {}

  Struct config(const Node& node) const {
    const Value& in = g_.value(node.inputs[0]);
    const Value& out = g_.value(node.outputs[0]);
    Struct s{config_name(node), {}};
    Items& m = s.members;
    auto add = [&](const char* name, int64_t value) { m.push_back(constant(name, value)); };
    auto add_flag = [&](const char* name, bool value) {
      m.push_back(Constant{"bool", name, flag(value)});
    };
    auto add_type = [&](const char* name, const std::string& type) {
      m.push_back(Alias{name, type});
    };
    auto in_out = [&] {
      add("in_bits", in.type->width);
      add("out_bits", out.type->width);
      add_type("in_t", type_name(in));
      add_type("out_t", type_name(out));
      add_type("in_token", token_name(in));
      add_type("out_token", token_name(out));
    };
    auto products = [&](int64_t n_in, int64_t n_out) {
      const NodeHardware& h = node.hardware;
      add("n_in", n_in);
      add("n_out", n_out);
      add("reuse_factor", h.reuse_factor);
      add("multipliers", h.multipliers);
      add("weight_bits", h.weight->width);
      add("bias_bits", h.bias->width);
      add_type("weight_t", cpp_type(*h.weight));
      add_type("weight_raw", raw_type(*h.weight));
      add_type("bias_t", cpp_type(*h.bias));
      add_type("bias_raw", raw_type(*h.bias));
      add_type("acc_t", cpp_type(*h.accumulator));
    };
    auto add_window = [&](const Window& w) {
      add("kernel_height", w.kernel.height);
      add("kernel_width", w.kernel.width);
      add("stride_height", w.stride.height);
      add("stride_width", w.stride.width);
      add("dilation_height", w.dilation.height);
      add("dilation_width", w.dilation.width);
      add("pad_top", w.pads.top);
      add("pad_left", w.pads.left);
    };
    switch (node.op) {
      case Op::Conv2d: {
        const ConvAttributes& a = node.conv();
        add("in_height", in.shape.height);
        add("in_width", in.shape.width);
        add("in_channels", in.shape.channels);
        add("out_height", out.shape.height);
        add("out_width", out.shape.width);
        add("out_channels", out.shape.channels);
        const Pads& pads = a.window.pads;
        add_window(a.window);
        add("scan_height", in.shape.height + std::max(pads.top, pads.bottom));
        add("scan_width", in.shape.width + std::max(pads.left, pads.right));
        add_flag("relu", a.activation == Activation::Relu);
        add("window_skips", static_cast<int64_t>(a.window_skips.size()));
        add_flag("skips_after_activation", a.skip_position == SkipPosition::AfterActivation);
        in_out();
        products(a.window.taps() * in.shape.channels / a.groups, out.shape.channels);
        const Value& skip = node.inputs.size() > 1 ? g_.value(node.inputs[1]) : out;
        add("skip_bits", skip.type->width);
        add_type("skip_t", type_name(skip));
        break;
      }
      case Op::Dense:
        add("pixels", in.shape.pixels());
        add("channels", in.shape.channels);
        in_out();
        products(in.shape.size(), out.shape.channels);
        break;
      case Op::GlobalAvgPool: {
        const FixedType& reciprocal = *node.hardware.reciprocal;
        add("pixels", in.shape.pixels());
        add("channels", in.shape.channels);
        in_out();
        add("reciprocal_bits", reciprocal.width);
        add("reciprocal_raw", quantise(1.0 / static_cast<double>(in.shape.pixels()), reciprocal));
        add_type("reciprocal_t", cpp_type(reciprocal));
        add_type("acc_t", cpp_type(*node.hardware.accumulator));
        break;
      }
      case Op::MaxPool2d: {
        const auto& a = std::get<MaxPoolAttributes>(node.attributes);
        add("in_height", in.shape.height);
        add("in_width", in.shape.width);
        add("channels", in.shape.channels);
        add("out_height", out.shape.height);
        add("out_width", out.shape.width);
        add_window(a.window);
        add("scan_height", in.shape.height + a.window.pads.bottom);
        add("scan_width", in.shape.width + a.window.pads.right);
        add("bits", in.type->width);
        add_type("value_t", type_name(out));
        add_type("in_token", token_name(in));
        add_type("out_token", token_name(out));
        break;
      }
      case Op::Add:
        add("tokens", out.shape.pixels());
        add("channels", out.shape.channels);
        in_out();
        add_type("acc_t", cpp_type(*node.hardware.accumulator));
        break;
      case Op::Relu:
        add("tokens", out.shape.pixels());
        add("channels", out.shape.channels);
        add("bits", out.type->width);
        add_type("value_t", type_name(out));
        add_type("in_token", token_name(in));
        add_type("out_token", token_name(out));
        break;
      case Op::ZeroPad: {
        const auto& a = std::get<ZeroPadAttributes>(node.attributes);
        add("in_height", in.shape.height);
        add("in_width", in.shape.width);
        add("top", a.pads.top);
        add("left", a.pads.left);
        add("bottom", a.pads.bottom);
        add("right", a.pads.right);
        if (a.lowest) {
          add("channels", in.shape.channels);
          add("bits", in.type->width);
          add("lowest_raw", in.type->min_raw());
          add_type("value_t", type_name(in));
        }
        add_type("in_token", token_name(in));
        add_type("out_token", token_name(out));
        break;
      }
      case Op::ShortcutPad: {
        const auto& a = std::get<ShortcutPadAttributes>(node.attributes);
        add("height", in.shape.height);
        add("width", in.shape.width);
        add("stride", a.stride);
        add("in_channels", in.shape.channels);
        add("bits", in.type->width);
        add("channel_offset", a.channel_offset);
        add_type("in_token", token_name(in));
        add_type("out_token", token_name(out));
        break;
      }
      case Op::Clone:
        add("tokens", out.shape.pixels());
        break;
      case Op::Input:
      case Op::Output:
      case Op::BatchNorm:
        fail(ErrorKind::Internal, "{} ({}) has no stage", node.name, to_string(node.op));
    }
    return s;
  }

  /// Names of a stage function's parameters: in, skip0…, out (a clone has out0…).
  std::vector<Parameter> parameters(const Node& node) const {
    std::vector<Parameter> list;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      list.push_back({stream_type(g_.value(node.inputs[i])) + "&",
                      i == 0 ? "in" : "skip" + num(static_cast<int64_t>(i) - 1)});
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      list.push_back({stream_type(g_.value(node.outputs[i])) + "&",
                      node.outputs.size() == 1 ? "out" : "out" + num(static_cast<int64_t>(i))});
    }
    return list;
  }

  Call call(const Node& node) const {
    std::vector<std::string> ins, outs;
    for (const Parameter& p : parameters(node))
      (p.name.compare(0, 3, "out") == 0 ? outs : ins).push_back(p.name);
    std::vector<std::string> skips(ins.begin() + 1, ins.end());
    Call c;
    c.template_arguments = {config_name(node)};
    switch (node.op) {
      case Op::Conv2d:
        c.function = "tailor::conv2d";
        if (node.conv().groups > 1) {
          c.function = "tailor::grouped_conv2d";
          c.template_arguments.push_back(num(node.conv().groups));
        }
        c.arguments = {"in", "out", array_name(node, "weight"), array_name(node, "bias")};
        c.arguments.insert(c.arguments.end(), skips.begin(), skips.end());
        return c;
      case Op::Dense:
        c.function = "tailor::dense";
        c.arguments = {"in", "out", array_name(node, "weight"), array_name(node, "bias")};
        return c;
      case Op::MaxPool2d:
        c.function = "tailor::max_pool2d";
        break;
      case Op::GlobalAvgPool:
        c.function = "tailor::global_average_pool";
        break;
      case Op::Relu:
        c.function = "tailor::relu";
        break;
      case Op::ZeroPad:
        c.function = std::get<ZeroPadAttributes>(node.attributes).lowest ? "tailor::lowest_pad"
                                                                         : "tailor::zero_pad";
        break;
      case Op::ShortcutPad:
        c.function = "tailor::shortcut_pad";
        break;
      case Op::Add:
        c.function = "tailor::add";
        c.arguments = {"out"};
        c.arguments.insert(c.arguments.end(), ins.begin(), ins.end());
        return c;
      case Op::Clone:
        c.function = "tailor::clone";
        c.template_arguments = {config_name(node) + "::tokens"};
        c.arguments = {"in"};
        c.arguments.insert(c.arguments.end(), outs.begin(), outs.end());
        return c;
      case Op::Input:
      case Op::Output:
      case Op::BatchNorm:
        fail(ErrorKind::Internal, "{} ({}) has no stage", node.name, to_string(node.op));
    }
    c.arguments = {"in", "out"};
    return c;
  }

 private:
  const Graph& g_;
};

Items with_banner(const std::string& banner, const std::string& about, Items rest) {
  Items items = {Comment{banner}, Comment{about}};
  items.insert(items.end(), rest.begin(), rest.end());
  return items;
}

std::string guard_name(const std::string& file) {
  std::string name = "TAILOR_PROJECT_";
  for (char c : file) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name + "_H_";
}

}  // namespace

int input_value(const Graph& design) {
  for (const Node& node : design.nodes) {
    if (node.op == Op::Input) return node.outputs[0];
  }
  fail(ErrorKind::Internal, "no input");
}

int output_value(const Graph& design) {
  for (const Node& node : design.nodes) {
    if (node.op == Op::Output) return node.inputs[0];
  }
  fail(ErrorKind::Internal, "no output");
}

int64_t token_bits(const Graph& design, int value) {
  const Value& v = design.value(value);
  const int64_t bits = v.type->width * v.shape.channels;
  return value == input_value(design) || value == output_value(design) ? (bits + 7) / 8 * 8 : bits;
}

std::string emit_defines(const Graph& design, const std::string& banner) {
  Items items = {Include{"ap_fixed.h"}, Include{"ap_int.h"}, Include{"hls_stream.h"}, Blank{}};
  for (size_t id = 0; id < design.values.size(); ++id) {
    const Value& v = design.values[id];
    items.push_back(Comment{fmt::format("{}: {}", v.name, to_string(v.shape))});
    items.push_back(Alias{type_name(v), cpp_type(*v.type)});
    items.push_back(
        Alias{token_name(v), fmt::format("ap_uint<{}>", token_bits(design, static_cast<int>(id)))});
  }
  // The vendor's integers end at 1,024 bits unless asked for more before their header is read.
  int64_t widest = 0;
  for (size_t id = 0; id < design.values.size(); ++id)
    widest = std::max(widest, token_bits(design, static_cast<int>(id)));
  Items guarded;
  if (widest > 1024)
    guarded = {Conditional{"!defined(AP_INT_MAX_W)", {Define{"AP_INT_MAX_W", num(widest)}}, {}}};
  guarded.insert(guarded.end(), items.begin(), items.end());
  return print(with_banner(banner,
                           "Types of every stream: the value's, and the token's (all channels of "
                           "one pixel in one word).",
                           {Guard{guard_name("defines"), guarded}}));
}

std::string emit_parameters(const Graph& design, const std::string& banner) {
  Emitter emitter(design);
  Items items = {Include{"defines.h"}};
  for (const Node& node : design.nodes) {
    if (!is_stage(node)) continue;
    items.push_back(Blank{});
    items.push_back(Comment{fmt::format("{}: {}", node.name, to_string(node.op))});
    items.push_back(emitter.config(node));
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
    parsed.push_back(Array{raw_type(*node.hardware.weight), array_name(node, "weight"),
                           design.tensor(node, "weight").size()});
    parsed.push_back(Array{raw_type(*node.hardware.bias), array_name(node, "bias"),
                           design.value(node.outputs[0]).shape.channels});
    for (const char* part : {"weight", "bias"}) {
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

void emit_weight_files(const Graph& design, const std::string& banner,
                       const std::function<void(const WeightFile&)>& use) {
  for (const Node& node : design.nodes) {
    if (!has_weights(node)) continue;
    const Shape& shape = design.tensor(node, "weight").shape();
    const NodeHardware& h = node.hardware;
    std::string order = node.op == Op::Conv2d ? fmt::format("[out {}][ky {}][kx {}][in {}]",
                                                            shape[0], shape[2], shape[3], shape[1])
                                              : fmt::format("[out {}][in {}]", shape[0], shape[1]);
    Items items;  // one by one: a list of them would copy the tables
    items.push_back(Comment{banner});
    items.push_back(
        Comment{fmt::format("{}: raw integers of {} (value = raw / 2^{}), order {}", node.name,
                            to_string(*h.weight), h.weight->fraction(), order)});
    items.push_back(
        Table{raw_type(*h.weight), array_name(node, "weight"), quantised_weights(design, node)});
    items.push_back(Comment{fmt::format("raw integers of {} (value = raw / 2^{})",
                                        to_string(*h.bias), h.bias->fraction())});
    items.push_back(
        Table{raw_type(*h.bias), array_name(node, "bias"), quantised_bias(design, node)});
    use({node.identifier + ".h", print(items)});
  }
}

std::string emit_top_header(const Graph& design, const std::string& top,
                            const std::string& banner) {
  const Value& in = design.value(input_value(design));
  const Value& out = design.value(output_value(design));
  Function declaration{
      "void", top,  {{stream_type(in) + "&", "in"}, {stream_type(out) + "&", "out"}},
      {},     true, false};
  return print(with_banner(banner,
                           fmt::format("The top function: {} tokens in ({}), {} token out.",
                                       in.shape.pixels(), to_string(in.shape), out.shape.pixels()),
                           {Guard{guard_name(top), {Include{"defines.h"}, Blank{}, declaration}}}));
}

std::string emit_top_source(const Graph& design, const std::string& top,
                            const std::string& banner) {
  Emitter emitter(design);
  const int first = input_value(design), last = output_value(design);
  auto stream_name = [&](int id) {
    return id == first  ? std::string("in")
           : id == last ? std::string("out")
                        : design.value(id).identifier;
  };
  Items items = {
      Include{top + ".h"},        Include{"parameters.h"},     Include{"weights.h"},
      Include{"tailor/conv2d.h"}, Include{"tailor/dense.h"},   Include{"tailor/host.h"},
      Include{"tailor/pool.h"},   Include{"tailor/profile.h"}, Include{"tailor/stream_ops.h"}};
  for (const Node& node : design.nodes) {
    if (!is_stage(node)) continue;
    items.push_back(Blank{});
    items.push_back(Function{"void",
                             node.identifier,
                             emitter.parameters(node),
                             {Macro{"TAILOR_STAGE", {}}, emitter.call(node)},
                             false,
                             true});
  }
  Items body = {Macro{"TAILOR_AXI_STREAM", {"in", num(design.value(first).shape.pixels())}},
                Macro{"TAILOR_AXI_STREAM", {"out", num(design.value(last).shape.pixels())}},
                Macro{"TAILOR_DATAFLOW", {}},
                Conditional{"!defined(TAILOR_COMPILE_WEIGHTS)",
                            {Statement{"static const bool loaded = load_all_weights();"},
                             Statement{"(void)loaded;"}},
                            {}}};
  for (size_t id = 0; id < design.values.size(); ++id) {
    if (static_cast<int>(id) == first || static_cast<int>(id) == last) continue;
    const Value& v = design.values[id];
    body.push_back(Variable{stream_type(v), v.identifier, "\"" + v.identifier + "\""});
    body.push_back(
        Macro{"TAILOR_FIFO", {v.identifier, num(v.fifo_depth), to_string(v.fifo_storage)}});
  }
  body.push_back(Blank{});
  for (const Node& node : design.nodes) {
    if (!is_stage(node)) continue;
    Call c{node.identifier, {}, {}};
    for (int id : node.inputs) c.arguments.push_back(stream_name(id));
    for (int id : node.outputs) c.arguments.push_back(stream_name(id));
    body.push_back(c);
    for (int id : node.outputs) {
      const Value& v = design.value(id);
      body.push_back(Macro{"TAILOR_TAP",
                           {"\"" + v.identifier + "\"", stream_name(id), num(v.shape.channels),
                            num(v.type->width), type_name(v)}});
    }
  }
  const Value& in = design.value(first);
  const Value& out = design.value(last);
  items.push_back(Blank{});
  items.push_back(Function{"void",
                           top,
                           {{stream_type(in) + "&", "in"}, {stream_type(out) + "&", "out"}},
                           body,
                           false,
                           false});
  return print(with_banner(
      banner,
      fmt::format("{}: every stage is a plain function over streams; all of them run at once.",
                  design.name),
      items));
}

std::string emit_test_bench_header(const Graph& design, const std::string& top,
                                   const std::string& banner) {
  const Value& in = design.value(input_value(design));
  const Value& out = design.value(output_value(design));
  Items items = {Include{"firmware/" + top + ".h"},
                 Blank{},
                 Define{"TAILOR_TOP", top},
                 Alias{"input_t", type_name(in)},
                 Alias{"input_token", token_name(in)},
                 Alias{"output_token", token_name(out)},
                 Define{"TAILOR_INPUT_PIXELS", num(in.shape.pixels())},
                 Define{"TAILOR_INPUT_CHANNELS", num(in.shape.channels)},
                 Define{"TAILOR_INPUT_BITS", num(in.type->width)},
                 Define{"TAILOR_OUTPUTS", num(out.shape.channels)},
                 Define{"TAILOR_OUTPUT_BITS", num(out.type->width)},
                 Define{"TAILOR_OUTPUT_FRACTION", num(out.type->fraction())}};
  return print(with_banner(banner, "What the test bench needs to know of this project.",
                           {Guard{guard_name("test_bench"), items}}));
}

}  // namespace tailor
