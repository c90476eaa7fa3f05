// A graph file may come from anywhere: it is read back exactly, or refused with an Error; under the
// sanitizers this shows that no field is trusted.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <optional>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/streams.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::test {
namespace {

using testing::every_op_graph;
using testing::message_of;

class GraphFile : public ::testing::Test {
 protected:
  Graph reload(const Graph& graph) {
    save_graph(path_, graph);
    return load_graph(path_);
  }
  Graph load(const TensorFile& file) {
    std::ofstream(path_, std::ios::binary)
        << print_safetensors(file);  // faster than write_file: nothing has to last
    return load_graph(path_);
  }
  std::string refusal(const TensorFile& file) {
    return message_of(ErrorKind::Data, [&] { load(file); });
  }

  TemporaryDirectory folder_;
  std::string path_ = path_join(folder_.path(), "graph.safetensors");
};

TensorFile file_of(const Graph& graph) { return parse_safetensors(print_graph(graph), "x"); }

Graph tiny_design(const std::optional<FixedType>& scales = std::nullopt) {
  Network network;
  network.name = "tiny";
  network.input = {2, 5, 4};
  network.head = linear_head(3);
  network.blocks.push_back({"b", {conv_stage(2, 2, 3, 1)}, {}});
  testing::DesignOptions options;
  options.type = FixedType{12, 5};
  options.type.scales = scales;
  options.input_magnitude = 1.5;
  return testing::make_design(lower(network, testing::random_tensors(network, 1), "test"), options);
}

TEST_F(GraphFile, RoundTripsEveryOperation) {
  Graph graph = every_op_graph();
  graph.provenance = Json::parse(R"({"from": "x.ckpt", "list": [1, 2.5, null]})", "");
  graph.witness = Witness{"2 images", testing::random_tensor({2, 6, 5, 2}, 8),
                          testing::random_tensor({2, 4}, 9)};
  const Graph back = reload(graph);
  EXPECT_EQ(print_graph(back), print_graph(graph));
  EXPECT_EQ(read_file(path_), print_graph(graph));
  EXPECT_EQ(back.tensors, graph.tensors);
  EXPECT_EQ(back.provenance, graph.provenance);
  EXPECT_EQ(back.witness->source, "2 images");
  EXPECT_EQ(back.witness->inputs, graph.witness->inputs);
  EXPECT_EQ(back.witness->outputs, graph.witness->outputs);
  ASSERT_EQ(back.nodes.size(), graph.nodes.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    EXPECT_EQ(&back.nodes[n].op.rules(), &graph.nodes[n].op.rules());
    for (size_t i = 0; i < graph.nodes[n].inputs.size(); ++i)
      EXPECT_EQ(back.nodes[n].inputs[i].skip, graph.nodes[n].inputs[i].skip);
  }
  const Pads& pads = back.nodes[1].as<ops::ZeroPad>().pads;
  EXPECT_EQ(pads.top + 10 * pads.left + 100 * pads.bottom + 1000 * pads.right, 1111);
}

TEST_F(GraphFile, KeepsGroupsAndMaxPools) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    const Graph lowered = testing::windows_graph(9, 11, /*shortened=*/false);
    EXPECT_EQ(print_graph(reload(lowered)), print_graph(lowered));
    testing::DesignOptions options;
    options.layout = layout;
    const Graph design = testing::make_design(lowered, options);
    Graph back = reload(design);
    EXPECT_EQ(print_graph(back), print_graph(design));
    EXPECT_EQ(testing::node_of(back, "b0.conv1").as<ops::Conv2d>().groups, 3);
    EXPECT_EQ(testing::node_of(back, "b1.conv1").as<ops::Conv2d>().groups, 1);
    const auto& pool = testing::node_of(back, "last.pool").as<ops::MaxPool2d>();
    const Pads kept = layout == Layout::Fused ? Pads{1, 0, 0, 1} : Pads{};
    EXPECT_EQ(pool.window, (Window{{2, 2}, {1, 1}, {1, 1}, kept}));
    if (layout == Layout::Fused) continue;
    auto is_lowest = [&](const char* name) {
      return testing::node_of(back, name).as<ops::ZeroPad>().lowest;
    };
    EXPECT_TRUE(is_lowest("last.pool.pad"));
    EXPECT_FALSE(is_lowest("stem.pad"));
  }
  // Files of graphs without groups stay as they were.
  EXPECT_EQ(file_of(every_op_graph()).metadata.at("document").find("groups"), std::string::npos);
}

