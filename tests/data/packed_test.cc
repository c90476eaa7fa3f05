// The packed cache: the same images as its source, and a clear error for every way of being broken.
#include "tailor/data/packed.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/expect_error.h"
#include "support/pictures.h"
#include "tailor/core/files.h"
#include "tailor/data/batch.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::png_picture;

class PackedCache : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  std::string root_ = path_join(folder_.path(), "images"), cache_ = path_join(folder_.path(), "c");
  DataConfig config_;

  void SetUp() override {
    int blue = 0;
    for (const char* part : {"train", "val"}) {
      for (const char* group : {"ant", "bee", "cow"}) {
        for (int i = 0; i < 3; ++i, blue += 13)
          write_file(fmt::format("{}/{}/{}/{}.png", root_, part, group, i),
                     png_picture({14 + 11 * i, 41 - 9 * i}, blue));
      }
    }
    config_.name = "folder";
    config_.root = root_;
    config_.image_size = 12;
    config_.resize = 14;
    config_.validation = 0;
  }
  DataConfig packed() const {
    DataConfig c = config_;
    c.name = "packed";
    c.root = cache_;
    return c;
  }
  PackSummary pack(int64_t short_side) {
    return write_packed(cache_, open_data(config_), short_side, null_progress());
  }
};

TEST_F(PackedCache, HoldsTheImagesOfItsSource) {
  const PackSummary summary = pack(1000);  // larger than all: nothing is scaled
  EXPECT_EQ(summary.train, 9);
  EXPECT_EQ(summary.test, 9);
  EXPECT_EQ(summary.bytes, static_cast<int64_t>(read_file(cache_).size()));
  const DataSplits source = open_data(config_), data = open_data(packed());
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"ant", "bee", "cow"}));
  EXPECT_EQ(data.classes, 3);
  EXPECT_EQ(data.shape, (MapShape{3, 12, 12}));
  EXPECT_EQ(data.preprocessing, source.preprocessing);
  std::vector<uint8_t> expected(3 * 12 * 12), got(3 * 12 * 12);
  for (int64_t i = 0; i < 9; ++i) {
    EXPECT_EQ(as_images(data.train)->extent(i), as_images(source.train)->extent(i));
    EXPECT_EQ(as_images(data.train)->get(i, got), as_images(source.train)->get(i, expected));
    EXPECT_EQ(got, expected) << i;
    EXPECT_EQ(as_images(data.test)->get(i, got), as_images(source.test)->get(i, expected));
    EXPECT_EQ(got, expected) << i;
  }
  DataConfig augmented = packed();
  augmented.augment = {"random_resized_crop", "flip"};
  std::vector<int64_t> order = {8, 1, 4}, labels(3);
  std::vector<float> a(3 * 432), b(3 * 432);
  const BatchMaker maker(data.shape, data.preprocessing);
  maker.fill(*as_images(source.train), order, make_augmentation(augmented, 3), 2, a, labels);
  maker.fill(*as_images(data.train), order, make_augmentation(augmented, 3), 2, b, labels);
  EXPECT_EQ(a, b);
}

TEST_F(PackedCache, NothingIsEnlarged) {
  // 14×41, 25×32 and 36×23.
  EXPECT_EQ(pack(1000).short_sides, (std::vector<int64_t>{14, 14, 14, 14, 14, 14, 23, 23, 23, 23,
                                                          23, 23, 25, 25, 25, 25, 25, 25}));
  EXPECT_EQ(pack(24).short_sides.back(), 24);
}

TEST_F(PackedCache, ScalesTheShortSideDownAndKeepsTheAspect) {
  pack(14);
  const DataSplits data = open_data(packed());
  // 14×41, 25×32 and 36×23 of each class, in turns.
  EXPECT_EQ(as_images(data.train)->extent(0), (Extent{14, 41}));
  EXPECT_EQ(as_images(data.train)->extent(3), (Extent{14, 18}));
  EXPECT_EQ(as_images(data.train)->extent(8), (Extent{22, 14}));
}

TEST_F(PackedCache, CutShortAnywhereIsAnError) {
  pack(14);
  const std::string whole = read_file(cache_);
  for (size_t size = 64; size < whole.size(); size += 797) {
    write_file(cache_, std::string_view(whole).substr(0, size));
    expect_error(ErrorKind::Data, {"packed cache " + cache_ + ": it is cut short or damaged"},
                 [&] { open_data(packed()); });
  }
  write_file(cache_, whole.substr(0, 63));
  expect_error(ErrorKind::Data, {"it is none; expected a file that tailor data pack made"},
               [&] { open_data(packed()); });
  write_file(cache_, "");
  expect_error(ErrorKind::Data, {"packed cache " + cache_}, [&] { open_data(packed()); });
}

