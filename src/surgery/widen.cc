#include "tailor/surgery/widen.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "surgery/places.h"
#include "tailor/core/strings.h"
#include "tailor/net/batch_norm.h"
#include "tailor/net/dirac.h"
#include "tailor/surgery/surgery.h"

namespace tailor::surgery {
namespace {

/// A batch norm's factor below this is as good as 0: its channel is a constant, and carries what
/// the skip adds with a factor of 1.
constexpr double kNoFactor = 1e-30;

bool keeps_sign(const Layers& layers, bool non_negative) {
  for (const Layer& layer : layers) {
    if (std::holds_alternative<ReluLayer>(layer)) non_negative = true;
    if (std::holds_alternative<ConvLayer>(layer) || std::holds_alternative<BatchNormLayer>(layer) ||
        std::holds_alternative<LinearLayer>(layer))
      non_negative = false;
  }
  return non_negative;
}

/// Whether no value of a point of a block can be below 0.
bool is_non_negative(const Network& network, size_t block, int64_t point) {
  bool before = false;  // the network's input may be
  for (size_t b = 0; b <= block; ++b) {
    const Block& at = network.blocks[b];
    std::vector<bool> points = {before};
    for (size_t i = 1; i <= at.stages.size(); ++i) {
      const Layers& layers = at.stages[i - 1].layers;
      bool positive = keeps_sign(layers, points.back());
      if (network.join == Join::AfterActivation || !ends_in_relu(layers)) {
        for (const Skip& skip : at.skips) {
          if (skip.to == static_cast<int64_t>(i))
            positive = positive && keeps_sign(skip.layers, points[static_cast<size_t>(skip.from)]);
        }
      }
      points.push_back(positive);
    }
    if (b == block) return points[static_cast<size_t>(point)];
    before = points.back();
  }
  return false;
}

/// The same values at the front of more outputs and inputs: [outputs, inputs, …] or [outputs].
Tensor grown(const Tensor& tensor, int64_t outputs, int64_t inputs = 0) {
  Shape shape = tensor.shape();
  const auto inner = static_cast<size_t>(tensor.size() / shape[0]);
  shape[0] += outputs;
  if (inputs > 0) shape[1] += inputs;
  Tensor result(DType::F32, shape);
  const auto stride = static_cast<size_t>(result.size() / shape[0]);
  const auto from = tensor.as<float>();
  auto to = result.as<float>();
  for (size_t i = 0; i < from.size(); ++i) to[i / inner * stride + i % inner] = from[i];
  return result;
}

/// One skip becomes channels of its stages.
class SkipWidener {
 public:
  /// `before` has the same blocks, of which nothing was changed yet.
  SkipWidener(WidenedNetwork& to, const Network& before, const std::string& id, bool split)
      : to_(to), before_(before), place_(find_skip(to.network, id)) {
    skip_ = place_.block->skips[place_.index];
    for (int64_t i = skip_.from + 1; i <= skip_.to; ++i)
      stages_.push_back(stage_layers(*place_.block, static_cast<size_t>(i)));
    if (const std::string why = why_not(); !why.empty())
      fail(ErrorKind::Config, "cannot widen for the skip '{}': {}", id, why);
    inputs_ = place_.at(skip_.from).channels, outputs_ = place_.at(skip_.to).channels;
    is_projection_ =
        !skip_.layers.empty() && std::holds_alternative<ConvLayer>(skip_.layers.front());
    parts_ = split && is_projection_ ? 2 : 1;
    carried_ = stages_.size() > 1 ? inputs_ * parts_ : 0;
  }

  void run() {
    Widening done{skip_.id, carried_, {}};
    const SkipMap map = skip_map(to_.tensors, skip_, inputs_, outputs_, to_.network.bn_epsilon);
    first_of_last_ = conv(stages_.size() - 1).in;
    if (carried_ > 0) reserve(done);
    merge(map);
    done.norms.push_back({norm(stages_.size() - 1), 0});
    for (const std::string& name :
         apply_alteration(to_.network, skip_.id, AlterationKind::Remove).erased)
      to_.tensors.erase(name);
    to_.skips.push_back(std::move(done));
  }

 private:
  ConvLayer& conv(size_t i) {
    Stage& stage = place_.block->stages[static_cast<size_t>(skip_.from) + i];
    return std::get<ConvLayer>(stage.layers[0]);
  }
  const std::string& conv_name(size_t i) const { return stages_[i][0].name; }
  const std::string& norm(size_t i) const { return stages_[i][1].name; }
  float& weight(size_t i, int64_t out, int64_t in) {
    const ConvLayer& c = conv(i);
    return to_.tensors.at(conv_name(i) + ".weight")
        .as<float>()[static_cast<size_t>((out * c.in + in) * c.window.taps() +
                                         centre_tap(c.window))];
  }

