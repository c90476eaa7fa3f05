// QuartzNet's counts are those of the reference (section 2.4), whose baseline figures are the
// authors' and NVIDIA's own; shapes, names and surgery beside them.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/net/family.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

using testing::expect_error;

Network named(const std::string& name) { return network_by_name(name).network; }

Network with_all(Network network, AlterationKind kind) {
  for (const std::string& id : skip_ids(network)) apply_alteration(network, id, kind);
  return network;
}

int64_t projections(const Network& network) {
  int64_t count = 0;
  for (const Block& block : network.blocks) {
    for (const Skip& skip : block.skips) count += kind_of(skip) == std::string("projection");
  }
  return count;
}

struct Counts {
  const char* name;
  int64_t skips, parameters, removed, shortened, macs;  // macs: of one answered frame
};

TEST(QuartzNet, HasThePublishedCountsBeforeAndAfterSurgery) {
  const Counts all[] = {{"quartznet5x5_dna", 5, 6678533, 5888005, 6020101, 6650368},
                        {"quartznet5x5_speech", 5, 6713181, 5922653, 6054749, 6684992},
                        {"quartznet10x5_speech", 10, 12818781, 11106653, 11238749, 12766016},
                        {"quartznet15x5_speech", 15, 18924381, 16290653, 16422749, 18847040}};
  for (const Counts& c : all) {
    SCOPED_TRACE(c.name);
    const Network network = named(c.name);
    EXPECT_EQ(network.name, c.name);
    EXPECT_EQ(static_cast<int64_t>(skip_ids(network).size()), c.skips);
    EXPECT_EQ(projections(network), c.skips);
    EXPECT_EQ(parameter_count(network), c.parameters);
    EXPECT_EQ(mac_count(network), c.macs * output_shape(network).width);
    const Network removed = with_all(network, AlterationKind::Remove),
                  shortened = with_all(network, AlterationKind::Shorten);
    EXPECT_EQ(parameter_count(removed), c.removed);
    EXPECT_EQ(projections(removed), 0);
    EXPECT_EQ(parameter_count(shortened), c.shortened);
    EXPECT_EQ(projections(shortened), 1);
    EXPECT_EQ(static_cast<int64_t>(skip_ids(shortened).size()), 5 * c.skips);
    EXPECT_EQ(verify_network(shortened), std::vector<std::string>{});
  }
}

TEST(QuartzNet, TheOneProjectionThatShorteningLeavesKeepsItsTensors) {
  Network network = named("quartznet5x5_dna");
  const Alteration widening =
      apply_alteration(network, "stage3.block0.skip", AlterationKind::Shorten);
  EXPECT_TRUE(widening.erased.empty());
  EXPECT_TRUE(widening.added.empty());
  const Skip& first = network.blocks[3].skips[0];
  EXPECT_EQ(first.id, "stage3.block0.skip.0");
  EXPECT_EQ(first.tensors, "stage3.block0.skip");
  const Alteration equal = apply_alteration(network, "stage4.block0.skip", AlterationKind::Shorten);
  EXPECT_EQ(equal.erased_parameters, 512 * 512 + 2 * 512);
  EXPECT_EQ(equal.erased[0], "stage4.block0.skip.conv.weight");
}

TEST(QuartzNet, SpeechAndDnaDifferWhereTheirProgramsDo) {
  const Network speech = named("quartznet5x5_speech"), dna = named("quartznet5x5_dna");
  auto conv = [](const Network& n, size_t block, size_t layer) {
    return std::get<ConvLayer>(n.blocks[block].stages[0].layers[layer]);
  };
  EXPECT_EQ(conv(speech, 0, 0).groups, 64);
  EXPECT_EQ(conv(speech, 0, 0).window, (Window{{1, 33}, {1, 2}, {1, 1}, {0, 16, 0, 16}}));
  EXPECT_EQ(conv(dna, 0, 0).groups, 1);
  EXPECT_EQ(conv(dna, 0, 0).window, (Window{{1, 33}, {1, 3}, {1, 1}, {0, 16, 0, 16}}));
  EXPECT_EQ(conv(speech, 6, 0).window, (Window{{1, 87}, {1, 1}, {1, 2}, {0, 86, 0, 86}}));
  EXPECT_EQ(conv(dna, 6, 0).window, (Window{{1, 87}, {1, 1}, {1, 1}, {0, 43, 0, 43}}));
  for (const Network* n : {&speech, &dna}) {
    EXPECT_EQ(n->bn_epsilon, 1e-3);
    EXPECT_EQ(n->bn_momentum, 0.1);
    EXPECT_TRUE(n->answers_per_position());
    EXPECT_EQ(n->blocks.front().id, "stem");
    EXPECT_EQ(n->blocks.back().id, "top");
  }
  EXPECT_TRUE(speech.masks_padding);
  EXPECT_FALSE(dna.masks_padding);
  EXPECT_EQ(speech.initialisation, Initialisation::XavierUniform);
  EXPECT_EQ(dna.initialisation, Initialisation::PyTorch);
  EXPECT_EQ(output_shape(dna), (MapShape{5, 1, 1200}));
  EXPECT_EQ(output_shape(speech), (MapShape{29, 1, 800}));
}

