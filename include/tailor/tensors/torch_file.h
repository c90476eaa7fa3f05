// PyTorch's files without PyTorch and without Python: torch.save's zip format (1.6 and later) and
// the pickle before it, and TorchScript archives. The pickle is read as data: what it asks to call
// is looked at, never called; a file that asks for os.system and the like is refused by name.
#pragma once

#include <string>
#include <string_view>

#include "tailor/tensors/weight_file.h"

namespace tailor::tensors {

/// Every tensor under its dotted name: keys of dicts, indices of lists, attributes of modules
/// (`state_dict.module.conv1.weight`; a whole saved nn.Module or TorchScript module gives the names
/// of its state_dict (TorchScript also those of buffers that are not persistent); a tensor saved
/// alone is "tensor"). No prefix is removed. Dense, row-major, whatever strides and shared storage
/// the file has; F16 and BF16 become F32, bool U8, and the remarks say so. Numbers and texts,
/// optimisers' states and objects of unknown classes are skipped with a remark; a sparse, quantised
/// or complex tensor is Unsupported, a damaged file or one without tensors Data. The tensors take
/// at most 16 times the file's size (+ 1 MiB).
WeightFile load_torch_file(const std::string& path);
WeightFile parse_torch_file(std::string_view bytes, const std::string& path);
/// The two formats, from the first bytes: a zip archive, or the magic number of the older format.
bool is_torch_file(std::string_view bytes);

}  // namespace tailor::tensors
