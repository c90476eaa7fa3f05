#include "tailor/net/weight_rules.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "tailor/core/embedded.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor {

namespace {

constexpr const char* kLayouts[] = {"torch", "keras"};
constexpr const char* kRest = "*";
using Words = std::map<std::string, std::string>;

/// One `{word}` of a pattern and what stands before it.
struct Placeholder {
  std::string literal, word;
};
std::vector<Placeholder> parse_pattern(const std::string& pattern) {
  std::vector<Placeholder> parts;
  size_t at = 0;
  while (true) {
    const size_t open = pattern.find('{', at), close = pattern.find('}', open);
    if (open == std::string::npos || close == std::string::npos) break;
    parts.push_back({pattern.substr(at, open - at), pattern.substr(open + 1, close - open - 1)});
    at = close + 1;
  }
  parts.push_back({pattern.substr(at), ""});
  return parts;
}

/// {*} takes what is left up to the pattern's last literal, a word one number.
std::optional<Words> match_pattern(const std::vector<Placeholder>& pattern,
                                   const std::string& name) {
  Words words;
  size_t at = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const auto& [literal, word] = pattern[i];
    if (name.compare(at, literal.size(), literal) != 0) return std::nullopt;
    at += literal.size();
    if (word.empty()) continue;
    size_t end = at;
    if (word == kRest) {
      const std::string& tail = pattern[i + 1].literal;
      if (name.size() < at + tail.size()) return std::nullopt;
      end = name.size() - tail.size();
    } else {
      while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end])) != 0) ++end;
    }
    if (end == at) return std::nullopt;
    words[word] = name.substr(at, end - at);
    at = end;
  }
  return at == name.size() ? std::optional(words) : std::nullopt;
}

std::string fill_pattern(const std::vector<Placeholder>& pattern, const Words& words) {
  std::string name;
  for (const auto& [literal, word] : pattern) {
    name += literal;
    if (word.empty()) continue;
    const size_t sign = word.find_first_of("+-");
    const std::string& value = words.at(word.substr(0, sign));
    name += sign == std::string::npos
                ? value
                : std::to_string(
                      parse_int(value).value_or(0) +
                      parse_int(word.substr(sign + (word[sign] == '+' ? 1 : 0))).value_or(0));
  }
  return name;
}

void verify_rule(const WeightRule& rule, size_t index, const std::string& source) {
  std::set<std::string> known;
  const auto from = parse_pattern(rule.from);
  for (size_t i = 0; i < from.size(); ++i) {
    const std::string& word = from[i].word;
    const bool last = i + 2 >= from.size();
    if (!word.empty() && (!known.insert(word).second || (word == kRest && !last))) {
      fail_config(fmt::format("/rules/{}/from", index),
                  "each {word} once, and {*} as the last of them", "\"" + rule.from + "\"", source);
    }
  }
  for (const Placeholder& part : parse_pattern(rule.to)) {
    const size_t sign = part.word.find_first_of("+-");
    const bool number =
        sign == std::string::npos || (part.word != kRest && parse_int(part.word.substr(sign + 1)));
    if (!part.word.empty() && (known.count(part.word.substr(0, sign)) == 0 || !number)) {
      fail_config(fmt::format("/rules/{}/to", index),
                  "only words of \"from\", such as {s} or {s+1}", "\"" + rule.to + "\"", source);
    }
  }
}

void describe(RecordVisitor& v, WeightRules& r) {
  v.text("title", r.title, "What such files are.");
  v.choices("families", r.families, family_names(), "Network families they can be.");
  v.text("shortcut", r.shortcut, "Shortcut of these networks. Empty: as asked.");
  v.enumeration("layout", r.layout, {kLayouts, 2},
                "torch: kernels as [out, in, rows, columns]; keras: [rows, columns, in, out].");
  v.list(
      "rules", r.rules.size(), [&](size_t n) { r.rules.resize(n); },
      [&](RecordVisitor& rule, size_t i) {
        rule.text("from", r.rules[i].from, "Their name; {s} is a number, {*} the rest.");
        rule.text("to", r.rules[i].to, "Our name. Empty: dropped.");
      },
      "The first rule that fits a name counts.");
  v.numbers("mean", r.preprocessing.mean, -1e6, 1e6, "Mean of the pixels in 0..1, by channel.");
  v.numbers("deviation", r.preprocessing.deviation, 1e-6, 1e6, "Standard deviation.");
}

