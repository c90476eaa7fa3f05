// A batch's memory, owned here and seen by LibTorch: images as augmented, labels, and the loss that
// mixed labels make.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>

#include <optional>
#include <vector>

#include "tailor/data/batch.h"

namespace tailor {

/// NHWC floats that LibTorch sees as a channels-last [n, C, H, W], and labels [n].
class BatchBuffer {
 public:
  BatchBuffer(int64_t size, const MapShape& shape, const Preprocessing& preprocessing)
      : shape_(shape),
        maker_(shape, preprocessing),
        pixels_(static_cast<size_t>(size * shape.size())),
        labels_(static_cast<size_t>(size)) {}

  void fill(const ImageDataset& images, Span<const int64_t> indices,
            const std::optional<Augmentation>& augmentation, int64_t epoch) {
    count_ = static_cast<int64_t>(indices.size());
    share_ = maker_.fill(images, indices, augmentation, epoch,
                         {pixels_.data(), static_cast<size_t>(count_ * shape_.size())},
                         {labels_.data(), indices.size()});
  }
  at::Tensor pixels() {
    const int64_t c = shape_.channels, h = shape_.height, w = shape_.width;
    return at::from_blob(pixels_.data(), {count_, c, h, w}, {h * w * c, 1, w * c, c}, at::kFloat);
  }
  at::Tensor labels() { return at::from_blob(labels_.data(), {count_}, at::kLong); }
  /// Cross-entropy; of mixed images the two labels' by their shares.
  at::Tensor cross_entropy(const at::Tensor& logits) {
    at::Tensor own = at::cross_entropy_loss(logits, labels());
    if (share_ == 1) return own;
    return at::add(own.mul(share_), at::cross_entropy_loss(logits, labels().flip(0)), 1 - share_);
  }
  Span<const int64_t> label_values() const { return {labels_.data(), static_cast<size_t>(count_)}; }

 private:
  MapShape shape_;
  BatchMaker maker_;
  std::vector<float> pixels_;
  std::vector<int64_t> labels_;
  int64_t count_ = 0;
  double share_ = 1;  // mixup's
};

}  // namespace tailor
