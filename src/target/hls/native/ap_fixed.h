// Part of tailor. You may use, copy and change this file without condition.
// ap_fixed and ap_ufixed of 1 to 128 bits for a host compiler, as the vendor has them (N = 0). The
// value is raw * 2^(I - W), rounded and brought into range exactly, whatever it is made from.
#ifndef TAILOR_NATIVE_AP_FIXED_H_
#define TAILOR_NATIVE_AP_FIXED_H_

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ap_int.h"

enum ap_q_mode {
  AP_RND,
  AP_RND_ZERO,
  AP_RND_MIN_INF,
  AP_RND_INF,
  AP_RND_CONV,
  AP_TRN,
  AP_TRN_ZERO
};
enum ap_o_mode { AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM };

namespace tailor_native {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

/// The integer m and the fraction with x = m * 2^-fraction. Infinity counts as a large number, NaN
/// as 0.
inline std::int64_t scaled(double x, int* fraction) {
  if (std::isnan(x)) return 0;
  int exponent = 0;
  const double mantissa = std::frexp(std::isinf(x) ? (x < 0 ? -1e308 : 1e308) : x, &exponent);
  *fraction = 53 - exponent;
  return static_cast<std::int64_t>(std::ldexp(mantissa, 53));
}

/// The built-in integer of 8 … 128 bits.
template <int BITS, bool S>
struct BuiltInOf;
// clang-format off
template <> struct BuiltInOf<8, true> { typedef std::int8_t Type; };
template <> struct BuiltInOf<8, false> { typedef std::uint8_t Type; };
template <> struct BuiltInOf<16, true> { typedef std::int16_t Type; };
template <> struct BuiltInOf<16, false> { typedef std::uint16_t Type; };
template <> struct BuiltInOf<32, true> { typedef std::int32_t Type; };
template <> struct BuiltInOf<32, false> { typedef std::uint32_t Type; };
template <> struct BuiltInOf<64, true> { typedef std::int64_t Type; };
template <> struct BuiltInOf<64, false> { typedef std::uint64_t Type; };
template <> struct BuiltInOf<128, true> { typedef Int128 Type; };
template <> struct BuiltInOf<128, false> { typedef UInt128 Type; };
// clang-format on

/// How W bits are kept (the smallest built-in integer) and computed with (32 bits or more).
template <int W, bool S>
struct Word {
  static const int store_bits = W <= 8 ? 8 : W <= 16 ? 16 : W <= 32 ? 32 : W <= 64 ? 64 : 128;
  static const int bits = store_bits < 32 ? 32 : store_bits;
  typedef typename BuiltInOf<store_bits, S>::Type Store;
  typedef typename BuiltInOf<bits, S>::Type Type;
  typedef typename BuiltInOf<bits, false>::Type Unsigned;
};

template <bool S>
struct Sign {
  template <class T>
  static constexpr bool negative(T x) {
    return x < 0;
  }
};
template <>
struct Sign<false> {
  template <class T>
  static constexpr bool negative(T) {
    return false;
  }
};

/// floor(x / 2^shift), or the next integer where the mode says so; shift >= 1 may exceed the word.
template <ap_q_mode Q, int BITS, bool S, class T>
TAILOR_NATIVE_INLINE T rounded(T x, int shift) {
  typedef typename BuiltInOf<BITS, false>::Type U;
  const bool negative = Sign<S>::negative(x);
  const T quotient = shift < BITS ? static_cast<T>(x >> shift) : static_cast<T>(negative ? -1 : 0);
  if (Q == AP_TRN) return quotient;
  const bool half = shift <= BITS ? ((x >> (shift - 1)) & 1) != 0 : negative;
  const bool below_half =
      shift <= BITS ? (static_cast<U>(x) & ((U(1) << (shift - 1)) - 1)) != 0 : x != 0;
  bool up = false;
  switch (Q) {
    case AP_TRN:
      break;
    case AP_TRN_ZERO:
      up = negative && (half || below_half);
      break;
    case AP_RND:
      up = half;
      break;
    case AP_RND_ZERO:
      up = half && (below_half || negative);
      break;
    case AP_RND_MIN_INF:
      up = half && below_half;
      break;
    case AP_RND_INF:
      up = half && (below_half || !negative);
      break;
    case AP_RND_CONV:
      up = half && (below_half || (quotient & 1) != 0);
      break;
  }
  return static_cast<T>(quotient + (up ? 1 : 0));
}

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
class Fixed;

/// The door to the stored integers.
struct Raw {
  template <class F>
  TAILOR_NATIVE_INLINE static typename F::Work get(const F& x) {
    return x.raw();
  }
  template <class F, class T>
  TAILOR_NATIVE_INLINE static F make(T raw) {
    F x;
    x.raw_ = static_cast<typename F::Store>(raw);
    return x;
  }
};

/// A number as an exact operand: a built-in integer or ap_int of N bits is an ap_fixed<N, N>.
template <class T, class = void>
struct Exact {
  static const bool is_exact = false;
};
template <class T>
struct Exact<T, typename std::enable_if<std::is_integral<T>::value>::type> {
  static const bool is_exact = true;
  static const int bits = BuiltIn<T>::Type::width;
  typedef Fixed<bits, bits, std::is_signed<T>::value, AP_TRN, AP_WRAP, 0> Type;
  TAILOR_NATIVE_INLINE static Type of(T x) { return Raw::make<Type>(x); }
};
template <int W, bool S>
struct Exact<Integer<W, S>, void> {
  static const bool is_exact = true;
  typedef Fixed<W, W, S, AP_TRN, AP_WRAP, 0> Type;
  TAILOR_NATIVE_INLINE static Type of(const Integer<W, S>& x) {
    typedef typename Word<(W > 64 ? W : 65), false>::Type Wide;
    return Raw::make<Type>(W <= 64 ? static_cast<Wide>(x.chunk(0))
                                   : static_cast<Wide>(x.chunk(1)) << 64 | x.chunk(0));
  }
};

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
class Fixed {
  static_assert(W >= 1 && W <= 128, "native fixed-point types have 1 to 128 bits");
  static_assert(N == 0,
                "native fixed-point types have no saturated bits in the wrap modes (N = 0)");

