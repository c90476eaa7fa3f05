// Convolution, and the dense layer, which is one of a single window: the hot loops of both
// emulators.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "emulate/integer_kernels.h"
#include "tailor/emulate/kernels.h"
#include "tailor/ir/weights.h"

namespace tailor::emulate {
namespace {

using Map = std::vector<double>;

constexpr int64_t kTile = 8;     // outputs computed together
constexpr int64_t kBlock = 4;    // windows computed together
constexpr int64_t kBatch = 256;  // windows that share one pass over a tile's weights, about

/// sums[window][output] += x · w over the elements of kBlock windows, in their order: `count` runs
/// of `length`, at the offsets `runs`. Weights are [element][kTile]. Every sum has its own lane, so
/// that vectors do not change its order.
#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
void tile_sums(const double* const* windows, const int64_t* runs, int64_t count, int64_t length,
               const double* w, double* sums) {
  typedef double Lanes __attribute__((vector_size(32)));
  Lanes acc[kBlock][2];
  std::memcpy(acc, sums, sizeof acc);
  for (int64_t r = 0; r < count; ++r) {
    const double* x[kBlock];
    for (int64_t p = 0; p < kBlock; ++p) x[p] = windows[p] + runs[r];
    for (int64_t i = 0; i < length; ++i, w += kTile) {
      Lanes w0, w1;
      std::memcpy(&w0, w, sizeof w0);
      std::memcpy(&w1, w + kTile / 2, sizeof w1);
      for (int64_t p = 0; p < kBlock; ++p) {
        const Lanes both = {x[p][i], x[p][i], x[p][i], x[p][i]};
        acc[p][0] += both * w0;
        acc[p][1] += both * w1;
      }
    }
  }
  std::memcpy(sums, acc, sizeof acc);
}

/// [out, in / groups, taps] → [group][tile of outputs][tap][in / groups][kTile], zeros behind the
/// last output of a group.
std::vector<double> tile_weights(const std::vector<double>& w, int64_t out, int64_t in,
                                 int64_t taps, int64_t groups) {
  const int64_t outputs = out / groups, tiles = (outputs + kTile - 1) / kTile;
  std::vector<double> tiled(static_cast<size_t>(groups * tiles * taps * in * kTile), 0.0);
  for (int64_t o = 0; o < out; ++o) {
    const int64_t tile = o / outputs * tiles + o % outputs / kTile, lane = o % outputs % kTile;
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t t = 0; t < taps; ++t) {
        tiled[static_cast<size_t>(((tile * taps + t) * in + i) * kTile + lane)] =
            w[static_cast<size_t>((o * in + i) * taps + t)];
      }
    }
  }
  return tiled;
}

Map float64_conv(const ops::Conv2d& a, const MapShape& in, const MapShape& out, const Map& x,
                 const std::vector<double>& weight, const std::vector<double>& bias) {
  // A padded copy makes every window runs of consecutive elements: rows, or with groups or dilation
  // taps.
  const Window& w = a.window;
  const int64_t pitch = (in.width + w.pads.left + w.pads.right) * in.channels;
  Map padded(static_cast<size_t>((in.height + w.pads.top + w.pads.bottom) * pitch), 0.0);
  for (int64_t row = 0; row < in.height; ++row) {
    const double* from = x.data() + row * in.width * in.channels;
    std::copy(from, from + in.width * in.channels,
              padded.data() + (row + w.pads.top) * pitch + w.pads.left * in.channels);
  }
  const int64_t read = in.channels / a.groups, outputs = out.channels / a.groups;
  const bool rows = a.groups == 1 && w.dilation.width == 1;
  const int64_t length = rows ? w.kernel.width * read : read;
  std::vector<int64_t> runs;
  for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
    for (int64_t kx = 0; kx < (rows ? 1 : w.kernel.width); ++kx)
      runs.push_back(ky * w.dilation.height * pitch + kx * w.dilation.width * in.channels);
  }
  const auto count = static_cast<int64_t>(runs.size());
  Map y(static_cast<size_t>(out.size()), 0.0);
  for (int64_t first = 0; first < out.pixels(); first += kBatch) {
    const int64_t last = std::min(first + kBatch, out.pixels());
    const double* tile = weight.data();
    for (int64_t o = 0; o < out.channels;) {
      const int64_t group = o / outputs, lanes = std::min(kTile, (group + 1) * outputs - o);
      for (int64_t p = first; p < last; p += kBlock) {
        const double* windows[kBlock];
        double sums[kBlock * kTile] = {};
        for (int64_t i = 0; i < kBlock; ++i) {
          const int64_t pixel = std::min(p + i, last - 1);
          windows[i] = padded.data() + pixel / out.width * w.stride.height * pitch +
                       pixel % out.width * w.stride.width * in.channels + group * read;
          if (!bias.empty()) std::copy_n(bias.begin() + o, lanes, sums + i * kTile);
        }
        tile_sums(windows, runs.data(), count, length, tile, sums);
        for (int64_t i = 0; i < std::min(kBlock, last - p); ++i)
          std::copy_n(sums + i * kTile, lanes, y.data() + (p + i) * out.channels + o);
      }
      tile += count * length * kTile;
      o += lanes;
    }
  }
  return y;
}

