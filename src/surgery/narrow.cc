#include "tailor/surgery/narrow.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tailor/core/strings.h"
#include "tailor/net/dirac.h"

namespace tailor::surgery {
namespace {

/// Means of an activation and of its square.
struct Moments {
  double mean = 0, square = 0;
};

/// Of a normal value with this mean and deviation, cut off below 0 where `relu`.
Moments moments_of(double mean, double deviation, bool relu) {
  if (!relu) return {mean, mean * mean + deviation * deviation};
  if (deviation == 0) return {std::max(mean, 0.0), std::pow(std::max(mean, 0.0), 2)};
  const double at = mean / deviation, above = std::erfc(-at / std::sqrt(2.0)) / 2,
               density = std::exp(-at * at / 2) / std::sqrt(2 * std::acos(-1.0));
  return {mean * above + deviation * density,
          (mean * mean + deviation * deviation) * above + mean * deviation * density};
}

/// Those rows (dimension 0) or columns (dimension 1) of [rows, columns, …] alone.
Tensor taken(const Tensor& from, size_t dimension, const std::vector<size_t>& kept) {
  Shape shape = from.shape();
  const auto rows = static_cast<size_t>(dimension == 0 ? 1 : shape[0]),
             count = static_cast<size_t>(shape[dimension]);
  const size_t inner = static_cast<size_t>(from.size()) / rows / count;
  shape[dimension] = static_cast<int64_t>(kept.size());
  Tensor result(DType::F32, shape);
  const auto source = from.as<float>();
  auto to = result.as<float>().begin();
  for (size_t row = 0; row < rows; ++row) {
    for (const size_t k : kept) {
      to = std::copy_n(source.begin() + static_cast<std::ptrdiff_t>((row * count + k) * inner),
                       inner, to);
    }
  }
  return result;
}

/// A convolution whose filters may go, and the one that reads them.
struct Pair {
  ConvLayer *conv = nullptr, *next = nullptr;
  std::string name, norm, next_name, next_norm;  // of tensors; no next_norm: it has none
  bool relu = false;
};

/// Narrows one network in its place.
class Narrower {
 public:
  Narrower(NarrowedNetwork& to, const Network& like, double step)
      : to_(to), like_(like), step_(step) {}

  void run() {
    if (like_.blocks.size() != to_.network.blocks.size()) refuse(like_.name + " has other blocks");
    for (size_t b = 0; b < like_.blocks.size(); ++b) {
      Block& block = to_.network.blocks[b];
      const Block& other = like_.blocks[b];
      if (block.stages.size() != other.stages.size())
        refuse(fmt::format("{} of {} has other stages", block.id, like_.name));
      for (size_t i = 0; i < block.stages.size(); ++i) narrow_stage(block, i, other.stages[i]);
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorKind::Config, "cannot narrow {} to {}: {}", to_.network.name, like_.name, why);
  }

  void narrow_stage(Block& block, size_t i, const Stage& other) {
    Layers& layers = block.stages[i].layers;
    verify_alike(block.id, layers, other.layers);
    auto* conv = std::get_if<ConvLayer>(&layers[0]);
    const auto* wanted = std::get_if<ConvLayer>(&other.layers[0]);
    if (!conv || conv->out == wanted->out) return;
    const std::string name = stage_layers(block, i + 1)[0].name;
    if (conv->out < wanted->out)
      refuse(fmt::format("{} has {} filters there, {} here", name, wanted->out, conv->out));
    const Pair pair = pair_at(block, i);
    const auto surplus = static_cast<double>(conv->out - wanted->out);
    keep(pair, conv->out - static_cast<int64_t>(std::ceil(surplus * step_ - 1e-9)));
  }

  /// The same layers, as many filters of all but the first.
  void verify_alike(const std::string& block, const Layers& layers, const Layers& others) const {
    bool alike = layers.size() == others.size();
    for (size_t l = 0; alike && l < layers.size(); ++l) {
      alike = layers[l].index() == others[l].index();
      const auto* conv = std::get_if<ConvLayer>(&layers[l]);
      if (alike && conv && l > 0) alike = conv->out == std::get<ConvLayer>(others[l]).out;
    }
    if (!alike) refuse(fmt::format("{} of {} has other stages", block, like_.name));
  }

