#include "cli/torch/plugin.h"

#include <c10/util/Exception.h>

#include "tailor/cli/torch_plugin.h"
#include "tailor/nn/model.h"
#include "tailor/train/trainer.h"

namespace tailor::cli {
namespace {

/// LibTorch's exceptions do not leave this library.
template <class Options, int (*Run)(const Options&)>
int guarded(const Options& options) {
  try {
    return Run(options);
  } catch (const c10::Error& e) {
    fail(ErrorKind::Internal, "LibTorch: {}", e.what_without_backtrace());
  }
}

Tensor run_on_torch(const Network& network, const TensorMap& tensors, const Tensor& inputs) {
  try {
    return run_network(network, tensors, inputs);
  } catch (const c10::Error& e) {
    fail(ErrorKind::Internal, "LibTorch: {}", e.what_without_backtrace());
  }
}

const TorchPlugin kPlugin = {guarded<TrainOptions, torch_train>,
                             guarded<EvaluateOptions, torch_evaluate>, run_on_torch,
                             describe_torch};

}  // namespace
}  // namespace tailor::cli

const tailor::cli::TorchPlugin* tailor_torch_plugin() { return &tailor::cli::kPlugin; }
