// Part of tailor. You may use, copy and change this file without condition.
// What is under a sliding window. Rows wait in line buffers, columns in registers that shift; a tap
// is read where it stands, so that dilation costs delay and no arithmetic.
#ifndef TAILOR_WINDOW_H_
#define TAILOR_WINDOW_H_

#include "places.h"
#include "tokens.h"

namespace tailor {

/// Rows and columns of the scan from the first tap to the last one, both included. C:
/// kernel_height, kernel_width, dilation_height, dilation_width.
template <class C>
struct WindowExtent {
  static const int height = (C::kernel_height - 1) * C::dilation_height + 1;
  static const int width = (C::kernel_width - 1) * C::dilation_width + 1;
};

/// The scan of a window: C besides: out_height, out_width, stride_height, stride_width, pad_top,
/// pad_left, scan_height, scan_width (the image and what pads it behind, which pads both sides).
template <class C>
struct WindowScan {
  static const int before_y = WindowExtent<C>::height - 1 - C::pad_top;  // no window ends there
  static const int before_x = WindowExtent<C>::width - 1 - C::pad_left;
  static const int steps = C::scan_height * C::scan_width;
  static const int outputs = C::out_height * C::out_width;
  typedef Scan<C::scan_height, C::scan_width, Places<before_y, C::stride_height, C::out_height>,
               Places<before_x, C::stride_width, C::out_width> >
      Type;
};

/// column[k] takes the token at x of the last ROWS rows and of this one, from the top.
template <class C, int ROWS>
void move_lines(const typename C::in_token& below, int x,
                typename C::in_token lines[ROWS][C::scan_width],
                typename C::in_token column[ROWS + 1]) {
  TAILOR_INLINE
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

/// Every stage has a C of its own: the static buffers belong to it. C besides: scan_width,
/// in_token. A place is read again a row later; rows too short for a memory are registers.
template <class C, int ROWS, bool SHORT>
struct LineBuffers {
  static void run(const typename C::in_token& below, int x, typename C::in_token column[ROWS + 1]) {
    TAILOR_INLINE
    static typename C::in_token lines[ROWS][C::scan_width];
    TAILOR_LINES(lines)
    move_lines<C, ROWS>(below, x, lines, column);
  }
};
template <class C, int ROWS>
struct LineBuffers<C, ROWS, true> {
  static void run(const typename C::in_token& below, int x, typename C::in_token column[ROWS + 1]) {
    TAILOR_INLINE
    static typename C::in_token lines[ROWS][C::scan_width];
    TAILOR_REGISTERS(lines)
    move_lines<C, ROWS>(below, x, lines, column);
  }
};
/// One row of taps reads no earlier row: there are no buffers.
template <class C>
struct LineBuffers<C, 0, false> {
  static void run(const typename C::in_token& below, int, typename C::in_token column[1]) {
    TAILOR_INLINE
    column[0] = below;
  }
};

/// column[k] takes the token at x of the scan and of the rows that the window's span above it.
template <class C>
void next_column(const typename C::in_token& below, int x,
                 typename C::in_token column[WindowExtent<C>::height]) {
  TAILOR_INLINE
  const int rows = WindowExtent<C>::height - 1;
  const int shortest = 8;  // places from one access to the next that a memory surely bears
  LineBuffers<C, rows, (rows > 0 && C::scan_width < shortest)>::run(below, x, column);
}

/// Moves the window on by the token at x of the scan. Tap (ky, kx) is then
/// window[ky][kx * dilation_width].
template <class C>
void slide(const typename C::in_token& below, int x,
           typename C::in_token window[C::kernel_height][WindowExtent<C>::width]) {
  TAILOR_INLINE
  typename C::in_token column[WindowExtent<C>::height];
  TAILOR_REGISTERS(column)
  next_column<C>(below, x, column);
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
