// JPEG and PNG bytes: whatever has a header can be decoded, whole or not.
#include <vector>

#include "fuzz/fuzz.h"
#include "tailor/data/codec.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [&](std::string_view) {
    const Span<const uint8_t> bytes(data, size);
    const Extent extent = probe_image(bytes).extent;
    if (extent.height * extent.width > 1'000'000) return;  // only slow
    const MapShape shape{3, 9, 13};
    std::vector<uint8_t> pixels(static_cast<size_t>(shape.size()));
    decode_window(
        bytes, [&](Extent e) { return centre_window(e, shape, 11); }, shape, pixels);
    // As values, of one channel: 16 bits take another way.
    const MapShape grey{1, 9, 13};
    std::vector<float> values(static_cast<size_t>(grey.size()));
    decode_window(
        bytes, [&](Extent e) { return centre_window(e, grey, 11); }, grey, Span<float>(values));
    for (const float v : values) {
      if (!(v >= 0 && v <= 1)) std::abort();
    }
  });
}