void prepare_float64(Float64Stage& stage, const Graph& graph, const Node& node,
                     const Float64WeightChange& change) {
  const StageLoop loop = stage_loop(graph, node);
  const int64_t in = graph.tensor(node, "weight").shape()[1];
  std::vector<double> weight = graph.tensor(node, "weight").to_doubles();
  if (graph.has_tensor(node, "bias")) stage.bias = graph.tensor(node, "bias").to_doubles();
  if (change) change(node, "weight", weight), change(node, "bias", stage.bias);
  stage.weight = tile_weights(weight, loop.n_out, in, loop.n_in / in, loop.groups);
}

Map float64_conv2d(const Float64Call& call) {
  const auto& a = call.node.as<ops::Conv2d>();
  Map y = float64_conv(a, call.in(), call.out(), call.input(), call.stage.weight, call.stage.bias);
  auto relu = [&] {
    for (double& v : y) v = std::max(v, 0.0);
  };
  auto add = [&](const Map& other) {
    for (size_t i = 0; i < y.size(); ++i) y[i] += other[i];
  };
  if (a.relu && a.skips_after_activation) relu();
  for (size_t s = 1; s < call.inputs.size(); ++s) add(call.input(s));
  for (size_t s = 0; s < a.window_skips.size(); ++s) add(call.input());
  if (a.relu && !a.skips_after_activation) relu();
  return y;
}

Map float64_dense(const Float64Call& call) {
  return float64_conv({}, {call.in().size(), 1, 1}, call.out(), call.input(), call.stage.weight,
                      call.stage.bias);
}

/// Whether a window is rows of consecutive elements of a padded map, and not single taps.
bool reads_rows(const ops::Conv2d& a) { return a.groups == 1 && a.window.dilation.width == 1; }

struct IntegerWeights {
  std::vector<WindowWeights> groups;
  std::vector<int64_t> bias;  // at the accumulator's fraction
  /// Where int32 holds whatever is computed, skips and rounding included, of all groups.
  std::optional<NarrowCast> narrow;
  std::vector<int32_t> narrow_bias;
  /// For inputs that are kByteOffset larger, where all groups have quads.
  std::vector<int32_t> byte_bias;
};

/// What skips add at most, at the accumulator's fraction, in magnitude.
int64_t largest_skips(const Graph& graph, const Node& node, const ops::Conv2d& a) {
  const int fraction = node.hardware.accumulator->fraction();
  auto largest = [&](ValueId id) {
    const FixedType& type = *graph.value(id).type;
    return aligned(std::max(type.max_raw(), -type.min_raw()), type.fraction(), fraction);
  };
  int64_t sum = static_cast<int64_t>(a.window_skips.size()) * largest(node.inputs[0]);
  for (size_t s = 1; s < node.inputs.size(); ++s) sum += largest(node.inputs[s]);
  return sum;
}

