// A small tree of the C++ that varies from project to project. Deliberately a subset: what cannot
// be said here belongs into a library header. Printing is the only thing a tree does; names in it
// are final.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tailor::target::cpp {

struct Item;
using Items = std::vector<Item>;

struct Comment {
  std::string text;
};
struct Include {
  std::string path;
};  // #include "path"
struct Blank {};
struct Constant {
  std::string type, name, value;
};  // static const TYPE NAME = VALUE;
struct Alias {
  std::string name, type;
};  // typedef TYPE NAME;
struct Variable {
  std::string type, name, arguments;
};  // TYPE NAME(ARGUMENTS);
struct Array {
  std::string type, name;
  int64_t size = 0;
  int64_t row = 0;  // so many elements in each row; 0: there are none
};                  // static TYPE NAME[SIZE]; or static TYPE NAME[SIZE / ROW][ROW];
struct Table {
  std::string type, name;
  std::vector<int64_t> values;
  int64_t row = 0;  // as in Array
};                  // static const TYPE NAME[N] = {…};
struct Call {       // FUNCTION<TEMPLATE…>(ARGUMENTS…);
  std::string function;
  std::vector<std::string> template_arguments, arguments;
};
struct Macro {
  std::string name;
  std::vector<std::string> arguments;
};  // NAME(ARGUMENTS…), on a line of its own
struct Define {
  std::string name, value;
};  // #define NAME VALUE
struct Statement {
  std::string text;
};  // as it stands; a test lists every use
struct Struct {
  std::string name;
  Items members;
};
struct Parameter {
  std::string type, name;
};
struct Function {
  std::string result, name;
  std::vector<Parameter> parameters;
  Items body;
  bool declaration_only = false;
  bool internal = false;  // static
};
struct Conditional {
  std::string condition;
  Items then, otherwise;
};  // #if … #else … #endif
struct Guard {
  std::string macro;
  Items items;
};  // include guard

struct Item {
  std::variant<Comment, Include, Blank, Constant, Alias, Variable, Array, Table, Call, Macro,
               Define, Statement, Struct, Function, Conditional, Guard>
      value;
  template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, Item>>>
  Item(T v) : value(std::move(v)) {}  // NOLINT: items are written as {Comment{…}, Call{…}}
};

std::string print(const Items& items);

}  // namespace tailor::target::cpp
