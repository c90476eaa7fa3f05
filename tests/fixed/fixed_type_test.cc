// The contract that is not obvious: quantise() and cast_raw() agree on every value both can
// express, and every mode equals its definition on the real line, here checked exhaustively with
// exact integer arithmetic. SystemC is the second oracle (tests/hls).
#include "tailor/fixed/fixed_type.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tailor::test {
namespace {

constexpr Rounding kRoundings[] = {Rounding::Trn,     Rounding::TrnZero, Rounding::Rnd,
                                   Rounding::RndZero, Rounding::RndInf,  Rounding::RndMinInf,
                                   Rounding::RndConv};
constexpr Overflow kOverflows[] = {Overflow::Sat, Overflow::SatZero, Overflow::SatSym,
                                   Overflow::Wrap, Overflow::WrapSm};

double round_by_definition(double x, Rounding mode) {
  double low = std::floor(x), rest = x - low;
  switch (mode) {
    case Rounding::Trn:
      return low;
    case Rounding::TrnZero:
      return std::trunc(x);
    case Rounding::Rnd:
      return std::floor(x + 0.5);
    case Rounding::RndZero:
      return rest == 0.5 ? std::trunc(x) : std::round(x);
    case Rounding::RndInf:
      return std::round(x);
    case Rounding::RndMinInf:
      return std::ceil(x - 0.5);
    case Rounding::RndConv:
      return std::nearbyint(x);
  }
  return 0;
}

TEST(FixedType, RoundsEveryQuarterAsDefined) {
  for (Rounding mode : kRoundings) {
    FixedType to{12, 12, true, mode, Overflow::Sat};
    for (int64_t raw = -300; raw <= 300; ++raw) {
      double x = static_cast<double>(raw) / 8;
      EXPECT_EQ(cast_raw(raw, 3, to), static_cast<int64_t>(round_by_definition(x, mode)))
          << vendor_name(mode) << " of " << x;
      EXPECT_EQ(quantise(x, to), cast_raw(raw, 3, to)) << vendor_name(mode) << " of " << x;
    }
  }
}

TEST(FixedType, OverflowsAsDefined) {
  FixedType to{4, 4, true, Rounding::Trn, Overflow::Sat};
  auto cast = [&](Overflow mode, int64_t v) {
    to.overflow = mode;
    return cast_raw(v, 0, to);
  };
  EXPECT_EQ(cast(Overflow::Sat, 8), 7);
  EXPECT_EQ(cast(Overflow::Sat, -9), -8);
  EXPECT_EQ(cast(Overflow::SatZero, 8), 0);
  EXPECT_EQ(cast(Overflow::SatSym, -8), -7);
  EXPECT_EQ(cast(Overflow::Wrap, 8), -8);
  EXPECT_EQ(cast(Overflow::Wrap, -9), 7);
  EXPECT_EQ(cast(Overflow::WrapSm, 8), 7);
  EXPECT_EQ(cast(Overflow::WrapSm, 15), 0);
  EXPECT_EQ(cast(Overflow::WrapSm, 16), -1);
  EXPECT_EQ(cast(Overflow::WrapSm, -9), -8);
}

/// The vendor's AP_WRAP_SM on the real line: the digit above the kept ones is read from the value
/// cut (floored) to the last place, the kept digits from the rounded value; an unsigned type
/// saturates.
int64_t wrap_sm_by_definition(double scaled, const FixedType& to) {
  const double rounded = round_by_definition(scaled, to.rounding);
  const double span = std::ldexp(1.0, to.width), half = span / 2;
  if (!to.is_signed) return static_cast<int64_t>(std::min(std::max(rounded, 0.0), span - 1));
  if (rounded >= -half && rounded < half) return static_cast<int64_t>(rounded);
  auto modulo = [](double x, double n) { return x - n * std::floor(x / n); };
  const bool deleted = modulo(std::floor(std::floor(scaled) / span), 2) == 1;
  const double kept = modulo(rounded, span);
  const double digits = deleted == (kept >= half) ? kept : span - 1 - kept;  // inverted
  return static_cast<int64_t>(deleted ? digits - span : digits);
}

TEST(FixedType, SignMagnitudeWrapReadsTheDeletedBitBeforeRounding) {
  FixedType to{6, 2, true, Rounding::Rnd, Overflow::WrapSm};
  EXPECT_EQ(cast_raw(-3080, 8, to),
            0);  // -192.5: cut to -193 the deleted bit is 0, rounded it is 1
  EXPECT_EQ(quantise(-3080.0 / 256, to), 0);
  EXPECT_EQ(cast_raw(-3081, 8, to), 0);  // rounds to -193: nothing carries
  EXPECT_EQ(cast_raw(1016, 8, to), 0);   // 63.5 rounds to 64, whose deleted bit is 1; cut it is 0
  for (Rounding rounding : kRoundings) {
    for (bool is_signed : {true, false}) {
      for (int integer : {-2, 2, 5}) {
        to = {6, integer, is_signed, rounding, Overflow::WrapSm};
        for (int64_t raw = -(1 << 13); raw < 1 << 13; ++raw) {  // ap_fixed<14,6>
          const double x = static_cast<double>(raw) / 256;
          const int64_t want = wrap_sm_by_definition(std::ldexp(x, to.fraction()), to);
          ASSERT_EQ(cast_raw(raw, 8, to), want) << x << " to " << to_string(to);
          ASSERT_EQ(quantise(x, to), want) << x << " to " << to_string(to);
        }
      }
    }
  }
}

TEST(FixedType, CountsAnOverflowOnceAndNeverClearsTheFlag) {
  FixedType to{8, 3, true, Rounding::Rnd, Overflow::Sat};
  bool overflowed = false;
  EXPECT_EQ(cast_raw<int64_t>(127, 5, to, &overflowed), 127);
  EXPECT_FALSE(overflowed);
  EXPECT_EQ(cast_raw<int64_t>(255, 6, to, &overflowed),
            127);  // 3.984 rounds to 4: one step too far
  EXPECT_TRUE(overflowed);
  cast_raw<int64_t>(0, 5, to, &overflowed);
  EXPECT_TRUE(overflowed);
}

TEST(FixedType, QuantiseAgreesWithCastForEveryModeAndTinyWidth) {
  for (Rounding rounding : kRoundings) {
    for (Overflow overflow : kOverflows) {
      for (int width = 1; width <= 6; ++width) {
        for (int integer = -1; integer <= width + 1; ++integer) {
          FixedType to{width, integer, true, rounding, overflow};
          if (width == 1 && overflow == Overflow::SatSym) continue;
          for (int64_t raw = -260; raw <= 260; ++raw) {
            bool a = false, b = false, c = false;
            int64_t exact = cast_raw(raw, 4, to, &a);
            EXPECT_EQ(quantise(std::ldexp(static_cast<double>(raw), -4), to, &b), exact)
                << raw << "/16 to " << to_string(to);
            EXPECT_EQ(cast_raw(static_cast<Int128>(raw) * (Int128{1} << 40), 44, to, &c), exact);
            EXPECT_EQ(a, b);
            EXPECT_EQ(a, c);
          }
        }
      }
    }
  }
}

TEST(FixedType, CastsAFractionWiderThanTheWord) {
  FixedType to{8, 8, true, Rounding::Trn, Overflow::Sat};
  EXPECT_EQ(cast_raw<int64_t>(-1, 100, to), -1);
  EXPECT_EQ(cast_raw<int64_t>(5, 100, to), 0);
  to.rounding = Rounding::Rnd;
  EXPECT_EQ(cast_raw<int64_t>(-1, 100, to), 0);
}

TEST(FixedType, PrintsAndParses) {
  FixedType type{16, 6, true, Rounding::Rnd, Overflow::Sat};
  EXPECT_EQ(to_string(type), "ap_fixed<16,6,AP_RND,AP_SAT>");
  for (Rounding rounding : kRoundings) {
    for (Overflow overflow : kOverflows) {
      FixedType any{9, -2, false, rounding, overflow};
      EXPECT_EQ(parse_fixed_type(to_string(any)), any);
    }
  }
  EXPECT_EQ(parse_fixed_type("ap_fixed<16,6>").rounding, Rounding::Trn);
  for (const char* bad :
       {"", "ap_fixed<16>", "ap_fixed<0,0>", "ap_fixed<64,2>", "fixed<8,3>", "ap_fixed<8,3,AP_XX>",
        "ap_fixed<8,65>", "ap_fixed<8,-65>", "ap_fixed<8,-9223372036854775808>"})
    EXPECT_THROW(parse_fixed_type(bad), Error) << bad;
}

TEST(FixedType, RefusesPrecisionsOutOfRange) {
  EXPECT_EQ(parse_precision("16,6", "--precision"), (FixedType{16, 6}));
  EXPECT_EQ(parse_precision("8,-2", "--precision"), (FixedType{8, -2}));
  EXPECT_EQ(parse_precision("u4,2", "--precision", true), (FixedType{4, 2, false}));
  for (const char* text : {"16,6", "8,0", "u8,-3", "u4,4"})
    EXPECT_EQ(precision_text(parse_precision(text, "", true)), text);
  for (const char* bad :
       {"", "16", "16,6,2", "1,1", "33,6", "16,-33", "8,9", "a,b", "16;6", "u8,3", "u"}) {
    try {
      parse_precision(bad, "--precision");
      ADD_FAILURE() << bad << " was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Usage);
      EXPECT_NE(std::string(e.what()).find("--precision: expected W,I"), std::string::npos);
    }
  }
}

TEST(FixedType, AccumulatorHoldsTheLargestSum) {
  FixedType x{16, 6}, w{16, 6};
  FixedType acc = accumulator_type(x, w, 144);
  EXPECT_EQ(acc.width, 40);
  EXPECT_EQ(acc.fraction(), 20);
  Int128 largest = static_cast<Int128>(x.min_raw()) * w.min_raw() * 144;
  EXPECT_LE(largest, static_cast<Int128>(acc.max_raw()));
}

TEST(FixedType, QuantiseRefusesNotANumber) {
  EXPECT_THROW(quantise(std::nan(""), FixedType{}), Error);
  EXPECT_THROW(quantise(INFINITY, FixedType{}), Error);
  EXPECT_EQ(quantise(1e300, FixedType{}), 32767);
}

TEST(IntoRange, AppliesTheOverflowModeAndNoRounding) {
  for (Overflow overflow : {Overflow::Sat, Overflow::SatZero, Overflow::SatSym, Overflow::Wrap}) {
    const FixedType type{8, 3, true, Rounding::Trn, overflow};  // -4 to 3.96875
    EXPECT_EQ(into_range(1.2345, type), 1.2345);
    EXPECT_EQ(into_range(-3.9, type), -3.9);
    for (double v : {5.0, -7.5, 4.0, 100.25})
      EXPECT_EQ(into_range(v, type), type.to_double(quantise(v, type)));
  }
  EXPECT_EQ(into_range(5, {8, 3}), 3.96875);
  EXPECT_EQ(into_range(5, {8, 3, true, Rounding::Trn, Overflow::Wrap}), -3);
  EXPECT_EQ(into_range(3.97, {8, 3, true, Rounding::Trn, Overflow::Sat}), 3.97);  // rounds into it
}

}  // namespace
}  // namespace tailor::test
