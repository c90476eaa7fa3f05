// Part of tailor. You may use, copy and change this file without condition.
// One stage on a map of one row, frame after frame: the last frames wait in a memory, of which a
// word is read each cycle. Tokens may be folded: a frame is then several, the first channels first.
#ifndef TAILOR_CONV1D_H_
#define TAILOR_CONV1D_H_

#include "conv2d.h"
#include "memory.h"

namespace tailor {

/// The line buffer: place p of `line_frames` has, for each of `in_fold` tokens, a word with the
/// tokens of `lanes` frames, line_frames apart, the newest in the last lane. `head` is the place of
/// the newest frame, the next one that of the oldest. Read number k of a pass has the taps
/// lane * reads + k.
template <class C>
struct LineBuffer {
  static const int token_bits = C::in_channels * C::in_bits;
  static const int reads = C::kernel / C::lanes;

  /// The word with a token in the oldest one's place; what it displaces moves a lane on.
  static typename C::line_word push(const typename C::in_token& token,
                                    const typename C::line_word& old) {
    TAILOR_INLINE
    static_assert(reads * C::lanes == C::kernel && reads * C::dilation == C::line_frames, "lanes");
    typename C::line_word word = 0;
    if (C::lanes > 1) {
      const int moved = C::lanes > 1 ? (C::lanes - 1) * token_bits : token_bits;
      word.range(moved - 1, 0) =
          old.range(C::lanes * token_bits - 1, C::lanes * token_bits - moved);
    }
    word.range(C::lanes * token_bits - 1, (C::lanes - 1) * token_bits) =
        token.range(token_bits - 1, 0);
    return word;
  }
  /// The place of the next tap of every lane; head comes before the first.
  static int next(int place) {
    TAILOR_INLINE
    const int tap = place + C::dilation;
    return tap >= C::line_frames ? tap - C::line_frames : tap;
  }
  static typename C::line_token of_lane(const typename C::line_word& word, int lane) {
    TAILOR_INLINE
    typename C::line_token token = 0;
    token.range(token_bits - 1, 0) = word.range((lane + 1) * token_bits - 1, lane * token_bits);
    return token;
  }
  /// The token of a lane; 0 before the first frame. `frame` is that of the last tap.
  static typename C::line_token tap(const typename C::line_word& word, int lane, int read,
                                    int frame) {
    TAILOR_INLINE
    typename C::line_token token = 0;
    if (frame >= (C::kernel - 1 - lane * reads - read) * C::dilation) token = of_lane(word, lane);
    return token;
  }
};

/// The centre tap, which is the input at the output's place: it passes by in a read of each pass.
template <class C>
struct Centre {
  static const int lane = C::centre / LineBuffer<C>::reads;
  static const int read = C::centre - lane * LineBuffer<C>::reads;
};

/// The skip streams' next tokens, summed.
template <class C, class... Skips>
void begin_skips(typename C::acc_t sum[C::out_channels], Skips&... skips) {
  TAILOR_INLINE
  TAILOR_LOOP(clear_skips)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    sum[o] = 0;
  }
  add_skips<C, typename C::skip_types>(sum, skips...);
}

/// Adds the input at the output's place, once for each of the window's skips.
template <class C>
void add_centre(const typename C::line_token& token, typename C::acc_t sum[C::out_channels]) {
  TAILOR_INLINE
  typename C::in_t values[C::in_channels];
  TAILOR_REGISTERS(values)
  unpack<C::in_channels, C::in_bits>(token, values);
  TAILOR_LOOP(centre_channels)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    TAILOR_LOOP(centre_skips)
    for (int s = 0; s < C::window_skips; ++s) {
      TAILOR_UNROLL
      sum[o] += values[o % C::in_channels];
    }
  }
}

