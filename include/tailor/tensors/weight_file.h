// Weights that somebody else's program wrote, as a flat map from dotted name to tensor. A file is
// recognised by its content, never by its name, and nothing in it is ever executed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tailor/tensors/tensor.h"

namespace tailor::tensors {

struct WeightFile {
  std::string format;  // "safetensors", "npz", "torch" (torch.save), "torchscript", "nemo"
  TensorMap tensors;
  /// One line for each thing that is in the file and not in `tensors`, or was converted on the way:
  /// "epoch: int 12", "optimizer: skipped, an optimiser's state", "5 tensors became F32 from F16".
  std::vector<std::string> remarks;
};

/// Safetensors (F16, BF16, BOOL, U16 and U32 converted as load_npy does), torch.save in both its
/// formats, also in NeMo's .nemo archives, TorchScript, uncompressed .npz; pruning masks and weight
/// norm are applied. Throws Unsupported with advice on a known format that is not read (HDF5, ONNX,
/// TFLite, .npy, archives, other pickles, a web page …), Data on anything else.
WeightFile load_weight_file(const std::string& path);
WeightFile parse_weight_file(std::string_view bytes, const std::string& path);

}  // namespace tailor::tensors
