// SystemC's fixed-point types (IEEE 1666) as an independent oracle: exhaustively for cast_raw() and quantise(), whose types are run-time
// values, and for a selection of the ap_ types, which are not. Both stand in one translation unit: neither may claim the other's names.
#define SC_INCLUDE_FX
#include <systemc>

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "hls/native/ap_fixed.h"
#include "tailor/fixed/fixed_type.h"

// libsystemc's own main() asks for it; GoogleTest's main() is the one that runs.
int sc_main(int, char**) { return 0; }

namespace tailor {
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
  Oracle(const FixedType& type, sc_dt::sc_q_mode rounding, sc_dt::sc_o_mode overflow) : type_(type) {
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

void expect_same_casts(int width, int integer, bool is_signed) {
  for (auto [rounding, sc_rounding] : kRoundings) {
    for (auto [overflow, sc_overflow] : kOverflows) {
      FixedType to{width, integer, is_signed, rounding, overflow};
      Oracle oracle(to, sc_rounding, sc_overflow);
      for (int64_t raw = kSourceMin; raw <= kSourceMax; ++raw) {
        const double value = std::ldexp(static_cast<double>(raw), -kSourceFraction);
        bool overflowed = false, sc_overflowed = false;
        const int64_t got = cast_raw(raw, kSourceFraction, to, &overflowed);
        const int64_t want = oracle.cast(value, &sc_overflowed);
        if (got != want || overflowed != sc_overflowed)
          ADD_FAILURE() << value << " to " << to_string(to) << ": SystemC " << want << " (overflow " << sc_overflowed << "), cast_raw "
                        << got << " (overflow " << overflowed << ")";
        if (quantise(value, to) != want) ADD_FAILURE() << value << " to " << to_string(to) << ": SystemC " << want << ", quantise " << quantise(value, to);
      }
    }
  }
}

TEST(SystemCOracle, CastsToSignedTypesInEveryMode) {
  for (int width = 1; width <= 6; ++width) {
    for (int integer : {-2, 0, 1, 3, 5, 6, 8}) expect_same_casts(width, integer, /*is_signed=*/true);
  }
}

TEST(SystemCOracle, CastsToUnsignedTypesInEveryMode) {
  for (int width = 1; width <= 6; ++width) {
    for (int integer : {-2, 0, 1, 3, 5, 6, 8}) expect_same_casts(width, integer, /*is_signed=*/false);
  }
}

}  // namespace
}  // namespace tailor
