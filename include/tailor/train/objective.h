// What is minimised, by name: the half of a task that needs LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "tailor/nn/model.h"
#include "tailor/run/run_config.h"
#include "tailor/task/task.h"

namespace tailor::train {

/// A batch as LibTorch sees it: on the CPU a view of the host's buffers, elsewhere a copy.
struct DeviceBatch {
  int64_t count = 0;
  at::Tensor inputs;   // float32 [count, channels, rows, columns], channels-last
  at::Tensor targets;  // in the type and shape of Batch::targets
  std::vector<int64_t> lengths, target_lengths;
  std::vector<int64_t> positions;  // answers that are an example's own; empty: all of them
  double share = 1, weight = 1;    // as of Batch
};
/// Does not wait for the device; `batch` may be filled again at once unless `device` is the CPU.
DeviceBatch to_device(const Batch& batch, at::Device device);
/// For this network, on its device: with its positions.
DeviceBatch to_device(const Batch& batch, const Model& model);

struct Objective {
  /// Mean over the batch of what is minimised, a scalar that autograd can go back from.
  at::Tensor (*loss)(const at::Tensor& outputs, const DeviceBatch& batch,
                     const ObjectiveSpec& spec) = nullptr;
  /// Task::tally on the device, a vector; null: the outputs go to the host and the task counts.
  at::Tensor (*tally)(const at::Tensor& outputs, const DeviceBatch& batch) = nullptr;
  /// How far a student's outputs are from its teacher's, a scalar; null: as of distance_between.
  at::Tensor (*distance)(const at::Tensor& outputs, const at::Tensor& teacher,
                         const DeviceBatch& batch) = nullptr;
  /// Whether all three take only what is on the device, read nothing from it, and no lengths: such
  /// a step can be captured (docs/design/0024).
  bool can_be_captured = false;
};
/// A scalar: the mean over examples, and over positions where each has several, of what
/// DistillConfig::distance says. Both [..., classes].
at::Tensor distance_between(const DistillConfig& how, const at::Tensor& student,
                            const at::Tensor& teacher);
/// A scalar: of each example and pair of maps [n, channels, rows, columns] the squared error
/// relative to the teacher's square (at least a hundredth of what this worker's images have on
/// average; 1 where all of them are 0), and the mean over them.
at::Tensor feature_distance(const std::vector<at::Tensor>& student,
                            const std::vector<at::Tensor>& teacher);
/// Blocks of a student and, in the same order, of its teacher whose maps are compared.
struct ComparedBlocks {
  std::vector<size_t> student, teacher;
};
/// Those that DistillConfig::features names and whose maps have the same shape: blocks of the same
/// id, or the last ones of each shape. Throws Config at /distill/features, below `at`, of `source`
/// where there are none.
ComparedBlocks compared_blocks(Features features, const Network& student, const Network& teacher,
                               const std::string& source, const std::string& at = "");
/// Those behind which the student's maps go on through the teacher: the last ones of each shape but
/// those behind which the teacher has no block. Throws Config at /distill/through_weight, below
/// `at`, of `source` where there are none.
ComparedBlocks through_blocks(const Network& student, const Network& teacher,
                              const std::string& source, const std::string& at = "");
void register_objective(const std::string& name, Objective objective);
/// Throws Internal for a name that nobody registered.
const Objective& find_objective(const std::string& name);

}  // namespace tailor::train
