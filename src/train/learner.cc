#include "tailor/train/learner.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>

#include "train/captured_step.h"
#include "train/gradient_buckets.h"
#include "train/teacher_cache.h"

namespace tailor::train {
namespace {

/// Of learned ranges' log2 at the schedule's peak (Jain et al. 2020, section 5.2).
constexpr double kRangeRate = 0.01;

}  // namespace

Learner::Learner(Model model, const ObjectiveSpec& objective, const OptimizerConfig& optimizer,
                 const OptimizerSlots& saved, Group& group)
    : model_(std::move(model)),
      spec_(objective),
      objective_(find_objective(objective.name)),
      clip_norm_(optimizer.clip_norm),
      peak_lr_(optimizer.lr),
      optimizer_(make_optimizer(optimizer)),
      group_(&group) {
  optimizer_->bind(model_.parameters(), saved);
  if (group.is_shared()) {
    // Whatever each has read or drawn: all begin with the leader's.
    at::NoGradGuard no_grad;
    group.broadcast(model_.parameters().values);
    model_.parameters().spread_values();
    for (const auto& [name, buffer] : model_.parameters().buffers()) group.broadcast(buffer);
  }
  // Sums over workers are in no graph of a single GPU's.
  if (!group.is_shared() && optimizer_->can_be_captured() && objective_.can_be_captured)
    captured_ = CapturedStep::make(model_.device());
  if (captured_) side_ = nn::SideStream::make(model_.device());
  model_.compute_gradients_on(side_.get());
}

Learner::~Learner() = default;
Learner::Learner(Learner&&) noexcept = default;
Learner& Learner::operator=(Learner&&) noexcept = default;

/// Of the parameters as they stand: an alteration makes other ones.
void Learner::make_buckets() {
  if (group_->is_shared())
    buckets_ = std::make_unique<GradientBuckets>(model_.parameters(), *group_);
}

void Learner::follow(FrozenModel teacher, const DistillConfig& how, int64_t kept_answers,
                     ComparedBlocks compared, ComparedBlocks through) {
  teacher_.emplace(std::move(teacher));
  compared_ = std::move(compared), through_ = std::move(through);
  TAILOR_CHECK(compared_.student.empty() || kept_answers == 0, "kept answers have no maps");
  teacher_cache_.reset();
  if (kept_answers > 0) {
    teacher_cache_ = std::make_unique<TeacherCache>(kept_answers, model_.network().classes());
  }
  how_ = how;
  if (captured_) captured_->forget();
}

StepResult Learner::step(const Batch& batch, double lr) {
  if (captured_ && !model_.trained() && CapturedStep::is_for(batch)) {
    return captured_->run(batch, lr, [this](const DeviceBatch& examples, const at::Tensor& rate) {
      return take(examples, Rate(rate));
    });
  }
  const StepResult result = take(to_device(batch, model_), lr);
  if (peak_lr_ > 0) model_.step_ranges(kRangeRate * lr / peak_lr_);
  return result;
}

at::Tensor Learner::distance_to(const at::Tensor& teacher, const at::Tensor& outputs,
                                const DeviceBatch& examples) const {
  return objective_.distance ? objective_.distance(outputs, teacher, examples)
                             : distance_between(how_, outputs, teacher);
}

/// The mean loss of what the teacher's later blocks answer to the student's maps.
at::Tensor Learner::loss_through_teacher(const std::vector<at::Tensor>& maps,
                                         const at::Tensor& teacher,
                                         const DeviceBatch& examples) const {
  at::Tensor sum;
  for (size_t i = 0; i < maps.size(); ++i) {
    const at::Tensor answers = teacher_->forward_from(through_.teacher[i] + 1, maps[i]);
    const at::Tensor loss = at::add(objective_.loss(answers, examples, spec_).mul(1 - how_.beta),
                                    distance_to(teacher, answers, examples), how_.beta);
    sum = sum.defined() ? at::add(sum, loss) : loss;
  }
  return sum.div(static_cast<double>(maps.size()));
}

StepResult Learner::take(const DeviceBatch& examples, const Rate& lr) {
  Parameters& parameters = model_.parameters();
  if (!buckets_) make_buckets();
  parameters.zero_gradients();
  const bool follows = teacher_ && how_.beta > 0;
  at::Tensor teacher;
  BlockMaps own_maps{compared_.student, {}}, teacher_maps{compared_.teacher, {}};
  own_maps.blocks.insert(own_maps.blocks.end(), through_.student.begin(), through_.student.end());
  const bool compares = follows && !compared_.student.empty(),
             goes_through = follows && !through_.student.empty();
  BlockMaps *maps = compares || goes_through ? &own_maps : nullptr,
            *wanted = compares ? &teacher_maps : nullptr;
  auto ask_teacher = [&] {
    teacher = teacher_cache_ ? teacher_cache_->answers(*teacher_, examples.inputs)
                             : teacher_->forward(examples.inputs, examples.lengths, wanted);
  };
  if (follows && side_) side_->fork({examples.inputs}, ask_teacher);
  const at::Tensor outputs =
      model_.forward(examples.inputs, /*training=*/true, examples.lengths, nullptr, maps);
  at::Tensor loss = objective_.loss(outputs, examples, spec_), objective, distance;
  if (follows) {
    side_ ? side_->join() : ask_teacher();
    objective = loss;
    distance = distance_to(teacher, outputs, examples);
    if (compares) {
      distance =
          at::add(distance, feature_distance(own_maps.of(compared_.student), teacher_maps.maps),
                  how_.feature_weight);
    }
    loss = at::add(objective.mul(1 - how_.beta), distance, how_.beta);
    if (goes_through) {
      loss = at::add(loss, loss_through_teacher(own_maps.of(through_.student), teacher, examples),
                     how_.through_weight);
    }
    objective = objective.detach(), distance = distance.detach();
  }
  if (buckets_) {
    buckets_->begin();
    // Of this share of the batch what it adds to the mean over the whole.
    loss.mul(examples.weight).backward();
    buckets_->finish();
  } else {
    loss.backward();
  }
  if (side_) side_->join();
  const at::NoGradGuard no_grad;
  if (!buckets_) parameters.gather_gradients();
  if (clip_norm_ > 0) clip_gradients(parameters, clip_norm_);
  optimizer_->step(parameters, lr);
  parameters.spread_values();
  const at::Tensor answers = outputs.detach();
  return {loss.detach(), objective_.tally ? objective_.tally(answers, examples) : at::Tensor(),
          answers,       objective,
          distance,      examples.positions};
}

void Learner::weigh_skips(const SkipWeights& weights) {
  if (weights.empty()) return;
  model_.weigh_skips(weights);
  if (captured_) captured_->forget();
}

Alteration Learner::alter(const PlannedEdit& edit, int64_t seed, const TensorMap& solved,
                          OptimizerState state) {
  Network network = model_.network();
  Alteration alteration = apply_alteration(network, edit.skip_id, edit.kind, edit.part);
  OptimizerSlots kept = state == OptimizerState::Keep ? slots() : OptimizerSlots();
  TensorMap added = added_tensors(alteration, network, model_.tensors(), seed);
  for (const auto& [name, tensor] : solved) {
    added.insert_or_assign(name, tensor);
    for (auto& [slot, tensors] : kept) tensors.erase(name);
  }
  for (const auto& [name, of] : alteration.copies) {
    for (auto& [slot, tensors] : kept) {
      if (const auto old = tensors.find(of); old != tensors.end())
        tensors.insert_or_assign(name, Tensor(old->second));
    }
  }
  model_.alter(std::move(network), added);
  optimizer_->bind(model_.parameters(), kept);
  buckets_.reset();
  if (captured_) captured_->forget();
  return alteration;
}

}  // namespace tailor::train
