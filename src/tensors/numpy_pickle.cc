#include "tailor/tensors/numpy_pickle.h"

#include <algorithm>

#include "tailor/core/files.h"
#include "tensors/elements.h"
#include "tensors/pickle.h"
#include "tensors/printable.h"

namespace tailor {
namespace {

using Kind = PickleValue::Kind;

class NumpyPickleReader {
 public:
  explicit NumpyPickleReader(std::string where) : where_(std::move(where)) {}

  TensorMap read(std::string_view bytes) const {
    const Pickle pickle(bytes, where_);
    const PickleValue& root = pickle.root();
    if (root.kind != Kind::Dict) bad("it holds a " + type_name(root) + ", expected a dict");
    TensorMap out;
    for (const auto& [key, value] : root.entries) {
      if (key->kind != Kind::String && key->kind != Kind::Bytes) continue;
      const auto& items = value->items;
      if (value->kind == Kind::Object && value->callable->kind == Kind::Global &&
          ends_with(value->callable->text, "multiarray._reconstruct")) {
        out[std::string(key->text)] = array(*value);
      } else if (value->kind == Kind::List && !items.empty() &&
                 std::all_of(items.begin(), items.end(),
                             [](const PickleValue* v) { return v->kind == Kind::Int; })) {
        std::vector<int64_t> numbers;
        for (const PickleValue* v : items) numbers.push_back(v->integer);
        out[std::string(key->text)] = Tensor::from({static_cast<int64_t>(numbers.size())}, numbers);
      }
    }
    return out;
  }

 private:
  [[noreturn]] void bad(const std::string& why) const {
    fail(ErrorKind::Data, "{}: {}; the file is damaged or no pickle of NumPy arrays", where_, why);
  }
  static bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
  }

  /// The state that ndarray.__setstate__ takes: (version, shape, dtype, Fortran order, bytes).
  Tensor array(const PickleValue& object) const {
    const PickleValue* state = object.state;
    if (state == nullptr || state->kind != Kind::Tuple || state->items.size() != 5 ||
        state->items[1]->kind != Kind::Tuple || state->items[2]->kind != Kind::Object ||
        (state->items[3]->kind != Kind::Bool && state->items[3]->kind != Kind::Int) ||
        (state->items[4]->kind != Kind::Bytes && state->items[4]->kind != Kind::String))
      bad("an array is not described as NumPy does it");
    Shape shape;
    for (const PickleValue* size : state->items[1]->items) {
      if (size->kind != Kind::Int) bad("a shape is not of whole numbers");
      shape.push_back(size->integer);
    }
    const auto [element, big_endian] = element_of(*state->items[2]);
    const std::string_view bytes = state->items[4]->text;
    const auto count = checked_element_count(shape);
    if (!count || static_cast<uint64_t>(*count) * element_size(element) != bytes.size()) {
      bad(fmt::format("an array of shape {} and {}-byte elements has {} bytes", to_string(shape),
                      element_size(element), bytes.size()));
    }
    const bool fortran_order = state->items[3]->integer != 0;
    return read_elements(
        {element, bytes, shape, dense_strides(shape, fortran_order), 0, big_endian}, where_);
  }

  /// dtype('u1', …) with the state (version, byte order, …).
  std::pair<Element, bool> element_of(const PickleValue& dtype) const {
    constexpr std::pair<std::string_view, Element> kNames[] = {
        {"f8", Element::F64}, {"f4", Element::F32}, {"f2", Element::F16}, {"i8", Element::I64},
        {"i4", Element::I32}, {"i2", Element::I16}, {"i1", Element::I8},  {"u4", Element::U32},
        {"u2", Element::U16}, {"u1", Element::U8},  {"b1", Element::Bool}};
    const PickleValue* arguments = dtype.arguments;
    const PickleValue* state = dtype.state;
    if (dtype.callable->kind != Kind::Global || dtype.callable->text != "numpy.dtype" ||
        arguments == nullptr || arguments->kind != Kind::Tuple || arguments->items.empty() ||
        arguments->items[0]->kind != Kind::String || state == nullptr ||
        state->kind != Kind::Tuple || state->items.size() < 2 ||
        state->items[1]->kind != Kind::String)
      bad("an element type is not described as NumPy does it");
    const std::string_view name = arguments->items[0]->text, order = state->items[1]->text;
    for (const auto& [known, element] : kNames) {
      if (name != known) continue;
      if (order != "<" && order != ">" && !(order == "|" && element_size(element) == 1))
        bad(fmt::format("the byte order '{}' is unknown", printable(order)));
      return {element, order == ">"};
    }
    fail(ErrorKind::Unsupported,
         "{}: it has an array of '{}', expected numbers (f8 f4 f2 i8 i4 i2 "
         "i1 u4 u2 u1 b1)",
         where_, printable(name));
  }

  std::string where_;
};

}  // namespace

TensorMap parse_numpy_pickle(std::string_view bytes, const std::string& path,
                             const std::string& what) {
  return NumpyPickleReader(what + " " + path).read(bytes);
}

TensorMap load_numpy_pickle(const std::string& path, const std::string& what) {
  return parse_numpy_pickle(read_file(path, what), path, what);
}

}  // namespace tailor
