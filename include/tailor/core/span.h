// A view of contiguous elements (C++17 has no std::span). It owns nothing; at() is checked.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "tailor/core/error.h"

namespace tailor::core {

template <class T>
class Span {
 public:
  Span() = default;
  Span(T* data, size_t size) : data_(data), size_(size) {}
  // Implicit on purpose: a vector is a span at every call.
  template <class U, class = std::enable_if_t<std::is_convertible_v<U (*)[], T (*)[]>>>
  Span(std::vector<U>& v) : data_(v.data()), size_(v.size()) {}  // NOLINT
  template <class U, class = std::enable_if_t<std::is_convertible_v<const U (*)[], T (*)[]>>>
  Span(const std::vector<U>& v) : data_(v.data()), size_(v.size()) {}  // NOLINT
  template <class U, class = std::enable_if_t<std::is_convertible_v<U (*)[], T (*)[]>>>
  Span(Span<U> other) : data_(other.data()), size_(other.size()) {}  // NOLINT

  T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }
  T& operator[](size_t i) const { return data_[i]; }
  Span subspan(size_t offset, size_t count) const {
    TAILOR_CHECK(offset <= size_ && count <= size_ - offset, "span of {}: {} + {}", size_, offset,
                 count);
    return Span(data_ + offset, count);
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tailor::core
