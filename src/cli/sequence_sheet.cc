// Pictures of tailor data check --output: spectrograms of speech, the current of a pore.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "cli/canvas.h"
#include "cli/sequence_data.h"
#include "tailor/core/strings.h"
#include "tailor/data/speech.h"
#include "tailor/report/scale.h"

namespace tailor::cli {
namespace {

constexpr int64_t kSequencesShown = 4;
constexpr int64_t kPlotMargin = 12, kGutter = 100, kTick = 5;
constexpr int64_t kAxisHeight = Canvas::kLineHeight + kTick;

/// Numbers along an axis: `first` is at the beginning, and `scale` pixels are one.
struct PlotAxis {
  double first = 0, last = 1, scale = 1;
  double at(double value) const { return (value - first) * scale; }
};

std::string tick_text(double value) {
  return std::abs(value) < 1000 ? fmt::format("{:g}", std::round(value * 1000) / 1000)
                                : fmt::format("{:.0f}", value);
}

/// Ticks below a panel at round numbers, and the unit behind the last.
void draw_axis_below(Canvas& canvas, PlotBox box, PlotAxis axis, const std::string& unit) {
  constexpr double kTickSpace = 100;
  const double step = round_step(kTickSpace / axis.scale);
  const int64_t end = canvas.extent().width;
  for (double v = std::ceil(axis.first / step) * step; v <= axis.last + step * 1e-6; v += step) {
    const int64_t x = box.left + std::llround(axis.at(v));
    canvas.fill(box.top + box.height, x, kTick, 1, kInk);
    const std::string text = tick_text(v);
    canvas.centred_text(box.top + box.height + kTick + 3, x, text, kPaleInk);
    if (v + step <= axis.last + step * 1e-6) continue;
    const int64_t left = x + text_width(text) / 2 + Canvas::kLetterStep;
    canvas.text(box.top + box.height + kTick + 3, left, unit, end - left, kPaleInk);
  }
}

/// A label left of a panel, at a row of the picture.
void draw_label_left(Canvas& canvas, PlotBox box, int64_t y, const std::string& text) {
  canvas.fill(y, box.left - kTick, 1, kTick, kInk);
  const int64_t left = box.left - kTick - 3 - text_width(text);
  canvas.text(std::clamp(y - Canvas::kLetterHeight / 2, box.top,
                         box.top + box.height - Canvas::kLetterHeight),
              left, text, text_width(text), kPaleInk);
}

/// A few of the examples, from the shortest to the longest.
std::vector<int64_t> choose_by_length(const SequenceDataset& set, std::vector<int64_t> indices) {
  std::stable_sort(indices.begin(), indices.end(),
                   [&](int64_t a, int64_t b) { return set.length(a) < set.length(b); });
  const auto n = static_cast<int64_t>(indices.size()), shown = std::min(n, kSequencesShown);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < shown; ++i)
    chosen.push_back(indices[static_cast<size_t>((2 * i + 1) * n / (2 * shown))]);
  return chosen;
}

/// As many of the examples, as far apart as they can be.
std::vector<int64_t> choose_evenly(const std::vector<int64_t>& indices) {
  const auto n = static_cast<int64_t>(indices.size()), shown = std::min(n, kSequencesShown);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < shown; ++i) chosen.push_back(indices[static_cast<size_t>(i * n / shown)]);
  return chosen;
}

// ---- speech ----

constexpr int64_t kFilterPixels = 2, kMostFrames = 1750, kWidestFrame = 4;
constexpr int64_t kLeastFrames = 600;             // the picture is as wide, for its words
constexpr double kDarkest = -1.8, kPalest = 2.4;  // deviations

/// Row of a panel in which a filter lies around this frequency.
int64_t row_of_hz(double hz) {
  static const std::vector<double> centres = [] {
    const data::FeatureConfig config;
    const std::vector<float> weights = data::mel_filters(config);
    const auto bins = static_cast<size_t>(config.transform_samples / 2 + 1);
    std::vector<double> found;
    for (size_t at = 0; at < weights.size(); at += bins) {
      const auto peak = std::max_element(weights.data() + at, weights.data() + at + bins);
      found.push_back(static_cast<double>(peak - weights.data() - static_cast<std::ptrdiff_t>(at)) *
                      static_cast<double>(config.rate_hz) /
                      static_cast<double>(config.transform_samples));
    }
    return found;
  }();
  const auto at = std::lower_bound(centres.begin(), centres.end(), hz) - centres.begin();
  return (static_cast<int64_t>(centres.size()) - at) * kFilterPixels - kFilterPixels / 2;
}

