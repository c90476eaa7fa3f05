// A sizing is numbers of a plan: the design that is made of it has the same, and no weight decides
// any of them.
#include <gtest/gtest.h>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/design/export.h"
#include "tailor/emulate/integer.h"

namespace tailor::test {
namespace {

std::vector<Graph> subjects() {
  std::vector<Graph> graphs;
  for (const testing::Variant& variant : testing::all_variants())
    graphs.push_back(testing::lowered_variant(variant));
  graphs.push_back(testing::windows_graph(10, 11, /*shortened=*/true));
  for (const char* name : {"resnet8", "residual_block16"}) {
    const Network network = network_by_name(name).network;
    graphs.push_back(lower(network, initial_tensors(network, 1), "test"));
  }
  return graphs;
}

TEST(Sizing, IsWhatTheDesignMadeOfItHas) {
  const Device device = find_device("u200");
  for (const Graph& graph : subjects()) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      for (std::optional<int64_t> factor : {std::optional<int64_t>(), std::optional<int64_t>(9)}) {
        const testing::DesignOptions options{FixedType{16, 6}, 2.1, layout, factor};
        const Plan plan = testing::make_plan(graph, options);
        const Sizing sizing = testing::make_sizing(plan, options);
        const Design design = realise(plan, sizing, device);
        const std::string what = graph.name + " " + to_string(layout);
        for (size_t i = 0; i < sizing.products.size(); ++i) {
          const Node& node = design.graph().node(plan.products()[i].node);
          EXPECT_EQ(node.hardware.reuse_factor, sizing.products[i].reuse_factor) << what;
          EXPECT_EQ(node.hardware.multipliers, sizing.products[i].multipliers) << what;
          EXPECT_EQ(node.hardware.cycles_per_output, sizing.products[i].cycles_per_output) << what;
        }
        EXPECT_EQ(sizing.interval_cycles, design.sizing().interval_cycles) << what;
        const Cost before = cost(plan, sizing, device), after = cost(plan, design.sizing(), device);
        EXPECT_EQ(before.dsp, after.dsp) << what;
        EXPECT_LE(before.skip_fifo_tokens, after.skip_fifo_tokens) << what;
        EXPECT_GT(after.fifo_bits, 0) << what;
        EXPECT_EQ(after.latency_cycles,
                  simulate_streams(design, fifo_depths(design), 2).latency_cycles)
            << what;
      }
    }
  }
}

TEST(Sizing, DependsOnNoWeight) {
  const Network network = testing::small_network();
  TensorMap zeros;
  for (const TensorSpec& spec : tensor_specs(network))
    zeros.emplace(spec.name, Tensor(DType::F32, spec.shape));
  const testing::DesignOptions options{FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt};
  auto sized = [&](const TensorMap& tensors) {
    return testing::make_sizing(testing::make_plan(lower(network, tensors, "test"), options),
                                options);
  };
  const Sizing trained = sized(testing::random_tensors(network, 3)), empty = sized(zeros);
  EXPECT_EQ(trained.stage_cycles, empty.stage_cycles);
  for (size_t i = 0; i < trained.products.size(); ++i)
    EXPECT_EQ(trained.products[i].reuse_factor, empty.products[i].reuse_factor);
}

TEST(Sizing, TakesNoMoreThanItsShareOfTheDevice) {
  const testing::DesignOptions options{FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt};
  const Network network = network_by_name("resnet8").network;
  const Plan plan =
      testing::make_plan(lower(network, initial_tensors(network, 1), "test"), options);
  int64_t cycles = INT64_MAX;
  for (double share : {0.02, 0.1, 0.35, 0.7, 1.0}) {
    Budget budget = testing::budget(options);
    budget.share = share;
    const Sizing sizing = size(plan, budget);
    EXPECT_LE(cost(plan, sizing, budget.device).dsp_share, share);
    EXPECT_LE(sizing.interval_cycles, cycles) << "more multipliers are never slower";
    cycles = sizing.interval_cycles;
  }
  Budget none = testing::budget(options);
  none.share = 1e-4;
  testing::expect_error(ErrorKind::Unsupported, {"--fpga u200", "more than 0 % of the card's 6840"},
                        [&] { size(plan, none); });
}

