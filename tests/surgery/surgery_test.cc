// Edits of descriptions: the counts after surgery are the paper's networks with their dead
// projections really erased.
#include "tailor/surgery/surgery.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <set>

#include "support/expect_error.h"
#include "support/layers.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::message_of;

constexpr int64_t kDepths[] = {8, 20, 32, 44, 56, 110};

Network resnet(int64_t depth, Shortcut shortcut = Shortcut::Projection) {
  NetworkConfig config;
  config.depth = depth;
  config.shortcut = shortcut;
  return make_network(config, {3, 32, 32}, 10);
}

TEST(Alteration, InTwoPartsItEndsAsInOne) {
  for (const AlterationKind kind : {AlterationKind::Remove, AlterationKind::Shorten}) {
    for (const char* id : {"stage1.block0.skip", "stage2.block0.skip"}) {
      Network whole = resnet(8), parts = whole;
      apply_alteration(whole, id, kind);
      const Alteration begin = apply_alteration(parts, id, kind, EditPart::Begin);
      const auto ids = skip_ids(parts);
      EXPECT_EQ(std::count(ids.begin(), ids.end(), id), 1);
      EXPECT_TRUE(begin.erased.empty());
      EXPECT_EQ(begin.copies.size(), begin.added.size());  // the projection's, where it has one
      for (const Block& block : parts.blocks) {
        for (const Skip& skip : block.skips)
          EXPECT_EQ(skip.weight, skip.id.rfind(std::string(id) + ".", 0) == 0 ? 0 : 1) << skip.id;
      }
      const Alteration end = apply_alteration(parts, id, kind, EditPart::End);
      EXPECT_TRUE(end.added.empty());
      EXPECT_EQ(skip_ids(parts), skip_ids(whole));
      EXPECT_EQ(parameter_count(parts), parameter_count(whole));
      for (Block& block : parts.blocks) {  // a copied projection goes by the step's name
        for (Skip& skip : block.skips) {
          if (skip.tensors == std::string(id) + ".0") skip.tensors = id;
        }
      }
      EXPECT_EQ(write_network(parts), write_network(whole));
    }
  }
}

TEST(Alteration, WhatIsCopiedBeginsWithTheValuesOfWhatItCopies) {
  Network network = resnet(8);
  const TensorMap tensors = initial_tensors(network, 3);
  const Alteration a =
      apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten, EditPart::Begin);
  const TensorMap added = added_tensors(a, network, tensors, 1);
  EXPECT_EQ(added.size(), 5U);
  EXPECT_EQ(added.at("stage2.block0.skip.0.conv.weight"),
            tensors.at("stage2.block0.skip.conv.weight"));
}

TEST(Remove, LeavesThePapersParameterCounts) {
  const int64_t expected[] = {75290, 269722, 464154, 658586, 853018, 1727962};
  for (size_t d = 0; d < std::size(kDepths); ++d) {
    for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad}) {
      Network network = resnet(kDepths[d], shortcut);
      const int64_t before = parameter_count(network);
      int64_t erased = 0;
      for (const std::string& id : skip_ids(network)) {
        const Alteration a = apply_alteration(network, id, AlterationKind::Remove);
        erased += a.erased_parameters;
        EXPECT_TRUE(a.added.empty());
      }
      EXPECT_EQ(parameter_count(network), expected[d]);
      EXPECT_EQ(erased, before - expected[d]);
      EXPECT_EQ(skip_ids(network), std::vector<std::string>{});
      EXPECT_EQ(verify_network(network), std::vector<std::string>{});
    }
  }
}

