// What validation of a DNA network costs besides the network: decoding a chunk's 1,200 frames and
// aligning the call with its 400 bases; and how fast current is simulated.
#include <benchmark/benchmark.h>

#include <cmath>

#include "data/squiggle.h"
#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/data/sequences.h"
#include "tailor/task/alignment.h"
#include "tailor/task/bases.h"

namespace tailor::test {
namespace {

struct Chunk {
  std::vector<float> logs;
  std::string reference, call;
  FrameAnswers answers() const { return {logs, 5}; }
};

/// Every third frame a base, with noise: of a network at about 65 %.
const Chunk& made_chunk() {
  static const Chunk chunk = [] {
    Chunk c;
    CounterRandom random(3, RandomStream::Test, 0);
    for (int frame = 0; frame < 1200; ++frame) {
      const int64_t top = frame % 3 == 0 ? 1 + random.below(4) : 0;
      double weights[5], sum = 0;
      for (int64_t k = 0; k < 5; ++k)
        sum += weights[k] = std::exp(4 * ((k == top ? 1 : 0) + 0.5 * random.normal()));
      for (const double w : weights) c.logs.push_back(static_cast<float>(std::log(w / sum)));
      if (top != 0) c.reference += base_alphabet().symbols[static_cast<size_t>(top)];
    }
    c.call = base_alphabet().text(decode_beam(c.answers(), 5, 1e-3).labels);
    return c;
  }();
  return chunk;
}

void BM_Path(benchmark::State& state) {
  const Chunk& chunk = made_chunk();
  for (auto _ : state) benchmark::DoNotOptimize(decode_path(chunk.answers()));
}
void BM_Beam(benchmark::State& state) {
  const Chunk& chunk = made_chunk();
  for (auto _ : state) benchmark::DoNotOptimize(decode_beam(chunk.answers(), state.range(0), 1e-3));
}
void BM_Align(benchmark::State& state) {
  const Chunk& chunk = made_chunk();
  state.SetLabel(alignment_library());
  for (auto _ : state) benchmark::DoNotOptimize(align_locally(chunk.call, chunk.reference));
}
void BM_AlignPlainly(benchmark::State& state) {
  const Chunk& chunk = made_chunk();
  for (auto _ : state) benchmark::DoNotOptimize(align_plainly(chunk.call, chunk.reference));
}
/// All threads; items are chunks.
void BM_Squiggle(benchmark::State& state) {
  const SignalConfig config;
  for (auto _ : state) benchmark::DoNotOptimize(make_squiggle(config, 200, 0, 1));
  state.SetItemsProcessed(state.iterations() * 200);
}
BENCHMARK(BM_Path);
BENCHMARK(BM_Beam)->Arg(5)->Arg(32);
BENCHMARK(BM_Align);
BENCHMARK(BM_AlignPlainly);
BENCHMARK(BM_Squiggle)->UseRealTime();

}  // namespace
}  // namespace tailor::test

BENCHMARK_MAIN();
