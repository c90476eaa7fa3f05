// Rule sets: how they are read, and what their words stand for in a network.
#include "tailor/net/weight_rules.h"

#include <set>

#include "net/name_pattern.h"
#include "tailor/core/embedded.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::net {

namespace {

constexpr const char* kBlock = "block ";

/// "n" and "top" of {block n=top}, "n" and "" of {block n}.
std::pair<std::string, std::string> block_word(const std::string& word) {
  const std::string rest = word.substr(std::string_view(kBlock).size());
  const size_t equals = rest.find('=');
  return {rest.substr(0, equals), equals == std::string::npos ? "" : rest.substr(equals + 1)};
}

/// The pattern with a text in the place of one word.
std::string with_word(const std::string& pattern, const std::string& word,
                      const std::string& text) {
  const std::string braced = "{" + word + "}";
  const size_t at = pattern.find(braced);
  return at == std::string::npos ? pattern : std::string(pattern).replace(at, braced.size(), text);
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
    const bool block = starts_with(part.word, kBlock);
    const size_t sign = block ? std::string::npos : part.word.find_first_of("+-");
    const bool number =
        sign == std::string::npos || (part.word != kRest && parse_int(part.word.substr(sign + 1)));
    const std::string word = block ? block_word(part.word).first : part.word.substr(0, sign);
    if (!word.empty() && (known.count(word) == 0 || !number)) {
      fail_config(fmt::format("/rules/{}/to", index),
                  "only words of \"from\", such as {s}, {s+1} or {block s}", "\"" + rule.to + "\"",
                  source);
    }
  }
}

void describe(RecordVisitor& v, WeightRules& r) {
  v.text("title", r.title, "What such files are.");
  const std::vector<const char*> families = family_names();
  v.choices("families", r.families, {families.data(), families.size()},
            "Network families they can be.");
  v.text("shortcut", r.shortcut, "Shortcut of these networks. Empty: as asked.");
  v.text("join", r.join, "Join of these networks. Empty: as asked.");
  v.enumeration("layout", r.layout,
                "torch: kernels as [out, in, rows, columns]; keras: [rows, columns, in, out].");
  v.boolean("one_dimensional", r.one_dimensional,
            "Their kernels are [out, in, columns]: exported so.");
  v.list(
      "rules", r.rules.size(), [&](size_t n) { r.rules.resize(n); },
      [&](RecordVisitor& rule, size_t i) {
        rule.text("from", r.rules[i].from, "Their name; {s} is a number, {*} the rest.");
        rule.text("to", r.rules[i].to,
                  "Our name; {block s} is the network's block number s, from 0, {block s=top} the "
                  "same where its id is top. Empty: dropped.");
        rule.boolean("linear", r.rules[i].linear,
                     "Their layer is linear where ours is a convolution over its whole map: "
                     "exported as [out, in].");
      },
      "The first rule that fits a name counts.");
  v.text("data", r.data,
         "Data set whose mean and deviation these are; images of another are taken by its own. "
         "Empty: of any.");
  v.numbers("mean", r.preprocessing.mean, -1e6, 1e6, "Mean of the pixels in 0..1, by channel.");
  v.numbers("deviation", r.preprocessing.deviation, 1e-6, 1e6, "Standard deviation.");
}

WeightRules read_weight_rules(const std::string& text, const std::string& name,
                              const std::string& source) {
  WeightRules rules;
  rules.name = name;
  read_record(Json::parse(text, source), source, [&](RecordVisitor& v) { describe(v, rules); });
  if (!rules.shortcut.empty() && !find_enumerator<Shortcut>(rules.shortcut)) {
    fail_config("/shortcut", "\"projection\", \"pad\", \"pad_end\" or \"\"",
                "\"" + rules.shortcut + "\"", source);
  }
  if (!rules.join.empty() && !find_enumerator<Join>(rules.join)) {
    fail_config("/join", "\"before_activation\", \"after_activation\" or \"\"",
                "\"" + rules.join + "\"", source);
  }
  if (rules.preprocessing.mean.empty() ||
      rules.preprocessing.mean.size() != rules.preprocessing.deviation.size()) {
    fail_config("/mean", "as many numbers as in /deviation, at least one",
                std::to_string(rules.preprocessing.mean.size()), source);
  }
  for (size_t i = 0; i < rules.rules.size(); ++i) verify_rule(rules.rules[i], i, source);
  return rules;
}

}  // namespace

std::vector<std::string> weight_rule_names() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_weight_rules())
    names.push_back(without_extension(file.name, ".json"));
  return names;
}

WeightRules load_weight_rules(const std::string& name_or_file) {
  for (const EmbeddedFile& file : embedded_weight_rules()) {
    const std::string name = without_extension(file.name, ".json");
    if (name == name_or_file)
      return read_weight_rules(std::string(file.text), name, "rules " + name);
  }
  if (path_exists(name_or_file))
    return read_weight_rules(read_file(name_or_file), file_name(name_or_file), name_or_file);
  fail(ErrorKind::Usage, "--rules {}: there is no such file and no such rule set{}", name_or_file,
       offer_names(name_or_file, weight_rule_names(), "tailor config rules"));
}

WeightRules for_network(const WeightRules& rules, const Network& network) {
  WeightRules expanded = rules;
  expanded.rules.clear();
  for (const WeightRule& rule : rules.rules) {
    std::string word;
    for (const Placeholder& part : parse_pattern(rule.to))
      if (starts_with(part.word, kBlock)) word = part.word;
    if (word.empty()) {
      expanded.rules.push_back(rule);
      continue;
    }
    const auto [number, only] = block_word(word);
    for (size_t b = 0; b < network.blocks.size(); ++b) {
      const std::string& id = network.blocks[b].id;
      if (!only.empty() && only != id) continue;
      WeightRule of_block = rule;
      of_block.from = with_word(rule.from, number, std::to_string(b));
      of_block.to = with_word(rule.to, word, id);
      expanded.rules.push_back(std::move(of_block));
    }
  }
  return expanded;
}

WeightRules combined(const WeightRules& rules, const WeightRules& others) {
  TAILOR_CHECK(rules.layout == others.layout, "{} and {}", rules.name, others.name);
  WeightRules both = rules;
  both.name += "+" + others.name;
  both.rules.insert(both.rules.end(), others.rules.begin(), others.rules.end());
  return both;
}

}  // namespace tailor::net
