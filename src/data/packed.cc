// Layout, little-endian: 64 bytes of preamble | pixels | index records | JSON | 64 bytes of
// trailer. The trailer comes last, so that a file cut short has none.
#include "tailor/data/packed.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <system_error>

#include "data/folder.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/codec.h"

namespace tailor::data {
namespace {

constexpr char kMagic[32] = "tailor packed images\n";
constexpr char kEndMagic[32] = "end of tailor packed images\n";

struct Preamble {
  char magic[32];
  uint32_t version;
  char reserved[28];
};
struct Record {
  uint64_t offset;
  uint32_t height, width, label, crc;
};
struct Trailer {
  char magic[32];
  uint64_t index_offset, index_bytes, json_bytes;
  uint32_t crc;  // of preamble, index and JSON
  uint32_t reserved;
};
static_assert(sizeof(Preamble) == 64 && sizeof(Record) == 24 && sizeof(Trailer) == 64);

#ifdef TAILOR_FUZZ_SKIPS_CHECKSUMS
constexpr bool kChecksums = false;
#else
constexpr bool kChecksums = true;
#endif

uint32_t crc_of(const void* bytes, size_t size, uint32_t before = 0) {
  return static_cast<uint32_t>(crc32_z(before, static_cast<const Bytef*>(bytes), size));
}

uint64_t pixel_bytes(PixelType type) {
  return type == PixelType::U8 ? 1 : type == PixelType::U16 ? sizeof(uint16_t) : sizeof(float);
}

/// The whole image at this size, as bytes of the type; returns its label.
int64_t read_packed_image(const ImageDataset& images, int64_t index, MapShape shape, PixelType type,
                          std::vector<uint8_t>& out) {
  const WindowChooser whole = [](Extent x) { return CropWindow{0, 0, x.height, x.width}; };
  const auto count = static_cast<size_t>(shape.size());
  out.resize(count * pixel_bytes(type));
  if (type == PixelType::U8) return images.read_window(index, whole, shape, out);
  std::vector<float> values(count);
  const int64_t label = images.read_window_values(index, whole, shape, values);
  if (type == PixelType::F32) {
    std::memcpy(out.data(), values.data(), out.size());
  } else {
    std::vector<uint16_t> words(count);
    for (size_t i = 0; i < count; ++i)
      words[i] = static_cast<uint16_t>(std::lround(std::clamp(values[i], 0.F, 1.F) * 65535.F));
    std::memcpy(out.data(), words.data(), out.size());
  }
  return label;
}

Extent scaled(Extent e, int64_t short_side) {
  const int64_t side = std::min(e.height, e.width);
  if (side <= short_side) return e;
  auto scale = [&](int64_t v) {
    return std::max<int64_t>(1,
                             std::lround(static_cast<double>(v) * static_cast<double>(short_side) /
                                         static_cast<double>(side)));
  };
  return {scale(e.height), scale(e.width)};
}

/// The file in memory.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (file < 0 || ::fstat(file, &info) != 0) {
      const int error = errno;
      if (file >= 0) ::close(file);
      fail(ErrorKind::Data, "packed cache {}: {}; make it with tailor data pack --output {}", path,
           std::generic_category().message(error), shell_quote(path));
    }
    size_ = static_cast<size_t>(info.st_size);
    if (S_ISREG(info.st_mode) && size_ > 0)
      address_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    if (address_ == MAP_FAILED) {
      fail(ErrorKind::Data, "packed cache {}: expected a file with bytes in it that can be mapped",
           path);
    }
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (address_ != MAP_FAILED) ::munmap(address_, size_);
  }
  const uint8_t* data() const { return static_cast<const uint8_t*>(address_); }
  size_t size() const { return size_; }

 private:
  void* address_ = MAP_FAILED;
  size_t size_ = 0;
};

