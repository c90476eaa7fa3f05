#include "tailor/emulate/noise.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/ir/weights.h"

namespace tailor {
namespace {

/// Per channel: mean and mean square of the exact values, share of them above zero; then the
/// predicted mean and variance of the rounding error.
struct Channel {
  double mean = 0, square = 0, active = 0;
  double error_mean = 0, error_variance = 0;
};

/// Mean and variance of one rounding to a step, for a value spread over many steps; `share` of the
/// values are rounded, the others are 0.
void add_rounding(Channel& c, Rounding rounding, double step, double positive_share, double share) {
  double mean = 0;
  if (rounding == Rounding::Trn) mean = -step / 2;
  if (rounding == Rounding::TrnZero)
    mean = -step / 2 * positive_share + step / 2 * (1 - positive_share);
  c.error_mean += mean * share;
  c.error_variance += step * step / 12 * share;
}

/// By value, then by channel, of one image; and the logits.
using Stats = std::vector<std::vector<Channel>>;

Stats float64_stats(const Graph& design, const Float64Emulator& emulator,
                    const std::vector<double>& image, std::vector<double>& logits) {
  Stats stats(design.values.size());
  for (size_t v = 0; v < stats.size(); ++v)
    stats[v].resize(static_cast<size_t>(design.values[v].shape.channels));
  logits = emulator.run(image, [&](int value, Span<const double> hwc) {
    auto& channels = stats[static_cast<size_t>(value)];
    const double share = static_cast<double>(channels.size()) / static_cast<double>(hwc.size());
    for (size_t i = 0; i < hwc.size(); ++i) {
      Channel& c = channels[i % channels.size()];
      c.mean += hwc[i] * share;
      c.square += hwc[i] * hwc[i] * share;
      c.active += hwc[i] > 0 ? share : 0;
    }
  });
  return stats;
}

/// A layer's weights and bias with their rounding errors: made once for all images.
struct Products {
  std::vector<double> weight, error, bias_error;
};

Products rounded_products(const Graph& design, const Node& node) {
  Products p;
  p.weight = design.tensor(node, "weight").to_doubles();
  p.error.reserve(p.weight.size());
  const FixedType& type = *node.hardware.weight;
  for (double w : p.weight) p.error.push_back(type.to_double(quantise(w, type)) - w);
  for (int64_t raw : quantised_bias(design, node))
    p.bias_error.push_back(node.hardware.bias->to_double(raw));
  if (!design.has_tensor(node, "bias")) return p;
  const std::vector<double> bias = design.tensor(node, "bias").to_doubles();
  for (size_t o = 0; o < bias.size(); ++o) p.bias_error[o] -= bias[o];
  return p;
}

/// What a node's rounding does to the errors of one image's channels. `products` are a layer's.
void add_errors(const Graph& design, const Node& node, const Products& products, Stats& stats) {
  auto input = [&](size_t i) -> const std::vector<Channel>& {
    return stats[static_cast<size_t>(node.inputs[i])];
  };
  auto& out = stats[static_cast<size_t>(node.outputs[0])];
  const FixedType& type = *design.value(node.outputs[0]).type;
  auto add_error = [](Channel& to, const Channel& from) {
    to.error_mean += from.error_mean;
    to.error_variance += from.error_variance;
  };
  auto gate = [](Channel& c) {
    c.error_mean *= c.active;
    c.error_variance *= c.active;
  };
  auto cast = [&](Channel& c, double share = 1) {
    add_rounding(c, type.rounding, type.step(), c.mean >= 0 ? 1 : 0, share);
  };
  switch (node.op) {
    case Op::Input:
      for (Channel& c : out) cast(c);
      break;
    case Op::Conv2d:
    case Op::Dense: {
      const std::vector<double>& weight = products.weight;
      const std::vector<Channel>& x = input(0);
      const bool conv = node.op == Op::Conv2d;  // its taps of a channel lie together
      const size_t groups = conv ? static_cast<size_t>(node.conv().groups) : 1;
      const size_t read = x.size() / groups, taps = weight.size() / (out.size() * read);
      for (size_t o = 0; o < out.size(); ++o) {
        Channel& c = out[o];
        const Channel* of_group = x.data() + o / (out.size() / groups) * read;
        for (size_t i = 0; i < read; ++i) {
          const Channel& in = of_group[i];
          for (size_t t = 0; t < taps; ++t) {
            const size_t at = conv ? (o * read + i) * taps + t : (o * taps + t) * read + i;
            const double w = weight[at], error = products.error[at];
            c.error_mean += w * in.error_mean + error * (in.mean + in.error_mean);
            c.error_variance +=
                w * w * in.error_variance +
                error * error * (std::max(0.0, in.square - in.mean * in.mean) + in.error_variance);
          }
        }
        c.error_mean += products.bias_error[o];
        double rounded = 1;
        if (conv) {
          const ConvAttributes& a = node.conv();
          const bool relu = a.activation == Activation::Relu,
                     after = a.skip_position == SkipPosition::AfterActivation;
          if (relu && after) gate(c);
          for (size_t s = 1; s < node.inputs.size(); ++s) add_error(c, input(s)[o]);
          for (size_t s = 0; s < a.window_skips.size(); ++s) add_error(c, x[o]);
          if (relu && !after) {
            gate(c);
            rounded = c.active;
          }
        }
        cast(c, rounded);
      }
      break;
    }
    case Op::Add:
      for (size_t i = 0; i < out.size(); ++i) {
        for (size_t s = 0; s < node.inputs.size(); ++s) add_error(out[i], input(s)[i]);
        cast(out[i]);
      }
      break;
    case Op::Relu:
      for (size_t i = 0; i < out.size(); ++i) {
        add_error(out[i], input(0)[i]);
        gate(out[i]);
      }
      break;
    case Op::GlobalAvgPool: {
      // The errors of one channel's pixels share their cause (the same weights); their variance
      // is not averaged away.
      const double exact = 1.0 / static_cast<double>(design.value(node.inputs[0]).shape.pixels());
      const double reciprocal =
          node.hardware.reciprocal->to_double(quantise(exact, *node.hardware.reciprocal));
      for (size_t i = 0; i < out.size(); ++i) {
        add_error(out[i], input(0)[i]);
        out[i].error_mean += input(0)[i].mean * (reciprocal / exact - 1);
        cast(out[i]);
      }
      break;
    }
    case Op::ShortcutPad: {
      const auto offset =
          static_cast<size_t>(std::get<ShortcutPadAttributes>(node.attributes).channel_offset);
      for (size_t i = 0; i < input(0).size(); ++i) add_error(out[offset + i], input(0)[i]);
      break;
    }
    case Op::MaxPool2d:  // the error of the value that wins
    case Op::ZeroPad:
    case Op::Clone:
      for (int id : node.outputs) {
        for (size_t i = 0; i < input(0).size(); ++i)
          add_error(stats[static_cast<size_t>(id)][i], input(0)[i]);
      }
      break;
    case Op::BatchNorm:
      fail(ErrorKind::Internal, "{} is a batch norm, which a design never has", node.name);
    case Op::Output:
      break;
  }
}

}  // namespace

double predict_rms_error(const Graph& design, const std::vector<std::vector<double>>& images) {
  TAILOR_CHECK(!images.empty(), "no images");
  std::vector<Stats> stats(images.size());
  std::vector<double> squares(images.size());
  std::vector<std::vector<double>> clipping(images.size());  // by logit: what overflowing adds
  auto each_image = [&](const std::function<void(size_t)>& body) {
    parallel_for(static_cast<int64_t>(images.size()), 0,
                 [&](int64_t i) { body(static_cast<size_t>(i)); });
  };
  {
    const Float64Emulator emulator(design);
    each_image([&](size_t i) {
      std::vector<double> logits;
      stats[i] = float64_stats(design, emulator, images[i], logits);
      clipping[i] = emulator.run_in_range(images[i]);
      for (size_t k = 0; k < logits.size(); ++k) {
        const double e = clipping[i][k] - logits[k];
        clipping[i][k] = e * e / static_cast<double>(logits.size());
      }
    });
  }
  for (const Node& node : design.nodes) {
    if (node.op == Op::Output) {
      for (size_t i = 0; i < images.size(); ++i) {
        const auto& logits = stats[i][static_cast<size_t>(node.inputs[0])];
        for (const Channel& c : logits) {
          squares[i] +=
              (c.error_variance + c.error_mean * c.error_mean) / static_cast<double>(logits.size());
        }
        for (double e : clipping[i]) squares[i] += e;
      }
      break;
    }
    const bool layer = node.op == Op::Conv2d || node.op == Op::Dense;
    const Products products = layer ? rounded_products(design, node) : Products();
    each_image([&](size_t i) { add_errors(design, node, products, stats[i]); });
  }
  const double sum = std::accumulate(squares.begin(), squares.end(), 0.0);
  return std::sqrt(sum / static_cast<double>(images.size()));
}

}  // namespace tailor
