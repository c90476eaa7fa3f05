// Part of tailor. You may use, copy and change this file without condition.
// Max pooling of windows, and global average pooling with one running sum a channel (not a window
// of the whole map): the mean is sum * reciprocal, cast once.
#ifndef TAILOR_POOL_H_
#define TAILOR_POOL_H_

#include "window.h"

namespace tailor {

/// One loop: a pixel takes an iteration, the last one reuse_factor, in which channels /
/// reuse_factor multipliers make the means. C: pixels, channels, reuse_factor, in_bits, out_bits,
/// reciprocal_raw, reciprocal_bits; in_t, out_t, acc_t, reciprocal_t, in_token, out_token.
template <class C>
void global_average_pool(hls::stream<typename C::in_token>& in,
                         hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  const int at_once = C::channels / C::reuse_factor;
  static_assert(at_once * C::reuse_factor == C::channels, "reuse factor");
  typename C::acc_t sums[C::channels];
  typename C::out_t result[C::channels];
  TAILOR_REGISTERS(sums)
  TAILOR_REGISTERS(result)
  const typename C::reciprocal_t reciprocal =
      from_raw<typename C::reciprocal_t, C::reciprocal_bits>(C::reciprocal_raw);
  const int iterations = C::pixels - 1 + C::reuse_factor;
  int pixel = 0, r = 0;
  TAILOR_LOOP(iterations)
  for (int i = 0; i < iterations; ++i) {
    TAILOR_PIPELINE(C)
    if (r == 0) {
      typename C::in_t values[C::channels];
      TAILOR_REGISTERS(values)
      unpack<C::channels, C::in_bits>(in.read(), values);
      TAILOR_LOOP(channels)
      for (int c = 0; c < C::channels; ++c) {
        TAILOR_UNROLL
        sums[c] = i == 0 ? typename C::acc_t(values[c]) : typename C::acc_t(sums[c] + values[c]);
      }
    }
    if (pixel < C::pixels - 1) {
      ++pixel;
    } else {
      typename C::out_t means[at_once];
      TAILOR_REGISTERS(means)
      TAILOR_LOOP(means)
      for (int c = 0; c < at_once; ++c) {
        TAILOR_UNROLL
        means[c] = sums[c] * reciprocal;
      }
      TAILOR_LOOP(next_channels)
      for (int c = 0; c < C::channels; ++c) {
        TAILOR_UNROLL
        if (c + at_once < C::channels) {
          sums[c] = sums[c + at_once];
          result[c] = result[c + at_once];
        } else {
          result[c] = means[c + at_once - C::channels];
        }
      }
      if (r == C::reuse_factor - 1)
        out.write(pack<C::channels, C::out_bits, typename C::out_token>(result));
      ++r;
    }
  }
}

/// Pads are left out of the window, which always holds a pixel. C: in_height, in_width, channels,
/// out_height, out_width, kernel_height, kernel_width, stride_height, stride_width,
/// dilation_height, dilation_width, pad_top, pad_left, scan_height, scan_width (the image and the
/// pads behind it), bits; value_t, in_token, out_token. Every stage has a C of its own.
template <class C>
void max_pool2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  const int above = WindowExtent<C>::height - 1, before = WindowExtent<C>::width - 1;
  static_assert(C::pad_top <= above && C::pad_left <= before, "pads are smaller than the kernel");
  static typename C::in_token window[C::kernel_height][WindowExtent<C>::width];
  TAILOR_REGISTERS(window)
  typename WindowScan<C>::Type scan;
  TAILOR_LOOP(iterations)
  for (int i = 0; i < WindowScan<C>::steps; ++i) {
    TAILOR_PIPELINE(C)
    typename C::in_token below = 0;
    if (scan.y < C::in_height && scan.x < C::in_width) below = in.read();
    slide<C>(below, scan.x, window);
    if (scan.emits()) {
      const int top = scan.y - above, left = scan.x - before;  // of the window
      typename C::value_t best[C::channels];
      TAILOR_REGISTERS(best)
      bool found = false;
      TAILOR_LOOP(tap_rows)
      for (int ky = 0; ky < C::kernel_height; ++ky) {
        TAILOR_UNROLL
        TAILOR_LOOP(tap_columns)
        for (int kx = 0; kx < C::kernel_width; ++kx) {
          TAILOR_UNROLL
          const int row = top + ky * C::dilation_height, column = left + kx * C::dilation_width;
          const bool inside = row >= 0 && row < C::in_height && column >= 0 && column < C::in_width;
          typename C::value_t values[C::channels];
          TAILOR_REGISTERS(values)
          unpack<C::channels, C::bits>(window[ky][kx * C::dilation_width], values);
          TAILOR_LOOP(channels)
          for (int c = 0; c < C::channels; ++c) {
            TAILOR_UNROLL
            if (inside && (!found || values[c] > best[c])) best[c] = values[c];
          }
          found = found || inside;
        }
      }
      out.write(pack<C::channels, C::bits, typename C::out_token>(best));
    }
    scan.step();
  }
}

}  // namespace tailor

#endif  // TAILOR_POOL_H_
