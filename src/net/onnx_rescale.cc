// Scales that are no powers of two. A network computes the same in integers whatever its values are
// multiplied by: each map becomes so large that the steps of its rounding are powers of two, and
// the weights between maps take what that multiplies.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "net/onnx_steps.h"
#include "tailor/core/error.h"

namespace tailor::net {
namespace {

class OnnxRescaling {
 public:
  OnnxRescaling(OnnxSteps& all, const std::vector<size_t>& readers, const std::string& where)
      : all_(all), steps_(all.steps), readers_(readers), where_(where) {}

  OnnxFactors run() {
    join_classes();
    take_demands();
    choose();
    for (size_t k = 1; k < steps_.size(); ++k) {
      if (readers_[k] != 0) apply(steps_[k], factor(steps_[k].inputs[0]), factor(k));
    }
    for (size_t k = 0; k < steps_.size(); ++k) retype(k);
    return {factor(0), factor(all_.answer)};
  }

 private:
  size_t root(size_t k) {
    while (class_[k] != k) k = class_[k] = class_[class_[k]];
    return k;
  }
  double factor(size_t k) { return *factors_[root(k)]; }

  /// Sums, means and choices are of one factor with what they read.
  void join_classes() {
    class_.resize(steps_.size());
    std::iota(class_.begin(), class_.end(), size_t{0});
    for (size_t k = 1; k < steps_.size(); ++k) {
      if (readers_[k] == 0 || steps_[k].scales_freely()) continue;
      for (size_t input : steps_[k].inputs) class_[root(input)] = root(k);
    }
  }

  /// The largest step that a class is rounded to; all others are powers of two of it. What leaves
  /// the network is not rounded.
  void take_demands() {
    largest_.assign(steps_.size(), nullptr);
    for (size_t k = 0; k < steps_.size(); ++k) {
      const size_t count = steps_[k].read_as.size() - (k == all_.answer ? 1 : 0);
      for (size_t i = 0; readers_[k] != 0 && i < count; ++i) {
        if (steps_[k].read_as[i]) demand(root(k), *steps_[k].read_as[i]);
      }
    }
  }
  void demand(size_t at, const OnnxType& type) {
    const OnnxType*& known = largest_[at];
    if (known && !share_mantissa(known->step, type.step)) {
      fail(ErrorKind::Unsupported,
           "{}: node '{}' (Quant): a scale of {:.9g}, and node '{}' has {:.9g}; between them are "
           "only additions, ReLUs and pools, which multiply by nothing; expected one scale for "
           "both (a shared quantiser), or a power of two between them",
           where_, type.node, type.step, known->node, known->step);
    }
    if (!known || type.step > known->step) known = &type;
  }

  void choose() {
    factors_.resize(steps_.size());
    for (size_t k = 0; k < steps_.size(); ++k) {
      if (largest_[k]) factors_[k] = factor_of(largest_[k]->step);
    }
    enlarge_input();
    auto otherwise = [&](size_t k, double value) {
      if (!factors_[root(k)]) factors_[root(k)] = value;
    };
    otherwise(0, 1);
    otherwise(all_.answer, 1);
    for (size_t k = 1; k < steps_.size(); ++k) {
      if (steps_[k].scales_freely())
        otherwise(k, readers_[k] == 0 ? 1 : factor(steps_[k].inputs[0]));
    }
    for (size_t k = 1; k < steps_.size(); ++k) otherwise(k, 1);
  }
  /// An input's type has a bit for its sign and one before the point at least: steps of smaller
  /// ones become larger.
  void enlarge_input() {
    for (const std::optional<OnnxType>& type : steps_[0].read_as) {
      if (!type) continue;
      double& factor = *factors_[root(0)];
      while (std::ldexp(type->step * factor, type->bits - (type->is_signed ? 1 : 0)) < 0.9)
        factor *= 2;
    }
  }
  /// To the nearest power of two that is at most 1.
  static double factor_of(double step) {
    if (share_mantissa(step, 1)) return 1;
    return std::exp2(std::min(0.0, std::nearbyint(std::log2(step)))) / step;
  }

