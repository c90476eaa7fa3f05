// Randomness as a function of (seed, stream, index): Philox4x32-10 (Salmon et al., SC'11). Nothing
// here has a hidden state, so the number of workers, an interruption or an order of calls cannot
// change a result.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::core {

/// One block of four 32-bit words for (key, counter).
inline std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter_high, uint64_t counter_low) {
  std::array<uint32_t, 4> c = {
      static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
      static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

/// What a random number is for; part of the counter, so that two uses never share numbers.
enum class RandomStream : uint32_t {
  Weights,
  Shuffle,
  Split,
  Augment,
  Synthetic,
  Noise,
  Test,
  Witness,
  Batches,
  Solve
};

/// A short sequence of numbers for one (seed, stream, a, b), for instance (seed, Augment, epoch,
/// image).
class CounterRandom {
 public:
  CounterRandom(uint64_t seed, RandomStream stream, uint64_t a, uint64_t b = 0)
      : key_(seed), high_(static_cast<uint64_t>(stream) << 48 ^ a), low_(b << 24) {}

  uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox(key_, high_, low_++);
      used_ = 0;
    }
    return block_[used_++];
  }
  /// Uniform integer in [0, n), n > 0; the bias is below n / 2^32.
  int64_t below(int64_t n) {
    return static_cast<int64_t>(uint64_t{next_u32()} * static_cast<uint64_t>(n) >> 32);
  }
  /// Uniform in [0, 1).
  double uniform() { return next_u32() * 0x1p-32; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal (Box–Muller).
  double normal() {
    double u = (next_u32() + 0.5) * 0x1p-32, v = uniform();
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v);
  }

 private:
  uint64_t key_, high_, low_;
  std::array<uint32_t, 4> block_{};
  size_t used_ = 4;
};

/// A permutation of 0 … n-1 (Fisher–Yates).
inline std::vector<int64_t> random_permutation(int64_t n, CounterRandom random) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(random.below(i + 1))]);
  return order;
}

}  // namespace tailor::core
