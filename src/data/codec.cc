#include "tailor/data/codec.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tailor/core/files.h"

namespace tailor {
namespace {

constexpr uint8_t kMissing = 128;  // what a broken file did not say

/// One decoder and its buffers a thread.
struct Scratch {
  tjhandle jpeg = tjInitDecompress();
  std::vector<uint8_t> pixels, cmyk;
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (jpeg) tjDestroy(jpeg);
  }
};
Scratch& scratch() {
  thread_local Scratch s;
  if (!s.jpeg) fail(ErrorKind::Internal, "libjpeg-turbo: no memory for a decoder");
  return s;
}

bool begins_with(Span<const uint8_t> bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

struct PngImage {
  png_image image{};
  explicit PngImage(Span<const uint8_t> bytes) {
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()))
      fail(ErrorKind::Data, "its PNG header is damaged ({})", image.message);
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  ~PngImage() { png_image_free(&image); }
};

ImageInfo check_size(ImageInfo info) {
  const auto [height, width] = info.extent;
  if (height < 1 || width < 1 || height > kMaxPixels / width)
    fail(ErrorKind::Data, "it claims {} x {} pixels, expected 1 to {} in all", width, height,
         kMaxPixels);
  return info;
}

ImageInfo probe_jpeg(Span<const uint8_t> bytes) {
  int width = 0, height = 0, sampling = 0, colour = 0;
  tjhandle handle = scratch().jpeg;
  if (tjDecompressHeader3(handle, bytes.data(), static_cast<unsigned long>(bytes.size()), &width,
                          &height, &sampling, &colour) != 0) {
    const std::string problem = tjGetErrorStr2(handle);
    // libjpeg-turbo 2.1 leaves a decoder in the middle of a header that failed.
    tjDestroy(std::exchange(scratch().jpeg, tjInitDecompress()));
    fail(ErrorKind::Data, "its JPEG header is damaged ({})", problem);
  }
  if (width < 1 || height < 1) fail(ErrorKind::Data, "it ends inside its JPEG header");
  const bool cmyk = colour == TJCS_CMYK || colour == TJCS_YCCK;
  return check_size({ImageFormat::Jpeg,
                     cmyk                  ? ImageColour::Cmyk
                     : colour == TJCS_GRAY ? ImageColour::Grey
                                           : ImageColour::Rgb,
                     {height, width}});
}

/// Ink to light. Adobe's programs store CMYK inverted, and so do practically all such JPEGs.
void cmyk_to_rgb(const std::vector<uint8_t>& cmyk, std::vector<uint8_t>& rgb) {
  for (size_t i = 0, n = cmyk.size() / 4; i < n; ++i) {
    for (size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<uint8_t>((cmyk[4 * i + c] * cmyk[4 * i + 3] + 127) / 255);
  }
}

/// Decodes at the smallest of 1, 1/2, 1/4, 1/8 that still has the window at `size`. The steps
/// between have no fast inverse DCT.
std::string decode_jpeg(Span<const uint8_t> bytes, const ImageInfo& info, Window window,
                        Extent size, Extent& decoded, double& scale) {
  Scratch& s = scratch();
  int eighths = 8;
  while (eighths > 1 && window.height * eighths / 2 >= 8 * size.height &&
         window.width * eighths / 2 >= 8 * size.width)
    eighths /= 2;
  scale = eighths / 8.0;
  const tjscalingfactor factor{eighths, 8};
  decoded = {TJSCALED(info.extent.height, factor), TJSCALED(info.extent.width, factor)};
  const auto pixels = static_cast<size_t>(decoded.height * decoded.width);
  const bool cmyk = info.colour == ImageColour::Cmyk;
  s.pixels.resize(3 * pixels);
  if (cmyk) s.cmyk.resize(4 * pixels);
  std::vector<uint8_t>& target = cmyk ? s.cmyk : s.pixels;
  auto decode = [&] {
    return tjDecompress2(s.jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()),
                         target.data(), static_cast<int>(decoded.width), 0,
                         static_cast<int>(decoded.height), cmyk ? TJPF_CMYK : TJPF_RGB,
                         TJFLAG_LIMITSCANS) == 0;
  };
  bool whole = decode();
  if (!whole && tjGetErrorCode(s.jpeg) != TJERR_WARNING) {
    // Gone for good somewhere inside: what was not written must not be an earlier picture.
    std::fill(target.begin(), target.end(), kMissing);
    whole = decode();
  }
  const std::string problem = whole ? "" : tjGetErrorStr2(s.jpeg);
  if (cmyk) cmyk_to_rgb(s.cmyk, s.pixels);
  return problem;
}

}  // namespace