struct ShownUtterance {
  std::string title;
  std::vector<std::string> text;  // lines
  std::vector<float> plain, augmented;
};

struct SpeechSheet {
  int64_t filters = 0;
  int64_t frame_pixels = 1, width = 0;  // of the panels
  std::string augmentation;
  std::vector<ShownUtterance> shown;

  int64_t panel() const { return filters * kFilterPixels; }
  int64_t row_height(const ShownUtterance& u) const {
    return (3 + static_cast<int64_t>(u.text.size())) * Canvas::kLineHeight + 2 * panel() +
           kAxisHeight;
  }
};

void draw_features(Canvas& canvas, const SpeechSheet& sheet, const std::vector<float>& features,
                   int64_t top) {
  const std::vector<Rgb>& colours = even_colours();
  const int64_t frames =
      std::min(static_cast<int64_t>(features.size()) / sheet.filters, kMostFrames);
  const PlotBox box{top, kPlotMargin + kGutter, sheet.panel(), frames * sheet.frame_pixels};
  for (int64_t t = 0; t < frames; ++t) {
    for (int64_t f = 0; f < sheet.filters; ++f) {
      const double v = features[static_cast<size_t>(t * sheet.filters + f)];
      const double share = std::clamp((v - kDarkest) / (kPalest - kDarkest), 0.0, 1.0);
      const auto colour = static_cast<size_t>(share * static_cast<double>(colours.size() - 1));
      canvas.fill(top + (sheet.filters - 1 - f) * kFilterPixels, box.left + t * sheet.frame_pixels,
                  kFilterPixels, sheet.frame_pixels, colours[colour]);
    }
  }
  for (const auto& [hz, text] : {std::pair{500.0, "0.5 kHz"}, std::pair{1000.0, "1"},
                                 std::pair{2000.0, "2"}, std::pair{4000.0, "4"}})
    draw_label_left(canvas, box, top + row_of_hz(hz), text);
}

/// What the colours mean.
void draw_colour_scale(Canvas& canvas, int64_t top, int64_t left, int64_t width) {
  constexpr int64_t kBarWidth = 256;
  const std::string text = "log-mel features, each filter to mean 0 and deviation 1:";
  canvas.text(top, left, text, width);
  left += text_width(text + " ");
  const std::string darkest = tick_text(kDarkest), palest = tick_text(kPalest);
  canvas.text(top, left, darkest, width);
  left += text_width(darkest + " ");
  for (int64_t i = 0; i < kBarWidth; ++i)
    canvas.fill(top - 1, left + i, 16, 1, even_colours()[static_cast<size_t>(i)]);
  canvas.text(top, left + kBarWidth + Canvas::kLetterStep, palest, width);
}

SpeechSheet prepare_speech(const SequenceDataset& set, const DataConfig& config,
                           const std::vector<int64_t>& indices) {
  const data::SpeechFeatures features(config, config.seed);
  SpeechSheet sheet;
  sheet.filters = features.filters();
  sheet.augmentation = config.augment.empty()
                           ? "not augmented"
                           : "as the first epoch sees it: " + join(config.augment, " ");
  int64_t most = 0;
  for (const int64_t index : indices) {
    ShownUtterance u;
    features.make(set, index, std::nullopt, u.plain);
    features.make(set, index, 0, u.augmented);
    most = std::max({most, static_cast<int64_t>(u.plain.size()) / sheet.filters,
                     static_cast<int64_t>(u.augmented.size()) / sheet.filters});
    sheet.shown.push_back(std::move(u));
  }
  const int64_t shown = std::min(most, kMostFrames);
  sheet.frame_pixels = std::clamp<int64_t>(kMostFrames / shown, 1, kWidestFrame);
  sheet.width = std::max(shown * sheet.frame_pixels, 2 * kLeastFrames);
  for (size_t i = 0; i < indices.size(); ++i) {
    const int64_t index = indices[i], samples = set.length(index);
    const double rate = static_cast<double>(data::FeatureConfig{}.rate_hz);
    ShownUtterance& u = sheet.shown[i];
    const bool cut = static_cast<int64_t>(u.plain.size()) / sheet.filters > kMostFrames;
    u.title = fmt::format("{}: {:.2f} s{}", set.name(index), static_cast<double>(samples) / rate,
                          cut ? ", of which the beginning" : "");
    std::vector<int64_t> labels;
    set.read_labels(index, labels);
    const std::string text = data::english_alphabet().text(labels);
    u.text = split(wrap(text, static_cast<size_t>(sheet.width / Canvas::kLetterStep), 0), '\n');
    constexpr size_t kTextLines = 6;
    if (u.text.size() > kTextLines) u.text.resize(kTextLines);
  }
  return sheet;
}

