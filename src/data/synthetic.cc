// The procedural ten-class set. The class is the form; place, size, both colours, the background's
// slope and the noise are random, and light-on-dark is as likely as dark-on-light, so that no
// pixel's mean says anything about the class.
#include <algorithm>
#include <array>
#include <cmath>

#include "tailor/core/random.h"
#include "tailor/core/threads.h"
#include "tailor/data/images.h"

namespace tailor::data {
namespace {

constexpr int64_t kSyntheticSide = 32;
constexpr int64_t kClasses = 10;

/// Whether the point (u, v), in units of the form's half size, belongs to the form of this class.
bool inside(int64_t label, double u, double v, double period, double phase) {
  double r = std::hypot(u, v), m = std::max(std::abs(u), std::abs(v));
  auto stripe = [&](double t) {
    return std::fmod(std::floor(t / period + phase) + 1000, 2.0) == 0;
  };
  switch (label) {
    case 0:
      return r < 1;
    case 1:
      return r < 1 && r > 0.55;
    case 2:
      return m < 0.9;
    case 3:
      return m < 0.9 && m > 0.5;
    case 4:
      return v < 0.8 && v > -0.9 && std::abs(u) < (v + 0.9) * 0.6;
    case 5:
      return m < 1 && std::min(std::abs(u), std::abs(v)) < 0.3;
    case 6:
      return m < 1 && std::min(std::abs(u + v), std::abs(u - v)) < 0.42;
    case 7:
      return m < 1 && stripe(u);
    case 8:
      return m < 1 && stripe(v);
    default:
      return m < 1 && stripe(u) != stripe(v);
  }
}

int64_t draw(int64_t index, int64_t seed, uint8_t* out_hwc) {
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Synthetic,
                       static_cast<uint64_t>(index));
  int64_t label = random.below(kClasses);
  double half = random.uniform(7, 11);
  double cx = random.uniform(half, kSyntheticSide - half),
         cy = random.uniform(half, kSyntheticSide - half);
  double angle = random.uniform(-0.2, 0.2);
  double cosine = std::cos(angle), sine = std::sin(angle);
  double period = random.uniform(0.36, 0.5), phase = random.uniform();
  std::array<double, 3> back{}, front{}, slope_x{}, slope_y{};
  double contrast = 0;
  while (contrast < 120) {  // the two colours differ clearly, in either direction
    contrast = 0;
    for (size_t c = 0; c < 3; ++c) {
      back[c] = random.uniform(20, 235);
      front[c] = random.uniform(20, 235);
      contrast += std::abs(front[c] - back[c]);
    }
  }
  for (size_t c = 0; c < 3; ++c) {
    slope_x[c] = random.uniform(-1.5, 1.5);
    slope_y[c] = random.uniform(-1.5, 1.5);
  }
  double noise = random.uniform(5, 25);
  for (int64_t y = 0; y < kSyntheticSide; ++y) {
    for (int64_t x = 0; x < kSyntheticSide; ++x) {
      double dx = (static_cast<double>(x) + 0.5 - cx) / half,
             dy = (static_cast<double>(y) + 0.5 - cy) / half;
      bool in = inside(label, cosine * dx + sine * dy, cosine * dy - sine * dx, period, phase);
      for (size_t c = 0; c < 3; ++c) {
        double value = in ? front[c]
                          : back[c] + slope_x[c] * static_cast<double>(x - 16) +
                                slope_y[c] * static_cast<double>(y - 16);
        // The sum of three uniform numbers is normal enough for noise, and cheap.
        value += noise * 2 * (random.uniform() + random.uniform() + random.uniform() - 1.5);
        out_hwc[(y * kSyntheticSide + x) * 3 + static_cast<int64_t>(c)] =
            static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
      }
    }
  }
  return label;
}

}  // namespace

Images make_synthetic(int64_t count, int64_t first_index, int64_t seed) {
  constexpr int64_t kImage = kSyntheticSide * kSyntheticSide * 3;
  std::shared_ptr<uint8_t> pixels(new uint8_t[static_cast<size_t>(count * kImage)],
                                  std::default_delete<uint8_t[]>());
  std::vector<int64_t> labels(static_cast<size_t>(count));
  parallel_for(count, 0, [&](int64_t i) {
    labels[static_cast<size_t>(i)] = draw(first_index + i, seed, pixels.get() + i * kImage);
  });
  return make_memory_images({3, kSyntheticSide, kSyntheticSide},
                            std::shared_ptr<const uint8_t>(pixels), std::move(labels));
}

}  // namespace tailor::data
