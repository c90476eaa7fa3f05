// Where weights lie: by the share of the device that a ROM would take as LUTs and as block RAM.
#include <gtest/gtest.h>

#include "support/designs.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/design/passes.h"

namespace tailor::test {
namespace {

TEST(WeightMemory, BlockRamsAreTheSixShapes) {
  EXPECT_EQ(ramb18_of(512, 36), 1);
  EXPECT_EQ(ramb18_of(512, 37), 2);
  EXPECT_EQ(ramb18_of(513, 18), 1);
  EXPECT_EQ(ramb18_of(2048, 10), 2);
  EXPECT_EQ(ramb18_of(16384, 3), 3);
  EXPECT_EQ(ramb18_of(16385, 3), 6);
}

TEST(WeightMemory, ShallowOnesAreLutsAndDeepOnesBlockRam) {
  const Device u200 = find_device("u200");
  EXPECT_EQ(rom_storage(0, 0, u200), FifoStorage::Auto);
  EXPECT_EQ(rom_storage(1, 8192, u200), FifoStorage::Auto) << "wires";
  EXPECT_EQ(rom_storage(2, 8192, u200), FifoStorage::Lutram);
  EXPECT_EQ(rom_storage(64, 4608, u200), FifoStorage::Lutram);
  EXPECT_EQ(rom_storage(448, 36, u200), FifoStorage::Lutram);
  EXPECT_EQ(rom_storage(512, 36, u200), FifoStorage::Bram);
  EXPECT_EQ(rom_storage(512, 8, u200), FifoStorage::Lutram) << "a block RAM for 64 LUTs";
  EXPECT_EQ(rom_storage(513, 8, u200), FifoStorage::Bram);
  EXPECT_EQ(rom_storage(4608, 128, u200), FifoStorage::Bram);
  Device few_luts = u200;
  few_luts.lut /= 20;
  EXPECT_EQ(rom_storage(64, 4608, few_luts), FifoStorage::Bram);
}

TEST(WeightMemory, StandsInTheDesignAndIsCountedWhereItLies) {
  testing::DesignOptions options;
  options.input_magnitude = 2.1;
  options.reuse_factor = 4608;
  const Network network = network_by_name("resnet8").network;
  const Graph graph = lower(network, initial_tensors(network, 1), "test");
  const Plan plan = testing::make_plan(graph, options);
  const Device device = find_device("u200");
  const Design design = realise(plan, testing::make_sizing(plan, options), device);
  const Cost c = cost(plan, design.sizing(), device);
  int64_t bits = 0, luts = 0;
  for (size_t i = 0; i < plan.products().size(); ++i) {
    const ProductStage& p = plan.products()[i];
    const NodeHardware& h = design.graph().node(p.node).hardware;
    if (p.weights == 0) {
      EXPECT_EQ(h.weight_storage, FifoStorage::Auto);
      continue;
    }
    ASSERT_EQ(h.weight_storage, p.rom_storage(h.reuse_factor, device));
    if (h.weight_storage == FifoStorage::Bram) bits += p.weights * 16;
    if (h.weight_storage == FifoStorage::Lutram)
      luts += (h.reuse_factor + 63) / 64 * h.multipliers * 16;
  }
  EXPECT_GT(bits, 0);
  EXPECT_GT(luts, 0);
  EXPECT_EQ(c.rom_luts, luts);
  EXPECT_GE(c.memory_bits, bits);
  options.reuse_factor = 1;
  EXPECT_EQ(testing::cost_of(graph, options).rom_luts, 0) << "wires";
}

}  // namespace
}  // namespace tailor::test
