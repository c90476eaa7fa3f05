// ONNX models: whatever is read as a network is whole, or an error names what is not.
#include "tailor/net/onnx.h"
#include "support/rooms.h"

#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const OnnxNetwork n = network_of_onnx(parse_onnx(bytes, "input"), "network", "input", {8, 8});
    if (!verify_network(n.network).empty()) std::abort();
    verify_tensors(n.network, n.tensors, "input");
  });
}
