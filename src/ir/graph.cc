#include "tailor/ir/graph.h"

#include <algorithm>

namespace tailor {
namespace {

std::string window_sizes() {
  return fmt::format("kernel, stride and dilation must be 1..{}, pads 0..{}", kMaxMapSide,
                     kMaxMapSide);
}

/// "3", or "1x33" where it is no square.
std::string kernel_text(const Window& window) {
  const Size2& k = window.kernel;
  return k.height == k.width ? std::to_string(k.height) : fmt::format("{}x{}", k.height, k.width);
}
std::string window_too_large(const Window& window, const MapShape& x) {
  return fmt::format("a kernel of {} does not fit on {}", kernel_text(window), to_string(x));
}

MapShape window_map(const Window& window, const MapShape& x, int64_t channels) {
  const Size2 places = count_windows(window, x);
  return {channels, places.height, places.width};
}

}  // namespace

const char* to_string(Op op) {
  switch (op) {
    case Op::Input:
      return "input";
    case Op::Conv2d:
      return "conv2d";
    case Op::BatchNorm:
      return "batch_norm";
    case Op::Relu:
      return "relu";
    case Op::Add:
      return "add";
    case Op::ShortcutPad:
      return "shortcut_pad";
    case Op::MaxPool2d:
      return "max_pool2d";
    case Op::GlobalAvgPool:
      return "global_avg_pool";
    case Op::Dense:
      return "dense";
    case Op::ZeroPad:
      return "zero_pad";
    case Op::Clone:
      return "clone";
    case Op::Output:
      return "output";
  }
  return "?";
}

const char* to_string(FifoStorage storage) {
  switch (storage) {
    case FifoStorage::Auto:
      return "auto";
    case FifoStorage::Srl:
      return "srl";
    case FifoStorage::Bram:
      return "bram";
  }
  return "?";
}

int Graph::add_value(std::string value_name, const MapShape& shape) {
  Value v;
  v.name = std::move(value_name);
  v.shape = shape;
  values.push_back(std::move(v));
  return static_cast<int>(values.size()) - 1;
}

size_t Graph::add_node(Op op, std::string node_name, std::vector<int> inputs, Attributes attributes,
                       int64_t out_channels) {
  std::vector<MapShape> shapes;
  shapes.reserve(inputs.size());
  for (int id : inputs) shapes.push_back(value(id).shape);
  Node node;
  node.op = op;
  node.name = std::move(node_name);
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  if (op != Op::Output) {
    node.outputs = {
        add_value(node.name, infer_shape(op, node.name, shapes, node.attributes, out_channels))};
  }
  nodes.push_back(std::move(node));
  return nodes.size() - 1;
}

const Tensor& Graph::tensor(const Node& node, const char* part) const {
  return find_tensor(tensors, node.name + "." + part, "graph " + name);
}

bool Graph::has_tensor(const Node& node, const char* part) const {
  return tensors.count(node.name + "." + part) != 0;
}

const MapShape& Graph::input_shape() const {
  for (const Node& node : nodes) {
    if (node.op == Op::Input) return value(node.outputs[0]).shape;
  }
  fail(ErrorKind::Data, "graph {} has no input", name);
}

int64_t Graph::classes() const {
  for (const Node& node : nodes) {
    if (node.op == Op::Output) return value(node.inputs[0]).shape.channels;
  }
  fail(ErrorKind::Data, "graph {} has no output", name);
}

MapShape infer_shape(Op op, const std::string& name, const std::vector<MapShape>& inputs,
                     const Attributes& attributes, int64_t out_channels) {
  auto need = [&](bool ok, const std::string& what) {
    if (!ok) fail(ErrorKind::Data, "graph: {} ({}): {}", name, to_string(op), what);
  };
  auto one_input = [&]() -> const MapShape& {
    need(inputs.size() == 1, fmt::format("expected 1 input, got {}", inputs.size()));
    return inputs[0];
  };
  switch (op) {
    case Op::Input:
      return {};  // its shape is given, not inferred
    case Op::Output:
      return one_input();
    case Op::BatchNorm:
    case Op::Relu:
    case Op::Clone:
      return one_input();
    case Op::Conv2d: {
      const auto* a = std::get_if<ConvAttributes>(&attributes);
      need(a && !inputs.empty(), "expected convolution attributes and an input");
      need(is_window(a->window), window_sizes());
      const MapShape& x = inputs[0];
      need(a->groups >= 1 && x.channels % a->groups == 0 && out_channels % a->groups == 0,
           fmt::format("{} groups do not divide {} channels in and {} out", a->groups, x.channels,
                       out_channels));
      const MapShape y = window_map(a->window, x, out_channels);
      need(y.height > 0, window_too_large(a->window, x));
      need(inputs.size() == 1 + a->stream_skips.size(),
           fmt::format("{} skip inputs, {} skip ids", inputs.size() - 1, a->stream_skips.size()));
      for (size_t i = 1; i < inputs.size(); ++i) {
        need(inputs[i] == y,
             fmt::format("skip {} has shape {}, expected {}", a->stream_skips[i - 1],
                         to_string(inputs[i]), to_string(y)));
      }
      need(a->window_skips.empty() ||
               (y == x && a->window.stride.size() == 1 && has_centre_tap(a->window)),
           "a skip read from the window needs stride 1 and equal shapes");
      return y;
    }
    case Op::Add: {
      need(inputs.size() >= 2, fmt::format("expected 2 inputs or more, got {}", inputs.size()));
      for (const MapShape& shape : inputs) {
        need(shape == inputs[0],
             fmt::format("adds {} to {}", to_string(shape), to_string(inputs[0])));
      }
      const auto* a = std::get_if<AddAttributes>(&attributes);
      need(a && a->skips.size() + 1 == inputs.size(),
           "expected one skip id for each input but the first");
      return inputs[0];
    }
    case Op::ShortcutPad: {
      const auto* a = std::get_if<ShortcutPadAttributes>(&attributes);
      const MapShape& x = one_input();
      need(a && is_map_side(a->stride) && a->channel_offset >= 0 &&
               a->channel_offset <= kMaxMapSide && a->channel_offset + x.channels <= out_channels,
           "channels do not fit");
      return {out_channels, (x.height + a->stride - 1) / a->stride,
              (x.width + a->stride - 1) / a->stride};
    }
    case Op::MaxPool2d: {
      const auto* a = std::get_if<MaxPoolAttributes>(&attributes);
      const MapShape& x = one_input();
      need(a && is_window(a->window), window_sizes());
      const Pads& p = a->window.pads;
      const Size2 extent = a->window.extent();
      need(std::max(p.top, p.bottom) < extent.height && std::max(p.left, p.right) < extent.width,
           fmt::format("pads must be below the kernel of {}, or a window holds nothing",
                       kernel_text(a->window)));
      const Size2 &kernel = a->window.kernel, &dilation = a->window.dilation;
      need((kernel.height == 1 || dilation.height <= x.height) &&
               (kernel.width == 1 || dilation.width <= x.width),
           fmt::format("a window of {} steps over {}, so that one may hold nothing",
                       to_string(a->window), to_string(x)));
      const MapShape y = window_map(a->window, x, x.channels);
      need(y.height > 0, window_too_large(a->window, x));
      return y;
    }
    case Op::GlobalAvgPool:
      return {one_input().channels, 1, 1};
    case Op::Dense:
      one_input();
      return {out_channels, 1, 1};
    case Op::ZeroPad: {
      const auto* a = std::get_if<ZeroPadAttributes>(&attributes);
      const MapShape& x = one_input();
      need(a && is_window({{}, {}, {}, a->pads}), fmt::format("pads must be 0..{}", kMaxMapSide));
      const Pads& p = a->pads;
      return {x.channels, x.height + p.top + p.bottom, x.width + p.left + p.right};
    }
  }
  fail(ErrorKind::Internal, "no shape rule for {}", to_string(op));
}

std::vector<int> producers(const Graph& graph) {
  std::vector<int> result(graph.values.size(), -1);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (int id : graph.nodes[n].outputs) result[static_cast<size_t>(id)] = static_cast<int>(n);
  }
  return result;
}

std::vector<std::vector<int>> consumers(const Graph& graph) {
  std::vector<std::vector<int>> result(graph.values.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (int id : graph.nodes[n].inputs)
      result[static_cast<size_t>(id)].push_back(static_cast<int>(n));
  }
  return result;
}

int64_t largest_register_array(const Graph& design) {
  int64_t largest = 0;
  for (const Node& node : design.nodes) {
    for (int id : node.outputs) largest = std::max(largest, design.value(id).shape.channels);
    const Window* window = nullptr;
    if (const auto* a = std::get_if<MaxPoolAttributes>(&node.attributes)) window = &a->window;
    if (node.op == Op::Conv2d) {
      window = &node.conv().window;
      largest = std::max(largest, window->taps() * design.value(node.inputs[0]).shape.channels);
    }
    if (window) {
      const Size2 extent = window->extent();
      largest = std::max({largest, window->kernel.height * extent.width, extent.height});
    }
    if (node.op == Op::Dense)
      largest = std::max(largest, design.value(node.inputs[0]).shape.size());
  }
  return largest;
}

}  // namespace tailor
