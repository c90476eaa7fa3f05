// The one door to LibTorch: libtailor_torch.so is opened by the commands that need it, with the
// settings that must be made before it loads (threads, BLAS, allocator). Torch-free: options in,
// exit code out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tailor/cli/commands.h"
#include "tailor/core/json.h"
#include "tailor/net/network.h"
#include "tailor/run/run_config.h"

namespace tailor::cli {

/// A network in eval mode on a device, for as many inputs as there are.
class NetworkRunner {
 public:
  virtual ~NetworkRunner() = default;
  /// Outputs of inputs [n, height, width, channels] of any width, as of nn::Model; `lengths` are
  /// the columns of each that are its own (none: all).
  virtual Tensor run(const Tensor& inputs, const std::vector<int64_t>& lengths) = 0;
};

struct TorchPlugin {
  int (*train)(const TrainOptions& options);
  int (*evaluate)(const EvaluateOptions& options);
  int (*sensitivity)(const SensitivityOptions& options);
  int (*bench)(const BenchOptions& options);
  /// Logits of inputs [n, height, width, channels] in eval mode.
  Tensor (*run_network)(const Network& network, const TensorMap& tensors, const Tensor& inputs);
  /// By a run's settings: on the CPU if its device is that, else on the best there is.
  std::unique_ptr<NetworkRunner> (*open_network)(const Network& network, const TensorMap& tensors,
                                                 const RuntimeConfig& runtime);
  Json (*describe)();  // version, BLAS, threads, CUDA
};

/// Opens the library. Throws Unsupported when this build has none, saying what still works.
const TorchPlugin& open_torch();
bool torch_is_built();
/// The allocator's file as "malloc", and as "settings" what was set before LibTorch loaded, by
/// name:
/// {"value", "set_by": "tailor" or "user"}. Settings are empty before open_torch().
Json describe_process();

}  // namespace tailor::cli

extern "C" const tailor::cli::TorchPlugin* tailor_torch_plugin();