TEST(Remove, RecordsWhatWent) {
  Network network = resnet(8);
  const Alteration a = apply_alteration(network, "stage2.block0.skip", AlterationKind::Remove);
  EXPECT_EQ(a.kind, AlterationKind::Remove);
  EXPECT_EQ(a.skip_id, "stage2.block0.skip");
  EXPECT_EQ(a.before.dump(),
            R"([{"id":"stage2.block0.skip","from":0,"to":2,"kind":"projection"}])");
  EXPECT_EQ(a.after.dump(), "[]");
  EXPECT_EQ(a.erased, (std::vector<std::string>{
                          "stage2.block0.skip.conv.weight", "stage2.block0.skip.bn.weight",
                          "stage2.block0.skip.bn.bias", "stage2.block0.skip.bn.running_mean",
                          "stage2.block0.skip.bn.running_var"}));
  EXPECT_EQ(a.erased_parameters, 16 * 32 + 2 * 32);
  EXPECT_EQ(a.added_parameters, 0);
  EXPECT_EQ(skip_ids(network),
            (std::vector<std::string>{"stage1.block0.skip", "stage3.block0.skip"}));
  EXPECT_TRUE(
      apply_alteration(network, "stage1.block0.skip", AlterationKind::Remove).erased.empty());
}

TEST(Shorten, KeepsTheParameterCount) {
  for (int64_t depth : kDepths) {
    for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad}) {
      Network network = resnet(depth, shortcut);
      const int64_t before = parameter_count(network);
      const std::vector<std::string> ids = skip_ids(network);
      std::vector<std::string> expected;
      for (const std::string& id : ids) {
        const Alteration a = apply_alteration(network, id, AlterationKind::Shorten);
        EXPECT_TRUE(a.erased.empty());
        EXPECT_TRUE(a.added.empty());
        EXPECT_EQ(a.erased_parameters + a.added_parameters, 0);
        expected.push_back(id + ".0");
        expected.push_back(id + ".1");
      }
      EXPECT_EQ(parameter_count(network), before);
      EXPECT_EQ(skip_ids(network), expected);
      EXPECT_EQ(verify_network(network), std::vector<std::string>{});
    }
  }
}

TEST(Shorten, TheLongProjectionBecomesTheFirstShortSkip) {
  Network network = resnet(8);
  const Alteration a = apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten);
  EXPECT_EQ(a.after.dump(), R"([{"id":"stage2.block0.skip.0","from":0,"to":1,"kind":"projection"},)"
                            R"({"id":"stage2.block0.skip.1","from":1,"to":2,"kind":"identity"}])");
  const Block& block = network.blocks[2];
  EXPECT_EQ(block.skips[0].tensors, "stage2.block0.skip");  // the weights stay where they are
  EXPECT_EQ(stride_of(block.skips[0].layers), (Size2{2, 2}));
  EXPECT_TRUE(block.skips[1].layers.empty());
  EXPECT_NO_THROW(verify_tensors(network, initial_tensors(resnet(8), 1), "x"));
}

TEST(Shorten, TheLongPadBecomesTheFirstShortSkip) {
  Network network = resnet(8, Shortcut::Pad);
  apply_alteration(network, "stage3.block0.skip", AlterationKind::Shorten);
  const Skip& skip = network.blocks[3].skips[0];
  EXPECT_STREQ(kind_of(skip), "pad");
  EXPECT_EQ(skip.to, 1);
  EXPECT_EQ(stride_of(skip.layers), (Size2{2, 2}));
  EXPECT_EQ(testing::layer_of<PickLayer>(skip.layers).channel_offset, 16);
  EXPECT_STREQ(kind_of(network.blocks[3].skips[1]), "identity");
}

TEST(Shorten, AProjectionWithoutBatchNormStaysOne) {
  NetworkConfig config;
  config.family = "resnet_mlperf_tiny";
  const Network whole = make_network(config, {3, 32, 32}, 10);
  Network network = whole;
  apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten);
  EXPECT_FALSE(testing::has<BatchNormLayer>(network.blocks[2].skips[0].layers));
  EXPECT_NO_THROW(verify_tensors(network, initial_tensors(whole, 1), "x"));
}

