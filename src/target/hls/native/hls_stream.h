// Part of tailor. You may use, copy and change this file without condition.
// hls::stream for a host compiler: a queue without bound, for one thread; DEPTH changes nothing.
// Reading an empty stream, which would wait for ever in hardware, ends the program.
#ifndef TAILOR_NATIVE_HLS_STREAM_H_
#define TAILOR_NATIVE_HLS_STREAM_H_

#define TAILOR_NATIVE_HLS_TYPES 1

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace hls {

template <class T, int DEPTH = 0>
class stream;

/// Every stream of T is one of these, whatever its depth, so functions take stream<T>&.
template <class T>
class stream<T, 0> {
 public:
  stream() : head_(0), size_(0) {}
  explicit stream(const char* name) : name_(name), head_(0), size_(0) {}
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  bool empty() const { return size_ == 0; }
  bool full() const { return false; }
  std::size_t size() const { return size_; }

  T read() {
    if (size_ == 0) read_while_empty();
    const T value = ring_[head_];
    head_ = (head_ + 1) & (ring_.size() - 1);
    --size_;
    return value;
  }
  void read(T& value) { value = read(); }
  bool read_nb(T& value) {
    if (size_ == 0) return false;
    value = read();
    return true;
  }
  void write(const T& value) {
    if (size_ == ring_.size()) {
      grow(value);
    } else {
      ring_[(head_ + size_) & (ring_.size() - 1)] = value;
    }
    ++size_;
  }
  bool write_nb(const T& value) {
    write(value);
    return true;
  }
  void operator>>(T& value) { value = read(); }
  void operator<<(const T& value) { write(value); }

 private:
  __attribute__((noinline, cold, noreturn)) void read_while_empty() const {
    std::fprintf(stderr, "hls::stream %s: read while empty\n",
                 name_.empty() ? "(unnamed)" : name_.c_str());
    std::abort();
  }
  /// Twice the places, the oldest token first, and `value` (perhaps one of ours) behind the newest.
  __attribute__((noinline)) void grow(const T& value) {
    std::vector<T> larger(ring_.empty() ? 16 : 2 * ring_.size());
    for (std::size_t i = 0; i < size_; ++i) larger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    larger[size_] = value;
    ring_.swap(larger);
    head_ = 0;
  }

  std::string name_;
  std::vector<T> ring_;  // its size is 0 or a power of two
  std::size_t head_, size_;
};

template <class T, int DEPTH>
class stream : public stream<T, 0> {
 public:
  stream() {}
  explicit stream(const char* name) : stream<T, 0>(name) {}
};

}  // namespace hls

#endif  // TAILOR_NATIVE_HLS_STREAM_H_
