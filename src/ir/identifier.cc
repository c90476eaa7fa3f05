#include "tailor/ir/identifier.h"

#include <algorithm>
#include <set>

namespace tailor {
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
      "main", "std", "hls", "tailor", "assert", "errno", "stdin", "stdout", "stderr", "abort",
      "exit", "EOF", "NULL", "BUFSIZ", "INFINITY", "NAN",
      // names of the generated files themselves
      "in", "out", "loaded", "load_all_weights", "defines", "parameters", "weights", "test_bench",
      "input_t", "input_token", "output_token", "read_lines", "ap_int", "ap_uint", "ap_fixed",
      "ap_ufixed"};
  return words.count(word) != 0;
}

}  // namespace

bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text[0]) && text.find("__") == std::string_view::npos &&
         !is_reserved(text) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter(c) || is_digit(c) || c == '_';
         });
}

std::string make_identifier(std::string_view text) {
  std::string name;
  for (char c : text) {
    if (name.empty() && !is_letter(c)) name = "n";
    name += is_letter(c) || is_digit(c) ? c : '_';
  }
  if (name.empty()) name = "n";
  while (name.find("__") != std::string::npos) name.erase(name.find("__"), 1);
  if (is_reserved(name)) name += "_0";
  return name;
}

}  // namespace tailor
