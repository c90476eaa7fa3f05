// A file's tensors in a network's places, by the names and layout of a rule set, and the way back.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "net/name_pattern.h"
#include "tailor/core/strings.h"
#include "tailor/net/weight_rules.h"

namespace tailor::net {
namespace {

/// Keras' kernels in our order; every element as F32.
Tensor converted(const Tensor& given, WeightLayout layout) {
  const std::vector<double> values = given.to_doubles();
  const Shape& s = given.shape();
  if (layout == WeightLayout::Torch || s.size() < 2) {
    Tensor result(DType::F32, s);
    std::transform(values.begin(), values.end(), result.as<float>().data(),
                   [](double v) { return static_cast<float>(v); });
    return result;
  }
  // [...spatial, in, out] → [out, in, ...spatial]
  const size_t rank = s.size();
  Shape shape = {s[rank - 1], s[rank - 2]};
  shape.insert(shape.end(), s.begin(), s.end() - 2);
  Tensor result(DType::F32, shape);
  auto out = result.as<float>();
  const auto outputs = static_cast<size_t>(s[rank - 1]), inputs = static_cast<size_t>(s[rank - 2]);
  const size_t pixels = values.size() / std::max<size_t>(1, outputs * inputs);
  for (size_t p = 0; p < pixels; ++p) {
    for (size_t i = 0; i < inputs; ++i) {
      for (size_t o = 0; o < outputs; ++o) {
        out[(o * inputs + i) * pixels + p] =
            static_cast<float>(values[(p * inputs + i) * outputs + o]);
      }
    }
  }
  return result;
}

/// The map that each layer reads whole, by the name of its weight: the last one, and convolutions
/// that have one window, without pads. There a linear layer is the same as a convolution.
std::map<std::string, MapShape> whole_map_layers(const Network& network) {
  std::map<std::string, MapShape> layers;
  for (const PlacedLayer& layer : placed_layers(network)) {
    const auto* conv = layer.as<ConvLayer>();
    const bool whole = conv && conv->groups == 1 && !conv->window.pads.any() &&
                       conv->window.kernel == Size2{layer.in.height, layer.in.width};
    if (whole || layer.as<LinearLayer>()) layers[layer.name + ".weight"] = layer.in;
  }
  return layers;
}

/// The same values in another shape; `from` says where element (out, channel, pixel) is.
template <class From>
Tensor reshaped(const Tensor& given, const Shape& shape, const MapShape& map, const From& from) {
  Tensor result(DType::F32, shape);
  const auto values = given.as<float>();
  auto to = result.as<float>().data();
  for (int64_t o = 0; o < shape[0]; ++o) {
    for (int64_t c = 0; c < map.channels; ++c) {
      for (int64_t p = 0; p < map.pixels(); ++p) *to++ = values[static_cast<size_t>(from(o, c, p))];
    }
  }
  return result;
}

/// A linear layer as the convolution that a description has in its place, a convolution as the
/// linear layer, Keras' depthwise kernels as grouped ones; anything else as it is. Torch flattens a
/// map channel by channel, as we do, Keras pixel by pixel.
Tensor fitted(Tensor given, const TensorSpec& spec,
              const std::map<std::string, MapShape>& whole_map, WeightLayout layout) {
  const Shape &is = given.shape(), &wanted = spec.shape;
  const bool keras = layout == WeightLayout::Keras;
  if (auto layer = whole_map.find(spec.name); layer != whole_map.end()) {
    const MapShape& map = layer->second;
    const int64_t channels = map.channels, pixels = map.pixels();
    const bool flat = is == Shape{wanted[0], map.size()};
    if (flat || is == Shape{wanted[0], channels, map.height, map.width}) {
      return reshaped(given, wanted, map, [&](int64_t o, int64_t c, int64_t p) {
        return flat && keras ? (o * pixels + p) * channels + c : (o * channels + c) * pixels + p;
      });
    }
  }
  // [out, in, columns] on a map of one row.
  if (is.size() == 3 && wanted.size() == 4 && wanted == Shape{is[0], is[1], 1, is[2]}) {
    return reshaped(given, wanted, {is[1], 1, is[2]},
                    [&](int64_t o, int64_t c, int64_t p) { return (o * is[1] + c) * is[2] + p; });
  }
  // [multiplier, channels, rows, columns], and output channel × multiplier + which.
  if (keras && spec.role == TensorRole::ConvWeight && wanted[1] == 1 && is.size() == 4 &&
      is != wanted && is[0] * is[1] == wanted[0] && is[2] == wanted[2] && is[3] == wanted[3]) {
    return reshaped(given, wanted, {1, is[2], is[3]}, [&](int64_t o, int64_t, int64_t p) {
      return (o % is[0] * is[1] + o / is[0]) * is[2] * is[3] + p;
    });
  }
  return given;
}

/// What a part that another program does not have does: no bias, neither scale nor shift of a batch
/// norm. One of the two alone is missing by mistake.
std::optional<Tensor> neutral_tensor(const TensorSpec& spec, const TensorMap& found) {
  const std::string layer = spec.name.substr(0, spec.name.rfind('.'));
  const bool norm = spec.role == TensorRole::BnWeight || spec.role == TensorRole::BnBias;
  const bool bias = spec.role == TensorRole::ConvBias || spec.role == TensorRole::LinearBias;
  if (!norm && !bias) return std::nullopt;
  if (found.count(layer + (bias ? ".weight" : ".running_mean")) == 0) return std::nullopt;
  if (norm && found.count(layer + ".weight") + found.count(layer + ".bias") > 0)
    return std::nullopt;
  Tensor tensor(DType::F32, spec.shape);
  for (float& v : tensor.as<float>()) v = spec.role == TensorRole::BnWeight ? 1.0F : 0.0F;
  return tensor;
}

/// "stem.conv1.bias" → "stem.bn1.running_mean" for every convolution in front of a batch norm.
std::map<std::string, std::string> means_of_biases(const std::vector<PlacedLayer>& layers) {
  std::map<std::string, std::string> means;
  for (size_t i = 0; i + 1 < layers.size(); ++i) {
    const PlacedLayer &conv = layers[i], &norm = layers[i + 1];
    const auto* c = conv.as<ConvLayer>();
    if (c && !c->bias && norm.as<BatchNormLayer>() && conv.chain == norm.chain)
      means[conv.name + ".bias"] = norm.name + ".running_mean";
  }
  return means;
}

/// "conv2d_1/conv2d_1/kernel:0" → "conv2d_1.kernel", "layers/dense/vars/0" → "layers.dense.kernel":
/// the paths that Keras' HDF5 files have (legacy and .weights.h5), as the dotted names of rules.
std::string keras_name(const std::string& name) {
  constexpr std::string_view kNorm[] = {"gamma", "beta", "moving_mean", "moving_variance"},
                             kLayer[] = {"kernel", "bias"};
  std::string dotted = name.substr(0, name.find(':'));
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  std::vector<std::string> parts = split(dotted, '.');
  if (const size_t n = parts.size(); n >= 3 && parts[n - 2] == "vars") {
    const bool norm = starts_with(parts[n - 3], "batch_normalization");
    const auto names = norm ? Span<const std::string_view>(kNorm, std::size(kNorm))
                            : Span<const std::string_view>(kLayer, std::size(kLayer));
    const auto which = parse_int(parts[n - 1]);
    if (which && *which >= 0 && static_cast<size_t>(*which) < names.size()) {
      parts[n - 1] = std::string(names[static_cast<size_t>(*which)]);
      parts.erase(parts.end() - 2);
    }
  }
  if (parts.size() < 3) return join(parts, ".");
  const auto layer = parts.end() - 2;  // named once more as its group
  parts.erase(std::find(parts.begin(), layer, *layer), layer);
  return join(parts, ".");
}

/// One file, one rule set and one network.
class Matcher {
 public:
  Matcher(const TensorMap& file, const WeightRules& rules, const Network& network,
          bool may_lack_neutral, bool new_head)
      : rules_(for_network(rules, network)),
        specs_(tensor_specs(network)),
        whole_map_(whole_map_layers(network)),
        means_(means_of_biases(placed_layers(network))),
        initialisation_(network.initialisation),
        may_lack_neutral_(may_lack_neutral),
        new_head_(new_head) {
    const bool keras = rules.layout == WeightLayout::Keras;
    for (const WeightRule& rule : rules_.rules) {
      patterns_.emplace_back(parse_pattern(keras ? keras_name(rule.from) : rule.from),
                             parse_pattern(rule.to));
    }
    for (const TensorSpec& spec : specs_) wanted_[spec.name] = &spec;
    for (const PlacedLayer& layer : placed_layers(network)) {
      if (!layer.is_head) continue;
      for (const TensorSpec& spec : layer_specs(layer, layer.in)) head_.insert(spec.name);
    }
    for (const auto& [name, tensor] : file) {
      std::string plain = keras ? keras_name(name) : name;
      if (file_.count(plain) > 0) plain = name;
      file_[plain] = {name, &tensor};
    }
  }

