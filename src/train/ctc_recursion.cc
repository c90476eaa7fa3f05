#include "train/ctc_recursion.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace tailor::train {
namespace {

/// Of a frame's largest probability; times kLeast it is still a normal number.
constexpr double kNothing = 1e-280;
/// What a label's or the blank's probability must be, at every frame.
constexpr double kLeast = 1e-20;
/// Of a sum of products of two that are at most 1: what becomes 0 of them is no share of it.
constexpr double kLeastSum = 1e-290;
/// Share of the result that may be lost.
constexpr double kMayBeLost = 1e-8;

/// Probabilities of the states at a frame: in blank i, before label i, and in label i.
struct States {
  double *blank = nullptr, *label = nullptr;
};

/// Divides by the largest, which is returned; `lost` where something became 0 by that.
double normalise(double* values, int64_t count, bool& lost) {
  double largest[4] = {0, 0, 0, 0};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int64_t j = 0; j < 4; ++j) largest[j] = std::max(largest[j], values[i + j]);
  for (; i < count; ++i) largest[0] = std::max(largest[0], values[i]);
  const double most = std::max(std::max(largest[0], largest[1]), std::max(largest[2], largest[3]));
  if (!(most > 0)) return 0;
  const double scale = 1 / most;
  int64_t small = 0;
  for (i = 0; i < count; ++i) {
    const double value = values[i] * scale;
    small |= static_cast<int64_t>(value < kNothing) & static_cast<int64_t>(value > 0);
    values[i] = value < kNothing ? 0 : value;
  }
  lost = small != 0;
  return most;
}

class CtcRecursion {
 public:
  explicit CtcRecursion(const CtcExample& e)
      : e_(e),
        labels_(static_cast<size_t>(e.count)),
        states_(2 * e.count + 1),
        p_(static_cast<size_t>(e.frames * e.classes)),
        emission_(labels_),
        may_skip_(labels_ + 1) {
    for (size_t i = 1; i < labels_; ++i) may_skip_[i] = e.labels[i] != e.labels[i - 1] ? 1 : 0;
  }
  /// Whether the result is one.
  bool forward(float& loss, bool keep) {
    if (e_.frames < 1 || !read_probabilities()) return false;
    const auto rows = static_cast<size_t>((keep ? e_.frames : 2) * states_);
    alphas_.reset(new double[rows]);  // not set to 0: every row is written
    double ln_scale = 0;
    double ln_lost = -INFINITY;  // the largest of what anything lost was divided by
    for (int64_t t = 0; t < e_.frames; ++t) {
      const States now = row(keep ? t : t % 2);
      t == 0 ? begin(now) : advance(row(keep ? t - 1 : (t - 1) % 2), now, t);
      bool lost = false;
      const double most = normalise(now.blank, states_, lost);
      if (most == 0) return false;
      ln_scale += std::log(most);
      if (lost) ln_lost = std::max(ln_lost, ln_scale);
    }
    const States last = row(keep ? e_.frames - 1 : (e_.frames - 1) % 2);
    const double p = last.blank[labels_] + (labels_ > 0 ? last.label[labels_ - 1] : 0);
    if (!(p > 0)) return false;
    ln_p_ = ln_scale + std::log(p);
    loss = static_cast<float>(-ln_p_);
    return is_kept(ln_lost);
  }
  bool backward(float* gradient) {
    std::vector<double> rows(static_cast<size_t>(2 * states_), 0.0);
    States beta{rows.data(), rows.data() + labels_ + 1};
    States next{rows.data() + states_, rows.data() + states_ + static_cast<int64_t>(labels_) + 1};
    beta.blank[labels_] = 1;
    if (labels_ > 0) beta.label[labels_ - 1] = 1;
    double ln_scale = 0, ln_lost = -INFINITY;
    for (int64_t t = e_.frames - 1;; --t) {
      if (!write_posteriors(row(t), beta, gradient + t * e_.classes)) return false;
      if (t == 0) return is_kept(ln_lost);
      retreat(beta, next, t);
      std::swap(beta, next);
      bool lost = false;
      const double most = normalise(beta.blank, states_, lost);
      if (most == 0) return false;
      ln_scale += std::log(most);
      if (lost) ln_lost = std::max(ln_lost, ln_scale);
    }
  }

