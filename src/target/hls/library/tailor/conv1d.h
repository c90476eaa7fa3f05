// Part of tailor. You may use, copy and change this file without condition.
// One stage on a map of one row, frame after frame: the last frames wait in a memory, whose words
// are read one a cycle. Tokens may be folded: a frame is then several, the first channels first.
#ifndef TAILOR_CONV1D_H_
#define TAILOR_CONV1D_H_

#include "conv2d.h"
#include "memory.h"

namespace tailor {

/// The line buffer: place p of `line_frames` has, for each of `in_fold` tokens, a word with the
/// tokens of `lanes` frames, line_frames apart, the newest in the last lane. `head` is the place of
/// the newest frame, the next one that of the oldest.
template <class C>
struct LineBuffer {
  static const int token_bits = C::in_channels * C::in_bits;
  static const int reads = C::kernel / C::lanes;

  /// A token takes the oldest one's place; what it displaces moves a lane on.
  static void push(const typename C::in_token& token, int head, int f,
                   typename C::line_word line[C::line_frames * C::in_fold]) {
    TAILOR_INLINE
    static_assert(reads * C::lanes == C::kernel && reads * C::dilation == C::line_frames, "lanes");
    typename C::line_word word = 0;
    if (C::lanes > 1) {
      const int moved = C::lanes > 1 ? (C::lanes - 1) * token_bits : token_bits;
      const typename C::line_word old = line[head * C::in_fold + f];
      word.range(moved - 1, 0) =
          old.range(C::lanes * token_bits - 1, C::lanes * token_bits - moved);
    }
    word.range(C::lanes * token_bits - 1, (C::lanes - 1) * token_bits) =
        token.range(token_bits - 1, 0);
    line[head * C::in_fold + f] = word;
  }
  /// The place of the next tap of every lane; head comes before the first.
  static int next(int place) {
    TAILOR_INLINE
    const int tap = place + C::dilation;
    return tap >= C::line_frames ? tap - C::line_frames : tap;
  }
  /// The token of the centre tap, which is the input at the output's place.
  static typename C::line_token centre(
      int head, int f, const typename C::line_word line[C::line_frames * C::in_fold]) {
    TAILOR_INLINE
    int place = head + (C::centre % reads + 1) * C::dilation;
    if (place >= C::line_frames) place -= C::line_frames;
    const typename C::line_word word = line[place * C::in_fold + f];
    const int lane = C::centre / reads;
    typename C::line_token token = 0;
    token.range(token_bits - 1, 0) = word.range((lane + 1) * token_bits - 1, lane * token_bits);
    return token;
  }
  /// The token of a lane; 0 before the first frame. `oldest` is the frame of the first tap.
  static typename C::line_token tap(const typename C::line_word& word, int lane, int read,
                                    int oldest) {
    TAILOR_INLINE
    typename C::line_token token = 0;
    if (oldest + (lane * reads + read) * C::dilation >= 0) {
      token.range(token_bits - 1, 0) = word.range((lane + 1) * token_bits - 1, lane * token_bits);
    }
    return token;
  }
};

/// Which frames an output is made at.
template <class C>
struct FrameCounter {
  int wait, left;
  FrameCounter() : wait(C::before), left(C::out_frames) {}
  bool answers() const { return wait == 0 && left > 0; }
  void step() {
    if (answers()) {
      wait = C::stride;
      --left;
    }
    if (wait > 0) --wait;
  }
};

/// Where the centre tap's tokens go that nobody takes.
struct NoCentre {
  template <class Token>
  void write(const Token&) {
    TAILOR_INLINE
  }
};

/// What is added to the sums of an output token: skips.
template <class C, class Centre, class... Skips>
void skip_sums(int head, int f, const typename C::line_word line[C::line_frames * C::in_fold],
               typename C::acc_t sum[C::out_channels], typename C::centre_token& forwarded,
               Skips&... skips) {
  TAILOR_INLINE
  TAILOR_LOOP(clear_skips)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    sum[o] = 0;
  }
  if (C::window_skips > 0 || C::hands_on) {
    const typename C::line_token token = LineBuffer<C>::centre(head, f, line);
    typename C::in_t values[C::in_channels];
    TAILOR_REGISTERS(values)
    unpack<C::in_channels, C::in_bits>(token, values);
    forwarded = token;
    TAILOR_LOOP(centre_channels)
    for (int o = 0; o < C::out_channels; ++o) {
      TAILOR_UNROLL
      for (int s = 0; s < C::window_skips; ++s) {
        TAILOR_UNROLL
        sum[o] += values[o % C::in_channels];
      }
    }
  }
  add_skips<C>(sum, skips...);
}

