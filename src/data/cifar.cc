// CIFAR's official binary files. CIFAR-10: one label byte and 3,072 bytes (1,024 red, green, blue,
// row-major) a record; CIFAR-100: a coarse and a fine label byte before them. The images are turned
// to HWC once, at open.
#include "tailor/core/files.h"
#include "tailor/data/images.h"

namespace tailor {
namespace {

constexpr int64_t kPixels = 32 * 32;
constexpr int64_t kImage = 3 * kPixels;

class MemoryImages : public ImageDataset {
 public:
  std::vector<uint8_t> pixels;  // count × HWC
  std::vector<uint8_t> labels;
  int64_t size() const override { return static_cast<int64_t>(labels.size()); }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    TAILOR_CHECK(index >= 0 && index < size() && pixels_hwc.size() == kImage, "image {} of {}",
                 index, size());
    const uint8_t* from = pixels.data() + index * kImage;
    std::copy(from, from + kImage, pixels_hwc.begin());
    return labels[static_cast<size_t>(index)];
  }
};

}  // namespace

Images load_cifar(const std::vector<CifarFile>& files, int64_t label_bytes, int64_t classes) {
  auto images = std::make_shared<MemoryImages>();
  const int64_t record = label_bytes + kImage;
  for (const CifarFile& file : files) {
    std::string bytes = read_file(file.path, "CIFAR file");
    auto size = static_cast<int64_t>(bytes.size());
    if (size != file.count * record) {
      fail(ErrorKind::Data,
           "CIFAR file {}: expected {} bytes ({} records of {}), got {}; the file is damaged or "
           "not the binary version",
           file.path, file.count * record, file.count, record, size);
    }
    size_t start = images->pixels.size();
    images->pixels.resize(start + static_cast<size_t>(file.count * kImage));
    for (int64_t i = 0; i < file.count; ++i) {
      const char* in = bytes.data() + i * record;
      auto label = static_cast<uint8_t>(in[label_bytes - 1]);
      if (label >= classes) {
        fail(ErrorKind::Data,
             "CIFAR file {}: record {}: expected a label 0..{}, got {}; the file is damaged",
             file.path, i, classes - 1, label);
      }
      images->labels.push_back(label);
      const char* planes = in + label_bytes;
      uint8_t* out = images->pixels.data() + start + static_cast<size_t>(i * kImage);
      for (int64_t p = 0; p < kPixels; ++p) {
        for (int64_t c = 0; c < 3; ++c)
          out[3 * p + c] = static_cast<uint8_t>(planes[c * kPixels + p]);
      }
    }
  }
  return images;
}

}  // namespace tailor