/// The next `outputs` channels of a token, with bias and scales of that number, and their skips;
/// they shift in from the last place on.
template <class C, class Scale>
void end_outputs(const typename SumOf<C, Scale>::type acc[C::outputs], int number,
                 const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs], Scale scale,
                 typename C::acc_t skip_sum[C::out_channels],
                 typename C::out_t result[C::out_channels]) {
  TAILOR_INLINE
  typename C::out_t values[C::outputs];
  TAILOR_REGISTERS(values)
  TAILOR_LOOP(finish_outputs)
  for (int j = 0; j < C::outputs; ++j) {
    TAILOR_UNROLL
    const typename C::acc_t before = from_raw<typename C::bias_t, C::bias_bits>(bias[number][j]);
    typename C::acc_t value = SumOf<C, Scale>::end(acc[j], before, scale[number][j]);
    if (!C::skips_after_activation) value += skip_sum[j];
    values[j] = finish_sum<C>(value, skip_sum[j]);
  }
  TAILOR_LOOP(next_outputs)
  for (int o = 0; o < C::out_channels; ++o) {
    TAILOR_UNROLL
    if (o + C::outputs < C::out_channels) {
      skip_sum[o] = skip_sum[o + C::outputs];
      result[o] = result[o + C::outputs];
    } else {
      result[o] = values[o + C::outputs - C::out_channels];
    }
  }
}

/// The operands of an iteration: of each lane the part of that number, `SIZE` channels each.
template <class C, int SIZE>
void line_values(const typename C::line_word& taps, int read, int part, int frame,
                 typename C::in_t values[C::lanes][SIZE]) {
  TAILOR_INLINE
  TAILOR_LOOP(value_lanes)
  for (int lane = 0; lane < C::lanes; ++lane) {
    TAILOR_UNROLL
    typename C::in_t parts[C::in_channels / SIZE][SIZE];
    TAILOR_REGISTERS(parts)
    const typename C::line_token token = LineBuffer<C>::tap(taps, lane, read, frame);
    TAILOR_LOOP(parts)
    for (int p = 0; p < C::in_channels / SIZE; ++p) {
      TAILOR_UNROLL
      TAILOR_LOOP(part_channels)
      for (int c = 0; c < SIZE; ++c) {
        TAILOR_UNROLL
        parts[p][c].range(C::in_bits - 1, 0) =
            token.range((p * SIZE + c + 1) * C::in_bits - 1, (p * SIZE + c) * C::in_bits);
      }
    }
    TAILOR_LOOP(part_values)
    for (int c = 0; c < SIZE; ++c) {
      TAILOR_UNROLL
      values[lane][c] = parts[part][c];
    }
  }
}

