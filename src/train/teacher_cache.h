// Answers of a frozen teacher that are given again when the same image comes again, augmentation
// and all (docs/design/0027).
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/core/span.h"
#include "tailor/nn/model.h"
#include "tailor/task/task.h"
#include "tailor/train/trainer.h"

namespace tailor::train {

class TeacherCache {
 public:
  /// The teacher answers so many images at a time, always: what it says of one is then bit for bit
  /// the same whichever images it comes with, and whether it was kept.
  static constexpr int64_t kRows = 16;

  /// Keeps up to `most` answers of `outputs` logits; its memory is taken at once.
  TeacherCache(int64_t most, int64_t outputs);
  /// How many fit into so much memory.
  static int64_t answers_in(int64_t bytes, int64_t outputs);

  /// teacher.forward(inputs) up to rounding, for inputs in host memory: float32 [n, channels, rows,
  /// columns].
  at::Tensor answers(const FrozenModel& teacher, const at::Tensor& inputs);

  int64_t asked() const { return asked_; }
  int64_t found() const { return found_; }  // of those
  int64_t kept() const { return kept_; }
  int64_t bytes() const;

 private:
  /// 128 bits of an image's numbers: of eight million images two have the same with a probability
  /// of 2^-83.
  struct Key {
    uint64_t a = 0, b = 0;  // a is never 0 of an image
  };
  static Key key_of(Span<const float> image);
  /// Where the key's answer is kept, or would be.
  size_t place_of(const Key& key) const;
  void keep(const Key& key, const float* answer);

  int64_t most_, outputs_;
  int64_t kept_ = 0, asked_ = 0, found_ = 0;
  std::vector<Key> keys_;  // open addressing, one in five free
  std::vector<float> answers_;
};

/// What share of all images in so many epochs has been seen before, when each of `versions` comes
/// equally often.
double expected_repeats(int64_t versions, int64_t epochs);

/// Throws Config where distill.teacher_cache, below the pointer `at`, is "on" and that cannot be;
/// `images`: of the data.
void verify_teacher_cache(const RunConfig& config, bool images, const Network& network,
                          at::Device device, const std::string& source, const std::string& at = "");

/// How many answers of its teacher a run keeps, as distill.teacher_cache says; 0: none. Throws as
/// verify_teacher_cache.
int64_t plan_teacher_cache(const RunSpec& spec, const Task& task, const Network& network,
                           at::Device device);

}  // namespace tailor::train