  std::string why_not() const {
    if (skip_.weight != 1) {
      return fmt::format(
          "it is fading, and has the weight {:.3g}; widen the network from before or "
          "behind that",
          skip_.weight);
    }
    if (!is_linear(skip_)) return "it is neither an identity, a pad nor a projection";
    auto inside = [&](int64_t point) { return point > skip_.from && point < skip_.to; };
    for (const Skip& other : place_.block->skips) {
      if (inside(other.from) || inside(other.to))
        return fmt::format("{} begins or ends between its ends; widen for that too", other.id);
    }
    Size2 stride;
    bool relu_on_the_way = false;
    for (size_t i = 0; i < stages_.size(); ++i) {
      const auto point = skip_.from + static_cast<int64_t>(i);
      if (!is_conv_norm(stages_[i])) {
        return fmt::format(
            "stage {} of {} is not a convolution without groups, a batch norm and at most a ReLU",
            point + 1, place_.block->id);
      }
      const Window& w = stages_[i][0].as<ConvLayer>()->window;
      const PickLayer pick{place_.at(point).channels, w.stride, 0};
      MapShape carried = output_of(Layer(pick), place_.at(point));
      carried.channels = place_.at(point + 1).channels;
      if (!has_centre_tap(w) || !(carried == place_.at(point + 1)))
        return "no tap of " + conv_name(i) + " reads its pixel";
      stride = {stride.height * w.stride.height, stride.width * w.stride.width};
      relu_on_the_way |= i + 1 < stages_.size() && stages_[i].size() == 3;
    }
    if (stride != (skip_.layers.empty() ? Size2{} : stride_of(skip_.layers)))
      return "its stride is not that of its stages";
    if (before_.join == Join::AfterActivation && stages_.back().size() == 3)
      return "it is added behind the ReLU of its last stage, which no convolution can do";
    const auto block = static_cast<size_t>(place_.block - to_.network.blocks.data());
    if (relu_on_the_way && !is_non_negative(before_, block, skip_.from))
      return "what it carries may be below 0, and a ReLU is on its way";
    return "";
  }

  /// Channels behind those of all stages but the last, which only pass on what the skip reads.
  void reserve(Widening& done) {
    for (size_t i = 0; i < stages_.size(); ++i) {
      ConvLayer& c = conv(i);
      const bool is_first = i == 0, is_last = i + 1 == stages_.size();
      const int64_t in = c.in, out = c.out;
      TensorMap& t = to_.tensors;
      Tensor& w = t.at(conv_name(i) + ".weight");
      w = grown(w, is_last ? 0 : carried_, is_first ? 0 : carried_);
      if (!is_first) c.in += carried_;
      if (is_last) continue;
      c.out += carried_;
      if (c.bias) t.at(conv_name(i) + ".bias") = grown(t.at(conv_name(i) + ".bias"), carried_);
      for (const char* what : {".weight", ".bias", ".running_mean", ".running_var"})
        t.at(norm(i) + what) = grown(t.at(norm(i) + what), carried_);
      for (int64_t k = 0; k < carried_; ++k) {
        weight(i, out + k, is_first ? k % inputs_ : in + k) = 1;
        set_factor(i, out + k, 1);
      }
      done.norms.push_back({norm(i), static_cast<size_t>(out)});
    }
  }
  void set_factor(size_t stage, int64_t channel, double factor) {
    set_norm_channel(to_.tensors, norm(stage), static_cast<size_t>(channel),
                     norm_channel(factor, 0, 0, 1, to_.network.bn_epsilon));
  }

