// Part of tailor. You may use, copy and change this file without condition.
// Between a card's memory and the streams of a design. A beat is one word of that memory; an image
// begins with a beat of its own, and tokens lie in it from the lowest bit on, none across two beats
// unless it is wider than one.
#ifndef TAILOR_KERNEL_H_
#define TAILOR_KERNEL_H_

#include "tokens.h"

// clang-format off
// An array in the card's memory, behind an AXI master of its own, and its address in a register.
#define TAILOR_MEMORY_PORT(port_name, beats, bundle_name)                                                 \
  TAILOR_PRAGMA(HLS INTERFACE m_axi port=port_name offset=slave bundle=bundle_name depth=beats)           \
  TAILOR_PRAGMA(HLS INTERFACE s_axilite port=port_name bundle=control)
#define TAILOR_REGISTER_PORT(port_name) TAILOR_PRAGMA(HLS INTERFACE s_axilite port=port_name bundle=control)
// Of a loop that moves beats: it is no stage, so nobody counts it.
#define TAILOR_PIPELINE_BEATS TAILOR_PRAGMA(HLS PIPELINE II=1)
#define TAILOR_STREAM_DEPTH(name, tokens) TAILOR_PRAGMA(HLS STREAM variable=name depth=tokens)
// clang-format on

namespace tailor {

/// How TOKENS tokens of BITS bits lie in beats of WORD bits.
template <int WORD, int BITS, int TOKENS>
struct Beats {
  static const int word = WORD;
  static const int bits = BITS;
  static const int tokens = TOKENS;
  static const int per_beat = BITS <= WORD ? WORD / BITS : 1;  // tokens
  static const int per_token = (BITS + WORD - 1) / WORD;       // beats
  static const int count = BITS <= WORD ? (TOKENS + per_beat - 1) / per_beat : TOKENS * per_token;
  static const bool wide = (BITS > WORD);
};

/// The beats of one image, as bursts: nothing else is in the loop.
template <class BEATS, class Beat>
void read_beats(const Beat* memory, int image, hls::stream<Beat>& beats) {
  TAILOR_STAGE
  const Beat* first = memory + static_cast<long long>(image) * BEATS::count;
  TAILOR_LOOP(read_image)
  for (int i = 0; i < BEATS::count; ++i) {
    TAILOR_PIPELINE_BEATS
    beats.write(first[i]);
  }
}

template <class BEATS, class Beat>
void write_beats(hls::stream<Beat>& beats, Beat* memory, int image) {
  TAILOR_STAGE
  Beat* first = memory + static_cast<long long>(image) * BEATS::count;
  TAILOR_LOOP(write_image)
  for (int i = 0; i < BEATS::count; ++i) {
    TAILOR_PIPELINE_BEATS
    first[i] = beats.read();
  }
}

template <class BEATS, bool WIDE>
struct BeatTokens;

template <class BEATS>
struct BeatTokens<BEATS, false> {
  template <class Beat, class Token>
  static void take_apart(hls::stream<Beat>& beats, hls::stream<Token>& tokens) {
    TAILOR_INLINE
    Token slots[BEATS::per_beat];
    TAILOR_REGISTERS(slots)
    int left = 0;
    TAILOR_LOOP(tokens_of_beats)
    for (int t = 0; t < BEATS::tokens; ++t) {
      TAILOR_PIPELINE_BEATS
      if (left == 0) {
        unpack<BEATS::per_beat, BEATS::bits, Beat, Token>(beats.read(), slots);
        left = BEATS::per_beat;
      }
      tokens.write(slots[0]);
      TAILOR_LOOP(next_slot)
      for (int s = 0; s + 1 < BEATS::per_beat; ++s) {
        TAILOR_UNROLL
        slots[s] = slots[s + 1];
      }
      --left;
    }
  }
  template <class Token, class Beat>
  static void put_together(hls::stream<Token>& tokens, hls::stream<Beat>& beats) {
    TAILOR_INLINE
    Token slots[BEATS::per_beat];
    TAILOR_REGISTERS(slots)
    int slot = 0;
    TAILOR_LOOP(beats_of_tokens)
    for (int t = 0; t < BEATS::tokens; ++t) {
      TAILOR_PIPELINE_BEATS
      TAILOR_LOOP(empty_slots)
      for (int s = 0; s < BEATS::per_beat; ++s) {
        TAILOR_UNROLL
        if (slot == 0) slots[s] = 0;
      }
      slots[slot] = tokens.read();
      if (slot == BEATS::per_beat - 1 || t == BEATS::tokens - 1) {
        beats.write(pack<BEATS::per_beat, BEATS::bits, Beat, Token>(slots));
        slot = 0;
      } else {
        ++slot;
      }
    }
  }
};

template <class BEATS>
struct BeatTokens<BEATS, true> {
  template <class Beat, class Token>
  static void take_apart(hls::stream<Beat>& beats, hls::stream<Token>& tokens) {
    TAILOR_INLINE
    Beat parts[BEATS::per_token];
    TAILOR_REGISTERS(parts)
    int part = 0;
    TAILOR_LOOP(token_of_beats)
    for (int i = 0; i < BEATS::count; ++i) {
      TAILOR_PIPELINE_BEATS
      parts[part] = beats.read();
      if (part == BEATS::per_token - 1) {
        Token token = 0;
        TAILOR_LOOP(join_parts)
        for (int p = 0; p < BEATS::per_token; ++p) {
          TAILOR_UNROLL
          const int low = p * BEATS::word;
          const int bits = BEATS::bits - low < BEATS::word ? BEATS::bits - low : BEATS::word;
          token.range(low + bits - 1, low) = parts[p].range(bits - 1, 0);
        }
        tokens.write(token);
        part = 0;
      } else {
        ++part;
      }
    }
  }
  template <class Token, class Beat>
  static void put_together(hls::stream<Token>& tokens, hls::stream<Beat>& beats) {
    TAILOR_INLINE
    Beat parts[BEATS::per_token];
    TAILOR_REGISTERS(parts)
    int part = 0;
    TAILOR_LOOP(beats_of_token)
    for (int i = 0; i < BEATS::count; ++i) {
      TAILOR_PIPELINE_BEATS
      if (part == 0) {
        const Token token = tokens.read();
        TAILOR_LOOP(split_parts)
        for (int p = 0; p < BEATS::per_token; ++p) {
          TAILOR_UNROLL
          const int low = p * BEATS::word;
          const int bits = BEATS::bits - low < BEATS::word ? BEATS::bits - low : BEATS::word;
          parts[p] = 0;
          parts[p].range(bits - 1, 0) = token.range(low + bits - 1, low);
        }
      }
      beats.write(parts[part]);
      part = part == BEATS::per_token - 1 ? 0 : part + 1;
    }
  }
};

template <class BEATS, class Beat, class Token>
void beats_to_tokens(hls::stream<Beat>& beats, hls::stream<Token>& tokens) {
  TAILOR_STAGE
  BeatTokens<BEATS, BEATS::wide>::take_apart(beats, tokens);
}

template <class BEATS, class Token, class Beat>
void tokens_to_beats(hls::stream<Token>& tokens, hls::stream<Beat>& beats) {
  TAILOR_STAGE
  BeatTokens<BEATS, BEATS::wide>::put_together(tokens, beats);
}

}  // namespace tailor

#endif  // TAILOR_KERNEL_H_