TEST(Shorten, ANewNameIsNoOtherSkips) {
  Network network = resnet(8);
  network.blocks[2].skips[0].id = "stage1.block0.skip.0";
  apply_alteration(network, "stage1.block0.skip", AlterationKind::Shorten);
  EXPECT_EQ(network.blocks[1].skips[0].id, "stage1.block0.skip.1");
  EXPECT_EQ(network.blocks[1].skips[1].id, "stage1.block0.skip.2");
}

TEST(Shorten, DoesNotAddAnEdgeThatExists) {
  Network network = resnet(8);
  Skip extra;
  extra.id = "stage1.block0.extra";
  extra.to = 1;
  network.blocks[1].skips.push_back(extra);
  const Alteration a = apply_alteration(network, "stage1.block0.skip", AlterationKind::Shorten);
  EXPECT_EQ(a.after.dump(), R"([{"id":"stage1.block0.skip.1","from":1,"to":2,"kind":"identity"},)"
                            R"({"id":"stage1.block0.extra","from":0,"to":1,"kind":"identity"}])");

  // Where the existing edge takes the place of the long projection, that one goes.
  extra.id = extra.tensors = "stage2.block0.extra";
  extra.layers = projection(16, 32, {2, 2});
  network.blocks[2].skips.push_back(extra);
  const Alteration b = apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten);
  EXPECT_EQ(network.blocks[2].skips.size(), 2U);
  EXPECT_EQ(b.erased.size(), 5U);
  EXPECT_EQ(b.erased_parameters, 16 * 32 + 2 * 32);
  EXPECT_TRUE(b.added.empty());
  EXPECT_EQ(verify_network(network), std::vector<std::string>{});
}

/// 24 channels → 1x1 to 8 → 3x3 of stride 2 → 1x1 to 32, with a projection over all three.
Network bottleneck() {
  Network network;
  network.name = "bottleneck";
  network.input = {24, 10, 13};
  network.head = linear_head(7);
  const Skip skip{"b.skip", 0, 3, projection(24, 32, {2, 2}), "b.skip"};
  network.blocks.push_back(
      {"b", {conv_stage(24, 8, 1, 1), conv_stage(8, 8, 3, 2), conv_stage(8, 32, 1, 1)}, {skip}});
  return network;
}

TEST(Counts, OfResnet50BeforeAndAfterTheAlterationOfEverySkip) {
  const Network before = network_by_name("resnet50").network;
  for (const auto& [kind, parameters] : {std::pair(AlterationKind::Remove, int64_t{22780456}),
                                         std::pair(AlterationKind::Shorten, int64_t{32519208})}) {
    Network network = before;
    int64_t added = 0, erased = 0;
    for (const std::string& id : skip_ids(before)) {
      const Alteration a = apply_alteration(network, id, kind);
      added += a.added_parameters;
      erased += a.erased_parameters;
    }
    EXPECT_EQ(parameter_count(network), parameters);
    EXPECT_EQ(25557032 + added - erased, parameters);
  }
}