struct Cache {
  std::string path;
  Mapping file;
  std::vector<Record> records;
  std::vector<std::atomic<bool>> checked;  // images whose checksum has been seen to be right
  CentreView view;
  PixelType type = PixelType::U8;
  explicit Cache(const std::string& p) : path(p), file(p) {}
};

class PackedImages : public ImageDataset {
 public:
  PackedImages(std::shared_ptr<Cache> cache, size_t first, int64_t size)
      : cache_(std::move(cache)), first_(first), size_(size) {}
  int64_t size() const override { return size_; }
  PixelType pixel_type() const override { return cache_->type; }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    return read_window(index, cache_->view.centre(), cache_->view.shape, pixels_hwc);
  }
  int64_t get_values(int64_t index, Span<float> values_hwc) const override {
    return read_window_values(index, cache_->view.centre(), cache_->view.shape, values_hwc);
  }
  int64_t read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                      Span<uint8_t> pixels_hwc) const override {
    TAILOR_CHECK(cache_->type == PixelType::U8, "values read as bytes");
    return scale(checked_pixels(index), index, choose, shape, pixels_hwc);
  }
  int64_t read_window_values(int64_t index, const WindowChooser& choose, MapShape shape,
                             Span<float> values_hwc) const override {
    const uint8_t* pixels = checked_pixels(index);
    if (cache_->type == PixelType::U16)
      return scale(reinterpret_cast<const uint16_t*>(pixels), index, choose, shape, values_hwc);
    if (cache_->type == PixelType::F32)
      return scale(reinterpret_cast<const float*>(pixels), index, choose, shape, values_hwc);
    std::vector<uint8_t> bytes(values_hwc.size());
    const int64_t label = read_window(index, choose, shape, bytes);
    bytes_to_values(bytes, values_hwc);
    return label;
  }
  Extent extent(int64_t index) const override { return {at(index).height, at(index).width}; }

 private:
  const Record& at(int64_t index) const {
    TAILOR_CHECK(index >= 0 && index < size_, "image {} of {}", index, size_);
    return cache_->records[first_ + static_cast<size_t>(index)];
  }
  const uint8_t* checked_pixels(int64_t index) const {
    const Record& r = at(index);
    const uint8_t* pixels = cache_->file.data() + r.offset;
    std::atomic<bool>& checked = cache_->checked[first_ + static_cast<size_t>(index)];
    if (!checked.load(std::memory_order_relaxed)) {
      const uint64_t values =
          static_cast<uint64_t>(cache_->view.shape.channels) * r.height * r.width;
      if (const uint32_t crc = crc_of(pixels, values * pixel_bytes(cache_->type));
          kChecksums && crc != r.crc) {
        fail(
            ErrorKind::Data,
            "packed cache {}: image {}: expected checksum {:08x}, got {:08x}; the file is damaged, "
            "pack it again",
            cache_->path, first_ + static_cast<size_t>(index), r.crc, crc);
      }
      checked.store(true, std::memory_order_relaxed);
    }
    return pixels;
  }
  template <class From, class To>
  int64_t scale(const From* pixels, int64_t index, const WindowChooser& choose, MapShape shape,
                Span<To> out_hwc) const {
    TAILOR_CHECK(out_hwc.size() == static_cast<size_t>(shape.size()) &&
                     shape.channels == cache_->view.shape.channels,
                 "{} values for {}", out_hwc.size(), to_string(shape));
    const Extent e = extent(index);
    const CropWindow w = choose(e);
    resample(pixels, e, shape.channels, real_window(w), {shape.height, shape.width},
             out_hwc.data());
    return at(index).label;
  }
  std::shared_ptr<Cache> cache_;
  size_t first_;
  int64_t size_;
};

/// Writes the images' pixels behind what is in `file`, and gives a record an image.
class PixelWriter {
 public:
  PixelWriter(AtomicFile& file, uint64_t offset, PixelType type, const DataSplits& data,
              int64_t short_side)
      : file_(file), offset_(offset), type_(type), seen_(data.shape), short_side_(short_side) {}