void narrow_where_possible(const IntegerStage& stage, int64_t skips, IntegerWeights& weights) {
  int64_t largest = 0, bias = 0;
  for (const WindowWeights& w : weights.groups) {
    if (!w.is_one_chunk()) return;
    largest = std::max(largest, w.largest_sum);
  }
  for (int64_t b : weights.bias) bias = std::max(bias, std::abs(b));
  weights.narrow = stage.caster->narrow(largest + bias + skips);
  if (weights.narrow) weights.narrow_bias.assign(weights.bias.begin(), weights.bias.end());
}

/// `raw`: [outputs][elements of a window].
void take_bytes_where_possible(const IntegerStage& stage, const std::vector<int64_t>& raw,
                               int64_t skips, IntegerWeights& weights) {
  if (!weights.narrow) return;
  int64_t largest = 0;
  for (const WindowWeights& w : weights.groups) {
    if (w.quads.empty()) return;
    largest = std::max(largest, w.largest_sum);
  }
  std::vector<int32_t> bias;
  const size_t elements = raw.size() / weights.bias.size();
  int64_t most = 0;
  for (size_t o = 0; o < weights.bias.size(); ++o) {
    const auto first = raw.begin() + static_cast<std::ptrdiff_t>(o * elements);
    const int64_t sum =
        std::accumulate(first, first + static_cast<std::ptrdiff_t>(elements), int64_t{0});
    const int64_t shifted = weights.bias[o] - kByteOffset * sum;
    most = std::max(most, std::abs(shifted));
    bias.push_back(static_cast<int32_t>(shifted));
  }
  if (stage.caster->narrow(2 * largest + most + skips)) weights.byte_bias = std::move(bias);
}

/// `runs`: pieces of a window of consecutive elements of the map.
void prepare_integers(IntegerStage& stage, const Graph& graph, const Node& node, int64_t runs,
                      int64_t skips) {
  const StageLoop loop = stage_loop(graph, node);
  const FixedType& x = *graph.value(node.inputs[0]).type;
  const FixedType& acc = *node.hardware.accumulator;
  const int finer = acc.fraction() - x.fraction() - scaled_weight_fraction(node);
  TAILOR_CHECK(finer >= 0, "{}: accumulator fraction", node.name);
  IntegerWeights weights;
  std::vector<int64_t> raw = scaled_weights(graph, node, &stage.weight_overflows);
  for (int64_t& w : raw) w = aligned(w, 0, finer);  // a skip may be finer than the products
  const size_t size = raw.size() / static_cast<size_t>(loop.groups);
  for (size_t first = 0; first < raw.size(); first += size) {
    weights.groups.push_back(pack_window_weights(
        Span<const int64_t>(raw).subspan(first, size), runs, loop.n_in / runs,
        loop.n_out / loop.groups, std::max(x.max_raw(), -x.min_raw()), stage.narrow));
  }
  weights.bias = quantised_bias(graph, node, &stage.weight_overflows);
  for (int64_t& b : weights.bias)
    b = aligned(b, required_type(node.hardware.bias, node, "bias").fraction(), acc.fraction());
  narrow_where_possible(stage, skips, weights);
  take_bytes_where_possible(stage, raw, skips, weights);
  stage.weights = std::move(weights);
}

/// Of a window, a group reads whole rows if it is alone, else its channels of every tap.
void prepare_conv2d(IntegerStage& stage, const Graph& graph, const Node& node) {
  const auto& a = node.as<ops::Conv2d>();
  prepare_integers(stage, graph, node, reads_rows(a) ? a.window.kernel.height : a.window.taps(),
                   largest_skips(graph, node, a));
}
void prepare_dense(IntegerStage& stage, const Graph& graph, const Node& node) {
  prepare_integers(stage, graph, node, 1, 0);
}

