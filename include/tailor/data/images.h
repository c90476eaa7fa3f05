// Image data sets as views: every read goes into the caller's buffer and is const and thread-safe.
// Pixels are rows × columns × channels (HWC), uint8 or (of more bits) float32; opening a data set
// checks its files, so that nothing fails at epoch 7.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/core/span.h"
#include "tailor/data/examples.h"

namespace tailor::data {

/// Size of a picture in pixels.
struct Extent {
  int64_t height = 0, width = 0;
  friend bool operator==(Extent a, Extent b) { return a.height == b.height && a.width == b.width; }
};
/// A rectangle inside a picture, in that picture's pixels.
struct CropWindow {
  int64_t top = 0, left = 0, height = 0, width = 0;
};
/// Chooses the window once the picture's size is known, which is before its pixels are decoded.
using WindowChooser = std::function<CropWindow(Extent)>;

/// Files (and folders, which end in a slash) of one kind that are no part of a set.
struct PassedOver {
  int64_t count = 0;
  std::vector<std::string> first;  // a few, the first in order of their names
  void add(const std::string& name);
};
/// By their kind: "hidden", ".webp", "link to nothing", ...
using PassedOverFiles = std::map<std::string, PassedOver>;
/// "3 .webp, 1 hidden", or "".
std::string to_string(const PassedOverFiles& files);

/// What was found in a set's files; (path, what) for those that are not as they should be.
struct FileReport {
  int64_t jpeg = 0, png = 0;                                  // by content, not by name
  int64_t greyscale = 0, cmyk = 0, misnamed = 0;              // read like any other
  int64_t sixteen_bits = 0;                                   // PNGs: with one, a set is U16
  std::vector<std::pair<std::string, std::string>> left_out;  // unreadable, not part of the set
  std::vector<std::pair<std::string, std::string>> damaged;   // broke off while they were decoded
  PassedOverFiles passed_over;  // of the whole root, the same in each of its parts
};

/// What the numbers of a set's images are. As values U8 is byte / 255, U16 is word / 65,535, and
/// F32 what the numbers are.
enum class PixelType { U8, U16, F32 };
const char* pixel_type_name(PixelType type);  // "U16"
/// Values of U8, as many.
void bytes_to_values(Span<const uint8_t> bytes, Span<float> values);

/// Images of U8 are read as bytes, which is fast, or as values; all others as values only.
class ImageDataset : public Examples {
 public:
  ExampleKind kind() const override { return ExampleKind::Images; }
  virtual PixelType pixel_type() const { return PixelType::U8; }
  /// Writes the image as evaluation sees it (images of other sizes: short side resized, then the
  /// centre), in the shape of its DataSplits, HWC; returns the label.
  virtual int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const = 0;
  /// The same as values. What stands here is for sets of U8.
  virtual int64_t get_values(int64_t index, Span<float> values_hwc) const;
  /// Writes the chosen window scaled to shape, HWC; returns the label. What stands here is for sets
  /// whose images all have `shape`.
  virtual int64_t read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                              Span<uint8_t> pixels_hwc) const;
  virtual int64_t read_window_values(int64_t index, const WindowChooser& choose, MapShape shape,
                                     Span<float> values_hwc) const;
  /// Size of the image as it is stored; {0, 0} in sets whose images all have one shape.
  virtual Extent extent(int64_t /*index*/) const { return {}; }
  std::string name(int64_t index) const override { return fmt::format("image {}", id(index)); }
  /// Reading an image takes so long that a batch is worth threads.
  virtual bool decodes() const { return false; }
  /// What its files were like, as far as they have been read.
  virtual FileReport report() const { return {}; }
};
using Images = std::shared_ptr<const ImageDataset>;

/// The set as images; null stays null. Throws Unsupported naming what it has instead.
Images as_images(const ExampleSet& set);

/// The images `indices` of another set, in that order.
Images make_subset(Images base, std::vector<int64_t> indices);

/// Images of one shape in memory: count × H × W × C numbers that the set keeps alive.
Images make_memory_images(MapShape shape, std::shared_ptr<const uint8_t> pixels,
                          std::vector<int64_t> labels);
Images make_memory_images(MapShape shape, std::shared_ptr<const uint16_t> pixels,
                          std::vector<int64_t> labels);
Images make_memory_images(MapShape shape, std::shared_ptr<const float> pixels,
                          std::vector<int64_t> labels);

/// One of the official binary files: records of `label_bytes` label bytes (the last one counts) and
/// 3,072 planar RGB bytes. Throws Data unless the file is exactly `count` records with labels below
/// `classes`.
struct CifarFile {
  std::string path;
  int64_t count;
};
Images load_cifar(const std::vector<CifarFile>& files, int64_t label_bytes, int64_t classes);
/// The same from the official "python version": pickles of a dict with `data`, count × 3,072 bytes,
/// and a list of labels under `label_key`. No code in them is run.
Images load_cifar_python(const std::vector<CifarFile>& files, const std::string& label_key,
                         int64_t classes);

/// Ten classes of shapes and patterns (disc, ring, square, frame, triangle, plus, cross, stripes
/// two ways, checks), each with random place, size, colours and noise, as a function of (seed,
/// index): nothing a linear model can see.
Images make_synthetic(int64_t count, int64_t first_index, int64_t seed);

}  // namespace tailor::data
