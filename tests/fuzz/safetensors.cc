// Safetensors files: whatever is read is written and read again to the same tensors, strictly.
#include "tailor/tensors/safetensors.h"

#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const auto file = parse_safetensors(bytes, "input", "file", ForeignTypes::Convert);
    const auto copy = parse_safetensors(print_safetensors(file), "copy");
    if (copy.tensors != file.tensors || copy.metadata != file.metadata) std::abort();
  });
}