/// Every channel for itself: each token of a frame is read, kept and answered in turn. One loop: a
/// token takes an iteration, one that is answered `steps`. The word that a token is pushed into is
/// the first that is read, so that the memory is read once an iteration. C: in_frames, out_frames,
/// scan_frames, before (frames that no window ends on), kernel, stride, dilation, in_fold,
/// in_channels, out_fold, out_channels (of a token), lanes, elements, outputs, steps (of an output
/// token), words (of weights), line_frames, centre (tap), relu, window_skips,
/// skips_after_activation, hands_on; in_bits, out_bits; in_t, out_t, acc_t, bias_t,
/// skip_types, in_token, out_token, centre_token, line_token, line_word; and n_in, n_out,
/// multipliers, weight_bits, bias_bits, weight_t, weight_raw, bias_raw. Weights are in the order of
/// reading, a word of C::multipliers an iteration; biases in words of C::outputs.
template <class C, class Taker, class Scale, class... Skips>
void depthwise_lines(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                     Taker& centre, typename C::line_word line[C::line_frames * C::in_fold],
                     const typename C::weight_raw weights[C::words][C::multipliers],
                     const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs],
                     Scale scale, Skips&... skips) {
  TAILOR_INLINE
  TAILOR_WORDS(weights)
  TAILOR_WORDS(bias)
  const int reads = LineBuffer<C>::reads;
  typedef SumOf<C, Scale> Sum;
  typename Sum::type acc[C::outputs];
  typename C::acc_t skip_sum[C::out_channels];
  typename C::out_t result[C::out_channels];
  typename C::centre_token forwarded = 0;
  typename C::line_word newest = 0;
  TAILOR_REGISTERS(acc)
  TAILOR_REGISTERS(skip_sum)
  TAILOR_REGISTERS(result)
  const int iterations = C::scan_frames * C::in_fold + C::out_frames * C::out_fold * (C::steps - 1);
  Places<C::before, C::stride, C::out_frames> frame;
  int t = 0, f = 0, head = 0;                   // frame, token, place of the frame
  int step = 0, place = 0, read = 0, pass = 0;  // of an output token; read 0 is of the newest
  int word = 0, biases = 0;                     // of weights, of biases
  TAILOR_LOOP(iterations)
  for (int i = 0; i < iterations; ++i) {
    TAILOR_PIPELINE(C)
    const bool answers = frame.here();
    typename C::line_word taps = line[place * C::in_fold + f];
    if (step == 0) {
      typename C::in_token token = 0;
      if (t < C::in_frames) token = in.read();
      newest = LineBuffer<C>::push(token, taps);
      line[place * C::in_fold + f] = newest;
      if (answers) begin_skips<C>(skip_sum, skips...);
    }
    if (read == 0) taps = newest;
    const bool ends = !answers || step == C::steps - 1;
    if (answers) {
      const int tap = read == 0 ? reads - 1 : read - 1;
      typename C::in_t values[C::lanes][C::outputs];
      TAILOR_REGISTERS(values)
      line_values<C, C::outputs>(taps, tap, pass, t, values);
      TAILOR_LOOP(products)
      for (int j = 0; j < C::outputs; ++j) {
        TAILOR_UNROLL
        typename Sum::type sum = 0;
        TAILOR_LOOP(lanes)
        for (int lane = 0; lane < C::lanes; ++lane) {
          TAILOR_UNROLL
          sum +=
              from_raw<typename C::weight_t, C::weight_bits>(weights[word][j * C::lanes + lane]) *
              values[lane][j];
        }
        const typename C::acc_t before =
            from_raw<typename C::bias_t, C::bias_bits>(bias[biases][j]);
        acc[j] = (read == 0 ? Sum::begin(before) : acc[j]) + sum;
      }
      if ((C::window_skips > 0 || C::hands_on) && tap == Centre<C>::read && pass == 0) {
        forwarded = LineBuffer<C>::of_lane(taps, Centre<C>::lane);
        add_centre<C>(LineBuffer<C>::of_lane(taps, Centre<C>::lane), skip_sum);
      }
      if (read == reads - 1) {
        end_outputs<C>(acc, biases, bias, scale, skip_sum, result);
        ++pass;
        ++biases;
      }
      if (ends) {
        if (C::hands_on) centre.write(forwarded);
        out.write(pack<C::out_channels, C::out_bits, typename C::out_token>(result));
      }
      ++word;
    }
    place = answers && read < reads - 1 ? LineBuffer<C>::next(place) : head;
    read = answers && read < reads - 1 ? read + 1 : 0;
    ++step;
    if (ends) {
      step = 0;
      pass = 0;
      if (f < C::in_fold - 1) {
        ++f;
      } else {
        f = 0;
        ++t;
        word = 0;
        biases = 0;
        frame.step();
        head = head + 1 == C::line_frames ? 0 : head + 1;
        place = head;
      }
    }
  }
}

template <class C, class... Skips>
void depthwise_conv1d(hls::stream<typename C::in_token>& in,
                      hls::stream<typename C::out_token>& out,
                      typename C::line_word line[C::line_frames * C::in_fold],
                      const typename C::weight_raw weights[C::words][C::multipliers],
                      const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs],
                      Skips&... skips) {
  TAILOR_INLINE
  NoTaker none;
  depthwise_lines<C>(in, out, none, line, weights, bias, NoScale(), skips...);
}