  void write(const ImageDataset& images, Progress& progress) {
    for (int64_t first = 0; first < images.size(); first += kGroup) {
      throw_if_interrupted();
      const int64_t count = std::min(kGroup, images.size() - first);
      const size_t base = records_.size();
      records_.resize(base + static_cast<size_t>(count));
      parallel_for(count, 0, [&](int64_t i) {
        const auto slot = static_cast<size_t>(i);
        records_[base + slot] = read(images, first + i, pixels_[slot]);
      });
      for (size_t slot = 0; base + slot < records_.size(); ++slot) {
        const std::vector<uint8_t>& out = pixels_[slot];
        records_[base + slot].offset = offset_;
        file_.write(out.data(), out.size());
        offset_ += out.size();
      }
      progress.advance(count);
    }
  }
  /// The end of the pixels.
  uint64_t offset() const { return offset_; }
  const std::vector<Record>& records() const { return records_; }

 private:
  /// As many images at a time as fit in a bounded buffer, decoded by all threads.
  static constexpr int64_t kGroup = 64;

  Record read(const ImageDataset& images, int64_t index, std::vector<uint8_t>& out) const {
    Extent whole = images.extent(index);
    if (whole.height == 0) whole = {seen_.height, seen_.width};
    const Extent e = scaled(whole, short_side_);
    const int64_t label =
        read_packed_image(images, index, {seen_.channels, e.height, e.width}, type_, out);
    return {0, static_cast<uint32_t>(e.height), static_cast<uint32_t>(e.width),
            static_cast<uint32_t>(label), crc_of(out.data(), out.size())};
  }

  AtomicFile& file_;
  uint64_t offset_;
  PixelType type_;
  MapShape seen_;
  int64_t short_side_;
  std::vector<Record> records_;
  std::vector<std::vector<uint8_t>> pixels_{kGroup};
};

Json pack_description(const DataSplits& data, int64_t short_side, PixelType type, bool plain) {
  Json description = Json::object({{"name", data.name},
                                   {"short_side", short_side},
                                   {"classes", data.classes},
                                   {"class_names", Json::array(data.class_names)},
                                   {"preprocessing", write_preprocessing(data.preprocessing)},
                                   {"train", data.train->size()},
                                   {"test", data.test->size()}});
  if (!plain) {
    description.set("channels", data.shape.channels);
    description.set("pixels", pixel_type_name(type));
  }
  return description;
}

/// The preamble of a cache of ours.
Preamble read_preamble(const Mapping& file, const std::string& path) {
  Preamble preamble{};
  if (file.size() >= sizeof preamble) std::memcpy(&preamble, file.data(), sizeof preamble);
  if (std::memcmp(preamble.magic, kMagic, sizeof kMagic) != 0) {
    fail(ErrorKind::Data, "packed cache {}: it is none; expected a file that tailor data pack made",
         path);
  }
  if (preamble.version < 1 || preamble.version > kPackedVersion) {
    fail(ErrorKind::Unsupported, "packed cache {}: expected version 1 to {}, got {}; pack it again",
         path, kPackedVersion, preamble.version);
  }
  return preamble;
}