TEST(Sizing, AnOutputTakesItsReuseFactorAndNoCycleBeside) {
  const testing::DesignOptions options{FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt};
  auto sized = [&](const char* name, double share) {
    const Network network = network_by_name(name).network;
    const Plan plan =
        testing::make_plan(lower(network, initial_tensors(network, 1), "test"), options);
    Budget budget = testing::budget(options);
    budget.share = share;
    return cost(plan, size(plan, budget), budget.device);
  };
  const Cost resnet20 = sized("resnet20", 0.7), resnet8 = sized("resnet8", 1082.0 / 6840);
  EXPECT_EQ(resnet20.interval_cycles, 33 * 33 + 32 * 32 * (9 - 1));
  EXPECT_EQ(resnet20.multipliers, 4561);
  EXPECT_EQ(resnet8.interval_cycles, 33 * 33 + 16 * 16 * (48 - 1)) << "a strided convolution";
  EXPECT_EQ(resnet8.multipliers, 1073);
}

TEST(Sizing, MeansOfPixelsThatAreNoShiftShareMultipliers) {
  for (int64_t side : {8, 7}) {
    testing::GraphBuilder b("means", {12, side, side});
    const Plan plan = testing::make_plan(b.finish(3), {FixedType{16, 6}, 2.1, Layout::Fused, {}});
    std::vector<int64_t> channels;  // of product stages without weights
    int64_t multipliers = 0;
    const Sizing sizing = size(plan, {find_device("u200"), std::nullopt, 2.5 / 6840});
    for (size_t i = 0; i < plan.products().size(); ++i) {
      if (plan.products()[i].weights > 0) continue;
      channels.push_back(plan.products()[i].n_out);
      multipliers += sizing.products[i].multipliers;
    }
    EXPECT_EQ(channels, side == 8 ? std::vector<int64_t>{} : std::vector<int64_t>{12});
    EXPECT_EQ(multipliers, side == 8 ? 0 : 1);
    EXPECT_EQ(cost(plan, sizing, find_device("u200")).weights, 12 * 3) << "a mean has none";
  }
}

TEST(Precision, OfOneStageIsThatStagesAlone) {
  const Graph graph = testing::lowered_variant(
      {testing::Surgery::Traditional, Join::BeforeActivation, Shortcut::Projection});
  const testing::DesignOptions all{FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt};
  Precision precision(FixedType{16, 6});
  precision.stages["stage1.block0.conv1"] = {FixedType{6, 2}, FixedType{9, 4}};
  const Graph usual = testing::make_plan(graph, all).graph(),
              changed = plan(Lowered(graph, "test"), Layout::Fused, precision, 2.1).graph();
  ASSERT_EQ(usual.nodes.size(), changed.nodes.size());
  for (size_t n = 0; n < usual.nodes.size(); ++n) {
    const Node &before = usual.nodes[n], &after = changed.nodes[n];
    const bool named = before.name == "stage1.block0.conv1";
    if (before.hardware.weight) {
      EXPECT_EQ(after.hardware.weight->width, named ? 6 : 16) << before.name;
    }
    if (named) {
      EXPECT_EQ(to_string(*changed.value(after.outputs[0]).type), "ap_fixed<9,4,AP_RND,AP_SAT>");
    }
  }
  // The types are not only written down: the integers are those of the coarser stage.
  const auto image = testing::random_image(graph.input_shape(), 1);
  EXPECT_NE(IntegerEmulator(usual).run(image).logits, IntegerEmulator(changed).run(image).logits);
}

TEST(Precision, OfAStageThatIsNotThereIsRefused) {
  const Graph graph = testing::windows_graph(9, 12, false);
  Precision precision(FixedType{16, 6});
  precision.stages["b0.conv7"].weight = FixedType{6, 2};
  testing::expect_error(ErrorKind::Usage, {"has no stage 'b0.conv7'", "did you mean 'b0.conv"},
                        [&] { plan(Lowered(graph, "test"), Layout::Fused, precision, 2.1); });
}