  /// The prefixes under which most names match, and how many do.
  std::pair<std::vector<std::string>, size_t> best_prefixes() const {
    std::vector<std::string> best = {""};
    size_t most = 0;
    for (const std::string& prefix : prefixes()) {
      const size_t count = count_under(prefix);
      if (count > most) most = count, best.clear();
      if (count == most && most > 0) best.push_back(prefix);
    }
    return {best, most};
  }

  size_t count_under(const std::string& prefix) const {
    size_t count = 0;
    for (auto i = file_.lower_bound(prefix); i != file_.end() && starts_with(i->first, prefix);
         ++i) {
      const auto name = translate(i->first.substr(prefix.size()));
      if (name && wanted_.count(*name) > 0) ++count;
    }
    return count;
  }

  WeightMatch match(const std::string& prefix) const {
    WeightMatch match;
    match.prefix = prefix;
    Biases biases;
    for (const auto& [plain, given] : file_) {
      if (!starts_with(plain, prefix)) {
        match.outside.push_back(given.first);
      } else {
        take(given.first, *given.second, translate(plain.substr(prefix.size())), match, biases);
      }
    }
    fold(biases, match);
    complete(match);
    return match;
  }

  size_t wanted() const { return wanted_.size(); }

 private:
  /// By the mean they go into: the foreign name and the values.
  using Biases = std::map<std::string, std::pair<std::string, Tensor>>;

