// Part of tailor. You may use, copy and change this file without condition.
// ap_int<N> and ap_uint<N> for a host compiler, any N; arithmetic for N <= 64, which wraps there.
// Bits above N repeat the sign (ap_int) or are 0 (ap_uint). A range outside the word is fatal.
#ifndef TAILOR_NATIVE_AP_INT_H_
#define TAILOR_NATIVE_AP_INT_H_

#define TAILOR_NATIVE_HLS_TYPES 1

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#define TAILOR_NATIVE_INLINE inline __attribute__((always_inline))

namespace tailor_native {

template <int N, bool S>
class Integer;

__attribute__((noinline, cold, noreturn)) inline void bad_range(int hi, int lo, int width) {
  std::fprintf(stderr, "range(%d, %d) of %d bits: expected %d > high >= low >= 0\n", hi, lo, width,
               width);
  std::abort();
}

__attribute__((noinline, cold, noreturn)) inline void too_wide(int width) {
  std::fprintf(stderr,
               "a range of %d bits does not fit a built-in integer; assign it to an ap_uint\n",
               width);
  std::abort();
}

/// The lowest `bits` bits set; bits is 0 … 64.
TAILOR_NATIVE_INLINE std::uint64_t low_mask(int bits) {
  return bits >= 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << bits) - 1;
}

/// The lowest `bits` bits (1 … 64) as a two's complement or an unsigned number.
TAILOR_NATIVE_INLINE std::uint64_t extend(std::uint64_t value, int bits, bool is_signed) {
  if (bits >= 64) return value;
  if (!is_signed) return value & low_mask(bits);
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << (64 - bits)) >> (64 - bits));
}

/// Bits [lo, hi] of an integer or of a fixed-point number's raw bits. An assignment takes the low
/// bits of its right side, which it extends where it is shorter.
template <class Owner>
class BitRange {
 public:
  TAILOR_NATIVE_INLINE BitRange(Owner* owner, int hi, int lo) : owner_(owner), hi_(hi), lo_(lo) {
    if (lo < 0 || hi < lo || hi >= Owner::width) bad_range(hi, lo, Owner::width);
  }
  BitRange(const BitRange&) = default;

  int length() const { return hi_ - lo_ + 1; }
  TAILOR_NATIVE_INLINE operator unsigned long long() const {
    if (length() > 64) too_wide(length());
    return owner_->get_bits(lo_, length());
  }
  std::uint64_t to_uint64() const { return static_cast<unsigned long long>(*this); }
  std::int64_t to_int64() const { return static_cast<std::int64_t>(to_uint64()); }
  unsigned to_uint() const { return static_cast<unsigned>(to_uint64()); }
  int to_int() const { return static_cast<int>(to_uint64()); }

  TAILOR_NATIVE_INLINE BitRange& operator=(const BitRange& value) { return assign_range(value); }
  template <class Other>
  TAILOR_NATIVE_INLINE BitRange& operator=(const BitRange<Other>& value) {
    return assign_range(value);
  }
  template <int N, bool S>
  TAILOR_NATIVE_INLINE BitRange& operator=(const Integer<N, S>& value) {
    return assign(value);
  }
  template <class T>
  TAILOR_NATIVE_INLINE typename std::enable_if<std::is_integral<T>::value, BitRange&>::type
  operator=(T value) {
    return assign(Integer<8 * sizeof(T), std::is_signed<T>::value>(value));
  }

  /// Bits [64 i, 64 i + 63] of the value, zeros above its end.
  TAILOR_NATIVE_INLINE std::uint64_t chunk(int i) const {
    const int left = length() - 64 * i;
    return left <= 0 ? 0 : owner_->get_bits(lo_ + 64 * i, left < 64 ? left : 64);
  }

 private:
  template <class Other>
  friend class BitRange;