/// A sum's end: skips, ReLU and the one cast.
template <class C>
typename C::out_t finish_sum(typename C::acc_t value, const typename C::acc_t& skips) {
  TAILOR_INLINE
  if (!C::skips_after_activation) value += skips;
  if (C::relu && value < 0) value = 0;
  if (C::skips_after_activation) value += skips;
  return typename C::out_t(value);
}

/// Every channel for itself: each token of a frame is read, kept and answered in turn. C:
/// in_frames, out_frames, scan_frames, before (frames that no window ends on), kernel, stride,
/// dilation, in_fold, in_channels, out_fold, out_channels (of a token), lanes, elements, outputs,
/// steps (of an output token), line_frames, centre (tap), relu, window_skips,
/// skips_after_activation, hands_on; in_bits, out_bits, skip_bits; in_t, out_t, acc_t, bias_t,
/// skip_t, in_token, out_token, centre_token, line_token, line_word; and n_in, n_out, multipliers,
/// weight_bits, bias_bits, weight_t, weight_raw, bias_raw. Weights are in the order of reading,
/// C::multipliers a cycle.
template <class C, class Centre, class... Skips>
void depthwise_lines(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                     Centre& centre, typename C::line_word line[C::line_frames * C::in_fold],
                     const typename C::weight_raw weights[C::n_in * C::n_out],
                     const typename C::bias_raw bias[C::n_out], Skips&... skips) {
  TAILOR_INLINE
  const int multipliers = C::multipliers;
  TAILOR_WEIGHT_WORDS(weights, multipliers)
  (void)multipliers;
  FrameCounter<C> frame;
  int head = 0;
  TAILOR_LOOP(frames)
  for (int t = 0; t < C::scan_frames; ++t) {
    TAILOR_LOOP(tokens)
    for (int f = 0; f < C::in_fold; ++f) {
      typename C::in_token token = 0;
      if (t < C::in_frames) token = in.read();
      LineBuffer<C>::push(token, head, f, line);
      if (!frame.answers()) continue;

      typename C::acc_t acc[C::outputs], skip_sum[C::out_channels];
      typename C::out_t result[C::out_channels];
      typename C::centre_token forwarded = 0;
      TAILOR_REGISTERS(acc)
      TAILOR_REGISTERS(skip_sum)
      TAILOR_REGISTERS(result)
      skip_sums<C, Centre>(head, f, line, skip_sum, forwarded, skips...);
      int read = 0, first = 0, place = head;
      TAILOR_LOOP(reuse)
      for (int step = 0; step < C::steps; ++step) {
        TAILOR_PIPELINE
        place = LineBuffer<C>::next(place);
        const typename C::line_word word = line[place * C::in_fold + f];
        const int weight = (f * C::steps + step) * C::multipliers;
        TAILOR_LOOP(outputs)
        for (int j = 0; j < C::outputs; ++j) {
          TAILOR_UNROLL
          if (read == 0) {
            acc[j] =
                from_raw<typename C::bias_t, C::bias_bits>(bias[f * C::out_channels + first + j]);
          }
        }
        TAILOR_LOOP(lanes)
        for (int i = 0; i < C::lanes; ++i) {
          TAILOR_UNROLL
          typename C::in_t values[C::in_channels];
          TAILOR_REGISTERS(values)
          unpack<C::in_channels, C::in_bits>(
              LineBuffer<C>::tap(word, i, read, t - (C::kernel - 1) * C::dilation), values);
          TAILOR_LOOP(products)
          for (int j = 0; j < C::outputs; ++j) {
            TAILOR_UNROLL
            acc[j] +=
                from_raw<typename C::weight_t, C::weight_bits>(weights[weight + j * C::lanes + i]) *
                values[first + j];
          }
        }
        if (++read == LineBuffer<C>::reads) {
          TAILOR_LOOP(end_outputs)
          for (int j = 0; j < C::outputs; ++j) {
            TAILOR_UNROLL
            result[first + j] = finish_sum<C>(acc[j], skip_sum[first + j]);
          }
          read = 0;
          first += C::outputs;
          place = head;
        }
      }
      out.write(pack<C::out_channels, C::out_bits, typename C::out_token>(result));
      if (C::hands_on) centre.write(forwarded);
    }
    frame.step();
    head = head + 1 == C::line_frames ? 0 : head + 1;
  }
}

template <class C, class... Skips>
void depthwise_conv1d(hls::stream<typename C::in_token>& in,
                      hls::stream<typename C::out_token>& out,
                      typename C::line_word line[C::line_frames * C::in_fold],
                      const typename C::weight_raw weights[C::n_in * C::n_out],
                      const typename C::bias_raw bias[C::n_out], Skips&... skips) {
  TAILOR_INLINE
  NoCentre none;
  depthwise_lines<C>(in, out, none, line, weights, bias, skips...);
}

