// Part of tailor. You may use, copy and change this file without condition.
// The small stages: clone, add, ReLU, zero padding, and the parameter-free shortcut. One token a
// cycle each.
#ifndef TAILOR_STREAM_OPS_H_
#define TAILOR_STREAM_OPS_H_

#include "places.h"
#include "tokens.h"

namespace tailor {

template <class Token>
void write_all(const Token&) {
  TAILOR_INLINE
}
template <class Token, class Out, class... More>
void write_all(const Token& token, Out& out, More&... more) {
  TAILOR_INLINE
  out.write(token);
  write_all(token, more...);
}

/// The same tokens to every reader. C: tokens.
template <class C, class In, class... Outs>
void clone(In& in, Outs&... outs) {
  TAILOR_INLINE
  TAILOR_LOOP(tokens)
  for (int t = 0; t < C::tokens; ++t) {
    TAILOR_PIPELINE(C)
    write_all(in.read(), outs...);
  }
}

template <class C, class TYPES>
void add_tokens(typename C::acc_t[C::channels]) {
  TAILOR_INLINE
}
template <class C, class TYPES, class In, class... More>
void add_tokens(typename C::acc_t sum[C::channels], In& in, More&... more) {
  TAILOR_INLINE
  typename TYPES::first::type values[C::channels];
  TAILOR_REGISTERS(values)
  unpack<C::channels, TYPES::first::bits>(in.read(), values);
  TAILOR_LOOP(add_channels)
  for (int c = 0; c < C::channels; ++c) {
    TAILOR_UNROLL
    sum[c] += values[c];
  }
  add_tokens<C, typename TYPES::more>(sum, more...);
}

/// Sums tokens of several streams. C: tokens, channels, out_bits; in_types (OperandTypes), out_t,
/// acc_t, out_token.
template <class C, class... Ins>
void add(hls::stream<typename C::out_token>& out, Ins&... ins) {
  TAILOR_INLINE
  TAILOR_LOOP(tokens)
  for (int t = 0; t < C::tokens; ++t) {
    TAILOR_PIPELINE(C)
    typename C::acc_t sum[C::channels];
    TAILOR_REGISTERS(sum)
    TAILOR_LOOP(clear)
    for (int c = 0; c < C::channels; ++c) {
      TAILOR_UNROLL
      sum[c] = 0;
    }
    add_tokens<C, typename C::in_types>(sum, ins...);
    typename C::out_t result[C::channels];
    TAILOR_REGISTERS(result)
    TAILOR_LOOP(cast)
    for (int c = 0; c < C::channels; ++c) {
      TAILOR_UNROLL
      result[c] = sum[c];
    }
    out.write(pack<C::channels, C::out_bits, typename C::out_token>(result));
  }
}

/// C: tokens, channels, bits; value_t, in_token, out_token.
template <class C>
void relu(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  TAILOR_LOOP(tokens)
  for (int t = 0; t < C::tokens; ++t) {
    TAILOR_PIPELINE(C)
    typename C::value_t values[C::channels];
    TAILOR_REGISTERS(values)
    unpack<C::channels, C::bits>(in.read(), values);
    TAILOR_LOOP(channels)
    for (int c = 0; c < C::channels; ++c) {
      TAILOR_UNROLL
      if (values[c] < 0) values[c] = 0;
    }
    out.write(pack<C::channels, C::bits, typename C::out_token>(values));
  }
}

/// A token of a port is rounded up to bytes, so the two may differ in width. C: in_height,
/// in_width, top, left, bottom, right; in_token, out_token.
template <class C>
void pad_with(const typename C::out_token& fill, hls::stream<typename C::in_token>& in,
              hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  const int height = C::top + C::in_height + C::bottom, width = C::left + C::in_width + C::right;
  Scan<height, width, Places<C::top, 1, C::in_height>, Places<C::left, 1, C::in_width> > scan;
  TAILOR_LOOP(iterations)
  for (int i = 0; i < height * width; ++i) {
    TAILOR_PIPELINE(C)
    typename C::out_token token = fill;
    if (scan.emits()) token = in.read();
    out.write(token);
    scan.step();
  }
}

template <class C>
void zero_pad(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  pad_with<C>(typename C::out_token(0), in, out);
}

/// Pads that no maximum takes. C besides: channels, bits, lowest_raw; value_t.
template <class C>
void lowest_pad(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  typename C::value_t lowest[C::channels];
  TAILOR_REGISTERS(lowest)
  TAILOR_LOOP(fill_channels)
  for (int c = 0; c < C::channels; ++c) {
    TAILOR_UNROLL
    lowest[c] = from_raw<typename C::value_t, C::bits>(C::lowest_raw);
  }
  pad_with<C>(pack<C::channels, C::bits, typename C::out_token>(lowest), in, out);
}

/// Pixels a stride of rows and columns apart; their channels stand at channel_offset among zeros.
/// C: height, width, out_height, out_width, stride_height, stride_width, in_channels, bits,
/// channel_offset; in_token, out_token.
template <class C>
void shortcut_pad(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out) {
  TAILOR_INLINE
  Scan<C::height, C::width, Places<0, C::stride_height, C::out_height>,
       Places<0, C::stride_width, C::out_width> >
      scan;
  TAILOR_LOOP(iterations)
  for (int i = 0; i < C::height * C::width; ++i) {
    TAILOR_PIPELINE(C)
    const typename C::in_token pixel = in.read();
    if (scan.emits()) {
      typename C::out_token token = 0;
      token.range((C::channel_offset + C::in_channels) * C::bits - 1, C::channel_offset * C::bits) =
          pixel;
      out.write(token);
    }
    scan.step();
  }
}

}  // namespace tailor

#endif  // TAILOR_STREAM_OPS_H_
