// One step of training: a network, its frozen teacher, what is minimised and how, on one device.
// Surgery changes weights, gradients and the optimiser's slots here, and nowhere else.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tailor/nn/model.h"
#include "tailor/surgery/surgery.h"
#include "tailor/train/group.h"
#include "tailor/train/objective.h"
#include "tailor/train/optimizer.h"

namespace tailor::train {

/// On the device, without a graph; of this process's examples.
struct StepResult {
  at::Tensor loss;     // scalar: what was minimised, the teacher's term included
  at::Tensor tally;    // of the objective; undefined where it has none
  at::Tensor outputs;  // of the network before the step
  /// The two parts of the loss before they are weighted; undefined without a teacher.
  at::Tensor objective, distance;
  std::vector<int64_t> positions;  // of each example: outputs that are its own; empty: all
};

class CapturedStep;
class GradientBuckets;
class TeacherCache;

class Learner {
 public:
  /// `saved`: slots to go on with. The functions of both are looked up by name. The processes of
  /// `group`, which outlives it, step together: each on its share of a batch, and all by the
  /// gradient of the whole.
  Learner(Model model, const ObjectiveSpec& objective, const OptimizerConfig& optimizer,
          const OptimizerSlots& saved = {}, Group& group = Group::alone());
  ~Learner();
  Learner(Learner&&) noexcept;
  Learner& operator=(Learner&&) noexcept;

  /// From now on beta · distance to the teacher's outputs + (1 - beta) · objective is minimised;
  /// the distance is the objective's own where it has one. Of its answers to images so many are
  /// kept, and given again (train/teacher_cache.h).
  /// Behind the blocks `compared` their maps are compared too, and then no answers are kept. The
  /// maps behind those of `through` go on through the teacher's later blocks.
  void follow(FrozenModel teacher, const DistillConfig& how, int64_t kept_answers = 0,
              ComparedBlocks compared = {}, ComparedBlocks through = {});

  /// Nothing waits for the device. On a GPU steps on whole batches of images are captured: from
  /// the fourth on they are launched as one. While skips fade each step is another and none is.
  StepResult step(const Batch& batch, double lr);
  /// Erased tensors are gone with gradient and slots, added ones come with slots of 0, all others
  /// keep both. `seed` is that of the initial weights. `solved`: new values of tensors that stay,
  /// whose slots begin with 0 too; `state` may have all begin so.
  Alteration alter(const PlannedEdit& edit, int64_t seed, const TensorMap& solved = {},
                   OptimizerState state = OptimizerState::Keep);
  /// Skips have these weights from the next step on.
  void weigh_skips(const SkipWeights& weights);

  Model& model() { return model_; }
  const Model& model() const { return model_; }
  const Objective& objective() const { return objective_; }
  const FrozenModel* teacher() const { return teacher_ ? &*teacher_ : nullptr; }
  const TeacherCache* teacher_cache() const { return teacher_cache_.get(); }  // null: none
  OptimizerSlots slots() const { return optimizer_->slots(model_.parameters()); }

 private:
  void make_buckets();
  StepResult take(const DeviceBatch& examples, const Rate& lr);
  at::Tensor distance_to(const at::Tensor& teacher, const at::Tensor& outputs,
                         const DeviceBatch& examples) const;
  at::Tensor loss_through_teacher(const std::vector<at::Tensor>& maps, const at::Tensor& teacher,
                                  const DeviceBatch& examples) const;

  Model model_;
  std::optional<FrozenModel> teacher_;
  std::unique_ptr<TeacherCache> teacher_cache_;
  DistillConfig how_;
  ComparedBlocks compared_, through_;
  ObjectiveSpec spec_;
  Objective objective_;
  double clip_norm_ = 0, peak_lr_ = 0;
  std::unique_ptr<Optimizer> optimizer_;
  Group* group_;
  std::unique_ptr<GradientBuckets> buckets_;  // null: of one process
  std::unique_ptr<CapturedStep> captured_;    // null: none is
  std::unique_ptr<nn::SideStream> side_;      // of a captured step: the teacher, weights' gradients
};

}  // namespace tailor::train
