// CIFAR's official binary files. CIFAR-10: one label byte and 3,072 bytes (1,024 red, green, blue,
// row-major) a record; CIFAR-100: a coarse and a fine label byte before them. The images are turned
// to HWC once, at open.
#include "tailor/core/files.h"
#include "tailor/data/images.h"

namespace tailor {
namespace {

constexpr int64_t kPixels = 32 * 32;
constexpr int64_t kImage = 3 * kPixels;

}  // namespace

Images load_cifar(const std::vector<CifarFile>& files, int64_t label_bytes, int64_t classes) {
  int64_t total = 0;
  for (const CifarFile& file : files) total += file.count;
  std::shared_ptr<uint8_t> pixels(new uint8_t[static_cast<size_t>(total * kImage)],
                                  std::default_delete<uint8_t[]>());
  std::vector<int64_t> labels;
  uint8_t* out = pixels.get();
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
    for (int64_t i = 0; i < file.count; ++i, out += kImage) {
      const char* in = bytes.data() + i * record;
      auto label = static_cast<uint8_t>(in[label_bytes - 1]);
      if (label >= classes) {
        fail(ErrorKind::Data,
             "CIFAR file {}: record {}: expected a label 0..{}, got {}; the file is damaged",
             file.path, i, classes - 1, label);
      }
      labels.push_back(label);
      const char* planes = in + label_bytes;
      for (int64_t p = 0; p < kPixels; ++p) {
        for (int64_t c = 0; c < 3; ++c)
          out[3 * p + c] = static_cast<uint8_t>(planes[c * kPixels + p]);
      }
    }
  }
  return make_memory_images({3, 32, 32}, std::move(pixels), std::move(labels));
}

}  // namespace tailor
