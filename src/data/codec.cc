#include "tailor/data/codec.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <limits>

#include <jpeglib.h>  // wants size_t and FILE

#include <jerror.h>

#include "tailor/core/files.h"

namespace tailor::data {
namespace {

constexpr uint8_t kMissing = 128;  // what a broken file did not say

/// libjpeg-turbo's decoder: reads a header, then a part of the picture. What it says first about
/// damaged data is kept; an error ends the call that made it.
class JpegDecoder {
 public:
  JpegDecoder() {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) {
      auto& self = of(info);
      (*info->err->format_message)(info, self.message_);
      std::longjmp(self.jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0 && info->err->num_warnings++ == 0)
        (*info->err->format_message)(info, of(info).message_);
    };
    // A small file can hold thousands of scans of a large picture.
    progress_.progress_monitor = [](j_common_ptr info) {
      constexpr int kMaxScans = 500;
      auto& self = of(info);
      if (self.info_.input_scan_number <= kMaxScans) return;
      std::snprintf(self.message_, sizeof self.message_, "more than %d scans", kMaxScans);
      std::longjmp(self.jump_, 1);
    };
    info_.client_data = this;
    if (!guarded([&] { jpeg_create_decompress(&info_); }))
      fail(ErrorKind::Internal, "libjpeg-turbo: {}", message_);
    info_.progress = &progress_;
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }

  /// Throws Data. `bytes` must stay until decode() is done.
  void read_header(Span<const uint8_t> bytes) {
    jpeg_abort_decompress(&info_);
    message_[0] = 0;
    int found = 0;
    if (!guarded([&] {
          jpeg_mem_src(&info_, bytes.data(), static_cast<unsigned long>(bytes.size()));
          found = jpeg_read_header(&info_, FALSE);
        }))
      fail(ErrorKind::Data, "its JPEG header is damaged ({})", message_);
    if (found != JPEG_HEADER_OK) fail(ErrorKind::Data, "it ends inside its JPEG header");
  }
  const jpeg_decompress_struct& header() const { return info_; }

  /// Decodes, at eighths/8 of its size, the part of the picture that [top, bottom) x [left, right)
  /// (in pixels of that size) names, with up to `left`'s block more on the left and a few columns
  /// on the right. Returns the part's first column and its extent; pixels are as in a whole
  /// picture. What cannot be decoded is `kMissing`.
  struct Part {
    int64_t left;
    Extent extent;
  };
  Part decode(int eighths, Extent from, Extent to, std::vector<uint8_t>& pixels) {
    constexpr int64_t kMargin = 8;  // chroma is interpolated across a part's edge
    const bool cmyk = is_cmyk();
    const size_t channels = cmyk ? 4 : 3;
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    info_.scale_num = static_cast<unsigned>(eighths), info_.scale_denom = 8;
    const auto top = static_cast<JDIMENSION>(from.height),
               bottom = static_cast<JDIMENSION>(to.height);
    auto left = static_cast<JDIMENSION>(std::max<int64_t>(from.width - kMargin, 0)), width = left;
    const bool started = guarded([&] {
      jpeg_start_decompress(&info_);
      const int64_t right = std::min<int64_t>(to.width + kMargin, info_.output_width);
      width = static_cast<JDIMENSION>(right) - left;
      jpeg_crop_scanline(&info_, &left, &width);
    });
    if (!started) left = 0, width = static_cast<JDIMENSION>(to.width);
    const size_t row_bytes = channels * width;
    pixels.resize((bottom - top) * row_bytes);
    if (started) {
      guarded([&] {
        jpeg_skip_scanlines(&info_, top);
        while (info_.output_scanline < bottom) {
          JSAMPROW at = pixels.data() + (info_.output_scanline - top) * row_bytes;
          jpeg_read_scanlines(&info_, &at, 1);
        }
      });
    }
    const JDIMENSION done = started ? std::clamp(info_.output_scanline, top, bottom) : top;
    std::fill(pixels.begin() + static_cast<std::ptrdiff_t>((done - top) * row_bytes), pixels.end(),
              kMissing);
    return {left, {static_cast<int64_t>(bottom - top), static_cast<int64_t>(width)}};
  }
  bool is_cmyk() const {
    return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
  }
  /// Frees the picture's memory; returns what was wrong with it, or "". Rows below the part are not
  /// decoded: of them it is only known whether the file has an end.
  std::string finish() {
    const uint8_t end[] = {0xFF, JPEG_EOI};
    const uint8_t *rest = info_.src->next_input_byte, *last = rest + info_.src->bytes_in_buffer;
    const bool whole = message_[0] || info_.output_scanline == info_.output_height ||
                       jpeg_has_multiple_scans(&info_) || info_.unread_marker == JPEG_EOI ||
                       std::search(rest, last, end, end + 2) != last;
    jpeg_abort_decompress(&info_);
    return whole ? message_ : "Premature end of JPEG file";
  }