 public:
  static const int width = W;
  static const int iwidth = I;

  constexpr Fixed() : raw_(0) {}
  template <int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
  TAILOR_NATIVE_INLINE Fixed(const Fixed<W2, I2, S2, Q2, O2, N2>& x) : raw_(0) {
    const int shift = (W2 - I2) - (W - I);
    // Rounding may carry into one more bit; a symmetric range lacks its lowest value.
    const int carry = shift > 0 && Q != AP_TRN && Q != AP_TRN_ZERO ? 1 : 0;
    const int symmetric = S && O == AP_SAT_SYM ? 1 : 0;
    const bool fits =
        (S || !S2) && I2 + carry + (S && !S2 ? 1 : 0) + symmetric <= I && (symmetric == 0 || W > 1);
    take<W2, S2>(Raw::get(x), shift, fits);
  }
  /// Integers as they are; real numbers exactly rounded, infinity as a large number, NaN as 0.
  template <class T, typename std::enable_if<std::is_integral<T>::value, int>::type = 0>
  TAILOR_NATIVE_INLINE Fixed(T x) : raw_(Fixed(Exact<T>::of(x)).raw_) {}
  template <int N2, bool S2>
  TAILOR_NATIVE_INLINE Fixed(const Integer<N2, S2>& x)
      : raw_(Fixed(Exact<Integer<N2, S2> >::of(x)).raw_) {}
  Fixed(float x) : raw_(Fixed(static_cast<double>(x)).raw_) {}
  Fixed(double x) : raw_(0) {
    int fraction = 0;
    const std::int64_t mantissa = scaled(x, &fraction);
    take<64, true>(mantissa, fraction - (W - I), false);
  }

  double to_double() const { return std::ldexp(static_cast<double>(raw()), I - W); }
  float to_float() const { return static_cast<float>(to_double()); }
  /// Towards zero; the low bits where the type is too small.
  std::int64_t to_int64() const {
    return Fixed<64, 64, true, AP_TRN_ZERO, AP_WRAP, 0>(*this).raw();
  }
  std::uint64_t to_uint64() const { return static_cast<std::uint64_t>(to_int64()); }
  int to_int() const { return static_cast<int>(to_int64()); }
  unsigned to_uint() const { return static_cast<unsigned>(to_int64()); }
  template <class T, typename std::enable_if<std::is_floating_point<T>::value, int>::type = 0>
  explicit operator T() const {
    return static_cast<T>(to_double());
  }
  template <class T, typename std::enable_if<std::is_integral<T>::value, int>::type = 0>
  explicit operator T() const {
    return std::is_same<T, bool>::value ? raw() != 0 : static_cast<T>(to_int64());
  }

