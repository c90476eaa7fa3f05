// tailor evaluate --backend libtorch.
#include "cli/evaluation.h"
#include "cli/source.h"
#include "cli/torch/plugin.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/origin.h"
#include "tailor/task/classification.h"
#include "tailor/train/trainer.h"

namespace tailor::cli {
namespace {

class TorchEvaluator : public Evaluator {
 public:
  explicit TorchEvaluator(const std::string& path) : checkpoint_(load_checkpoint(path)) {
    const Network& network = checkpoint_.network;
    verify_answers(ExampleKind::Images, network.answers_per_position(), output_shape(network),
                   path);
    const RunConfig run = read_run_config(checkpoint_.config, path);
    title = path;
    backend = "libtorch", how = "LibTorch, float32";
    if (checkpoint_.precision) how = "LibTorch, quantised to " + checkpoint_.precision->text();
    input = checkpoint_.network.input;
    classes = checkpoint_.network.classes();
    class_names = checkpoint_.class_names;
    preprocessing = checkpoint_.preprocessing;
    data = run.data;
    assumptions = checkpoint_.assumptions;
    warn_of_assumptions(checkpoint_, path);
    device_ = run.runtime.device;
    set_torch_threads(run.runtime.threads);
  }

  void run(const ImageDataset& images, int64_t count, Progress& progress,
           const Sink& sink) override {
    std::vector<double> logits;
    evaluate_network(checkpoint_.network, checkpoint_.tensors, checkpoint_.precision, images, count,
                     input, preprocessing, device_, progress,
                     [&](Span<const float> batch, Span<const int64_t> labels) {
                       logits.assign(batch.begin(), batch.end());
                       sink(logits, labels);
                     });
  }

 private:
  Checkpoint checkpoint_;
  std::string device_;
};

}  // namespace

int torch_evaluate(const EvaluateOptions& options) {
  TorchEvaluator evaluator(options.checkpoint);
  return evaluate_images(evaluator, options);
}

}  // namespace tailor::cli
