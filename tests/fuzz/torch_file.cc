// PyTorch files, and everything else that load_weight_file is given. A bare pickle is put into a
// zip archive with two storages, so that checksums do not stand in the fuzzer's way.
#include "tailor/tensors/torch_file.h"
#include "fuzz/fuzz.h"
#include "tensors/torch_bytes.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    if (bytes.substr(0, 1) != "\x80" || is_torch_file(bytes)) {
      parse_weight_file(bytes, "input");
      return;
    }
    tailor::testing::ZipWriter zip;
    zip.members = {{"a/data.pkl", std::string(bytes)},
                   {"a/data/0", std::string(24, 'x')},
                   {"a/data/1", std::string(8, 'y')}};
    parse_torch_file(zip.bytes(), "input");
  });
}
