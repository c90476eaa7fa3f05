// Part of tailor. You may use, copy and change this file without condition.
// One stage: zero padding, convolution (batch norm folded), skips, ReLU and the one cast. Skips
// come as streams or are read from the window, at tap (pad_top, pad_left), which is the input pixel
// at the output's place.
#ifndef TAILOR_CONV2D_H_
#define TAILOR_CONV2D_H_

#include "dot_product.h"

namespace tailor {

/// Adds the skip streams' next tokens, one each. All carry C::skip_t, C::skip_bits wide.
template <class C>
void add_skips(typename C::acc_t[C::out_channels]) {
  TAILOR_INLINE
}
template <class C, class Skip, class... More>
void add_skips(typename C::acc_t sum[C::out_channels], Skip& skip, More&... more) {
  TAILOR_INLINE
  typename C::skip_t values[C::out_channels];
  TAILOR_REGISTERS(values)
  unpack<C::out_channels, C::skip_bits>(skip.read(), values);
  TAILOR_LOOP(skip_channels)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    sum[o] += values[o];
  }
  add_skips<C>(sum, more...);
}

/// The product sums of a window [ky][kx][channel].
template <class C, int GROUPS>
struct WindowSums {
  /// A group's channels of every tap, one group behind the other: wires.
  static void run(const typename C::in_t window[C::kernel * C::kernel * C::in_channels],
                  const typename C::weight_raw weights[C::n_in * C::n_out],
                  typename C::acc_t acc[C::out_channels]) {
    TAILOR_INLINE
    const int channels = C::in_channels / GROUPS;
    typename C::in_t grouped[GROUPS * C::n_in];
    TAILOR_REGISTERS(grouped)
    TAILOR_LOOP(regroup)
    for (int i = 0; i < GROUPS * C::n_in; ++i) {
      TAILOR_UNROLL
      grouped[i] =
          window[i % C::n_in / channels * C::in_channels + i / C::n_in * channels + i % channels];
    }
    dot_product<C, GROUPS>(grouped, weights, acc);
  }
};
template <class C>
struct WindowSums<C, 1> {
  static void run(const typename C::in_t window[C::n_in],
                  const typename C::weight_raw weights[C::n_in * C::n_out],
                  typename C::acc_t acc[C::out_channels]) {
    TAILOR_INLINE
    dot_product<C, 1>(window, weights, acc);
  }
};

/// GROUPS divides both channels. C: in_height, in_width, in_channels, out_height, out_width,
/// out_channels, kernel, stride, pad_top, pad_left, scan_height, scan_width (the image and the zero
/// rows and columns behind it, which pad both sides), relu, window_skips, skips_after_activation;
/// in_bits, out_bits; in_t, out_t, acc_t, bias_t, in_token, out_token; and what dot_product needs.
/// Every stage has a C of its own: the static buffers belong to it.
template <class C, int GROUPS, class... Skips>
void grouped_conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                    const typename C::weight_raw weights[C::n_in * C::n_out],
                    const typename C::bias_raw bias[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  static_assert(
      GROUPS * C::n_in == C::kernel * C::kernel * C::in_channels && C::n_out == C::out_channels,
      "sizes");
  static_assert(C::pad_top < C::kernel && C::pad_left < C::kernel,
                "pads are smaller than the kernel");
  static typename C::in_token lines[C::kernel > 1 ? C::kernel - 1 : 1][C::scan_width];
  TAILOR_LINES(lines)
  static typename C::in_t window[GROUPS * C::n_in];  // [ky][kx][channel]
  TAILOR_REGISTERS(window)
  TAILOR_LOOP(rows)
  for (int y = 0; y < C::scan_height; ++y) {
    TAILOR_LOOP(columns)
    for (int x = 0; x < C::scan_width; ++x) {
      typename C::in_token column[C::kernel];  // of the window's new right column, from the top
      TAILOR_REGISTERS(column)
      column[C::kernel - 1] = 0;
      if (y < C::in_height && x < C::in_width) column[C::kernel - 1] = in.read();
      TAILOR_LOOP(lines_up)
      for (int k = 0; k < C::kernel - 1; ++k) {
        TAILOR_UNROLL
        column[k] = lines[k][x];
      }
      TAILOR_LOOP(lines_down)
      for (int k = 0; k < C::kernel - 1; ++k) {
        TAILOR_UNROLL
        lines[k][x] = column[k + 1];
      }
      TAILOR_LOOP(window_rows)
      for (int ky = 0; ky < C::kernel; ++ky) {
        TAILOR_UNROLL
        TAILOR_LOOP(window_columns)
        for (int i = 0; i < (C::kernel - 1) * C::in_channels; ++i) {
          TAILOR_UNROLL
          window[ky * C::kernel * C::in_channels + i] =
              window[ky * C::kernel * C::in_channels + i + C::in_channels];
        }
        unpack<C::in_channels, C::in_bits>(
            column[ky], window + (ky * C::kernel + C::kernel - 1) * C::in_channels);
      }
      const int oy = y - (C::kernel - 1 - C::pad_top), ox = x - (C::kernel - 1 - C::pad_left);
      if (oy < 0 || ox < 0 || oy % C::stride != 0 || ox % C::stride != 0 ||
          oy / C::stride >= C::out_height || ox / C::stride >= C::out_width)
        continue;

      typename C::acc_t acc[C::out_channels], skip_sum[C::out_channels];
      TAILOR_REGISTERS(acc)
      TAILOR_REGISTERS(skip_sum)
      TAILOR_LOOP(begin_outputs)
      for (int o = 0; o < C::out_channels; ++o) {
        TAILOR_UNROLL
        acc[o] = from_raw<typename C::bias_t, C::bias_bits>(bias[o]);
        skip_sum[o] = 0;
        for (int s = 0; s < C::window_skips; ++s) {
          TAILOR_UNROLL
          skip_sum[o] +=
              window[(C::pad_top * C::kernel + C::pad_left) * C::in_channels + o % C::in_channels];
        }
      }
      add_skips<C>(skip_sum, skips...);
      WindowSums<C, GROUPS>::run(window, weights, acc);
      typename C::out_t result[C::out_channels];
      TAILOR_REGISTERS(result)
      TAILOR_LOOP(end_outputs)
      for (int o = 0; o < C::out_channels; ++o) {
        TAILOR_UNROLL
        typename C::acc_t value = acc[o];
        if (!C::skips_after_activation) value += skip_sum[o];
        if (C::relu && value < 0) value = 0;
        if (C::skips_after_activation) value += skip_sum[o];
        result[o] = value;
      }
      out.write(pack<C::out_channels, C::out_bits, typename C::out_token>(result));
    }
  }
}

template <class C, class... Skips>
void conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
            const typename C::weight_raw weights[C::n_in * C::n_out],
            const typename C::bias_raw bias[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  grouped_conv2d<C, 1>(in, out, weights, bias, skips...);
}

}  // namespace tailor

#endif  // TAILOR_CONV2D_H_
