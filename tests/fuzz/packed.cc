// Packed caches: whatever opens can be read to its last pixel. The build skips the checksums, which
// would keep the fuzzer out.
#include "tailor/data/packed.h"
#include "support/rooms.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = ::memfd_create("packed", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (::ftruncate(file, static_cast<off_t>(size)) != 0 ||
      ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  return tailor::fuzz::read(data, size, [](std::string_view) {
    DataConfig config;
    config.name = "packed";
    config.image_size = 7;
    const DataSplits opened = open_packed(path, config);
    if (opened.shape.size() > 10'000'000) return;  // only slow
    std::vector<uint8_t> pixels(static_cast<size_t>(opened.shape.size()));
    std::vector<float> values(pixels.size());
    for (const Images& images : {as_images(opened.train), as_images(opened.test)}) {
      for (int64_t i = 0; i < images->size(); ++i) {
        if (images->pixel_type() == PixelType::U8) images->get(i, pixels);
        images->get_values(i, values);
      }
    }
  });
}
