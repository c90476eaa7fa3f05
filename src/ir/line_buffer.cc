#include "tailor/ir/line_buffer.h"

#include <algorithm>

namespace tailor::ir {
namespace {

std::vector<int64_t> divisors(int64_t n) {
  std::vector<int64_t> all;
  for (int64_t d = 1; d * d <= n; ++d) {
    if (n % d != 0) continue;
    all.push_back(d);
    if (d * d != n) all.push_back(n / d);
  }
  std::sort(all.begin(), all.end());
  return all;
}

/// Sizes that the parallelism divides.
struct LineSizes {
  bool depthwise;
  int64_t taps, in_fold, in_channels, out_fold, out_channels;  // channels of a token

  LineSizes(const Graph& design, const Node& conv) : depthwise(is_depthwise(design, conv)) {
    const Value &in = design.value(conv.inputs[0]), &out = design.value(conv.outputs[0]);
    taps = conv.as<ops::Conv2d>().window.kernel.width;
    in_fold = in.fold, in_channels = in.token_channels();
    out_fold = out.fold, out_channels = out.token_channels();
  }
  int64_t products() const {
    return out_fold * out_channels * taps * (depthwise ? 1 : in_fold * in_channels);
  }

  /// All that can work at once, the widest reading first: fewer outputs at once need fewer sums.
  std::vector<LineParallelism> choices() const {
    std::vector<LineParallelism> all;
    const std::vector<int64_t> outputs = divisors(out_channels);
    if (depthwise) {
      for (int64_t n : outputs) all.push_back({1, 1, n});
      for (int64_t lanes : divisors(taps)) all.push_back({lanes, 1, out_channels});
      return all;
    }
    std::vector<std::pair<int64_t, int64_t>> reads;  // lanes, elements
    for (int64_t elements : divisors(in_channels)) reads.emplace_back(1, elements);
    for (int64_t lanes : divisors(taps)) reads.emplace_back(lanes, in_channels);
    std::reverse(reads.begin(), reads.end());
    for (const auto& [lanes, elements] : reads) {
      for (int64_t n : outputs) all.push_back({lanes, elements, n});
    }
    return all;
  }
};

}  // namespace

bool has_line_buffer(const Node& node) {
  const auto* conv = node.op.get_if<ops::Conv2d>();
  return conv && conv->line_buffer;
}

bool has_line_buffers(const Graph& design) {
  return std::any_of(design.nodes.begin(), design.nodes.end(), has_line_buffer);
}

bool is_depthwise(const Graph& graph, const Node& conv) {
  const int64_t groups = conv.as<ops::Conv2d>().groups;
  return groups > 1 && groups == graph.value(conv.inputs[0]).shape.channels &&
         groups == graph.value(conv.outputs[0]).shape.channels;
}

LineParallelism line_parallelism(const Graph& design, const Node& conv, int64_t reuse_factor) {
  const LineSizes sizes(design, conv);
  // Packed, an even number of outputs at once halves the multipliers.
  const bool pairs = conv.hardware.packed && !sizes.depthwise;
  std::optional<LineParallelism> best;
  auto wide = [](const LineParallelism& p) { return p.lanes * p.elements * ((p.outputs + 1) / 2); };
  for (const LineParallelism& p : sizes.choices()) {
    if (p.multipliers() * reuse_factor != sizes.products()) continue;
    if (!pairs) return p;
    if (!best || wide(p) < wide(*best)) best = p;
  }
  if (best) return *best;
  fail(ErrorKind::Data, "graph: {} has the reuse factor {}, which divides its {} products unevenly",
       conv.name, reuse_factor, sizes.products());
}

std::vector<int64_t> line_reuse_factors(const Graph& design, const Node& conv) {
  const LineSizes sizes(design, conv);
  std::vector<int64_t> factors;
  for (const LineParallelism& p : sizes.choices())
    factors.push_back(sizes.products() / p.multipliers());
  std::sort(factors.begin(), factors.end());
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  return factors;
}

LineMemory line_memory(const Graph& design, const Node& conv, int64_t reuse_factor) {
  const Value& in = design.value(conv.inputs[0]);
  const Window& window = conv.as<ops::Conv2d>().window;
  const int64_t lanes = line_parallelism(design, conv, reuse_factor).lanes;
  LineMemory memory;
  memory.frames = window.kernel.width / lanes * window.dilation.width;
  memory.words = memory.frames * in.fold;
  memory.word_bits = lanes * in.token_bits();
  // conv1d.h: depthwise, the newest word is the first one read, and last a dilation's frames later;
  // otherwise it is the last one, behind its frame's tokens and all other taps.
  const int64_t reads = window.kernel.width / lanes;
  memory.distance =
      is_depthwise(design, conv) ? window.dilation.width * in.fold + reads - 1 : reads * in.fold;
  return memory;
}

std::vector<int64_t> line_weight_order(const Graph& design, const Node& conv,
                                       int64_t reuse_factor) {
  const LineSizes s(design, conv);
  const LineParallelism p = line_parallelism(design, conv, reuse_factor);
  const int64_t reads = s.taps / p.lanes, in = s.depthwise ? 1 : s.in_fold * s.in_channels,
                words = s.depthwise ? 1 : s.in_fold * s.in_channels / p.elements;
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(s.products()));
  // The stage's loops, and in one word its multipliers. Depthwise, the word that a token is pushed
  // into comes first, which has the last tap of every lane.
  for (int64_t first = 0; first < s.out_fold * s.out_channels; first += p.outputs) {
    for (int64_t k = 0; k < reads; ++k) {
      const int64_t read = s.depthwise ? (k + reads - 1) % reads : k;
      for (int64_t word = 0; word < words; ++word) {
        for (int64_t o = first; o < first + p.outputs; ++o) {
          for (int64_t lane = 0; lane < p.lanes; ++lane) {
            for (int64_t e = 0; e < p.elements; ++e) {
              order.push_back((o * s.taps + lane * reads + read) * in + word * p.elements + e);
            }
          }
        }
      }
    }
  }
  return order;
}

}  // namespace tailor::ir
