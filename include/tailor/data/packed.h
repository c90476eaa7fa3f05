// The packed cache: a data set's images, decoded and scaled once, in one memory-mapped file that
// says its version and carries a checksum of its index and of every image (docs/formats.md).
#pragma once

#include <string>

#include "tailor/core/progress.h"
#include "tailor/data/images.h"

namespace tailor::data {

/// 1 holds RGB bytes; 2 says how many channels of which PixelType.
constexpr uint32_t kPackedVersion = 2;

struct PackSummary {
  int64_t train = 0, test = 0, bytes = 0;
  std::vector<int64_t> short_sides;  // of the stored images in pixels, sorted
};
/// Writes training images (with the validation images, which each run draws itself) and test
/// images, their short side scaled down to `short_side` pixels; what is smaller stays as it is.
/// Throws Interrupted when a signal is pending; the file is whole or not there.
PackSummary write_packed(const std::string& path, const DataSplits& data, int64_t short_side,
                         Progress& progress);

/// Whether it is a file that begins like a cache.
bool is_packed(const std::string& path);

/// Opens a cache: its index is checked now, each image when it is read first. Throws Data when it
/// is none, cut short or damaged, Unsupported on another version. image_size and resize of the
/// config say how evaluation sees the images.
DataSplits open_packed(const std::string& path, const DataConfig& config);

}  // namespace tailor::data