 private:
  /// What was lost has at most this much behind or before it, as probabilities are at most 1.
  bool is_kept(double ln_lost) const {
    const double places = static_cast<double>(states_) * static_cast<double>(e_.frames);
    return ln_lost + std::log(kNothing * places / kMayBeLost) < ln_p_;
  }
  /// False where one is too small, or no number.
  bool read_probabilities() {
    std::vector<char> is_used(static_cast<size_t>(e_.classes), 0);
    is_used[static_cast<size_t>(e_.blank)] = 1;
    for (size_t i = 0; i < labels_; ++i) is_used[static_cast<size_t>(e_.labels[i])] = 1;
    for (size_t i = 0; i < p_.size(); ++i) p_[i] = std::exp(static_cast<double>(e_.log_p[i]));
    for (int64_t t = 0; t < e_.frames; ++t) {
      for (int64_t c = 0; c < e_.classes; ++c) {
        if (is_used[static_cast<size_t>(c)] != 0 && !(at(t)[c] >= kLeast)) return false;
      }
    }
    return true;
  }
  const double* at(int64_t t) const { return p_.data() + t * e_.classes; }
  States row(int64_t t) {
    double* blank = alphas_.get() + t * states_;
    return {blank, blank + labels_ + 1};
  }
  void read_emissions(int64_t t) {
    const double* p = at(t);
    for (size_t i = 0; i < labels_; ++i) emission_[i] = p[e_.labels[i]];
  }
  void begin(const States& now) {
    std::fill(now.blank, now.blank + states_, 0.0);
    now.blank[0] = at(0)[e_.blank];
    if (labels_ > 0) now.label[0] = at(0)[e_.labels[0]];
  }
  void advance(const States& before, const States& now, int64_t t) {
    read_emissions(t);
    const double blank = at(t)[e_.blank];
    const double *b = before.blank, *a = before.label, *emission = emission_.data(),
                 *skip = may_skip_.data();
    double *next_b = now.blank, *next_a = now.label;
    next_b[0] = b[0] * blank;
    if (labels_ == 0) return;
    next_a[0] = (a[0] + b[0]) * emission[0];
    for (size_t i = 1; i < labels_; ++i) {
      next_b[i] = (b[i] + a[i - 1]) * blank;
      next_a[i] = (a[i] + b[i] + skip[i] * a[i - 1]) * emission[i];
    }
    next_b[labels_] = (b[labels_] + a[labels_ - 1]) * blank;
  }
  /// From what is behind frame t to what is behind frame t-1.
  void retreat(const States& after, const States& now, int64_t t) {
    read_emissions(t);
    const double blank = at(t)[e_.blank];
    const double *b = after.blank, *a = after.label, *emission = emission_.data(),
                 *skip = may_skip_.data();
    double *next_b = now.blank, *next_a = now.label;
    next_b[labels_] = b[labels_] * blank;
    if (labels_ == 0) return;
    const size_t last = labels_ - 1;
    for (size_t i = 0; i < last; ++i) {
      const double own = a[i] * emission[i];
      next_b[i] = b[i] * blank + own;
      next_a[i] = own + b[i + 1] * blank + skip[i + 1] * (a[i + 1] * emission[i + 1]);
    }
    next_b[last] = b[last] * blank + a[last] * emission[last];
    next_a[last] = a[last] * emission[last] + b[labels_] * blank;
  }
  /// -p(label at this frame | labels), which is the gradient at ln p. False where products are too
  /// small to be numbers.
  bool write_posteriors(const States& alpha, const States& beta, float* gradient) {
    posteriors_.assign(static_cast<size_t>(e_.classes), 0.0);
    double* posteriors = posteriors_.data();
    double blank = 0, all = 0;
    for (size_t i = 0; i <= labels_; ++i) blank += alpha.blank[i] * beta.blank[i];
    for (size_t i = 0; i < labels_; ++i) posteriors[e_.labels[i]] += alpha.label[i] * beta.label[i];
    posteriors[e_.blank] += blank;
    for (double p : posteriors_) all += p;
    for (int64_t c = 0; c < e_.classes; ++c) gradient[c] = static_cast<float>(-posteriors[c] / all);
    return all > kLeastSum;
  }

  const CtcExample& e_;
  size_t labels_;
  int64_t states_;
  std::vector<double> p_, emission_, may_skip_, posteriors_;
  std::unique_ptr<double[]> alphas_;
  double ln_p_ = 0;
};

}  // namespace

bool ctc_of_example(const CtcExample& example, float& loss, float* gradient) {
  CtcRecursion recursion(example);
  return recursion.forward(loss, gradient != nullptr) &&
         (gradient == nullptr || recursion.backward(gradient));
}

}  // namespace tailor::train
