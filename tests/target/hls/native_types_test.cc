// The native ap_fixed is the emulator's arithmetic at compile time: the casts of cast_raw() and
// quantise() in every mode, and exact results at the documented widths. Easy to get wrong: sums of
// a wrapping type are cut to W bits only when they are read.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/rooms.h"
#include "tailor/fixed/fixed_type.h"
#include "target/hls/native/ap_fixed.h"
#include "target/hls/native/ap_int.h"

#ifndef TAILOR_NATIVE_HLS_TYPES
#error "a generated project tells native from vendor types by this macro"
#endif

namespace tailor::test {
namespace {

constexpr ap_q_mode kApRoundings[] = {
    AP_TRN,     AP_TRN_ZERO,    AP_RND,     AP_RND_ZERO,
    AP_RND_INF, AP_RND_MIN_INF, AP_RND_CONV};  // in the order of Rounding
constexpr ap_o_mode kApOverflows[] = {AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP,
                                      AP_WRAP_SM};  // of Overflow

template <int W, int I, bool S, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP>
using Ap = std::conditional_t<S, ap_fixed<W, I, Q, O>, ap_ufixed<W, I, Q, O>>;

/// The raw integer, read through the bits; up to 128 of them.
template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
Int128 raw_of(const tailor_native::Fixed<W, I, S, Q, O, N>& x) {
  unsigned __int128 bits = static_cast<uint64_t>(x.range(W < 64 ? W - 1 : 63, 0));
  if constexpr (W > 64)
    bits |= static_cast<unsigned __int128>(static_cast<uint64_t>(x.range(W - 1, 64))) << 64;
  return S ? static_cast<Int128>(bits << (128 - W)) >> (128 - W) : static_cast<Int128>(bits);
}

template <class T>
T from_raw(Int128 raw) {
  T x;
  x.range(T::width < 64 ? T::width - 1 : 63, 0) = static_cast<uint64_t>(raw);
  if constexpr (T::width > 64) x.range(T::width - 1, 64) = static_cast<uint64_t>(raw >> 64);
  return x;
}

Int128 random_raw(std::mt19937_64& random, int bits, bool is_signed) {
  auto word = static_cast<unsigned __int128>(random()) << 64 | random();
  int shift =
      128 - bits + static_cast<int>(random() % static_cast<uint64_t>(bits));  // all magnitudes
  return is_signed ? static_cast<Int128>(word) >> shift : static_cast<Int128>(word >> shift);
}

// Casts against the emulator's.

struct CastCase {
  FixedType to;
  int64_t (*from_signed)(int64_t);    // ap_fixed<10,6>
  int64_t (*from_unsigned)(int64_t);  // ap_ufixed<9,3>
  int64_t (*from_double)(double);
};

template <class To, class From>
int64_t cast_ap(int64_t raw) {
  return static_cast<int64_t>(raw_of(To(from_raw<From>(raw))));
}

template <class To>
int64_t quantise_ap(double value) {
  return static_cast<int64_t>(raw_of(To(value)));
}

template <int W, int I, bool S, int... MODES>
void add_cases(std::vector<CastCase>& cases, std::integer_sequence<int, MODES...>) {
  (cases.push_back(
       {FixedType{W, I, S, Rounding{MODES / 5}, Overflow{MODES % 5}},
        cast_ap<Ap<W, I, S, kApRoundings[MODES / 5], kApOverflows[MODES % 5]>, ap_fixed<10, 6>>,
        cast_ap<Ap<W, I, S, kApRoundings[MODES / 5], kApOverflows[MODES % 5]>, ap_ufixed<9, 3>>,
        quantise_ap<Ap<W, I, S, kApRoundings[MODES / 5], kApOverflows[MODES % 5]>>}),
   ...);
}

const std::vector<CastCase>& cast_cases() {
  static const std::vector<CastCase> cases = [] {
    std::vector<CastCase> all;
    auto modes = std::make_integer_sequence<int, 35>();
    add_cases<4, 2, true>(all, modes);
    add_cases<5, 7, true>(all, modes);  // steps of 4
    add_cases<8, 6, true>(all, modes);  // holds one of the sources but for its fraction
    add_cases<4, 3, false>(all, modes);
    return all;
  }();
  return cases;
}

TEST(NativeFixed, CastsAsTheEmulatorInEveryMode) {
  for (const CastCase& c : cast_cases()) {
    for (int64_t raw = -512; raw < 512; ++raw)
      EXPECT_EQ(c.from_signed(raw), cast_raw(raw, 4, c.to))
          << raw << " / 2^4 to " << to_string(c.to);
    for (int64_t raw = 0; raw < 512; ++raw)
      EXPECT_EQ(c.from_unsigned(raw), cast_raw(raw, 6, c.to))
          << raw << " / 2^6 to " << to_string(c.to);
  }
}

template <ap_q_mode Q>
void expect_wrap_sm_as_the_emulator(Rounding rounding) {
  const FixedType to{6, 2, true, rounding, Overflow::WrapSm};
  for (int64_t raw = -(1 << 13); raw < 1 << 13; ++raw) {
    const int64_t want = cast_raw(raw, 8, to);
    ASSERT_EQ((cast_ap<ap_fixed<6, 2, Q, AP_WRAP_SM>, ap_fixed<14, 6>>(raw)), want) << raw;
    ASSERT_EQ((quantise_ap<ap_fixed<6, 2, Q, AP_WRAP_SM>>(static_cast<double>(raw) / 256)), want)
        << raw;
  }
}

TEST(NativeFixed, SignMagnitudeWrapReadsTheDeletedBitBeforeRounding) {
  EXPECT_EQ((cast_ap<ap_fixed<6, 2, AP_RND, AP_WRAP_SM>, ap_fixed<14, 6>>(-3080)), 0);
  EXPECT_EQ((cast_ap<ap_fixed<6, 2, AP_RND, AP_WRAP_SM>, ap_fixed<14, 6>>(1016)), 0);
  expect_wrap_sm_as_the_emulator<AP_TRN>(Rounding::Trn);
  expect_wrap_sm_as_the_emulator<AP_TRN_ZERO>(Rounding::TrnZero);
  expect_wrap_sm_as_the_emulator<AP_RND>(Rounding::Rnd);
  expect_wrap_sm_as_the_emulator<AP_RND_ZERO>(Rounding::RndZero);
  expect_wrap_sm_as_the_emulator<AP_RND_INF>(Rounding::RndInf);
  expect_wrap_sm_as_the_emulator<AP_RND_MIN_INF>(Rounding::RndMinInf);
  expect_wrap_sm_as_the_emulator<AP_RND_CONV>(Rounding::RndConv);
}

TEST(NativeFixed, QuantisesAsTheEmulatorInEveryMode) {
  std::vector<double> values = {1e-300,
                                -1e-300,
                                5e-324,
                                1e18,
                                -1e18,
                                1e40,
                                -1e40,
                                1e300,
                                -1e300,
                                0x1.fffffffffffffp3,
                                -0x1.0000000000001p-1};
  for (int i = -600; i <= 600; ++i) values.push_back(i / 16.0);
  for (const CastCase& c : cast_cases()) {
    for (double value : values)
      EXPECT_EQ(c.from_double(value), quantise(value, c.to)) << value << " to " << to_string(c.to);
  }
}

TEST(NativeFixed, HasNoLowestValueInASymmetricRangeOfOneBit) {
  typedef ap_fixed<1, 7, AP_TRN, AP_SAT_SYM>
      T;  // steps of 64: the floor of a small negative number is out of range
  EXPECT_EQ(raw_of(T(ap_fixed<10, 6>(-1))), 0);
  EXPECT_EQ(raw_of(T(-1.0)), 0);
  EXPECT_EQ(cast_raw(-16, 4, FixedType{1, 7, true, Rounding::Trn, Overflow::SatSym}), 0);
}

TEST(NativeFixed, TakesWhatIsNoNumber) {
  typedef ap_fixed<16, 6, AP_RND, AP_SAT> T;
  EXPECT_EQ(raw_of(T(INFINITY)), 32767);
  EXPECT_EQ(raw_of(T(-INFINITY)), -32768);
  EXPECT_EQ(raw_of(T(NAN)), 0);
  EXPECT_EQ(raw_of(T(-0.0)), 0);
}

template <class To>
void expect_casts_from_wide(Rounding rounding, Overflow overflow) {
  std::mt19937_64 random(7);
  FixedType to{To::width, To::iwidth, true, rounding, overflow};
  for (int n = 0; n < 2000; ++n) {
    Int128 raw = random_raw(random, 100, true);
    ap_fixed<100, 40> x = from_raw<ap_fixed<100, 40>>(raw);
    EXPECT_EQ(static_cast<int64_t>(raw_of(To(x))), cast_raw(raw, 60, to))
        << n << " to " << to_string(to);
  }
}

TEST(NativeFixed, CastsWideToNarrowAsTheEmulator) {
  expect_casts_from_wide<ap_fixed<16, 6, AP_RND, AP_SAT>>(Rounding::Rnd, Overflow::Sat);
  expect_casts_from_wide<ap_fixed<63, 20, AP_RND_CONV, AP_SAT_SYM>>(Rounding::RndConv,
                                                                    Overflow::SatSym);
  expect_casts_from_wide<ap_fixed<40, -3, AP_TRN_ZERO, AP_WRAP_SM>>(Rounding::TrnZero,
                                                                    Overflow::WrapSm);
  expect_casts_from_wide<ap_fixed<9, 50, AP_RND_INF, AP_SAT_ZERO>>(Rounding::RndInf,
                                                                   Overflow::SatZero);
  expect_casts_from_wide<ap_fixed<33, 33>>(Rounding::Trn, Overflow::Wrap);
}

TEST(NativeFixed, CastsBetweenWideTypes) {
  std::mt19937_64 random(11);
  typedef ap_fixed<100, 40> Source;  // 60 bits of fraction
  for (int n = 0; n < 2000; ++n) {
    const Int128 raw = random_raw(random, 100, true);
    const Source x = from_raw<Source>(raw);
    ASSERT_EQ(raw_of(x), raw);
    const Int128 one = 1, half_up = (raw + (one << 19)) >> 20;  // to 40 bits of fraction
    const Int128 top = (one << 69) - 1, clamped = std::min(top, std::max(-top - 1, half_up));
    EXPECT_EQ(raw_of(ap_fixed<70, 30, AP_RND, AP_SAT>(x)), clamped);
    EXPECT_EQ(raw_of(ap_fixed<80, 40, AP_RND, AP_SAT>(x)),
              half_up == one << 79 ? half_up - 1 : half_up);
    EXPECT_EQ(raw_of(ap_fixed<80, 20>(x)),
              static_cast<Int128>(static_cast<unsigned __int128>(raw) << 48) >> 48);
    EXPECT_EQ(raw_of(ap_fixed<128, 50>(x)), raw * (one << 18));
    EXPECT_EQ(Source(ap_fixed<128, 50>(x)), x);
    EXPECT_EQ(raw_of(ap_ufixed<100, 40, AP_TRN, AP_SAT>(x)), std::max<Int128>(raw, 0));
    EXPECT_EQ(x.to_double(), std::ldexp(static_cast<double>(raw), -60));
  }
  // Shifted out of 128 bits, a number is out of range all the same.
  const ap_fixed<100, 100> big = from_raw<ap_fixed<100, 100>>(-3);
  EXPECT_EQ(raw_of(ap_fixed<128, 2, AP_TRN, AP_SAT>(big)), static_cast<Int128>(1) << 127);
  EXPECT_EQ(raw_of(ap_fixed<128, 2, AP_TRN, AP_SAT>(-big)), ~(static_cast<Int128>(1) << 127));
  EXPECT_EQ(raw_of(ap_fixed<20, -200, AP_TRN, AP_SAT>(big)), -(1 << 19));
  EXPECT_EQ(raw_of(ap_fixed<20, -200>(big)), 0);
  EXPECT_EQ(raw_of(ap_fixed<20, -200, AP_TRN, AP_WRAP_SM>(big)), 0);
  EXPECT_EQ(raw_of(ap_fixed<20, 300>(big)), -1);
  EXPECT_EQ(raw_of(ap_fixed<20, 300, AP_RND>(big)), 0);
  ap_ufixed<128, 128> all_ones;
  all_ones.range() = ap_int<128>(-1);
  EXPECT_EQ((raw_of(ap_ufixed<64, 128, AP_RND, AP_SAT>(all_ones))),
            static_cast<Int128>(~uint64_t{0}));
  EXPECT_EQ((raw_of(ap_fixed<128, 128, AP_RND, AP_SAT>(all_ones))),
            ~(static_cast<Int128>(1) << 127));
  EXPECT_EQ((raw_of(ap_ufixed<128, 129, AP_RND>(all_ones))), static_cast<Int128>(1) << 127);
  EXPECT_TRUE(all_ones > big && big < all_ones && all_ones != big && all_ones > 1e38);
}

TEST(NativeFixed, TakesIntegersOfEveryKind) {
  typedef ap_fixed<12, 8, AP_RND, AP_SAT> T;
  EXPECT_EQ(raw_of(T(-5)), -80);
  EXPECT_EQ(raw_of(T(true)), 16);
  EXPECT_EQ(raw_of(T(static_cast<signed char>(-128))), -2048);
  EXPECT_EQ(raw_of(T(200u)), 2047);
  EXPECT_EQ(raw_of(T(~0ull)), 2047);
  EXPECT_EQ(raw_of(T(INT64_MIN)), -2048);
  EXPECT_EQ(raw_of(T(2.5f)), 40);
  EXPECT_EQ(raw_of(T(ap_int<5>(-7))), -112);
  EXPECT_EQ(raw_of(T(ap_uint<64>(~0ull))), 2047);
  EXPECT_EQ(raw_of(ap_fixed<128, 120>(ap_int<100>(-9))), -9 * 256);
  T x = 3;
  x = -1.25;
  EXPECT_EQ(raw_of(x), -20);
  x = ap_fixed<30, 20>(1000);
  EXPECT_EQ(raw_of(x), 2047);
}

TEST(NativeFixed, GoesBackToBuiltInNumbersTowardsZero) {
  typedef ap_fixed<10, 6> T;
  for (int raw = -512; raw < 512; ++raw) {
    const T x = from_raw<T>(raw);
    EXPECT_EQ(x.to_double(), raw / 16.0);
    EXPECT_EQ(x.to_float(), static_cast<float>(raw) / 16.0f);
    EXPECT_EQ(x.to_int(), raw / 16);
    EXPECT_EQ(static_cast<int>(x), raw / 16);
    EXPECT_EQ(static_cast<signed char>(x), raw / 16);
    EXPECT_EQ(static_cast<double>(x), raw / 16.0);
    EXPECT_EQ(static_cast<bool>(x), raw != 0);
    EXPECT_EQ((ap_fixed<20, 24>(x).to_int64()),
              raw / 16 - (raw % 16 < 0 ? 1 : 0) - ((raw / 16 - (raw % 16 < 0 ? 1 : 0)) & 15));
  }
  EXPECT_EQ((ap_fixed<100, 60>(-3.75).to_int64()), -3);
  EXPECT_EQ((ap_ufixed<64, 64>(~0ull).to_uint64()), ~uint64_t{0});
  EXPECT_EQ((ap_fixed<40, 40>(0x123456789).to_int()), 0x23456789);
}

// Arithmetic.

template <class A, class B>
void expect_exact_arithmetic() {
  constexpr bool a_signed = std::is_same_v<A, ap_fixed<A::width, A::iwidth>>;
  constexpr bool b_signed = std::is_same_v<B, ap_fixed<B::width, B::iwidth>>;
  for (int i = 0; i < 1 << A::width; ++i) {
    for (int j = 0; j < 1 << B::width; ++j) {
      const A a = from_raw<A>(i);
      const B b = from_raw<B>(j);
      const double x = std::ldexp(a_signed && i >> (A::width - 1) ? i - (1 << A::width) : i,
                                  A::iwidth - A::width);
      const double y = std::ldexp(b_signed && j >> (B::width - 1) ? j - (1 << B::width) : j,
                                  B::iwidth - B::width);
      ASSERT_EQ(a.to_double(), x);
      ASSERT_EQ(b.to_double(), y);
      const bool exact = (a + b).to_double() == x + y && (a - b).to_double() == x - y &&
                         (a * b).to_double() == x * y && (-a).to_double() == -x;
      const bool ordered = (a == b) == (x == y) && (a != b) == (x != y) && (a < b) == (x < y) &&
                           (a <= b) == (x <= y) && (a > b) == (x > y) && (a >= b) == (x >= y);
      ASSERT_TRUE(exact && ordered)
          << x << " and " << y << ": sum " << (a + b).to_double() << ", difference "
          << (a - b).to_double() << ", product " << (a * b).to_double() << ", a < b " << (a < b);
    }
  }
}

TEST(NativeFixed, AddsSubtractsMultipliesAndComparesExactly) {
  expect_exact_arithmetic<ap_fixed<6, 2>, ap_fixed<5, 4>>();
  expect_exact_arithmetic<ap_fixed<6, 2>, ap_ufixed<5, 5>>();
  expect_exact_arithmetic<ap_ufixed<5, -1>, ap_fixed<4, 6>>();
  expect_exact_arithmetic<ap_ufixed<4, 2>, ap_ufixed<5, 2>>();
  expect_exact_arithmetic<ap_fixed<1, 1>, ap_ufixed<1, 1>>();
}

TEST(NativeFixed, ResultsHaveTheDocumentedTypes) {
  typedef ap_fixed<16, 6, AP_RND, AP_SAT> A;
  typedef ap_ufixed<12, 7> U;
  A a = 1.5;
  U u = 2.25;
  EXPECT_TRUE((std::is_same_v<decltype(a * a), ap_fixed<32, 12>>));
  EXPECT_TRUE((std::is_same_v<decltype(a * u), ap_fixed<28, 13>>));
  EXPECT_TRUE((std::is_same_v<decltype(u * u), ap_ufixed<24, 14>>));
  EXPECT_TRUE((std::is_same_v<decltype(a + a), ap_fixed<17, 7>>));
  EXPECT_TRUE((std::is_same_v<decltype(a + u), ap_fixed<19, 9>>));
  EXPECT_TRUE((std::is_same_v<decltype(u + a), ap_fixed<19, 9>>));
  EXPECT_TRUE((std::is_same_v<decltype(u + u), ap_ufixed<13, 8>>));
  EXPECT_TRUE((std::is_same_v<decltype(u - u), ap_fixed<13, 8>>));
  EXPECT_TRUE((std::is_same_v<decltype(-u), ap_fixed<13, 8>>));
  EXPECT_TRUE((std::is_same_v<decltype(a + 1), ap_fixed<43, 33>>));
  EXPECT_TRUE((std::is_same_v<decltype(ap_uint<3>(1) * a), ap_fixed<19, 9>>));
  EXPECT_EQ(A::width, 16);
  EXPECT_EQ(std::max(A::iwidth, 3), 6);
  EXPECT_EQ((2 - a).to_double(), 0.5);
  EXPECT_EQ((ap_int<4>(-3) + u).to_double(), -0.75);
  EXPECT_TRUE(a == 1.5 && 2.25f == u && a < 2 && 1 < a && a != 1u && u > ap_uint<2>(2) &&
              ap_int<9>(-1) <= a && a >= -0.5 && !(u < 0));
  EXPECT_TRUE(std::is_trivially_copyable_v<A>);
  EXPECT_EQ(sizeof(A), 2u);
}

TEST(NativeFixed, MultipliesAndAddsWideNumbers) {
  std::mt19937_64 random(13);
  typedef ap_fixed<60, 20> A;
  typedef ap_ufixed<64, 30> B;
  typedef ap_fixed<100, 50> C;
  EXPECT_TRUE((std::is_same_v<decltype(A() * B()), ap_fixed<124, 50>>));
  EXPECT_TRUE((std::is_same_v<decltype(C() + B()), ap_fixed<101, 51>>));
  for (int n = 0; n < 2000; ++n) {
    const Int128 a = random_raw(random, 60, true), b = random_raw(random, 64, false),
                 c = random_raw(random, 100, true);
    const A x = from_raw<A>(a);
    const B y = from_raw<B>(b);
    const C z = from_raw<C>(c);
    ASSERT_EQ(raw_of(x * y), a * b);
    ASSERT_EQ(raw_of(z + y), c + (b << 16));
    ASSERT_EQ(raw_of(y - z), (b << 16) - c);
    ASSERT_EQ(raw_of(z - x), c - a * 1024);
    ASSERT_EQ(raw_of(-z), -c);
    ASSERT_EQ(z < x, c < a * 1024);
    ASSERT_EQ(x < z, a * 1024 < c);
    ASSERT_TRUE((z == ap_fixed<128, 60>(z)));
  }
}

/// += -= *= are the operator and then the cast; sums of a wrapping type take the short way.
template <class Acc, class B>
void expect_compound_assignments() {
  std::mt19937_64 random(17);
  Acc sum = 0, difference = 0, product = 1;
  for (int n = 0; n < 3000; ++n) {
    const B b = from_raw<B>(static_cast<Int128>(random()));
    const Acc expected_sum = sum + b, expected_difference = difference - b,
              expected_product = product * b;
    sum += b;
    difference -= b;
    product *= b;
    ASSERT_TRUE(raw_of(sum) == raw_of(expected_sum) &&
                raw_of(difference) == raw_of(expected_difference) &&
                raw_of(product) == raw_of(expected_product))
        << n;
    // Every reader sees W bits, whatever the sum has left above them.
    const Acc clean = from_raw<Acc>(raw_of(sum));
    const double value = std::ldexp(static_cast<double>(raw_of(sum)), Acc::iwidth - Acc::width);
    ASSERT_TRUE(sum == clean && !(sum < clean) && sum.to_double() == value &&
                sum.to_int() == static_cast<int>(value) &&
                raw_of(sum * sum) == raw_of(sum) * raw_of(sum) &&
                raw_of(ap_fixed<60, 40, AP_RND, AP_SAT>(sum)) ==
                    raw_of(ap_fixed<60, 40, AP_RND, AP_SAT>(clean)))
        << n;
    if (n % 7 == 0) sum[0] = !sum[0];
    if (n % 5 == 0) product = n % 10 == 0 ? 1 : -1;
  }
}

TEST(NativeFixed, AssignsSumsAndProducts) {
  expect_compound_assignments<ap_fixed<13, 6>, ap_fixed<9, 6>>();
  expect_compound_assignments<ap_fixed<13, 6>, ap_fixed<15, 6>>();  // rounds: takes the long way
  expect_compound_assignments<ap_ufixed<5, 3>, ap_fixed<6, 5>>();
  expect_compound_assignments<ap_fixed<41, 21>, ap_fixed<32, 12>>();
  expect_compound_assignments<ap_fixed<41, 21, AP_RND, AP_SAT>, ap_fixed<46, 24>>();
  expect_compound_assignments<ap_fixed<9, 4, AP_TRN, AP_WRAP_SM>, ap_ufixed<7, 4>>();
  ap_fixed<10, 5> x = 3;
  x += 2;
  x *= ap_int<3>(-2);
  x -= 0.5 < 1 ? 1 : 0;
  EXPECT_EQ(x.to_double(), -11.0);
}

TEST(NativeFixed, ConvolvesAsIntegersDo) {
  std::mt19937_64 random(19);
  ap_fixed<41, 21> acc = -1.75;
  int64_t sum = -1835008;
  for (int n = 0; n < 576; ++n) {
    ap_fixed<16, 6, AP_RND, AP_SAT> w, x;
    const auto a = static_cast<int16_t>(random()), b = static_cast<int16_t>(random());
    w.range(15, 0) = ap_uint<16>(a);
    x.range(15, 0) = ap_uint<16>(b);
    acc += w * x;
    sum += int64_t{a} * b;
  }
  EXPECT_EQ(raw_of(acc), sum);
  EXPECT_EQ(raw_of(ap_fixed<16, 10, AP_RND, AP_SAT>(acc)), cast_raw(sum, 20, FixedType{16, 10}));
}

// Packing.

template <class Token, class A, class B, class C>
void expect_packing_round_trip() {
  std::mt19937_64 random(23);
  Token token = 0;
  std::vector<bool> bits(Token::width, false);
  constexpr int kGroup = A::width + B::width + C::width;
  constexpr int kGroups = Token::width / kGroup;
  for (int pass = 0; pass < 3; ++pass) {
    std::vector<Int128> raws;
    for (int g = 0; g < kGroups; ++g) {
      auto put = [&](auto value, int lo) {
        constexpr int kWidth = decltype(value)::width;
        Int128 raw = static_cast<Int128>(static_cast<unsigned __int128>(random()) << 64 | random());
        value = from_raw<decltype(value)>(raw);
        raws.push_back(raw_of(value));
        token.range(lo + kWidth - 1, lo) = value.range(kWidth - 1, 0);
        for (int i = 0; i < kWidth; ++i) bits[static_cast<size_t>(lo + i)] = (raw >> i & 1) != 0;
      };
      put(A(), g * kGroup);
      put(B(), g * kGroup + A::width);
      put(C(), g * kGroup + A::width + B::width);
    }
    for (int i = 0; i < Token::width; ++i)
      ASSERT_EQ(static_cast<const Token&>(token)[i],
                static_cast<bool>(bits[static_cast<size_t>(i)]))
          << i;
    const Token copy = token;
    size_t next = 0;
    for (int g = 0; g < kGroups; ++g) {
      auto get = [&](auto value, int lo) {
        constexpr int kWidth = decltype(value)::width;
        value.range(kWidth - 1, 0) = copy.range(lo + kWidth - 1, lo);
        bool same = raw_of(value) == raws[next];
        if constexpr (kWidth <= 64) {
          const ap_int<kWidth> integer = copy.range(lo + kWidth - 1, lo);
          const unsigned long long word = copy(lo + kWidth - 1, lo);
          same = same && integer.range() == word &&
                 word << (64 - kWidth) == static_cast<uint64_t>(raws[next]) << (64 - kWidth);
        }
        ASSERT_TRUE(same) << "value " << next;
        ++next;
      };
      get(A(), g * kGroup);
      get(B(), g * kGroup + A::width);
      get(C(), g * kGroup + A::width + B::width);
    }
  }
}

TEST(NativeInteger, PacksChannelsAcrossWords) {
  expect_packing_round_trip<ap_uint<256>, ap_fixed<16, 6, AP_RND, AP_SAT>, ap_fixed<7, 3>,
                            ap_ufixed<13, 5>>();
  expect_packing_round_trip<ap_uint<1536>, ap_fixed<41, 21>, ap_ufixed<64, 10>,
                            ap_fixed<23, 9, AP_RND, AP_SAT>>();
  expect_packing_round_trip<ap_int<1000>, ap_fixed<128, 50>, ap_fixed<12, 1>, ap_ufixed<65, 4>>();
  expect_packing_round_trip<ap_uint<61>, ap_fixed<10, 5>, ap_fixed<12, 1>, ap_ufixed<9, 4>>();
}

TEST(NativeInteger, CopiesLongRanges) {
  std::mt19937_64 random(29);
  ap_uint<520> small = 0;
  for (int i = 0; i < 520; ++i) small[i] = random() & 1;
  ap_uint<32768> token = ~0ull;
  token.range(20000 + 519, 20000) = small;
  EXPECT_EQ(ap_uint<520>(token.range(20519, 20000)), small);
  EXPECT_FALSE(token[19999] || token[20520]);
  EXPECT_TRUE(token[63] && !token[64]);
  token.range(20519 + 37, 20000 + 37) = token.range(20519, 20000);  // overlaps itself
  EXPECT_EQ(ap_uint<520>(token.range(20519 + 37, 20000 + 37)), small);
  token.range(32767, 100) = -1;
  EXPECT_TRUE(token[32767] && token[100] && !token[99]);
  ap_uint<72> short_word = token.range(71, 0), shorter = ap_uint<72>(~0ull);
  EXPECT_EQ(short_word, shorter);
  EXPECT_NE(short_word, token);
  ap_uint<600> longer = small;
  EXPECT_EQ(longer, small);
  EXPECT_EQ(ap_uint<100>(ap_int<70>(-1)).to_int64(), -1);
  EXPECT_NE(ap_uint<100>(ap_int<70>(-1)), ap_int<70>(-1));
  EXPECT_EQ(ap_int<100>(ap_int<70>(-1)), ap_int<70>(-1));
  EXPECT_EQ(ap_int<100>(-1), -1);
  EXPECT_NE(ap_uint<64>(~0ull), -1);
  ap_int<100> wide = 0;
  wide.range(99, 64) = -1;
  wide.range(63, 0) = -1;
  EXPECT_EQ(wide, -1);  // the sign follows the top bit
}

TEST(NativeIntegerDeathTest, StopsAtARangeOutsideTheWord) {
  ap_uint<96> token = 0;
  volatile int high = 96;
  EXPECT_DEATH(token.range(high, 90) = 1, "range\\(96, 90\\) of 96 bits");
  EXPECT_DEATH(static_cast<void>(token.range(3, high - 90)), "range\\(3, 6\\) of 96 bits");
  EXPECT_DEATH(static_cast<void>(token[high - 100].to_int()), "range\\(-4, -4\\)");
  EXPECT_DEATH(static_cast<void>(static_cast<unsigned long long>(token.range(high - 1, 0))),
               "96 bits does not fit");
}

// Integers.

template <class A, class B>
void expect_integer_arithmetic() {
  for (int i = -300; i < 300; ++i) {
    for (int j = -40; j < 40; ++j) {
      const A a = i;
      const B b = j;
      const int64_t x = a.to_int64(), y = b.to_int64();
      const bool exact = (a + b).to_int64() == x + y && (a - b).to_int64() == x - y &&
                         (a * b).to_int64() == x * y && (a & b).to_int64() == (x & y) &&
                         (a | b).to_int64() == (x | y) && (a ^ b).to_int64() == (x ^ y) &&
                         (~a).to_int64() == ~x && (-a).to_int64() == -x;
      const bool ordered = (a == b) == (x == y) && (a != b) == (x != y) && (a < b) == (x < y) &&
                           (a <= b) == (x <= y) && (a > b) == (x > y) && (a >= b) == (x >= y);
      const bool mixed = (a + j).to_int64() == x + j && (j - a).to_int64() == j - x &&
                         (a < j) == (x < j) && (j == a) == (j == x);
      ASSERT_TRUE(exact && ordered && mixed) << x << " and " << y;
    }
    for (int n = 0; n < 12; ++n) {
      const A a = i;
      const int64_t x = a.to_int64();
      ASSERT_TRUE((a >> n).to_int64() == x >> n && (a << -n).to_int64() == x >> n &&
                  (a << n) == A(x * (1 << n)) && (a << ap_uint<4>(n)) == (a >> -n))
          << x << " shifted by " << n;
    }
  }
}

TEST(NativeInteger, ComputesAsBuiltInIntegers) {
  expect_integer_arithmetic<ap_int<9>, ap_int<5>>();
  expect_integer_arithmetic<ap_uint<8>, ap_int<6>>();
  expect_integer_arithmetic<ap_int<7>, ap_uint<5>>();
  EXPECT_TRUE((std::is_same_v<decltype(ap_int<9>() + ap_uint<9>()), ap_int<11>>));
  EXPECT_TRUE((std::is_same_v<decltype(ap_uint<9>() * ap_uint<5>()), ap_uint<14>>));
  EXPECT_TRUE((std::is_same_v<decltype(ap_uint<9>() - ap_uint<5>()), ap_int<10>>));
  EXPECT_TRUE((std::is_same_v<decltype(ap_uint<9>() & ap_uint<5>()), ap_uint<9>>));
  EXPECT_EQ((ap_uint<64>(~0ull) >> 63).to_uint64(), 1u);
  EXPECT_EQ((ap_int<64>(INT64_MIN) >> 70).to_int64(), -1);
  EXPECT_EQ((ap_uint<64>(1) << 64).to_uint64(), 0u);
}

TEST(NativeInteger, StandsWhereABuiltInIntegerStands) {
  int table[4] = {5, 6, 7, 8};
  ap_uint<2> index = 0;
  int sum = 0;
  for (ap_uint<5> i = 0; i < 20; i++) sum += table[index++];  // wraps round the table
  EXPECT_EQ(sum, 130);
  switch (index) {
    case 0:
      break;
    default:
      ADD_FAILURE();
  }
  ap_int<6> x = 31;
  x += 1;
  EXPECT_EQ(x, -32);
  x -= ap_uint<3>(2);
  EXPECT_EQ(x, 30);
  x = -7;
  EXPECT_EQ(x / 2, -3);
  EXPECT_EQ(x % 4, -3);
  EXPECT_TRUE(x);
  x[5] = 0;
  EXPECT_EQ(x.to_int(), 25);
  x(2, 1) = 3;
  EXPECT_EQ(x.to_uint(), 31u);
  x ^= 5;
  x <<= 1;
  EXPECT_EQ(x, -12);
  EXPECT_EQ(x.range(), 52);
  long long built_in = x;
  EXPECT_EQ(built_in, -12);
  EXPECT_EQ(ap_int<8>(3.9), 3);
  EXPECT_EQ(ap_int<8>(-3.9f), -3);
  EXPECT_EQ(+ap_int<8>::width, 8);
}

}  // namespace
}  // namespace tailor::test