void draw_speech(const std::string& path, const SequenceDataset& set, const DataConfig& config,
                 const std::vector<int64_t>& readable) {
  const SpeechSheet sheet = prepare_speech(set, config, choose_by_length(set, readable));
  int64_t height = 2 * kPlotMargin + 2 * Canvas::kLineHeight;
  for (const ShownUtterance& u : sheet.shown) height += sheet.row_height(u);
  const int64_t left = kPlotMargin + kGutter;
  Canvas canvas({height, left + sheet.width + kPlotMargin + 2 * Canvas::kLetterStep});
  draw_colour_scale(canvas, kPlotMargin, left, sheet.width);
  int64_t top = kPlotMargin + 2 * Canvas::kLineHeight;
  for (const ShownUtterance& u : sheet.shown) {
    canvas.text(top, left, u.title, sheet.width);
    int64_t y = top + Canvas::kLineHeight;
    draw_features(canvas, sheet, u.plain, y);
    const double frames = static_cast<double>(
        std::min(static_cast<int64_t>(u.plain.size()) / sheet.filters, kMostFrames));
    y += sheet.panel();
    draw_axis_below(
        canvas,
        {y - sheet.panel(), left, sheet.panel(), static_cast<int64_t>(frames) * sheet.frame_pixels},
        {0, frames / 100, 100 * static_cast<double>(sheet.frame_pixels)}, "s");
    y += kAxisHeight;
    for (const std::string& line : u.text) {
      canvas.text(y, left, line, sheet.width + Canvas::kLetterStep);
      y += Canvas::kLineHeight;
    }
    canvas.text(y, left, sheet.augmentation, sheet.width, kPaleInk);
    draw_features(canvas, sheet, u.augmented, y + Canvas::kLineHeight);
    top += sheet.row_height(u);
  }
  canvas.save(path);
}

// ---- signal ----

constexpr int64_t kSignalWidth = 1440, kSignalHeight = 120, kStrip = 10;
constexpr int64_t kCloseSamples = 400;
constexpr double kMostCurrent = 8, kLeastCurrent = 2.5;
constexpr Rgb kBaseInks[] = {{0, 135, 68}, {0, 87, 200}, {201, 124, 0}, {190, 40, 40}};
constexpr Rgb kCurrentInk = {24, 62, 112};

Rgb base_ink(int64_t label) {
  const auto at = static_cast<size_t>(label - 1);
  return at < std::size(kBaseInks) ? kBaseInks[at] : kInk;
}

struct ShownChunk {
  std::string title;
  std::vector<float> samples;
  std::vector<int64_t> labels;
  /// Samples from one base to the next, as if all took as long: the data say no more.
  double pace() const {
    return static_cast<double>(samples.size()) /
           std::max<double>(1, static_cast<double>(labels.size()));
  }
};

/// The first `count` samples in a panel, with lines at whole numbers.
PlotAxis draw_current(Canvas& canvas, const ShownChunk& chunk, int64_t count, PlotBox box,
                      double most) {
  const PlotAxis along{0, static_cast<double>(count),
                       static_cast<double>(box.width) / static_cast<double>(count)};
  const PlotAxis up{-most, most, static_cast<double>(box.height) / (2 * most)};
  auto row = [&](double v) {
    return static_cast<double>(box.top + box.height) - up.at(std::clamp(v, -most, most));
  };
  canvas.frame(box, kRule);
  for (double v = -2 * std::floor(most / 2); v <= most; v += 2) {
    const int64_t y = std::llround(row(v));
    canvas.fill(y, box.left, 1, box.width, kRule);
    draw_label_left(canvas, box, y, tick_text(v));
  }
  std::vector<PlotPoint> points;
  for (int64_t i = 0; i < count; ++i) {
    points.push_back({static_cast<double>(box.left) + along.at(static_cast<double>(i) + 0.5),
                      row(chunk.samples[static_cast<size_t>(i)])});
  }
  canvas.line(points, count > 2 * kCloseSamples ? 1.0 : 1.6, box, kCurrentInk);
  return along;
}

/// Bases as colours, where there is a pixel for each.
void draw_strip(Canvas& canvas, const ShownChunk& chunk, PlotAxis along, int64_t top,
                int64_t left) {
  if (chunk.pace() * along.scale < 1) return;
  for (size_t i = 0; i < chunk.labels.size(); ++i) {
    const int64_t begin = std::llround(along.at(static_cast<double>(i) * chunk.pace())),
                  end = std::llround(along.at(static_cast<double>(i + 1) * chunk.pace()));
    canvas.fill(top, left + begin, kStrip, end - begin, base_ink(chunk.labels[i]));
  }
}

