// What tailor evaluate does with logits, whichever backend they are from: accuracy, confusion and
// predictions on a data set, or the classes of single pictures.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tailor/cli/commands.h"
#include "tailor/core/progress.h"
#include "tailor/data/images.h"
#include "tailor/run/run_config.h"
#include "tailor/tensors/preprocessing.h"

namespace tailor::cli {

/// A network and what runs it.
class Evaluator {
 public:
  /// Logits of images, a row each, and their labels, in the images' order.
  using Sink = std::function<void(Span<const double> logits, Span<const int64_t> labels)>;

  virtual ~Evaluator() = default;
  /// The first `count` images. Throws Interrupted when a signal is pending.
  virtual void run(const ImageDataset& images, int64_t count, Progress& progress,
                   const Sink& sink) = 0;
  /// What only this backend knows, of all that it ran: for --json, and a line or none for people.
  virtual void describe(Json& /*answer*/) const {}
  virtual std::string remark(int64_t /*images*/) const { return ""; }

  std::string title;         // "runs/x/best.ckpt"
  std::string backend, how;  // "libtorch", "LibTorch, float32"
  MapShape input{0, 0, 0};
  int64_t classes = 0;
  std::vector<std::string> class_names;  // where the data set names them
  Preprocessing preprocessing;
  std::vector<std::string> assumptions;  // of an import, which say what nobody knows
  std::optional<DataConfig> data;        // of the run
};

/// The images that are asked for, through the evaluator; prints the answer and writes the files.
/// Returns the exit code.
int evaluate_images(Evaluator& evaluator, const EvaluateOptions& options);

}  // namespace tailor::cli
