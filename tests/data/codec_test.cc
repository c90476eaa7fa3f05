// Pictures of every kind that a user's folder holds: what is decoded is what was drawn, and what
// cannot be decoded says why.
#include "tailor/data/codec.h"
#include "support/rooms.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <cstdio>

#include <jpeglib.h>  // wants size_t and FILE

#include "data/resample.h"
#include "support/expect_error.h"
#include "support/pictures.h"

namespace tailor::test {
namespace {

using testing::as_span;
using testing::encode_jpeg;
using testing::expect_error;
using testing::gradient;
using testing::jpeg_picture;
using testing::png_picture;
using testing::raw_png;

std::vector<uint8_t> decode(const std::string& bytes, CropWindow window, Extent size,
                            std::string* problem = nullptr) {
  std::vector<uint8_t> out(static_cast<size_t>(size.height * size.width * 3));
  const std::string found = decode_window(
      as_span(bytes), [&](Extent) { return window; }, {3, size.height, size.width}, out);
  if (problem)
    *problem = found;
  else
    EXPECT_EQ(found, "");
  return out;
}

/// The gradient's colour at the centre of output pixel (y, x) of a window.
void expect_gradient(const std::vector<uint8_t>& got, Extent picture, CropWindow w, Extent size,
                     double tolerance, int blue = 60) {
  double worst = 0;
  for (int64_t y = 0; y < size.height; ++y) {
    for (int64_t x = 0; x < size.width; ++x) {
      auto at = [](int64_t start, int64_t length, int64_t i, int64_t n, int64_t whole) {
        const double place = static_cast<double>(start) + (static_cast<double>(i) + 0.5) *
                                                              static_cast<double>(length) /
                                                              static_cast<double>(n);
        return 20 + 200 * (place - 0.5) / static_cast<double>(whole);
      };
      const double expected[] = {at(w.top, w.height, y, size.height, picture.height),
                                 at(w.left, w.width, x, size.width, picture.width),
                                 static_cast<double>(blue)};
      for (size_t c = 0; c < 3; ++c)
        worst = std::max(
            worst, std::abs(expected[c] - got[static_cast<size_t>((y * size.width + x) * 3) + c]));
    }
  }
  EXPECT_LT(worst, tolerance);
}

TEST(DecodeWindow, PngIsExactWithoutScaling) {
  const Extent extent{13, 29};
  const auto all = gradient(extent);
  EXPECT_EQ(decode(png_picture(extent), {0, 0, 13, 29}, extent), all);
  const CropWindow w{2, 5, 7, 11};
  std::vector<uint8_t> expected;
  for (int64_t y = 2; y < 9; ++y)
    expected.insert(expected.end(), all.begin() + (y * 29 + 5) * 3,
                    all.begin() + (y * 29 + 16) * 3);
  EXPECT_EQ(decode(png_picture(extent), w, {7, 11}), expected);
}

TEST(DecodeWindow, WindowsAreWhereTheyWereChosenAtEveryScale) {
  const Extent extent{311, 487};
  const std::string jpeg = jpeg_picture(extent), png = png_picture(extent);
  for (Extent size : {Extent{300, 400}, Extent{100, 130}, Extent{61, 43}, Extent{17, 23}}) {
    for (CropWindow w : {CropWindow{0, 0, 311, 487}, CropWindow{101, 53, 200, 333},
                         CropWindow{3, 290, 155, 197}}) {
      // The edges of a filter that is cut off at the window lie one step of the gradient inside.
      const double edge = 200.0 / static_cast<double>(std::min(size.height, size.width)) / 2 *
                              static_cast<double>(w.width) / 487 +
                          1;
      expect_gradient(decode(png, w, size), extent, w, size, edge + 1);
      expect_gradient(decode(jpeg, w, size), extent, w, size, edge + 4);
    }
  }
}

/// Every pixel another, so that a column or a chroma sample off cannot agree.
std::vector<uint8_t> noise(size_t count) {
  std::vector<uint8_t> out(count);
  uint32_t state = 12345;
  for (uint8_t& v : out) v = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

TEST(DecodeWindow, APartOfAJpegIsWhatTheWholeHasThere) {
  const Extent extent{309, 427};
  const auto pixels = noise(309 * 427 * 3);
  struct Case {
    int sampling, flags;
  };
  tjhandle handle = tjInitDecompress();
  for (Case c : {Case{TJSAMP_444, 0}, Case{TJSAMP_422, 0}, Case{TJSAMP_420, 0}, Case{TJSAMP_440, 0},
                 Case{TJSAMP_411, 0}, Case{TJSAMP_GRAY, 0}, Case{TJSAMP_420, TJFLAG_PROGRESSIVE}}) {
    const std::string jpeg = encode_jpeg(pixels, extent, TJPF_RGB, c.sampling, c.flags);
    for (int eighths : {8, 4, 2, 1}) {
      const int height = (309 * eighths + 7) / 8, width = (427 * eighths + 7) / 8;
      std::vector<uint8_t> whole(static_cast<size_t>(height * width * 3));
      ASSERT_EQ(tjDecompress2(handle, as_span(jpeg).data(), jpeg.size(), whole.data(), width, 0,
                              height, TJPF_RGB, 0),
                0)
          << tjGetErrorStr2(handle);
      for (CropWindow w :
           {CropWindow{0, 0, 309, 427}, CropWindow{101, 53, 143, 211}, CropWindow{17, 33, 131, 379},
            CropWindow{7, 300, 302, 120}, CropWindow{150, 0, 159, 173}}) {
        const Extent size{w.height * eighths / 8, w.width * eighths / 8};
        const double scale = eighths / 8.0;
        std::vector<uint8_t> expected(static_cast<size_t>(size.height * size.width * 3));
        resample(whole.data(), {height, width}, 3,
                 {static_cast<double>(w.top) * scale, static_cast<double>(w.left) * scale,
                  static_cast<double>(w.height) * scale, static_cast<double>(w.width) * scale},
                 size, expected.data());
        EXPECT_EQ(decode(jpeg, w, size), expected) << "sampling " << c.sampling << ", " << eighths
                                                   << "/8, window at " << w.top << ", " << w.left;
      }
    }
  }
  tjDestroy(handle);
}

TEST(DecodeWindow, AJpegThatBreaksOffBelowTheWindowSaysSo) {
  const Extent extent{320, 96};
  const std::string whole = jpeg_picture(extent);
  std::string problem;
  const CropWindow top{0, 0, 48, 96};
  const auto got = decode(whole.substr(0, whole.size() - 40), top, {48, 96}, &problem);
  EXPECT_EQ(problem, "Premature end of JPEG file");
  EXPECT_EQ(got, decode(whole, top, {48, 96}));
  EXPECT_EQ(got, decode(whole + "what a camera appends", top, {48, 96}));
}

TEST(DecodeWindow, GreyAndCmykBecomeRgb) {
  const Extent extent{24, 40};
  std::vector<uint8_t> grey, cmyk;
  const auto rgb = gradient(extent);
  for (size_t i = 0; i < rgb.size(); i += 3) {
    grey.push_back(rgb[i]);
    // Adobe's inverted CMYK with a black of 200/255: the light is C·K / 255.
    for (size_t c = 0; c < 3; ++c) cmyk.push_back(rgb[i + c]);
    cmyk.push_back(200);
  }
  const std::string grey_jpeg = encode_jpeg(grey, extent, TJPF_GRAY, TJSAMP_GRAY);
  EXPECT_EQ(probe_image(as_span(grey_jpeg)).colour, ImageColour::Grey);
  const auto from_grey = decode(grey_jpeg, {0, 0, 24, 40}, extent);
  const std::string cmyk_jpeg = encode_jpeg(cmyk, extent, TJPF_CMYK);
  EXPECT_EQ(probe_image(as_span(cmyk_jpeg)).colour, ImageColour::Cmyk);
  const auto from_cmyk = decode(cmyk_jpeg, {0, 0, 24, 40}, extent);
  for (size_t i = 0; i < rgb.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(from_grey[i + c], rgb[i], 3);
      EXPECT_NEAR(from_cmyk[i + c], rgb[i + c] * 200 / 255, 5);
    }
  }
}

TEST(DecodeWindow, AlphaIsDroppedAndTheColoursStay) {
  const Extent extent{9, 7};
  auto encode = [&](png_uint_32 format, const std::vector<uint8_t>& pixels) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = 7, image.height = 9, image.format = format;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::string bytes(size, '\0');
    EXPECT_NE(png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr),
              0);
    bytes.resize(size);
    return bytes;
  };
  const auto rgb = gradient(extent);
  std::vector<uint8_t> rgba, grey_alpha, grey;
  for (size_t i = 0; i < rgb.size(); i += 3) {
    const auto alpha = static_cast<uint8_t>(i % 5 * 60);  // from nothing to nearly all
    rgba.insert(rgba.end(), {rgb[i], rgb[i + 1], rgb[i + 2], alpha});
    grey_alpha.insert(grey_alpha.end(), {rgb[i], alpha});
    grey.insert(grey.end(), 3, rgb[i]);
  }
  EXPECT_EQ(decode(encode(PNG_FORMAT_RGBA, rgba), {0, 0, 9, 7}, extent), rgb);
  EXPECT_EQ(decode(encode(PNG_FORMAT_GA, grey_alpha), {0, 0, 9, 7}, extent), grey);
}