  template <class Value>
  TAILOR_NATIVE_INLINE BitRange& assign(const Value& value) {
    if (length() <= 64) {
      owner_->set_bits(lo_, length(), value.chunk(0));
    } else {
      for (int i = 0, left = length(); left > 0; ++i, left -= 64)
        owner_->set_bits(lo_ + 64 * i, left < 64 ? left : 64, value.chunk(i));
    }
    return *this;
  }
  template <class Other>
  TAILOR_NATIVE_INLINE BitRange& assign_range(const BitRange<Other>& value) {
    if (length() <= 64 ||
        static_cast<const void*>(owner_) != static_cast<const void*>(value.owner_))
      return assign(value);
    const Other copy(*value.owner_);  // the two may overlap
    return assign(BitRange<const Other>(&copy, value.hi_, value.lo_));
  }

  Owner* owner_;
  int hi_, lo_;
};

/// One word. Its only conversion is to the widest built-in integer of its sign, so that it can
/// index, switch and be printed.
template <int N, bool S, bool SMALL>
class IntegerBits {
 public:
  typedef typename std::conditional<S, long long, unsigned long long>::type Value;
  constexpr IntegerBits() : value_(0) {}
  TAILOR_NATIVE_INLINE operator Value() const { return value_; }

  TAILOR_NATIVE_INLINE std::uint64_t get_bits(int lo, int length) const {
    return (static_cast<std::uint64_t>(value_) >> lo) & low_mask(length);
  }
  TAILOR_NATIVE_INLINE void set_bits(int lo, int length, std::uint64_t bits) {
    const std::uint64_t mask = low_mask(length) << lo;
    set((static_cast<std::uint64_t>(value_) & ~mask) | ((bits << lo) & mask));
  }
  TAILOR_NATIVE_INLINE std::uint64_t chunk(int i) const {
    return i == 0                                    ? static_cast<std::uint64_t>(value_)
           : S && static_cast<long long>(value_) < 0 ? ~std::uint64_t(0)
                                                     : 0;
  }

 protected:
  template <class Other>
  TAILOR_NATIVE_INLINE void take(const Other& other) {
    set(other.chunk(0));
  }
  TAILOR_NATIVE_INLINE void take_number(std::uint64_t bits, bool) { set(bits); }

 private:
  TAILOR_NATIVE_INLINE void set(std::uint64_t bits) {
    value_ = static_cast<Value>(extend(bits, N, S));
  }
  Value value_;
};

/// Several words, the lowest first.
template <int N, bool S>
class IntegerBits<N, S, false> {
 public:
  constexpr IntegerBits() : words_() {}

  TAILOR_NATIVE_INLINE std::uint64_t get_bits(int lo, int length) const {
    const int word = lo / 64, offset = lo % 64;
    std::uint64_t bits = words_[word] >> offset;
    if (offset + length > 64) bits |= words_[word + 1] << (64 - offset);
    return bits & low_mask(length);
  }
  TAILOR_NATIVE_INLINE void set_bits(int lo, int length, std::uint64_t bits) {
    const int word = lo / 64, offset = lo % 64;
    const std::uint64_t mask = low_mask(length);
    bits &= mask;
    words_[word] = (words_[word] & ~(mask << offset)) | (bits << offset);
    if (offset + length > 64)
      words_[word + 1] = (words_[word + 1] & ~(mask >> (64 - offset))) | (bits >> (64 - offset));
    if (S) extend_top();
  }
  TAILOR_NATIVE_INLINE std::uint64_t chunk(int i) const {
    return i < kWords ? words_[i] : S && (words_[kWords - 1] >> 63) != 0 ? ~std::uint64_t(0) : 0;
  }

 protected:
  template <class Other>
  TAILOR_NATIVE_INLINE void take(const Other& other) {
    for (int i = 0; i < kWords; ++i) words_[i] = other.chunk(i);
    extend_top();
  }
  TAILOR_NATIVE_INLINE void take_number(std::uint64_t bits, bool negative) {
    words_[0] = bits;
    for (int i = 1; i < kWords; ++i) words_[i] = negative ? ~std::uint64_t(0) : 0;
    extend_top();
  }

 private:
  static const int kWords = (N + 63) / 64;
  TAILOR_NATIVE_INLINE void extend_top() {
    words_[kWords - 1] = extend(words_[kWords - 1], N - 64 * (kWords - 1), S);
  }
  std::uint64_t words_[kWords];
};

