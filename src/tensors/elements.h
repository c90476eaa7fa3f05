// Element types of other people's files, and the one way a view of their bytes becomes a Tensor:
// bounds are checked before a byte is read, strides and byte order are undone, and a type that
// tailor does not have becomes the smallest one that holds all its values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/tensors/tensor.h"

namespace tailor::tensors {

enum class Element { F64, F32, F16, BF16, I64, I32, I16, I8, U32, U16, U8, Bool };

const char* element_name(Element element);  // "BF16", as safetensors writes it
size_t element_size(Element element);       // bytes an element
/// What it becomes: F16 and BF16 F32, U32 I64, U16 I32, Bool U8 (0 or 1), the others themselves.
DType element_dtype(Element element);
std::optional<Element> find_element(std::string_view name);
bool is_ours(Element element);  // becomes itself

/// Counts what was converted while a file was read, and says it.
class Conversions {
 public:
  void add(Element element);
  /// "5 tensors became F32 from F16", one line a type.
  std::vector<std::string> remarks() const;

 private:
  std::map<Element, size_t> counts_;
};

struct ElementView {
  Element element = Element::F32;
  std::string_view storage;
  Shape shape;
  std::vector<int64_t> strides;  // in elements, one a dimension, not negative
  int64_t offset = 0;            // in elements
  bool big_endian = false;
};

/// Strides of a dense array: the last index runs fastest, or the first (Fortran order).
std::vector<int64_t> dense_strides(const Shape& shape, bool fortran_order = false);
constexpr size_t kMostDimensions = 64;  // NumPy's and PyTorch's own limit
/// Elements of a shape out of a file, or nothing if it has more dimensions, a size is negative or
/// the product beyond 2^48.
std::optional<int64_t> checked_element_count(const Shape& shape);
/// Throws Data beginning with `where` if the view reaches outside its storage.
Tensor read_elements(const ElementView& view, std::string_view where);

}  // namespace tailor::tensors
