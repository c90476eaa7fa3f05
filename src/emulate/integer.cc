#include "tailor/emulate/integer.h"

#include <algorithm>
#include <limits>

#include "emulate/integer_kernels.h"
#include "tailor/ir/weights.h"

namespace tailor {
namespace {

/// A cast with its common cases (round half up, saturate, a shift inside the word) inlined; the
/// rest goes to cast_raw.
class Caster {
 public:
  Caster(int from_fraction, const FixedType& to)
      : to_(to),
        from_fraction_(from_fraction),
        shift_(from_fraction - to.fraction()),
        min_(to.min_raw()),
        max_(to.max_raw()) {
    fast_ =
        to.rounding == Rounding::Rnd && to.overflow == Overflow::Sat && shift_ > 0 && shift_ < 62;
    half_ = fast_ ? int64_t{1} << (shift_ - 1) : 0;
  }
  int64_t operator()(int64_t raw, int64_t& overflows) const {
    if (fast_ && raw < std::numeric_limits<int64_t>::max() - half_) {
      int64_t q = (raw + half_) >> shift_;
      if (q > max_) {
        ++overflows;
        return max_;
      }
      if (q < min_) {
        ++overflows;
        return min_;
      }
      return q;
    }
    if (shift_ == 0 && raw >= min_ && raw <= max_) return raw;
    bool overflowed = false;
    int64_t q = cast_raw(raw, from_fraction_, to_, &overflowed);
    overflows += overflowed ? 1 : 0;
    return q;
  }

 private:
  FixedType to_;
  int from_fraction_, shift_;
  int64_t min_, max_, half_ = 0;
  bool fast_ = false;
};

int64_t aligned(int64_t raw, int from_fraction, int to_fraction) {
  return raw * (int64_t{1} << (to_fraction - from_fraction));
}

/// Whether a window is rows of consecutive elements of a padded map, and not single taps.
bool reads_rows(const ConvAttributes& a) { return a.groups == 1 && a.window.dilation.width == 1; }

struct NodePlan {
  std::vector<WindowWeights> weights;  // by group
  std::vector<int64_t> bias;           // at the accumulator's fraction
  std::optional<Caster> caster;
};

}  // namespace

struct IntegerEmulator::Plan {
  Graph graph;  // without its tensors
  std::vector<NodePlan> nodes;
  std::vector<int64_t> weight_overflows;
  bool narrow = true;  // every map but the logits fits int16

  template <class T>
  IntegerResult run(Span<const double> input, const IntegerTap& tap) const;
  template <class T>
  std::vector<T> conv(size_t n, const std::vector<const std::vector<T>*>& inputs,
                      int64_t& overflows) const;
};

IntegerEmulator::IntegerEmulator(const Graph& design) : plan_(std::make_unique<Plan>()) {
  Plan& plan = *plan_;
  plan.graph.name = design.name;
  plan.graph.nodes = design.nodes;
  plan.graph.values = design.values;
  plan.nodes.resize(design.nodes.size());
  plan.weight_overflows.resize(design.nodes.size());
  for (const Node& node : design.nodes) {
    for (int id : node.outputs) {
      const auto& type = design.value(id).type;
      required_type(type, node, "output");
      bool feeds_output = false;
      for (const Node& reader : design.nodes)
        feeds_output |= reader.op == Op::Output && reader.inputs[0] == id;
      if (!feeds_output && type->width > 16) plan.narrow = false;
      if (!feeds_output && type->width > 32) {
        fail(ErrorKind::Unsupported,
             "graph: {} has streams of {} bits, the emulator takes up to 32", node.name,
             type->width);
      }
    }
  }
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    NodePlan& np = plan.nodes[n];
    auto type_of = [&](int id) { return *design.value(id).type; };
    if (node.op == Op::Conv2d || node.op == Op::Dense) {
      const FixedType x = type_of(node.inputs[0]);
      const FixedType& acc = required_type(node.hardware.accumulator, node, "accumulator");
      std::vector<int64_t> raw = quantised_weights(design, node, &plan.weight_overflows[n]);
      const Shape& shape = design.tensor(node, "weight").shape();
      // Of a window, a group reads whole rows if it is alone, else its channels of every tap.
      const bool conv = node.op == Op::Conv2d;
      const int64_t groups = conv ? node.conv().groups : 1, taps = conv ? shape[2] * shape[3] : 1;
      const int64_t runs = !conv ? 1 : reads_rows(node.conv()) ? shape[2] : taps;
      const size_t size = raw.size() / static_cast<size_t>(groups);
      for (size_t first = 0; first < raw.size(); first += size) {
        np.weights.push_back(pack_window_weights(Span<const int64_t>(raw).subspan(first, size),
                                                 runs, taps / runs * shape[1], shape[0] / groups,
                                                 std::max(x.max_raw(), -x.min_raw()), plan.narrow));
      }
      np.bias = quantised_bias(design, node, &plan.weight_overflows[n]);
      TAILOR_CHECK(acc.fraction() >= x.fraction() + node.hardware.weight->fraction(),
                   "{}: accumulator fraction", node.name);
      for (int64_t& b : np.bias)
        b = aligned(b, required_type(node.hardware.bias, node, "bias").fraction(), acc.fraction());
      np.caster.emplace(acc.fraction(), type_of(node.outputs[0]));
    } else if (node.op == Op::Add) {
      np.caster.emplace(required_type(node.hardware.accumulator, node, "accumulator").fraction(),
                        type_of(node.outputs[0]));
    } else if (node.op == Op::GlobalAvgPool) {
      np.caster.emplace(type_of(node.inputs[0]).fraction() +
                            required_type(node.hardware.reciprocal, node, "reciprocal").fraction(),
                        type_of(node.outputs[0]));
    } else if (node.op != Op::Input && node.op != Op::Output) {
      np.caster.emplace(type_of(node.inputs[0]).fraction(), type_of(node.outputs[0]));
    }
  }
}