TEST_F(GraphFile, KeepsEveryConvolutionAttribute) {
  Graph graph = every_op_graph();
  testing::node_of(graph, "zeropad").op = ops::ZeroPad{{1, 0, 2, 3}};
  graph.values[1].shape = {2, 9, 8};
  ops::Conv2d& conv = testing::node_of(graph, "conv").as<ops::Conv2d>();
  conv.window = {{3, 3}, {5, 5}, {1, 1}, {3, 4, 1, 2}};
  conv.relu = true;
  conv.skips_after_activation = true;
  conv.folded_skips = {"f.skip", "g.skip"};
  ASSERT_EQ(verify_graph(graph), std::vector<std::string>{});
  const Graph back = reload(graph);
  const ops::Conv2d& a = back.nodes[2].as<ops::Conv2d>();
  EXPECT_EQ(a.window, conv.window);
  EXPECT_TRUE(a.relu);
  EXPECT_TRUE(a.skips_after_activation);
  EXPECT_EQ(a.folded_skips, conv.folded_skips);
  const Pads& pads = back.nodes[1].as<ops::ZeroPad>().pads;
  EXPECT_EQ((std::vector<int64_t>{pads.top, pads.left, pads.bottom, pads.right}),
            (std::vector<int64_t>{1, 0, 2, 3}));
}

TEST_F(GraphFile, RoundTripsADesignWithItsAnnotations) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    const Graph lowered =
        testing::lowered_variant({testing::Surgery::Mixed, Join::AfterActivation, Shortcut::Pad});
    testing::DesignOptions options;
    options.type = FixedType{16, 6};
    options.input_magnitude = 2.1;
    options.layout = layout;
    const Graph design = testing::make_design(lowered, options);
    const Graph back = reload(design);
    EXPECT_EQ(print_graph(back), print_graph(design));
    for (size_t n = 0; n < design.nodes.size(); ++n) {
      const NodeHardware &a = back.nodes[n].hardware, &b = design.nodes[n].hardware;
      EXPECT_EQ(back.nodes[n].identifier, design.nodes[n].identifier);
      EXPECT_TRUE(a.weight == b.weight && a.bias == b.bias && a.accumulator == b.accumulator &&
                  a.reciprocal == b.reciprocal);
      EXPECT_TRUE(a.reuse_factor == b.reuse_factor && a.multipliers == b.multipliers);
      EXPECT_TRUE(a.cycles_per_step == b.cycles_per_step &&
                  a.cycles_per_output == b.cycles_per_output);
    }
    for (size_t v = 0; v < design.values.size(); ++v) {
      EXPECT_EQ(back.values[v].type, design.values[v].type);
      EXPECT_EQ(back.values[v].fifo_depth, design.values[v].fifo_depth);
      EXPECT_EQ(back.values[v].fifo_storage, design.values[v].fifo_storage);
    }
  }
}

/// The same file as version 1 has it: the skips' ids among the attributes.
TensorFile file_of_version_1(const Graph& graph) {
  TensorFile file = file_of(graph);
  file.metadata["version"] = "1";
  Json document = Json::parse(file.metadata.at("document"), "");
  for (Json& node : document.find("nodes")->items()) {
    Json::Array skips;
    for (Json& input : node.find("inputs")->items()) {
      if (!input.is_object()) continue;
      skips.push_back(input.at("skip"));
      input = Json(input.at("value"));
    }
    const std::string& op = node.at("op").as_string();
    if (op == "add") node.find("attributes")->set("skips", std::move(skips));
    if (op == "conv2d") node.find("attributes")->set("stream_skips", std::move(skips));
  }
  file.metadata["document"] = document.dump();
  return file;
}

