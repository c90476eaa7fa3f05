// Convolutions with line buffers: what works at once, in which order weights are read, and how
// folded values are stored and verified.
#include "tailor/ir/line_buffer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/frames.h"
#include "support/rooms.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

using testing::FrameSkips;

/// 12 channels of 16 bits in tokens of 4, a kernel of 9.
Graph frames_design() {
  testing::FrameBuilder b("frames", 6, 21, FrameSkips::Short, Join::AfterActivation);
  b.block("b0", {12, 9, 2});
  testing::DesignOptions options;
  options.token_bits = 64;
  return testing::make_design(b.finish_frames(5), options).graph();
}

TEST(LineBuffer, EveryReuseFactorHasOneParallelismAndAMemoryOfTheKernelsFrames) {
  Graph design = frames_design();
  for (const char* name : {"b0.s1.dw", "b0.s1.pw"}) {
    const Node& conv = testing::node_of(design, name);
    const std::vector<int64_t> factors = line_reuse_factors(design, conv);
    const int64_t products = is_depthwise(design, conv) ? 12 * 9 : 12 * 12;
    for (int64_t factor : factors) {
      const LineParallelism p = line_parallelism(design, conv, factor);
      EXPECT_EQ(p.multipliers() * factor, products) << name;
      EXPECT_EQ(factor % 3, 0) << name << ": a share for each of a frame's tokens";
      const LineMemory memory = line_memory(design, conv, factor);
      EXPECT_EQ(memory.bits(), (is_depthwise(design, conv) ? 9 : 1) * 12 * 16) << name;
      std::vector<int64_t> order = line_weight_order(design, conv, factor);
      std::sort(order.begin(), order.end());
      std::vector<int64_t> all(static_cast<size_t>(products));
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(order, all) << name << " at " << factor;
    }
  }
  EXPECT_EQ(line_reuse_factors(design, testing::node_of(design, "b0.s1.dw")),
            (std::vector<int64_t>{3, 9, 27, 54, 108}));
  const Node& dw = testing::node_of(design, "b0.s1.dw");
  EXPECT_EQ(line_parallelism(design, dw, 9).lanes, 3);
  EXPECT_EQ(line_memory(design, dw, 9).frames, 3);
  EXPECT_EQ(line_memory(design, dw, 9).word_bits, 3 * 4 * 16);
  testing::expect_words(
      testing::message_of(ErrorKind::Data, [&] { line_parallelism(design, dw, 5); }),
      {"b0.s1.dw has the reuse factor 5"});
}

TEST(LineBuffer, FoldsAndStoragesAreWrittenToFilesAndReadBack) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "design.safetensors");
  Graph design = frames_design();
  save_graph(path, design);
  Graph back = load_graph(path);
  EXPECT_EQ(print_graph(back), print_graph(design));
  const Node& dw = testing::node_of(back, "b0.s1.dw");
  EXPECT_EQ(dw.hardware.line_storage, FifoStorage::Lutram);
  ASSERT_EQ(dw.outputs.size(), 2U) << "the second convolution's skip starts at its own input";
  EXPECT_EQ(back.value(dw.outputs[1]).fold, 3);
  EXPECT_EQ(back.value(dw.outputs[1]).token_bits(), 64);
}

TEST(LineBuffer, FoldsThatDoNotFitAreFound) {
  const Graph design = frames_design();
  Graph changed = design;
  const ValueId centre = testing::node_of(changed, "b0.s1.dw").outputs[1];
  changed.value(centre).fold = 2;
  const std::vector<std::string> findings = verify_graph(changed);
  ASSERT_FALSE(findings.empty());
  testing::expect_words(findings[0], {"b0.s1.dw", "folded 2 times"});
  changed.value(centre).fold = 5;
  testing::expect_words(verify_graph(changed)[0], {"expected a divisor of its 12 channels"});
  changed = design;
  testing::node_of(changed, "b0.s1.dw").as<ops::Conv2d>().line_buffer = false;
  testing::expect_words(verify_graph(changed)[0], {"whole pixels", "folded 3 times"});
}

}  // namespace
}  // namespace tailor::test
