// Convolution and the dense layer (library: conv2d.h, dense.h).
#include "target/hls/printer.h"

namespace tailor::target {
namespace {

void conv2d_config(StageConfig& c) {
  const auto& a = c.node.as<ops::Conv2d>();
  c.add("in_height", c.in.shape.height);
  c.add("in_width", c.in.shape.width);
  c.add("in_channels", c.in.shape.channels);
  c.add("out_height", c.out.shape.height);
  c.add("out_width", c.out.shape.width);
  c.add("out_channels", c.out.shape.channels);
  c.add_window(a.window);
  c.add_scan();
  c.add_flag("relu", a.relu);
  c.add("window_skips", static_cast<int64_t>(a.window_skips.size()));
  c.add_flag("skips_after_activation", a.skips_after_activation);
  c.add_streams();
  c.add_products();
  const Value& skip = c.node.inputs.size() > 1 ? c.graph.value(c.node.inputs[1]) : c.out;
  c.add("skip_bits", skip.type->width);
  c.add_type("skip_t", type_name(skip));
}

cpp::Call weighted_call(const Node& node, const char* function) {
  return {function,
          {config_name(node)},
          {"in", "out", array_name(node, "weight"), array_name(node, "bias")}};
}

cpp::Call conv2d_call(const Node& node) {
  const int64_t groups = node.as<ops::Conv2d>().groups;
  cpp::Call call = weighted_call(node, groups > 1 ? "tailor::grouped_conv2d" : "tailor::conv2d");
  if (groups > 1) call.template_arguments.push_back(std::to_string(groups));
  const std::vector<std::string> inputs = stage_ports(node).inputs;
  call.arguments.insert(call.arguments.end(), inputs.begin() + 1, inputs.end());
  return call;
}

void dense_config(StageConfig& c) {
  c.add("pixels", c.in.shape.pixels());
  c.add("channels", c.in.shape.channels);
  c.add_streams();
  c.add_products();
}

const RegisterPrinter<ops::Conv2d> kConv2dPrinter({conv2d_config, conv2d_call, {}});
const RegisterPrinter<ops::Dense> kDensePrinter(
    {dense_config, [](const Node& node) { return weighted_call(node, "tailor::dense"); }, {}});

}  // namespace
}  // namespace tailor::target
