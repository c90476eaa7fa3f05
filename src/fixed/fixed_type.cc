#include "tailor/fixed/fixed_type.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tailor/core/strings.h"

namespace tailor::fixed {
namespace {

std::string vendor(const char* name) {
  std::string text = "AP_";
  for (; *name; ++name) text += *name == '_' ? '_' : static_cast<char>(*name - 'a' + 'A');
  return text;
}

/// The enumerator of "AP_RND" or "rnd".
template <class E>
std::optional<E> parse_mode(std::string_view text) {
  for (size_t i = 0; i < enumerator_names<E>().size(); ++i) {
    if (text == enumerator_names<E>()[i] || text == vendor(enumerator_names<E>()[i]))
      return static_cast<E>(i);
  }
  return std::nullopt;
}

int ceil_log2(int64_t n) {
  int bits = 0;
  while ((int64_t{1} << bits) < n) ++bits;
  return bits;
}

/// 2^n for the fractions that types have; to multiply by it is what ldexp does, and faster.
double power_of_two(int n) {
  const uint64_t bits = static_cast<uint64_t>(1023 + n) << 52;
  double power = 0;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

}  // namespace

std::string vendor_name(Rounding r) { return vendor(to_string(r)); }
std::string vendor_name(Overflow o) { return vendor(to_string(o)); }

double FixedType::step() const { return std::ldexp(1.0, -fraction()); }

std::string to_string(const FixedType& type) {
  return fmt::format("{}<{},{},{},{}>", type.is_signed ? "ap_fixed" : "ap_ufixed", type.width,
                     type.integer, vendor_name(type.rounding), vendor_name(type.overflow));
}

FixedType parse_fixed_type(std::string_view text) {
  auto bad = [&]() {
    fail(ErrorKind::Data,
         "fixed-point type: expected ap_fixed<W,I[,Q[,O]]> with W 1..63 (unsigned 1..62) and I "
         "-64..64, got '{}'",
         text);
  };
  FixedType type;
  type.rounding = Rounding::Trn;
  type.overflow = Overflow::Wrap;
  size_t open = text.find('<');
  if (open == std::string_view::npos || text.back() != '>') bad();
  std::string_view name = text.substr(0, open);
  if (name == "ap_ufixed") {
    type.is_signed = false;
  } else if (name != "ap_fixed") {
    bad();
  }
  auto parts = split(text.substr(open + 1, text.size() - open - 2), ',');
  if (parts.size() < 2 || parts.size() > 4) bad();
  auto width = parse_int(trim(parts[0])), integer = parse_int(trim(parts[1]));
  if (!width || *width < 1 || *width > (type.is_signed ? 63 : 62) || !integer || *integer < -64 ||
      *integer > 64)
    bad();
  type.width = static_cast<int>(*width);
  type.integer = static_cast<int>(*integer);
  if (parts.size() > 2) {
    auto rounding = parse_mode<Rounding>(trim(parts[2]));
    if (!rounding) bad();
    type.rounding = *rounding;
  }
  if (parts.size() > 3) {
    auto overflow = parse_mode<Overflow>(trim(parts[3]));
    if (!overflow) bad();
    type.overflow = *overflow;
  }
  return type;
}

FixedType parse_precision(std::string_view text, std::string_view where, bool may_lack_sign) {
  const std::string_view whole = trim(text);
  const bool is_signed = !may_lack_sign || whole.empty() || whole[0] != 'u';
  auto parts = split(is_signed ? whole : whole.substr(1), ',');
  auto width = parts.size() == 2 ? parse_int(trim(parts[0])) : std::nullopt;
  auto integer = parts.size() == 2 ? parse_int(trim(parts[1])) : std::nullopt;
  if (!width || !integer || *width < 2 || *width > 32 || *integer < -32 || *integer > *width) {
    fail(ErrorKind::Usage,
         "{}: expected W,I with 2 <= W <= 32 bits in all and -32 <= I <= W before the point (as in "
         "16,6{}), got '{}'",
         where, may_lack_sign ? "; u8,2 without a sign" : "", text);
  }
  FixedType type;
  type.is_signed = is_signed;
  type.width = static_cast<int>(*width);
  type.integer = static_cast<int>(*integer);
  return type;
}

std::string precision_text(const FixedType& type) {
  return fmt::format("{}{},{}", type.is_signed ? "" : "u", type.width, type.integer);
}

int64_t quantise(double value, const FixedType& to, bool* overflowed) {
  if (!std::isfinite(value))
    fail(ErrorKind::Data, "cannot quantise {} to {}: not a finite number", value, to_string(to));
  const double scaled = value * power_of_two(to.fraction());
  const double floor = std::floor(scaled);
  double q = floor;
  double rest = scaled - q;  // exact: both have the same exponent or q is smaller
  using fixed_detail::Remainder;
  Remainder remainder = rest == 0     ? Remainder::Zero
                        : rest < 0.5  ? Remainder::BelowHalf
                        : rest == 0.5 ? Remainder::Half
                                      : Remainder::AboveHalf;
  // Whether q is odd matters to a half only, which a double of 2^53 or more has not.
  const bool odd = remainder == Remainder::Half && static_cast<int64_t>(q) % 2 != 0;
  if (fixed_detail::rounds_up(to.rounding, remainder, value < 0, odd)) q += 1;
  if (std::abs(q) < 0x1p62) {
    return fixed_detail::fit(static_cast<int64_t>(q), static_cast<int64_t>(floor), to, overflowed);
  }
  // Beyond 2^120 only the low bits (all zero in a double) would matter to a wrap; saturation sees
  // the sign.
  if (std::abs(q) >= 0x1p120) {
    if (to.overflow == Overflow::Wrap || (to.overflow == Overflow::WrapSm && to.is_signed)) {
      if (overflowed) *overflowed = true;
      return 0;
    }
    q = q < 0 ? -0x1p120 : 0x1p120;
  }
  const auto whole = static_cast<Int128>(q);  // nothing to round at 2^62 and beyond
  return fixed_detail::fit(whole, whole, to, overflowed);
}

FixedType accumulator_type(const FixedType& a, const FixedType& b, int64_t count) {
  FixedType type = a;
  int fraction = a.fraction() + b.fraction();
  type.width = a.width + b.width + ceil_log2(std::max<int64_t>(count, 1));
  type.integer = type.width - fraction;
  type.is_signed = true;
  return type;
}

double into_range(double value, const FixedType& type) {
  if (value >= type.min_value() && value <= type.max_value()) return value;
  bool overflowed = false;
  const int64_t raw = quantise(value, type, &overflowed);
  return overflowed ? type.to_double(raw) : value;
}

}  // namespace tailor::fixed