TEST_F(GraphFile, ImagesOfVersion1AreTurned) {
  Graph graph = every_op_graph();
  const Tensor planes = testing::random_tensor({1, 2, 6, 5}, 8);
  graph.witness = Witness{"an image", planes, testing::random_tensor({1, 4}, 9)};
  TensorFile file = file_of_version_1(graph);
  load(file);
  EXPECT_EQ(load_graph(path_).witness->inputs, channels_last(planes));
  file.tensors["witness.inputs"] = Tensor(DType::F32, {60});
  testing::expect_error(ErrorKind::Data, {"graph file " + path_, "expected images", "got [60]"},
                        [&] { load(file); });
}

TEST_F(GraphFile, RefusesAnotherVersion) {
  TensorFile file = file_of(every_op_graph());
  file.metadata["version"] = "3";
  EXPECT_EQ(message_of(ErrorKind::Unsupported, [&] { load(file); }),
            "graph file " + path_ +
                ": expected version 1..2, got 3; export it again with this version of tailor");
  file.metadata.erase("version");
  testing::expect_error(ErrorKind::Unsupported, {"expected version 1..2, got ;"},
                        [&] { load(file); });
}

TEST_F(GraphFile, OfVersion1IsReadWithItsSkipsBesideTheirValues) {
  testing::DesignOptions options;
  const Graph lowered =
      testing::lowered_variant({testing::Surgery::Mixed, Join::AfterActivation, Shortcut::Pad});
  const Graph design = testing::make_design(lowered, options);
  for (const Graph& graph : {every_op_graph(), lowered, design})
    EXPECT_EQ(print_graph(load(file_of_version_1(graph))), print_graph(graph));
  TensorFile file = file_of_version_1(every_op_graph());
  std::string& document = file.metadata["document"];
  document.replace(document.find(R"(["t.skip"])"), 10, "[]");
  EXPECT_EQ(refusal(file),
            "graph file " + path_ + ": graph: twice (add): 1 skip inputs, 0 skip ids");
}

TEST_F(GraphFile, RefusesMembersThatNobodyReads) {
  TensorFile file = file_of(every_op_graph());
  const std::string good = file.metadata.at("document");
  auto with = [&](const std::string& from, const std::string& to) {
    std::string& document = file.metadata["document"] = good;
    document.replace(document.find(from), from.size(), to);
    return refusal(file);
  };
  const std::string start = "graph file " + path_ + ": ";
  EXPECT_EQ(with(R"("epsilon":)", R"("sigma":1,"epsilon":)"),
            start + "a batch_norm has no attribute 'sigma'");
  EXPECT_EQ(with(R"("skip":"s.skip")", R"("skip":"s.skip","via":3)"),
            start + "an input has no member 'via'");
  EXPECT_EQ(with(R"(,"skip":"s.skip")", ""),
            start + R"(JSON: expected the key "skip" in an object, it is not there)");
}

TEST_F(GraphFile, RefusesForeignFiles) {
  TensorFile file;
  file.tensors["conv.weight"] = Tensor(DType::F32, {3});
  EXPECT_EQ(refusal(file),
            "graph file " + path_ +
                ": expected the format tailor.graph, got ''; write one with tailor export (it is "
                "graph.safetensors of every project)");
  file.metadata["format"] = "pt";
  testing::expect_words(refusal(file), {"expected the format tailor.graph, got 'pt'"});
  write_file(path_, "PK\x03\x04 a zip file, not safetensors");
  testing::expect_error(ErrorKind::Data, {"graph file " + path_ + ": its header claims"},
                        [&] { load_graph(path_); });
  testing::expect_error(ErrorKind::Data, {"cannot read graph file " + path_ + "x: No such file"},
                        [&] { load_graph(path_ + "x"); });
}