/// Samples of which the bases can be written along.
int64_t close_samples(const ShownChunk& chunk) {
  const double letters = static_cast<double>(kSignalWidth) / (Canvas::kLetterStep + 2);
  const auto fit = static_cast<int64_t>(letters * chunk.pace());
  return std::max<int64_t>(
      1, std::min({static_cast<int64_t>(chunk.samples.size()), fit, kCloseSamples}));
}

void draw_letters(Canvas& canvas, const ShownChunk& chunk, PlotAxis along, int64_t top,
                  int64_t left) {
  for (size_t i = 0; i < chunk.labels.size(); ++i) {
    const double centre = along.at((static_cast<double>(i) + 0.5) * chunk.pace());
    if (centre + Canvas::kLetterStep / 2.0 > along.at(along.last)) return;
    canvas.centred_text(top, left + std::llround(centre),
                        data::base_alphabet().text({chunk.labels[i]}), base_ink(chunk.labels[i]));
  }
}

/// The whole chunk over its bases as colours, then its beginning with their letters. Returns the
/// height.
int64_t draw_chunk(Canvas& canvas, const ShownChunk& chunk, int64_t top, double most) {
  const int64_t left = kPlotMargin + kGutter, begin = top;
  canvas.text(top, left, chunk.title, kSignalWidth);
  top += Canvas::kLineHeight;
  const PlotBox whole{top, left, kSignalHeight, kSignalWidth};
  const PlotAxis all =
      draw_current(canvas, chunk, static_cast<int64_t>(chunk.samples.size()), whole, most);
  draw_strip(canvas, chunk, all, top + kSignalHeight, left);
  top += kSignalHeight + kStrip;
  draw_axis_below(canvas, {top - kStrip, left, kStrip, kSignalWidth}, all, "samples");
  top += kAxisHeight + Canvas::kLineHeight / 2;
  const PlotBox close{top, left, kSignalHeight, kSignalWidth};
  const PlotAxis first = draw_current(canvas, chunk, close_samples(chunk), close, most);
  top += kSignalHeight;
  draw_letters(canvas, chunk, first, top + 5, left);
  top += Canvas::kLineHeight;
  draw_axis_below(canvas, {top, left, 0, kSignalWidth}, first, "samples");
  return top + kAxisHeight + Canvas::kLineHeight - begin;
}

int64_t chunk_height() {
  return 2 * (kSignalHeight + kAxisHeight) + kStrip + 3 * Canvas::kLineHeight +
         Canvas::kLineHeight / 2;
}

void draw_signal(const std::string& path, const SequenceDataset& set,
                 const std::vector<int64_t>& readable) {
  std::vector<ShownChunk> shown;
  double most = kLeastCurrent;
  for (const int64_t index : choose_evenly(readable)) {
    ShownChunk chunk;
    set.read(index, chunk.samples);
    set.read_labels(index, chunk.labels);
    for (const float v : chunk.samples) most = std::max<double>(most, std::abs(v));
    chunk.title = fmt::format("{}: {} samples, {} bases, {:.1f} samples a base", set.name(index),
                              chunk.samples.size(), chunk.labels.size(), chunk.pace());
    shown.push_back(std::move(chunk));
  }
  most = std::min(most, kMostCurrent);
  Canvas canvas({2 * kPlotMargin + 2 * Canvas::kLineHeight +
                     static_cast<int64_t>(shown.size()) * chunk_height(),
                 2 * kPlotMargin + kGutter + kSignalWidth + 10 * Canvas::kLetterStep});
  canvas.text(kPlotMargin, kPlotMargin + kGutter,
              "normalised current; bases are spaced evenly, as the data do not say where each is "
              "read",
              kSignalWidth);
  int64_t top = kPlotMargin + 2 * Canvas::kLineHeight;
  for (const ShownChunk& chunk : shown) top += draw_chunk(canvas, chunk, top, most);
  canvas.save(path);
}

}  // namespace

void draw_sequences(const std::string& path, const SequenceDataset& set, const DataConfig& config,
                    const std::vector<int64_t>& readable) {
  if (set.kind() == ExampleKind::Speech) {
    draw_speech(path, set, config, readable);
  } else {
    draw_signal(path, set, readable);
  }
}

}  // namespace tailor::cli
