// Fixed-point types with the semantics of ap_fixed (UG1399) and sc_fixed (IEEE 1666): a value is
// raw · 2^-fraction. Casting is exact for every rounding and overflow mode; nothing here goes
// through floating point unless it must.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tailor/core/enumerators.h"
#include "tailor/core/error.h"

namespace tailor::fixed {

__extension__ using Int128 = __int128;

/// AP_TRN (floor), AP_TRN_ZERO, AP_RND (half up), AP_RND_ZERO, AP_RND_INF, AP_RND_MIN_INF,
/// AP_RND_CONV (half to even).
enum class Rounding { Trn, TrnZero, Rnd, RndZero, RndInf, RndMinInf, RndConv };
TAILOR_ENUMERATORS(Rounding, "trn", "trn_zero", "rnd", "rnd_zero", "rnd_inf", "rnd_min_inf",
                   "rnd_conv")
/// AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM (sign-magnitude wrap, N = 0). AP_WRAP_SM is
/// the vendor's: it reads the deleted bit before rounding (SystemC after), and an unsigned type
/// saturates (SystemC has none).
enum class Overflow { Sat, SatZero, SatSym, Wrap, WrapSm };
TAILOR_ENUMERATORS(Overflow, "sat", "sat_zero", "sat_sym", "wrap", "wrap_sm")

/// The vendor's: "AP_RND", "AP_SAT", … of "rnd", "sat", … as files and flags have them.
std::string vendor_name(Rounding rounding);
std::string vendor_name(Overflow overflow);

/// ap_fixed<width, integer, …>: width bits in all, `integer` of them before the point (the sign
/// counts). width is 1 … 63 (unsigned 1 … 62); integer may lie outside 0 … width.
struct FixedType {
  int width = 16;
  int integer = 6;
  bool is_signed = true;
  Rounding rounding = Rounding::Rnd;
  Overflow overflow = Overflow::Sat;

  int fraction() const { return width - integer; }
  int64_t min_raw() const {
    if (!is_signed) return 0;
    int64_t min = -(int64_t{1} << (width - 1));
    return overflow == Overflow::SatSym ? min + 1 : min;
  }
  int64_t max_raw() const {
    return is_signed ? (int64_t{1} << (width - 1)) - 1 : (int64_t{1} << width) - 1;
  }
  /// The value of one raw step, 2^-fraction.
  double step() const;
  double to_double(int64_t raw) const { return static_cast<double>(raw) * step(); }
  double min_value() const { return to_double(min_raw()); }
  double max_value() const { return to_double(max_raw()); }

