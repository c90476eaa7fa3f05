#include "nn/cast.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tailor/nn/workers.h"

namespace tailor::nn {
namespace {

/// Elements of a piece that a thread takes.
constexpr int64_t kPiece = 1 << 16;

/// Where a real number, its floor taken away, is rounded up (fixed_type.h, rounds_up).
at::Tensor rounds_up(Rounding mode, const at::Tensor& scaled, const at::Tensor& floor) {
  const at::Tensor rest = scaled.sub(floor);
  switch (mode) {
    case Rounding::Trn:
      return rest.lt(0);
    case Rounding::TrnZero:
      return rest.gt(0).logical_and(scaled.lt(0));
    case Rounding::Rnd:
      return rest.ge(0.5);
    case Rounding::RndZero:
      return rest.gt(0.5).logical_or(rest.eq(0.5).logical_and(scaled.lt(0)));
    case Rounding::RndInf:
      return rest.gt(0.5).logical_or(rest.eq(0.5).logical_and(scaled.ge(0)));
    case Rounding::RndMinInf:
      return rest.gt(0.5);
    case Rounding::RndConv:
      return rest.gt(0.5).logical_or(rest.eq(0.5).logical_and(at::remainder(floor, 2).ne(0)));
  }
  fail(ErrorKind::Internal, "rounding mode {}", static_cast<int>(mode));
}

/// Brings whole numbers into the type's range.
at::Tensor fit(const at::Tensor& whole, const at::Tensor& inside, const FixedType& type) {
  const auto low = static_cast<double>(type.min_raw()), high = static_cast<double>(type.max_raw());
  switch (type.overflow) {
    case Overflow::Sat:
    case Overflow::SatSym:
      return at::clamp(whole, low, high);
    case Overflow::SatZero:
      return at::where(inside, whole, at::mul(whole, 0));
    case Overflow::Wrap:
      return at::remainder(whole.sub(low), std::ldexp(1.0, type.width)).add(low);
    case Overflow::WrapSm:
      break;
  }
  fail(ErrorKind::Unsupported, "{}: a network is not trained with AP_WRAP_SM; use sat or wrap",
       to_string(type));
}

bool saturates(const FixedType& type) { return type.overflow != Overflow::Wrap; }

bool is_for_host(const at::Tensor& x, const FixedType& type) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.is_non_overlapping_and_dense() &&
         type.rounding == Rounding::Rnd &&
         (type.overflow == Overflow::Sat || type.overflow == Overflow::SatSym);
}

struct CastLimits {
  float scale, step, low, high, least;  // least: what a ReLU lets through at least
};

/// y and mask of n values: floor(v · scale + 1/2), in range, times step.
#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
void cast_values(const float* x, const CastLimits& l, float* y, unsigned char* mask, int64_t n) {
  const float scale = l.scale, step = l.step, low = l.low, high = l.high, least = l.least;
  for (int64_t i = 0; i < n; ++i) {
    const float v = x[i] < least ? least : x[i];  // NaN stays
    const float q = std::floor(v * scale + 0.5F);
    const float capped = q > high ? high : q;
    y[i] = (capped < low ? low : capped) * step;
  }
  if (!mask) return;
  for (int64_t i = 0; i < n; ++i) {
    const float v = x[i], q = std::floor(v * scale + 0.5F);
    mask[i] = static_cast<unsigned char>((v > least) & (q >= low) & (q <= high));
  }
}

at::Tensor cast_values_of(const at::Tensor& x, const FixedType& type, bool relu, at::Tensor* mask) {
  return (is_for_host(x, type) ? cast_on_host : cast_on_device)(x, type, relu, mask);
}

/// What a range gets of its values' gradients: from those beyond its end, and from rounding errors.
struct RangeSums {
  double ends = 0, errors = 0;
};

/// Gradients of n values of a cast: to x, and the sums that the range gets. Lanes of their own, so
/// that the order of the sums does not depend on vectors.
#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
RangeSums
cast_gradients(const float* g, const float* x, const float* y, const unsigned char* mask,
               float* to_x, int64_t n) {
  constexpr int64_t kLanes = 16, kRun = 1024;  // a run's sums stay small enough for float
  RangeSums total;
  for (int64_t first = 0; first < n; first += kRun) {
    const int64_t last = std::min(n, first + kRun),
                  whole = first + (last - first) / kLanes * kLanes;
    float ends[kLanes] = {}, errors[kLanes] = {};
    for (int64_t i = first; i < whole; i += kLanes) {
      for (int64_t k = 0; k < kLanes; ++k) {
        const float passes = mask[i + k];
        to_x[i + k] = g[i + k] * passes;
        ends[k] += g[i + k] * y[i + k] * (1 - passes);
        errors[k] += g[i + k] * (y[i + k] - x[i + k]) * passes;
      }
    }
    for (int64_t i = whole; i < last; ++i) {
      const float passes = mask[i];
      to_x[i] = g[i] * passes;
      ends[i - whole] += g[i] * y[i] * (1 - passes);
      errors[i - whole] += g[i] * (y[i] - x[i]) * passes;
    }
    for (float lane : ends) total.ends += lane;
    for (float lane : errors) total.errors += lane;
  }
  return total;
}

bool alike(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.strides() == b.strides() && a.sizes() == b.sizes();
}

/// Gradients to x and to the range; NaN times 0 stays NaN in both ways.
std::pair<at::Tensor, at::Tensor> range_gradients(const at::Tensor& g, const at::Tensor& x,
                                                  const at::Tensor& y, const at::Tensor& mask) {
  constexpr double kLn2 = 0.693147180559945309417;
  if (!x.is_cpu() || x.scalar_type() != at::kFloat || !x.is_non_overlapping_and_dense() ||
      !alike(g, x) || !alike(y, x) || mask.strides() != x.strides()) {
    const at::Tensor inside = at::mul(g, mask);
    const at::Tensor ends = at::sum(at::mul(g.sub(inside), y), at::kDouble),
                     errors = at::sum(at::mul(inside, y.sub(x)), at::kDouble);
    return {inside, at::stack({ends, errors}).mul(kLn2).to(at::kFloat)};
  }
  at::Tensor to_x = at::empty_like(x);
  const int64_t n = x.numel(), pieces = (n + kPiece - 1) / kPiece;
  std::vector<RangeSums> sums(static_cast<size_t>(pieces));
  const auto* passes = reinterpret_cast<const unsigned char*>(mask.data_ptr<bool>());
  const float *from_g = g.data_ptr<float>(), *from_x = x.data_ptr<float>(),
              *from_y = y.data_ptr<float>();
  auto* to = to_x.data_ptr<float>();
  work_off(pieces, [&](WorkQueue& queue) {
    for (int64_t piece = queue.take(); piece >= 0; piece = queue.take()) {
      const int64_t first = piece * kPiece;
      sums[static_cast<size_t>(piece)] =
          cast_gradients(from_g + first, from_x + first, from_y + first, passes + first, to + first,
                         std::min(kPiece, n - first));
    }
  });
  RangeSums all;
  for (const RangeSums& s : sums) all.ends += s.ends, all.errors += s.errors;
  return {to_x, at::tensor({all.ends, all.errors}, at::kDouble).mul(kLn2).to(at::kFloat)};
}

struct CastFunction : torch::autograd::Function<CastFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const FixedType& type, bool relu) {
    at::Tensor mask;
    const at::Tensor y = cast_values_of(x, type, relu, &mask);
    context->save_for_backward({mask});
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const at::Tensor mask = context->get_saved_variables()[0];
    return {at::mul(gradients[0], mask), at::Tensor(), at::Tensor()};
  }
};