 private:
  static JpegDecoder& of(j_common_ptr info) {
    return *static_cast<JpegDecoder*>(info->client_data);
  }
  /// False if libjpeg-turbo gave up. `work` is left by a jump: nothing in it may need a destructor.
  template <typename Work>
  bool guarded(const Work& work) {
    if (setjmp(jump_)) return false;
    work();
    return true;
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = {};
};

/// One decoder and its buffers a thread.
struct Scratch {
  JpegDecoder jpeg;
  std::vector<uint8_t> pixels, cmyk;
};
Scratch& scratch() {
  thread_local Scratch s;
  return s;
}

bool begins_with(Span<const uint8_t> bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

/// libpng's reader of one picture. Only what says where the pixels are is read: gAMA, sRGB, iCCP,
/// cHRM, sBIT and bKGD say how to show them, and change nothing.
class PngReader {
 public:
  /// Reads the header. Throws Data. `bytes` must stay until decode() is done.
  explicit PngReader(Span<const uint8_t> bytes) : rest_(bytes) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp png, png_const_charp text) {
          auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
          std::snprintf(self.message_, sizeof self.message_, "%s", text);
          std::longjmp(self.jump_, 1);
        },
        [](png_structp, png_const_charp) {});
    if (png_) info_ = png_create_info_struct(png_);
    if (!info_) std::snprintf(message_, sizeof message_, "no memory");
    const bool begun =
        info_ && guarded([&] {
          png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
          png_set_benign_errors(png_, 1);
          png_set_read_fn(png_, this, [](png_structp png, png_bytep out, size_t size) {
            auto& rest = static_cast<PngReader*>(png_get_io_ptr(png))->rest_;
            if (size > rest.size()) png_error(png, "read beyond end of data");
            std::memcpy(out, rest.data(), size);
            rest = {rest.data() + size, rest.size() - size};
          });
          png_read_info(png_, info_);
        });
    if (begun) return;
    png_destroy_read_struct(&png_, &info_, nullptr);
    fail(ErrorKind::Data, "its PNG header is damaged ({})", message_);
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  ImageInfo info() const {
    const bool colour = (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) != 0;
    return {ImageFormat::Png,
            colour ? ImageColour::Rgb : ImageColour::Grey,
            {png_get_image_height(png_, info_), png_get_image_width(png_, info_)},
            png_get_bit_depth(png_, info_) == 16 ? 16 : 8};
  }

  /// The picture in its own one or three channels, as uint8_t (16 bits are rounded to 8) or
  /// uint16_t (of a file of 16 bits). Transparency is dropped, as PIL's convert("RGB") does.
  /// Returns what was wrong with it, or "": rows that are not there are `kMissing`.
  template <class T>
  std::string decode(std::vector<T>& pixels) {
    const auto [height, width] = info().extent;
    const int64_t row = width * (info().colour == ImageColour::Grey ? 1 : 3);
    pixels.assign(static_cast<size_t>(height * row),
                  static_cast<T>(kMissing * (std::numeric_limits<T>::max() / 255)));
    std::vector<png_bytep> rows;
    for (int64_t y = 0; y < height; ++y)
      rows.push_back(reinterpret_cast<png_bytep>(pixels.data() + y * row));
    const auto row_bytes = static_cast<size_t>(row) * sizeof(T);
    const bool whole = guarded([&] {
      png_set_palette_to_rgb(png_);
      if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
      sizeof(T) == 2 ? png_set_swap(png_) : png_set_scale_16(png_);
      png_set_strip_alpha(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "rows of another length");
      png_read_image(png_, rows.data());
    });
    return whole ? "" : message_;
  }