  friend bool operator==(const FixedType& a, const FixedType& b) {
    return a.width == b.width && a.integer == b.integer && a.is_signed == b.is_signed &&
           a.rounding == b.rounding && a.overflow == b.overflow;
  }
  friend bool operator!=(const FixedType& a, const FixedType& b) { return !(a == b); }
};

/// "ap_fixed<16,6,AP_RND,AP_SAT>" or "ap_ufixed<…>". parse is the inverse; the modes default to
/// AP_TRN, AP_WRAP as in the vendor's type.
std::string to_string(const FixedType& type);
FixedType parse_fixed_type(std::string_view text);
/// "W,I" of the command line, or if it may lack one "uW,I" without a sign; 2 <= W <= 32 and
/// -32 <= I <= W. Throws Usage naming `where`. The text is the inverse.
FixedType parse_precision(std::string_view text, std::string_view where,
                          bool may_lack_sign = false);
std::string precision_text(const FixedType& type);

namespace fixed_detail {

enum class Remainder { Zero, BelowHalf, Half, AboveHalf };

inline bool rounds_up(Rounding mode, Remainder remainder, bool negative, bool odd) {
  switch (mode) {
    case Rounding::Trn:
      return false;
    case Rounding::TrnZero:
      return negative && remainder != Remainder::Zero;
    case Rounding::Rnd:
      return remainder >= Remainder::Half;
    case Rounding::RndZero:
      return remainder == Remainder::AboveHalf || (remainder == Remainder::Half && negative);
    case Rounding::RndInf:
      return remainder == Remainder::AboveHalf || (remainder == Remainder::Half && !negative);
    case Rounding::RndMinInf:
      return remainder == Remainder::AboveHalf;
    case Rounding::RndConv:
      return remainder == Remainder::AboveHalf || (remainder == Remainder::Half && odd);
  }
  return false;
}

/// Brings a rounded integer into the type's range; `floor` is what it was before rounding.
template <class Int>
int64_t fit(Int q, Int floor, const FixedType& to, bool* overflowed) {
  int64_t low = to.min_raw(), high = to.max_raw();
  if (q >= low && q <= high) return static_cast<int64_t>(q);
  if (overflowed) *overflowed = true;
  switch (to.overflow) {
    case Overflow::Sat:
    case Overflow::SatSym:
      return q < low ? low : high;
    case Overflow::SatZero:
      return 0;
    case Overflow::WrapSm:
      if (!to.is_signed) return q < low ? low : high;
      break;
    case Overflow::Wrap:
      break;
  }
  const uint64_t mask = (uint64_t{1} << to.width) - 1;
  uint64_t bits = static_cast<uint64_t>(q) & mask;
  if (!to.is_signed) return static_cast<int64_t>(bits);
  const uint64_t sign = uint64_t{1} << (to.width - 1);
  if (to.overflow == Overflow::WrapSm) {
    // The lowest deleted bit, as it was before rounding, becomes the sign; if it differs from the
    // kept sign bit, all other bits are inverted.
    bool deleted = (static_cast<uint64_t>(floor >> to.width) & 1) != 0;
    if (deleted != ((bits & sign) != 0)) bits = ~bits & mask;
  }
  return static_cast<int64_t>((bits & sign) != 0 ? bits | ~mask : bits);
}

}  // namespace fixed_detail

/// Casts raw · 2^-fraction to a type: rounds, then applies the overflow mode. Sets *overflowed
/// (never clears it).
template <class Int>
int64_t cast_raw(Int raw, int fraction, const FixedType& to, bool* overflowed = nullptr) {
  int shift = fraction - to.fraction();
  if (shift <= 0) {
    const Int128 exact = static_cast<Int128>(raw) * (Int128{1} << -shift);
    return fixed_detail::fit(exact, exact, to, overflowed);
  }
  constexpr int kBits = 8 * sizeof(Int);
  if (shift >= kBits - 1) {  // every bit is fraction and lies below the half
    if constexpr (sizeof(Int) < sizeof(Int128)) {
      if (shift < 126) return cast_raw(static_cast<Int128>(raw), fraction, to, overflowed);
    }
    auto remainder = raw == 0  ? fixed_detail::Remainder::Zero
                     : raw < 0 ? fixed_detail::Remainder::AboveHalf
                               : fixed_detail::Remainder::BelowHalf;
    const Int floor = raw < 0 ? -1 : 0;
    const bool up = fixed_detail::rounds_up(to.rounding, remainder, raw < 0, raw < 0);
    return fixed_detail::fit(static_cast<Int>(floor + (up ? 1 : 0)), floor, to, overflowed);
  }
  const Int floor = raw >> shift;
  Int rest = raw - floor * (Int{1} << shift);
  const Int half = Int{1} << (shift - 1);
  using fixed_detail::Remainder;
  Remainder remainder = rest == 0      ? Remainder::Zero
                        : rest < half  ? Remainder::BelowHalf
                        : rest == half ? Remainder::Half
                                       : Remainder::AboveHalf;
  const bool up = fixed_detail::rounds_up(to.rounding, remainder, raw < 0, (floor & 1) != 0);
  return fixed_detail::fit(static_cast<Int>(floor + (up ? 1 : 0)), floor, to, overflowed);
}

/// Rounds a real number to a type's raw value, exactly. Throws Data on NaN and infinity.
int64_t quantise(double value, const FixedType& to, bool* overflowed = nullptr);
/// The value as the overflow mode leaves it, unrounded: what overflowing alone does to it.
double into_range(double value, const FixedType& type);

/// The smallest signed type (same rounding and overflow) that holds every sum of `count` products a
/// · b exactly.
FixedType accumulator_type(const FixedType& a, const FixedType& b, int64_t count);

}  // namespace tailor::fixed
