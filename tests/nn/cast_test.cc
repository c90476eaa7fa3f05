// Fake quantisation against the fixed-point types themselves: values in every mode, and gradients.
#include "nn/cast.h"
#include "support/rooms.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/expect_error.h"

namespace tailor::test::cast_test {
namespace {

std::vector<FixedType> castable_types() {
  std::vector<FixedType> types;
  for (const auto& [width, integer] : {std::pair(8, 3), {6, 2}, {5, 5}, {4, 1}, {2, 1}}) {
    for (size_t r = 0; r < enumerator_names<Rounding>().size(); ++r) {
      for (Overflow o : {Overflow::Sat, Overflow::SatZero, Overflow::SatSym, Overflow::Wrap}) {
        FixedType type{width, integer};
        type.rounding = static_cast<Rounding>(r), type.overflow = o;
        types.push_back(type);
      }
    }
  }
  return types;
}

/// Halves, what lies beside them, both ends and beyond.
std::vector<double> interesting_values(const FixedType& type) {
  std::vector<double> values;
  for (int64_t raw = 2 * type.min_raw() - 3; raw <= 2 * type.max_raw() + 3; ++raw) {
    for (double part : {0.0, 0.25, 0.5, 0.75})
      values.push_back((static_cast<double>(raw) + part) * type.step());
    const double half = (static_cast<double>(raw) + 0.5) * type.step();
    values.push_back(std::nextafter(half, -HUGE_VAL));
    values.push_back(std::nextafter(half, HUGE_VAL));
  }
  return values;
}

TEST(Cast, GivesWhatTheTypeGivesInEveryMode) {
  at::NoGradGuard no_grad;
  for (const FixedType& type : castable_types()) {
    const std::vector<double> values = interesting_values(type);
    const at::Tensor y = cast(at::tensor(values, at::kDouble), type);
    const auto* got = y.data_ptr<double>();
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(got[i], type.to_double(quantise(values[i], type)))
          << values[i] << " to " << to_string(type);
    }
  }
}

TEST(Cast, IsTheSameOnTheHostAndByOperations) {
  at::NoGradGuard no_grad;
  for (const FixedType& type : castable_types()) {
    if (type.rounding != Rounding::Rnd) continue;
    if (type.overflow != Overflow::Sat && type.overflow != Overflow::SatSym) continue;
    std::vector<float> values;
    for (double v : interesting_values(type)) {
      const double quarters = v * 4 / type.step();
      if (quarters == std::floor(quarters)) values.push_back(static_cast<float>(v));
    }
    const at::Tensor x = at::tensor(values, at::kFloat);
    for (bool relu : {false, true}) {
      at::Tensor host_mask, mask;
      const at::Tensor host = cast_on_host(x, type, relu, &host_mask),
                       device = cast_on_device(x, type, relu, &mask);
      EXPECT_TRUE(host.equal(device)) << to_string(type) << relu;
      EXPECT_TRUE(host_mask.equal(mask)) << to_string(type) << relu;
    }
  }
}

TEST(Cast, PassesTheGradientWhereNothingSaturates) {
  FixedType type{4, 2};  // -2 to 1.75 in quarters
  const std::vector<float> values = {-2.2F, -2.1F, -1, 0, 0.3F, 1.8F, 1.9F, 30};
  for (bool relu : {false, true}) {
    at::Tensor x = at::tensor(values, at::kFloat).set_requires_grad(true);
    cast(x, type, relu).sum().backward();
    const at::Tensor expected = at::tensor(relu ? std::vector<float>{0, 0, 0, 0, 1, 1, 0, 0}
                                                : std::vector<float>{0, 1, 1, 1, 1, 1, 0, 0},
                                           at::kFloat);
    EXPECT_TRUE(x.grad().equal(expected)) << relu;
  }
  type.overflow = Overflow::Wrap;
  at::Tensor x = at::tensor(values, at::kFloat).set_requires_grad(true);
  cast(x, type).sum().backward();
  EXPECT_TRUE(x.grad().eq(1).all().item<bool>());
}

/// TQT Eq. 8, value by value; by the loop of the host and by ATen's operations.
TEST(Cast, GivesItsRangeTheErrorsAndTheEnds) {
  for (bool is_signed : {true, false}) {
    for (bool relu : {false, true}) {
      const FixedType type{4, 2, is_signed};
      std::vector<float> values, weights;
      for (int i = 0; i < 3000; ++i) {
        values.push_back(static_cast<float>(std::sin(i * 0.7) * 5));
        weights.push_back(static_cast<float>(std::cos(i * 1.3)));
      }
      double ends = 0, errors = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        const double x = relu ? std::max(values[i], 0.0F) : values[i];
        const double y = type.to_double(quantise(x, type));
        const bool inside = std::abs(y - x) <= type.step() / 2 && !(relu && values[i] <= 0);
        (inside ? errors : ends) += std::log(2.0) * weights[i] * (inside ? y - x : y);
      }
      for (at::ScalarType kind : {at::kFloat, at::kDouble}) {
        at::Tensor x = at::tensor(values, kind).set_requires_grad(true),
                   plain = at::tensor(values, kind).set_requires_grad(true),
                   range = at::full({2}, 9.0F).set_requires_grad(true);
        const at::Tensor g = at::tensor(weights, kind);
        const at::Tensor y = cast(x, type, relu, range);
        y.backward(g);
        cast(plain, type, relu).backward(g);
        EXPECT_TRUE(y.detach().equal(cast(plain.detach(), type, relu)));
        EXPECT_TRUE(x.grad().equal(plain.grad())) << relu;
        EXPECT_NEAR(range.grad()[0].item<double>(), ends, 1e-4 * std::abs(ends));
        EXPECT_NEAR(range.grad()[1].item<double>(), errors, 1e-4 * std::abs(errors));
        EXPECT_NEAR(range.grad().sum().item<double>(), ends + errors,
                    1e-4 * std::abs(ends + errors));
      }
    }
  }
}

TEST(Cast, KeepsWhatIsNoNumber) {
  at::NoGradGuard no_grad;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor x = at::tensor({nan, 1.0F}, at::kFloat);
  for (bool relu : {false, true}) EXPECT_TRUE(std::isnan(cast(x, {8, 3}, relu)[0].item<float>()));
  FixedType unknown{8, 3};
  unknown.overflow = Overflow::WrapSm;
  testing::expect_error(ErrorKind::Unsupported, {"AP_WRAP_SM", "use sat or wrap"},
                        [&] { cast(x, unknown); });
}

}  // namespace
}  // namespace tailor::test::cast_test