 private:
  /// False if libpng gave up. `work` is left by a jump: nothing in it may need a destructor.
  template <typename Work>
  bool guarded(const Work& work) {
    if (setjmp(jump_)) return false;
    work();
    return true;
  }

  Span<const uint8_t> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char message_[128] = {};
};

ImageInfo check_size(ImageInfo info) {
  const auto [height, width] = info.extent;
  if (height < 1 || width < 1 || height > kMaxPixels / width) {
    fail(ErrorKind::Data, "it claims {} x {} pixels, expected 1 to {} in all", width, height,
         kMaxPixels);
  }
  return info;
}

ImageInfo probe_jpeg(Span<const uint8_t> bytes) {
  JpegDecoder& jpeg = scratch().jpeg;
  jpeg.read_header(bytes);
  const jpeg_decompress_struct& header = jpeg.header();
  if (header.jpeg_color_space == JCS_UNKNOWN)
    fail(ErrorKind::Data, "it has {} colour channels, expected 1, 3 or 4", header.num_components);
  return check_size({ImageFormat::Jpeg,
                     jpeg.is_cmyk()                             ? ImageColour::Cmyk
                     : header.jpeg_color_space == JCS_GRAYSCALE ? ImageColour::Grey
                                                                : ImageColour::Rgb,
                     {header.image_height, header.image_width}});
}

/// Ink to light. Adobe's programs store CMYK inverted, and so do practically all such JPEGs.
void cmyk_to_rgb(const std::vector<uint8_t>& cmyk, std::vector<uint8_t>& rgb) {
  for (size_t i = 0, n = cmyk.size() / 4; i < n; ++i) {
    for (size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<uint8_t>((cmyk[4 * i + c] * cmyk[4 * i + 3] + 127) / 255);
  }
}

/// The picture behind the header just read, decoded at the smallest of 1, 1/2, 1/4, 1/8 that still
/// has the window at `size` (the steps between have no fast inverse DCT), and only around the
/// window. `where` is the window in what was decoded.
std::string decode_jpeg(CropWindow window, Extent size, Extent& decoded, RealWindow& where) {
  Scratch& s = scratch();
  int eighths = 8;
  while (eighths > 1 && window.height * eighths / 2 >= 8 * size.height &&
         window.width * eighths / 2 >= 8 * size.width)
    eighths /= 2;
  auto first = [&](int64_t start) { return start * eighths / 8; };
  auto end = [&](int64_t start, int64_t length) { return ((start + length) * eighths + 7) / 8; };
  const Extent from{first(window.top), first(window.left)};
  const bool cmyk = s.jpeg.is_cmyk();
  const JpegDecoder::Part part =
      s.jpeg.decode(eighths, from, {end(window.top, window.height), end(window.left, window.width)},
                    cmyk ? s.cmyk : s.pixels);
  if (cmyk) {
    s.pixels.resize(s.cmyk.size() / 4 * 3);
    cmyk_to_rgb(s.cmyk, s.pixels);
  }
  const double scale = eighths / 8.0;
  decoded = part.extent;
  where = {static_cast<double>(window.top) * scale - static_cast<double>(from.height),
           static_cast<double>(window.left) * scale - static_cast<double>(part.left),
           static_cast<double>(window.height) * scale, static_cast<double>(window.width) * scale};
  return s.jpeg.finish();
}

/// Pixels of one or three channels as one or three: grey is repeated, and colours become grey by
/// ITU-R 601 in 16 bits of fraction, as PIL's convert("L") does.
template <class T>
void copy_channels(const T* in, int64_t from, int64_t to, int64_t pixels, T* out) {
  constexpr int32_t kLuma[] = {19595, 38470, 7471};
  for (; pixels > 0; --pixels, in += from, out += to) {
    if (to == 3) {
      std::fill_n(out, 3, *in);
    } else if constexpr (std::is_integral_v<T>) {
      const int32_t sum = kLuma[0] * in[0] + kLuma[1] * in[1] + kLuma[2] * in[2];
      *out = static_cast<T>((sum + 0x8000) >> 16);
    } else {
      const double sum =
          double{in[0]} * kLuma[0] + double{in[1]} * kLuma[1] + double{in[2]} * kLuma[2];
      *out = static_cast<T>(sum / 65536);
    }
  }
}

/// resample() from `channels` to those of the shape.
template <class From, class To>
void resample_to(const From* pixels, Extent extent, int64_t channels, RealWindow window,
                 MapShape shape, To* out_hwc) {
  const Extent size{shape.height, shape.width};
  if (channels == shape.channels) return resample(pixels, extent, channels, window, size, out_hwc);
  std::vector<To> scaled(static_cast<size_t>(shape.pixels() * channels));
  resample(pixels, extent, channels, window, size, scaled.data());
  copy_channels(scaled.data(), channels, shape.channels, shape.pixels(), out_hwc);
}

CropWindow checked_window(const ImageInfo& info, const WindowChooser& choose, MapShape shape,
                          size_t values) {
  TAILOR_CHECK(
      (shape.channels == 3 || shape.channels == 1) && values == static_cast<size_t>(shape.size()),
      "{} values for {}", values, to_string(shape));
  const CropWindow window = choose(info.extent);
  TAILOR_CHECK(window.top >= 0 && window.left >= 0 && window.height >= 1 && window.width >= 1 &&
                   window.top + window.height <= info.extent.height &&
                   window.left + window.width <= info.extent.width,
               "window {}+{} x {}+{} of {} x {}", window.top, window.height, window.left,
               window.width, info.extent.height, info.extent.width);
  return window;
}

RealWindow whole_pixels(CropWindow w) {
  return {static_cast<double>(w.top), static_cast<double>(w.left), static_cast<double>(w.height),
          static_cast<double>(w.width)};
}

/// One panorama must not be paid for until the end of the run.
template <class T>
void give_back(std::vector<T>& pixels) {
  constexpr size_t kKeptBytes = size_t{1} << 25;
  if (pixels.capacity() * sizeof(T) > kKeptBytes) std::vector<T>().swap(pixels);
}

}  // namespace

ImageInfo probe_image(Span<const uint8_t> bytes) {
  if (bytes.empty()) fail(ErrorKind::Data, "it has zero bytes");
  if (begins_with(bytes, {0xFF, 0xD8, 0xFF})) return probe_jpeg(bytes);
  if (begins_with(bytes, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}))
    return check_size(PngReader(bytes).info());
  std::string start;
  for (size_t i = 0; i < std::min<size_t>(4, bytes.size()); ++i)
    start += fmt::format("{}{:02x}", i ? " " : "", bytes[i]);
  fail(ErrorKind::Data, "it is no JPEG and no PNG (it begins with {})", start);
}

