// What the figures of a page have in common: how they begin, and strokes and markers that are told
// apart without colour.
#pragma once

#include <cstddef>
#include <string>

#include "tailor/report/svg.h"

namespace tailor::report {

constexpr double kCharacter = 6.9;  // of 12 units of type, in width
constexpr size_t kInks = 6;         // classes s0 to s5

/// Up to its first element. The end is "</svg>\n".
std::string figure_begin(double width, double height, const std::string& title,
                         const std::string& description);
/// " stroke-dasharray=…", or "" of the first.
std::string dash_of(size_t style);
/// A small shape around a point; the first four are a disc, a square, a diamond, a triangle.
std::string marker(size_t style, double x, double y);
/// From a value down (or up) to another, with a head.
std::string drop_path(double x, double before, double after);
std::string stale_mark(double x, double y);

}  // namespace tailor::report
