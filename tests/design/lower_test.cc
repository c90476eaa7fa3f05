// Lowering is node for node; what it computes is compared with LibTorch in tests/nn. Here: the
// shape of the graph, and that a wrong one is refused.
#include "tailor/design/lower.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "tailor/core/files.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/witness.h"

namespace tailor::test {
namespace {

using testing::Surgery;

template <class A>
int count_ops(const Graph& graph) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [](const Node& node) { return node.is<A>(); }));
}

Graph with_witness(const Network& network, const TensorMap& tensors) {
  Graph g = lower(network, tensors, "test");
  const auto size = network.input.size();
  Witness w{
      "3 random images",
      Tensor(DType::F32, {3, network.input.height, network.input.width, network.input.channels}),
      Tensor(DType::F32, {3, output_shape(network).size()})};
  Float64Emulator emulator(g);
  for (int64_t i = 0; i < 3; ++i) {
    auto image = testing::random_image(network.input, i);
    for (double& v : image) v = static_cast<float>(v);
    auto logits = emulator.run(image);
    std::copy(image.begin(), image.end(), w.inputs.as<float>().data() + i * size);
    std::copy(logits.begin(), logits.end(),
              w.outputs.as<float>().data() + i * output_shape(network).size());
  }
  g.witness = w;
  return g;
}

TEST(Lower, RandomNetworksAgreeWithTheirWitnessAtEveryPosition) {
  for (int64_t seed = 0; seed < 40; ++seed) {
    const Network network = testing::random_network(seed);
    Graph g = with_witness(network, testing::random_tensors(network, seed));
    EXPECT_LT(witness_error(g), 1e-6) << seed;
    const auto outputs = g.witness->outputs.as<float>();
    outputs[outputs.size() - 1] += 1;
    EXPECT_GT(witness_error(g), 1e-4) << seed;
  }
}

TEST(Lower, NodesCarryTheNamesOfTheDescription) {
  Graph g = testing::lowered_variant(
      {Surgery::Traditional, Join::BeforeActivation, Shortcut::Projection});
  EXPECT_EQ(count_ops<ops::Conv2d>(g), 9);
  EXPECT_EQ(count_ops<ops::BatchNorm>(g), 9);
  EXPECT_EQ(count_ops<ops::Add>(g), 3);
  EXPECT_EQ(count_ops<ops::Relu>(g), 7);
  std::vector<std::string> names;
  for (const Node& n : g.nodes) names.push_back(n.name);
  for (const char* name :
       {"input", "stem.conv1", "stage2.block0.skip.conv", "stage2.block0.skip.bn",
        "stage2.block0.add2", "stage2.block0.relu2", "pool", "fc", "output"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  // Before the activation the sum feeds the ReLU; after it, the ReLU feeds the sum.
  auto order = [](const Graph& graph) {
    std::string text;
    for (const Node& n : graph.nodes) {
      if (n.name == "stage1.block0.add2" || n.name == "stage1.block0.relu2") text += n.name + " ";
    }
    return text;
  };
  EXPECT_EQ(order(g), "stage1.block0.add2 stage1.block0.relu2 ");
  EXPECT_EQ(order(testing::lowered_variant(
                {Surgery::Traditional, Join::AfterActivation, Shortcut::Projection})),
            "stage1.block0.relu2 stage1.block0.add2 ");
}

TEST(Lower, RemovedAndShortenedNetworksHaveTheEdgesOfTheirDescription) {
  EXPECT_EQ(count_ops<ops::Add>(testing::lowered_variant(
                {Surgery::Removed, Join::BeforeActivation, Shortcut::Projection})),
            0);
  Graph shortened =
      testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, Shortcut::Pad});
  EXPECT_EQ(count_ops<ops::Add>(shortened), 6);
  EXPECT_EQ(count_ops<ops::ShortcutPad>(shortened), 2);
}

