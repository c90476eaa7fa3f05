// .npy files: whatever is read is written and read again to the same tensor.
#include "tailor/tensors/npy.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const tailor::Tensor tensor = tailor::parse_npy(bytes, "input");
    if (!(tailor::parse_npy(tailor::print_npy(tensor), "copy") == tensor)) std::abort();
  });
}