ImageInfo probe_image(Span<const uint8_t> bytes) {
  if (bytes.empty()) fail(ErrorKind::Data, "it has zero bytes");
  if (begins_with(bytes, {0xFF, 0xD8, 0xFF})) return probe_jpeg(bytes);
  if (begins_with(bytes, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'})) {
    const PngImage png(bytes);
    const bool colour = (png.image.format & PNG_FORMAT_FLAG_COLOR) != 0;
    return check_size({ImageFormat::Png,
                       colour ? ImageColour::Rgb : ImageColour::Grey,
                       {png.image.height, png.image.width}});
  }
  std::string start;
  for (size_t i = 0; i < std::min<size_t>(4, bytes.size()); ++i)
    start += fmt::format("{}{:02x}", i ? " " : "", bytes[i]);
  fail(ErrorKind::Data, "it is no JPEG and no PNG (it begins with {})", start);
}

std::string decode_window(Span<const uint8_t> bytes, const WindowChooser& choose, MapShape shape,
                          Span<uint8_t> pixels_hwc) {
  TAILOR_CHECK(shape.channels == 3 && pixels_hwc.size() == static_cast<size_t>(shape.size()),
               "{} bytes for {}", pixels_hwc.size(), to_string(shape));
  const ImageInfo info = probe_image(bytes);
  const Window window = choose(info.extent);
  TAILOR_CHECK(window.top >= 0 && window.left >= 0 && window.height >= 1 && window.width >= 1 &&
                   window.top + window.height <= info.extent.height &&
                   window.left + window.width <= info.extent.width,
               "window {}+{} x {}+{} of {} x {}", window.top, window.height, window.left,
               window.width, info.extent.height, info.extent.width);
  const Extent size{shape.height, shape.width};
  Extent decoded = info.extent;
  double scale = 1;
  std::string problem;
  std::vector<uint8_t>& pixels = scratch().pixels;
  if (info.format == ImageFormat::Jpeg) {
    problem = decode_jpeg(bytes, info, window, size, decoded, scale);
  } else {
    PngImage png(bytes);
    png.image.format = PNG_FORMAT_RGB;
    pixels.assign(PNG_IMAGE_SIZE(png.image), kMissing);
    const png_color black{0, 0, 0};
    if (!png_image_finish_read(&png.image, &black, pixels.data(), 0, nullptr))
      problem = png.image.message;
  }
  resample(pixels.data(), decoded, 3,
           {static_cast<double>(window.top) * scale, static_cast<double>(window.left) * scale,
            static_cast<double>(window.height) * scale, static_cast<double>(window.width) * scale},
           size, pixels_hwc.data());
  // One panorama must not be paid for until the end of the run.
  constexpr size_t kKeptBytes = size_t{1} << 25;
  if (pixels.capacity() > kKeptBytes) std::vector<uint8_t>().swap(pixels);
  if (scratch().cmyk.capacity() > kKeptBytes) std::vector<uint8_t>().swap(scratch().cmyk);
  return problem;
}

Window centre_window(Extent extent, MapShape shape, int64_t resize) {
  // One step of evaluation's scale is `unit` of the picture's pixels.
  const double unit =
      static_cast<double>(std::min(extent.height, extent.width)) / static_cast<double>(resize);
  auto side = [&](int64_t wanted, int64_t there) {
    return std::clamp<int64_t>(std::lround(static_cast<double>(wanted) * unit), 1, there);
  };
  const int64_t height = side(shape.height, extent.height), width = side(shape.width, extent.width);
  return {(extent.height - height) / 2, (extent.width - width) / 2, height, width};
}

void save_png(const std::string& path, Extent extent, Span<const uint8_t> rgb) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(extent.width);
  image.height = static_cast<png_uint_32>(extent.height);
  image.format = PNG_FORMAT_RGB;
  TAILOR_CHECK(rgb.size() == PNG_IMAGE_SIZE(image), "{} bytes for {} x {}", rgb.size(),
               extent.width, extent.height);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, rgb.data(), 0, nullptr))
    fail(ErrorKind::Internal, "libpng: {}", image.message);
  bytes.resize(size);
  write_file(path, bytes);
}

}  // namespace tailor
