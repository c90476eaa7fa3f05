#include "cli/sheet.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/data/codec.h"

namespace tailor::cli {
namespace {

constexpr int64_t kSheetClasses = 10, kPlainColumns = 4, kAugmentedColumns = 4;
constexpr int64_t kSheetGap = 4, kLeastTile = 64, kMargin = 8;
constexpr int64_t kGlyphWidth = 5, kGlyphHeight = 7, kTextScale = 2;
constexpr int64_t kTextHeight = kGlyphHeight * kTextScale + 8;

/// Seven rows of five bits, the first the highest.
struct Glyph {
  char letter;
  uint64_t rows;
};
constexpr Glyph kGlyphs[] = {
    {' ', 0x000000000}, {'#', 0x295F57D4A}, {'&', 0x32544564D}, {'\'', 0x108800000},
    {'(', 0x088842082}, {')', 0x208210888}, {'+', 0x0084F9080}, {',', 0x000003088},
    {'-', 0x0000F8000}, {'.', 0x00000018C}, {'/', 0x042222210}, {'0', 0x3A33AE62E},
    {'1', 0x11842108E}, {'2', 0x3A211111F}, {'3', 0x7C441062E}, {'4', 0x08CA97C42},
    {'5', 0x7E1E0862E}, {'6', 0x1910F462E}, {'7', 0x7C2222108}, {'8', 0x3A317462E},
    {'9', 0x3A317844C}, {':', 0x018C03180}, {'=', 0x001F07C00}, {'A', 0x3A31FC631},
    {'B', 0x7A31F463E}, {'C', 0x3A308422E}, {'D', 0x7A318C63E}, {'E', 0x7E10F421F},
    {'F', 0x7E10F4210}, {'G', 0x3A30BC62F}, {'H', 0x4631FC631}, {'I', 0x38842108E},
    {'J', 0x1C4210A4C}, {'K', 0x4654C5251}, {'L', 0x42108421F}, {'M', 0x4775AC631},
    {'N', 0x47359C631}, {'O', 0x3A318C62E}, {'P', 0x7A31F4210}, {'Q', 0x3A318D64D},
    {'R', 0x7A31F5251}, {'S', 0x3E107043E}, {'T', 0x7C8421084}, {'U', 0x46318C62E},
    {'V', 0x46318C544}, {'W', 0x4631AD771}, {'X', 0x462A22A31}, {'Y', 0x462A21084},
    {'Z', 0x7C222221F}, {'_', 0x00000001F}, {'a', 0x000E0BE2F}, {'b', 0x421E8C63E},
    {'c', 0x000E8422E}, {'d', 0x042F8C62F}, {'e', 0x000E8FE0E}, {'f', 0x1928E2108},
    {'g', 0x01F18BC2E}, {'h', 0x4216CC631}, {'i', 0x100C2108E}, {'j', 0x080610A4C},
    {'k', 0x4212A6292}, {'l', 0x30842108E}, {'m', 0x001AAD631}, {'n', 0x0016CC631},
    {'o', 0x000E8C62E}, {'p', 0x001E8FA10}, {'q', 0x000D9BC21}, {'r', 0x0016CC210},
    {'s', 0x000E8383E}, {'t', 0x211C42126}, {'u', 0x00118C66D}, {'v', 0x00118C544},
    {'w', 0x00118D6AA}, {'x', 0x001151151}, {'y', 0x00118BC2E}, {'z', 0x001F1111F},
};
constexpr uint64_t kBox = 0x7E318C63F;  // of a letter that is not drawn

uint64_t glyph_of(char letter) {
  for (const Glyph& g : kGlyphs) {
    if (g.letter == letter) return g.rows;
  }
  return kBox;
}

/// A white RGB picture to write and paint on; what lies outside is cut off.
class Canvas {
 public:
  explicit Canvas(Extent extent)
      : extent_(extent), rgb_(static_cast<size_t>(extent.height * extent.width * 3), 255) {}

  void text(int64_t top, int64_t left, const std::string& text, int64_t width) {
    constexpr int64_t kStep = (kGlyphWidth + 1) * kTextScale;
    const int64_t right = left + width;
    for (const char letter : text) {
      if ((static_cast<uint8_t>(letter) & 0xC0) == 0x80) continue;  // the rest of a UTF-8 letter
      if (left + kStep > right) return;
      const uint64_t rows = glyph_of(letter);
      for (int64_t bit = 0; bit < kGlyphWidth * kGlyphHeight; ++bit) {
        if ((rows >> (kGlyphWidth * kGlyphHeight - 1 - bit) & 1) == 0) continue;
        const uint8_t ink[] = {40, 40, 40};
        square(top + bit / kGlyphWidth * kTextScale, left + bit % kGlyphWidth * kTextScale,
               kTextScale, ink);
      }
      left += kStep;
    }
  }
  void square(int64_t top, int64_t left, int64_t side, const uint8_t* rgb) {
    for (int64_t y = top; y < std::min(top + side, extent_.height); ++y) {
      for (int64_t x = left; x < std::min(left + side, extent_.width); ++x)
        std::copy_n(rgb, 3, rgb_.begin() + (y * extent_.width + x) * 3);
    }
  }
  void save(const std::string& path) const { save_png(path, extent_, rgb_); }

 private:
  Extent extent_;
  std::vector<uint8_t> rgb_;
};

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
    uint8_t rgb[3];
    for (int64_t c = 0; c < 3; ++c) {
      const float v = tile[static_cast<size_t>(p * shape.channels + (shape.channels == 3 ? c : 0))];
      rgb[c] = static_cast<uint8_t>(std::clamp(std::lround((v - stretch.low) * unit), 0L, 255L));
    }
    canvas.square(top + p / shape.width * scale, left + p % shape.width * scale, scale, rgb);
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
  const int64_t width = columns * tile_width + kSheetGap + 2 * kMargin;
  Canvas canvas(
      {static_cast<int64_t>(rows.size()) * row_height + kTextHeight + 2 * kMargin, width});
  const int64_t augmented_left = kMargin + kPlainColumns * tile_width + kSheetGap;
  const bool shown_whole = shape.channels == 1 || shape.channels == 3;
  canvas.text(kMargin, kMargin,
              shown_whole ? "as they are" : fmt::format("channel 0 of {}", shape.channels),
              kPlainColumns * tile_width);
  canvas.text(kMargin, augmented_left,
              config.augment.empty() ? "not augmented" : join(config.augment, " "),
              kAugmentedColumns * tile_width);

  const Tiles tiles = read_tiles(images, data, config, rows);
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t top = kMargin + kTextHeight + static_cast<int64_t>(r) * row_height;
    const auto label = static_cast<size_t>(rows[r].label);
    const std::string name = label < data.class_names.size() ? data.class_names[label] : "";
    canvas.text(top + 4, kMargin, fmt::format("{}{}{}", label, name.empty() ? "" : "  ", name),
                width - 2 * kMargin);
    for (int64_t column = 0; column < columns; ++column) {
      const std::vector<float>& tile =
          tiles.values[r * static_cast<size_t>(columns) + static_cast<size_t>(column)];
      const int64_t left = column < kPlainColumns
                               ? kMargin + column * tile_width
                               : augmented_left + (column - kPlainColumns) * tile_width;
      draw_tile(canvas, tile, shape, tiles.stretch, top + kTextHeight, left, scale);
    }
  }
  canvas.save(path);
}

}  // namespace tailor::cli
