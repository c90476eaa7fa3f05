#include "tailor/emulate/kernels.h"

#include <map>

namespace tailor::emulate {
namespace {

struct Kernels {
  Float64Kernel float64;
  IntegerKernel integer;
};
std::map<const Operation*, Kernels>& kernel_registry() {
  static std::map<const Operation*, Kernels> all;
  return all;
}

}  // namespace

Caster::Caster(int from_fraction, const FixedType& to)
    : to_(to),
      from_fraction_(from_fraction),
      shift_(from_fraction - to.fraction()),
      min_(to.min_raw()),
      max_(to.max_raw()) {
  fast_ = to.rounding == Rounding::Rnd && to.overflow == Overflow::Sat && shift_ > 0 && shift_ < 62;
  half_ = fast_ ? int64_t{1} << (shift_ - 1) : 0;
}

std::optional<NarrowCast> Caster::narrow(int64_t largest) const {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (!fast_ || shift_ > 30 || largest > kMost - half_ || max_ > kMost || min_ < -kMost)
    return std::nullopt;
  return NarrowCast{shift_, static_cast<int32_t>(half_), static_cast<int32_t>(min_),
                    static_cast<int32_t>(max_)};
}

void register_kernels(const Operation& operation, const Float64Kernel& float64,
                      const IntegerKernel& integer) {
  const bool added = kernel_registry().emplace(&operation, Kernels{float64, integer}).second;
  TAILOR_CHECK(added, "{} has its kernels already", operation.name());
}

const Float64Kernel* find_float64_kernel(const Operation& operation) {
  const auto found = kernel_registry().find(&operation);
  return found != kernel_registry().end() && found->second.float64.run ? &found->second.float64
                                                                       : nullptr;
}

const IntegerKernel* find_integer_kernel(const Operation& operation) {
  const auto found = kernel_registry().find(&operation);
  return found != kernel_registry().end() && found->second.integer.narrow ? &found->second.integer
                                                                          : nullptr;
}

}  // namespace tailor::emulate