  static void multiply(OnnxStep& step, const char* part, double by) {
    const auto found = step.parts.find(part);
    if (by == 1 || found == step.parts.end()) return;
    for (float& v : found->second.as<float>()) v = static_cast<float>(v * by);
  }
  static void apply(OnnxStep& step, double in, double out) {
    if (!step.scales_freely()) return;
    multiply(step, "weight", out / in);
    multiply(step, "bias", out);
    multiply(step, "running_mean", in);
    for (double& s : step.weight_steps) s *= out / in;
  }
  void retype(size_t k) {
    for (std::optional<OnnxType>& type : steps_[k].read_as) {
      if (!type || readers_[k] == 0) continue;
      const double step = type->step * factor(k),
                   nearest = std::exp2(std::nearbyint(std::log2(step)));
      if (std::abs(step / nearest - 1) > 1e-6) {
        type.reset();  // of the answer only
      } else {
        type->step = nearest;
      }
    }
  }

  OnnxSteps& all_;
  std::vector<OnnxStep>& steps_;
  const std::vector<size_t>& readers_;
  const std::string& where_;
  std::vector<size_t> class_;
  std::vector<const OnnxType*> largest_;        // by class
  std::vector<std::optional<double>> factors_;  // by class
};

/// What is written about a step's rounding: of its own readers, or kept from what it reads.
std::optional<double> step_of(const std::vector<OnnxStep>& steps, size_t k) {
  for (const std::optional<OnnxType>& type : steps[k].read_as) {
    if (type) return type->step;
  }
  return kept_step(steps, k);
}

/// The step that what only adds, means and chooses is rounded to at last.
std::optional<double> step_behind(const std::vector<OnnxStep>& steps, size_t k) {
  for (;;) {
    for (const std::optional<OnnxType>& type : steps[k].read_as) {
      if (type) return type->step;
    }
    const auto reads = [&](const OnnxStep& s) {
      return std::find(s.inputs.begin(), s.inputs.end(), k) != s.inputs.end();
    };
    const auto next = std::find_if(steps.begin(), steps.end(), reads);
    if (next == steps.end() || next->scales_freely()) return std::nullopt;
    k = static_cast<size_t>(next - steps.begin());
  }
}

/// In front of step `k`, whose input `i` it then is.
void insert_norm(OnnxSteps& all, size_t k, size_t i) {
  std::vector<OnnxStep>& steps = all.steps;
  const size_t from = steps[k].inputs[i];
  OnnxStep norm{steps[k].node,
                steps[k].op_type,
                Layer(BatchNormLayer{}),
                {from},
                steps[from].out,
                ones_of_norm(steps[from].out.channels),
                0,
                {}};
  norm.read_as = {std::nullopt};
  norm.may_be_negative = steps[from].may_be_negative;
  steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(k), std::move(norm));
  for (size_t n = k + 1; n < steps.size(); ++n) {
    for (size_t& input : steps[n].inputs) input += input >= k ? 1 : 0;
  }
  steps[k + 1].inputs[i] = k;
  all.answer += all.answer >= k ? 1 : 0;
}

}  // namespace

std::optional<double> kept_step(const std::vector<OnnxStep>& steps, size_t k) {
  if (steps[k].scales_freely()) return std::nullopt;
  std::optional<double> found;
  for (size_t input : steps[k].inputs) {
    found = step_of(steps, input);
    if (!found) return std::nullopt;
  }
  return found;
}

TensorMap ones_of_norm(int64_t channels) {
  Tensor ones(DType::F32, {channels});
  for (float& v : ones.as<float>()) v = 1;
  const Tensor zeros(DType::F32, {channels});
  return {{"weight", ones}, {"bias", zeros}, {"running_mean", zeros}, {"running_var", ones}};
}

void part_operands(OnnxSteps& all) {
  for (size_t k = 1; k < all.steps.size(); ++k) {
    if (!is_sum(all.steps[k]) || kept_step(all.steps, k)) continue;
    const std::optional<double> wanted = step_behind(all.steps, k);
    for (size_t i = 0; wanted && i < all.steps[k].inputs.size(); ++i) {
      const std::optional<double> own = step_of(all.steps, all.steps[k].inputs[i]);
      if (own && !share_mantissa(*own, *wanted)) insert_norm(all, k++, i);
    }
  }
}

OnnxFactors rescale(OnnxSteps& steps, const std::vector<size_t>& readers,
                    const std::string& where) {
  return OnnxRescaling(steps, readers, where).run();
}

}  // namespace tailor::net
