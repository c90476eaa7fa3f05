// Room for floats that kernels work in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tailor::nn {

/// Floats that begin on a cache line, so that no vector of them lies across two. A new one holds
/// zeros.
class Floats {
 public:
  explicit Floats(int64_t n = 0) { resize(n); }
  Floats(Floats&&) = default;
  Floats& operator=(Floats&&) = default;
  /// What is in it is lost.
  void resize(int64_t n) {
    const auto size = static_cast<size_t>(n);
    if (size <= size_) return;
    storage_.assign(size + kLine, 0.0F);
    size_ = size;
    void* at = storage_.data();
    size_t space = storage_.size() * sizeof(float);
    data_ = static_cast<float*>(std::align(kLine * sizeof(float), size * sizeof(float), at, space));
  }
  float* data() { return data_; }
  const float* data() const { return data_; }

 private:
  static constexpr size_t kLine = 16;
  std::vector<float> storage_;
  size_t size_ = 0;
  float* data_ = nullptr;
};

}  // namespace tailor::nn
