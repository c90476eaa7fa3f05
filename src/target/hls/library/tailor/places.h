// Part of tailor. You may use, copy and change this file without condition.
// Where a stage is in its scan. Every stage is one loop of which each iteration takes a cycle;
// everything here counts, because a division that is no power of two would be a unit of its own.
#ifndef TAILOR_PLACES_H_
#define TAILOR_PLACES_H_

#include "profile.h"

namespace tailor {

/// Of the places 0, 1, 2 …, those at FIRST + k * STRIDE, k below COUNT.
template <int FIRST, int STRIDE, int COUNT>
struct Places {
  int wait, left;
  Places() : wait(FIRST), left(COUNT) {}
  bool here() const { return wait == 0 && left > 0; }
  void step() {
    TAILOR_INLINE
    if (here()) {
      wait = STRIDE;
      --left;
    }
    if (wait > 0) --wait;
  }
  void restart() {
    TAILOR_INLINE
    wait = FIRST;
    left = COUNT;
  }
};

/// A scan of HEIGHT x WIDTH places, row by row, with the rows and columns at which it emits.
template <int HEIGHT, int WIDTH, class Rows, class Columns>
struct Scan {
  int y, x;
  Rows rows;
  Columns columns;
  Scan() : y(0), x(0) {}
  bool emits() const { return rows.here() && columns.here(); }
  void step() {
    TAILOR_INLINE
    if (x == WIDTH - 1) {
      x = 0;
      ++y;
      rows.step();
      columns.restart();
    } else {
      ++x;
      columns.step();
    }
  }
};

}  // namespace tailor

#endif  // TAILOR_PLACES_H_