/// The image with its pads, so that every window is runs of consecutive elements, `offset` added to
/// each; spare elements for kernels that read whole words.
template <class E>
struct PaddedImage {
  template <class T>
  PaddedImage(const T* image, const MapShape& in, const Window& w, int offset)
      : pitch((in.width + w.pads.left + w.pads.right) * in.channels) {
    const int64_t rows = in.height + w.pads.top + w.pads.bottom, row = in.width * in.channels;
    elements.resize(static_cast<size_t>(rows * pitch + 4), static_cast<E>(offset));
    for (int64_t y = 0; y < in.height; ++y) {
      std::transform(image + y * row, image + (y + 1) * row,
                     elements.data() + (y + w.pads.top) * pitch + w.pads.left * in.channels,
                     [&](T v) { return static_cast<E>(v + offset); });
    }
  }
  int64_t pitch;  // elements of a row
  std::vector<E> elements;
};

/// Where a window's runs begin, from its first element on.
std::vector<int64_t> window_runs(const ops::Conv2d& a, int64_t pitch, int64_t channels) {
  const Window& w = a.window;
  std::vector<int64_t> runs;
  for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
    for (int64_t kx = 0; kx < (reads_rows(a) ? 1 : w.kernel.width); ++kx)
      runs.push_back(ky * w.dilation.height * pitch + kx * w.dilation.width * channels);
  }
  return runs;
}