TEST(Shorten, ABottleneckGetsNewProjectionsThatStartAsNothing) {
  Network network = bottleneck();
  ASSERT_EQ(verify_network(network), std::vector<std::string>{});
  TensorMap tensors = initial_tensors(network, 1);
  const int64_t before = parameter_count(network);
  const Alteration a = apply_alteration(network, "b.skip", AlterationKind::Shorten);
  EXPECT_EQ(a.after.dump(), R"([{"id":"b.skip.0","from":0,"to":1,"kind":"projection"},)"
                            R"({"id":"b.skip.1","from":1,"to":2,"kind":"projection"},)"
                            R"({"id":"b.skip.2","from":2,"to":3,"kind":"projection"}])");
  EXPECT_EQ(verify_network(network), std::vector<std::string>{});
  EXPECT_EQ(stride_of(network.blocks[0].skips[0].layers), (Size2{1, 1}));
  EXPECT_EQ(stride_of(network.blocks[0].skips[1].layers), (Size2{2, 2}));
  EXPECT_EQ(a.erased.size(), 5U);
  EXPECT_EQ(a.erased[0], "b.skip.conv.weight");
  EXPECT_EQ(a.erased_parameters, 24 * 32 + 2 * 32);
  ASSERT_EQ(a.added.size(), 15U);
  EXPECT_EQ(a.added[0].name, "b.skip.0.conv.weight");
  EXPECT_EQ(a.added[0].shape, (Shape{8, 24, 1, 1}));
  EXPECT_EQ(a.added[5].shape, (Shape{8, 8, 1, 1}));
  EXPECT_EQ(a.added[10].shape, (Shape{32, 8, 1, 1}));
  EXPECT_EQ(a.added_parameters, (24 * 8 + 16) + (8 * 8 + 16) + (8 * 32 + 64));
  EXPECT_EQ(parameter_count(network), before - a.erased_parameters + a.added_parameters);

  const TensorMap added = added_tensors(a, network, {}, 1);
  for (const std::string& name : a.erased) tensors.erase(name);
  tensors.insert(added.begin(), added.end());
  EXPECT_NO_THROW(verify_tensors(network, tensors, "x"));
  const std::vector<double> zeros(8, 0), ones(8, 1);
  EXPECT_EQ(added.at("b.skip.1.bn.weight").to_doubles(), zeros);
  EXPECT_EQ(added.at("b.skip.1.bn.bias").to_doubles(), zeros);
  EXPECT_EQ(added.at("b.skip.1.bn.running_var").to_doubles(), ones);
  EXPECT_EQ(added.at("b.skip.1.conv.weight"), initial_tensor(a.added[5], 1));
  EXPECT_NE(added.at("b.skip.1.conv.weight").as<float>()[0], 0);
}

TEST(Shorten, ABottleneckTakesTheOldProjectionWhereItFits) {
  Network network = bottleneck();
  network.blocks[0].stages = {conv_stage(24, 24, 1, 1), conv_stage(24, 32, 3, 2),
                              conv_stage(32, 32, 1, 1)};
  const Alteration a = apply_alteration(network, "b.skip", AlterationKind::Shorten);
  EXPECT_EQ(a.after.dump(), R"([{"id":"b.skip.0","from":0,"to":1,"kind":"identity"},)"
                            R"({"id":"b.skip.1","from":1,"to":2,"kind":"projection"},)"
                            R"({"id":"b.skip.2","from":2,"to":3,"kind":"identity"}])");
  EXPECT_EQ(network.blocks[0].skips[1].tensors, "b.skip");
  EXPECT_TRUE(a.added.empty());
  EXPECT_TRUE(a.erased.empty());
}

/// Two separable stages on one row, the first of stride 2, with a chain of layers over both.
Network separable_block() {
  const Window strided{{1, 5}, {1, 2}, {1, 1}, {0, 2, 0, 2}};
  Window same = strided;
  same.stride = {1, 1};
  Network n;
  n.name = "separable";
  n.input = {4, 1, 24};
  n.head = {ConvLayer{6, 3, square_window(1), 1, true}};
  auto stage = [](int64_t in, int64_t out, const Window& w) {
    return Stage{{ConvLayer{in, in, w, in}, ConvLayer{in, out, square_window(1)}, BatchNormLayer{},
                  ReluLayer{}}};
  };
  n.blocks = {{"b",
               {stage(4, 6, strided), stage(6, 6, same)},
               {{"b.skip",
                 0,
                 2,
                 {ConvLayer{4, 4, strided, 4}, ReluLayer{}, ConvLayer{4, 6, square_window(1)},
                  BatchNormLayer{}},
                 "b.skip"}}}};
  return n;
}

