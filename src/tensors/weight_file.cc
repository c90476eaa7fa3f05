#include "tailor/tensors/weight_file.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/tensors/npy.h"
#include "tailor/tensors/onnx.h"
#include "tailor/tensors/safetensors.h"
#include "tailor/tensors/torch_file.h"
#include "tensors/nemo.h"
#include "tensors/parametrisation.h"
#include "tensors/zip.h"

namespace tailor::tensors {
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
constexpr const char* kUnpack = "unpack it and give the weight file in it";
constexpr KnownFormat kRefused[] = {
    {0, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it",
     "in Python, write {getattr(v, 'path', v.name): v.numpy() for v in model.weights} with "
     "safetensors.numpy.save_file"},
    {4, "TFL3", "a TensorFlow Lite model",
     "give the float weights that it was made from, as safetensors"},
    {0, "\x93NUMPY", "a single NumPy array, without a name",
     "write a dict of arrays with safetensors.numpy.save_file"},
    {257, "ustar", "a tar archive", kUnpack},
    {0, "\x1f\x8b", "compressed by gzip", "unpack it with gunzip"},
    {0,
     "\xfd"
     "7zXZ",
     "compressed by xz", kUnpack},
    {0, "BZh", "compressed by bzip2", kUnpack},
    {0, "\x28\xb5\x2f\xfd", "compressed by zstd", kUnpack},
    {0, "7z\xbc\xaf", "a 7z archive", kUnpack},
    {0, "version https://git-lfs.github.com/spec/",
     "a Git LFS pointer, which stands for the file in a clone without its large files",
     "fetch the file itself: git lfs pull"},
    {0, "MATLAB 5.0 MAT-file", "a MATLAB file",
     "write its arrays with safetensors.numpy.save_file"},
    {0, "GGUF", "a GGUF file of a language model", "give the weights of a residual network"},
    {0, "\x80", "a Python pickle that torch.save did not write",
     "load it in Python, if you trust it, and write its tensors with torch.save"},
};

/// What text begins with once a byte order mark and blanks are taken off, in small letters.
std::string text_start(std::string_view bytes) {
  if (bytes.substr(0, 3) == "\xEF\xBB\xBF") bytes.remove_prefix(3);
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  std::string start(bytes.substr(std::min(first, bytes.size()), 16));
  for (char& c : start) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return start;
}

/// What is not recognised by its first bytes alone.
std::optional<KnownFormat> other_format(std::string_view bytes) {
  if (is_onnx(bytes)) {
    return KnownFormat{0, "", "an ONNX model, a network and not its weights alone",
                       "tailor import takes it"};
  }
  const std::string start = text_start(bytes);
  for (const char* page : {"<!doctype html", "<html", "<?xml", "<head"}) {
    if (start.rfind(page, 0) == 0) {
      return KnownFormat{0, "", "a web page, saved in the place of the file that it leads to",
                         "open it in a browser and follow its download link"};
    }
  }
  const bool pickle = has(bytes, 0, "\x80") || has(bytes, 0, "(d");
  if (pickle &&
      (bytes.find("batch_label") != bytes.npos || bytes.find("fine_labels") != bytes.npos)) {
    return KnownFormat{0, "", "a batch of CIFAR's Python version, images and no weights",
                       "give the weight file; images are data (data.root)"};
  }
  return std::nullopt;
}

/// numpy.savez's archive: every member is NAME.npy. Nothing if the file is another zip archive.
std::optional<WeightFile> parse_npz(std::string_view bytes, const std::string& path) {
  if (!has(bytes, 0, "PK\x03\x04")) return std::nullopt;
  constexpr std::string_view kEnd = ".npy";
  const ZipArchive zip(bytes, "weight file " + path);
  WeightFile file{"npz", {}, {}};
  for (const auto& [name, member] : zip.members()) {
    if (name.size() <= kEnd.size() || name.substr(name.size() - kEnd.size()) != kEnd)
      return std::nullopt;
  }
  for (const auto& [name, member] : zip.members()) {
    file.tensors.emplace(name.substr(0, name.size() - kEnd.size()),
                         parse_npy(zip.read(name), path + ": " + printable(name), "array"));
  }
  return file.tensors.empty() ? std::nullopt : std::optional(std::move(file));
}

/// What model_weights.ckpt of a .nemo archive holds. Nothing if the bytes are another archive.
std::optional<WeightFile> parse_nemo(std::string_view bytes, const std::string& path) {
  if (!may_be_nemo(bytes)) return std::nullopt;
  const std::optional<NemoArchive> nemo = open_nemo(bytes, path);
  if (!nemo) return std::nullopt;
  const std::string weights = path + ":model_weights.ckpt";
  if (!is_torch_file(nemo->weights)) {
    fail(ErrorKind::Data, "weight file {} has {} bytes and is no file of torch.save", weights,
         nemo->weights.size());
  }
  WeightFile file = parse_torch_file(nemo->weights, weights);
  file.format = "nemo";
  for (const std::string& name : nemo->others)
    file.remarks.push_back(printable(name) + ": skipped, no weights");
  return file;
}

[[noreturn]] void refuse(const KnownFormat& known, const std::string& path) {
  fail(ErrorKind::Unsupported,
       "weight file {} is {}; expected torch.save, TorchScript, safetensors, .npz or .nemo: {}",
       path, known.name, known.advice);
}

}  // namespace

WeightFile parse_weight_file(std::string_view bytes, const std::string& path) {
  if (is_torch_file(bytes)) {
    std::optional<WeightFile> npz = parse_npz(bytes, path);
    WeightFile out = npz ? std::move(*npz) : parse_torch_file(bytes, path);
    resolve_parametrisations(out, "weight file " + path);
    return out;
  }
  if (is_safetensors(bytes)) {
    TensorFile file = parse_safetensors(bytes, path, "weight file", ForeignTypes::Convert);
    WeightFile out{"safetensors", std::move(file.tensors), {}};
    for (const auto& [key, text] : file.metadata)
      out.remarks.push_back(fmt::format("metadata '{}': '{}'", printable(key), printable(text)));
    out.remarks.insert(out.remarks.end(), file.remarks.begin(), file.remarks.end());
    resolve_parametrisations(out, "weight file " + path);
    return out;
  }
  if (std::optional<WeightFile> nemo = parse_nemo(bytes, path)) {
    resolve_parametrisations(*nemo, "weight file " + path);
    return std::move(*nemo);
  }
  if (const auto known = other_format(bytes)) refuse(*known, path);
  for (const KnownFormat& known : kRefused)
    if (has(bytes, known.offset, known.magic)) refuse(known, path);
  std::string start;
  for (char c : bytes.substr(0, 8))
    start += fmt::format("{}{:02x}", start.empty() ? "" : " ", static_cast<uint8_t>(c));
  fail(ErrorKind::Data,
       "weight file {} has {} bytes and begins with '{}'; expected torch.save (zip or the older "
       "pickle), TorchScript, safetensors, .npz or .nemo",
       path, bytes.size(), start);
}

WeightFile load_weight_file(const std::string& path) {
  return parse_weight_file(read_file(path, "weight file"), path);
}

}  // namespace tailor::tensors