  /// Our name, "" if it is dropped, nothing if no rule fits. Of several rules that fit the first
  /// counts that leads to a tensor of this network.
  std::optional<std::string> translate(const std::string& name) const {
    std::optional<std::string> first;
    for (const auto& [from, to] : patterns_) {
      const auto words = match_pattern(from, name);
      if (!words) continue;
      const std::string ours = fill_pattern(to, *words);
      if (ours.empty() || wanted_.count(ours) + means_.count(ours) > 0) return ours;
      if (!first) first = ours;
    }
    return first;
  }

  /// Every prefix of dotted names, "" first, from the shortest.
  std::vector<std::string> prefixes() const {
    std::set<std::string> all = {""};
    for (const auto& [name, given] : file_) {
      for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
        all.insert(name.substr(0, dot + 1));
    }
    std::vector<std::string> sorted(all.begin(), all.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const std::string& a, const std::string& b) {
      return a.size() < b.size();
    });
    return sorted;
  }

  void take(const std::string& name, const Tensor& tensor, const std::optional<std::string>& ours,
            WeightMatch& match, Biases& biases) const {
    const auto spec = wanted_.find(ours.value_or(""));
    if (ours && (ours->empty() || (new_head_ && head_.count(*ours) > 0))) {
      match.dropped.push_back(name);
    } else if (spec != wanted_.end()) {
      Tensor value =
          fitted(converted(tensor, rules_.layout), *spec->second, whole_map_, rules_.layout);
      if (value.shape() != spec->second->shape) {
        const bool linear =
            spec->second->role == TensorRole::ConvWeight && tensor.shape().size() == 2;
        match.misshapen.push_back(fmt::format(
            "{} → {} has shape {}, expected {}{}", name, *ours, tensors::to_string(value.shape()),
            tensors::to_string(spec->second->shape),
            linear ? " (a linear layer is a convolution whose kernel is the whole map, \"pad\": 0)"
                   : ""));
      }
      if (!match.tensors.emplace(*ours, std::move(value)).second)
        match.left_over.push_back(fmt::format("{} ({} came already)", name, *ours));
    } else if (ours && means_.count(*ours) > 0) {
      biases[means_.at(*ours)] = {name, converted(tensor, rules_.layout)};
    } else {
      match.left_over.push_back(fmt::format("{} {}{}", name, tensors::to_string(tensor.shape()),
                                            ours ? " (would be " + *ours + ")" : ""));
    }
  }

  /// bn(x + b) with mean m is bn(x) with mean m - b.
  static void fold(const Biases& biases, WeightMatch& match) {
    for (const auto& [mean, bias] : biases) {
      const auto found = match.tensors.find(mean);
      if (found == match.tensors.end() || found->second.shape() != bias.second.shape()) {
        match.left_over.push_back(bias.first);
        continue;
      }
      const auto values = found->second.as<float>();
      for (size_t i = 0; i < values.size(); ++i) values[i] -= bias.second.as<float>()[i];
      match.folded.push_back(bias.first);
    }
  }

  void complete(WeightMatch& match) const {
    const TensorMap found = match.tensors;
    for (const TensorSpec& spec : specs_) {
      if (found.count(spec.name) > 0) continue;
      if (new_head_ && head_.count(spec.name) > 0) {
        match.tensors.emplace(spec.name, initial_tensor(spec, kNewHeadSeed, initialisation_));
        match.begun.push_back(fmt::format("{} {}", spec.name, tensors::to_string(spec.shape)));
      } else if (auto neutral = may_lack_neutral_ ? neutral_tensor(spec, found) : std::nullopt) {
        match.tensors.emplace(spec.name, std::move(*neutral));
        match.neutral.push_back(spec.name);
      } else {
        match.missing.push_back(fmt::format("{} {}", spec.name, tensors::to_string(spec.shape)));
      }
    }
  }

