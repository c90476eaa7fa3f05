// Small pictures with a different colour at every pixel, as JPEG (RGB, grey, CMYK) and PNG bytes.
#pragma once

#include <gtest/gtest.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "support/rooms.h"
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

/// A PNG of any kind, chunk by chunk. `rows`: the samples as they lie in the file, without filter
/// bytes; `chunks`: kind and content of what stands before them, without checks.
inline std::string raw_png(Extent extent, int bits, int colour_type, const std::string& rows,
                           const std::vector<std::pair<std::string, std::string>>& chunks = {}) {
  auto big_endian = [](uint64_t v) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 255);
    return out;
  };
  std::string file = "\x89PNG\r\n\x1a\n";
  auto add = [&](const std::string& kind, const std::string& content) {
    const std::string body = kind + content;
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    file += big_endian(content.size()) + body + big_endian(crc);
  };
  add("IHDR", big_endian(static_cast<uint64_t>(extent.width)) +
                  big_endian(static_cast<uint64_t>(extent.height)) + static_cast<char>(bits) +
                  static_cast<char>(colour_type) + std::string(3, '\0'));
  for (const auto& [kind, content] : chunks) add(kind, content);
  std::string filtered;
  const size_t row = rows.size() / static_cast<size_t>(extent.height);
  for (size_t at = 0; at < rows.size(); at += row) filtered += '\0' + rows.substr(at, row);
  std::string packed(filtered.size() + 100, '\0');
  uLongf size = packed.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                     reinterpret_cast<const Bytef*>(filtered.data()), filtered.size()),
            Z_OK);
  add("IDAT", packed.substr(0, size));
  add("IEND", "");
  return file;
}

inline Span<const uint8_t> as_span(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace tailor::testing
