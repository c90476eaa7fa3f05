// Part of tailor. You may use, copy and change this file without condition.
// A token is one pixel: all its channels packed into one word, channel c at bits [c * BITS, (c + 1)
// * BITS). Packing is explicit so that every HLS compiler makes one FIFO of one word an edge.
#ifndef TAILOR_TOKENS_H_
#define TAILOR_TOKENS_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "profile.h"

namespace tailor {

/// values[c] takes the bits of channel c. T has BITS bits.
template <int CHANNELS, int BITS, class Token, class T>
void unpack(const Token& token, T values[CHANNELS]) {
  TAILOR_INLINE
  TAILOR_LOOP(unpack_channels)
  for (int c = 0; c < CHANNELS; ++c) {
    TAILOR_UNROLL
    values[c].range(BITS - 1, 0) = token.range((c + 1) * BITS - 1, c * BITS);
  }
}

template <int CHANNELS, int BITS, class Token, class T>
Token pack(const T values[CHANNELS]) {
  TAILOR_INLINE
  Token token = 0;
  TAILOR_LOOP(pack_channels)
  for (int c = 0; c < CHANNELS; ++c) {
    TAILOR_UNROLL
    token.range((c + 1) * BITS - 1, c * BITS) = values[c].range(BITS - 1, 0);
  }
  return token;
}

/// What the tokens of several streams are made of: values of a type, so many bits each.
template <class T, int BITS>
struct Carries {
  typedef T type;
  static const int bits = BITS;
};
template <class... Streams>
struct OperandTypes;
template <class First, class... More>
struct OperandTypes<First, More...> {
  typedef First first;
  typedef OperandTypes<More...> more;
};

/// A fixed-point value from its raw integer; weights are stored raw, because compilers take
/// integers thousands of times faster than objects.
template <class T, int BITS, class Raw>
T from_raw(Raw raw) {
  TAILOR_INLINE
  T value;
  value.range(BITS - 1, 0) = ap_uint<BITS>(raw);
  return value;
}

}  // namespace tailor

#endif  // TAILOR_TOKENS_H_