  /// The last convolution adds what the skip brings, less its batch norm's factor.
  void merge(const SkipMap& map) {
    for (int64_t o = 0; o < outputs_; ++o) {
      int64_t first = 0, end = inputs_;
      if (!is_projection_) {
        while (first < inputs_ && map.weight(o, first) == 0) ++first;
        if (first == inputs_) continue;  // nothing is added to a channel of zeros
        end = first + 1;
      }
      const double factor = factor_of(o, map.shift[static_cast<size_t>(o)]);
      for (int64_t i = first; i < end; ++i) {
        if (carried_ == 0) {
          float& w = weight(0, o, i);
          w = static_cast<float>(w + map.weight(o, i) / factor);
        } else if (is_projection_) {
          add_in_parts(o, i, map.weight(o, i) / factor);
        } else {
          add_exactly(o, i, factor);
        }
      }
    }
  }
  void add_in_parts(int64_t o, int64_t i, double wanted) {
    for (int64_t part = 0; part < parts_; ++part) {
      float& w = weight(stages_.size() - 1, o, first_of_last_ + part * inputs_ + i);
      w = static_cast<float>(wanted);
      wanted -= w;
    }
  }
  /// A power of two; the rest of 1 / factor, from 1 to 2, is of the first stage's batch norm.
  void add_exactly(int64_t o, int64_t i, double factor) {
    int exponent = 0;
    const double rest = std::frexp(std::abs(factor), &exponent);
    weight(stages_.size() - 1, o, first_of_last_ + i) =
        std::copysign(std::ldexp(1.0F, -exponent), static_cast<float>(factor));
    set_factor(0, conv(0).out - carried_ + i, 1 / rest);
  }

  /// The factor of the last batch norm's channel, to whose shift `more` is added.
  double factor_of(int64_t o, double more) {
    const size_t last = stages_.size() - 1, at = static_cast<size_t>(o);
    const double epsilon = to_.network.bn_epsilon;
    const ScaleShift& values = last_norm();
    double scale = values.scale[at], shift = values.shift[at];
    auto statistic = [&](const char* what) {
      return to_.tensors.at(norm(last) + what).as<float>()[at];
    };
    double mean = statistic(".running_mean"), variance = statistic(".running_var");
    if (std::abs(scale) >= kNoFactor && more == 0) return scale;
    if (std::abs(scale) < kNoFactor) {
      const ConvLayer& c = conv(last);
      const auto weights = to_.tensors.at(conv_name(last) + ".weight").as<float>();
      const auto of_each = static_cast<size_t>(c.in * c.window.taps());
      std::fill_n(weights.begin() + at * of_each, of_each, 0.0F);
      if (c.bias) {
        float& bias = to_.tensors.at(conv_name(last) + ".bias").as<float>()[at];
        shift += scale * bias;
        bias = 0;
      }
      scale = 1, mean = 0, variance = 1;
    }
    set_norm_channel(to_.tensors, norm(last), at,
                     norm_channel(scale, shift + more, mean, variance, epsilon));
    return scale_and_shift(to_.tensors, norm(last), epsilon).scale[at];
  }
  const ScaleShift& last_norm() {
    if (last_norm_.scale.empty()) {
      last_norm_ = scale_and_shift(to_.tensors, norm(stages_.size() - 1), to_.network.bn_epsilon);
    }
    return last_norm_;
  }

  WidenedNetwork& to_;
  const Network& before_;
  Place place_;
  Skip skip_;
  std::vector<std::vector<NamedLayer>> stages_;  // those under the skip
  int64_t inputs_ = 0, outputs_ = 0;
  bool is_projection_ = false;
  int64_t parts_ = 1, carried_ = 0;
  int64_t first_of_last_ = 0;  // of the last convolution's inputs: the first that is carried
  ScaleShift last_norm_;       // before anything was merged
};

/// Short skips first: a long one then has none beside it.
std::vector<std::string> shortest_first(const Network& network, std::vector<std::string> ids) {
  if (ids.empty()) ids = skip_ids(network);
  std::map<std::string, int64_t> length;
  for (const Block& block : network.blocks) {
    for (const Skip& skip : block.skips) length[skip.id] = skip.to - skip.from;
  }
  std::stable_sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
    return length[a] < length[b];
  });
  return ids;
}

}  // namespace

WidenedNetwork widen(const Network& network, const TensorMap& tensors,
                     const std::vector<std::string>& skip_ids, bool split_projections) {
  auto [plain, weights] = merge_dirac(network, tensors);
  WidenedNetwork result{std::move(plain), std::move(weights), {}};
  for (const std::string& id : shortest_first(network, skip_ids))
    SkipWidener(result, network, id, split_projections).run();
  return result;
}

void settle_norm(TensorMap& tensors, const TouchedNorm& norm, const std::vector<double>& mean,
                 const std::vector<double>& variance, double epsilon) {
  const ScaleShift now = scale_and_shift(tensors, norm.name, epsilon);
  for (size_t c = norm.first; c < now.scale.size(); ++c) {
    set_norm_channel(tensors, norm.name, c,
                     norm_channel(now.scale[c], now.shift[c], mean[c], variance[c], epsilon));
  }
}

}  // namespace tailor::surgery