  TAILOR_NATIVE_INLINE BitRange<Fixed> range(int hi, int lo) {
    return BitRange<Fixed>(this, hi, lo);
  }
  TAILOR_NATIVE_INLINE BitRange<const Fixed> range(int hi, int lo) const {
    return BitRange<const Fixed>(this, hi, lo);
  }
  TAILOR_NATIVE_INLINE BitRange<Fixed> range() { return range(W - 1, 0); }
  TAILOR_NATIVE_INLINE BitRange<const Fixed> range() const { return range(W - 1, 0); }
  TAILOR_NATIVE_INLINE BitRange<Fixed> operator()(int hi, int lo) { return range(hi, lo); }
  TAILOR_NATIVE_INLINE BitRange<const Fixed> operator()(int hi, int lo) const {
    return range(hi, lo);
  }
  TAILOR_NATIVE_INLINE BitRange<Fixed> operator[](int bit) { return range(bit, bit); }
  TAILOR_NATIVE_INLINE bool operator[](int bit) const { return range(bit, bit) != 0; }
  int length() const { return W; }

  template <int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
  TAILOR_NATIVE_INLINE Fixed& operator+=(const Fixed<W2, I2, S2, Q2, O2, N2>& b) {
    return add<false>(b, IsWrappedSum<W2 - I2>());
  }
  template <int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
  TAILOR_NATIVE_INLINE Fixed& operator-=(const Fixed<W2, I2, S2, Q2, O2, N2>& b) {
    return add<true>(b, IsWrappedSum<W2 - I2>());
  }
  template <int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
  TAILOR_NATIVE_INLINE Fixed& operator*=(const Fixed<W2, I2, S2, Q2, O2, N2>& b) {
    return *this = *this * b;
  }
  template <class T, typename std::enable_if<Exact<T>::is_exact, int>::type = 0>
  TAILOR_NATIVE_INLINE Fixed& operator+=(const T& b) {
    return *this += Exact<T>::of(b);
  }
  template <class T, typename std::enable_if<Exact<T>::is_exact, int>::type = 0>
  TAILOR_NATIVE_INLINE Fixed& operator-=(const T& b) {
    return *this -= Exact<T>::of(b);
  }
  template <class T, typename std::enable_if<Exact<T>::is_exact, int>::type = 0>
  TAILOR_NATIVE_INLINE Fixed& operator*=(const T& b) {
    return *this *= Exact<T>::of(b);
  }

 private:
  friend struct Raw;
  template <class Owner>
  friend class BitRange;
  template <int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
  friend class Fixed;

  typedef Word<W, S> Bits;
  typedef typename Bits::Store Store;
  typedef typename Bits::Type Work;
  typedef typename Bits::Unsigned Unsigned;

  /// Sums of a wrapping type are left as they come: whatever stands above the W bits of raw_ is cut
  /// off here.
  TAILOR_NATIVE_INLINE Work raw() const {
    if (O != AP_WRAP || W == Bits::store_bits) return raw_;
    const int above = Bits::bits - W;
    return static_cast<Work>(static_cast<Work>(static_cast<Unsigned>(raw_) << above) >> above);
  }

  /// A sum in a wrapping type, with nothing to round, is a sum of words.
  template <int FRACTION>
  using IsWrappedSum = std::integral_constant<bool, O == AP_WRAP && FRACTION <= W - I>;
  template <bool NEGATE, class F>
  TAILOR_NATIVE_INLINE Fixed& add(const F& b, std::true_type) {
    const int left = (W - I) - (F::width - F::iwidth);
    const Unsigned aligned = left < Bits::bits
                                 ? static_cast<Unsigned>(static_cast<Unsigned>(Raw::get(b)) << left)
                                 : Unsigned(0);
    const Unsigned before = static_cast<Unsigned>(raw_);
    raw_ = static_cast<Store>(NEGATE ? before - aligned : before + aligned);
    return *this;
  }
  template <bool NEGATE, class F>
  TAILOR_NATIVE_INLINE typename std::enable_if<!NEGATE, Fixed&>::type add(const F& b,
                                                                          std::false_type) {
    return *this = *this + b;
  }
  template <bool NEGATE, class F>
  TAILOR_NATIVE_INLINE typename std::enable_if<NEGATE, Fixed&>::type add(const F& b,
                                                                         std::false_type) {
    return *this = *this - b;
  }