/// Chunks that say how to show pixels: with each alone and with all, the pixels stay.
std::vector<std::vector<std::pair<std::string, std::string>>> colour_chunks(int colour_type) {
  auto text = [](std::initializer_list<int> bytes) {
    return std::string(bytes.begin(), bytes.end());
  };
  const std::pair<std::string, std::string> linear{"gAMA", text({0, 1, 0x86, 0xA0})},  // 1.0
      old{"gAMA", text({0, 0, 0xB1, 0x8F})},                                           // 1 / 2.2
      srgb{"sRGB", text({0})}, profile{"iCCP", "x" + text({0, 0}) + "no profile at all"},
      primaries{"cHRM",
                text({0, 0, 0x7A, 0x26, 0, 0, 0x80, 0x84, 0, 0, 0xFA, 0,    0, 0, 0x80, 0xE8,
                      0, 0, 0x75, 0x30, 0, 0, 0xEA, 0x60, 0, 0, 0x3A, 0x98, 0, 0, 0x17, 0x70})};
  const bool colour = (colour_type & 2) != 0, palette = colour_type == 3;
  const std::pair<std::string, std::string> significant{"sBIT",
                                                        colour ? text({3, 4, 5}) : text({4})},
      background{"bKGD", palette  ? text({0})
                         : colour ? text({0, 9, 0, 8, 0, 7})
                                  : text({0, 9})};
  return {{},          {linear},    {old},         {srgb},
          {profile},   {primaries}, {significant}, {linear, significant, primaries},
          {background}};
}

