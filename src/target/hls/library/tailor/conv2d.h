// Part of tailor. You may use, copy and change this file without condition.
// One stage: zero padding, convolution (batch norm folded), skips, ReLU and the one cast. Skips
// come as streams or are read from the window, at tap (pad_top / dilation_height, pad_left /
// dilation_width), which is the input pixel at the output's place.
#ifndef TAILOR_CONV2D_H_
#define TAILOR_CONV2D_H_

#include "dot_product.h"
#include "window.h"

namespace tailor {

/// Adds the skip streams' next tokens, one each. TYPES: OperandTypes of them.
template <class C, class TYPES>
void add_skips(typename C::acc_t[C::out_channels]) {
  TAILOR_INLINE
}
template <class C, class TYPES, class Skip, class... More>
void add_skips(typename C::acc_t sum[C::out_channels], Skip& skip, More&... more) {
  TAILOR_INLINE
  typename TYPES::first::type values[C::out_channels];
  TAILOR_REGISTERS(values)
  unpack<C::out_channels, TYPES::first::bits>(skip.read(), values);
  TAILOR_LOOP(skip_channels)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    sum[o] += values[o];
  }
  add_skips<C, typename TYPES::more>(sum, more...);
}

/// Moves the window of values on by the token at x of the scan.
template <class C, int GROUPS, bool DILATED>
struct ValueWindow {
  static void slide(
      const typename C::in_token& below, int x,
      typename C::in_t window[Operands<C, GROUPS>::rows][Operands<C, GROUPS>::length]) {
    TAILOR_INLINE
    typename C::in_token column[WindowExtent<C>::height];
    TAILOR_REGISTERS(column)
    next_column<C>(below, x, column);
    typename C::in_t arriving[C::kernel_height][C::in_channels];
    TAILOR_REGISTERS(arriving)
    TAILOR_LOOP(arriving_rows)
    for (int ky = 0; ky < C::kernel_height; ++ky) {
      TAILOR_UNROLL
      unpack<C::in_channels, C::in_bits>(column[ky * C::dilation_height], arriving[ky]);
    }
    shift_taps<C, GROUPS, C::kernel_height, C::kernel_width, C::in_channels>(arriving, window);
  }
};
/// Columns between the taps wait as tokens.
template <class C, int GROUPS>
struct ValueWindow<C, GROUPS, true> {
  static void slide(
      const typename C::in_token& below, int x,
      typename C::in_t window[Operands<C, GROUPS>::rows][Operands<C, GROUPS>::length]) {
    TAILOR_INLINE
    static typename C::in_token tokens[C::kernel_height][WindowExtent<C>::width];
    TAILOR_REGISTERS(tokens)
    ::tailor::slide<C>(below, x, tokens);
    // Every tap shifts in, the first one first, and so arrives at its place.
    TAILOR_LOOP(taps)
    for (int kx = 0; kx < C::kernel_width; ++kx) {
      TAILOR_UNROLL
      typename C::in_t arriving[C::kernel_height][C::in_channels];
      TAILOR_REGISTERS(arriving)
      TAILOR_LOOP(arriving_rows)
      for (int ky = 0; ky < C::kernel_height; ++ky) {
        TAILOR_UNROLL
        unpack<C::in_channels, C::in_bits>(tokens[ky][kx * C::dilation_width], arriving[ky]);
      }
      shift_taps<C, GROUPS, C::kernel_height, C::kernel_width, C::in_channels>(arriving, window);
    }
  }
};

/// What the sums of an output begin with, and what is added behind the activation.
template <class C, int GROUPS, class... Skips>
void begin_sums(
    const typename C::in_t window[Operands<C, GROUPS>::rows][Operands<C, GROUPS>::length],
    const typename C::bias_raw bias[C::out_channels], typename C::acc_t start[C::out_channels],
    typename C::acc_t late[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  typename C::acc_t skip_sum[C::out_channels];
  TAILOR_REGISTERS(skip_sum)
  TAILOR_LOOP(clear_skips)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    skip_sum[o] = 0;
  }
  if (C::window_skips > 0) {
    const int length = Operands<C, GROUPS>::length, channels = C::in_channels / GROUPS;
    const int tap =
        C::pad_top / C::dilation_height * C::kernel_width + C::pad_left / C::dilation_width;
    TAILOR_LOOP(skip_groups)
    for (int g = 0; g < GROUPS; ++g) {
      TAILOR_UNROLL
      OperandPlace<C, GROUPS> at(g * (C::n_in / length) + tap * channels / length,
                                 tap * channels % length);
      TAILOR_LOOP(window_channels)
      for (int c = 0; c < channels; ++c) {
        TAILOR_UNROLL
        TAILOR_LOOP(window_skips)
        for (int s = 0; s < C::window_skips; ++s) {
          TAILOR_UNROLL
          skip_sum[g * channels + c] += window[at.row][at.at];
        }
        at.step();
      }
    }
  }
  add_skips<C, typename C::skip_types>(skip_sum, skips...);
  TAILOR_LOOP(begin_outputs)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    const typename C::acc_t first = from_raw<typename C::bias_t, C::bias_bits>(bias[o]);
    start[o] = C::skips_after_activation ? first : typename C::acc_t(first + skip_sum[o]);
    late[o] = skip_sum[o];
  }
}

/// Where the input goes that nobody takes on.
struct NoTaker {
  template <class Token>
  void write(const Token&) {
    TAILOR_INLINE
  }
};