TEST(Remove, ErasesEveryLayerOfAChain) {
  Network network = separable_block();
  ASSERT_EQ(verify_network(network), std::vector<std::string>{});
  const Alteration a = apply_alteration(network, "b.skip", AlterationKind::Remove);
  EXPECT_EQ(a.before.dump(), R"([{"id":"b.skip","from":0,"to":2,"kind":"layers"}])");
  EXPECT_EQ(a.erased, (std::vector<std::string>{
                          "b.skip.conv.weight", "b.skip.convb.weight", "b.skip.bn.weight",
                          "b.skip.bn.bias", "b.skip.bn.running_mean", "b.skip.bn.running_var"}));
  EXPECT_EQ(a.erased_parameters, 4 * 5 + 4 * 6 + 2 * 6);
}

TEST(Shorten, AChainOfLayersGoesWhereItFits) {
  Network network = separable_block();
  const Alteration a = apply_alteration(network, "b.skip", AlterationKind::Shorten);
  EXPECT_EQ(a.after.dump(), R"([{"id":"b.skip.0","from":0,"to":1,"kind":"layers"},)"
                            R"({"id":"b.skip.1","from":1,"to":2,"kind":"identity"}])");
  EXPECT_TRUE(a.erased.empty());
  EXPECT_TRUE(a.added.empty());
  EXPECT_NO_THROW(verify_tensors(network, initial_tensors(separable_block(), 1), "x"));
}

TEST(Shorten, AStageOfSeveralConvolutionsGetsAProjectionOfTheirStride) {
  Network network = separable_block();
  network.blocks[0].stages.push_back(conv_stage(6, 9, 1, 1));  // no longer where the chain ends
  network.head = {ConvLayer{9, 3, square_window(1), 1, true}};
  network.blocks[0].skips[0] = {"b.skip", 0, 3, projection(4, 9, {1, 2}), "b.skip"};
  const Alteration a = apply_alteration(network, "b.skip", AlterationKind::Shorten);
  EXPECT_EQ(stride_of(network.blocks[0].skips[0].layers), (Size2{1, 2}));
  EXPECT_EQ(a.erased[0], "b.skip.conv.weight");
  EXPECT_EQ(a.added[0].name, "b.skip.0.conv.weight");
  EXPECT_EQ(a.added[0].shape, (Shape{6, 4, 1, 1}));
  EXPECT_EQ(a.added_parameters, 4 * 6 + 12 + 6 * 9 + 18);
  EXPECT_EQ(verify_network(network), std::vector<std::string>{});
}

TEST(Shorten, ALoneBatchNormBecomesIdentities) {
  Network network = separable_block();
  network.blocks[0].stages.erase(network.blocks[0].stages.begin());
  network.input = {6, 1, 24};
  network.blocks[0].stages.push_back(network.blocks[0].stages[0]);
  network.blocks[0].skips[0] = {"b.skip", 0, 2, {BatchNormLayer{}}, "b.skip"};
  ASSERT_EQ(verify_network(network), std::vector<std::string>{});
  const Alteration a = apply_alteration(network, "b.skip", AlterationKind::Shorten);
  EXPECT_EQ(a.erased.size(), 4U);
  EXPECT_EQ(a.erased_parameters, 12);
  EXPECT_STREQ(kind_of(network.blocks[0].skips[0]), "identity");
  EXPECT_STREQ(kind_of(network.blocks[0].skips[1]), "identity");
}

TEST(ApplyAlteration, ErrorsLeaveTheNetworkAsItWas) {
  Network network = resnet(8);
  apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten);
  const std::string before = write_network(network).dump();
  EXPECT_EQ(message_of(ErrorKind::Config,
                       [&] {
                         apply_alteration(network, "stage2.block0.skip.1", AlterationKind::Shorten);
                       }),
            "cannot shorten the skip 'stage2.block0.skip.1': it spans one stage only");
  EXPECT_EQ(write_network(network).dump(), before);
  for (AlterationKind kind : {AlterationKind::Remove, AlterationKind::Shorten})
    EXPECT_EQ(message_of(ErrorKind::Config,
                         [&] { apply_alteration(network, "stage2.block0.skip", kind); }),
              "cannot alter the skip 'stage2.block0.skip': the network has no such skip; there are "
              "stage1.block0.skip, stage2.block0.skip.0, stage2.block0.skip.1, stage3.block0.skip");
  expect_error(ErrorKind::Internal, {"keeping a skip"},
               [&] { apply_alteration(network, "stage1.block0.skip", AlterationKind::Keep); });
  EXPECT_EQ(write_network(network).dump(), before);
  for (const std::string& id : skip_ids(network))
    apply_alteration(network, id, AlterationKind::Remove);
  expect_error(ErrorKind::Config, {"no such skip; there are none"},
               [&] { apply_alteration(network, "stage1.block0.skip", AlterationKind::Remove); });
}

