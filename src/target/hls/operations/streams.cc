// What moves tokens and computes little (library: stream_ops.h).
#include "target/hls/printer.h"

namespace tailor::target {
namespace {

void add_config(StageConfig& c) {
  c.add("tokens", c.out.tokens());
  c.add("channels", c.out.token_channels());
  c.add("out_bits", c.out.type->width);
  c.add_type("out_t", type_name(c.out));
  c.add_tokens();
  c.add_operand_types("in_types", 0);
  c.add_type("acc_t", cpp_type(*c.node.hardware.accumulator));
}

cpp::Call add_call(const Node& node) {
  cpp::Call call{"tailor::add", {config_name(node)}, stage_ports(node).inputs};
  call.arguments.insert(call.arguments.begin(), "out");
  return call;
}

void relu_config(StageConfig& c) {
  c.add("tokens", c.out.tokens());
  c.add("channels", c.out.token_channels());
  c.add_value();
}

void zero_pad_config(StageConfig& c) {
  const auto& a = c.node.as<ops::ZeroPad>();
  c.add("in_height", c.in.shape.height);
  c.add("in_width", c.in.shape.width * c.in.fold);  // in tokens, like the pads beside it
  c.add("top", a.pads.top);
  c.add("left", a.pads.left * c.in.fold);
  c.add("bottom", a.pads.bottom);
  c.add("right", a.pads.right * c.in.fold);
  if (a.lowest) {
    c.add("channels", c.in.token_channels());
    c.add("bits", c.in.type->width);
    c.add("lowest_raw", c.in.type->min_raw());
    c.add_type("value_t", type_name(c.in));
  }
  c.add_tokens();
}

cpp::Call zero_pad_call(const Node& node) {
  return plain_call(node,
                    node.as<ops::ZeroPad>().lowest ? "tailor::lowest_pad" : "tailor::zero_pad");
}

void shortcut_config(StageConfig& c) {
  const auto& a = c.node.as<ops::ShortcutPad>();
  c.add("height", c.in.shape.height);
  c.add("width", c.in.shape.width);
  c.add("out_height", c.out.shape.height);
  c.add("out_width", c.out.shape.width);
  c.add("stride_height", a.stride.height);
  c.add("stride_width", a.stride.width);
  c.add("in_channels", c.in.shape.channels);
  c.add("bits", c.in.type->width);
  c.add("channel_offset", a.channel_offset);
  c.add_tokens();
}

void clone_config(StageConfig& c) { c.add("tokens", c.out.tokens()); }

cpp::Call clone_call(const Node& node) {
  cpp::Call call{"tailor::clone", {config_name(node)}, stage_ports(node).outputs};
  call.arguments.insert(call.arguments.begin(), "in");
  return call;
}

const RegisterPrinter<ops::Add> kAddPrinter({add_config, add_call, {}});
const RegisterPrinter<ops::Relu> kReluPrinter(
    {relu_config, [](const Node& node) { return plain_call(node, "tailor::relu"); }, {}});
const RegisterPrinter<ops::ZeroPad> kZeroPadPrinter({zero_pad_config, zero_pad_call, {}});
const RegisterPrinter<ops::ShortcutPad> kShortcutPrinter({shortcut_config,
                                                          [](const Node& node) {
                                                            return plain_call(
                                                                node, "tailor::shortcut_pad");
                                                          },
                                                          {}});
const RegisterPrinter<ops::Clone> kClonePrinter({clone_config, clone_call, {}});

}  // namespace
}  // namespace tailor::target