/// The trailer, of a file that is whole: index and JSON lie inside it and have their checksum.
Trailer read_trailer(const Mapping& file, const std::string& path) {
  const uint8_t* bytes = file.data();
  const size_t size = file.size();
  Trailer trailer{};
  if (size >= sizeof(Preamble) + sizeof trailer)
    std::memcpy(&trailer, bytes + size - sizeof trailer, sizeof trailer);
  // No sum below can overflow: each term is at most the file's size.
  const bool whole =
      std::memcmp(trailer.magic, kEndMagic, sizeof kEndMagic) == 0 && trailer.reserved == 0 &&
      trailer.index_offset <= size && trailer.index_bytes <= size && trailer.json_bytes <= size &&
      trailer.index_offset >= sizeof(Preamble) && trailer.index_bytes % sizeof(Record) == 0 &&
      trailer.index_offset + trailer.index_bytes + trailer.json_bytes + sizeof trailer == size;
  if (!whole) {
    fail(ErrorKind::Data,
         "packed cache {}: it is cut short or damaged ({} bytes, without the end that belongs to "
         "it); pack it again",
         path, size);
  }
  const uint32_t crc =
      crc_of(bytes + trailer.index_offset, trailer.index_bytes + trailer.json_bytes,
             crc_of(bytes, sizeof(Preamble)));
  if (kChecksums && crc != trailer.crc) {
    fail(
        ErrorKind::Data,
        "packed cache {}: expected index checksum {:08x}, got {:08x}; the file is damaged, pack it "
        "again",
        path, trailer.crc, crc);
  }
  if (trailer.index_bytes == 0)
    fail(ErrorKind::Data, "packed cache {}: it holds no images; pack it again", path);
  return trailer;
}

/// What the JSON says, in `data` but for its images.
struct PackContents {
  DataSplits data;
  int64_t train = 0, test = 0, channels = 3;
  bool inside = true;  // nothing in it contradicts the rest
};
PackContents read_contents(const Json& json, const Preamble& preamble, Cache& cache) {
  PackContents pack;
  DataSplits& data = pack.data;
  data.name = json.at("name").as_string();
  data.classes = json.at("classes").as_int();
  for (const Json& name : json.at("class_names").as_array())
    data.class_names.push_back(name.as_string());
  data.preprocessing = read_preprocessing(json.at("preprocessing"));
  pack.train = json.at("train").as_int();
  pack.test = json.at("test").as_int();
  const auto count = static_cast<int64_t>(cache.records.size());
  // A right checksum does not make a file ours: nothing that is read later may lie outside.
  bool& inside = pack.inside;
  inside =
      pack.train >= 0 && pack.test >= 0 && pack.train <= count && pack.test == count - pack.train;
  inside &=
      data.classes >= 1 && data.classes <= kMostClasses &&
      (data.class_names.empty() || static_cast<int64_t>(data.class_names.size()) == data.classes);
  if (preamble.version > 1) {
    pack.channels = json.at("channels").as_int();
    const std::string pixels = json.at("pixels").as_string();
    for (PixelType type : {PixelType::U16, PixelType::F32})
      if (pixels == pixel_type_name(type)) cache.type = type;
    inside &= pack.channels >= 1 && pack.channels <= kMaxMapElements &&
              pixels == pixel_type_name(cache.type);
    if (!inside) pack.channels = 1;
  }
  inside &= static_cast<int64_t>(data.preprocessing.mean.size()) == pack.channels;
  return pack;
}

/// Whether every image lies among the pixels, which end at `pixels_end`.
bool records_lie_inside(const Cache& cache, const PackContents& pack, uint64_t pixels_end) {
  const uint64_t value_bytes = pixel_bytes(cache.type),
                 bytes_each = static_cast<uint64_t>(pack.channels) * value_bytes;
  return std::all_of(cache.records.begin(), cache.records.end(), [&](const Record& r) {
    const uint64_t pixels = uint64_t{r.height} * r.width;
    return pixels >= 1 && pixels <= uint64_t{kMaxPixels} && r.label < pack.data.classes &&
           r.offset >= sizeof(Preamble) && r.offset <= pixels_end &&
           pixels <= (pixels_end - r.offset) / bytes_each && r.offset % value_bytes == 0;
  });
}

}  // namespace

