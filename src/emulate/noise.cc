#include "tailor/emulate/noise.h"

#include <cmath>
#include <functional>
#include <numeric>

#include "tailor/core/random.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/ir/weights.h"

namespace tailor::emulate {
namespace {

constexpr uint64_t kSeed = 2;
constexpr size_t kLeastDraws = 8;  // of all images together

/// A value after a cast: with an error of its rounding, drawn, and in the type's range.
double drawn_cast(double value, const FixedType& type, double step, double uniform) {
  switch (type.rounding) {
    case Rounding::Trn:
      value -= step * uniform;
      break;
    case Rounding::TrnZero:
      value -= step * std::copysign(uniform, value);
      break;
    case Rounding::Rnd:
    case Rounding::RndZero:
    case Rounding::RndInf:
    case Rounding::RndMinInf:
    case Rounding::RndConv:
      value += step * (uniform - 0.5);
      break;
  }
  return into_range(value, type);
}

/// Whether a node casts, and if that drops bits: where nothing is summed finer than the output's
/// step there is nothing to round.
bool casts(const Node& node) { return !node.traits().keeps_type && !node.outputs.empty(); }
bool rounds(const Node& node, const FixedType& out) {
  const bool sums = node.traits().has_accumulator && !node.traits().has_reciprocal;
  return !sums || node.hardware.accumulator->fraction() > out.fraction();
}

/// What the types do to what a node writes; `draw` is the number of the run.
void disturb(const Graph& design, size_t n, uint64_t draw, Span<double> values) {
  const Node& node = design.nodes[n];
  if (!casts(node)) return;
  if (node.traits().has_reciprocal) {
    const double exact = 1.0 / static_cast<double>(design.value(node.inputs[0]).shape.pixels());
    const FixedType& type = *node.hardware.reciprocal;
    const double factor = type.to_double(quantise(exact, type)) / exact;
    for (double& v : values) v *= factor;
  }
  const FixedType& type = *design.value(node.outputs[0]).type;
  const double step = rounds(node, type) ? type.step() : 0;
  CounterRandom random(kSeed, RandomStream::Noise, draw, n);
  for (double& v : values) {
    const double uniform = random.uniform();
    if (v != 0) v = drawn_cast(v, type, step, uniform);  // what a ReLU cut off is exact
  }
}

}  // namespace

double predict_rms_error(const Graph& design, const std::vector<std::vector<double>>& images) {
  TAILOR_CHECK(!images.empty(), "no images");
  TAILOR_CHECK(design.state == GraphState::Design, "{} has no types", design.name);
  std::vector<std::vector<double>> exact(images.size());
  std::vector<double> squares(images.size());
  auto each_image = [&](const std::function<void(size_t)>& body) {
    parallel_for(static_cast<int64_t>(images.size()), 0,
                 [&](int64_t i) { body(static_cast<size_t>(i)); });
  };
  {
    const Float64Emulator emulator(design);
    each_image([&](size_t i) { exact[i] = emulator.run(images[i]); });
  }
  const Float64Emulator disturbed(design,
                                  [&](const Node& node, const char* part, Span<double> values) {
                                    round_part(design, node, part, values);
                                  });
  const size_t draws = (kLeastDraws + images.size() - 1) / images.size();
  each_image([&](size_t i) {
    for (size_t draw = 0; draw < draws; ++draw) {
      const uint64_t key = draw * images.size() + i;
      const std::vector<double> logits = disturbed.run(
          images[i], {}, [&](size_t n, Span<double> values) { disturb(design, n, key, values); });
      for (size_t k = 0; k < logits.size(); ++k) {
        const double e = logits[k] - exact[i][k];
        squares[i] += e * e / static_cast<double>(logits.size());
      }
    }
  });
  const double sum = std::accumulate(squares.begin(), squares.end(), 0.0);
  return std::sqrt(sum / static_cast<double>(images.size() * draws));
}

}  // namespace tailor::emulate