TEST_F(GraphFile, RefusesABrokenDocument) {
  const TensorFile good = file_of(every_op_graph());
  const std::string text = good.metadata.at("document");
  auto with = [&](const std::string& from, const std::string& to) {
    TensorFile file = good;
    std::string& document = file.metadata["document"];
    const size_t at = document.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    document.replace(at, from.size(), to);
    return file;
  };
  const std::string start = "graph file " + path_ + ": ";
  EXPECT_EQ(refusal(with(R"("state":"lowered")", R"("state":"raised")")),
            start + "unknown state 'raised'");
  testing::expect_error(ErrorKind::Unsupported, {start + "the operation 'gelu' is not supported"},
                        [&] { load(with(R"("op":"relu")", R"("op":"gelu")")); });
  EXPECT_EQ(refusal(with(R"("shape":[2,6,5])", R"("shape":[2,6])")),
            start + "value input: expected 3 sizes, got 2");
  EXPECT_EQ(refusal(with(R"("shape":[2,6,5])", R"("shape":[2,"6",5])")),
            start + "JSON: expected integer, got string");
  EXPECT_EQ(refusal(with(R"("pads":[1,1,1,1])", R"("pads":[1,1,1])")),
            start + "expected 4 pads, got 3");
  EXPECT_EQ(refusal(with(R"("inputs":[0])", R"("inputs":[4294967296])")),
            start + "there is no value 4294967296");
  EXPECT_EQ(refusal(with(R"("inputs":[3])", R"("inputs":[99])")),
            start + "relu reads value 99 of 12; bn is read 0 times");
  EXPECT_EQ(refusal(with(R"("name":"every-op",)", "")),
            start + "JSON: expected the key \"name\" in an object, it is not there");
  EXPECT_EQ(
      refusal(with(R"("kernel":3)", R"("kernel":4611686018427387904)")),
      start +
          "graph: conv (conv2d): kernel, stride and dilation must be 1..1048576, pads 0..1048576");
  EXPECT_EQ(refusal(with("{", "")).substr(0, start.size() + path_.size()), start + path_);
  TensorFile file = good;
  file.metadata.erase("document");
  testing::expect_words(refusal(file), {start, "not valid JSON"});
  file = good;
  file.tensors.erase("fc.weight");
  EXPECT_EQ(refusal(file), start + "the tensor fc.weight is missing");
}

TEST_F(GraphFile, RefusesNumbersThatAreNone) {
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    Graph graph = every_op_graph();
    graph.tensors.at("bn.running_var").as<float>()[2] = value;
    testing::expect_words(
        refusal(file_of(graph)),
        {fmt::format("graph file {}: the tensor bn.running_var holds {} at element 2", path_,
                     value),
         "the network was saved after its training had failed, or the file is damaged"});
  }
}

TEST_F(GraphFile, RefusesAWitnessWithoutTensors) {
  Graph graph = every_op_graph();
  graph.witness = Witness{"x", Tensor(DType::F32, {1, 6, 5, 2}), Tensor(DType::F32, {1, 4})};
  TensorFile file = file_of(graph);
  file.tensors.erase("witness.outputs");
  EXPECT_EQ(refusal(file),
            "graph file " + path_ + ": the tensor 'witness.outputs' is missing from " + path_);
}

FixedType& accumulator(Graph& graph, const char* node) {
  return *testing::node_of(graph, node).hardware.accumulator;
}

