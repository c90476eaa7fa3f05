// How a stage of a design has its weights: cast to its type, in steps of scales where its output
// channels have them.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "tailor/fixed/fixed_type.h"
#include "tailor/nn/quantised.h"

namespace tailor::nn {

/// Values [out], as they multiply and divide a weight [out, …].
at::Tensor per_output(const at::Tensor& values, const at::Tensor& weight);

struct WeightCast {
  FixedType type;
  std::optional<FixedType> scale;  // of each output channel
  at::Tensor range;                // of a learned type, or undefined
  bool exact = false;              // scales are those of the export, bit for bit
  std::vector<double> steps = {};  // of each output channel's weights, where they are given

  /// A weight [out, …] of float64.
  at::Tensor operator()(const at::Tensor& weight) const;

 private:
  at::Tensor scales_of(const at::Tensor& weight) const;
  /// As the export finds them, bit for bit.
  at::Tensor scales_on_host(const at::Tensor& weight) const;
  /// The same but for the order of a sum, on which a step may depend. Nothing waits for the device.
  at::Tensor scales_on_device(const at::Tensor& weight) const;
};

}  // namespace tailor::nn
