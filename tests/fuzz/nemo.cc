// .nemo archives: tar, plain and gzipped, and whatever is in their model_weights.ckpt.
#include "tensors/nemo.h"
#include "fuzz/fuzz.h"
#include "support/rooms.h"
#include "tailor/tensors/torch_file.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const auto nemo = open_nemo(bytes, "input");
    if (nemo && is_torch_file(nemo->weights)) parse_torch_file(nemo->weights, "input");
  });
}
