// Small pictures with a different colour at every pixel, as JPEG (RGB, grey, CMYK) and PNG bytes.
#pragma once

#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tailor/core/files.h"
#include "tailor/data/codec.h"

namespace tailor::testing {

/// Smooth enough for JPEG; red grows along the rows, green along the columns, blue says which.
inline std::vector<uint8_t> gradient(Extent extent, int blue = 60) {
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < extent.height; ++y) {
    for (int64_t x = 0; x < extent.width; ++x) {
      rgb.push_back(static_cast<uint8_t>(20 + 200 * y / extent.height));
      rgb.push_back(static_cast<uint8_t>(20 + 200 * x / extent.width));
      rgb.push_back(static_cast<uint8_t>(blue));
    }
  }
  return rgb;
}

inline std::string encode_jpeg(const std::vector<uint8_t>& pixels, Extent extent,
                               int format = TJPF_RGB, int sampling = TJSAMP_444, int flags = 0) {
  tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(handle, pixels.data(), static_cast<int>(extent.width), 0,
                        static_cast<int>(extent.height), format, &out, &size, sampling, 95, flags),
            0)
      << tjGetErrorStr2(handle);
  std::string bytes(reinterpret_cast<char*>(out), size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}
inline std::string jpeg_picture(Extent extent, int blue = 60) {
  return encode_jpeg(gradient(extent, blue), extent);
}

inline std::string png_picture(Extent extent, int blue = 60) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x.png");
  save_png(path, extent, gradient(extent, blue));
  return read_file(path);
}

inline Span<const uint8_t> as_span(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace tailor::testing
