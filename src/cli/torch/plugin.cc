#include "cli/torch/plugin.h"

#include <c10/util/Exception.h>

#include "tailor/cli/torch_plugin.h"
#include "tailor/nn/host.h"
#include "tailor/nn/model.h"
#include "tailor/train/device.h"
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

class TorchRunner : public NetworkRunner {
 public:
  TorchRunner(const Network& network, const TensorMap& tensors, const RuntimeConfig& runtime)
      : device_(resolve_device(runtime.device == "cpu" ? "cpu" : "auto", "")),
        model_(network, tensors, device_) {
    set_torch_threads(runtime.threads);
  }
  Tensor run(const Tensor& inputs, const std::vector<int64_t>& lengths) override {
    try {
      const at::Tensor x = host_view(inputs).to(device_).permute({0, 3, 1, 2});
      return to_host(model_.forward(x, lengths));
    } catch (const c10::Error& e) {
      fail(ErrorKind::Internal, "LibTorch: {}", e.what_without_backtrace());
    }
  }

 private:
  at::Device device_;
  FrozenModel model_;
};

std::unique_ptr<NetworkRunner> open_network(const Network& network, const TensorMap& tensors,
                                            const RuntimeConfig& runtime) {
  return std::make_unique<TorchRunner>(network, tensors, runtime);
}

const TorchPlugin kPlugin = {guarded<TrainOptions, torch_train>,
                             guarded<EvaluateOptions, torch_evaluate>,
                             guarded<SensitivityOptions, torch_sensitivity>,
                             guarded<BenchOptions, torch_bench>,
                             run_on_torch,
                             open_network,
                             describe_torch};

}  // namespace
}  // namespace tailor::cli

const tailor::cli::TorchPlugin* tailor_torch_plugin() { return &tailor::cli::kPlugin; }
