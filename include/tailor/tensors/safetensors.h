// The safetensors format: 8 bytes of header length, a JSON header, the tensors without gaps. Every
// offset is checked before it is used; a file is written whole or not at all. Python's
// `safetensors` opens what is written here.
#pragma once

#include <map>
#include <string>

#include "tailor/tensors/tensor.h"

namespace tailor {

struct TensorFile {
  std::map<std::string, std::string> metadata;  // the header's "__metadata__"
  TensorMap tensors;
};

/// Throws Data naming `what`, the path and the reason: truncated, overlapping or foreign files are
/// refused.
TensorFile load_safetensors(const std::string& path, const std::string& what = "safetensors file");
TensorFile parse_safetensors(std::string_view bytes, const std::string& path,
                             const std::string& what = "safetensors file");
void save_safetensors(const std::string& path, const TensorFile& file);
/// The file's bytes: the same input gives the same bytes.
std::string print_safetensors(const TensorFile& file);
/// The same of tensors that stay where they are.
std::string print_safetensors(const std::map<std::string, std::string>& metadata,
                              const std::map<std::string, const Tensor*>& tensors);

}  // namespace tailor