TEST(Lowered, IsNoDesignAndNoGraphWithFindings) {
  const Graph graph = testing::windows_graph(9, 12, false);
  const Graph design = testing::make_design(graph, {FixedType{16, 6}, 2.1, Layout::Fused, 9});
  testing::expect_error(ErrorKind::Usage, {"mine: expected a lowered graph, got a design"},
                        [&] { Lowered(design, "mine"); });
  Graph torn = graph;
  torn.tensors.erase("fc.weight");
  testing::expect_error(ErrorKind::Data, {"mine: ", "fc"}, [&] { Lowered(torn, "mine"); });
}

TEST(Devices, TheU200HasTheSheetsFigures) {
  const Device u200 = find_device("u200");
  EXPECT_EQ(u200.part, "xcu200-fsgd2104-2-e");
  EXPECT_EQ(u200.dsp, 6840);
  EXPECT_EQ(u200.ramb18, 4320);
  EXPECT_EQ(device_names(), std::vector<std::string>{"u200"});
}

TEST(Devices, AFileOfYourOwnIsADevice) {
  const TemporaryDirectory folder;
  const std::string path = folder.path() + "/small.json";
  const std::string text = R"({"name": "small", "part": "xc7z020clg400-1", "dsp": 220,
    "ramb18": 280, "lut": 53200, "ff": 106400, "uram": 0})";
  write_file(path, text);
  const testing::DesignOptions options{FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt};
  const Network network = network_by_name("resnet8").network;
  const Plan plan =
      testing::make_plan(lower(network, initial_tensors(network, 1), "test"), options);
  ExportConfig config;
  config.fpga = path;
  const Budget budget = budget_of(config);
  const Sizing sizing = size(plan, budget);
  EXPECT_LE(cost(plan, sizing, budget.device).dsp, 154);  // 70 % of 220
  EXPECT_GT(sizing.interval_cycles, size(plan, testing::budget(options)).interval_cycles);
  EXPECT_EQ(realise(plan, sizing, budget.device).graph().provenance.at("design").at("card"),
            Json("small"));
}

TEST(Devices, AConfigurationTakesEveryNameAndFilesAndNothingElse) {
  ExportConfig config;
  std::vector<std::string> good = device_names();
  good.insert(good.end(), {"cards/mine.json", "mine.json"});
  for (const std::string& name : good) {
    config.fpga = name;
    verify_config(config, "test");
  }
  config.fpga = "u2000";
  testing::expect_error(ErrorKind::Config, {"/export/fpga", "\"u200\"", "device file", "\"u2000\""},
                        [&] { verify_config(config, "test"); });
}

TEST(Devices, AWrongFileIsSaidWithItsPlace) {
  const TemporaryDirectory folder;
  const std::string path = folder.path() + "/wrong.json";
  write_file(path, R"({"name": "wrong", "part": "x", "dsp": 0})");
  testing::expect_error(ErrorKind::Config, {"/dsp: expected an integer of at least 1", path},
                        [&] { find_device(path); });
  write_file(path, R"({"name": "wrong", "part": "x", "dsp": 5})");
  testing::expect_error(ErrorKind::Config, {"/ramb18: expected a value, got none", path},
                        [&] { find_device(path); });
  testing::expect_error(ErrorKind::Usage, {"--fpga: expected u200, got 'u2000'"},
                        [&] { find_device("u2000"); });
}

TEST(Devices, AConfigurationNamesACardOrADeviceFile) {
  ExportConfig config;
  for (const char* card : {"u200", "cards/mine", "mine.json"}) {
    config.fpga = card;
    EXPECT_NO_THROW(verify_config(config, "run.json")) << card;
  }
  config.fpga = "u2000";
  testing::expect_error(ErrorKind::Config,
                        {"/export/fpga: expected \"u200\", or the path of a device file",
                         "got \"u2000\" (did you mean 'u200'?)", "run.json"},
                        [&] { verify_config(config, "run.json"); });
}

}  // namespace
}  // namespace tailor::test
