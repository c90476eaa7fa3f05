// Image arrays: whatever opens has as many values as its shape says, and all of them are finite.
#include <cmath>
#include <string>

#include "data/arrays.h"
#include "fuzz/fuzz.h"
#include "tailor/core/files.h"
#include "tailor/tensors/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tailor::TemporaryDirectory folder;
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const tailor::Tensor images = tailor::parse_npy(bytes, "input");
    if (images.shape().empty() || images.shape()[0] > 100) return;
    tailor::write_file(tailor::path_join(folder.path(), "x_images.npy"), std::string(bytes));
    tailor::save_npy(tailor::path_join(folder.path(), "x_labels.npy"),
                     tailor::Tensor(tailor::DType::I64, {images.shape()[0]}));
    const tailor::ArrayPart part = tailor::load_npy_images(folder.path(), "x");
    std::vector<float> values(static_cast<size_t>(part.shape.size()));
    for (int64_t i = 0; i < part.images->size(); ++i) {
      part.images->get_values(i, values);
      for (const float v : values) {
        if (!std::isfinite(v) || v < part.low || v > part.high) std::abort();
      }
    }
  });
}