PackSummary write_packed(const std::string& path, const DataSplits& data, int64_t short_side,
                         Progress& progress) {
  TAILOR_CHECK(data.train && data.test && !data.validation && short_side > 0,
               "a data set without a validation split");
  const Images parts[] = {as_images(data.train), as_images(data.test)};
  // One type for all: that of the part that needs more.
  const PixelType type = std::max(parts[0]->pixel_type(), parts[1]->pixel_type());
  const bool plain = type == PixelType::U8 && data.shape.channels == 3;
  Preamble preamble{};
  std::memcpy(preamble.magic, kMagic, sizeof kMagic);
  preamble.version = plain ? 1 : kPackedVersion;
  AtomicFile file(path);
  file.write(&preamble, sizeof preamble);
  PixelWriter writer(file, sizeof preamble, type, data, short_side);
  progress.begin("packing", data.train->size() + data.test->size(), "image");
  for (const Images& images : parts) writer.write(*images, progress);
  progress.end();
  const std::vector<Record>& records = writer.records();
  const std::string json = pack_description(data, short_side, type, plain).dump();
  Trailer trailer{};
  std::memcpy(trailer.magic, kEndMagic, sizeof kEndMagic);
  trailer.index_offset = writer.offset();
  trailer.index_bytes = records.size() * sizeof(Record);
  trailer.json_bytes = json.size();
  trailer.crc =
      crc_of(json.data(), json.size(),
             crc_of(records.data(), trailer.index_bytes, crc_of(&preamble, sizeof preamble)));
  file.write(records.data(), trailer.index_bytes);
  file.write(json);
  file.write(&trailer, sizeof trailer);
  file.commit();
  PackSummary summary{
      data.train->size(),
      data.test->size(),
      static_cast<int64_t>(writer.offset() + trailer.index_bytes + json.size() + sizeof trailer),
      {}};
  for (const Record& r : records) summary.short_sides.push_back(std::min(r.height, r.width));
  std::sort(summary.short_sides.begin(), summary.short_sides.end());
  return summary;
}

bool is_packed(const std::string& path) {
  char magic[sizeof kMagic] = {};
  const int file = is_directory(path) ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool whole = ::read(file, magic, sizeof magic) == sizeof magic;
  ::close(file);
  return whole && std::memcmp(magic, kMagic, sizeof kMagic) == 0;
}

DataSplits open_packed(const std::string& path, const DataConfig& config) {
  auto cache = std::make_shared<Cache>(path);
  const Preamble preamble = read_preamble(cache->file, path);
  const Trailer trailer = read_trailer(cache->file, path);
  const uint8_t* index = cache->file.data() + trailer.index_offset;
  cache->records.resize(trailer.index_bytes / sizeof(Record));
  std::memcpy(cache->records.data(), index, trailer.index_bytes);
  const Json json = Json::parse({reinterpret_cast<const char*>(index) + trailer.index_bytes,
                                 static_cast<size_t>(trailer.json_bytes)},
                                "packed cache " + path);
  PackContents pack = read_contents(json, preamble, *cache);
  if (!records_lie_inside(*cache, pack, trailer.index_offset) || !pack.inside)
    fail(ErrorKind::Data, "packed cache {}: its index contradicts itself; pack it again", path);
  cache->checked = std::vector<std::atomic<bool>>(cache->records.size());
  const int64_t channels = pack.channels;
  if (config.channels != 0 && config.channels != channels) {
    fail(ErrorKind::Data,
         "packed cache {}: /data/channels: expected 0 or the cache's {}, got {}; pack it again",
         path, channels, config.channels);
  }
  cache->view = centre_view(config);
  cache->view.shape.channels = channels;
  if (cache->view.shape.size() > kMaxMapElements) {
    fail(ErrorKind::Data, "packed cache {}: its images have {} channels, too many at {} x {}", path,
         channels, config.image_size, config.image_size);
  }
  pack.data.shape = cache->view.shape;
  pack.data.train = std::make_shared<PackedImages>(cache, 0, pack.train);
  pack.data.test =
      std::make_shared<PackedImages>(cache, static_cast<size_t>(pack.train), pack.test);
  return std::move(pack.data);
}

}  // namespace tailor::data
