// A graph as a few lines of text, so that a test of a pass shows what goes in and what comes out:
//   input = input() 3x8x8
//   conv1 = conv2d(input) out=4 kernel=3 pads=1,1,1,1
//   add1 = add(conv1, skip "b.skip": input)
//   add1.clone = clone(add1) -> b.skip, conv2.in
// Attributes stand where they are not the usual ones, `out` where channels change.
#pragma once

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/graphs.h"
#include "support/rooms.h"
#include "tailor/core/strings.h"

namespace tailor::testing {

using AttributeTexts = std::vector<std::pair<std::string, std::string>>;

/// Attributes as KEY=VALUE, all of them.
class AttributePrinter : public AttributeVisitor {
 public:
  AttributeTexts texts;
  void field(const char* key, bool& v, const char* /*doc*/) override {
    texts.emplace_back(key, v ? "true" : "false");
  }
  void field(const char* key, int64_t& v, const char* /*doc*/) override {
    texts.emplace_back(key, std::to_string(v));
  }
  void field(const char* key, double& v, const char* /*doc*/) override {
    texts.emplace_back(key, fmt::format("{}", v));
  }
  void field(const char* key, Size2& v, const char* /*doc*/) override {
    texts.emplace_back(key, v.height == v.width ? std::to_string(v.height)
                                                : fmt::format("{}x{}", v.height, v.width));
  }
  void field(const char* key, Pads& v, const char* /*doc*/) override {
    texts.emplace_back(key, fmt::format("{},{},{},{}", v.top, v.left, v.bottom, v.right));
  }
  void field(const char* key, std::vector<std::string>& v, const char* /*doc*/) override {
    texts.emplace_back(key, join(v, ","));
  }

 protected:
  bool leaves_out(const char* /*key*/, bool /*usual*/) override { return false; }
};

/// Sets the attributes that are named; whoever reads the last one takes it out of the map.
class AttributeParser : public AttributeVisitor {
 public:
  std::map<std::string, std::string> texts;
  void field(const char* key, bool& v, const char* /*doc*/) override {
    take(key, [&](const std::string& text) { v = text == "true"; });
  }
  void field(const char* key, int64_t& v, const char* /*doc*/) override {
    take(key, [&](const std::string& text) { v = std::stoll(text); });
  }
  void field(const char* key, double& v, const char* /*doc*/) override {
    take(key, [&](const std::string& text) { v = std::stod(text); });
  }
  void field(const char* key, Size2& v, const char* /*doc*/) override {
    take(key, [&](const std::string& text) {
      const std::vector<int64_t> sides = numbers(text, 'x');
      v = {sides.front(), sides.back()};
    });
  }
  void field(const char* key, Pads& v, const char* /*doc*/) override {
    take(key, [&](const std::string& text) {
      const std::vector<int64_t> n = numbers(text, ',');
      TAILOR_CHECK(n.size() == 4, "4 pads, got {}", text);
      v = {n[0], n[1], n[2], n[3]};
    });
  }
  void field(const char* key, std::vector<std::string>& v, const char* /*doc*/) override {
    take(key, [&](const std::string& text) { v = split_at(text, ','); });
  }
  static std::vector<std::string> split_at(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
  }
  static std::vector<int64_t> numbers(const std::string& text, char separator) {
    std::vector<int64_t> list;
    for (const std::string& part : split_at(text, separator)) list.push_back(std::stoll(part));
    return list;
  }

 protected:
  bool leaves_out(const char* key, bool /*usual*/) override { return texts.count(key) == 0; }