  WeightRules rules_;
  std::vector<TensorSpec> specs_;
  std::map<std::string, MapShape> whole_map_;
  std::map<std::string, std::string> means_;
  std::set<std::string> head_;  // tensors of the head
  Initialisation initialisation_;
  bool may_lack_neutral_, new_head_;
  std::vector<std::pair<std::vector<Placeholder>, std::vector<Placeholder>>> patterns_;
  std::map<std::string, const TensorSpec*> wanted_;
  std::map<std::string, std::pair<std::string, const Tensor*>> file_;  // by the name rules see
};

}  // namespace

WeightMatch match_weights(const TensorMap& file, const WeightRules& rules, const Network& network,
                          const std::optional<std::string>& asked_prefix, bool may_lack_neutral,
                          bool new_head) {
  const Matcher matcher(file, rules, network, may_lack_neutral, new_head);
  if (asked_prefix) {  // "student" and "student." are the same to who asks
    const bool dot = !asked_prefix->empty() && asked_prefix->back() != '.' &&
                     matcher.count_under(*asked_prefix) == 0;
    return matcher.match(*asked_prefix + (dot ? "." : ""));
  }
  const auto [prefixes, count] = matcher.best_prefixes();
  WeightMatch best = matcher.match(prefixes.front());
  // Under so few names no network is whole: that they are as few elsewhere says nothing.
  if (2 * count < matcher.wanted()) return best;
  for (size_t i = 1; i < prefixes.size(); ++i) {
    WeightMatch rival = matcher.match(prefixes[i]);
    if (!rival.complete()) continue;
    if (best.complete()) {
      best.rivals.push_back(prefixes[i]);
    } else {
      best = std::move(rival);
    }
  }
  return best;
}

namespace {

/// The first rule that leads to our name, and their name by it.
std::pair<const WeightRule*, std::string> rule_to(const WeightRules& rules,
                                                  const std::string& ours) {
  for (const WeightRule& rule : rules.rules) {
    if (rule.to.empty()) continue;
    std::vector<Placeholder> to = parse_pattern(rule.to);
    std::map<std::string, int64_t> offsets;  // {s+1} is read as s, and 1 taken off
    for (Placeholder& part : to) {
      const size_t sign = part.word.find_first_of("+-");
      if (sign == std::string::npos) continue;
      const int64_t n = parse_int(part.word.substr(sign + 1)).value_or(0);
      offsets[part.word.substr(0, sign)] = part.word[sign] == '+' ? n : -n;
      part.word.resize(sign);
    }
    std::optional<Words> words = match_pattern(to, ours);
    if (!words) continue;
    for (const auto& [word, offset] : offsets)
      words->at(word) = std::to_string(parse_int(words->at(word)).value_or(0) - offset);
    return {&rule, fill_pattern(parse_pattern(rule.from), *words)};
  }
  return {nullptr, ""};
}

}  // namespace

std::string foreign_name(const WeightRules& rules, const std::string& ours) {
  return rule_to(rules, ours).second;
}

Tensor foreign_tensor(const WeightRules& rules, const std::string& ours, const Tensor& tensor) {
  const WeightRule* rule = rule_to(rules, ours).first;
  const Shape& s = tensor.shape();
  if (rule && rules.one_dimensional && s.size() == 4 && s[2] == 1) {
    return reshaped(tensor, {s[0], s[1], s[3]}, {s[1], 1, s[3]},
                    [&](int64_t o, int64_t c, int64_t p) { return (o * s[1] + c) * s[3] + p; });
  }
  if (!rule || !rule->linear || s.size() != 4) return tensor;
  const Shape flat = {tensor.shape()[0], tensor.size() / tensor.shape()[0]};
  return reshaped(tensor, flat, {flat[1], 1, 1},
                  [&](int64_t o, int64_t i, int64_t) { return o * flat[1] + i; });
}

std::string describe_match(const WeightMatch& match, const Network& network, bool whole) {
  const size_t count = tensor_specs(network).size();
  std::string text =
      fmt::format("{} of {} tensors of {} matched",
                  count - match.missing.size() - match.misshapen.size() - match.begun.size(), count,
                  network.name);
  if (!match.prefix.empty()) text += fmt::format(" under the prefix {}", match.prefix);
  auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    const size_t shown = whole ? names.size() : std::min<size_t>(names.size(), 8);
    text += fmt::format(
        "\n  {} {}: {}", names.size(), what,
        join({names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown)}, ", "));
    if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  };
  list("of another shape", match.misshapen);
  list("missing", match.missing);
  list("left over", match.left_over);
  list("begun anew", match.begun);
  list("biases folded into batch norms", match.folded);
  list("not in the file and taken as neutral (biases 0, scales 1)", match.neutral);
  list("dropped", match.dropped);
  list("outside", match.outside);
  return text;
}

}  // namespace tailor::net