template <int N, bool S>
class Integer : public IntegerBits<N, S, (N <= 64)> {
 public:
  static_assert(N >= 1, "an integer has at least one bit");
  static const int width = N;

  constexpr Integer() : IntegerBits<N, S, (N <= 64)>() {}
  /// The low N bits of a number; a floating-point number is truncated first.
  template <class T,
            typename std::enable_if<std::is_arithmetic<T>::value && sizeof(T) <= 8, int>::type = 0>
  TAILOR_NATIVE_INLINE Integer(T value) {
    this->take_number(std::is_unsigned<T>::value
                          ? static_cast<std::uint64_t>(value)
                          : static_cast<std::uint64_t>(static_cast<std::int64_t>(value)),
                      std::is_signed<T>::value && static_cast<std::int64_t>(value) < 0);
  }
  template <int N2, bool S2>
  TAILOR_NATIVE_INLINE Integer(const Integer<N2, S2>& value) {
    this->take(value);
  }
  template <class Owner>
  TAILOR_NATIVE_INLINE Integer(const BitRange<Owner>& value) {
    this->take(value);
  }

  int length() const { return N; }
  TAILOR_NATIVE_INLINE std::uint64_t to_uint64() const { return this->chunk(0); }
  TAILOR_NATIVE_INLINE std::int64_t to_int64() const {
    return static_cast<std::int64_t>(this->chunk(0));
  }
  unsigned to_uint() const { return static_cast<unsigned>(to_uint64()); }
  int to_int() const { return static_cast<int>(to_uint64()); }

  TAILOR_NATIVE_INLINE BitRange<Integer> range(int hi, int lo) {
    return BitRange<Integer>(this, hi, lo);
  }
  TAILOR_NATIVE_INLINE BitRange<const Integer> range(int hi, int lo) const {
    return BitRange<const Integer>(this, hi, lo);
  }
  TAILOR_NATIVE_INLINE BitRange<Integer> range() { return range(N - 1, 0); }
  TAILOR_NATIVE_INLINE BitRange<const Integer> range() const { return range(N - 1, 0); }
  TAILOR_NATIVE_INLINE BitRange<Integer> operator()(int hi, int lo) { return range(hi, lo); }
  TAILOR_NATIVE_INLINE BitRange<const Integer> operator()(int hi, int lo) const {
    return range(hi, lo);
  }
  TAILOR_NATIVE_INLINE BitRange<Integer> operator[](int bit) { return range(bit, bit); }
  TAILOR_NATIVE_INLINE bool operator[](int bit) const { return range(bit, bit) != 0; }

  template <class T>
  TAILOR_NATIVE_INLINE Integer& operator+=(const T& b) {
    return *this = *this + b;
  }
  template <class T>
  TAILOR_NATIVE_INLINE Integer& operator-=(const T& b) {
    return *this = *this - b;
  }
  template <class T>
  TAILOR_NATIVE_INLINE Integer& operator*=(const T& b) {
    return *this = *this * b;
  }
  template <class T>
  TAILOR_NATIVE_INLINE Integer& operator&=(const T& b) {
    return *this = *this & b;
  }
  template <class T>
  TAILOR_NATIVE_INLINE Integer& operator|=(const T& b) {
    return *this = *this | b;
  }
  template <class T>
  TAILOR_NATIVE_INLINE Integer& operator^=(const T& b) {
    return *this = *this ^ b;
  }
  TAILOR_NATIVE_INLINE Integer& operator<<=(int n) { return *this = *this << n; }
  TAILOR_NATIVE_INLINE Integer& operator>>=(int n) { return *this = *this >> n; }
  TAILOR_NATIVE_INLINE Integer& operator++() { return *this = *this + 1; }
  TAILOR_NATIVE_INLINE Integer& operator--() { return *this = *this - 1; }
  TAILOR_NATIVE_INLINE Integer operator++(int) {
    const Integer before = *this;
    ++*this;
    return before;
  }
  TAILOR_NATIVE_INLINE Integer operator--(int) {
    const Integer before = *this;
    --*this;
    return before;
  }
};