WeightRules read_weight_rules(const std::string& text, const std::string& name,
                              const std::string& source) {
  WeightRules rules;
  rules.name = name;
  read_record(Json::parse(text, source), source, [&](RecordVisitor& v) { describe(v, rules); });
  if (!rules.shortcut.empty() && rules.shortcut != to_string(Shortcut::Pad) &&
      rules.shortcut != to_string(Shortcut::Projection)) {
    fail_config("/shortcut", "\"projection\", \"pad\" or \"\"", "\"" + rules.shortcut + "\"",
                source);
  }
  if (rules.preprocessing.mean.empty() ||
      rules.preprocessing.mean.size() != rules.preprocessing.deviation.size()) {
    fail_config("/mean", "as many numbers as in /deviation, at least one",
                std::to_string(rules.preprocessing.mean.size()), source);
  }
  for (size_t i = 0; i < rules.rules.size(); ++i) verify_rule(rules.rules[i], i, source);
  return rules;
}

std::string without_json(const std::string& name) { return name.substr(0, name.size() - 5); }

/// Every prefix of dotted names, "" first, from the shortest.
std::vector<std::string> prefixes(const TensorMap& file) {
  std::set<std::string> all = {""};
  for (const auto& [name, tensor] : file) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      all.insert(name.substr(0, dot + 1));
  }
  std::vector<std::string> sorted(all.begin(), all.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
  return sorted;
}

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

/// A linear layer's [out, in] as the convolution over its whole map that a description has in its
/// place, or as the head's, whose map has `head_pixels`. Torch flattens a map channel by channel,
/// as we do, Keras pixel by pixel.
Tensor over_map(Tensor given, const TensorSpec& spec, int64_t head_pixels, WeightLayout layout) {
  const bool conv = spec.role == TensorRole::ConvWeight;
  const Shape flat = {spec.shape[0],
                      element_count(spec.shape) / std::max<int64_t>(1, spec.shape[0])};
  if ((!conv && spec.role != TensorRole::LinearWeight) || given.shape() != flat) return given;
  const int64_t pixels = conv ? spec.shape[2] * spec.shape[3] : head_pixels;
  Tensor result(DType::F32, spec.shape);
  const auto from = given.as<float>();
  auto to = result.as<float>();
  const int64_t channels = flat[1] / pixels;
  for (int64_t o = 0; o < flat[0]; ++o) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t at = (o * channels + c) * pixels + p;
        to[static_cast<size_t>(at)] = from[static_cast<size_t>(
            layout == WeightLayout::Torch ? at : (o * pixels + p) * channels + c)];
      }
    }
  }
  return result;
}

/// "stem.conv1.bias" → "stem.bn1.running_mean"; "" for any other name.
std::string mean_of_bias(const std::string& name) {
  constexpr std::string_view kBias = ".bias";
  const size_t conv = name.rfind(".conv"), dot = name.rfind('.');
  if (conv == std::string::npos || name.substr(dot) != kBias) return "";
  return name.substr(0, conv) + ".bn" + name.substr(conv + 5, dot - conv - 5) + ".running_mean";
}

}  // namespace

std::vector<std::string> weight_rule_names() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_weight_rules()) names.push_back(without_json(file.name));
  return names;
}

WeightRules load_weight_rules(const std::string& name_or_file) {
  for (const EmbeddedFile& file : embedded_weight_rules()) {
    const std::string name = without_json(file.name);
    if (name == name_or_file)
      return read_weight_rules(std::string(file.text), name, "rules " + name);
  }
  if (path_exists(name_or_file))
    return read_weight_rules(read_file(name_or_file), file_name(name_or_file), name_or_file);
  fail(ErrorKind::Usage, "--rules {}: there is no such file and no such rule set{}; there are {}",
       name_or_file, did_you_mean(name_or_file, weight_rule_names()),
       join(weight_rule_names(), ", "));
}

