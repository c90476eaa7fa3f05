// Image arrays: whatever opens has as many values as its shape says, and all of them are finite.
#include <cmath>
#include <string>

#include "data/arrays.h"
#include "fuzz/fuzz.h"
#include "tailor/core/files.h"
#include "tailor/tensors/npy.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TemporaryDirectory folder;
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const Tensor images = parse_npy(bytes, "input");
    if (images.shape().empty() || images.shape()[0] > 100) return;
    write_file(path_join(folder.path(), "x_images.npy"), std::string(bytes));
    save_npy(path_join(folder.path(), "x_labels.npy"), Tensor(DType::I64, {images.shape()[0]}));
    const ArrayPart part = load_npy_images(folder.path(), "x");
    std::vector<float> values(static_cast<size_t>(part.shape.size()));
    for (int64_t i = 0; i < part.images->size(); ++i) {
      part.images->get_values(i, values);
      for (const float v : values) {
        if (!std::isfinite(v) || v < part.low || v > part.high) std::abort();
      }
    }
  });
}
