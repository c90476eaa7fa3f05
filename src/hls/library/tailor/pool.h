// Part of tailor. You may use, copy and change this file without condition.
// Global average pooling with one running sum a channel (not a window of the whole map): the mean
// is sum * reciprocal, cast once.
#ifndef TAILOR_POOL_H_
#define TAILOR_POOL_H_

#include "tailor/tokens.h"

namespace tailor {

/// C: pixels, channels, in_bits, out_bits, reciprocal_raw, reciprocal_bits; in_t, out_t, acc_t,
/// reciprocal_t, in_token, out_token.
template <class C>
void global_average_pool(hls::stream<typename C::in_token>& in,
                         hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  typename C::acc_t sums[C::channels];
  TAILOR_REGISTERS(sums)
  TAILOR_LOOP(clear)
  for (int c = 0; c < C::channels; ++c) {
    TAILOR_UNROLL
    sums[c] = 0;
  }
  TAILOR_LOOP(pixels)
  for (int p = 0; p < C::pixels; ++p) {
    TAILOR_PIPELINE
    typename C::in_t values[C::channels];
    TAILOR_REGISTERS(values)
    unpack<C::channels, C::in_bits>(in.read(), values);
    TAILOR_LOOP(channels)
    for (int c = 0; c < C::channels; ++c) {
      TAILOR_UNROLL
      sums[c] += values[c];
    }
  }
  const typename C::reciprocal_t reciprocal =
      from_raw<typename C::reciprocal_t, C::reciprocal_bits>(C::reciprocal_raw);
  typename C::out_t result[C::channels];
  TAILOR_REGISTERS(result)
  TAILOR_LOOP(means)
  for (int c = 0; c < C::channels; ++c) {
    TAILOR_UNROLL
    result[c] = sums[c] * reciprocal;
  }
  out.write(pack<C::channels, C::out_bits, typename C::out_token>(result));
}

}  // namespace tailor

#endif  // TAILOR_POOL_H_
