// The safetensors format: 8 bytes of header length, a JSON header, the tensors without gaps. Every
// offset is checked before it is used; a file is written whole or not at all. Python's
// `safetensors` opens what is written here.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/tensors/tensor.h"

namespace tailor::tensors {

struct TensorFile {
  std::map<std::string, std::string> metadata;  // the header's "__metadata__"
  TensorMap tensors;
  std::vector<std::string> remarks;  // "5 tensors became F32 from F16": what ForeignTypes converted
};

/// F16, BF16, BOOL, U16 and U32 are none of our types: our own files never have them, users' do.
/// Convert makes them F32, F32, U8 (0 or 1), I32 and I64.
enum class ForeignTypes { Refuse, Convert };

/// Throws Data naming `what`, the path and the reason: truncated, overlapping or foreign files are
/// refused.
TensorFile load_safetensors(const std::string& path, const std::string& what = "safetensors file",
                            ForeignTypes foreign = ForeignTypes::Refuse);
TensorFile parse_safetensors(std::string_view bytes, const std::string& path,
                             const std::string& what = "safetensors file",
                             ForeignTypes foreign = ForeignTypes::Refuse);
void save_safetensors(const std::string& path, const TensorFile& file);
/// The file's bytes: the same input gives the same bytes.
std::string print_safetensors(const TensorFile& file);
/// The same of tensors that stay where they are.
std::string print_safetensors(const std::map<std::string, std::string>& metadata,
                              const std::map<std::string, const Tensor*>& tensors);

}  // namespace tailor::tensors
