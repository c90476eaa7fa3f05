// Pictures from and to bytes: JPEG (libjpeg-turbo) and PNG (libpng), told apart by content. Pixels
// are what the file holds, whatever it says about showing them; alpha is dropped. A file costs at
// most kMaxPixels × 6 bytes, whatever it claims.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/data/images.h"

namespace tailor::data {

/// Larger pictures are refused from their header (a JPEG side can be 65,500).
constexpr int64_t kMaxPixels = 100'000'000;

enum class ImageFormat { Jpeg, Png };
enum class ImageColour { Rgb, Grey, Cmyk };
struct ImageInfo {
  ImageFormat format = ImageFormat::Jpeg;
  ImageColour colour = ImageColour::Rgb;
  Extent extent;
  int64_t bits = 8;  // or 16, of a PNG
};

/// Reads a header. Throws Data with what is wrong, without naming the file ("it has zero bytes").
/// The header of a JPEG can lie anywhere in the file: whole bytes are needed if a prefix fails.
ImageInfo probe_image(Span<const uint8_t> bytes);

/// Decodes the window that `choose` takes and scales it to shape with a triangle filter; a JPEG
/// that is larger than needed is scaled by 1/2, 1/4 or 1/8 in the DCT domain first. The shape has
/// 3 channels (grey is repeated) or 1 (colours become ITU-R 601 luma).
/// Returns what was wrong with the data, or "": a picture that breaks off is grey from there on.
/// Throws Data like probe_image.
std::string decode_window(Span<const uint8_t> bytes, const WindowChooser& choose, MapShape shape,
                          Span<uint8_t> pixels_hwc);
/// The same in 0..1, to the last of a file's 16 bits.
std::string decode_window(Span<const uint8_t> bytes, const WindowChooser& choose, MapShape shape,
                          Span<float> pixels_hwc);

/// The centre of a picture: the largest window of shape's aspect, times shape's short side over
/// `resize` (the side that evaluation first scales the picture's short side to).
CropWindow centre_window(Extent extent, MapShape shape, int64_t resize);

/// Scales a window of a picture of `extent` and `channels` interleaved bytes to height × width.
/// The window is in the picture's pixels and may be fractional; nothing outside of it is read.
struct RealWindow {
  double top, left, height, width;
};
void resample(const uint8_t* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, uint8_t* out_hwc);
/// The same in float32: values as they are, those of 16 bits divided by 65,535.
void resample(const float* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, float* out_hwc);
void resample(const uint16_t* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, float* out_hwc);

/// An RGB picture as a PNG file.
void save_png(const std::string& path, Extent extent, Span<const uint8_t> rgb);

}  // namespace tailor::data
