// .npy files: whatever is read is written and read again to the same tensor.
#include "tailor/tensors/npy.h"

#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const Tensor tensor = parse_npy(bytes, "input");
    if (!(parse_npy(print_npy(tensor), "copy") == tensor)) std::abort();
  });
}
