#include "target/hls/cpp_document.h"

#include <charconv>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::target::cpp {
namespace {

constexpr size_t kColumns = 120;

/// "[12]", or "[3][4]" in rows of 4.
std::string sizes(int64_t size, int64_t row) {
  return row == 0 ? fmt::format("[{}]", size) : fmt::format("[{}][{}]", size / row, row);
}

class Printer {
 public:
  std::string text;

  void print(const Items& items) {
    for (const Item& item : items) std::visit([this](const auto& v) { emit(v); }, item.value);
  }

 private:
  void line(const std::string& s) {
    if (!s.empty()) text.append(2 * static_cast<size_t>(depth_), ' ');
    text += s;
    text += '\n';
  }
  /// HEAD( a, b, … ) TAIL, one argument a line behind the first when it gets too long.
  void wrapped(const std::string& head, const std::vector<std::string>& arguments,
               const std::string& tail) {
    std::string one = head + "(" + join(arguments, ", ") + ")" + tail;
    if (one.size() + static_cast<size_t>(2 * depth_) <= kColumns || arguments.size() < 2) {
      line(one);
      return;
    }
    std::string current = head + "(" + arguments[0];
    const std::string indent(4, ' ');
    for (size_t i = 1; i < arguments.size(); ++i) {
      current += ",";
      if (current.size() + arguments[i].size() + static_cast<size_t>(2 * depth_) + 3 > kColumns) {
        line(current);
        current = indent + arguments[i];
      } else {
        current += " " + arguments[i];
      }
    }
    line(current + ")" + tail);
  }
  void nested(const Items& items) {
    ++depth_;
    print(items);
    --depth_;
  }

  void emit(const Comment& v) {
    for (const std::string& part : split(v.text, '\n')) line(part.empty() ? "//" : "// " + part);
  }
  void emit(const Include& v) { line("#include \"" + v.path + "\""); }
  void emit(const Blank& /*v*/) { text += '\n'; }
  void emit(const Constant& v) {
    line("static const " + v.type + " " + v.name + " = " + v.value + ";");
  }
  void emit(const Alias& v) { line("typedef " + v.type + " " + v.name + ";"); }
  void emit(const Variable& v) {
    line(v.type + " " + v.name + (v.arguments.empty() ? "" : "(" + v.arguments + ")") + ";");
  }
  void emit(const Array& v) {
    line("static " + v.type + " " + v.name + sizes(v.size, v.row) + ";");
  }
  void emit(const Table& v) {
    const size_t columns = static_cast<size_t>(v.row);
    line("static const " + v.type + " " + v.name +
         sizes(static_cast<int64_t>(v.values.size()), v.row) + " = {");
    size_t start = text.size();  // of the line
    for (size_t i = 0; i < v.values.size(); ++i) {
      const bool opens = columns > 0 && i % columns == 0, comma = i + 1 < v.values.size(),
                 closes = columns > 0 && (i + 1) % columns == 0;
      char word[32];
      char* end = word;
      if (opens) *end++ = '{';
      end = std::to_chars(end, word + sizeof word - 2, v.values[i]).ptr;
      if (closes) *end++ = '}';
      if (comma) *end++ = ',';
      const size_t used = text.size() - start;
      if (used + static_cast<size_t>(end - word) + 1 > kColumns) {
        text += '\n';
        start = text.size();
      } else if (used > 0) {
        text += ' ';
      }
      text.append(word, end);
    }
    text += "};\n";
  }
  void emit(const Call& v) {
    std::string head = v.function;
    if (!v.template_arguments.empty()) head += "<" + join(v.template_arguments, ", ") + ">";
    wrapped(head, v.arguments, ";");
  }
  void emit(const Macro& v) {
    if (v.arguments.empty()) {
      line(v.name);
    } else {
      wrapped(v.name, v.arguments, "");
    }
  }
  void emit(const Define& v) { text += "#define " + v.name + " " + v.value + "\n"; }
  void emit(const Statement& v) { line(v.text); }
  void emit(const Struct& v) {
    line("struct " + v.name + " {");
    nested(v.members);
    line("};");
  }
  void emit(const Function& v) {
    std::vector<std::string> parameters;
    for (const Parameter& p : v.parameters) parameters.push_back(p.type + " " + p.name);
    wrapped((v.internal ? "static " : "") + v.result + " " + v.name, parameters,
            v.declaration_only ? ";" : " {");
    if (v.declaration_only) return;
    nested(v.body);
    line("}");
  }
  void emit(const Conditional& v) {
    text += "#if " + v.condition + "\n";
    print(v.then);
    if (!v.otherwise.empty()) {
      text += "#else\n";
      print(v.otherwise);
    }
    text += "#endif\n";
  }
  void emit(const Guard& v) {
    text += "#ifndef " + v.macro + "\n#define " + v.macro + "\n\n";
    print(v.items);
    text += "\n#endif  // " + v.macro + "\n";
  }

  int depth_ = 0;
};

}  // namespace

std::string print(const Items& items) {
  Printer printer;
  printer.print(items);
  return std::move(printer.text);
}

}  // namespace tailor::target::cpp