std::string decode_window(Span<const uint8_t> bytes, const WindowChooser& choose, MapShape shape,
                          Span<uint8_t> pixels_hwc) {
  const ImageInfo info = probe_image(bytes);
  const CropWindow window = checked_window(info, choose, shape, pixels_hwc.size());
  Extent decoded = info.extent;
  RealWindow where = whole_pixels(window);
  int64_t channels = 3;
  std::string problem;
  std::vector<uint8_t>& pixels = scratch().pixels;
  if (info.format == ImageFormat::Jpeg) {
    problem = decode_jpeg(window, {shape.height, shape.width}, decoded, where);
  } else {
    problem = PngReader(bytes).decode(pixels);
    channels = info.colour == ImageColour::Grey ? 1 : 3;
  }
  resample_to(pixels.data(), decoded, channels, where, shape, pixels_hwc.data());
  give_back(pixels);
  give_back(scratch().cmyk);
  return problem;
}

std::string decode_window(Span<const uint8_t> bytes, const WindowChooser& choose, MapShape shape,
                          Span<float> pixels_hwc) {
  const ImageInfo info = probe_image(bytes);
  if (info.bits == 8) {
    std::vector<uint8_t> eight(pixels_hwc.size());
    const std::string problem = decode_window(bytes, choose, shape, eight);
    for (size_t i = 0; i < eight.size(); ++i) pixels_hwc[i] = static_cast<float>(eight[i]) / 255;
    return problem;
  }
  const CropWindow window = checked_window(info, choose, shape, pixels_hwc.size());
  std::vector<uint16_t> pixels;
  const std::string problem = PngReader(bytes).decode(pixels);
  resample_to(pixels.data(), info.extent, info.colour == ImageColour::Grey ? 1 : 3,
              whole_pixels(window), shape, pixels_hwc.data());
  return problem;
}

CropWindow centre_window(Extent extent, MapShape shape, int64_t resize) {
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

}  // namespace tailor::data
