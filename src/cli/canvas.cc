#include "cli/canvas.h"

#include <algorithm>
#include <cmath>

#include "tailor/data/codec.h"

namespace tailor::cli {
namespace {

constexpr int64_t kGlyphWidth = 5, kGlyphHeight = 7;

/// Seven rows of five bits, the first the highest.
struct Glyph {
  char letter;
  uint64_t rows;
};
constexpr Glyph kGlyphs[] = {
    {' ', 0x000000000},  {'#', 0x295F57D4A}, {'%', 0x632222263}, {'&', 0x32544564D},
    {'\'', 0x108800000}, {'(', 0x088842082}, {')', 0x208210888}, {'+', 0x0084F9080},
    {',', 0x000003088},  {'-', 0x0000F8000}, {'.', 0x00000018C}, {'/', 0x042222210},
    {'0', 0x3A33AE62E},  {'1', 0x11842108E}, {'2', 0x3A211111F}, {'3', 0x7C441062E},
    {'4', 0x08CA97C42},  {'5', 0x7E1E0862E}, {'6', 0x1910F462E}, {'7', 0x7C2222108},
    {'8', 0x3A317462E},  {'9', 0x3A317844C}, {':', 0x018C03180}, {';', 0x018C03088},
    {'=', 0x001F07C00},  {'A', 0x3A31FC631}, {'B', 0x7A31F463E}, {'C', 0x3A308422E},
    {'D', 0x7A318C63E},  {'E', 0x7E10F421F}, {'F', 0x7E10F4210}, {'G', 0x3A30BC62F},
    {'H', 0x4631FC631},  {'I', 0x38842108E}, {'J', 0x1C4210A4C}, {'K', 0x4654C5251},
    {'L', 0x42108421F},  {'M', 0x4775AC631}, {'N', 0x47359C631}, {'O', 0x3A318C62E},
    {'P', 0x7A31F4210},  {'Q', 0x3A318D64D}, {'R', 0x7A31F5251}, {'S', 0x3E107043E},
    {'T', 0x7C8421084},  {'U', 0x46318C62E}, {'V', 0x46318C544}, {'W', 0x4631AD771},
    {'X', 0x462A22A31},  {'Y', 0x462A21084}, {'Z', 0x7C222221F}, {'_', 0x00000001F},
    {'a', 0x000E0BE2F},  {'b', 0x421E8C63E}, {'c', 0x000E8422E}, {'d', 0x042F8C62F},
    {'e', 0x000E8FE0E},  {'f', 0x1928E2108}, {'g', 0x01F18BC2E}, {'h', 0x4216CC631},
    {'i', 0x100C2108E},  {'j', 0x080610A4C}, {'k', 0x4212A6292}, {'l', 0x30842108E},
    {'m', 0x001AAD631},  {'n', 0x0016CC631}, {'o', 0x000E8C62E}, {'p', 0x001E8FA10},
    {'q', 0x000D9BC21},  {'r', 0x0016CC210}, {'s', 0x000E8383E}, {'t', 0x211C42126},
    {'u', 0x00118C66D},  {'v', 0x00118C544}, {'w', 0x00118D6AA}, {'x', 0x001151151},
    {'y', 0x00118BC2E},  {'z', 0x001F1111F},
};
constexpr uint64_t kBox = 0x7E318C63F;  // of a letter that is not drawn

uint64_t glyph_of(char letter) {
  for (const Glyph& g : kGlyphs) {
    if (g.letter == letter) return g.rows;
  }
  return kBox;
}

bool continues_letter(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }  // of UTF-8

double distance_to_segment(PlotPoint p, PlotPoint a, PlotPoint b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t =
      length > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/// Lightness, and two axes of colour.
struct OkLab {
  double l = 0, a = 0, b = 0;
};

/// Linear sRGB, which the screen has where all three are in 0..1.
std::array<double, 3> linear_rgb(OkLab c) {
  auto cube = [](double v) { return v * v * v; };
  const double l = cube(c.l + 0.3963377774 * c.a + 0.2158037573 * c.b),
               m = cube(c.l - 0.1055613458 * c.a - 0.0638541728 * c.b),
               s = cube(c.l - 0.0894841775 * c.a - 1.2914855480 * c.b);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

Rgb screen_colour(OkLab c) {
  Rgb rgb{};
  const std::array<double, 3> linear = linear_rgb(c);
  for (size_t i = 0; i < 3; ++i) {
    const double v = std::clamp(linear[i], 0.0, 1.0);
    const double s = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
    rgb[i] = static_cast<uint8_t>(std::lround(s * 255));
  }
  return rgb;
}

/// The colour at t in 0..1 of the way: as strong as the screen can show it, at most 0.16.
OkLab way_point(double t) {
  constexpr double kDegree = 3.14159265358979323846 / 180;
  const double l = 0.17 + 0.80 * t, hue = (285 + 180 * t) * kDegree;
  double chroma = 0.04 + 0.12 * std::sin(3.14159265358979323846 * std::min(1.0, t + 0.12));
  auto shown = [&] {
    const auto rgb = linear_rgb({l, chroma * std::cos(hue), chroma * std::sin(hue)});
    return std::all_of(rgb.begin(), rgb.end(), [](double v) { return v >= 0 && v <= 1; });
  };
  while (chroma > 0 && !shown()) chroma -= 0.001;
  chroma = std::max(chroma, 0.0);
  return {l, chroma * std::cos(hue), chroma * std::sin(hue)};
}

std::vector<Rgb> make_even_colours() {
  constexpr size_t kSteps = 4096, kColours = 256;
  std::vector<OkLab> way(kSteps + 1);
  std::vector<double> length(kSteps + 1, 0);
  for (size_t i = 0; i <= kSteps; ++i) {
    way[i] = way_point(static_cast<double>(i) / kSteps);
    if (i == 0) continue;
    const OkLab &a = way[i - 1], &b = way[i];
    length[i] = length[i - 1] + std::hypot(b.l - a.l, std::hypot(b.a - a.a, b.b - a.b));
  }
  std::vector<Rgb> colours;
  for (size_t k = 0; k < kColours; ++k) {
    const double at = length.back() * static_cast<double>(k) / (kColours - 1);
    const auto place = std::lower_bound(length.begin(), length.end() - 1, at);
    colours.push_back(screen_colour(way[static_cast<size_t>(place - length.begin())]));
  }
  return colours;
}

}  // namespace

Canvas::Canvas(Extent extent)
    : extent_(extent), rgb_(static_cast<size_t>(extent.height * extent.width * 3), 255) {}

void Canvas::text(int64_t top, int64_t left, const std::string& text, int64_t width, Rgb ink) {
  const int64_t right = left + width;
  for (const char letter : text) {
    if (continues_letter(letter)) continue;
    if (left + kLetterStep > right) return;
    const uint64_t rows = glyph_of(letter);
    for (int64_t bit = 0; bit < kGlyphWidth * kGlyphHeight; ++bit) {
      if ((rows >> (kGlyphWidth * kGlyphHeight - 1 - bit) & 1) == 0) continue;
      fill(top + bit / kGlyphWidth * kTextScale, left + bit % kGlyphWidth * kTextScale, kTextScale,
           kTextScale, ink);
    }
    left += kLetterStep;
  }
}

void Canvas::centred_text(int64_t top, int64_t centre, const std::string& words, Rgb ink) {
  const int64_t width = text_width(words);
  text(top, centre - width / 2 + kTextScale / 2, words, width, ink);
}

void Canvas::fill(int64_t top, int64_t left, int64_t height, int64_t width, Rgb rgb) {
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + height, extent_.height); ++y) {
    for (int64_t x = std::max<int64_t>(left, 0); x < std::min(left + width, extent_.width); ++x)
      std::copy_n(rgb.begin(), 3, rgb_.begin() + (y * extent_.width + x) * 3);
  }
}

void Canvas::frame(PlotBox b, Rgb rgb) {
  fill(b.top, b.left, 1, b.width, rgb);
  fill(b.top + b.height - 1, b.left, 1, b.width, rgb);
  fill(b.top, b.left, b.height, 1, rgb);
  fill(b.top, b.left + b.width - 1, b.height, 1, rgb);
}

void Canvas::line(const std::vector<PlotPoint>& points, double width, PlotBox box, Rgb rgb) {
  // Of a line that comes back to a pixel the widest cover counts, once.
  std::vector<double> cover(static_cast<size_t>(box.height * box.width), 0);
  const double reach = width / 2 + 1;
  auto range = [&](double from, double to, int64_t begin, int64_t size) {
    const double last = static_cast<double>(size - 1), zero = static_cast<double>(begin);
    const double low = std::clamp(std::min(from, to) - reach - zero, 0.0, last),
                 high = std::clamp(std::max(from, to) + reach - zero, 0.0, last);
    return std::pair{static_cast<int64_t>(low), static_cast<int64_t>(high)};
  };
  for (size_t i = 1; i < points.size(); ++i) {
    const PlotPoint a = points[i - 1], b = points[i];
    const auto [top, bottom] = range(a.y, b.y, box.top, box.height);
    const auto [left, right] = range(a.x, b.x, box.left, box.width);
    for (int64_t y = top; y <= bottom; ++y) {
      for (int64_t x = left; x <= right; ++x) {
        const PlotPoint centre{static_cast<double>(box.left + x) + 0.5,
                               static_cast<double>(box.top + y) + 0.5};
        double& c = cover[static_cast<size_t>(y * box.width + x)];
        c = std::max(c, std::clamp(width / 2 + 0.5 - distance_to_segment(centre, a, b), 0.0, 1.0));
      }
    }
  }
  for (size_t i = 0; i < cover.size(); ++i) {
    const int64_t y = box.top + static_cast<int64_t>(i) / box.width,
                  x = box.left + static_cast<int64_t>(i) % box.width;
    if (cover[i] <= 0 || y < 0 || y >= extent_.height || x < 0 || x >= extent_.width) continue;
    for (size_t c = 0; c < 3; ++c) {
      uint8_t& value = rgb_[static_cast<size_t>(y * extent_.width + x) * 3 + c];
      value = static_cast<uint8_t>(std::lround(value + cover[i] * (rgb[c] - value)));
    }
  }
}

void Canvas::save(const std::string& path) const { save_png(path, extent_, rgb_); }

int64_t text_width(const std::string& text) {
  const auto letters =
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_letter(c); });
  return static_cast<int64_t>(letters) * Canvas::kLetterStep;
}

const std::vector<Rgb>& even_colours() {
  static const std::vector<Rgb> colours = make_even_colours();
  return colours;
}

}  // namespace tailor::cli
