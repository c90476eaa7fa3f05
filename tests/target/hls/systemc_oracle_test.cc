// SystemC's fixed-point types (IEEE 1666) as an independent oracle: exhaustively for cast_raw() and
// quantise(), whose types are run-time values, and for a selection of the ap_ types, which are not.
// Both stand in one translation unit: neither may claim the other's names.
#define SC_INCLUDE_FX
#include <systemc>

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>

#include "support/rooms.h"
#include "tailor/fixed/fixed_type.h"
#include "target/hls/native/ap_fixed.h"

// libsystemc has a main() of its own, which asks for sc_main() and runs no test: where it comes
// first it wins over GoogleTest's. Only one of the program itself is sure to run.
int sc_main(int, char**) { return 0; }
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

namespace tailor::test {
namespace {

constexpr int kSourceBits = 10, kSourceFraction = 4;
constexpr int64_t kSourceMin = -(1 << (kSourceBits - 1)), kSourceMax = (1 << (kSourceBits - 1)) - 1;

constexpr std::pair<Rounding, sc_dt::sc_q_mode> kRoundings[] = {
    {Rounding::Trn, sc_dt::SC_TRN},         {Rounding::TrnZero, sc_dt::SC_TRN_ZERO},
    {Rounding::Rnd, sc_dt::SC_RND},         {Rounding::RndZero, sc_dt::SC_RND_ZERO},
    {Rounding::RndInf, sc_dt::SC_RND_INF},  {Rounding::RndMinInf, sc_dt::SC_RND_MIN_INF},
    {Rounding::RndConv, sc_dt::SC_RND_CONV}};
constexpr std::pair<Overflow, sc_dt::sc_o_mode> kOverflows[] = {
    {Overflow::Sat, sc_dt::SC_SAT},
    {Overflow::SatZero, sc_dt::SC_SAT_ZERO},
    {Overflow::SatSym, sc_dt::SC_SAT_SYM},
    {Overflow::Wrap, sc_dt::SC_WRAP},
    {Overflow::WrapSm, sc_dt::SC_WRAP_SM}};

/// A SystemC variable of a type given at run time.
class Oracle {
 public:
  Oracle(const FixedType& type, sc_dt::sc_q_mode rounding, sc_dt::sc_o_mode overflow)
      : type_(type) {
    sc_dt::sc_fxtype_params params(type.width, type.integer, rounding, overflow);
    if (type.is_signed) {
      signed_ = std::make_unique<sc_dt::sc_fix>(params);
    } else {
      unsigned_ = std::make_unique<sc_dt::sc_ufix>(params);
    }
  }
  /// The raw value after assigning a number, and whether SystemC saw an overflow.
  int64_t cast(double value, bool* overflowed) {
    if (signed_) {
      *signed_ = value;
      *overflowed = signed_->overflow_flag();
    } else {
      *unsigned_ = value;
      *overflowed = unsigned_->overflow_flag();
    }
    double result = signed_ ? signed_->to_double() : unsigned_->to_double();
    return static_cast<int64_t>(std::ldexp(result, type_.fraction()));
  }