IntegerEmulator::~IntegerEmulator() = default;
IntegerEmulator::IntegerEmulator(IntegerEmulator&&) noexcept = default;
const std::vector<int64_t>& IntegerEmulator::weight_overflows() const {
  return plan_->weight_overflows;
}

IntegerResult IntegerEmulator::run(Span<const double> input, const IntegerTap& tap) const {
  return plan_->narrow ? plan_->run<int16_t>(input, tap) : plan_->run<int32_t>(input, tap);
}

template <class T>
std::vector<T> IntegerEmulator::Plan::conv(size_t n,
                                           const std::vector<const std::vector<T>*>& inputs,
                                           int64_t& overflows) const {
  const Node& node = graph.nodes[n];
  const NodePlan& np = nodes[n];
  const ConvAttributes& a = node.conv();
  const Value& xv = graph.value(node.inputs[0]);
  const Value& yv = graph.value(node.outputs[0]);
  const MapShape &in = xv.shape, &out = yv.shape;
  const int fraction = node.hardware.accumulator->fraction();
  // A padded copy makes every window runs of consecutive elements; one spare element for
  // the pairwise kernel.
  const Window& w = a.window;
  const int64_t pitch = (in.width + w.pads.left + w.pads.right) * in.channels;
  const int64_t rows = in.height + w.pads.top + w.pads.bottom;
  std::vector<T> padded(static_cast<size_t>(rows * pitch + 2), T{0});
  for (int64_t y = 0; y < in.height; ++y) {
    const T* from = inputs[0]->data() + y * in.width * in.channels;
    std::copy(from, from + in.width * in.channels,
              padded.data() + (y + w.pads.top) * pitch + w.pads.left * in.channels);
  }
  std::vector<T> result(static_cast<size_t>(out.size()));
  // So many pixels share one pass over the weights that the largest layers' stay in the cache.
  const int64_t batch = std::min<int64_t>(256, out.pixels());
  std::vector<int64_t> sums(static_cast<size_t>(batch * out.channels)), starts, runs;
  const int64_t read = in.channels / a.groups, outputs = out.channels / a.groups;
  for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
    for (int64_t kx = 0; kx < (reads_rows(a) ? 1 : w.kernel.width); ++kx)
      runs.push_back(ky * w.dilation.height * pitch + kx * w.dilation.width * in.channels);
  }
  const bool relu = a.activation == Activation::Relu;
  const bool before = a.skip_position == SkipPosition::BeforeActivation;
  const auto windows = static_cast<int64_t>(a.window_skips.size());
  for (int64_t first = 0; first < out.pixels(); first += batch) {
    const int64_t last = std::min(first + batch, out.pixels());
    starts.clear();
    for (int64_t p = first; p < last; ++p) {
      starts.push_back(p / out.width * w.stride.height * pitch +
                       p % out.width * w.stride.width * in.channels);
    }
    for (int64_t g = 0; g < a.groups; ++g) {
      window_sums(np.weights[static_cast<size_t>(g)], padded.data() + g * read, starts, runs,
                  sums.data() + g * outputs, out.channels);
    }
    for (int64_t p = first; p < last; ++p) {
      const int64_t at = p * out.channels;
      for (int64_t o = 0; o < out.channels; ++o) {
        int64_t acc = sums[static_cast<size_t>((p - first) * out.channels + o)] +
                      np.bias[static_cast<size_t>(o)];
        int64_t skips = 0;
        for (size_t s = 1; s < inputs.size(); ++s) {
          skips += aligned((*inputs[s])[static_cast<size_t>(at + o)],
                           graph.value(node.inputs[s]).type->fraction(), fraction);
        }
        if (windows > 0) {
          skips += windows * aligned((*inputs[0])[static_cast<size_t>(at + o)], xv.type->fraction(),
                                     fraction);
        }
        if (before) acc += skips;
        if (relu) acc = std::max<int64_t>(acc, 0);
        if (!before) acc += skips;
        result[static_cast<size_t>(at + o)] = static_cast<T>((*np.caster)(acc, overflows));
      }
    }
  }
  return result;
}

