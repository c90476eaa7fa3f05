// Products of bfloat16 matrices in every version that this CPU has, against their definition in
// float64: rows and depths that fill a tile and that do not, added to what is there, and repeated.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "nn/vector_kernels.h"
#include "support/rooms.h"
#include "tailor/core/cpu.h"
#include "tailor/core/random.h"

namespace tailor::test {
namespace {

/// As bfloat16: the upper half of a float, which is cut off. Of 0.5 to 2, so no sum is near 0.
uint16_t draw(CounterRandom& random) {
  const float value = 0.5F + 1.5F * static_cast<float>(random.next_u32() >> 8) * 0x1p-24F;
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}
double value_of(uint16_t narrow) {
  const uint32_t bits = static_cast<uint32_t>(narrow) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// A matrix whose room is larger than it is; what lies beyond is no number.
struct Narrow {
  std::vector<uint16_t> numbers;

  Narrow(int64_t used, int64_t room, CounterRandom& random)
      : numbers(static_cast<size_t>(room), 0x7fc0) {
    for (int64_t i = 0; i < used; ++i) numbers[static_cast<size_t>(i)] = draw(random);
  }
  double at(int64_t i) const { return value_of(numbers[static_cast<size_t>(i)]); }
};

struct Product {
  int64_t m, n, k, repeats;
  bool add;
};

std::vector<Product> products() {
  std::vector<Product> all;
  for (const int64_t m : {1, 7, 16, 23, 32, 41, 64}) {
    for (const int64_t n : {16, 32, 48, 80}) {
      for (const int64_t k : {2, 16, 18, 32, 48, 64}) {
        all.push_back({m, n, k, 1 + m % 3, k % 32 == 0});
        all.push_back({m, n, k, 1, k % 32 != 0});
      }
    }
  }
  return all;
}

constexpr float kBefore = 3;
constexpr int64_t kGap = 2;  // between the rows of a matrix

/// Every number of c, and that what lies between its rows is as it was.
template <typename Wanted>
void expect_product(const Product& p, const std::vector<float>& c, Wanted wanted) {
  const int64_t ldc = p.n + kGap;
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < ldc; ++j) {
      const float got = c[static_cast<size_t>(i * ldc + j)];
      const double want = j < p.n ? wanted(i, j) + (p.add ? kBefore : 0) : kBefore;
      ASSERT_NEAR(got, want, 1e-5 * want) << fmt::format("{} x {} x {}, {} times, add {}: ({}, {})",
                                                         p.m, p.n, p.k, p.repeats, p.add, i, j);
    }
  }
}

void expect_multiplies(const MapKernels<uint16_t>& kernels, const Product& p) {
  CounterRandom random(1, RandomStream::Test, static_cast<uint64_t>(p.m * p.n), 0);
  const int64_t lda = p.k + kGap, size_a = p.m * lda, size_b = p.k * p.n, ldc = p.n + kGap;
  const Narrow a(p.repeats * size_a, p.repeats * size_a, random),
      b(p.repeats * size_b, p.repeats * size_b + 1024, random);
  std::vector<float> c(static_cast<size_t>(p.m * ldc), kBefore);
  kernels.begin_products();
  kernels.multiply(a.numbers.data(), lda, b.numbers.data(), c.data(), ldc, p.m, p.n, p.k, p.add,
                   {p.repeats, size_a, size_b});
  kernels.end_products();
  expect_product(p, c, [&](int64_t i, int64_t j) {
    // A panel is of 32 columns, or the last 16 of them; rows lie by pairs.
    const int64_t panel = j / 32 * 32, width = p.n - panel < 32 ? 16 : 32;
    double sum = 0;
    for (int64_t r = 0; r < p.repeats; ++r) {
      for (int64_t q = 0; q < p.k; ++q) {
        const int64_t in_panel = q / 2 * 2 * width + 2 * (j - panel) + q % 2;
        sum += a.at(r * size_a + i * lda + q) * b.at(r * size_b + panel * p.k + in_panel);
      }
    }
    return sum;
  });
}

void expect_multiplies_transposed(const MapKernels<uint16_t>& kernels, const Product& p) {
  CounterRandom random(2, RandomStream::Test, static_cast<uint64_t>(p.m * p.n), 0);
  const int64_t lda = p.m + kGap, ldb = p.n + kGap, size_a = p.k * lda, size_b = p.k * ldb,
                ldc = p.n + kGap;
  const Narrow a(p.repeats * size_a, p.repeats * size_a + 1024, random),
      b(p.repeats * size_b, p.repeats * size_b + 4096, random);
  std::vector<float> c(static_cast<size_t>(p.m * ldc), kBefore);
  kernels.begin_products();
  kernels.multiply_transposed(a.numbers.data(), lda, b.numbers.data(), ldb, c.data(), ldc, p.m, p.n,
                              p.k, p.add, {p.repeats, size_a, size_b});
  kernels.end_products();
  expect_product(p, c, [&](int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t r = 0; r < p.repeats; ++r) {
      for (int64_t q = 0; q < p.k; ++q) {
        sum += a.at(r * size_a + q / 2 * 2 * lda + 2 * i + q % 2) *
               b.at(r * size_b + q / 2 * 2 * ldb + 2 * j + q % 2);
      }
    }
    return sum;
  });
}

bool names_tiles(const std::string& set) { return set.find("AMX") != std::string::npos; }

/// By what ONEDNN_MAX_CPU_ISA would leave of the CPU.
class NarrowProducts : public ::testing::TestWithParam<const char*> {};

TEST_P(NarrowProducts, AreWhatTheirDefinitionSays) {
  const MapKernels<uint16_t>* kernels = find_narrow_kernels(GetParam());
  if (!kernels) GTEST_SKIP() << "this CPU has no products of bfloat16";
  if (names_tiles(GetParam()) && !has_amx_bfloat16()) GTEST_SKIP() << "this CPU has no AMX";
  for (const Product& p : products()) {
    expect_multiplies(*kernels, p);
    expect_multiplies_transposed(*kernels, p);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, NarrowProducts,
                         ::testing::Values("AVX512_CORE_BF16", "AVX512_CORE_AMX"),
                         [](const auto& version) { return std::string(version.param); });

TEST(NarrowKernels, AreThoseThatTheInstructionSetLeaves) {
  EXPECT_EQ(find_narrow_kernels("AVX512_CORE_VNNI"), nullptr);
  EXPECT_EQ(find_narrow_kernels("AVX2"), nullptr);
  if (!find_narrow_kernels("DEFAULT")) GTEST_SKIP() << "this CPU has no products of bfloat16";
  for (const char* set : {"AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512"})
    EXPECT_STREQ(find_narrow_kernels(set)->name, "AVX-512 BF16") << set;
  for (const char* set : {"DEFAULT", "ALL", "AVX512_CORE_AMX", "AVX10_1_512_AMX", "unknown"}) {
    EXPECT_STREQ(find_narrow_kernels(set)->name,
                 has_amx_bfloat16() ? "AVX-512 BF16 and AMX" : "AVX-512 BF16")
        << set;
  }
}

}  // namespace
}  // namespace tailor::test
