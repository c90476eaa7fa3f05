// Part of tailor. You may use, copy and change this file without condition.
// n_out sums of n_in products with n_in * n_out / reuse_factor multipliers, one product of each a
// cycle. The reuse factor changes the order of the exact sums and so never their value.
#ifndef TAILOR_DOT_PRODUCT_H_
#define TAILOR_DOT_PRODUCT_H_

#include "tokens.h"

namespace tailor {

/// The values that the sums are made of, GROUPS runs of n_in of them, one behind the other: a row
/// of it is what one multiplier reads, an element a cycle, so that an operand costs one multiplexer
/// for all multipliers that take it. C: in_t, n_in, reuse_factor.
template <class C, int GROUPS>
struct Operands {
  static const int length = C::reuse_factor < C::n_in ? C::reuse_factor : C::n_in;
  static const int rows = GROUPS * (C::n_in / length);
};

/// A place in Operands, element by element. Only in loops that are unrolled, where it is a number.
template <class C, int GROUPS>
struct OperandPlace {
  int row, at;
  OperandPlace(int first_row, int first) : row(first_row), at(first) {}
  void step() {
    TAILOR_INLINE
    if (++at == Operands<C, GROUPS>::length) {
      at = 0;
      ++row;
    }
  }
};

/// Shifts every run by one tap of each of its ROWS rows of COLUMNS taps: the last tap becomes
/// `arriving`. A tap has a group's part of CHANNELS.
template <class C, int GROUPS, int ROWS, int COLUMNS, int CHANNELS>
void shift_taps(const typename C::in_t arriving[ROWS][CHANNELS],
                typename C::in_t window[Operands<C, GROUPS>::rows][Operands<C, GROUPS>::length]) {
  TAILOR_INLINE
  const int channels = CHANNELS / GROUPS, length = Operands<C, GROUPS>::length;
  OperandPlace<C, GROUPS> to(0, 0), from(channels / length, channels % length);
  TAILOR_LOOP(tap_groups)
  for (int g = 0; g < GROUPS; ++g) {
    TAILOR_UNROLL
    TAILOR_LOOP(tap_rows)
    for (int ky = 0; ky < ROWS; ++ky) {
      TAILOR_UNROLL
      TAILOR_LOOP(tap_columns)
      for (int kx = 0; kx < COLUMNS; ++kx) {
        TAILOR_UNROLL
        TAILOR_LOOP(tap_channels)
        for (int c = 0; c < channels; ++c) {
          TAILOR_UNROLL
          window[to.row][to.at] =
              kx + 1 < COLUMNS ? window[from.row][from.at] : arriving[ky][g * channels + c];
          to.step();
          from.step();
        }
      }
    }
  }
}

/// Instead of scales where output channels have none.
struct NoScale {
  const NoScale& operator[](int) const {
    TAILOR_INLINE
    return *this;
  }
};

/// Sums of products, whose channels have scales or not: their type, what they begin with, and what
/// they are with `before` (bias and skips), which a scaled sum gets at its end. C: acc_t, which
/// holds it; with scales: sum_t, scale_t, scale_raw, scale_bits.
template <class C, class Scale>
struct SumOf {
  typedef typename C::sum_t type;
  static type begin(const typename C::acc_t&) {
    TAILOR_INLINE
    return 0;
  }
  static typename C::acc_t end(const type& sum, const typename C::acc_t& before,
                               typename C::scale_raw scale) {
    TAILOR_INLINE
    const typename C::acc_t scaled = sum * from_raw<typename C::scale_t, C::scale_bits>(scale);
    TAILOR_FABRIC(scaled)
    return before + scaled;
  }
};
template <class C>
struct SumOf<C, NoScale> {
  typedef typename C::acc_t type;
  static type begin(const typename C::acc_t& before) {
    TAILOR_INLINE
    return before;
  }
  static type end(const type& sum, const typename C::acc_t&, const NoScale&) {
    TAILOR_INLINE
    return sum;
  }
};

/// A sum's end: skips, ReLU and the one cast. C: acc_t, out_t, relu, skips_after_activation.
template <class C>
typename C::out_t finish_sum(typename C::acc_t value, const typename C::acc_t& late) {
  TAILOR_INLINE
  if (C::relu && value < 0) value = 0;
  if (C::skips_after_activation) value += late;
  return typename C::out_t(value);
}

/// What a multiplier adds to the sums in a cycle. C: weight_bits; weight_t, weight_raw, in_t.
template <class C, bool PACKED>
struct Multiplier {
  static const int outputs = 1;
  template <class Sum>
  static void add(typename C::weight_raw weight, typename C::weight_raw,
                  const typename C::in_t& operand, Sum sums[outputs]) {
    TAILOR_INLINE
    sums[0] += from_raw<typename C::weight_t, C::weight_bits>(weight) * operand;
  }
};

/// The products of two outputs with one operand, from one multiplier of 27 x 18 bits (WP486): the
/// weights stand 18 bits apart, and so do the products. A low one below 0 has borrowed 1 from the
/// high one, which gets it back. They are told apart at once, and added for themselves. C besides:
/// in_bits, operand_raw (the operand as an integer), product_t (18 bits).
template <class C>
struct Multiplier<C, true> {
  static const int outputs = 2;
  template <class Sum>
  static void add(typename C::weight_raw low, typename C::weight_raw high,
                  const typename C::in_t& operand, Sum sums[outputs]) {
    TAILOR_INLINE
    static_assert(C::weight_bits <= 8 && C::weight_bits + C::in_bits <= 18, "packed operands");
    typename C::operand_raw x = 0;
    x.range(C::in_bits - 1, 0) = operand.range(C::in_bits - 1, 0);
    const ap_int<27> weights = (ap_int<27>(high) << 18) + ap_int<27>(low);
    const ap_int<45> products = weights * x;
    TAILOR_DSP(products)
    ap_int<18> below = 0;
    below.range(17, 0) = products.range(17, 0);
    const ap_int<27> above = (products >> 18) + (below < 0 ? 1 : 0);
    typename C::product_t low_product, high_product;
    low_product.range(17, 0) = below.range(17, 0);
    high_product.range(17, 0) = above.range(17, 0);
    sums[0] += low_product;
    sums[1] += high_product;
  }
};

/// One cycle of an output, the r-th; `element` runs through a multiplier's operands. The result is
/// whole after the last. C: n_in, n_out, reuse_factor, multipliers, packed, weight_bits, relu,
/// skips_after_activation; in_t, weight_t, weight_raw, acc_t, out_t; and what Multiplier and SumOf
/// need. Scale: scales [n_out], or NoScale.
///
/// reuse_factor <= n_in: each multiplier works for one output; multiplier m owns the weights
/// [m][0 … reuse_factor).
template <class C, int GROUPS, class Scale, bool SHARED>
struct ProductSums {
  typedef SumOf<C, Scale> Sum;
  typedef typename Sum::type sum_t;
  static const int sums = C::n_out;
  static void run(
      int r, int element,
      const typename C::in_t window[Operands<C, GROUPS>::rows][Operands<C, GROUPS>::length],
      const typename C::weight_raw weights[C::multipliers][C::reuse_factor], Scale scale,
      typename C::acc_t start[C::n_out], typename C::acc_t late[C::n_out], sum_t acc[sums],
      typename C::out_t result[C::n_out]) {
    TAILOR_INLINE
    static_assert(C::n_in % C::reuse_factor == 0, "reuse factor");
    typedef Multiplier<C, C::packed> Products;
    const int each = C::n_in / C::reuse_factor, outputs = C::n_out / GROUPS;
    TAILOR_LOOP(groups)
    for (int g = 0; g < GROUPS; ++g) {
      TAILOR_UNROLL
      typename C::in_t operand[each];
      TAILOR_REGISTERS(operand)
      TAILOR_LOOP(operands)
      for (int k = 0; k < each; ++k) {
        TAILOR_UNROLL
        operand[k] = window[g * each + k][element];
      }
      TAILOR_LOOP(outputs)
      for (int o = g * outputs; o < (g + 1) * outputs; o += Products::outputs) {
        TAILOR_UNROLL
        const bool pair = Products::outputs > 1 && o + 1 < (g + 1) * outputs;
        sum_t sum[Products::outputs];
        TAILOR_REGISTERS(sum)
        sum[0] = 0;
        sum[Products::outputs - 1] = 0;
        TAILOR_LOOP(products)
        for (int k = 0; k < each; ++k) {
          TAILOR_UNROLL
          typename C::weight_raw beside = 0;
          if (pair) beside = weights[(o + 1) * each + k][r];
          Products::add(weights[o * each + k][r], beside, operand[k], sum);
        }
        TAILOR_LOOP(sums)
        for (int j = 0; j < Products::outputs; ++j) {
          TAILOR_UNROLL
          if (j == 0 || pair) {
            acc[o + j] = (element == 0 ? Sum::begin(start[o + j]) : acc[o + j]) + sum[j];
            if (element == C::reuse_factor - 1)
              result[o + j] =
                  finish_sum<C>(Sum::end(acc[o + j], start[o + j], scale[o + j]), late[o + j]);
          }
        }
      }
    }
  }
};

/// The operand of every multiplier, when each is at its output number `q`.
template <class C, int GROUPS>
struct SharedOperands {
  static const int each = C::reuse_factor / C::n_in;
  static void run(int q, int element,
                  const typename C::in_t window[GROUPS][Operands<C, GROUPS>::length],
                  typename C::in_t operand[C::multipliers]) {
    TAILOR_INLINE
    typename C::in_t of_group[GROUPS];
    TAILOR_REGISTERS(of_group)
    TAILOR_LOOP(groups)
    for (int g = 0; g < GROUPS; ++g) {
      TAILOR_UNROLL
      of_group[g] = window[g][element];
    }
    int g = 0, o = 0;  // numbers once the loops are unrolled
    TAILOR_LOOP(operands)
    for (int m = 0; m < C::multipliers; ++m) {
      TAILOR_UNROLL
      TAILOR_LOOP(outputs_of_one)
      for (int k = 0; k < each; ++k) {
        TAILOR_UNROLL
        if (k == q) operand[m] = of_group[g];
        if (++o == C::n_out / GROUPS) {
          o = 0;
          ++g;
        }
      }
    }
  }
};
template <class C>
struct SharedOperands<C, 1> {
  static void run(int, int element, const typename C::in_t window[1][Operands<C, 1>::length],
                  typename C::in_t operand[C::multipliers]) {
    TAILOR_INLINE
    TAILOR_LOOP(operands)
    for (int m = 0; m < C::multipliers; ++m) {
      TAILOR_UNROLL
      operand[m] = window[0][element];
    }
  }
};

/// reuse_factor > n_in: each multiplier works for reuse_factor / n_in outputs, one after another.
/// What they begin with and what comes out shifts past it.
template <class C, int GROUPS, class Scale>
struct ProductSums<C, GROUPS, Scale, true> {
  typedef SumOf<C, Scale> Sum;
  typedef typename Sum::type sum_t;
  static const int sums = C::multipliers, each = C::reuse_factor / C::n_in;
  /// The m-th multiplier's product, of its q-th output; after the last one of an output the next
  /// output's turn comes.
  static void take(int m, int q, int element, const sum_t& product, Scale scale,
                   typename C::acc_t start[C::n_out], typename C::acc_t late[C::n_out],
                   sum_t acc[sums], typename C::out_t result[C::n_out]) {
    TAILOR_INLINE
    acc[m] = (element == 0 ? Sum::begin(start[m * each]) : acc[m]) + product;
    if (element == C::n_in - 1) {
      const typename C::out_t value =
          finish_sum<C>(Sum::end(acc[m], start[m * each], scale[m * each + q]), late[m * each]);
      TAILOR_LOOP(next_outputs)
      for (int k = 0; k < each - 1; ++k) {
        TAILOR_UNROLL
        start[m * each + k] = start[m * each + k + 1];
        late[m * each + k] = late[m * each + k + 1];
        result[m * each + k] = result[m * each + k + 1];
      }
      result[(m + 1) * each - 1] = value;
    }
  }
  static void run(int r, int element,
                  const typename C::in_t window[GROUPS][Operands<C, GROUPS>::length],
                  const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                  Scale scale, typename C::acc_t start[C::n_out], typename C::acc_t late[C::n_out],
                  sum_t acc[sums], typename C::out_t result[C::n_out]) {
    TAILOR_INLINE
    static_assert(C::reuse_factor % C::n_in == 0, "reuse factor");
    static_assert(!C::packed || C::n_out / GROUPS % each == 0, "a pair is of one group");
    typedef Multiplier<C, C::packed> Products;
    const int blocks = C::packed ? GROUPS : 1, of_block = C::multipliers / blocks;
    static int q = 0;
    typename C::in_t operand[C::multipliers];
    TAILOR_REGISTERS(operand)
    SharedOperands<C, GROUPS>::run(q, element, window, operand);
    TAILOR_LOOP(blocks)
    for (int b = 0; b < blocks; ++b) {
      TAILOR_UNROLL
      TAILOR_LOOP(products)
      for (int m = b * of_block; m < (b + 1) * of_block; m += Products::outputs) {
        TAILOR_UNROLL
        const bool pair = Products::outputs > 1 && m + 1 < (b + 1) * of_block;
        sum_t product[Products::outputs];
        TAILOR_REGISTERS(product)
        product[0] = 0;
        product[Products::outputs - 1] = 0;
        typename C::weight_raw beside = 0;
        if (pair) beside = weights[m + 1][r];
        Products::add(weights[m][r], beside, operand[m], product);
        TAILOR_LOOP(sums)
        for (int j = 0; j < Products::outputs; ++j) {
          TAILOR_UNROLL
          if (j == 0 || pair) take(m + j, q, element, product[j], scale, start, late, acc, result);
        }
      }
    }
    if (element == C::n_in - 1) q = q == each - 1 ? 0 : q + 1;
  }
};

}  // namespace tailor

#endif  // TAILOR_DOT_PRODUCT_H_