template <class T>
IntegerResult IntegerEmulator::Plan::run(Span<const double> input, const IntegerTap& tap) const {
  IntegerResult result;
  result.overflows.resize(graph.nodes.size());
  std::vector<std::vector<T>> maps(graph.values.size());
  std::vector<int64_t> wide;  // the logits
  const std::vector<int> writer = producers(graph);
  int logits = -1;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::Output) logits = node.inputs[0];
  }
  std::vector<size_t> last(graph.values.size(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (int id : graph.nodes[n].inputs) last[static_cast<size_t>(id)] = n;
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const NodePlan& np = nodes[n];
    int64_t& overflows = result.overflows[n];
    std::vector<const std::vector<T>*> inputs;
    for (int id : node.inputs) inputs.push_back(&maps[static_cast<size_t>(id)]);
    const MapShape in = node.inputs.empty() ? MapShape{} : graph.value(node.inputs[0]).shape;
    const MapShape out = node.outputs.empty() ? MapShape{} : graph.value(node.outputs[0]).shape;
    std::vector<T> y;
    auto cast_each = [&](auto value_at) {
      y.resize(static_cast<size_t>(out.size()));
      for (size_t i = 0; i < y.size(); ++i)
        y[i] = static_cast<T>((*np.caster)(value_at(i), overflows));
    };
    switch (node.op) {
      case Op::Input: {
        const FixedType& type = *graph.value(node.outputs[0]).type;
        TAILOR_CHECK(static_cast<int64_t>(input.size()) == out.size(), "input of {} values for {}",
                     input.size(), to_string(out));
        for (double v : input) {
          bool overflowed = false;
          y.push_back(static_cast<T>(quantise(v, type, &overflowed)));
          overflows += overflowed ? 1 : 0;
        }
        break;
      }
      case Op::Conv2d:
        y = conv<T>(n, inputs, overflows);
        break;
      case Op::Relu:
        cast_each([&](size_t i) { return std::max<int64_t>((*inputs[0])[i], 0); });
        break;
      case Op::Clone:
        y = *inputs[0];
        break;
      case Op::Add: {
        const int fraction = node.hardware.accumulator->fraction();
        cast_each([&](size_t i) {
          int64_t sum = 0;
          for (size_t s = 0; s < inputs.size(); ++s)
            sum += aligned((*inputs[s])[i], graph.value(node.inputs[s]).type->fraction(), fraction);
          return sum;
        });
        break;
      }
      case Op::ShortcutPad: {
        const auto& a = std::get<ShortcutPadAttributes>(node.attributes);
        cast_each([&](size_t i) -> int64_t {
          const auto index = static_cast<int64_t>(i);
          const int64_t c = index % out.channels - a.channel_offset,
                        x = index / out.channels % out.width,
                        row = index / out.channels / out.width;
          if (c < 0 || c >= in.channels) return 0;
          return (*inputs[0])[static_cast<size_t>(
              (row * a.stride * in.width + x * a.stride) * in.channels + c)];
        });
        break;
      }
      case Op::MaxPool2d: {
        const Window& w = std::get<MaxPoolAttributes>(node.attributes).window;
        cast_each([&](size_t i) {
          const auto index = static_cast<int64_t>(i);
          const int64_t c = index % out.channels,
                        left = index / out.channels % out.width * w.stride.width - w.pads.left,
                        top = index / out.channels / out.width * w.stride.height - w.pads.top;
          int64_t best = std::numeric_limits<int64_t>::min();
          for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
            for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
              const int64_t y0 = top + ky * w.dilation.height, x0 = left + kx * w.dilation.width;
              if (y0 < 0 || y0 >= in.height || x0 < 0 || x0 >= in.width) continue;
              best = std::max<int64_t>(
                  best, (*inputs[0])[static_cast<size_t>((y0 * in.width + x0) * in.channels + c)]);
            }
          }
          return best;
        });
        break;
      }
      case Op::GlobalAvgPool: {
        const int64_t reciprocal =
            quantise(1.0 / static_cast<double>(in.pixels()), *node.hardware.reciprocal);
        std::vector<int64_t> sums(static_cast<size_t>(out.channels), 0);
        for (size_t i = 0; i < inputs[0]->size(); ++i) sums[i % sums.size()] += (*inputs[0])[i];
        cast_each([&](size_t i) { return sums[i] * reciprocal; });
        break;
      }
      case Op::Dense: {
        std::vector<T> spare = *inputs[0];
        spare.resize(spare.size() + 2);
        wide.resize(static_cast<size_t>(out.channels));
        const std::vector<int64_t> start = {0};
        window_sums(np.weights[0], spare.data(), start, start, wide.data(), out.channels);
        for (size_t o = 0; o < wide.size(); ++o)
          wide[o] = (*np.caster)(wide[o] + np.bias[o], overflows);
        if (node.outputs[0] != logits)
          y = std::vector<T>(wide.begin(), wide.end());  // as wide as every stream
        break;
      }
      case Op::ZeroPad: {
        const auto& a = std::get<ZeroPadAttributes>(node.attributes);
        const int64_t fill = a.lowest ? graph.value(node.inputs[0]).type->min_raw() : 0;
        cast_each([&](size_t i) -> int64_t {
          const auto index = static_cast<int64_t>(i);
          const int64_t c = index % out.channels,
                        x = index / out.channels % out.width - a.pads.left,
                        row = index / out.channels / out.width - a.pads.top;
          if (x < 0 || x >= in.width || row < 0 || row >= in.height) return fill;
          return (*inputs[0])[static_cast<size_t>((row * in.width + x) * in.channels + c)];
        });
        break;
      }
      case Op::Output:
        break;
      case Op::BatchNorm:
        fail(ErrorKind::Data, "graph: {} is a batch norm, which a design never has", node.name);
    }
    if (node.op == Op::Output) {
      if (wide.empty() || writer[static_cast<size_t>(logits)] < 0 ||
          graph.nodes[static_cast<size_t>(writer[static_cast<size_t>(logits)])].op != Op::Dense)
        fail(ErrorKind::Unsupported, "graph: the output of {} is not a dense layer's", graph.name);
      const FixedType& type = *graph.value(node.inputs[0]).type;
      result.logits_raw = wide;
      for (int64_t raw : wide) result.logits.push_back(type.to_double(raw));
      break;
    }
    if (tap) {
      std::vector<int64_t> tapped = y.empty() ? wide : std::vector<int64_t>(y.begin(), y.end());
      for (int id : node.outputs) tap(id, tapped);
    }
    for (int id : node.outputs) {
      if (id != node.outputs.back()) maps[static_cast<size_t>(id)] = y;
    }
    maps[static_cast<size_t>(node.outputs.back())] = std::move(y);
    for (int id : node.inputs) {
      if (last[static_cast<size_t>(id)] == n) maps[static_cast<size_t>(id)] = std::vector<T>();
    }
  }
  return result;
}

}  // namespace tailor