template <int N, bool S>
const int Integer<N, S>::width;

/// The types of a + b, a * b and a & b: wide enough for every result, but for the bound of 64 bits.
/// A difference is signed.
template <int N1, bool S1, int N2, bool S2>
struct IntegerResult {
  static_assert(N1 <= 64 && N2 <= 64, "arithmetic on integers is for 64 bits at most; use range()");
  static const bool is_signed = S1 || S2;
  static const int a_bits = N1 + (S2 && !S1 ? 1 : 0), b_bits = N2 + (S1 && !S2 ? 1 : 0);
  static const int bits = a_bits > b_bits ? a_bits : b_bits;
  typedef Integer<(bits < 64 ? bits : 64), is_signed> Logic;
  typedef Integer<(bits < 63 ? bits + 1 : 64), is_signed> Sum;
  typedef Integer<(bits < 63 ? bits + 1 : 64), true> Difference;
  typedef Integer<(N1 + N2 < 64 ? N1 + N2 : 64), is_signed> Product;
};

template <int N1, bool S1, int N2, bool S2>
TAILOR_NATIVE_INLINE bool operator==(const Integer<N1, S1>& a, const Integer<N2, S2>& b) {
  const int chunks = ((N1 > N2 ? N1 : N2) + 63) / 64;
  for (int i = 0; i < chunks; ++i) {
    if (a.chunk(i) != b.chunk(i)) return false;
  }
  return a.chunk(chunks) == b.chunk(chunks);  // the signs
}
template <int N1, bool S1, int N2, bool S2>
TAILOR_NATIVE_INLINE bool operator<(const Integer<N1, S1>& a, const Integer<N2, S2>& b) {
  static_assert(N1 <= 64 && N2 <= 64, "order is for 64 bits at most");
  const bool a_negative = a.chunk(1) != 0, b_negative = b.chunk(1) != 0;
  return a_negative != b_negative ? a_negative : a.to_uint64() < b.to_uint64();
}
template <int N1, bool S1, int N2, bool S2>
TAILOR_NATIVE_INLINE bool operator!=(const Integer<N1, S1>& a, const Integer<N2, S2>& b) {
  return !(a == b);
}
template <int N1, bool S1, int N2, bool S2>
TAILOR_NATIVE_INLINE bool operator>(const Integer<N1, S1>& a, const Integer<N2, S2>& b) {
  return b < a;
}
template <int N1, bool S1, int N2, bool S2>
TAILOR_NATIVE_INLINE bool operator<=(const Integer<N1, S1>& a, const Integer<N2, S2>& b) {
  return !(b < a);
}
template <int N1, bool S1, int N2, bool S2>
TAILOR_NATIVE_INLINE bool operator>=(const Integer<N1, S1>& a, const Integer<N2, S2>& b) {
  return !(a < b);
}

#define TAILOR_NATIVE_BINARY(OP, RESULT)                                                   \
  template <int N1, bool S1, int N2, bool S2>                                              \
  TAILOR_NATIVE_INLINE typename IntegerResult<N1, S1, N2, S2>::RESULT operator OP(         \
      const Integer<N1, S1>& a, const Integer<N2, S2>& b) {                                \
    return typename IntegerResult<N1, S1, N2, S2>::RESULT(a.to_uint64() OP b.to_uint64()); \
  }
TAILOR_NATIVE_BINARY(+, Sum)
TAILOR_NATIVE_BINARY(-, Difference)
TAILOR_NATIVE_BINARY(*, Product)
TAILOR_NATIVE_BINARY(&, Logic)
TAILOR_NATIVE_BINARY(|, Logic)
TAILOR_NATIVE_BINARY(^, Logic)
#undef TAILOR_NATIVE_BINARY

