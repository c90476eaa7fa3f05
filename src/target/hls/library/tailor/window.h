// Part of tailor. You may use, copy and change this file without condition.
// The tokens under a sliding window. Rows wait in line buffers, columns in one shift register for
// each row of taps; a tap is read where it stands, so that dilation costs delay and no arithmetic.
#ifndef TAILOR_WINDOW_H_
#define TAILOR_WINDOW_H_

#include "tokens.h"

namespace tailor {

/// Rows and columns of the scan from the first tap to the last one, both included. C:
/// kernel_height, kernel_width, dilation_height, dilation_width.
template <class C>
struct WindowExtent {
  static const int height = (C::kernel_height - 1) * C::dilation_height + 1;
  static const int width = (C::kernel_width - 1) * C::dilation_width + 1;
};

/// column[k] takes the token at x of the last ROWS rows and of this one, from the top. C besides:
/// scan_width, in_token. Every stage has a C of its own: the static buffers belong to it.
template <class C, int ROWS>
struct LineBuffers {
  static void run(const typename C::in_token& below, int x, typename C::in_token column[ROWS + 1]) {
    TAILOR_INLINE
    static typename C::in_token lines[ROWS][C::scan_width];
    TAILOR_LINES(lines)
    column[ROWS] = below;
    TAILOR_LOOP(lines_up)
    for (int k = 0; k < ROWS; ++k) {
      TAILOR_UNROLL
      column[k] = lines[k][x];
    }
    TAILOR_LOOP(lines_down)
    for (int k = 0; k < ROWS; ++k) {
      TAILOR_UNROLL
      lines[k][x] = column[k + 1];
    }
  }
};
/// One row of taps reads no earlier row: there are no buffers.
template <class C>
struct LineBuffers<C, 0> {
  static void run(const typename C::in_token& below, int, typename C::in_token column[1]) {
    TAILOR_INLINE
    column[0] = below;
  }
};

/// Moves the window on by the token at x of the scan. Tap (ky, kx) is then
/// window[ky][kx * dilation_width].
template <class C>
void slide(const typename C::in_token& below, int x,
           typename C::in_token window[C::kernel_height][WindowExtent<C>::width]) {
  TAILOR_INLINE
  typename C::in_token column[WindowExtent<C>::height];
  TAILOR_REGISTERS(column)
  LineBuffers<C, WindowExtent<C>::height - 1>::run(below, x, column);
  TAILOR_LOOP(window_rows)
  for (int ky = 0; ky < C::kernel_height; ++ky) {
    TAILOR_UNROLL
    TAILOR_LOOP(window_columns)
    for (int i = 0; i < WindowExtent<C>::width - 1; ++i) {
      TAILOR_UNROLL
      window[ky][i] = window[ky][i + 1];
    }
    window[ky][WindowExtent<C>::width - 1] = column[ky * C::dilation_height];
  }
}

}  // namespace tailor

#endif  // TAILOR_WINDOW_H_
