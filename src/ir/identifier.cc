#include "tailor/ir/identifier.h"

#include <algorithm>
#include <set>

namespace tailor::ir {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_reserved(std::string_view word) {
  static const std::set<std::string_view> words = {
      "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break",
      "case", "catch", "char", "char16_t", "char32_t", "class", "compl", "const", "const_cast",
      "constexpr", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast",
      "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto",
      "if", "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq",
      "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register",
      "reinterpret_cast", "return", "short", "signed", "sizeof", "static", "static_assert",
      "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true", "try",
      "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
      "wchar_t", "while", "xor", "xor_eq",
      // names and macros of the headers a project includes
      "main", "std", "hls", "tailor", "tailor_native", "assert", "errno", "stdin", "stdout",
      "stderr", "abort", "exit", "half", "linux", "unix", "offsetof", "setjmp", "va_list",
      "va_start", "va_arg", "va_end", "va_copy",
      // names of the generated files themselves
      "in", "out", "loaded", "load_all_weights", "defines", "parameters", "weights", "test_bench",
      "input_token", "output_token", "read_lines"};
  return words.count(word) != 0;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Families of names that headers define without a list: macros (EOF, RAND_MAX, TAILOR_OUTPUTS),
/// types (size_t, int8_t) and the vendor's ap_….
bool is_headers(std::string_view text) {
  const bool macro = text.size() > 1 && std::none_of(text.begin(), text.end(),
                                                     [](char c) { return c >= 'a' && c <= 'z'; });
  return macro || ends_with(text, "_t") || text.substr(0, 3) == "ap_";
}

}  // namespace

bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text[0]) && text.find("__") == std::string_view::npos &&
         !is_reserved(text) && !is_headers(text) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

std::string make_identifier(std::string_view text) {
  std::string name;
  for (char c : text) {
    if (name.empty() && !is_letter(c)) name = "n";
    name += is_letter(c) || is_digit(c) ? c : '_';
  }
  if (name.empty()) name = "n";
  if (name.back() == '_') name += 'n';  // so that nothing that is appended makes a "__"
  while (name.find("__") != std::string::npos) name.erase(name.find("__"), 1);
  if (name.compare(0, 3, "ap_") == 0) name.insert(0, "n_");
  if (is_reserved(name)) return name + "_0";
  if (is_headers(name)) return name + "_net";
  return name;
}

}  // namespace tailor::ir
