// Part of tailor. You may use, copy and change this file without condition.
// A fully connected layer on all tokens of an image, one or a whole map.
#ifndef TAILOR_DENSE_H_
#define TAILOR_DENSE_H_

#include "dot_product.h"

namespace tailor {

/// C: what dot_product needs, pixels, channels (n_in is their product), in_bits, out_bits,
/// bias_bits; in_token, out_token, in_t, out_t, bias_t, bias_raw.
template <class C>
void dense(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
           const typename C::weight_raw weights[C::n_in * C::n_out],
           const typename C::bias_raw bias[C::n_out]) {
  TAILOR_INLINE
  typename C::in_t values[C::n_in];  // [pixel][channel], shifted in
  TAILOR_REGISTERS(values)
  TAILOR_LOOP(pixels)
  for (int p = 0; p < C::pixels; ++p) {
    TAILOR_PIPELINE
    TAILOR_LOOP(earlier_pixels)
    for (int i = 0; i < C::n_in - C::channels; ++i) {
      TAILOR_UNROLL
      values[i] = values[i + C::channels];
    }
    unpack<C::channels, C::in_bits>(in.read(), values + (C::n_in - C::channels));
  }
  typename C::acc_t acc[C::n_out];
  TAILOR_REGISTERS(acc)
  TAILOR_LOOP(begin_outputs)
  for (int o = 0; o < C::n_out; ++o) {
    TAILOR_UNROLL
    acc[o] = from_raw<typename C::bias_t, C::bias_bits>(bias[o]);
  }
  dot_product<C, 1>(values, weights, acc);
  typename C::out_t result[C::n_out];
  TAILOR_REGISTERS(result)
  TAILOR_LOOP(end_outputs)
  for (int o = 0; o < C::n_out; ++o) {
    TAILOR_UNROLL
    result[o] = acc[o];
  }
  out.write(pack<C::n_out, C::out_bits, typename C::out_token>(result));
}

}  // namespace tailor

#endif  // TAILOR_DENSE_H_