TEST_F(GraphFile, RefusesADesignWithoutItsAnnotations) {
  const Graph good = tiny_design();
  using Break = std::function<void(Graph&)>;
  const std::pair<Break, const char*> cases[] = {
      {[](Graph& g) { g.values[1].type.reset(); }, " has no usable type"},
      {[](Graph& g) { g.values[1].fifo_depth = 0; }, " has no reasonable FIFO depth"},
      {[](Graph& g) { g.values[1].fifo_depth = INT64_MAX; }, " has no reasonable FIFO depth"},
      {[](Graph& g) { g.values[1].identifier = "a b"; }, " has no C++ identifier"},
      {[](Graph& g) { g.nodes[1].identifier = ""; }, " has no C++ identifier"},
      {[](Graph& g) { g.nodes[1].identifier = "1a"; }, " has no C++ identifier"},
      {[](Graph& g) { testing::node_of(g, "b.conv1").hardware.weight.reset(); },
       "b.conv1 has no usable weight or bias type"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.bias.reset(); },
       "fc has no usable weight or bias type"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.accumulator.reset(); },
       "fc has no usable accumulator type"},
      {[](Graph& g) { testing::node_of(g, "pool").hardware.accumulator.reset(); },
       "pool has no usable accumulator type"},
      {[](Graph& g) { testing::node_of(g, "pool").hardware.reciprocal.reset(); },
       "pool has no usable reciprocal type"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.reuse_factor = 0; },
       "fc has no reasonable reuse factor"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.multipliers = -1; },
       "fc has no reasonable reuse factor"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.cycles_per_step = 0; },
       "fc has no reasonable number of cycles"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.cycles_per_output = INT64_MAX; },
       "fc has no reasonable number of cycles"},
      {[](Graph& g) {
         *g.values[1].type = FixedType{1, 1, true, Rounding::Trn, Overflow::SatSym};
       },
       " has no usable type"},  // 0 is all that it holds
      {[](Graph& g) { --accumulator(g, "b.conv1").width, --accumulator(g, "b.conv1").integer; },
       "b.conv1 has the accumulator ap_fixed<"},
      {[](Graph& g) { accumulator(g, "b.conv1").integer -= 40; }, "its sums need "},
      {[](Graph& g) {
         accumulator(g, "fc") = FixedType{63, 40};
       },
       "at most 62 bits can be computed with"},
      {[](Graph& g) { accumulator(g, "fc").is_signed = false; }, "its sums need "},
      {[](Graph& g) {
         accumulator(g, "pool") = FixedType{8, 1};
       },
       "its sums need "},
      {[](Graph& g) {
         accumulator(g, "pool") = FixedType{30, 25};
       },
       "pool has an accumulator coarser than its input"},
      {[](Graph& g) {
         accumulator(g, "pool") = FixedType{60, 40};
       },
       "at most 62 bits"},
      {[](Graph& g) { g.tensors.at("fc.weight").as<double>()[1] = NAN; },
       "the tensor fc.weight holds nan at element 1, expected finite numbers"},
  };
  EXPECT_NO_THROW(reload(good));
  for (const auto& [damage, expected] : cases) {
    Graph graph = good;
    damage(graph);
    testing::expect_words(refusal(file_of(graph)), {"graph file " + path_ + ": ", expected});
  }
  const Graph scaled = tiny_design(FixedType{8, 0, false});
  EXPECT_NO_THROW(reload(scaled));
  const std::pair<Break, const char*> of_scales[] = {
      {[](Graph& g) { testing::node_of(g, "fc").hardware.product_sum.reset(); },
       "fc has scales without usable types"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.scale->is_signed = true; },
       "fc has scales without usable types"},
      {[](Graph& g) {
         *testing::node_of(g, "fc").hardware.weight = FixedType{1, 0};
       },
       "or binary weights"},
      {[](Graph& g) { g.tensors.at("fc.scale").as<double>()[0] = -0.5; }, "none of their type"},
      {[](Graph& g) { g.tensors.at("fc.scale").as<double>()[1] = 0.3; }, "none of their type"},
      {[](Graph& g) { g.tensors.at("fc.scale").as<double>()[2] = 1e-300; }, "none of their type"},
      {[](Graph& g) {
         Tensor& step = g.tensors["fc.step"] = g.tensors.at("fc.scale");
         step.as<double>()[0] = -0.5;
       },
       "steps that are no numbers"},
      {[](Graph& g) { g.tensors["fc.step"] = Tensor(DType::F64, {1}); }, "fc.step has shape"},
      {[](Graph& g) { g.tensors.erase("fc.scale"); }, "fc.scale is missing"},
      {[](Graph& g) { testing::node_of(g, "fc").hardware.scale.reset(); },
       "fc has scales without usable types"},
      {[](Graph& g) {
         FixedType& sums = *testing::node_of(g, "b.conv1").hardware.product_sum;
         --sums.width, --sums.integer;
       },
       "sums of products do not fit"},
  };
  for (const auto& [damage, expected] : of_scales) {
    Graph graph = scaled;
    damage(graph);
    testing::expect_words(refusal(file_of(graph)), {expected});
  }
  testing::DesignOptions options;
  options.layout = Layout::Stock;
  const Graph windows =
      testing::make_design(testing::windows_graph(8, 9, /*shortened=*/false), options);
  for (const char* name : {"last.pool", "stem.pool.pad", "b0.conv1.relu"}) {
    Graph wider = windows;
    wider.value(testing::node_of(wider, name).outputs[0]).type->width = 20;
    testing::expect_words(refusal(file_of(wider)),
                          {std::string(name) + " writes another type than it reads"});
  }
  Graph graph = every_op_graph();
  testing::node_of(graph, "shortcut").inputs = {graph.input()};
  EXPECT_EQ(reload(graph).state, GraphState::Lowered);  // a lowered graph needs none
}