TEST(DecodeWindow, AChunkAboutColoursLeavesThePixelsAsTheyAre) {
  const Extent extent{2, 3};
  auto file = [&](int bits, int type, const std::string& rows, auto chunks) {
    // A palette stands before bKGD and behind the rest.
    if (type == 3) {
      const bool behind = !chunks.empty() && chunks[0].first == "bKGD";
      chunks.insert(behind ? chunks.begin() : chunks.end(),
                    {"PLTE", std::string("\1\2\3\x64\xC8\x0A", 6)});
    }
    return raw_png(extent, bits, type, rows, chunks);
  };
  const std::string grey = "\x64\x05\xFF\x80\x01\x63",
                    colours = grey + "\x10\xEE\x64" + grey + "abc";
  std::string grey16, colours16;  // v, v: the same in 16 bits
  for (char c : grey) grey16 += {c, c};
  for (char c : colours) colours16 += {c, c};
  const std::vector<uint8_t> rgb(colours.begin(), colours.end());
  std::vector<uint8_t> thrice;
  for (char c : grey) thrice.insert(thrice.end(), 3, static_cast<uint8_t>(c));
  const CropWindow all{0, 0, 2, 3};
  for (const auto& chunks : colour_chunks(0)) {
    EXPECT_EQ(decode(file(8, 0, grey, chunks), all, extent), thrice);
    EXPECT_EQ(decode(file(16, 0, grey16, chunks), all, extent), thrice);
  }
  for (const auto& chunks : colour_chunks(2)) {
    EXPECT_EQ(decode(file(8, 2, colours, chunks), all, extent), rgb);
    EXPECT_EQ(decode(file(16, 2, colours16, chunks), all, extent), rgb);
  }
  for (const auto& chunks : colour_chunks(3)) {
    const std::vector<uint8_t> a = {1, 2, 3}, b = {100, 200, 10};
    std::vector<uint8_t> expected;
    for (bool second : {true, false, true, false, false, true})
      expected.insert(expected.end(), (second ? b : a).begin(), (second ? b : a).end());
    EXPECT_EQ(decode(file(8, 3, std::string("\1\0\1\0\0\1", 6), chunks), all, extent), expected);
    EXPECT_EQ(decode(file(1, 3, "\xA0\x20", chunks), all, extent), expected);
  }
  // Few bits are spread over 0..255.
  EXPECT_EQ(decode(file(2, 0, "\x1B\xE4", colour_chunks(0)[1]), {0, 0, 2, 3}, extent),
            (std::vector<uint8_t>{0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255, 170, 170, 170,
                                  85, 85, 85}));
}