/// Hands its input on at the output's places, for a skip that begins here and joins behind the next
/// stage.
template <class C, class... Skips>
void forwarding_conv1d(hls::stream<typename C::in_token>& in,
                       hls::stream<typename C::out_token>& out,
                       hls::stream<typename C::centre_token>& centre,
                       typename C::line_word line[C::line_frames * C::in_fold],
                       const typename C::weight_raw weights[C::n_in * C::n_out],
                       const typename C::bias_raw bias[C::n_out], Skips&... skips) {
  TAILOR_INLINE
  depthwise_lines<C>(in, out, centre, line, weights, bias, skips...);
}

/// All channels of a frame, and with a kernel of 1 nothing else: its tokens are read, then every
/// output token is made of all of them, tile by tile. C: as depthwise_lines.
template <class C, class... Skips>
void conv1d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
            typename C::line_word line[C::line_frames * C::in_fold],
            const typename C::weight_raw weights[C::n_in * C::n_out],
            const typename C::bias_raw bias[C::n_out], Skips&... skips) {
  TAILOR_INLINE
  const int multipliers = C::multipliers;
  TAILOR_WEIGHT_WORDS(weights, multipliers)
  (void)multipliers;
  FrameCounter<C> frame;
  int head = 0;
  TAILOR_LOOP(frames)
  for (int t = 0; t < C::scan_frames; ++t) {
    TAILOR_LOOP(tokens)
    for (int f = 0; f < C::in_fold; ++f) {
      typename C::in_token token = 0;
      if (t < C::in_frames) token = in.read();
      LineBuffer<C>::push(token, head, f, line);
    }
    TAILOR_LOOP(answers)
    for (int g = 0; g < C::out_fold; ++g) {
      if (!frame.answers()) continue;
      typename C::acc_t acc[C::outputs], skip_sum[C::out_channels];
      typename C::out_t result[C::out_channels];
      typename C::centre_token unused = 0;
      TAILOR_REGISTERS(acc)
      TAILOR_REGISTERS(skip_sum)
      TAILOR_REGISTERS(result)
      skip_sums<C, NoCentre>(head, g, line, skip_sum, unused, skips...);
      int read = 0, f = 0, part = 0, first = 0, place = LineBuffer<C>::next(head);
      TAILOR_LOOP(reuse)
      for (int step = 0; step < C::steps; ++step) {
        TAILOR_PIPELINE
        const typename C::line_word word = line[place * C::in_fold + f];
        const int weight = (g * C::steps + step) * C::multipliers;
        typename C::in_t values[C::lanes * C::elements];
        TAILOR_REGISTERS(values)
        TAILOR_LOOP(lanes)
        for (int i = 0; i < C::lanes; ++i) {
          TAILOR_UNROLL
          const typename C::line_token tap =
              LineBuffer<C>::tap(word, i, read, t - (C::kernel - 1) * C::dilation);
          TAILOR_LOOP(elements)
          for (int e = 0; e < C::elements; ++e) {
            TAILOR_UNROLL
            const int c = part + e;
            values[i * C::elements + e].range(C::in_bits - 1, 0) =
                tap.range((c + 1) * C::in_bits - 1, c * C::in_bits);
          }
        }
        const bool begins = read == 0 && f == 0 && part == 0;
        part += C::elements;
        if (part == C::in_channels) {
          part = 0;
          if (++f == C::in_fold) {
            f = 0;
            ++read;
            place = LineBuffer<C>::next(place);
          }
        }
        TAILOR_LOOP(outputs)
        for (int j = 0; j < C::outputs; ++j) {
          TAILOR_UNROLL
          if (begins) {
            acc[j] =
                from_raw<typename C::bias_t, C::bias_bits>(bias[g * C::out_channels + first + j]);
          }
          TAILOR_LOOP(products)
          for (int i = 0; i < C::lanes * C::elements; ++i) {
            TAILOR_UNROLL
            acc[j] += from_raw<typename C::weight_t, C::weight_bits>(
                          weights[weight + j * C::lanes * C::elements + i]) *
                      values[i];
          }
        }
        if (read == LineBuffer<C>::reads) {
          TAILOR_LOOP(end_outputs)
          for (int j = 0; j < C::outputs; ++j) {
            TAILOR_UNROLL
            result[first + j] = finish_sum<C>(acc[j], skip_sum[first + j]);
          }
          read = 0;
          first += C::outputs;
          place = LineBuffer<C>::next(head);
        }
      }
      out.write(pack<C::out_channels, C::out_bits, typename C::out_token>(result));
    }
    frame.step();
    head = head + 1 == C::line_frames ? 0 : head + 1;
  }
}

}  // namespace tailor

#endif  // TAILOR_CONV1D_H_