/// Hands its input on at the output's places, for a skip that begins here and joins behind the next
/// stage.
template <class C, class... Skips>
void forwarding_conv1d(hls::stream<typename C::in_token>& in,
                       hls::stream<typename C::out_token>& out,
                       hls::stream<typename C::centre_token>& centre,
                       typename C::line_word line[C::line_frames * C::in_fold],
                       const typename C::weight_raw weights[C::words][C::multipliers],
                       const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs],
                       Skips&... skips) {
  TAILOR_INLINE
  depthwise_lines<C>(in, out, centre, line, weights, bias, NoScale(), skips...);
}

/// All channels of a frame, and with a kernel of 1 nothing else: its tokens are read, then every
/// output token is made of all of them, tile by tile. One loop: a token takes an iteration, and so
/// does an output token's place where the frame has no answer; else it takes `steps`. C: as
/// depthwise_lines.
template <class C, class Scale, class... Skips>
void frame_lines(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                 typename C::line_word line[C::line_frames * C::in_fold],
                 const typename C::weight_raw weights[C::words][C::multipliers],
                 const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs], Scale scale,
                 Skips&... skips) {
  TAILOR_INLINE
  TAILOR_WORDS(weights)
  TAILOR_WORDS(bias)
  typedef Multiplier<C, C::packed> Products;
  const int reads = LineBuffer<C>::reads;
  typedef SumOf<C, Scale> Sum;
  typename Sum::type acc[C::outputs];
  typename C::acc_t skip_sum[C::out_channels];
  typename C::out_t result[C::out_channels];
  TAILOR_REGISTERS(acc)
  TAILOR_REGISTERS(skip_sum)
  TAILOR_REGISTERS(result)
  const int iterations =
      C::scan_frames * (C::in_fold + C::out_fold) + C::out_frames * C::out_fold * (C::steps - 1);
  Places<C::before, C::stride, C::out_frames> frame;
  int t = 0, f = 0, g = 0, head = 0;  // frame, token read or multiplied, output token, place
  int step = 0, place = 0, read = 0, part = 0;  // of an output token
  int word = 0, biases = 0;                     // of weights, of biases
  bool reading = true, first = true;            // first: outputs of a token
  TAILOR_LOOP(iterations)
  for (int i = 0; i < iterations; ++i) {
    TAILOR_PIPELINE(C)
    const bool answers = !reading && frame.here();
    const typename C::line_word taps = line[place * C::in_fold + f];
    bool ends = !answers;
    if (reading) {
      typename C::in_token token = 0;
      if (t < C::in_frames) token = in.read();
      line[place * C::in_fold + f] = LineBuffer<C>::push(token, taps);
    } else if (answers) {
      if (step == 0) begin_skips<C>(skip_sum, skips...);
      typename C::in_t values[C::lanes][C::elements];
      TAILOR_REGISTERS(values)
      line_values<C, C::elements>(taps, read, part, t, values);
      const bool begins = read == 0 && f == 0 && part == 0;
      TAILOR_LOOP(outputs)
      for (int j = 0; j < C::outputs; j += Products::outputs) {
        TAILOR_UNROLL
        const bool pair = Products::outputs > 1 && j + 1 < C::outputs;
        typename Sum::type sum[Products::outputs];
        TAILOR_REGISTERS(sum)
        sum[0] = 0;
        sum[Products::outputs - 1] = 0;
        TAILOR_LOOP(lanes)
        for (int lane = 0; lane < C::lanes; ++lane) {
          TAILOR_UNROLL
          TAILOR_LOOP(products)
          for (int e = 0; e < C::elements; ++e) {
            TAILOR_UNROLL
            const int m = (j * C::lanes + lane) * C::elements + e;
            typename C::weight_raw beside = 0;
            if (pair) beside = weights[word][m + C::lanes * C::elements];
            Products::add(weights[word][m], beside, values[lane][e], sum);
          }
        }
        TAILOR_LOOP(sums)
        for (int s = 0; s < Products::outputs; ++s) {
          TAILOR_UNROLL
          if (s == 0 || pair) {
            const typename C::acc_t before =
                from_raw<typename C::bias_t, C::bias_bits>(bias[biases][j + s]);
            acc[j + s] = (begins ? Sum::begin(before) : acc[j + s]) + sum[s];
          }
        }
      }
      if (C::window_skips > 0 && read == Centre<C>::read && f == g && part == 0 && first)
        add_centre<C>(LineBuffer<C>::of_lane(taps, Centre<C>::lane), skip_sum);
      ends = step == C::steps - 1;
      ++step;
      ++word;
      const bool last_part = part == C::in_channels / C::elements - 1;
      const bool last_token = f == C::in_fold - 1;
      const bool whole = last_part && last_token && read == reads - 1;
      if (whole) {
        end_outputs<C>(acc, biases, bias, scale, skip_sum, result);
        ++biases;
        first = false;
      }
      if (ends) out.write(pack<C::out_channels, C::out_bits, typename C::out_token>(result));
      part = last_part ? 0 : part + 1;
      if (last_part) {
        f = last_token ? 0 : f + 1;
        if (last_token) {
          read = whole ? 0 : read + 1;
          place = LineBuffer<C>::next(place);  // after the last one of the newest: the first again
        }
      }
    }
    if (reading) {
      f = f == C::in_fold - 1 ? 0 : f + 1;
      if (f == 0) {
        reading = false;
        place = LineBuffer<C>::next(head);
      }
    } else if (ends) {
      step = 0;
      first = true;
      if (g < C::out_fold - 1) {
        ++g;
      } else {
        g = 0;
        ++t;
        word = 0;
        biases = 0;
        frame.step();
        head = head + 1 == C::line_frames ? 0 : head + 1;
        place = head;
        reading = true;
      }
    }
  }
}

