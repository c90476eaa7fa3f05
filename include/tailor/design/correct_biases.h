// Bias correction by data (Nagel et al. 2019, Data-Free Quantization, section 4.2): rounding shifts
// the mean of each channel's sums, and a bias can take that back. For whoever does not retrain.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tailor/design/design.h"

namespace tailor::design {

/// What to add to biases of a network, by the tensor's name.
using BiasShifts = std::map<std::string, std::vector<double>>;

/// They go to the batch norm behind a convolution, else to the layer's own bias; a layer with
/// neither is left as it is. Of each channel a shift is the mean over images (HWC) and pixels of
/// what a stage of the plan sums up in float64, less what it sums up of rounded weights and values,
/// every stage before it corrected. Throws Usage without images, Unsupported for a plan with line
/// buffers, whose scales are not the network's.
BiasShifts bias_corrections(const Lowered& lowered, const Plan& plan,
                            const std::vector<std::vector<double>>& images);
void add_to_biases(TensorMap& tensors, const BiasShifts& shifts);

}  // namespace tailor::design
