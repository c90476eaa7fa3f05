// Part of tailor. You may use, copy and change this file without condition.
// n_out sums of n_in products with n_in * n_out / reuse_factor multipliers, one product of each a
// cycle. The reuse factor changes the order of the exact sums and so never their value.
#ifndef TAILOR_DOT_PRODUCT_H_
#define TAILOR_DOT_PRODUCT_H_

#include "tokens.h"

namespace tailor {

/// reuse_factor <= n_in: each multiplier works for one output. C: n_in, n_out, reuse_factor,
/// multipliers, weight_bits; weight_t, acc_t, weight_raw. Weights are [n_out][n_in]; multiplier m
/// owns the elements [m * reuse_factor, (m + 1) * reuse_factor). Output o reads run
/// o / (n_out / GROUPS) of the window's GROUPS runs of n_in values.
template <class C, int GROUPS, bool SHARED>
struct DotProduct {
  static void run(const typename C::in_t window[GROUPS * C::n_in],
                  const typename C::weight_raw weights[C::n_in * C::n_out],
                  typename C::acc_t acc[C::n_out]) {
    TAILOR_INLINE
    static_assert(C::n_in % C::reuse_factor == 0, "reuse factor");
    const int multipliers = C::multipliers;
    TAILOR_WEIGHT_ROM(weights, multipliers)
    (void)multipliers;
    TAILOR_LOOP(reuse)
    for (int r = 0; r < C::reuse_factor; ++r) {
      TAILOR_PIPELINE
      TAILOR_LOOP(outputs)
      for (int o = 0; o < C::n_out; ++o) {
        TAILOR_UNROLL
        TAILOR_LOOP(inputs)
        for (int i = 0; i < C::n_in; i += C::reuse_factor) {
          TAILOR_UNROLL
          acc[o] += from_raw<typename C::weight_t, C::weight_bits>(weights[o * C::n_in + i + r]) *
                    window[o / (C::n_out / GROUPS) * C::n_in + i + r];
        }
      }
    }
  }
};

/// reuse_factor > n_in: each multiplier works for reuse_factor / n_in outputs, one after another.
template <class C, int GROUPS>
struct DotProduct<C, GROUPS, true> {
  static void run(const typename C::in_t window[GROUPS * C::n_in],
                  const typename C::weight_raw weights[C::n_in * C::n_out],
                  typename C::acc_t acc[C::n_out]) {
    TAILOR_INLINE
    static_assert(C::reuse_factor % C::n_in == 0, "reuse factor");
    const int multipliers = C::multipliers;
    const int outputs_each = C::reuse_factor / C::n_in;
    TAILOR_WEIGHT_ROM(weights, multipliers)
    (void)multipliers;
    int i = 0, g = 0;
    TAILOR_LOOP(reuse)
    for (int r = 0; r < C::reuse_factor; ++r) {
      TAILOR_PIPELINE
      TAILOR_LOOP(multipliers)
      for (int m = 0; m < C::multipliers; ++m) {
        TAILOR_UNROLL
        const int o = m * outputs_each + g;
        acc[o] += from_raw<typename C::weight_t, C::weight_bits>(weights[m * C::reuse_factor + r]) *
                  window[o / (C::n_out / GROUPS) * C::n_in + i];
      }
      if (++i == C::n_in) {
        i = 0;
        ++g;
      }
    }
  }
};

template <class C, int GROUPS>
void dot_product(const typename C::in_t window[GROUPS * C::n_in],
                 const typename C::weight_raw weights[C::n_in * C::n_out],
                 typename C::acc_t acc[C::n_out]) {
  TAILOR_INLINE
  DotProduct<C, GROUPS, (C::reuse_factor > C::n_in)>::run(window, weights, acc);
}

}  // namespace tailor

#endif  // TAILOR_DOT_PRODUCT_H_