TEST(DecodeWindow, SixteenBitsStayAndAPictureCanHaveOneChannel) {
  const Extent extent{1, 4};
  const WindowChooser all = [](Extent e) { return CropWindow{0, 0, e.height, e.width}; };
  const std::string grey =
      raw_png(extent, 16, 0, std::string("\x12\x34\x00\x01\xFF\xFE\x80\x00", 8));
  EXPECT_EQ(probe_image(as_span(grey)).bits, 16);
  std::vector<float> one(4), three(12);
  EXPECT_EQ(decode_window(as_span(grey), all, {1, 1, 4}, Span<float>(one)), "");
  EXPECT_EQ(one,
            (std::vector<float>{0x1234 / 65535.F, 1 / 65535.F, 65534 / 65535.F, 32768 / 65535.F}));
  decode_window(as_span(grey), all, {3, 1, 4}, Span<float>(three));
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(three[i], one[i / 3]);
  // The mean of two neighbours lies between two bytes, and between two of 16 bits.
  std::vector<float> half(2);
  decode_window(
      as_span(grey),
      [](Extent) {
        return CropWindow{0, 0, 1, 2};
      },
      {1, 1, 1}, Span<float>(half.data(), 1));
  EXPECT_FLOAT_EQ(half[0], (0x1234 + 1) / 2.F / 65535);
  const std::string colours = raw_png({1, 2}, 8, 2, "\xFF\x01\x02\x10\x20\x30");
  std::vector<uint8_t> luma(2);
  EXPECT_EQ(decode_window(as_span(colours), all, {1, 1, 2}, Span<uint8_t>(luma)), "");
  EXPECT_EQ(luma, (std::vector<uint8_t>{77, 29}));  // PIL's convert("L")
  decode_window(as_span(colours), all, {1, 1, 2}, Span<float>(half));
  EXPECT_EQ(half[1], 29 / 255.F);
}