TEST(ApplyAlteration, RefusesAStageThatNoProjectionMatches) {
  Network network;
  network.name = "valid-then-full";
  network.input = {4, 10, 13};
  network.head = linear_head(7);
  Skip skip;
  skip.id = "b.skip";
  skip.to = 2;
  Stage shrinks = conv_stage(4, 4, 3, 1), grows = shrinks;
  testing::conv_of(shrinks).window.pads = {};
  testing::conv_of(grows).window.pads = {2, 2, 2, 2};
  network.blocks.push_back({"b", {shrinks, grows}, {skip}});
  ASSERT_EQ(verify_network(network), std::vector<std::string>{});
  const std::string before = write_network(network).dump();
  EXPECT_EQ(message_of(ErrorKind::Unsupported,
                       [&] { apply_alteration(network, "b.skip", AlterationKind::Shorten); }),
            "cannot shorten the skip 'b.skip': no strided 1x1 projection turns 4x10x13 into 4x8x11 "
            "at stage 1");
  EXPECT_EQ(write_network(network).dump(), before);
}

TEST(AlterationText, ReadsTheSameInLogAndFile) {
  Network network = resnet(20);
  const Alteration a = apply_alteration(network, "stage2.block0.skip", AlterationKind::Remove);
  EXPECT_EQ(alteration_text(a, 5, 9), "removed stage2.block0.skip (5 of 9 left)");
  const Alteration b = apply_alteration(network, "stage1.block0.skip", AlterationKind::Shorten);
  EXPECT_EQ(alteration_text(b, 0, 9), "shortened stage1.block0.skip (0 of 9 left)");
}

// ---- solving

TEST(Solve, SaysWhichBlocksItCannotSolve) {
  const auto refused = [](const Network& network, const std::string& id, const std::string& why) {
    expect_error(ErrorKind::Config, {id, why, "surgery.edit \"cut\""},
                 [&] { solvable_block(network, id); });
  };
  const Network network = resnet(8);
  for (const std::string& id : skip_ids(network))
    EXPECT_EQ(solvable_block(network, id).skip.id, id);
  Network shortened = network;
  apply_alteration(shortened, "stage1.block0.skip", AlterationKind::Shorten);
  refused(shortened, "stage1.block0.skip.0", "its block has other skips");
  shortened.blocks[1].skips.erase(shortened.blocks[1].skips.begin());
  refused(shortened, "stage1.block0.skip.1", "not over the block's first stage or two");
  shortened.blocks[1].skips[0].from = 0, shortened.blocks[1].skips[0].to = 1;
  EXPECT_EQ(solvable_block(shortened, "stage1.block0.skip.1").first.size(), 3U);
  shortened.join = Join::AfterActivation;
  refused(shortened, "stage1.block0.skip.1", "behind the ReLU of the only stage");
  NetworkConfig bottlenecks;
  bottlenecks.family = "resnet_imagenet";
  bottlenecks.depth = 50;
  const Network deep = make_network(bottlenecks, {3, 64, 64}, 10);
  refused(deep, skip_ids(deep)[0], "not over the block's first stage or two");
  Network unfit = network;
  auto& conv = std::get<ConvLayer>(unfit.blocks[1].stages[0].layers[0]);
  conv.window.pads = {2, 2, 0, 0};
  EXPECT_EQ(solvable_block(unfit, "stage1.block0.skip").block, 1U);
  conv.window.dilation = {2, 2}, conv.window.pads = {1, 1, 3, 3};
  refused(unfit, "stage1.block0.skip", "no tap of the first convolution reads its pixel");
  unfit = network;
  std::get<ConvLayer>(unfit.blocks[1].stages[1].layers[0]).dirac = true;
  refused(unfit, "stage1.block0.skip", "its convolutions are dirac");
}

