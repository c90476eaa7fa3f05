// Pickles of NumPy arrays, as CIFAR's Python batches are: whatever is read has the size it says.
#include "tailor/tensors/numpy_pickle.h"

#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

const std::vector<std::string> kKeys = {"data", "labels"};

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    for (const auto& [name, tensor] : parse_numpy_pickle(bytes, "input", kKeys)) {
      if (tensor.bytes().size() != static_cast<size_t>(tensor.size()) * dtype_size(tensor.dtype()))
        std::abort();
    }
  });
}