TEST(DecodeWindow, AJpegThatBreaksOffIsUsedAsFarAsItGoesAndSaysSo) {
  const Extent extent{160, 96};
  const std::string whole = jpeg_picture(extent);
  std::string problem;
  const auto half = decode(whole.substr(0, whole.size() / 2), {0, 0, 160, 96}, extent, &problem);
  EXPECT_NE(problem.find("remature end"), std::string::npos) << problem;
  const auto full = decode(whole, {0, 0, 160, 96}, extent);
  EXPECT_TRUE(std::equal(half.begin(), half.begin() + 16 * 96 * 3, full.begin()));
  // The same bytes give the same pixels, whatever was decoded before.
  decode(jpeg_picture({200, 300}, 250), {0, 0, 200, 300}, {200, 300});
  EXPECT_EQ(decode(whole.substr(0, whole.size() / 2), {0, 0, 160, 96}, extent, &problem), half);
}

TEST(DecodeWindow, APngThatBreaksOffIsGreyFromThereOn) {
  const Extent extent{164, 148};
  std::vector<uint8_t> noise = gradient(extent);  // too random to fit one read of the decoder
  for (size_t i = 1; i < noise.size(); ++i)
    noise[i] = static_cast<uint8_t>(noise[i] + 7919 * i * i / 31);
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x.png");
  save_png(path, extent, noise);
  const std::string png = read_file(path);
  std::string problem;
  const auto got = decode(png.substr(0, png.size() * 2 / 3), {0, 0, 164, 148}, extent, &problem);
  EXPECT_NE(problem, "");
  EXPECT_EQ(got[0], 20);
  EXPECT_EQ(got.back(), 128);
}

TEST(DecodeWindow, APictureOf60000ColumnsCostsItsOwnPixelsOnly) {
  const Extent extent{11, 60000};
  const std::string jpeg = jpeg_picture(extent);
  EXPECT_EQ(probe_image(as_span(jpeg)).extent, extent);
  const CropWindow w = centre_window(extent, {3, 32, 32}, 36);
  EXPECT_EQ(w.height, 10);
  EXPECT_EQ(w.width, 10);
  EXPECT_EQ(w.left, 29995);
  expect_gradient(decode(jpeg, w, {32, 32}), extent, w, {32, 32}, 22);
}

TEST(ProbeImage, SaysWhatAFileIsNot) {
  expect_error(ErrorKind::Data, {"it has zero bytes"}, [] { probe_image({}); });
  expect_error(ErrorKind::Data, {"it is no JPEG and no PNG (it begins with 47 49 46 38)"},
               [] { probe_image(as_span("GIF89a")); });
  expect_error(ErrorKind::Data, {"it is no JPEG and no PNG (it begins with 42)"},
               [] { probe_image(as_span("B")); });
  const std::string jpeg = jpeg_picture({9, 14});
  expect_error(ErrorKind::Data, {"it ends inside its JPEG header"},
               [&] { probe_image(as_span(jpeg.substr(0, 30))); });
  std::string marker = jpeg;
  marker[jpeg.find("\xFF\xC0") + 1] = '\xFB';
  expect_error(ErrorKind::Data, {"its JPEG header is damaged (Unsupported marker type 0xfb)"},
               [&] { probe_image(as_span(marker)); });
  EXPECT_EQ(probe_image(as_span(jpeg)).extent, (Extent{9, 14}));  // a failure is not remembered
  const std::string png = png_picture({9, 14});
  expect_error(ErrorKind::Data, {"its PNG header is damaged"},
               [&] { probe_image(as_span(png.substr(0, 20))); });
}

TEST(ProbeImage, RefusesColoursThatNobodyKnows) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = 19, info.image_height = 1, info.input_components = 2;
  info.in_color_space = JCS_UNKNOWN;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<uint8_t> values(19 * 2, 77);
  JSAMPROW row = values.data();
  jpeg_write_scanlines(&info, &row, 1);
  jpeg_finish_compress(&info);
  const std::string jpeg(reinterpret_cast<char*>(out), size);
  jpeg_destroy_compress(&info);
  std::free(out);
  expect_error(ErrorKind::Data, {"it has 2 colour channels, expected 1, 3 or 4"},
               [&] { probe_image(as_span(jpeg)); });
}

