#include "tailor/tensors/weight_file.h"

#include <cstring>

#include "tailor/core/files.h"
#include "tailor/tensors/safetensors.h"
#include "tailor/tensors/torch_file.h"
#include "tensors/printable.h"

namespace tailor {
namespace {

bool has(std::string_view bytes, size_t offset, std::string_view magic) {
  return bytes.size() >= offset && bytes.substr(offset, magic.size()) == magic;
}

/// A length within the format's limit, then a JSON object.
bool is_safetensors(std::string_view bytes) {
  uint64_t header = 0;
  if (bytes.size() < 9) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  return bytes[8] == '{' && header <= 100'000'000;
}

struct KnownFormat {
  size_t offset;
  std::string_view magic;
  const char* name;
  const char* advice;
};
constexpr KnownFormat kRefused[] = {
    {0, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it",
     "in Python, write the arrays of model.get_weights() with safetensors.numpy.save_file"},
    {4, "TFL3", "a TensorFlow Lite model",
     "give the float weights that it was made from, as safetensors"},
    {0, "\x93NUMPY", "a single NumPy array, without a name",
     "write a dict of arrays with safetensors.numpy.save_file"},
    {257, "ustar", "a tar archive", "unpack it and give the weight file in it"},
    {0, "\x1f\x8b", "compressed by gzip", "unpack it with gunzip"},
    {0, "\x80", "a Python pickle that torch.save did not write",
     "load it in Python, if you trust it, and write its tensors with torch.save"},
};

}  // namespace

WeightFile parse_weight_file(std::string_view bytes, const std::string& path) {
  if (is_torch_file(bytes)) return parse_torch_file(bytes, path);
  if (is_safetensors(bytes)) {
    TensorFile file = parse_safetensors(bytes, path, "weight file", ForeignTypes::Convert);
    WeightFile out{"safetensors", std::move(file.tensors), {}};
    for (const auto& [key, text] : file.metadata)
      out.remarks.push_back(fmt::format("metadata '{}': '{}'", printable(key), printable(text)));
    out.remarks.insert(out.remarks.end(), file.remarks.begin(), file.remarks.end());
    return out;
  }
  for (const KnownFormat& known : kRefused) {
    if (has(bytes, known.offset, known.magic)) {
      fail(ErrorKind::Unsupported,
           "weight file {} is {}; expected torch.save, TorchScript or safetensors: {}", path,
           known.name, known.advice);
    }
  }
  std::string start;
  for (char c : bytes.substr(0, 8))
    start += fmt::format("{}{:02x}", start.empty() ? "" : " ", static_cast<uint8_t>(c));
  fail(ErrorKind::Data,
       "weight file {} has {} bytes and begins with '{}'; expected torch.save (zip or the older "
       "pickle), TorchScript or safetensors",
       path, bytes.size(), start);
}

WeightFile load_weight_file(const std::string& path) {
  return parse_weight_file(read_file(path, "weight file"), path);
}

}  // namespace tailor