template <class C, class... Skips>
void conv1d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
            typename C::line_word line[C::line_frames * C::in_fold],
            const typename C::weight_raw weights[C::words][C::multipliers],
            const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs], Skips&... skips) {
  TAILOR_INLINE
  frame_lines<C>(in, out, line, weights, bias, NoScale(), skips...);
}

/// The same three whose output channels have scales, in words like biases.
template <class C, class... Skips>
void scaled_depthwise_conv1d(hls::stream<typename C::in_token>& in,
                             hls::stream<typename C::out_token>& out,
                             typename C::line_word line[C::line_frames * C::in_fold],
                             const typename C::weight_raw weights[C::words][C::multipliers],
                             const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs],
                             const typename C::scale_raw scale[C::n_out / C::outputs][C::outputs],
                             Skips&... skips) {
  TAILOR_INLINE
  TAILOR_WORDS(scale)
  NoTaker none;
  depthwise_lines<C>(in, out, none, line, weights, bias, scale, skips...);
}
template <class C, class... Skips>
void scaled_forwarding_conv1d(hls::stream<typename C::in_token>& in,
                              hls::stream<typename C::out_token>& out,
                              hls::stream<typename C::centre_token>& centre,
                              typename C::line_word line[C::line_frames * C::in_fold],
                              const typename C::weight_raw weights[C::words][C::multipliers],
                              const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs],
                              const typename C::scale_raw scale[C::n_out / C::outputs][C::outputs],
                              Skips&... skips) {
  TAILOR_INLINE
  TAILOR_WORDS(scale)
  depthwise_lines<C>(in, out, centre, line, weights, bias, scale, skips...);
}
template <class C, class... Skips>
void scaled_conv1d(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out,
                   typename C::line_word line[C::line_frames * C::in_fold],
                   const typename C::weight_raw weights[C::words][C::multipliers],
                   const typename C::bias_raw bias[C::n_out / C::outputs][C::outputs],
                   const typename C::scale_raw scale[C::n_out / C::outputs][C::outputs],
                   Skips&... skips) {
  TAILOR_INLINE
  TAILOR_WORDS(scale)
  frame_lines<C>(in, out, line, weights, bias, scale, skips...);
}

}  // namespace tailor

#endif  // TAILOR_CONV1D_H_
