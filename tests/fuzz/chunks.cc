// .npy files row by row are what they are at once; and signal chunks that open can be read, with
// labels of bases alone. The input is one of Bonito's three files, beside two that are good.
#include <fstream>
#include <string>
#include <vector>

#include "data/chunks.h"
#include "fuzz/fuzz.h"
#include "support/npy.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/tensors/npy.h"

using namespace tailor::fuzz;

namespace {

/// write_file is whole or nothing, and waits for the disk.
void write_quickly(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void compare_rows(const std::string& path, std::string_view bytes) {
  const Tensor whole = parse_npy(bytes, "input");
  if (whole.shape().empty() || whole.shape()[0] > 4096 || whole.size() > 1 << 20) return;
  const NpyRows rows(path);
  if (rows.shape() != whole.shape()) std::abort();
  const std::vector<double> expected = whole.to_doubles();
  std::vector<float> row;
  for (int64_t r = 0; r < rows.rows(); ++r) {
    rows.read(r, row);
    for (size_t i = 0; i < row.size(); ++i) {
      const auto value = static_cast<float>(expected[static_cast<size_t>(r) * row.size() + i]);
      if (row[i] != value && !(row[i] != row[i] && value != value)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TemporaryDirectory folder;
  static const std::string names[] = {"chunks.npy", "references.npy", "reference_lengths.npy"};
  using tailor::testing::npy_bytes;
  static const std::string good[] = {npy_bytes("<f4", "(2, 3)", std::string(24, '\x3F')),
                                     npy_bytes("|u1", "(2, 3)", std::string("\1\2\3\4\0\0", 6)),
                                     npy_bytes("<u2", "(2,)", std::string("\3\0\1\0", 4))};
  return tailor::fuzz::read(data, size, [&](std::string_view bytes) {
    if (bytes.empty()) return;
    const auto own = static_cast<size_t>(bytes[0]) % 3;
    bytes.remove_prefix(1);
    for (size_t i = 0; i < 3; ++i)
      write_quickly(path_join(folder.path(), names[i]), i == own ? bytes : good[i]);
    try {
      compare_rows(path_join(folder.path(), names[own]), bytes);
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::Internal) throw;
    }
    const Sequences set = open_chunks(folder.path());
    std::vector<float> samples;
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < set->size(); ++i) {
      set->read_labels(i, labels);
      for (const int64_t label : labels) {
        if (label < 1 || label > 4) std::abort();
      }
      set->read(i, samples);
      if (static_cast<int64_t>(samples.size()) != set->length(i)) std::abort();
    }
  });
}