  Pair pair_at(Block& block, size_t i) const {
    const std::vector<NamedLayer> layers = stage_layers(block, i + 1);
    const std::string& name = layers[0].name;
    const auto point = static_cast<int64_t>(i) + 1;
    for (const Skip& skip : block.skips) {
      if (skip.from == point || skip.to == point)
        refuse(fmt::format("{} begins or ends behind {}", skip.id, name));
    }
    Pair pair;
    pair.conv = &std::get<ConvLayer>(block.stages[i].layers[0]);
    pair.name = name;
    const bool normalised = layers.size() > 1 && layers[1].as<BatchNormLayer>();
    pair.relu = layers.size() > 2 && layers[2].as<ReluLayer>();
    if (pair.conv->groups != 1 || !normalised || layers.size() > (pair.relu ? 3U : 2U))
      refuse(name + " is not one convolution without groups, a batch norm and at most a ReLU");
    pair.norm = layers[1].name;
    pair.next = i + 1 < block.stages.size() ? std::get_if<ConvLayer>(&block.stages[i + 1].layers[0])
                                            : nullptr;
    if (!pair.next || pair.next->groups != 1)
      refuse(name + " is not before another convolution without groups in its block");
    const std::vector<NamedLayer> behind = stage_layers(block, i + 2);
    pair.next_name = behind[0].name;
    if (behind.size() > 1 && behind[1].as<BatchNormLayer>()) pair.next_norm = behind[1].name;
    return pair;
  }

  void keep(const Pair& pair, int64_t count) {
    const auto before = static_cast<size_t>(pair.conv->out);
    const double epsilon = to_.network.bn_epsilon;
    const auto gamma = to_.tensors.at(pair.norm + ".weight").as<float>(),
               beta = to_.tensors.at(pair.norm + ".bias").as<float>(),
               variance = to_.tensors.at(pair.norm + ".running_var").as<float>(),
               read = to_.tensors.at(pair.next_name + ".weight").as<float>();
    const auto outputs = static_cast<size_t>(pair.next->out);
    const size_t taps = read.size() / outputs / before;
    std::vector<Moments> moments;
    std::vector<double> worth;
    for (size_t c = 0; c < before; ++c) {
      const double deviation =
          std::abs(gamma[c]) * std::sqrt(variance[c] / (variance[c] + epsilon));
      moments.push_back(moments_of(beta[c], deviation, pair.relu));
      double weights = 0;
      for (size_t o = 0; o < outputs; ++o) {
        for (size_t t = 0; t < taps; ++t) weights += std::pow(read[(o * before + c) * taps + t], 2);
      }
      worth.push_back(moments[c].square * weights);
    }
    std::vector<size_t> order(before);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return worth[a] > worth[b]; });
    const auto kept_count = static_cast<size_t>(count);
    std::vector<double> shift(outputs, 0.0);
    for (size_t i = kept_count; i < before; ++i) {
      const size_t c = order[i];
      for (size_t o = 0; o < outputs; ++o) {
        for (size_t t = 0; t < taps; ++t)
          shift[o] += moments[c].mean * read[(o * before + c) * taps + t];
      }
    }
    order.resize(kept_count);
    std::sort(order.begin(), order.end());
    give_shift(pair, shift);
    take(pair, order);
    to_.convs.push_back({pair.name, pair.conv->out, count});
    pair.conv->out = pair.next->in = count;
  }

  /// What the filters that go brought on average: the batch norm's input lacks it now.
  void give_shift(const Pair& pair, const std::vector<double>& shift) {
    const bool normalised = !pair.next_norm.empty();
    if (!normalised && !pair.next->bias) return;
    auto values =
        to_.tensors.at(normalised ? pair.next_norm + ".running_mean" : pair.next_name + ".bias")
            .as<float>();
    for (size_t o = 0; o < shift.size(); ++o)
      values[o] = static_cast<float>(values[o] + (normalised ? -shift[o] : shift[o]));
  }

  void take(const Pair& pair, const std::vector<size_t>& kept) {
    auto replace = [&](const std::string& name, size_t dimension) {
      Tensor& tensor = to_.tensors.at(name);
      tensor = taken(tensor, dimension, kept);
    };
    replace(pair.name + ".weight", 0);
    if (pair.conv->bias) replace(pair.name + ".bias", 0);
    for (const char* what : {".weight", ".bias", ".running_mean", ".running_var"})
      replace(pair.norm + what, 0);
    replace(pair.next_name + ".weight", 1);
  }

  NarrowedNetwork& to_;
  const Network& like_;
  double step_;
};

}  // namespace

NarrowedNetwork narrow(const Network& network, const TensorMap& tensors, const Network& like,
                       double step) {
  TAILOR_CHECK(step > 0 && step <= 1, "a step of {}", step);
  auto [plain, weights] = merge_dirac(network, tensors);
  NarrowedNetwork result{std::move(plain), std::move(weights), {}};
  Narrower(result, like, step).run();
  return result;
}

}  // namespace tailor::surgery
