// Networks of frames (one dimension, depthwise separable, folded tokens), as compiled projects: bit
// for bit, with every kind of skip, in both layouts.
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/frames.h"
#include "support/projects.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"
#include "tailor/ir/line_buffer.h"

namespace tailor::test {
namespace {

using testing::FrameSkips;

/// The steps of `check` that do not pass, a line each.
std::string findings_of(Graph graph, const testing::DesignOptions& options,
                        HlsBackend backend = HlsBackend::Vitis) {
  calibrate_batch_norm(graph, {testing::random_image(graph.input_shape(), 100),
                               testing::random_image(graph.input_shape(), 101)});
  TemporaryDirectory folder("tailor-frames");
  const std::string project = path_join(folder.path(), "p");
  testing::ProjectParts parts = testing::project_parts(graph, options, /*count=*/2);
  parts.backend = backend;
  testing::write_parts(parts, project);
  CheckOptions check;
  check.compiler = "c++ -O0";
  std::string findings;
  for (const CheckStep& s : check_project(project, check).steps) {
    if (!s.passed || s.warns) findings += fmt::format("{}: {}\n", s.name, s.detail);
  }
  return findings;
}

struct FrameCase {
  FrameSkips skips;
  Join join;
  Layout layout;
};
class Frames : public ::testing::TestWithParam<FrameCase> {};

TEST_P(Frames, OfReadsAgreeBitForBit) {
  testing::DesignOptions options;
  options.layout = GetParam().layout;
  options.token_bits = 64;  // 6 channels in 2 tokens, 12 in 3
  EXPECT_EQ(findings_of(testing::dna_graph(GetParam().skips, GetParam().join, 40, 6, 2), options),
            "");
}

TEST_P(Frames, OfSpeechAgreeBitForBit) {
  testing::DesignOptions options;
  options.layout = GetParam().layout;
  options.type = FixedType{8, 3};
  options.token_bits = 32;  // 8 mel channels in 2 tokens, 29 labels in one
  EXPECT_EQ(
      findings_of(testing::speech_graph(GetParam().skips, GetParam().join, 27, 8, 4, 2), options),
      "");
}

INSTANTIATE_TEST_SUITE_P(
    Skips, Frames,
    ::testing::Values(FrameCase{FrameSkips::Long, Join::BeforeActivation, Layout::Fused},
                      FrameCase{FrameSkips::Long, Join::AfterActivation, Layout::Stock},
                      FrameCase{FrameSkips::Short, Join::AfterActivation, Layout::Fused},
                      FrameCase{FrameSkips::Short, Join::BeforeActivation, Layout::Fused},
                      FrameCase{FrameSkips::Short, Join::AfterActivation, Layout::Stock},
                      FrameCase{FrameSkips::Removed, Join::BeforeActivation, Layout::Fused},
                      FrameCase{FrameSkips::Removed, Join::BeforeActivation, Layout::Stock}));

/// A first seed and a count of random networks from the environment, for long runs.
int64_t from_environment(const char* name, int64_t usual) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : usual;
}

TEST(RandomFrames, AgreeBitForBit) {
  const int64_t first = from_environment("TAILOR_FRAMES_SEED", 1),
                count = from_environment("TAILOR_FRAMES_COUNT", 3);
  for (int64_t seed = first; seed < first + count; ++seed) {
    const Graph graph = testing::random_frames_graph(static_cast<uint64_t>(seed));
    testing::DesignOptions options;
    options.layout = seed % 2 == 0 ? Layout::Stock : Layout::Fused;
    options.skips = seed % 3 == 1 ? SkipForm::Cloned : SkipForm::Folded;
    options.dsp_packing = seed % 3 == 1;
    options.type = seed % 3 == 0   ? FixedType{16, 6}
                   : seed % 3 == 1 ? FixedType{8, 4}
                                   : FixedType{9, 4};
    options.token_bits = std::vector<int64_t>{16, 40, 64, 512}[static_cast<size_t>(seed % 4)];
    if (seed % 5 != 0) options.reuse_factor = 1 + seed * 7 % 60;
    const HlsBackend backend = seed % 2 == 0 ? HlsBackend::Vitis : HlsBackend::Vivado;
    EXPECT_EQ(findings_of(graph, options, backend), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace tailor::test