WeightMatch match_weights(const TensorMap& file, const WeightRules& rules, const Network& network,
                          const std::optional<std::string>& asked_prefix) {
  using Pattern = std::vector<Placeholder>;
  std::vector<std::pair<Pattern, Pattern>> patterns;
  for (const WeightRule& rule : rules.rules)
    patterns.emplace_back(parse_pattern(rule.from), parse_pattern(rule.to));
  std::map<std::string, const TensorSpec*> wanted;
  const std::vector<TensorSpec> specs = tensor_specs(network);
  for (const TensorSpec& spec : specs) wanted[spec.name] = &spec;
  const int64_t head_pixels =
      network.head_pooling == HeadPooling::Average ? 1 : block_inputs(network).back().pixels();
  /// Our name, "" if it is dropped, nothing if no rule fits.
  auto translate = [&](const std::string& name) -> std::optional<std::string> {
    for (const auto& [from, to] : patterns) {
      if (auto words = match_pattern(from, name)) return fill_pattern(to, *words);
    }
    return std::nullopt;
  };

  WeightMatch match;
  size_t most = 0;
  for (const std::string& prefix :
       asked_prefix ? std::vector<std::string>{*asked_prefix} : prefixes(file)) {
    size_t count = 0;
    for (auto i = file.lower_bound(prefix);
         i != file.end() && i->first.compare(0, prefix.size(), prefix) == 0; ++i) {
      auto name = translate(i->first.substr(prefix.size()));
      if (name && wanted.count(*name) > 0) ++count;
    }
    if (count > most) {
      most = count, match.prefix = prefix;
      match.rivals.clear();
    } else if (count == most && most > 0) {
      match.rivals.push_back(prefix);
    }
  }
  if (asked_prefix) match.prefix = *asked_prefix;

  std::map<std::string, std::pair<std::string, Tensor>> biases;  // by the mean they go into
  for (const auto& [name, tensor] : file) {
    if (name.compare(0, match.prefix.size(), match.prefix) != 0) {
      match.outside.push_back(name);
      continue;
    }
    const auto ours = translate(name.substr(match.prefix.size()));
    if (ours && ours->empty()) {
      match.dropped.push_back(name);
    } else if (auto spec = wanted.find(ours.value_or("")); spec != wanted.end()) {
      Tensor value =
          over_map(converted(tensor, rules.layout), *spec->second, head_pixels, rules.layout);
      if (value.shape() != spec->second->shape) {
        match.misshapen.push_back(fmt::format("{} → {} has shape {}, expected {}", name, *ours,
                                              to_string(value.shape()),
                                              to_string(spec->second->shape)));
      }
      if (!match.tensors.emplace(*ours, std::move(value)).second)
        match.left_over.push_back(fmt::format("{} ({} came already)", name, *ours));
    } else if (ours && wanted.count(mean_of_bias(*ours)) > 0) {
      biases[mean_of_bias(*ours)] = {name, converted(tensor, rules.layout)};
    } else {
      match.left_over.push_back(fmt::format("{} {}{}", name, to_string(tensor.shape()),
                                            ours ? " (would be " + *ours + ")" : ""));
    }
  }
  for (auto& [mean, bias] : biases) {
    auto found = match.tensors.find(mean);
    if (found == match.tensors.end() || found->second.shape() != bias.second.shape()) {
      match.left_over.push_back(bias.first);
      continue;
    }
    // bn(x + b) with mean m is bn(x) with mean m - b.
    auto values = found->second.as<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] -= bias.second.as<float>()[i];
    match.folded.push_back(bias.first);
  }
  for (const TensorSpec& spec : specs) {
    if (match.tensors.count(spec.name) == 0)
      match.missing.push_back(fmt::format("{} {}", spec.name, to_string(spec.shape)));
  }
  return match;
}

std::string foreign_name(const WeightRules& rules, const std::string& ours) {
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
    return fill_pattern(parse_pattern(rule.from), *words);
  }
  return "";
}

std::string describe_match(const WeightMatch& match, const Network& network, bool whole) {
  const size_t count = tensor_specs(network).size();
  std::string text =
      fmt::format("{} of {} tensors of {} matched",
                  count - match.missing.size() - match.misshapen.size(), count, network.name);
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
  list("biases folded into batch norms", match.folded);
  list("dropped", match.dropped);
  list("outside", match.outside);
  return text;
}

}  // namespace tailor