 private:
  template <class F>
  void take(const char* key, F use) {
    const auto found = texts.find(key);
    if (found == texts.end()) return;
    use(found->second);
    texts.erase(found);
  }
};

/// One line a node; `types`: what it writes and sums in too, "16,6" of ap_fixed<16,6,…>.
inline std::string graph_text(const Graph& g, bool types = false) {
  auto type_text = [](const FixedType& t) { return fmt::format("{},{}", t.width, t.integer); };
  std::string text;
  for (const Node& node : g.nodes) {
    std::vector<std::string> operands;
    for (const Operand& operand : node.inputs) {
      const std::string& name = g.value(operand).name;
      operands.push_back(operand.skip.empty() ? name
                                              : fmt::format("skip \"{}\": {}", operand.skip, name));
    }
    text += fmt::format("{} = {}({})", node.name, to_string(node.op), join(operands, ", "));
    if (node.is<ops::Input>()) text += " " + to_string(g.input_shape());
    if (!node.inputs.empty() && !node.outputs.empty()) {
      const int64_t out = g.value(node.outputs[0]).shape.channels;
      if (out != g.value(node.inputs[0]).shape.channels) text += fmt::format(" out={}", out);
    }
    AttributePrinter printer, usual;
    Op op = node.op, plain = node.op.rules().make();
    op.rules().describe(op, printer);
    plain.rules().describe(plain, usual);
    for (size_t i = 0; i < printer.texts.size(); ++i) {
      const auto& [key, value] = printer.texts[i];
      if (value != usual.texts[i].second) text += fmt::format(" {}={}", key, value);
    }
    std::vector<std::string> outputs;
    for (ValueId id : node.outputs) outputs.push_back(g.value(id).name);
    if (!outputs.empty() && outputs != std::vector<std::string>{node.name})
      text += " -> " + join(outputs, ", ");
    if (types && !node.outputs.empty()) text += " : " + type_text(*g.value(node.outputs[0]).type);
    if (types && node.hardware.accumulator)
      text += " sums " + type_text(*node.hardware.accumulator);
    text += "\n";
  }
  return text;
}

/// The graph, with every tensor that its nodes can own; values are seeded by the tensor's name.
inline Graph parse_graph(const std::string& text, uint64_t seed = 7) {
  Graph g;
  g.name = "text";
  g.provenance = Json::object({{"untrained", "random weights"}});
  std::map<std::string, ValueId> values;
  auto trimmed = [](std::string part) {
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    return part;
  };
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = trimmed(line);
    if (line.empty()) continue;
    const size_t equals = line.find(" = "), open = line.find('('), close = line.find(')');
    TAILOR_CHECK(equals < open && open < close, "not a node: {}", line);
    const std::string name = line.substr(0, equals),
                      kind = line.substr(equals + 3, open - equals - 3);
    std::vector<std::string> outputs = {name};
    std::string rest = line.substr(close + 1);
    if (const size_t arrow = rest.find("->"); arrow != std::string::npos) {
      outputs.clear();
      for (const std::string& part : AttributeParser::split_at(rest.substr(arrow + 2), ','))
        outputs.push_back(trimmed(part));
      rest.resize(arrow);
    }
    std::vector<Operand> operands;
    for (std::string part :
         AttributeParser::split_at(line.substr(open + 1, close - open - 1), ',')) {
      part = trimmed(part);
      std::string id;
      if (part.rfind("skip \"", 0) == 0) {
        const size_t quote = part.find("\": ");
        id = part.substr(6, quote - 6);
        part = part.substr(quote + 3);
      }
      TAILOR_CHECK(values.count(part) == 1, "no value {} for: {}", part, line);
      operands.emplace_back(values.at(part), id);
    }
    const Operation* rules = find_operation(kind);
    TAILOR_CHECK(rules, "no operation {}", kind);
    AttributeParser parser;
    std::vector<int64_t> shape;
    std::istringstream words(rest);
    for (std::string word; words >> word;) {
      const size_t at = word.find('=');
      if (at == std::string::npos) {
        shape = AttributeParser::numbers(word, 'x');
      } else {
        parser.texts[word.substr(0, at)] = word.substr(at + 1);
      }
    }
    int64_t out = operands.empty() ? 0 : g.value(operands[0]).shape.channels;
    parser.field("out", out, "");
    Op op = rules->make();
    rules->describe(op, parser);
    TAILOR_CHECK(parser.texts.empty(), "{} has no attribute {}", kind, parser.texts.begin()->first);
    const ValueId first = g.add_node(op, name, operands, out);
    if (!first.valid()) continue;
    if (!shape.empty()) g.value(first).shape = {shape.at(0), shape.at(1), shape.at(2)};
    g.value(first).name = outputs[0];
    values[outputs[0]] = first;
    for (size_t i = 1; i < outputs.size(); ++i) {
      values[outputs[i]] = g.add_value(outputs[i], g.value(first).shape);
      g.nodes.back().outputs.push_back(values[outputs[i]]);
    }
    const Node& node = g.nodes.back();
    for (const OwnedTensor& owned : rules->tensors(g, node)) {
      Tensor tensor(DType::F32, owned.shape);
      const std::string tensor_name = name + "." + owned.part;
      CounterRandom random(seed, RandomStream::Test, std::hash<std::string>()(tensor_name));
      for (float& v : tensor.as<float>()) v = static_cast<float>(random.uniform(0.1, 1));
      g.tensors[tensor_name] = std::move(tensor);
    }
  }
  return g;
}

}  // namespace tailor::testing
