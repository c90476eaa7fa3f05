// What an example and an answer are: all that the trainer, the emulator and the report know of it.
// Without LibTorch: a task says which objective is minimised by its name, and train/objective.h has
// the function.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/core/span.h"
#include "tailor/data/batch.h"
#include "tailor/data/images.h"
#include "tailor/task/config.h"
#include "tailor/tensors/tensor.h"

namespace tailor::task {

/// The examples of a step in host memory; whoever fills it again uses the same memory.
struct Batch {
  int64_t count = 0;
  Tensor inputs;   // F32 [count, rows, columns, channels]
  Tensor targets;  // what the objective wants: I64 [count] of classes, [count, most] of labels
                   // (0 behind an example's own), F32 [count, ...] of numbers
  /// Of each example: columns that are its own and not padding, and labels. Empty of images.
  std::vector<int64_t> lengths, target_lengths;
  /// Of mixed examples: the targets of example n count by this, those of example count-1-n by the
  /// rest.
  double share = 1;
  /// Of a batch that several workers share: how much of its mean is the mean of these examples.
  double weight = 1;
};
/// The examples of a worker's share.
std::vector<int64_t> take_share(Span<const int64_t> indices, const BatchShare& share);
/// The tensor with this type and shape, its numbers to be written; it stays where it is if it can.
void prepare_buffer(Tensor& tensor, DType dtype, const Shape& shape);

/// A named number that says how good a network is.
struct Figure {
  std::string name;  // "accuracy"
  double value = 0;
  bool higher_is_better = false;
  bool is_share = false;  // 0 to 1, shown and recorded in per cent

  double recorded() const;  // in per cent, if it is a share
  /// "93.21 %", or "0.1234": a share with `decimals`, another number with two more.
  std::string text(int decimals) const;
  bool better_than(const Figure& other) const {
    return higher_is_better ? value > other.value : value < other.value;
  }
};
/// The figure that a network is judged by: the last.
inline const Figure& judged_by(const std::vector<Figure>& figures) { return figures.back(); }
/// The named one. Throws Internal where there is none.
const Figure& find_figure(const std::vector<Figure>& figures, const std::string& name);

/// Running sums over batches. Its state goes into a checkpoint's position.
class Meter {
 public:
  virtual ~Meter() = default;
  /// A batch: how many examples, their mean loss, and what Task::tally says of them.
  virtual void add(int64_t examples, double loss, Span<const double> tally) = 0;
  virtual int64_t examples() const = 0;
  /// The mean loss first, the figure that counts last; they may be one.
  virtual std::vector<Figure> summary() const = 0;
  virtual Json state() const = 0;
  /// An empty state is the beginning's.
  virtual void restore(const Json& state) = 0;
};

/// What is minimised: a name, for which train/objective.h has the function, and how.
struct ObjectiveSpec {
  std::string name;   // "cross_entropy", "ctc"
  int64_t blank = 0;  // of CTC: the output that is no label
  CtcConfig ctc;
  bool skips_impossible = false;  // in the mean: examples whose labels do not fit the answers

  ObjectiveSpec(std::string n) : name(std::move(n)) {}  // NOLINT: a name is a specification
  ObjectiveSpec(const char* n) : name(n) {}             // NOLINT
};

enum class Split { Train, Validation, Test };

/// What a network answered to a batch, on the host.
struct Answers {
  Span<const float> outputs;       // batch.count rows of equal length
  std::vector<int64_t> positions;  // of each example: answers that are its own; empty: all
  Split split = Split::Train;
};

class Task {
 public:
  virtual ~Task() = default;
  /// One example, in words: "image".
  virtual const char* unit() const = 0;
  /// Examples of a split; 0: there is none.
  virtual int64_t size(Split split) const = 0;
  /// Fills `batch` with these examples. With an epoch they are augmented as in that one, as a
  /// function of (seed, epoch, index) alone; without one they come as they are. May be called from
  /// several threads, each with its own batch.
  virtual void collate(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
                       Batch& batch) const = 0;
  /// A worker's share of these training examples, with its weight: as the whole would have them.
  /// By default none is looked at together with another.
  virtual void collate_share(Span<const int64_t> indices, int64_t epoch, const BatchShare& share,
                             Batch& batch) const;
  /// Which training examples an epoch has, in which order, for steps of `batch_size`: by default
  /// all of them, shuffled as a function of (seed, epoch).
  virtual std::vector<int64_t> order(int64_t seed, int64_t epoch, int64_t batch_size) const;
  /// The loss that is minimised.
  virtual ObjectiveSpec objective() const = 0;
  /// What the network's answers to a batch add to a meter, besides their loss. Those of training
  /// batches are looked at on the way and may be judged more cheaply.
  virtual std::vector<double> tally(const Answers& answers, const Batch& batch) const = 0;
  virtual std::unique_ptr<Meter> meter() const = 0;
};

/// Answers to an input of so many columns (net::output_length).
using PositionsOf = std::function<int64_t(int64_t columns)>;

/// The task of a set of examples: their kind says which. Augmentation is the configuration's, by
/// `seed`; preprocessing is of images alone, `positions` of sequences: training examples with more
/// labels than answers are left out.
std::shared_ptr<const Task> make_task(const DataSplits& data, const Preprocessing& preprocessing,
                                      const DataConfig& config, const CtcConfig& ctc, int64_t seed,
                                      const PositionsOf& positions = {});
/// Throws Unsupported where a network's answers are none to such examples: an image has one, a
/// sequence one at every position.
void verify_answers(ExampleKind kind, bool per_position, const MapShape& answers,
                    const std::string& network);

}  // namespace tailor::task