template <int N, bool S>
TAILOR_NATIVE_INLINE Integer<(S || N >= 64 ? N : N + 1), true> operator~(const Integer<N, S>& a) {
  static_assert(N <= 64, "~ is for 64 bits at most");
  return Integer<(S || N >= 64 ? N : N + 1), true>(~a.to_uint64());
}
template <int N, bool S>
TAILOR_NATIVE_INLINE Integer<(N < 64 ? N + 1 : 64), true> operator-(const Integer<N, S>& a) {
  static_assert(N <= 64, "- is for 64 bits at most");
  return Integer<(N < 64 ? N + 1 : 64), true>(std::uint64_t(0) - a.to_uint64());
}
/// Shifts keep the type, and so lose bits; a negative distance shifts the other way.
template <int N, bool S>
TAILOR_NATIVE_INLINE Integer<N, S> shifted(const Integer<N, S>& a, std::int64_t left) {
  static_assert(N <= 64, "shifts are for 64 bits at most");
  const std::uint64_t bits = a.chunk(0), sign = a.chunk(1);
  if (left >= 0) return Integer<N, S>(left > 63 ? std::uint64_t(0) : bits << left);
  if (left < -63) return Integer<N, S>(sign);
  return Integer<N, S>((bits >> -left) | (sign << (64 + left)));
}
template <int N, bool S, class T,
          typename std::enable_if<std::is_integral<T>::value, int>::type = 0>
TAILOR_NATIVE_INLINE Integer<N, S> operator<<(const Integer<N, S>& a, T n) {
  return shifted(a, static_cast<std::int64_t>(n));
}
template <int N, bool S, class T,
          typename std::enable_if<std::is_integral<T>::value, int>::type = 0>
TAILOR_NATIVE_INLINE Integer<N, S> operator>>(const Integer<N, S>& a, T n) {
  return shifted(a, -static_cast<std::int64_t>(n));
}
template <int N, bool S, int N2, bool S2>
TAILOR_NATIVE_INLINE Integer<N, S> operator<<(const Integer<N, S>& a, const Integer<N2, S2>& n) {
  return shifted(a, n.to_int64());
}
template <int N, bool S, int N2, bool S2>
TAILOR_NATIVE_INLINE Integer<N, S> operator>>(const Integer<N, S>& a, const Integer<N2, S2>& n) {
  return shifted(a, -n.to_int64());
}

/// A built-in integer takes part as the ap_int or ap_uint of its size.
template <class T>
struct BuiltIn {
  typedef Integer<(std::is_same<T, bool>::value ? 1 : 8 * static_cast<int>(sizeof(T))),
                  std::is_signed<T>::value>
      Type;
};
#define TAILOR_NATIVE_MIXED(OP)                                                 \
  template <int N, bool S, class T,                                             \
            typename std::enable_if<std::is_integral<T>::value, int>::type = 0> \
  TAILOR_NATIVE_INLINE auto operator OP(const Integer<N, S>& a, T b)            \
      ->decltype(a OP typename BuiltIn<T>::Type(b)) {                           \
    return a OP typename BuiltIn<T>::Type(b);                                   \
  }                                                                             \
  template <int N, bool S, class T,                                             \
            typename std::enable_if<std::is_integral<T>::value, int>::type = 0> \
  TAILOR_NATIVE_INLINE auto operator OP(T a, const Integer<N, S>& b)            \
      ->decltype(typename BuiltIn<T>::Type(a) OP b) {                           \
    return typename BuiltIn<T>::Type(a) OP b;                                   \
  }
TAILOR_NATIVE_MIXED(+)
TAILOR_NATIVE_MIXED(-)
TAILOR_NATIVE_MIXED(*)
TAILOR_NATIVE_MIXED(&)
TAILOR_NATIVE_MIXED(|)
TAILOR_NATIVE_MIXED(^)
TAILOR_NATIVE_MIXED(==)
TAILOR_NATIVE_MIXED(!=)
TAILOR_NATIVE_MIXED(<)
TAILOR_NATIVE_MIXED(>)
TAILOR_NATIVE_MIXED(<=)
TAILOR_NATIVE_MIXED(>=)
#undef TAILOR_NATIVE_MIXED

}  // namespace tailor_native

template <int N>
using ap_int = tailor_native::Integer<N, true>;
template <int N>
using ap_uint = tailor_native::Integer<N, false>;

#endif  // TAILOR_NATIVE_AP_INT_H_