TEST_F(PackedCache, IsNoFolderAndSaysWhatItIs) {
  pack(14);
  config_.root = cache_;
  expect_error(ErrorKind::Data,
               {"data.root " + cache_ + ": it is a packed cache", "set data.name to \"packed\"",
                "--name packed"},
               [&] { open_data(config_); });
}

TEST_F(PackedCache, AnotherVersionIsSaid) {
  pack(14);
  std::string bytes = read_file(cache_);
  bytes[32] = 7;
  write_file(cache_, bytes);
  expect_error(ErrorKind::Unsupported, {"expected version 1 to 2, got 7; pack it again"},
               [&] { open_data(packed()); });
}

TEST_F(PackedCache, EveryDamagedByteIsNoticed) {
  pack(14);
  const std::string whole = read_file(cache_);
  std::vector<uint8_t> out(3 * 12 * 12);
  for (size_t at = 0; at < whole.size(); at += at < whole.size() - 800  ? 997
                                               : at < whole.size() - 64 ? 17
                                                                        : 1) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    write_file(cache_, bytes);
    EXPECT_THROW(
        {
          const DataSplits data = open_data(packed());
          for (int64_t i = 0; i < 9; ++i) {
            as_images(data.train)->get(i, out);
            as_images(data.test)->get(i, out);
          }
        },
        Error)
        << at;
  }
}

/// zlib's.
uint32_t crc_of(const std::string& bytes) {
  uint32_t crc = ~0U;
  for (char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1) * 0xEDB88320U;
  }
  return ~crc;
}

/// A cache cut into its parts, and one of other parts with an end that fits them.
struct CacheParts {
  std::string preamble, images, index, json, trailer;
  explicit CacheParts(const std::string& whole) {
    uint64_t offset = 0, index_bytes = 0, json_bytes = 0;
    trailer = whole.substr(whole.size() - 64);
    std::memcpy(&offset, &trailer[32], 8);
    std::memcpy(&index_bytes, &trailer[40], 8);
    std::memcpy(&json_bytes, &trailer[48], 8);
    preamble = whole.substr(0, 64);
    images = whole.substr(64, offset - 64);
    index = whole.substr(offset, index_bytes);
    json = whole.substr(offset + index_bytes, json_bytes);
  }
  std::string whole() const {
    const uint64_t offset = 64 + images.size(), index_bytes = index.size(),
                   json_bytes = json.size();
    const uint32_t crc = crc_of(preamble + index + json);
    std::string end = trailer;
    std::memcpy(&end[32], &offset, 8);
    std::memcpy(&end[40], &index_bytes, 8);
    std::memcpy(&end[48], &json_bytes, 8);
    std::memcpy(&end[56], &crc, 4);
    return preamble + images + index + json + end;
  }
};

TEST_F(PackedCache, WithoutImagesIsAnError) {
  pack(14);
  CacheParts parts(read_file(cache_));
  ASSERT_EQ(parts.index.size(), 18U * 24);
  parts.images.clear(), parts.index.clear();
  write_file(cache_, parts.whole());
  expect_error(ErrorKind::Data, {"packed cache " + cache_ + ": it holds no images; pack it again"},
               [&] { open_data(packed()); });
}

TEST_F(PackedCache, AsManyNamesAsClassesOrNoneAndNoMoreThanAMillion) {
  pack(14);
  const CacheParts good(read_file(cache_));
  auto with = [&](const std::vector<std::string>& names, int64_t classes) {
    CacheParts parts = good;
    Json json = Json::parse(parts.json, "the cache's");
    json.set("class_names", Json::array(names));
    json.set("classes", classes);
    parts.json = json.dump();
    write_file(cache_, parts.whole());
  };
  with({}, kMostClasses);
  EXPECT_EQ(open_data(packed()).classes, 1'000'000);
  with({"ant", "bee", "cow", "dog"}, 4);
  EXPECT_EQ(open_data(packed()).class_names.size(), 4U);
  for (const auto& [names, classes] : {std::pair(std::vector<std::string>{"ant", "bee"}, 3),
                                       {{"ant", "bee", "cow", "dog"}, 3},
                                       {{}, 1'000'001},
                                       {{}, 0}}) {
    with(names, classes);
    expect_error(ErrorKind::Data, {"its index contradicts itself; pack it again"},
                 [&] { open_data(packed()); });
  }
}

TEST_F(PackedCache, ADamagedImageIsNamedWhenItIsRead) {
  pack(14);
  std::string bytes = read_file(cache_);
  bytes[64 + 5] = static_cast<char>(bytes[64 + 5] ^ 1);
  write_file(cache_, bytes);
  const DataSplits data = open_data(packed());
  std::vector<uint8_t> out(3 * 12 * 12);
  as_images(data.train)->get(1, out);
  expect_error(ErrorKind::Data, {"image 0: expected checksum", "pack it again"},
               [&] { as_images(data.train)->get(0, out); });
}

}  // namespace
}  // namespace tailor::test
