// Networks on sequences (speech, current) as commands use them: what runs them, and what they
// answered to a data set or to a user's files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/source.h"
#include "tailor/cli/commands.h"
#include "tailor/task/sequences.h"

namespace tailor::cli {

class SequenceRunner {
 public:
  virtual ~SequenceRunner() = default;
  /// Outputs [n, positions, classes] of inputs [n, 1, columns, channels], whose own columns are
  /// `lengths` (none: all).
  virtual Tensor run(const Tensor& inputs, const std::vector<int64_t>& lengths) = 0;
  /// Of an input of so many columns.
  virtual int64_t positions(int64_t columns) const = 0;
  /// What only this backend knows, of all that it ran.
  virtual void describe(Json& /*answer*/) const {}
  virtual std::string remark(int64_t /*examples*/) const { return ""; }

  std::string title, backend, how;  // "runs/x/best.ckpt", "libtorch", "LibTorch, float32"
  ExampleKind kind = ExampleKind::Speech;
  MapShape input{0, 0, 0};
  int64_t classes = 0, stride = 1;  // columns from one answer to the next
  DataConfig data;
  CtcConfig ctc;
};

/// What a checkpoint or run folder hears or reads.
ExampleKind kind_of_checkpoint(const std::string& file);
/// On LibTorch; "": the newest finished run. Throws Unsupported of a network on images.
std::unique_ptr<SequenceRunner> open_sequence_network(const std::string& checkpoint);
/// A message about a user's file, which names it.
inline std::string with_file(const std::string& file, const std::string& message) {
  return message.find(file) == std::string::npos ? file + ": " + message : message;
}
/// tailor evaluate: WER and CER, or alignment accuracy, on a split. Returns the exit code.
int evaluate_sequences(SequenceRunner& runner, const EvaluateOptions& options);

}  // namespace tailor::cli
