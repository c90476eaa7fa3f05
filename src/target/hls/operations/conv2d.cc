// Convolution and the dense layer (library: conv2d.h, conv1d.h, dense.h).
#include <algorithm>

#include "tailor/ir/line_buffer.h"
#include "target/hls/printer.h"

namespace tailor::target {
namespace {

/// What is added behind the sums, and the cast.
void sum_config(StageConfig& c) {
  const auto& a = c.node.as<ops::Conv2d>();
  c.add_flag("relu", a.relu);
  c.add("window_skips", static_cast<int64_t>(a.window_skips.size()));
  c.add_flag("skips_after_activation", a.skips_after_activation);
  const bool hands_on = c.node.outputs.size() > 1;
  c.add_flag("hands_on", hands_on);
  c.add_streams();
  c.add_type("centre_token", token_name(hands_on ? c.graph.value(c.node.outputs[1]) : c.in));
  c.add_products();
  c.add_operand_types("skip_types", 1);
}

void line_config(StageConfig& c) {
  const Window& w = c.node.as<ops::Conv2d>().window;
  const int64_t factor = c.node.hardware.reuse_factor;
  const LineParallelism p = line_parallelism(c.graph, c.node, factor);
  const LineMemory memory = line_memory(c.graph, c.node, factor);
  c.add("in_frames", c.in.shape.width);
  c.add("out_frames", c.out.shape.width);
  c.add("scan_frames", c.loop.scan.height);
  c.add("before", c.loop.emits.first.height);
  c.add("kernel", w.kernel.width);
  c.add("stride", w.stride.width);
  c.add("dilation", w.dilation.width);
  c.add("in_fold", c.in.fold);
  c.add("in_channels", c.in.token_channels());
  c.add("out_fold", c.out.fold);
  c.add("out_channels", c.out.token_channels());
  c.add("lanes", p.lanes);
  c.add("elements", p.elements);
  c.add("outputs", p.outputs);
  c.add("steps", factor / c.out.fold);
  c.add("words", factor);
  c.add("line_frames", memory.frames);
  c.add("centre", has_centre_tap(w) ? centre_tap(w) : 0);
  sum_config(c);
  c.add_type("line_word", fmt::format("ap_uint<{}>", memory.word_bits));
  c.add_type("line_token", fmt::format("ap_uint<{}>", c.in.token_bits()));
}

/// The line buffer, in whose place a template cannot say where it lies.
cpp::Items line_locals(const Graph& design, const Node& node) {
  if (!has_line_buffer(node)) return {};
  const LineMemory memory = line_memory(design, node, node.hardware.reuse_factor);
  return {
      cpp::Array{config_name(node) + "::line_word", "line", memory.words},
      cpp::Macro{"TAILOR_MEMORY",
                 {"line", to_string(node.hardware.line_storage), std::to_string(memory.distance)}}};
}

void conv2d_config(StageConfig& c) {
  const auto& a = c.node.as<ops::Conv2d>();
  if (a.line_buffer) {
    line_config(c);
    return;
  }
  c.add("in_height", c.in.shape.height);
  c.add("in_width", c.in.shape.width);
  c.add("in_channels", c.in.shape.channels);
  c.add("out_height", c.out.shape.height);
  c.add("out_width", c.out.shape.width);
  c.add("out_channels", c.out.shape.channels);
  c.add_window(a.window);
  c.add_scan();
  sum_config(c);
}

cpp::Call weighted_call(const Node& node, const char* function) {
  return {function,
          {config_name(node)},
          {"in", "out", array_name(node, "weight"), array_name(node, "bias")}};
}

/// Where output channels have scales: the function that takes them, behind the biases.
cpp::Call with_scales(const Node& node, cpp::Call call) {
  if (!node.hardware.scale) return call;
  const std::string room = "tailor::", grouped = room + "grouped_";
  const bool is_grouped = call.function.compare(0, grouped.size(), grouped) == 0;
  call.function =
      room + "scaled_" + call.function.substr(is_grouped ? grouped.size() : room.size());
  const auto bias =
      std::find(call.arguments.begin(), call.arguments.end(), array_name(node, "bias"));
  call.arguments.insert(std::next(bias), array_name(node, "scale"));
  return call;
}

cpp::Call line_call(const Node& node) {
  const StagePorts ports = stage_ports(node);
  const bool depthwise = node.as<ops::Conv2d>().groups > 1;
  cpp::Call call{
      depthwise ? "tailor::depthwise_conv1d" : "tailor::conv1d", {config_name(node)}, {}};
  call.arguments.emplace_back("in");
  call.arguments.insert(call.arguments.end(), ports.outputs.begin(), ports.outputs.end());
  if (ports.outputs.size() > 1) call.function = "tailor::forwarding_conv1d";
  for (const std::string& name :
       {std::string("line"), array_name(node, "weight"), array_name(node, "bias")})
    call.arguments.push_back(name);
  call.arguments.insert(call.arguments.end(), ports.inputs.begin() + 1, ports.inputs.end());
  return with_scales(node, std::move(call));
}

cpp::Call conv2d_call(const Node& node) {
  if (has_line_buffer(node)) return line_call(node);
  const int64_t groups = node.as<ops::Conv2d>().groups;
  const StagePorts ports = stage_ports(node);
  const bool hands_on = ports.outputs.size() > 1;
  cpp::Call call = weighted_call(node, groups > 1 ? "tailor::grouped_conv2d" : "tailor::conv2d");
  if (hands_on) {
    call.function = "tailor::forwarding_conv2d";
    call.arguments[1] = ports.outputs[0];
    call.arguments.insert(call.arguments.begin() + 2, ports.outputs[1]);
  }
  if (groups > 1 || hands_on || node.hardware.scale)
    call.template_arguments.push_back(std::to_string(groups));
  const std::vector<std::string>& inputs = ports.inputs;
  call.arguments.insert(call.arguments.end(), inputs.begin() + 1, inputs.end());
  return with_scales(node, std::move(call));
}

void dense_config(StageConfig& c) {
  c.add("pixels", c.in.shape.pixels());
  c.add("channels", c.in.shape.channels);
  c.add_flag("relu", false);
  c.add_flag("skips_after_activation", false);
  c.add_streams();
  c.add_products();
}

const RegisterPrinter<ops::Conv2d> kConv2dPrinter({conv2d_config, conv2d_call, {}, line_locals});
const RegisterPrinter<ops::Dense> kDensePrinter({dense_config,
                                                 [](const Node& node) {
                                                   return with_scales(
                                                       node, weighted_call(node, "tailor::dense"));
                                                 },
                                                 {}});

}  // namespace
}  // namespace tailor::target