TEST(QuartzNet, NamesItsTensorsByBlockAndStage) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : tensor_specs(named("quartznet10x5_speech")))
    names.push_back(spec.name);
  EXPECT_EQ(names[0], "stem.conv1.weight");
  EXPECT_EQ(names[1], "stem.conv1b.weight");
  for (const char* name : {"stage1.block1.conv5b.weight", "stage3.block0.skip.conv.weight",
                           "stage3.block0.skip.bn.running_var", "context.conv1b.weight",
                           "top.bn1.bias", "head.conv.weight"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  EXPECT_EQ(names.back(), "head.conv.bias");
}

TEST(QuartzNet, AnswersAFrameForEveryStrideOfItsInput) {
  const Network speech = named("quartznet10x5_speech"), dna = named("quartznet5x5_dna");
  EXPECT_EQ(time_stride(speech), 2);
  EXPECT_EQ(time_stride(dna), 3);
  EXPECT_EQ(output_length(dna, 3600), 1200);
  // ceil(length / stride), down to a single column.
  for (int64_t length : {1, 2, 3, 4, 299, 300, 301, 3601}) {
    EXPECT_EQ(output_length(speech, length), (length + 1) / 2) << length;
    EXPECT_EQ(output_length(dna, length), (length + 2) / 3) << length;
  }
  EXPECT_EQ(output_length(dna, 0), 0);
  EXPECT_EQ(receptive_field(dna), 4131);
  EXPECT_EQ(receptive_field(speech), 5497);
  EXPECT_EQ(receptive_field(with_all(speech, AlterationKind::Shorten)), 5497);
  // One that answers once reads the whole image.
  EXPECT_EQ(receptive_field(named("resnet20")), 32);
  EXPECT_EQ(output_length(named("resnet20"), 32), 1);
}

/// The learning smoke test's network (reference, section 11).
NetworkConfig smoke_config() {
  NetworkConfig c;
  read_record(Json::parse(R"({"family": "quartznet", "width": 48, "quartznet": {"kind": "dna",
      "blocks": [{"kernel": 33}, {"kernel": 39}, {"kernel": 51, "filters": 2}],
      "repeat": 3, "context_kernel": 0, "last_filters": 2}})",
                          "smoke"),
              "smoke", [&](RecordVisitor& v) { describe(v, c); });
  return c;
}

TEST(QuartzNet, ASmallOneIsAConfiguration) {
  const NetworkConfig config = smoke_config();
  EXPECT_NO_THROW(verify_config(config, "smoke"));
  const Network network = make_network(config, {1, 1, 1200}, 5);
  EXPECT_EQ(network.name, "quartznet3x3_dna");
  EXPECT_EQ(parameter_count(network), 81797);
  EXPECT_EQ(network.blocks.size(), 5U);
  EXPECT_EQ(output_shape(network), (MapShape{5, 1, 400}));
  NetworkConfig resolved = resolve_network_config(config), again;
  read_record(write_network_config(resolved), "again",
              [&](RecordVisitor& v) { describe(v, again); });
  EXPECT_EQ(write_network(make_network(again, {1, 1, 1200}, 5)), write_network(network));
}

TEST(QuartzNet, JoinsOnEitherSideOfTheReLU) {
  NetworkConfig config = smoke_config();
  config.join = Join::AfterActivation;
  const Network after = make_network(config, {1, 1, 1200}, 5);
  EXPECT_EQ(after.join, Join::AfterActivation);
  EXPECT_EQ(parameter_count(after), 81797);
  EXPECT_EQ(write_network(read_network(write_network(after), "after")), write_network(after));
}

TEST(QuartzNet, SaysWhatItCannotBe) {
  NetworkConfig even = smoke_config();
  even.quartznet->blocks[1].kernel = 38;
  expect_error(ErrorKind::Config,
               {"/network/quartznet/blocks/1/kernel: expected an odd number of frames, got 38"},
               [&] { verify_config(even, "x"); });
  NetworkConfig resnet;
  resnet.quartznet = QuartzNetConfig();
  expect_error(ErrorKind::Config, {"/network/quartznet: expected null, or family \"quartznet\""},
               [&] { verify_config(resnet, "x"); });
  // What other families read stays as it was.
  EXPECT_EQ(write_network_config(NetworkConfig()).find("quartznet"), nullptr);
}

}  // namespace
}  // namespace tailor::test