/// The input at the output's place, as it came.
template <class C, int GROUPS>
typename C::centre_token centre_pixel(
    const typename C::in_t window[Operands<C, GROUPS>::rows][Operands<C, GROUPS>::length]) {
  TAILOR_INLINE
  typename C::in_t pixel[C::in_channels];
  TAILOR_REGISTERS(pixel)
  const int length = Operands<C, GROUPS>::length, channels = C::in_channels / GROUPS;
  const int tap =
      C::pad_top / C::dilation_height * C::kernel_width + C::pad_left / C::dilation_width;
  TAILOR_LOOP(pixel_groups)
  for (int g = 0; g < GROUPS; ++g) {
    TAILOR_UNROLL
    OperandPlace<C, GROUPS> at(g * (C::n_in / length) + tap * channels / length,
                               tap * channels % length);
    TAILOR_LOOP(pixel_channels)
    for (int c = 0; c < channels; ++c) {
      TAILOR_UNROLL
      pixel[g * channels + c] = window[at.row][at.at];
      at.step();
    }
  }
  return pack<C::in_channels, C::in_bits, typename C::centre_token>(pixel);
}

/// GROUPS divides both channels. One loop: a step of the scan takes an iteration, one that emits
/// reuse_factor. C: in_height, in_width, in_channels, out_height, out_width, out_channels,
/// kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width,
/// pad_top, pad_left, scan_height, scan_width (the image and the zero rows and columns behind it,
/// which pad both sides), relu, window_skips, skips_after_activation, hands_on; in_bits, out_bits,
/// bias_bits; in_t, out_t, acc_t, bias_t, skip_types, bias_raw, in_token, out_token,
/// centre_token; and what ProductSums needs. Every stage has a C of its own: the static buffers
/// belong to it.
template <class C, int GROUPS, class Taker, class Scale, class... Skips>
void window_conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                   Taker& taker,
                   const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                   const typename C::bias_raw bias[C::out_channels], Scale scale, Skips&... skips) {
  TAILOR_INLINE
  static_assert(GROUPS * C::n_in == C::kernel_height * C::kernel_width * C::in_channels &&
                    C::n_out == C::out_channels,
                "sizes");
  static_assert(WindowScan<C>::before_y >= 0 && WindowScan<C>::before_x >= 0,
                "pads are smaller than the kernel");
  TAILOR_WEIGHT_ROM(weights)
  typedef Operands<C, GROUPS> Window;
  typedef ProductSums<C, GROUPS, Scale, (C::reuse_factor > C::n_in)> Sums;
  static typename C::in_t window[Window::rows][Window::length];
  TAILOR_REGISTERS(window)
  typename C::acc_t start[C::out_channels], late[C::out_channels];
  typename Sums::sum_t acc[Sums::sums];
  typename C::out_t result[C::out_channels];
  TAILOR_REGISTERS(start)
  TAILOR_REGISTERS(late)
  TAILOR_REGISTERS(acc)
  TAILOR_REGISTERS(result)
  const int iterations = WindowScan<C>::steps + WindowScan<C>::outputs * (C::reuse_factor - 1);
  typename WindowScan<C>::Type scan;
  int r = 0, element = 0;
  TAILOR_LOOP(iterations)
  for (int i = 0; i < iterations; ++i) {
    TAILOR_PIPELINE(C)
    const bool emits = scan.emits();
    if (r == 0) {
      typename C::in_token below = 0;
      if (scan.y < C::in_height && scan.x < C::in_width) below = in.read();
      ValueWindow<C, GROUPS, (C::dilation_width > 1)>::slide(below, scan.x, window);
      if (emits) begin_sums<C, GROUPS>(window, bias, start, late, skips...);
    }
    const bool ends = !emits || r == C::reuse_factor - 1;
    if (emits) {
      Sums::run(r, element, window, weights, scale, start, late, acc, result);
      if (ends && C::hands_on) taker.write(centre_pixel<C, GROUPS>(window));
      if (ends) out.write(pack<C::out_channels, C::out_bits, typename C::out_token>(result));
    }
    element = ends || element == Window::length - 1 ? 0 : element + 1;
    if (ends) {
      r = 0;
      scan.step();
    } else {
      ++r;
    }
  }
}

template <class C, int GROUPS, class... Skips>
void grouped_conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                    const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                    const typename C::bias_raw bias[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  NoTaker none;
  window_conv2d<C, GROUPS>(in, out, none, weights, bias, NoScale(), skips...);
}

/// Hands its input on at the output's places, for a skip that begins here.
template <class C, int GROUPS, class... Skips>
void forwarding_conv2d(hls::stream<typename C::in_token>& in,
                       hls::stream<typename C::out_token>& out,
                       hls::stream<typename C::centre_token>& centre,
                       const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                       const typename C::bias_raw bias[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  window_conv2d<C, GROUPS>(in, out, centre, weights, bias, NoScale(), skips...);
}

template <class C, class... Skips>
void conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
            const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
            const typename C::bias_raw bias[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  grouped_conv2d<C, 1>(in, out, weights, bias, skips...);
}

/// The same two whose output channels have scales.
template <class C, int GROUPS, class... Skips>
void scaled_conv2d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                   const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                   const typename C::bias_raw bias[C::out_channels],
                   const typename C::scale_raw scale[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  TAILOR_REGISTERS(scale)
  NoTaker none;
  window_conv2d<C, GROUPS>(in, out, none, weights, bias, scale, skips...);
}
template <class C, int GROUPS, class... Skips>
void scaled_forwarding_conv2d(hls::stream<typename C::in_token>& in,
                              hls::stream<typename C::out_token>& out,
                              hls::stream<typename C::centre_token>& centre,
                              const typename C::weight_raw weights[C::multipliers][C::reuse_factor],
                              const typename C::bias_raw bias[C::out_channels],
                              const typename C::scale_raw scale[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  TAILOR_REGISTERS(scale)
  window_conv2d<C, GROUPS>(in, out, centre, weights, bias, scale, skips...);
}

}  // namespace tailor

#endif  // TAILOR_CONV2D_H_
