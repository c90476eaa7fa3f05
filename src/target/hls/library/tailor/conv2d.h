// Part of tailor. You may use, copy and change this file without condition.
// One stage: zero padding, convolution (batch norm folded), skips, ReLU and the one cast. Skips
// come as streams or are read from the window, at tap (pad_top / dilation_height, pad_left /
// dilation_width), which is the input pixel at the output's place.
#ifndef TAILOR_CONV2D_H_
#define TAILOR_CONV2D_H_

#include "dot_product.h"
#include "window.h"

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
  static void run(
      const typename C::in_t window[C::kernel_height * C::kernel_width * C::in_channels],
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
/// out_channels, kernel_height, kernel_width, stride_height, stride_width, dilation_height,
/// dilation_width, pad_top, pad_left, scan_height, scan_width (the image and the zero rows and
/// columns behind it, which pad both sides), relu, window_skips, skips_after_activation; in_bits,
/// out_bits; in_t, out_t, acc_t, bias_t, in_token, out_token; and what dot_product needs. Every
/// stage has a C of its own: the static buffers belong to it.
template <class C, int GROUPS, class... Skips>
void grouped_conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                    const typename C::weight_raw weights[C::n_in * C::n_out],
                    const typename C::bias_raw bias[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  const int before_y = WindowExtent<C>::height - 1 - C::pad_top;  // rows that no window ends on
  const int before_x = WindowExtent<C>::width - 1 - C::pad_left;
  static_assert(GROUPS * C::n_in == C::kernel_height * C::kernel_width * C::in_channels &&
                    C::n_out == C::out_channels,
                "sizes");
  static_assert(before_y >= 0 && before_x >= 0, "pads are smaller than the kernel");
  static typename C::in_token tokens[C::kernel_height][WindowExtent<C>::width];
  TAILOR_REGISTERS(tokens)
  TAILOR_LOOP(rows)
  for (int y = 0; y < C::scan_height; ++y) {
    TAILOR_LOOP(columns)
    for (int x = 0; x < C::scan_width; ++x) {
      typename C::in_token below = 0;
      if (y < C::in_height && x < C::in_width) below = in.read();
      slide<C>(below, x, tokens);
      const int oy = y - before_y, ox = x - before_x;
      if (oy < 0 || ox < 0 || oy % C::stride_height != 0 || ox % C::stride_width != 0 ||
          oy / C::stride_height >= C::out_height || ox / C::stride_width >= C::out_width)
        continue;

      typename C::in_t window[GROUPS * C::n_in];  // [ky][kx][channel]
      TAILOR_REGISTERS(window)
      TAILOR_LOOP(taps)
      for (int t = 0; t < C::kernel_height * C::kernel_width; ++t) {
        TAILOR_UNROLL
        unpack<C::in_channels, C::in_bits>(
            tokens[t / C::kernel_width][t % C::kernel_width * C::dilation_width],
            window + t * C::in_channels);
      }
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
          skip_sum[o] += window[(C::pad_top / C::dilation_height * C::kernel_width +
                                 C::pad_left / C::dilation_width) *
                                    C::in_channels +
                                o % C::in_channels];
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