  /// Becomes x * 2^-shift in units of the last place; x is a number of W2 bits. `fits`: no result
  /// is out of range.
  template <int W2, bool S2, class T>
  TAILOR_NATIVE_INLINE void take(T x, int shift, bool fits) {
    const int bits = Word<W2, S2>::bits > Bits::bits ? Word<W2, S2>::bits : Bits::bits;
    typedef typename BuiltInOf<bits, S2>::Type V;
    typedef typename BuiltInOf<bits, false>::Type U;
    const V value = shift > 0 ? rounded<Q, bits, S2>(static_cast<V>(x), shift) : static_cast<V>(x);
    const int left = shift < 0 ? -shift : 0;
    U result = left < bits ? static_cast<U>(static_cast<U>(value) << left) : U(0);
    if (!fits && O != AP_WRAP) {
      const U top =
          static_cast<U>(static_cast<U>(~U(0)) >> (bits - W)) >> (S ? 1 : 0);  // the highest value
      const bool negative = Sign<S2>::negative(value);
      const U magnitude =
          negative ? static_cast<U>(U(0) - static_cast<U>(value)) : static_cast<U>(value);
      const U limit = !negative ? top : !S ? U(0) : O == AP_SAT_SYM ? top : static_cast<U>(top + 1);
      if (magnitude > (left < bits ? static_cast<U>(limit >> left) : U(0))) {
        if (O == AP_SAT || O == AP_SAT_SYM || (O == AP_WRAP_SM && !S)) {
          result = negative ? static_cast<U>(U(0) - limit) : limit;
        } else if (O == AP_SAT_ZERO) {
          result = 0;
        } else {  // the lowest deleted bit, as it was before rounding, becomes the sign; where the
                  // kept sign differs, the other bits are inverted
          const int at = W - left + (shift > 0 ? shift : 0);
          const V unrounded = static_cast<V>(x);
          const bool deleted = at < 0      ? false
                               : at < bits ? ((unrounded >> at) & 1) != 0
                                           : Sign<S2>::negative(unrounded);
          if (deleted != (((result >> (W - 1)) & 1) != 0)) result = static_cast<U>(~result);
        }
      }
      if (O == AP_WRAP_SM) {
        const U above = static_cast<U>(result << (bits - W));
        typedef typename BuiltInOf<bits, S>::Type Kept;
        result = static_cast<U>(static_cast<Kept>(above) >> (bits - W));
      }
    }
    raw_ = static_cast<Store>(result);
  }

  TAILOR_NATIVE_INLINE std::uint64_t get_bits(int lo, int length_bits) const {
    return static_cast<std::uint64_t>(static_cast<Unsigned>(raw()) >> lo) & low_mask(length_bits);
  }
  TAILOR_NATIVE_INLINE void set_bits(int lo, int length_bits, std::uint64_t bits) {
    const Unsigned mask = static_cast<Unsigned>(static_cast<Unsigned>(low_mask(length_bits)) << lo);
    const Unsigned merged = (static_cast<Unsigned>(raw_) & ~mask) |
                            (static_cast<Unsigned>(static_cast<Unsigned>(bits) << lo) & mask);
    const int above = W == Bits::store_bits ? 0 : Bits::bits - W;
    raw_ = static_cast<Store>(static_cast<Work>(static_cast<Unsigned>(merged << above)) >> above);
  }

