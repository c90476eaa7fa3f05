// Graph files: what is read as a graph can be run, measured and, if it is lowered, made a design
// of; or an error says what it lacks. The mutator changes entries of documents and tensors.
#include "tailor/ir/graph.h"

#include <cstring>
#include <unordered_set>

#include "fuzz/fuzz.h"
#include "fuzz/graph_mutator.h"
#include "support/designs.h"
#include "support/frames.h"
#include "support/graphs.h"
#include "support/random_projects.h"
#include "tailor/core/log.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/liveness.h"
#include "tailor/emulate/noise.h"
#include "tailor/emulate/streams.h"
#include "tailor/emulate/witness.h"
#include "tailor/ir/line_buffer.h"
#include "tailor/ir/onnx.h"
#include "tailor/ir/packing.h"

using namespace tailor::fuzz;
namespace testing = tailor::testing;

namespace {

/// An error ends it, and is a finding if it is a bug of ours.
template <class F>
void attempt(F body) {
  tailor::fuzz::read(nullptr, 0, [&](std::string_view) { body(); });
}

/// Steps that running it takes, about.
double work_of(const Graph& g) {
  double work = 0;
  for (const Value& v : g.values) work += 8 * static_cast<double>(v.shape.size());
  auto taps = [](const Window& w) { return static_cast<double>(w.taps()); };
  for (const Node& node : g.nodes) {
    if (node.outputs.empty()) continue;
    const auto size = static_cast<double>(g.value(node.outputs[0]).shape.size());
    if (const auto* conv = node.op.get_if<ops::Conv2d>()) {
      const double channels = static_cast<double>(g.value(node.inputs[0]).shape.channels);
      work += size * taps(conv->window) * channels / static_cast<double>(conv->groups);
      const Pads& p = conv->window.pads;
      const MapShape& in = g.value(node.inputs[0]).shape;
      work += static_cast<double>(in.height + p.top + p.bottom) *
              static_cast<double>(in.width + p.left + p.right) * channels;
    }
    if (const auto* pool = node.op.get_if<ops::MaxPool2d>()) {
      work += size * taps(pool->window);
      const Pads& p = pool->window.pads;
      const MapShape& in = g.value(node.inputs[0]).shape;
      work += static_cast<double>(in.height + p.top + p.bottom) *
              static_cast<double>(in.width + p.left + p.right);
    }
  }
  return work;
}

std::vector<double> image_of(const MapShape& shape) {
  CounterRandom random(1, RandomStream::Test, 5);
  std::vector<double> image(static_cast<size_t>(shape.size()));
  for (double& v : image) v = random.uniform(-2, 2);
  return image;
}

void measure_stage(const Graph& g, const Node& node) {
  const StageLoop loop = stage_loop(g, node);
  if (loop.image_cycles(node.hardware.reuse_factor) < 0) std::abort();
  if (stream_program(g, node).empty()) std::abort();
  if (node.traits().has_weights) {
    packing_obstacle(g, node);
    wide_multipliers(g, node, node.hardware.reuse_factor);
  }
  if (!has_line_buffer(node)) return;
  line_memory(g, node, node.hardware.reuse_factor);
  line_weight_order(g, node, node.hardware.reuse_factor);
}

/// What `tailor check` and `tailor inspect` do with a design.
void use_design(const Graph& g) {
  const std::vector<double> image = image_of(g.input_shape());
  for (const Node& node : g.nodes) attempt([&] { measure_stage(g, node); });
  attempt([&] { largest_register_array(g); });
  attempt([&] { skip_depths(g); });
  attempt([&] {
    simulate_streams(g, ByValue<int64_t>(g.values.size(), 0), 2);
    simulate_streams(g, fifo_depths(g), 2);
  });
  attempt([&] { count_underflows(g); });
  attempt([&] {
    Float64Emulator(g).run(image);
    predict_rms_error(g, {image});
  });
  attempt([&] {
    const IntegerEmulator emulator(g);
    const ByValue<NodeId> writer = producers(g);
    const IntegerResult result = emulator.run(image, [&](ValueId id, auto raw) {
      const FixedType& type = *g.value(id).type;
      for (int64_t v : raw) {
        if (v < std::min<int64_t>(type.min_raw(), -type.max_raw() - 1) || v > type.max_raw())
          std::abort();
      }
    });
    if (static_cast<int64_t>(result.logits.size()) != g.output_shape().size()) std::abort();
  });
}

void use_lowered(const Graph& g, size_t choice) {
  const std::vector<double> image = image_of(g.input_shape());
  attempt([&] { Float64Emulator(g).run(image); });
  attempt([&] {
    testing::DesignOptions options;
    options.input_magnitude = 2;
    options.layout = choice % 2 == 0 ? Layout::Fused : Layout::Stock;
    if (options.layout == Layout::Fused)
      options.skips = choice % 4 == 0 ? SkipForm::Folded : SkipForm::Cloned;
    if (choice % 3 == 0) options.type = FixedType{8, 3};
    options.dsp_packing = choice % 9 == 0;
    const Design design = testing::make_design(g, options);
    if (choice % 8 == 0) parse_graph(print_graph(design), "design");
    use_design(design);
  });
}

void use(const Graph& g, size_t choice) {
  if (work_of(g) > 100'000) return;
  if (choice % 8 == 0 && print_graph(parse_graph(print_graph(g), "again")) != print_graph(g))
    std::abort();
  attempt([&] { onnx_of(g); });
  if (g.witness) attempt([&] { witness_error(g); });
  if (g.state == GraphState::Design) {
    use_design(g);
  } else {
    use_lowered(g, choice);
  }
}

Precision scaled_types() {
  Precision types(FixedType{6, 3});
  types.weights = FixedType{4, 3};
  types.scales = FixedType{8, 0, false};
  return types;
}

/// Windows, groups, pools and skips on a map that has few pixels.
Graph small_windows() {
  testing::GraphBuilder b("windows", {2, 4, 5});
  const auto same = testing::square_window<ops::Conv2d>(3, 1, 1);
  ValueId from = b.conv_bn("a", b.at, same, 2);
  b.conv("b", b.relu("a.relu"), same, 2);
  b.skip("s", from);
  from = b.at = b.add(testing::square_window<ops::MaxPool2d>(2, 2, 1), "pool2", {b.at});
  ops::Conv2d grouped = testing::square_window<ops::Conv2d>(2, 1, 0);
  grouped.window.pads = {0, 1, 1, 0};
  grouped.groups = 2;
  b.conv("c", b.at, grouped, 2);
  b.skip("t", b.add(ops::ShortcutPad{{1, 1}, 0}, "shortcut", {from}, 2));
  return b.finish(3, /*pooled=*/false);
}

/// A depthwise and a pointwise convolution of frames under a skip, with an answer at each frame.
Graph small_frames() {
  testing::GraphBuilder b("frames", {4, 1, 9});
  b.conv("dw", b.at, testing::frame_conv(3, 1, 2, 4), 4);
  b.conv("pw", b.at, testing::frame_conv(1), 4);
  const ValueId from = b.relu("pw.relu");
  b.conv("dw2", b.at, testing::frame_conv(3, 1, 1, 4), 4);
  b.conv_bn("pw2", b.at, testing::frame_conv(1), 4);
  b.skip("s", from);
  b.conv("last", b.relu("s.relu"), testing::frame_conv(3, 2), 3);
  b.graph.add_node(ops::Output{}, "output", {b.at});
  return std::move(b.graph);
}

std::vector<std::string> seed_files() {
  std::vector<Graph> graphs = {testing::every_op_graph(), small_windows(), small_frames()};
  graphs[0].witness = Witness{"an image", testing::random_tensor({1, 6, 5, 2}, 8),
                              testing::random_tensor({1, 4}, 9)};
  std::vector<std::string> files;
  for (const Graph& lowered : graphs) {
    files.push_back(print_graph(lowered));
    testing::DesignOptions options;
    options.input_magnitude = 1.5;
    options.token_bits = 24;
    for (const auto& [layout, skips] : testing::layouts()) {
      for (const Precision& type : {Precision(FixedType{12, 5}), scaled_types()}) {
        options.layout = layout;
        options.skips = skips;
        options.type = type;
        options.dsp_packing = type.scales.has_value();
        files.push_back(print_graph(testing::make_design(lowered, options)));
      }
    }
  }
  return files;
}

bool is_graph(const std::string& bytes) {
  try {
    parse_graph(bytes, "input");
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Most often to another graph: what is refused is run no further.
std::string changed(const std::string& bytes, GraphMutator& mutator) {
  std::string result = bytes;
  try {
    const TensorFile file = parse_safetensors(bytes, "input");
    const auto text = file.metadata.find("document");
    if (text == file.metadata.end()) return result;
    const Json document = Json::parse(text->second, "document");
    for (int64_t attempts = mutator.below(4) > 0 ? 4 : 1; attempts > 0; --attempts) {
      TensorFile other = file;
      Json changed_document = document;
      mutator.change(changed_document, other.tensors);
      other.metadata["document"] = changed_document.dump();
      result = print_safetensors(other);
      if (is_graph(result)) break;
    }
  } catch (const Error&) {  // it is no file of ours
  }
  return result;
}

/// Hashes of the inputs that were graphs.
std::unordered_set<size_t>& known_graphs() {
  static std::unordered_set<size_t> all;
  return all;
}
size_t hash_of(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  set_log_levels("off");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  static const std::vector<std::string> seeds = seed_files();
  GraphMutator mutator(seed);
  if (mutator.below(32) == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (known_graphs().count(hash_of(bytes)) == 0 && mutator.below(4) > 0)
    bytes = seeds[static_cast<size_t>(mutator.below(static_cast<int64_t>(seeds.size())))];
  const std::string mutated = changed(bytes, mutator);
  if (mutated.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, mutated.data(), mutated.size());
  return mutated.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [&](std::string_view bytes) {
    const Graph graph = parse_graph(bytes, "input");
    known_graphs().insert(hash_of(bytes));
    use(graph, hash_of(bytes));
  });
}