 private:
  FixedType type_;
  std::unique_ptr<sc_dt::sc_fix> signed_;
  std::unique_ptr<sc_dt::sc_ufix> unsigned_;
};

/// Whether SystemC rounds a value to a number whose bit just above the type's differs from the
/// bit of the same value truncated.
bool carries_into_deleted_bit(double value, const FixedType& to, sc_dt::sc_q_mode rounding) {
  const int wide = to.integer + 20;
  sc_dt::sc_fix rounded(
      sc_dt::sc_fxtype_params(wide + to.fraction(), wide, rounding, sc_dt::SC_WRAP));
  sc_dt::sc_fix cut(
      sc_dt::sc_fxtype_params(wide + to.fraction(), wide, sc_dt::SC_TRN, sc_dt::SC_WRAP));
  rounded = value;
  cut = value;
  return static_cast<bool>(rounded[to.width]) != static_cast<bool>(cut[to.width]);
}

/// cast_raw() and quantise(), and the native type's cast where there is one, for every source
/// value.
void expect_same_casts(int width, int integer, bool is_signed,
                       int64_t (*const* native)(double) = nullptr) {
  int mode = -1;
  for (auto [rounding, sc_rounding] : kRoundings) {
    for (auto [overflow, sc_overflow] : kOverflows) {
      ++mode;
      // IEEE 1666 defines sign-magnitude wrapping for signed types only, and SystemC refuses the
      // others.
      if (!is_signed && overflow == Overflow::WrapSm) continue;
      FixedType to{width, integer, is_signed, rounding, overflow};
      Oracle oracle(to, sc_rounding, sc_overflow);
      for (int64_t raw = kSourceMin; raw <= kSourceMax; ++raw) {
        const double value = std::ldexp(static_cast<double>(raw), -kSourceFraction);
        bool overflowed = false, sc_overflowed = false;
        int64_t want = oracle.cast(value, &sc_overflowed);
        // Where rounding carries into the deleted bit, the vendor's wrap inverts and SystemC's does
        // not, or the other way round: the vendor reads that bit before rounding.
        if (overflow == Overflow::WrapSm && sc_overflowed &&
            carries_into_deleted_bit(value, to, sc_rounding))
          want = -1 - want;
        const int64_t got = cast_raw(raw, kSourceFraction, to, &overflowed);
        const int64_t from_double = quantise(value, to);
        const int64_t from_native = native ? native[mode](value) : want;
        if (got != want || overflowed != sc_overflowed || from_double != want ||
            from_native != want) {
          ADD_FAILURE() << value << " to " << to_string(to) << ": SystemC " << want << " (overflow "
                        << sc_overflowed << "), cast_raw " << got << " (overflow " << overflowed
                        << "), quantise " << from_double << ", native type " << from_native;
        }
      }
    }
  }
}

TEST(SystemCOracle, CastsToSignedTypesInEveryMode) {
  for (int width = 1; width <= 6; ++width) {
    for (int integer : {-2, 0, 1, 3, 5, 6, 8})
      expect_same_casts(width, integer, /*is_signed=*/true);
  }
}

TEST(SystemCOracle, CastsToUnsignedTypesInEveryMode) {
  for (int width = 1; width <= 6; ++width) {
    for (int integer : {-2, 0, 1, 3, 5, 6, 8})
      expect_same_casts(width, integer, /*is_signed=*/false);
  }
}

constexpr ap_q_mode kApRoundings[] = {
    AP_TRN,     AP_TRN_ZERO,    AP_RND,     AP_RND_ZERO,
    AP_RND_INF, AP_RND_MIN_INF, AP_RND_CONV};  // in the order of kRoundings
constexpr ap_o_mode kApOverflows[] = {AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM};

template <class To>
int64_t cast_native(double value) {
  const ap_fixed<kSourceBits, kSourceBits - kSourceFraction> source = value;
  const To x = source;
  return static_cast<int64_t>(std::ldexp(x.to_double(), To::width - To::iwidth));
}

template <int W, int I, bool S, int... MODES>
void expect_same_native_casts(std::integer_sequence<int, MODES...>) {
  static int64_t (*const casts[])(double) = {cast_native<
      std::conditional_t<S, ap_fixed<W, I, kApRoundings[MODES / 5], kApOverflows[MODES % 5]>,
                         ap_ufixed<W, I, kApRoundings[MODES / 5], kApOverflows[MODES % 5]>>>...};
  expect_same_casts(W, I, S, casts);
}

TEST(SystemCOracle, NativeTypesCastInEveryMode) {
  auto modes = std::make_integer_sequence<int, 35>();
  expect_same_native_casts<1, 1, true>(modes);
  expect_same_native_casts<3, -1, true>(modes);
  expect_same_native_casts<4, 6, true>(modes);
  expect_same_native_casts<6, 4, true>(modes);
  expect_same_native_casts<3, 2, false>(modes);
}

/// Numbers of 100 bits, bit by bit, into types that no built-in integer holds.
template <class To>
void expect_same_wide_casts(sc_dt::sc_q_mode rounding, sc_dt::sc_o_mode overflow) {
  constexpr int kBits = 100, kInteger = 45;
  std::mt19937_64 random(5);
  sc_dt::sc_fix sc_source(sc_dt::sc_fxtype_params(kBits, kInteger));
  sc_dt::sc_fix sc_target(sc_dt::sc_fxtype_params(To::width, To::iwidth, rounding, overflow));
  for (int n = 0; n < 1000; ++n) {
    ap_fixed<kBits, kInteger> source;
    const int magnitude = 1 + static_cast<int>(random() % kBits);
    const bool negative = random() & 1;
    for (int i = 0; i < kBits; ++i) {
      const bool bit = i < magnitude ? random() & 1 : negative;
      source[i] = bit;
      sc_source[i] = bit;
    }
    const To target = source;
    sc_target = sc_source;
    for (int i = 0; i < To::width; ++i)
      ASSERT_EQ(target[i], static_cast<bool>(sc_target[i])) << "number " << n << ", bit " << i;
  }
}

TEST(SystemCOracle, NativeTypesCastWideNumbers) {
  expect_same_wide_casts<ap_fixed<80, 40, AP_RND, AP_SAT>>(sc_dt::SC_RND, sc_dt::SC_SAT);
  expect_same_wide_casts<ap_fixed<70, 30, AP_RND_CONV, AP_SAT_SYM>>(sc_dt::SC_RND_CONV,
                                                                    sc_dt::SC_SAT_SYM);
  expect_same_wide_casts<ap_fixed<128, 20, AP_TRN, AP_WRAP_SM>>(sc_dt::SC_TRN, sc_dt::SC_WRAP_SM);
  expect_same_wide_casts<ap_fixed<75, 50, AP_RND_INF>>(sc_dt::SC_RND_INF, sc_dt::SC_WRAP);
  expect_same_wide_casts<ap_fixed<41, 21, AP_RND_ZERO, AP_SAT_ZERO>>(sc_dt::SC_RND_ZERO,
                                                                     sc_dt::SC_SAT_ZERO);
  expect_same_wide_casts<ap_fixed<90, 60, AP_RND_MIN_INF, AP_WRAP_SM>>(sc_dt::SC_RND_MIN_INF,
                                                                       sc_dt::SC_WRAP_SM);
}

}  // namespace
}  // namespace tailor::test