TEST(AlterEverySkip, IsWhatTheAlterationsEndWithAndChangesNothingTwice) {
  const Network network = make_network({}, {3, 32, 32}, 10);
  EXPECT_EQ(write_network(alter_every_skip(network, InitialSkips::Kept)), write_network(network));
  for (const auto& [skips, kind] : {std::pair(InitialSkips::Removed, SurgeryKind::Remove),
                                    std::pair(InitialSkips::Shortened, SurgeryKind::Shorten)}) {
    SurgeryConfig policy;
    policy.kind = kind;
    Network gradually = network;
    for (const PlannedEdit& edit : plan_edits(policy, network, 100, "test"))
      apply_alteration(gradually, edit.skip_id, edit.kind);
    const Network at_once = alter_every_skip(network, skips);
    EXPECT_EQ(write_network(at_once), write_network(gradually));
    EXPECT_EQ(write_network(alter_every_skip(at_once, skips)), write_network(at_once));
  }
}

TEST(WithBranches, EveryConvolutionHasRepvggs) {
  const Network network = alter_every_skip(resnet(20), InitialSkips::Repvgg);
  int64_t pointwise = 0, identities = 0;
  for (const Block& block : network.blocks) {
    for (const Skip& skip : block.skips) {
      EXPECT_EQ(skip.to, skip.from + 1);
      const bool is_identity = skip.layers.size() == 1;
      ++(is_identity ? identities : pointwise);
      EXPECT_TRUE(std::holds_alternative<BatchNormLayer>(skip.layers.back()));
      const auto& conv =
          std::get<ConvLayer>(block.stages[static_cast<size_t>(skip.from)].layers[0]);
      if (is_identity) {
        EXPECT_EQ(conv.in, conv.out);
      } else {
        EXPECT_EQ(std::get<ConvLayer>(skip.layers[0]).window.taps(), 1);
        EXPECT_EQ(std::get<ConvLayer>(skip.layers[0]).window.stride, conv.window.stride);
      }
    }
  }
  EXPECT_EQ(pointwise, 19);   // the stem's too
  EXPECT_EQ(identities, 16);  // not of the stem and of the two that are strided
  EXPECT_EQ(write_network(read_network(write_network(network), "again")), write_network(network));
}

TEST(WithBranches, RefusesWhereThereAreNone) {
  Network behind = resnet(8);
  behind.join = Join::AfterActivation;
  expect_error(ErrorKind::Config, {"repvgg", "network.join"}, [&] { with_branches(behind); });
  Network plain = resnet(8);
  for (Block& block : plain.blocks) {
    for (Stage& stage : block.stages) stage.layers.erase(stage.layers.begin() + 1);
    block.skips.clear();
  }
  expect_error(ErrorKind::Config, {"repvgg", "no stage of one padded convolution"},
               [&] { with_branches(plain); });
  Network narrow = resnet(8);  // of whose convolutions no output is as large as a 1x1's
  narrow.blocks.resize(1), narrow.head = linear_head(10);
  std::get<ConvLayer>(narrow.blocks[0].stages[0].layers[0]).window.pads = {};
  expect_error(ErrorKind::Config, {"repvgg", "no stage"}, [&] { with_branches(narrow); });
  expect_error(ErrorKind::Config, {"dirac", "no stage"}, [&] { with_dirac_kernels(narrow); });
}

}  // namespace
}  // namespace tailor::test
