// What a card or its tool cannot do with a design is said with what would fit.
#include <gtest/gtest.h>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/rooms.h"

namespace tailor::test::limits_test {
namespace {

testing::DesignOptions options(Layout layout) {
  testing::DesignOptions o;
  o.type = FixedType{16, 6};
  o.input_magnitude = 2.1;
  o.layout = layout;
  return o;
}

TEST(Limits, ADesignBeyondTheCardSaysSo) {
  const Graph large = testing::bottleneck_graph({3, 32, 32}, {1, 1, 1, 1}, 64, 10);
  const Cost s = testing::cost_of(large, options(Layout::Fused));
  EXPECT_GT(s.memory_bits, 4320 * 18432);
  const auto limits = testing::limits_of(large, options(Layout::Fused), HlsBackend::Vitis);
  ASSERT_EQ(limits.size(), 2U);
  testing::expect_words(limits[0].text, {"the weights do not fit", "80", "283 Mbit of UltraRAM"});
  testing::expect_words(limits[1].text, {"32768 bits wide (2048 channels of 16)", "end at 4096",
                                         "At most 256 channels of that width fit"});
  EXPECT_TRUE(limits[0].oversize && limits[1].oversize);
  EXPECT_LE(s.dsp, 4788);
  testing::DesignOptions slow = options(Layout::Fused);
  slow.reuse_factor = 54;
  EXPECT_TRUE(
      testing::limits_of(testing::windows_graph(9, 12, false), slow, HlsBackend::Vivado).empty());
}

/// As `tailor inspect` asks: a sizing, no design.
std::vector<Limit> resnet8_limits(const FixedType& type, std::optional<int64_t> reuse,
                                  HlsBackend backend) {
  const Network network = network_by_name("resnet8").network;
  TensorMap zeros;
  for (const TensorSpec& spec : tensor_specs(network))
    zeros.emplace(spec.name, Tensor(DType::F32, spec.shape));
  const Plan plan =
      testing::make_plan(lower(network, zeros, "test"), {type, 2.1, Layout::Fused, reuse});
  const Device device = find_device("u200");
  return limits(plan, size(plan, {device, reuse}), device, backend);
}

const Limit* limit_of(const std::vector<Limit>& limits, const std::string& what) {
  for (const Limit& limit : limits) {
    if (limit.what == what) return &limit;
  }
  return nullptr;
}

TEST(Limits, OneMultiplierForEveryProductOfAResNet8IsSaidWithWhatFits) {
  const auto limits = resnet8_limits({16, 6}, 1, HlsBackend::Vivado);
  const Limit* dsp = limit_of(limits, "dsp");
  ASSERT_NE(dsp, nullptr);
  EXPECT_TRUE(dsp->oversize);
  testing::expect_words(dsp->text, {"take 77360 DSP slices, the u200 has 6840", "--reuse-factor",
                                    "no --reuse-factor at all"});
  // The factor that it names fits, and half of it does not.
  const size_t at = dsp->text.find("--reuse-factor ") + 15;
  const int64_t factor = std::stol(dsp->text.substr(at));
  EXPECT_EQ(limit_of(resnet8_limits({16, 6}, factor, HlsBackend::Vivado), "dsp"), nullptr);
  EXPECT_NE(limit_of(resnet8_limits({16, 6}, factor / 2, HlsBackend::Vivado), "dsp"), nullptr);
  // 3x3x64 to 64: 36,864 products of 16 bits in one word.
  const Limit* word = limit_of(limits, "weight_word");
  ASSERT_NE(word, nullptr);
  EXPECT_TRUE(word->oversize);
  testing::expect_words(
      word->text, {"words of 589824 bits (36864 multipliers of 16)", "Vivado HLS stops at 65536"});
  const auto vitis = resnet8_limits({16, 6}, 1, HlsBackend::Vitis);
  EXPECT_FALSE(limit_of(vitis, "weight_word")->oversize);  // nobody has tried
  EXPECT_TRUE(limit_of(vitis, "dsp")->oversize);
}

TEST(Limits, MultipliersOfLutsAreHeldAgainstTheCardsLuts) {
  const auto limits = resnet8_limits({8, 3}, 1, HlsBackend::Vitis);
  EXPECT_EQ(limit_of(limits, "dsp"), nullptr);
  const Limit* lut = limit_of(limits, "lut");
  ASSERT_NE(lut, nullptr);
  EXPECT_TRUE(lut->oversize);
  testing::expect_words(lut->text, {"77360 of them of about", "the u200 has 1182240"});
  EXPECT_TRUE(resnet8_limits({8, 3}, std::nullopt, HlsBackend::Vitis).empty());
  EXPECT_TRUE(resnet8_limits({16, 6}, std::nullopt, HlsBackend::Vitis).empty());
}

TEST(Limits, ALoopUnrolledTooOftenAndALargeRegisterArrayAreNamed) {
  testing::GraphBuilder b("wide", {1200, 3, 3});
  ops::Conv2d a;
  a.window = square_window(3, 1, 1);
  b.conv("conv", b.at, a, 4, 1e-3);
  testing::DesignOptions o = options(Layout::Fused);
  o.type = FixedType{3, 2};
  o.reuse_factor = 1;
  const auto limits = testing::limits_of(b.finish(3), o, HlsBackend::Vivado);
  const Limit* unroll = limit_of(limits, "unroll");
  ASSERT_NE(unroll, nullptr);
  testing::expect_words(unroll->text, {"conv unrolls a loop 10800 times", "stops at 4096"});
  const Limit* partition = limit_of(limits, "partition");
  ASSERT_NE(partition, nullptr);
  EXPECT_FALSE(partition->oversize);
  testing::expect_words(partition->text, {"an array of 10800 elements", "config_array_partition"});
}

TEST(Limits, FastStagesBesideSkipsAreNamedWhereTheToolDoesNotFlush) {
  const auto fast = resnet8_limits({16, 6}, 4, HlsBackend::Vivado);
  ASSERT_NE(limit_of(fast, "flush"), nullptr);
  EXPECT_FALSE(limit_of(fast, "flush")->oversize);
  testing::expect_words(limit_of(fast, "flush")->text,
                        {"answers every 3 cycles", "--reuse-factor 8 or more", "--backend vitis"});
  EXPECT_EQ(limit_of(resnet8_limits({16, 6}, 72, HlsBackend::Vivado), "flush"), nullptr);
  EXPECT_EQ(limit_of(resnet8_limits({16, 6}, 4, HlsBackend::Vitis), "flush"), nullptr);
}

TEST(Limits, LoopsAndRegistersOfADilatedWindowGoByWhatItSpans) {
  testing::GraphBuilder b("long", {1, 2, 5000});
  ops::Conv2d a;
  a.window = {{1, 3}, {1, 1}, {1, 2400}, {}};
  b.conv("conv", b.at, a, 2);
  const Graph lowered = b.finish(3);
  EXPECT_EQ(largest_register_array(testing::make_design(lowered, options(Layout::Fused))), 4801);
  const auto limits = testing::limits_of(lowered, options(Layout::Fused), HlsBackend::Vivado);
  ASSERT_NE(limit_of(limits, "unroll"), nullptr);
  testing::expect_words(limit_of(limits, "unroll")->text, {"conv unrolls a loop 4800 times"});
}

}  // namespace
}  // namespace tailor::test::limits_test
