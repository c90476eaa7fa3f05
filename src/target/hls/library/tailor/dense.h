// Part of tailor. You may use, copy and change this file without condition.
// A fully connected layer on all tokens of an image, one or a whole map.
#ifndef TAILOR_DENSE_H_
#define TAILOR_DENSE_H_

#include "dot_product.h"

namespace tailor {

/// One loop: a token takes an iteration, the last one reuse_factor. C: what ProductSums needs,
/// pixels, channels (n_in is their product), in_bits, out_bits, bias_bits; in_token, out_token,
/// bias_t, bias_raw. Every stage has a C of its own.
template <class C, class Scale>
void dense_layer(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                 const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                 const typename C::bias_raw bias[C::n_out], Scale scale) {
  TAILOR_INLINE
  TAILOR_WEIGHT_ROM(weights)
  typedef Operands<C, 1> Values;
  typedef ProductSums<C, 1, Scale, (C::reuse_factor > C::n_in)> Sums;
  static typename C::in_t values[Values::rows][Values::length];  // [pixel][channel], shifted in
  TAILOR_REGISTERS(values)
  typename C::acc_t start[C::n_out], late[C::n_out];
  typename Sums::sum_t acc[Sums::sums];
  typename C::out_t result[C::n_out];
  TAILOR_REGISTERS(start)
  TAILOR_REGISTERS(late)
  TAILOR_REGISTERS(acc)
  TAILOR_REGISTERS(result)
  const int iterations = C::pixels - 1 + C::reuse_factor;
  int pixel = 0, r = 0, element = 0;
  TAILOR_LOOP(iterations)
  for (int i = 0; i < iterations; ++i) {
    TAILOR_PIPELINE(C)
    if (r == 0) {
      typename C::in_t arriving[1][C::channels];
      TAILOR_REGISTERS(arriving)
      unpack<C::channels, C::in_bits>(in.read(), arriving[0]);
      shift_taps<C, 1, 1, C::pixels, C::channels>(arriving, values);
      TAILOR_LOOP(begin_outputs)
      for (int o = 0; o < C::n_out; ++o) {
        TAILOR_UNROLL
        start[o] = from_raw<typename C::bias_t, C::bias_bits>(bias[o]);
        late[o] = 0;
      }
    }
    if (pixel < C::pixels - 1) {
      ++pixel;
    } else {
      Sums::run(r, element, values, weights, scale, start, late, acc, result);
      if (r == C::reuse_factor - 1)
        out.write(pack<C::n_out, C::out_bits, typename C::out_token>(result));
      element = element == Values::length - 1 ? 0 : element + 1;
      ++r;
    }
  }
}

template <class C>
void dense(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
           const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
           const typename C::bias_raw bias[C::n_out]) {
  TAILOR_INLINE
  dense_layer<C>(in, out, weights, bias, NoScale());
}

/// With a scale for each output.
template <class C>
void scaled_dense(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                  const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                  const typename C::bias_raw bias[C::n_out],
                  const typename C::scale_raw scale[C::n_out]) {
  TAILOR_INLINE
  TAILOR_REGISTERS(scale)
  dense_layer<C>(in, out, weights, bias, scale);
}

}  // namespace tailor

#endif  // TAILOR_DENSE_H_
