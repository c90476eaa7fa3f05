#include "tailor/train/objective.h"

#include <ATen/ops/add.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mse_loss.h>

#include <map>

#include "tailor/core/error.h"
#include "tailor/nn/squared_errors.h"
#include "train/ctc.h"

namespace tailor::train {
namespace {

/// Cross-entropy; of mixed images the two labels' by their shares.
at::Tensor cross_entropy(const at::Tensor& logits, const DeviceBatch& batch,
                         const ObjectiveSpec& /*spec*/) {
  at::Tensor own = at::cross_entropy_loss(logits, batch.targets);
  if (batch.share == 1) return own;
  return at::add(own.mul(batch.share), at::cross_entropy_loss(logits, batch.targets.flip(0)),
                 1 - batch.share);
}

/// Right answers; the first of equal logits is the answer.
at::Tensor right_answers(const at::Tensor& logits, const DeviceBatch& batch) {
  return at::eq(at::argmax(logits, 1), batch.targets).sum(at::kDouble).reshape({1});
}

std::map<std::string, Objective>& objectives() {
  static std::map<std::string, Objective> objectives = {
      {"cross_entropy", {cross_entropy, right_answers, nullptr, /*can_be_captured=*/true}},
      {"ctc", ctc_objective()}};
  return objectives;
}

at::Tensor view_of(const Tensor& tensor) {
  const at::ScalarType type = tensor.dtype() == DType::I64 ? at::kLong : at::kFloat;
  TAILOR_CHECK(tensor.dtype() == DType::I64 || tensor.dtype() == DType::F32, "a batch of {}",
               dtype_name(tensor.dtype()));
  return at::from_blob(const_cast<std::byte*>(tensor.bytes().data()), tensor.shape(), type);
}

/// A copy from memory that is not pinned would wait for what the device still has to do.
at::Tensor send(const at::Tensor& host, at::Device device) {
  return device.is_cpu() ? host : host.pin_memory().to(device, host.scalar_type(), true);
}

}  // namespace

DeviceBatch to_device(const Batch& batch, const Model& model) {
  DeviceBatch examples = to_device(batch, model.device());
  for (int64_t length : batch.lengths)
    examples.positions.push_back(output_length(model.network(), length));
  return examples;
}

DeviceBatch to_device(const Batch& batch, at::Device device) {
  return {batch.count,
          send(view_of(batch.inputs), device).permute({0, 3, 1, 2}),
          send(view_of(batch.targets), device),
          batch.lengths,
          batch.target_lengths,
          {},
          batch.share,
          batch.weight};
}

at::Tensor distance_between(const DistillConfig& how, const at::Tensor& student,
                            const at::Tensor& teacher) {
  if (how.distance == Distance::Kl) {
    const double t = how.temperature;
    const at::Tensor wanted = at::log_softmax(teacher.div(t), -1),
                     apart = wanted.sub(at::log_softmax(student.div(t), -1));
    return wanted.exp().mul(apart).sum(-1).mean().mul(t * t);
  }
  auto as_compared = [&](const at::Tensor& logits) {
    if (how.distance == Distance::Mse) return logits;
    constexpr double kLeast = 1e-6;  // of a deviation: equal logits stay equal
    const at::Tensor centred = logits.sub(logits.mean(-1, /*keepdim=*/true));
    return centred.div(centred.square().mean(-1, /*keepdim=*/true).add(kLeast * kLeast).sqrt());
  };
  return at::mse_loss(as_compared(student), as_compared(teacher));
}

at::Tensor feature_distance(const std::vector<at::Tensor>& student,
                            const std::vector<at::Tensor>& teacher) {
  at::Tensor sum;
  for (size_t i = 0; i < student.size(); ++i) {
    const nn::SquaredErrors errors = nn::squared_errors(student[i], teacher[i]);
    const at::Tensor
        // Where nearly nothing is wanted of an image, that of the others is the measure.
        square = at::maximum(errors.wanted, errors.wanted.mean().mul(0.01)),
        error = errors.apart.div(square.add(square.eq(0))).mean();
    sum = sum.defined() ? sum.add(error) : error;
  }
  return sum.div(static_cast<double>(student.size()));
}

namespace {

bool have_the_same_blocks(const Network& a, const Network& b) {
  return std::equal(a.blocks.begin(), a.blocks.end(), b.blocks.begin(), b.blocks.end(),
                    [](const Block& mine, const Block& other) { return mine.id == other.id; });
}

/// Those of the same id, or the last ones of each shape, whose maps have the same shape.
ComparedBlocks paired_blocks(Features features, const Network& student, const Network& teacher) {
  ComparedBlocks blocks;
  const std::vector<MapShape> mine = block_inputs(student), theirs = block_inputs(teacher);
  auto is_last = [](const std::vector<MapShape>& shapes, size_t b) {
    return b + 2 == shapes.size() || shapes[b + 1] != shapes[b + 2];
  };
  for (size_t b = 0; b < student.blocks.size(); ++b) {
    for (size_t t = 0; t < teacher.blocks.size(); ++t) {
      const bool pairs = features == Features::Blocks ? student.blocks[b].id == teacher.blocks[t].id
                                                      : is_last(mine, b) && is_last(theirs, t);
      if (!pairs || mine[b + 1] != theirs[t + 1]) continue;
      blocks.student.push_back(b), blocks.teacher.push_back(t);
      break;
    }
  }
  return blocks;
}

}  // namespace

ComparedBlocks compared_blocks(Features features, const Network& student, const Network& teacher,
                               const std::string& source, const std::string& at) {
  if (features == Features::None) return {};
  if (features == Features::Blocks && !have_the_same_blocks(student, teacher)) {
    fail_config(at + "/distill/features",
                fmt::format("\"stages\" or \"none\", because {} and its teacher {} have other "
                            "blocks: those of one name are in other places",
                            student.name, teacher.name),
                "\"blocks\"", source);
  }
  ComparedBlocks blocks = paired_blocks(features, student, teacher);
  if (blocks.student.empty()) {
    fail_config(at + "/distill/features",
                fmt::format("none: {} and its teacher {} have no block with maps of the same shape",
                            student.name, teacher.name),
                fmt::format("\"{}\"", to_string(features)), source);
  }
  return blocks;
}

ComparedBlocks through_blocks(const Network& student, const Network& teacher,
                              const std::string& source, const std::string& at) {
  const ComparedBlocks ends = paired_blocks(Features::Stages, student, teacher);
  ComparedBlocks blocks;
  for (size_t i = 0; i < ends.teacher.size(); ++i) {
    if (ends.teacher[i] + 1 == teacher.blocks.size()) continue;
    blocks.student.push_back(ends.student[i]), blocks.teacher.push_back(ends.teacher[i]);
  }
  if (blocks.student.empty()) {
    fail_config(at + "/distill/through_weight",
                fmt::format("0: the teacher {} has no block that could go on from a map of {}",
                            teacher.name, student.name),
                "more", source);
  }
  return blocks;
}

void register_objective(const std::string& name, Objective objective) {
  objectives()[name] = objective;
}

const Objective& find_objective(const std::string& name) {
  const auto found = objectives().find(name);
  if (found == objectives().end())
    fail(ErrorKind::Internal, "there is no objective {} (train/objective.h)", name);
  return found->second;
}

}  // namespace tailor::train