  Store raw_;
};

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
const int Fixed<W, I, S, Q, O, N>::width;
template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
const int Fixed<W, I, S, Q, O, N>::iwidth;

/// The types of sums, differences and products: wide enough for every result; a difference is
/// signed.
template <int W1, int I1, bool S1, int W2, int I2, bool S2>
struct FixedResult {
  static const int f1 = W1 - I1, f2 = W2 - I2;
  static const int fraction = f1 > f2 ? f1 : f2;
  static const int i1 = I1 + (S2 && !S1 ? 1 : 0), i2 = I2 + (S1 && !S2 ? 1 : 0);
  static const int integer = (i1 > i2 ? i1 : i2) + 1;
  typedef Fixed<integer + fraction, integer, (S1 || S2), AP_TRN, AP_WRAP, 0> Sum;
  typedef Fixed<integer + fraction, integer, true, AP_TRN, AP_WRAP, 0> Difference;
  typedef Fixed<W1 + W2, I1 + I2, (S1 || S2), AP_TRN, AP_WRAP, 0> Product;
};

#define TAILOR_NATIVE_TWO_FIXED                                                                   \
  template <int W1, int I1, bool S1, ap_q_mode Q1, ap_o_mode O1, int N1, int W2, int I2, bool S2, \
            ap_q_mode Q2, ap_o_mode O2, int N2>                                                   \
  TAILOR_NATIVE_INLINE
#define TAILOR_NATIVE_A const Fixed<W1, I1, S1, Q1, O1, N1>& a
#define TAILOR_NATIVE_B const Fixed<W2, I2, S2, Q2, O2, N2>& b
#define TAILOR_NATIVE_RESULT typename FixedResult<W1, I1, S1, W2, I2, S2>

/// The bits of x in units of a result's last place.
template <class Result, int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
TAILOR_NATIVE_INLINE typename Word<Result::width, false>::Type aligned(
    const Fixed<W, I, S, Q, O, N>& x) {
  typedef typename Word<Result::width, false>::Type U;
  return static_cast<U>(static_cast<U>(Raw::get(x))
                        << ((Result::width - Result::iwidth) - (W - I)));
}
TAILOR_NATIVE_TWO_FIXED TAILOR_NATIVE_RESULT::Sum operator+(TAILOR_NATIVE_A, TAILOR_NATIVE_B) {
  typedef TAILOR_NATIVE_RESULT::Sum R;
  return Raw::make<R>(aligned<R>(a) + aligned<R>(b));
}
TAILOR_NATIVE_TWO_FIXED TAILOR_NATIVE_RESULT::Difference operator-(TAILOR_NATIVE_A,
                                                                   TAILOR_NATIVE_B) {
  typedef TAILOR_NATIVE_RESULT::Difference R;
  return Raw::make<R>(aligned<R>(a) - aligned<R>(b));
}
TAILOR_NATIVE_TWO_FIXED TAILOR_NATIVE_RESULT::Product operator*(TAILOR_NATIVE_A, TAILOR_NATIVE_B) {
  typedef TAILOR_NATIVE_RESULT::Product R;
  typedef typename Word<R::width, (S1 || S2)>::Type T;
  return Raw::make<R>(static_cast<T>(Raw::get(a)) * static_cast<T>(Raw::get(b)));
}
template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
TAILOR_NATIVE_INLINE Fixed<W + 1, I + 1, true, AP_TRN, AP_WRAP, 0> operator-(
    const Fixed<W, I, S, Q, O, N>& a) {
  typedef Fixed<W + 1, I + 1, true, AP_TRN, AP_WRAP, 0> R;
  return Raw::make<R>(-static_cast<typename Word<W + 1, true>::Type>(Raw::get(a)));
}
template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
TAILOR_NATIVE_INLINE Fixed<W, I, S, Q, O, N> operator+(const Fixed<W, I, S, Q, O, N>& a) {
  return a;
}

/// Numbers of different fractions are compared through the floor of the finer one and what that
/// leaves, so no width is too much.
template <int BITS, bool S>
struct Floor {
  typedef typename BuiltInOf<BITS, S>::Type T;
  typedef typename BuiltInOf<BITS, false>::Type U;
  template <class Any>
  TAILOR_NATIVE_INLINE Floor(Any raw, int shift)
      : value(rounded<AP_TRN, BITS, S>(static_cast<T>(raw), shift)),
        rest(shift < BITS ? (static_cast<U>(raw) & ((U(1) << shift) - 1)) != 0 : raw != 0) {}
  T value;
  bool rest;
};
template <int BITS, bool SA, bool SB>
TAILOR_NATIVE_INLINE bool less_value(const Floor<BITS, SA>& a, const Floor<BITS, SB>& b) {
  typedef typename BuiltInOf<BITS, (SA && SB)>::Type T;
  if (SA != SB && Sign<SA>::negative(a.value)) return true;
  if (SA != SB && Sign<SB>::negative(b.value)) return false;
  return static_cast<T>(a.value) < static_cast<T>(b.value);
}
template <int BITS, bool SA, bool SB>
TAILOR_NATIVE_INLINE bool equal_value(const Floor<BITS, SA>& a, const Floor<BITS, SB>& b) {
  typedef typename BuiltInOf<BITS, false>::Type U;
  if (SA != SB && (Sign<SA>::negative(a.value) || Sign<SB>::negative(b.value))) return false;
  return static_cast<U>(a.value) == static_cast<U>(b.value);
}
TAILOR_NATIVE_TWO_FIXED bool operator<(TAILOR_NATIVE_A, TAILOR_NATIVE_B) {
  const int bits = Word<(W1 > W2 ? W1 : W2), true>::bits, finer = (W1 - I1) - (W2 - I2);
  const Floor<bits, S1> x(Raw::get(a), finer > 0 ? finer : 0);
  const Floor<bits, S2> y(Raw::get(b), finer < 0 ? -finer : 0);
  return less_value(x, y) || (y.rest && equal_value(x, y));
}
TAILOR_NATIVE_TWO_FIXED bool operator==(TAILOR_NATIVE_A, TAILOR_NATIVE_B) {
  const int bits = Word<(W1 > W2 ? W1 : W2), true>::bits, finer = (W1 - I1) - (W2 - I2);
  const Floor<bits, S1> x(Raw::get(a), finer > 0 ? finer : 0);
  const Floor<bits, S2> y(Raw::get(b), finer < 0 ? -finer : 0);
  return !x.rest && !y.rest && equal_value(x, y);
}
TAILOR_NATIVE_TWO_FIXED bool operator!=(TAILOR_NATIVE_A, TAILOR_NATIVE_B) { return !(a == b); }
TAILOR_NATIVE_TWO_FIXED bool operator>(TAILOR_NATIVE_A, TAILOR_NATIVE_B) { return b < a; }
TAILOR_NATIVE_TWO_FIXED bool operator<=(TAILOR_NATIVE_A, TAILOR_NATIVE_B) { return !(b < a); }
TAILOR_NATIVE_TWO_FIXED bool operator>=(TAILOR_NATIVE_A, TAILOR_NATIVE_B) { return !(a < b); }

#undef TAILOR_NATIVE_TWO_FIXED
#undef TAILOR_NATIVE_A
#undef TAILOR_NATIVE_B
#undef TAILOR_NATIVE_RESULT

#define TAILOR_NATIVE_MIXED(OP)                                                       \
  template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, class T,           \
            typename std::enable_if<Exact<T>::is_exact, int>::type = 0>               \
  TAILOR_NATIVE_INLINE auto operator OP(const Fixed<W, I, S, Q, O, N>& a, const T& b) \
      ->decltype(a OP Exact<T>::of(b)) {                                              \
    return a OP Exact<T>::of(b);                                                      \
  }                                                                                   \
  template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, class T,           \
            typename std::enable_if<Exact<T>::is_exact, int>::type = 0>               \
  TAILOR_NATIVE_INLINE auto operator OP(const T& a, const Fixed<W, I, S, Q, O, N>& b) \
      ->decltype(Exact<T>::of(a) OP b) {                                              \
    return Exact<T>::of(a) OP b;                                                      \
  }
#define TAILOR_NATIVE_COMPARE(OP)                                                     \
  TAILOR_NATIVE_MIXED(OP)                                                             \
  template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, class T,           \
            typename std::enable_if<std::is_floating_point<T>::value, int>::type = 0> \
  TAILOR_NATIVE_INLINE bool operator OP(const Fixed<W, I, S, Q, O, N>& a, T b) {      \
    return a.to_double() OP b;                                                        \
  }                                                                                   \
  template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, class T,           \
            typename std::enable_if<std::is_floating_point<T>::value, int>::type = 0> \
  TAILOR_NATIVE_INLINE bool operator OP(T a, const Fixed<W, I, S, Q, O, N>& b) {      \
    return a OP b.to_double();                                                        \
  }
TAILOR_NATIVE_MIXED(+)
TAILOR_NATIVE_MIXED(-)
TAILOR_NATIVE_MIXED(*)
TAILOR_NATIVE_COMPARE(==)
TAILOR_NATIVE_COMPARE(!=)
TAILOR_NATIVE_COMPARE(<)
TAILOR_NATIVE_COMPARE(>)
TAILOR_NATIVE_COMPARE(<=)
TAILOR_NATIVE_COMPARE(>=)
#undef TAILOR_NATIVE_COMPARE
#undef TAILOR_NATIVE_MIXED

}  // namespace tailor_native

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
using ap_fixed = tailor_native::Fixed<W, I, true, Q, O, N>;
template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
using ap_ufixed = tailor_native::Fixed<W, I, false, Q, O, N>;

#endif  // TAILOR_NATIVE_AP_FIXED_H_