struct IntegerConv2d {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const auto& weights = std::any_cast<const IntegerWeights&>(call.stage.weights);
    if constexpr (std::is_same_v<U, int16_t>) {
      if (!weights.byte_bias.empty())
        return run_on<U, T, uint8_t>(call, weights, &weights.byte_bias, kByteOffset);
      if (weights.narrow) return run_on<U, T, T>(call, weights, &weights.narrow_bias, 0);
    }
    return run_on<U, T, T>(call, weights, nullptr, 0);
  }

 private:
  /// Elements E of the padded map are inputs + `offset`. With a `narrow_bias` sums have 32 bits.
  template <class U, class T, class E>
  static std::vector<U> run_on(const IntegerCall<T>& call, const IntegerWeights& weights,
                               const std::vector<int32_t>* narrow_bias, int offset) {
    const auto& a = call.node.template as<ops::Conv2d>();
    const MapShape &in = call.in(), &out = call.out();
    const Window& w = a.window;
    const PaddedImage<E> padded(call.input().data(), in, w, offset);
    const std::vector<int64_t> runs = window_runs(a, padded.pitch, in.channels);
    std::vector<U> result(static_cast<size_t>(out.size()));
    // So many pixels share one pass over the weights that the largest layers' stay in the cache.
    const int64_t batch = std::min<int64_t>(256, out.pixels());
    const auto most = static_cast<size_t>(batch * out.channels);
    std::vector<int64_t> sums(narrow_bias ? 0 : most), starts;
    std::vector<int32_t> narrow_sums(narrow_bias ? most : 0);
    const int64_t read = in.channels / a.groups, outputs = out.channels / a.groups;
    std::vector<int> fractions;
    for (size_t s = 0; s < call.inputs.size(); ++s) fractions.push_back(call.type(s).fraction());
    for (int64_t first = 0; first < out.pixels(); first += batch) {
      const int64_t last = std::min(first + batch, out.pixels());
      starts.clear();
      for (int64_t p = first; p < last; ++p) {
        starts.push_back(p / out.width * w.stride.height * padded.pitch +
                         p % out.width * w.stride.width * in.channels);
      }
      for (int64_t g = 0; g < a.groups; ++g) {
        const WindowWeights& group = weights.groups[static_cast<size_t>(g)];
        const E* const map = padded.elements.data() + g * read;
        if constexpr (std::is_same_v<U, int16_t>) {
          if (narrow_bias) {
            window_sums(group, map, starts, runs, narrow_bias->data() + g * outputs,
                        narrow_sums.data() + g * outputs, out.channels);
            continue;
          }
        }
        if constexpr (std::is_same_v<E, T>)
          window_sums(group, map, starts, runs, sums.data() + g * outputs, out.channels);
      }
      const int64_t begin = first * out.channels, end = last * out.channels;
      if constexpr (std::is_same_v<U, int16_t>) {
        if (narrow_bias) {
          finish_narrow(call, a, *weights.narrow, fractions, narrow_sums, begin, end, result);
          continue;
        }
      }
      finish(call, a, weights.bias, fractions, sums, begin, end, result);
    }
    return result;
  }

  /// Skips, ReLU and the cast of the elements `first` to `last`, whose sums with bias are given.
  static void finish_narrow(const IntegerCall<int16_t>& call, const ops::Conv2d& a,
                            const NarrowCast& cast, const std::vector<int>& fractions,
                            std::vector<int32_t>& sums, int64_t first, int64_t last,
                            std::vector<int16_t>& result) {
    const int fraction = call.node.hardware.accumulator->fraction();
    std::vector<NarrowSkip> skips;
    for (size_t s = 1; s < call.inputs.size(); ++s) {
      skips.push_back(
          {call.input(s).data() + first, static_cast<int32_t>(aligned(1, fractions[s], fraction))});
    }
    if (!a.window_skips.empty()) {
      const auto times = static_cast<int64_t>(a.window_skips.size());
      skips.push_back({call.input().data() + first,
                       static_cast<int32_t>(times * aligned(1, fractions[0], fraction))});
    }
    call.overflows +=
        finish_sums(Span<int32_t>(sums).subspan(0, static_cast<size_t>(last - first)), skips,
                    a.relu, a.skips_after_activation, cast, result.data() + first);
  }

  /// Bias, skips, ReLU and the cast of the elements `first` to `last`, whose sums are given.
  template <class U, class T>
  static void finish(const IntegerCall<T>& call, const ops::Conv2d& a,
                     const std::vector<int64_t>& bias, const std::vector<int>& fractions,
                     const std::vector<int64_t>& sums, int64_t first, int64_t last,
                     std::vector<U>& result) {
    const int fraction = call.node.hardware.accumulator->fraction();
    const bool relu = a.relu, before = !a.skips_after_activation;
    const auto windows = static_cast<int64_t>(a.window_skips.size());
    const auto count = static_cast<size_t>(last - first), begin = static_cast<size_t>(first);
    for (size_t i = 0, o = 0; i < count; ++i, o = o + 1 == bias.size() ? 0 : o + 1) {
      const size_t at = begin + i;
      int64_t acc = sums[i] + bias[o];
      int64_t skips = 0;
      for (size_t s = 1; s < call.inputs.size(); ++s)
        skips += aligned(call.input(s)[at], fractions[s], fraction);
      if (windows > 0) skips += windows * aligned(call.input()[at], fractions[0], fraction);
      if (before) acc += skips;
      if (relu) acc = std::max<int64_t>(acc, 0);
      if (!before) acc += skips;
      result[at] = static_cast<U>((*call.stage.caster)(acc, call.overflows));
    }
  }
};

struct IntegerDense {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const auto& weights = std::any_cast<const IntegerWeights&>(call.stage.weights);
    std::vector<T> spare = call.input();
    spare.resize(spare.size() + 2);
    std::vector<int64_t> sums(static_cast<size_t>(call.out().channels));
    const std::vector<int64_t> start = {0};
    window_sums(weights.groups[0], spare.data(), start, start, sums.data(), call.out().channels);
    return call.template cast_each<U>([&](size_t o) { return sums[o] + weights.bias[o]; });
  }
};

const RegisterKernels<ops::Conv2d> kConv2dKernels({float64_conv2d, prepare_float64},
                                                  integer_kernel<IntegerConv2d>(prepare_conv2d));
const RegisterKernels<ops::Dense> kDenseKernels({float64_dense, prepare_float64},
                                                integer_kernel<IntegerDense>(prepare_dense));

}  // namespace
}  // namespace tailor::emulate