/// Damages every place of a document in turn, each key by leaving it out too.
void damage_all(Json& at, const std::function<void()>& attempt) {
  if (at.is_object() || at.is_array()) {
    const size_t size = at.is_object() ? at.as_object().size() : at.as_array().size();
    for (size_t i = 0; i < size; ++i)
      damage_all(at.is_object() ? at.members()[i].second : at.items()[i], attempt);
  }
  const Json whole = at;
  if (at.is_object()) {
    for (const auto& [key, value] : whole.as_object()) {
      at.erase(key);
      attempt();
      at = whole;
    }
  }
  std::vector<Json> damages;
  if (whole.is_int()) damages = {-1, 0, int64_t{1} << 62};
  if (whole.is_bool()) damages = {1};
  if (whole.is_string()) damages = {"ap_fixed<63,99>"};
  if (whole.is_string() && starts_with(whole.as_string(), "ap_")) {
    for (const char* type : {"ap_fixed<1,1,AP_RND,AP_SAT_SYM>", "ap_ufixed<62,31>",
                             "ap_fixed<32,-30>", "ap_fixed<2,-60>"})
      damages.emplace_back(type);
  }
  if (whole.is_array()) damages = {Json::Array(), Json::Array{1, 2, 3, 4}};
  for (const Json& damage : damages) {
    at = damage;
    attempt();
  }
  at = whole;
}

class DamagedGraphFile : public GraphFile {
 protected:
  void damage(const Graph& graph, const char* part, const std::function<void(const Graph&)>& use) {
    TensorFile file = file_of(graph);
    Json document = Json::parse(file.metadata.at("document"), "");
    int accepted = 0, refused = 0;
    damage_all(*document.find(part), [&] {
      file.metadata["document"] = document.dump();
      try {
        use(load(file));
        ++accepted;
      } catch (const Error& e) {
        ASSERT_NE(e.kind(), ErrorKind::Internal) << e.what() << "\n" << document.dump();
        ++refused;
      }
    });
    EXPECT_GT(refused, 60);
    EXPECT_LT(accepted, refused / 3);  // names, ids of skips
    EXPECT_EQ(document.dump(), file_of(graph).metadata.at("document"));
  }
};

void verify(const Graph& g) { EXPECT_EQ(verify_graph(g), std::vector<std::string>{}); }
void summarise(const Graph& g) {
  skip_depths(g);
  EXPECT_EQ(simulate_streams(g, fifo_depths(g), 2).high_water.size(), g.values.size());
  const std::vector<double> image(static_cast<size_t>(g.input_shape().size()), 0.75);
  EXPECT_EQ(Float64Emulator(g).run(image).size(), IntegerEmulator(g).run(image).logits.size());
}

TEST_F(DamagedGraphFile, EveryFieldOfALoweredNodeIsChecked) {
  damage(every_op_graph(), "nodes", verify);
}
TEST_F(DamagedGraphFile, EveryFieldOfAMaxPoolsAndAGroupedNodeIsChecked) {
  damage(testing::windows_graph(8, 9, /*shortened=*/false), "nodes", verify);
}
TEST_F(DamagedGraphFile, EveryFieldOfALoweredValueIsChecked) {
  damage(every_op_graph(), "values", verify);
}
TEST_F(DamagedGraphFile, EveryFieldOfADesignsNodesIsChecked) {
  damage(tiny_design(), "nodes", summarise);
}
TEST_F(DamagedGraphFile, EveryFieldOfADesignsValuesIsChecked) {
  damage(tiny_design(), "values", summarise);
}

}  // namespace
}  // namespace tailor::test
