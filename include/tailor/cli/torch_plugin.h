// The one door to LibTorch: libtailor_torch.so is opened by the commands that need it, with the
// settings that must be made before it loads (threads, BLAS, allocator). Torch-free: options in,
// exit code out.
#pragma once

#include <string>

#include "tailor/cli/commands.h"
#include "tailor/core/json.h"
#include "tailor/net/network.h"

namespace tailor::cli {

struct TorchPlugin {
  int (*train)(const TrainOptions& options);
  int (*evaluate)(const EvaluateOptions& options);
  /// Logits of inputs [n, height, width, channels] in eval mode.
  Tensor (*run_network)(const Network& network, const TensorMap& tensors, const Tensor& inputs);
  Json (*describe)();  // version, BLAS, threads, CUDA
};

/// Opens the library. Throws Unsupported when this build has none, saying what still works.
const TorchPlugin& open_torch();
bool torch_is_built();

}  // namespace tailor::cli

extern "C" const tailor::cli::TorchPlugin* tailor_torch_plugin();