TEST(ProbeImage, RefusesAHeaderThatClaimsTooMuch) {
  std::string jpeg = jpeg_picture({9, 14});
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  for (size_t i : {5, 7}) jpeg.replace(frame + i, 2, "\xEA\x60");  // 60000
  expect_error(ErrorKind::Data, {"it claims 60000 x 60000 pixels, expected 1 to 100000000 in all"},
               [&] { probe_image(as_span(jpeg)); });
}

TEST(DecodeWindow, NoDamageOfOneByteIsACrash) {
  const std::string jpeg = jpeg_picture({40, 56}), png = png_picture({40, 56});
  int refused = 0, decoded = 0;
  for (const std::string& whole : {jpeg, png}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
      std::vector<uint8_t> out(3 * 8 * 8);
      try {
        decode_window(
            as_span(bytes),
            [](Extent e) {
              return CropWindow{0, 0, e.height, e.width};
            },
            {3, 8, 8}, out);
        ++decoded;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(decoded, 100);
  EXPECT_GT(refused, 10);
}

TEST(Resample, AFlatPictureStaysFlat) {
  for (uint8_t value : {uint8_t{0}, uint8_t{137}, uint8_t{255}}) {
    const std::vector<uint8_t> in(19 * 27 * 2, value);
    std::vector<uint8_t> out(41 * 7 * 2, static_cast<uint8_t>(~value));
    resample(in.data(), {19, 27}, 2, {1.3, 2.9, 15.1, 23.7}, {41, 7}, out.data());
    EXPECT_EQ(out, std::vector<uint8_t>(out.size(), value));
  }
}

TEST(Resample, Avx2GivesTheSameBytes) {
  if (!has_avx2()) GTEST_SKIP() << "no AVX2 here";
  const Extent extent{61, 97};
  for (int64_t channels : {1, 2, 3}) {
    const auto in = noise(static_cast<size_t>(61 * 97 * channels));
    for (RealWindow w : {RealWindow{0, 0, 61, 97}, RealWindow{3.5, 7.25, 50.75, 81.5},
                         RealWindow{20, 30, 9, 13}, RealWindow{60, 96, 1, 1}}) {
      for (Extent size : {Extent{29, 31}, Extent{7, 8}, Extent{5, 3}, Extent{83, 149}}) {
        std::vector<uint8_t> plain(static_cast<size_t>(size.height * size.width * channels)),
            got(plain.size());
        resample_with(false, in.data(), extent, channels, w, size, plain.data());
        resample_with(true, in.data(), extent, channels, w, size, got.data());
        EXPECT_EQ(plain, got) << channels << " channels to " << size.height << " x " << size.width;
      }
    }
  }
}

TEST(Resample, HalvingAveragesTheTriangleOfFour) {
  // PIL's BILINEAR at 1/2: weights 1/8, 3/8, 3/8, 1/8, cut off and renormalised at the ends.
  const std::vector<uint8_t> in = {0, 80, 160, 240, 40, 200};
  std::vector<uint8_t> out(3);
  resample(in.data(), {1, 6}, 1, {0, 0, 1, 6}, {1, 3}, out.data());
  EXPECT_EQ(out[0], std::lround((3 * 0 + 3 * 80 + 160) / 7.0));
  EXPECT_EQ(out[1], std::lround((80 + 3 * 160 + 3 * 240 + 40) / 8.0));
  EXPECT_EQ(out[2], std::lround((240 + 3 * 40 + 3 * 200) / 7.0));
}

TEST(CentreWindow, IsTheCentreOfTheScaledPicture) {
  // Short side 300 to 256, then 224: 262.5 of the picture's pixels.
  const CropWindow w = centre_window({300, 500}, {3, 224, 224}, 256);
  EXPECT_EQ(w.height, 263);
  EXPECT_EQ(w.width, 263);
  EXPECT_EQ(w.top, 18);
  EXPECT_EQ(w.left, 118);
}

}  // namespace
}  // namespace tailor::test
