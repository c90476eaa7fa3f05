#include "cli/sheet.h"

#include <algorithm>
#include <cmath>

#include "cli/canvas.h"
#include "tailor/core/strings.h"
#include "tailor/data/batch.h"

namespace tailor::cli {
namespace {

constexpr int64_t kSheetClasses = 10, kPlainColumns = 4, kAugmentedColumns = 4;
constexpr int64_t kSheetGap = 4, kLeastTile = 64, kSheetMargin = 8;
constexpr int64_t kTextHeight = Canvas::kLineHeight;

/// A row of the sheet: the class and its images, each an index and the epoch it is augmented for.
struct Row {
  int64_t label;
  std::vector<std::pair<int64_t, std::optional<int64_t>>> tiles;
};

std::vector<Row> choose_rows(const std::vector<int64_t>& labels, int64_t classes) {
  std::vector<Row> rows;
  for (int64_t label = 0; label < classes && static_cast<int64_t>(rows.size()) < kSheetClasses;
       ++label) {
    Row row{label, {}};
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == label && static_cast<int64_t>(row.tiles.size()) < kPlainColumns)
        row.tiles.push_back({static_cast<int64_t>(i), std::nullopt});
    }
    if (row.tiles.empty()) continue;
    const int64_t first = row.tiles.front().first;
    row.tiles.resize(static_cast<size_t>(kPlainColumns), {-1, std::nullopt});
    for (int64_t epoch = 0; epoch < kAugmentedColumns; ++epoch) row.tiles.push_back({first, epoch});
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Values of the tiles in 0..1 or, of more than 8 bits, what is stretched to that.
struct Stretch {
  double low = 0, high = 1;
};

/// The tiles' values, row by row, and the range of those that are shown as they are; of 8 bits that
/// is 0..1.
struct Tiles {
  std::vector<std::vector<float>> values;
  Stretch stretch;
};
Tiles read_tiles(const ImageDataset& images, const DataSplits& data, const DataConfig& config,
                 const std::vector<Row>& rows) {
  // With a mean of 0 and a deviation of 1 a batch is the values themselves.
  const Preprocessing& own = data.preprocessing;
  const BatchMaker maker(data.shape, own);
  const Augmentation augmentation = make_augmentation(config, config.seed);
  Tiles tiles;
  const bool wide = images.pixel_type() != PixelType::U8;
  if (wide) tiles.stretch = {HUGE_VAL, -HUGE_VAL};
  for (const Row& row : rows) {
    for (const auto& [index, epoch] : row.tiles) {
      std::vector<float>& tile = tiles.values.emplace_back();
      if (index < 0) continue;
      tile.resize(static_cast<size_t>(data.shape.size()));
      std::vector<int64_t> label(1);
      maker.fill(images, std::vector<int64_t>{index},
                 epoch ? std::optional(augmentation) : std::nullopt, epoch.value_or(0), tile,
                 label);
      for (size_t i = 0; i < tile.size(); ++i) {
        const size_t c = i % own.mean.size();
        tile[i] = static_cast<float>(tile[i] * own.deviation[c] + own.mean[c]);
        if (!wide || epoch) continue;
        tiles.stretch.low = std::min<double>(tiles.stretch.low, tile[i]);
        tiles.stretch.high = std::max<double>(tiles.stretch.high, tile[i]);
      }
    }
  }
  return tiles;
}

/// Of other than RGB the first channel is shown.
void draw_tile(Canvas& canvas, const std::vector<float>& tile, MapShape shape, Stretch stretch,
               int64_t top, int64_t left, int64_t scale) {
  const double unit = 255 / std::max(stretch.high - stretch.low, 1e-30);
  for (int64_t p = 0; !tile.empty() && p < shape.pixels(); ++p) {
    Rgb rgb{};
    for (size_t c = 0; c < 3; ++c) {
      const auto first = static_cast<size_t>(p * shape.channels);
      const float v = tile[first + (shape.channels == 3 ? c : 0)];
      rgb[c] = static_cast<uint8_t>(std::clamp(std::lround((v - stretch.low) * unit), 0L, 255L));
    }
    canvas.fill(top + p / shape.width * scale, left + p % shape.width * scale, scale, scale, rgb);
  }
}

}  // namespace

void draw_sheet(const std::string& path, const DataSplits& data, const DataConfig& config,
                const std::vector<int64_t>& labels) {
  const MapShape shape = data.shape;
  const Images set = as_images(data.train ? data.train : data.test);
  const ImageDataset& images = *set;
  const std::vector<Row> rows = choose_rows(labels, data.classes);
  const int64_t scale = std::max<int64_t>(1, kLeastTile / std::max(shape.height, shape.width));
  const int64_t columns = kPlainColumns + kAugmentedColumns;
  const int64_t tile_height = shape.height * scale + kSheetGap,
                tile_width = shape.width * scale + kSheetGap;
  const int64_t row_height = kTextHeight + tile_height;
  const int64_t width = columns * tile_width + kSheetGap + 2 * kSheetMargin;
  Canvas canvas(
      {static_cast<int64_t>(rows.size()) * row_height + kTextHeight + 2 * kSheetMargin, width});
  const int64_t augmented_left = kSheetMargin + kPlainColumns * tile_width + kSheetGap;
  const bool shown_whole = shape.channels == 1 || shape.channels == 3;
  canvas.text(kSheetMargin, kSheetMargin,
              shown_whole ? "as they are" : fmt::format("channel 0 of {}", shape.channels),
              kPlainColumns * tile_width);
  canvas.text(kSheetMargin, augmented_left,
              config.augment.empty() ? "not augmented" : join(config.augment, " "),
              kAugmentedColumns * tile_width);

  const Tiles tiles = read_tiles(images, data, config, rows);
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t top = kSheetMargin + kTextHeight + static_cast<int64_t>(r) * row_height;
    const auto label = static_cast<size_t>(rows[r].label);
    const std::string name = label < data.class_names.size() ? data.class_names[label] : "";
    canvas.text(top + 4, kSheetMargin, fmt::format("{}{}{}", label, name.empty() ? "" : "  ", name),
                width - 2 * kSheetMargin);
    for (int64_t column = 0; column < columns; ++column) {
      const std::vector<float>& tile =
          tiles.values[r * static_cast<size_t>(columns) + static_cast<size_t>(column)];
      const int64_t left = column < kPlainColumns
                               ? kSheetMargin + column * tile_width
                               : augmented_left + (column - kPlainColumns) * tile_width;
      draw_tile(canvas, tile, shape, tiles.stretch, top + kTextHeight, left, scale);
    }
  }
  canvas.save(path);
}

}  // namespace tailor::cli