struct RangeCastFunction : torch::autograd::Function<RangeCastFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& /*range*/, const FixedType& type, bool relu) {
    at::Tensor mask;
    const at::Tensor y = cast_values_of(x, type, relu, &mask);
    context->save_for_backward({mask, x, y});
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto [to_x, to_range] = range_gradients(gradients[0], saved[1], saved[2], saved[0]);
    return {to_x, to_range, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor cast_on_device(const at::Tensor& x, const FixedType& type, bool relu, at::Tensor* mask) {
  const at::Tensor scaled = at::mul(relu ? at::relu(x) : x, std::ldexp(1.0, type.fraction()));
  const at::Tensor floor = at::floor(scaled);
  const at::Tensor whole = floor.add(rounds_up(type.rounding, scaled, floor));
  const at::Tensor inside = whole.ge(static_cast<double>(type.min_raw()))
                                .logical_and(whole.le(static_cast<double>(type.max_raw())));
  if (mask) {
    *mask = saturates(type) ? inside : at::ones_like(inside);
    if (relu) *mask = mask->logical_and(x.gt(0));
  }
  return at::mul(fit(whole, inside, type), type.step());
}

at::Tensor cast_on_host(const at::Tensor& x, const FixedType& type, bool relu, at::Tensor* mask) {
  TAILOR_CHECK(is_for_host(x, type), "{} is not cast on the host", to_string(type));
  at::Tensor y = at::empty_like(x);
  if (mask) *mask = at::empty_like(x, x.options().dtype(at::kBool));
  const CastLimits limits{static_cast<float>(std::ldexp(1.0, type.fraction())),
                          static_cast<float>(type.step()), static_cast<float>(type.min_raw()),
                          static_cast<float>(type.max_raw()), relu ? 0.0F : -HUGE_VALF};
  const auto* from = x.data_ptr<float>();
  auto* to = y.data_ptr<float>();
  auto* passes = mask ? reinterpret_cast<unsigned char*>(mask->data_ptr<bool>()) : nullptr;
  const int64_t n = x.numel();
  work_off((n + kPiece - 1) / kPiece, [&](WorkQueue& queue) {
    for (int64_t piece = queue.take(); piece >= 0; piece = queue.take()) {
      const int64_t first = piece * kPiece;
      cast_values(from + first, limits, to + first, passes ? passes + first : nullptr,
                  std::min(kPiece, n - first));
    }
  });
  return y;
}

at::Tensor cast(const at::Tensor& x, const FixedType& type, bool relu, const at::Tensor& range) {
  if (at::GradMode::is_enabled() && range.defined())
    return RangeCastFunction::apply(x, range, type, relu);
  if (at::GradMode::is_enabled() && x.requires_grad()) return CastFunction::apply(x, type, relu);
  return cast_values_of(x, type, relu, nullptr);
}

}  // namespace tailor::nn