TEST(Lower, APickTakesRowsAndColumnsByItsOwnStrides) {
  Network network;
  network.name = "pick";
  network.input = {2, 4, 6};
  network.head = linear_head(3);
  const Window window{{1, 3}, {1, 2}, {1, 1}, {0, 1, 0, 1}};
  Skip skip;
  skip.id = skip.tensors = "stem.skip";
  skip.to = 1;
  skip.layers = {PickLayer{3, window.stride, 1}};
  network.blocks = {{"stem", {Stage{{ConvLayer{2, 3, window}}}}, {skip}}};
  TemporaryDirectory folder("tailor-lower");
  const std::string path = path_join(folder.path(), "graph.safetensors");
  save_graph(path, lower(network, testing::random_tensors(network, 1), "test"));
  Graph graph = load_graph(path);
  const Node& pick = testing::node_of(graph, "stem.skip.pad");
  EXPECT_EQ(pick.as<ops::ShortcutPad>().stride, window.stride);
  EXPECT_EQ(graph.value(pick.outputs[0]).shape, (MapShape{3, 4, 3}));
}

TEST(Lower, TensorsThatDoNotFitAreRefused) {
  Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 1);
  tensors.erase("fc.bias");
  testing::expect_error(
      ErrorKind::Data, {"the tensors in test do not fit the network resnet8", "fc.bias is missing"},
      [&] { lower(network, tensors, "test"); });
}

TEST(Witness, AcceptsTheGraphThatMadeItAndRefusesAnother) {
  Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 1);
  Graph g = with_witness(network, tensors);
  EXPECT_LT(witness_error(g), 1e-6);
  verify_witness(g, "test");
  // A skip less.
  Network removed = network;
  Alteration a = apply_alteration(removed, "stage1.block0.skip", AlterationKind::Remove);
  Graph other = lower(removed, tensors, "test");
  other.witness = g.witness;
  testing::expect_error(
      ErrorKind::Mismatch,
      {"the graph of test does not compute what LibTorch computed", "expected at most 0.0001"},
      [&] { verify_witness(other, "test"); });
  // One weight beyond the tolerance, one within.
  Graph shifted = g;
  shifted.tensors.at("fc.bias").as<float>()[2] += 0.01F;
  EXPECT_THROW(verify_witness(shifted, "test"), Error);
  Graph close = g;
  close.tensors.at("fc.bias").as<float>()[2] += 1e-6F;
  verify_witness(close, "test");
}

TEST(Witness, ImagesOfAnotherLayoutAreRefused) {
  Network network = testing::small_network();
  Graph g = with_witness(network, testing::random_tensors(network, 1));
  g.witness->inputs = Tensor(DType::F32, {3, 3, 10, 13});
  testing::expect_error(ErrorKind::Data,
                        {"witness of inputs [3, 3, 10, 13]", "expected [n, 10, 13, 3] and n x 7"},
                        [&] { witness_error(g); });
}

TEST(Witness, NotANumberIsRefused) {
  Network network = testing::small_network();
  Graph g = with_witness(network, testing::random_tensors(network, 1));
  g.tensors.at("fc.bias").as<float>()[0] = NAN;
  EXPECT_THROW(verify_witness(g, "test"), Error);
}

TEST(Calibrate, GivesEveryBatchNormUnitOutputOnItsImages) {
  Network network = testing::small_network();
  Graph g = lower(network, initial_tensors(network, 1), "test");
  std::vector<std::vector<double>> images = {testing::random_image(network.input, 1),
                                             testing::random_image(network.input, 2)};
  calibrate_batch_norm(g, images);
  const ByValue<NodeId> writer = producers(g);
  Float64Emulator emulator(g);
  std::map<ValueId, std::pair<double, double>>
      sums;  // of value and square, over images, pixels and channels
  for (const auto& image : images) {
    emulator.run(image, [&](ValueId id, Span<const double> hwc) {
      if (!g.node(writer[id]).is<ops::BatchNorm>()) return;
      for (double v : hwc) {
        sums[id].first += v / static_cast<double>(2 * hwc.size());
        sums[id].second += v * v / static_cast<double>(2 * hwc.size());
      }
    });
  }
  EXPECT_EQ(sums.size(), 9U);
  for (const auto& [id, s] : sums) {
    EXPECT_NEAR(s.first, 0, 1e-4) << g.value(id).name;
    EXPECT_NEAR(s.second, 1, 1e-2) << g.value(id).name;
  }
}

}  // namespace
}  // namespace tailor::test
