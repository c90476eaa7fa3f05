#include "tailor/tensors/numpy_pickle.h"

#include <algorithm>
#include <optional>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tensors/elements.h"
#include "tensors/pickle.h"

namespace tailor::tensors {
namespace {

using Kind = PickleValue::Kind;

class NumpyPickleReader {
 public:
  NumpyPickleReader(std::string where, const std::vector<std::string>& keys)
      : where_(std::move(where)), keys_(keys) {}

  TensorMap read(std::string_view bytes) {
    left_ = kMostMade * bytes.size();
    const Pickle pickle(bytes, where_);
    const PickleValue& root = pickle.root();
    if (root.kind != Kind::Dict) bad("it holds a " + type_name(root) + ", expected a dict");
    TensorMap out;
    for (const auto& [key, value] : root.entries) {
      const auto name = text_of(*key);
      if (!name || std::find(keys_.begin(), keys_.end(), *name) == keys_.end()) continue;
      const auto& items = value->items;
      if (is_call(*value, "multiarray._reconstruct")) {
        if (!is_tuple(value->state, 5)) bad("an array is not described as NumPy does it");
        const auto& state = value->state->items;  // (version, shape, dtype, Fortran order, bytes)
        if (state[3]->kind != Kind::Bool && state[3]->kind != Kind::Int)
          bad("an array's order is not described as NumPy does it");
        out[*name] = array(*state[1], *state[2], *state[4], state[3]->integer != 0);
      } else if (is_call(*value, "numeric._frombuffer")) {
        if (!is_tuple(value->arguments, 4)) bad("an array is not described as NumPy does it");
        const auto& given = value->arguments->items;  // (bytes, dtype, shape, order)
        out[*name] = array(*given[2], *given[1], *given[0], text_of(*given[3]) == "F");
      } else if (value->kind == Kind::List && !items.empty()) {
        spend(items.size() * sizeof(int64_t));
        if (!std::all_of(items.begin(), items.end(),
                         [](const PickleValue* v) { return v->kind == Kind::Int; }))
          continue;
        std::vector<int64_t> numbers;
        numbers.reserve(items.size());
        for (const PickleValue* v : items) numbers.push_back(v->integer);
        out[*name] = Tensor::from({static_cast<int64_t>(numbers.size())}, numbers);
      }
    }
    return out;
  }

 private:
  [[noreturn]] void bad(const std::string& why) const {
    fail(ErrorKind::Data, "{}: {}; the file is damaged or no pickle of NumPy arrays", where_, why);
  }
  /// Values may be recalled any number of times, so that a small file may ask for any amount.
  void spend(size_t bytes) {
    if (bytes > left_)
      bad(fmt::format("its arrays are more than {} times as large as it is", kMostMade));
    left_ -= bytes;
  }
  static bool is_call(const PickleValue& value, std::string_view end) {
    if (value.kind != Kind::Object || value.callable->kind != Kind::Global) return false;
    const std::string_view name = value.callable->text;
    return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
  }
  static bool is_tuple(const PickleValue* value, size_t size) {
    return value != nullptr && value->kind == Kind::Tuple && value->items.size() == size;
  }
  /// Bytes or a string; Python 3 writes bytes in protocol 2 as encode(text, 'latin1'), UTF-8 that
  /// stands for one byte a letter.
  std::optional<std::string> text_of(const PickleValue& value) {
    if (value.kind == Kind::Bytes || value.kind == Kind::String) {
      spend(value.text.size());
      return std::string(value.text);
    }
    if (!is_call(value, "_codecs.encode") || !is_tuple(value.arguments, 2)) return std::nullopt;
    const PickleValue& text = *value.arguments->items[0];
    if (text.kind != Kind::String) return std::nullopt;
    spend(text.text.size());
    std::string out;
    for (size_t i = 0; i < text.text.size(); ++i) {
      const auto first = static_cast<uint8_t>(text.text[i]);
      if (first < 0x80) {
        out += text.text[i];
      } else if ((first == 0xC2 || first == 0xC3) && i + 1 < text.text.size()) {
        out += static_cast<char>((first & 3) << 6 | (text.text[++i] & 0x3F));
      } else {
        return std::nullopt;
      }
    }
    return out;
  }

  Tensor array(const PickleValue& sizes, const PickleValue& dtype, const PickleValue& content,
               bool fortran_order) {
    const auto bytes = text_of(content);
    if (sizes.kind != Kind::Tuple || dtype.kind != Kind::Object || !bytes)
      bad("an array is not described as NumPy does it");
    Shape shape;
    for (const PickleValue* size : sizes.items) {
      if (size->kind != Kind::Int) bad("a shape is not of whole numbers");
      shape.push_back(size->integer);
    }
    const auto [element, big_endian] = element_of(dtype);
    const auto count = checked_element_count(shape);
    if (!count || static_cast<uint64_t>(*count) * element_size(element) != bytes->size()) {
      bad(fmt::format("an array of shape {} and {}-byte elements has {} bytes", to_string(shape),
                      element_size(element), bytes->size()));
    }
    spend(2 * bytes->size());
    return read_elements(
        {element, *bytes, shape, dense_strides(shape, fortran_order), 0, big_endian}, where_);
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
  const std::vector<std::string>& keys_;
  size_t left_ = 0;  // bytes that may yet be made
};

}  // namespace

TensorMap parse_numpy_pickle(std::string_view bytes, const std::string& path,
                             const std::vector<std::string>& keys, const std::string& what) {
  return NumpyPickleReader(what + " " + path, keys).read(bytes);
}

TensorMap load_numpy_pickle(const std::string& path, const std::vector<std::string>& keys,
                            const std::string& what) {
  return parse_numpy_pickle(read_file(path, what), path, keys, what);
}

}  // namespace tailor::tensors
