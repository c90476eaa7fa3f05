// What a configuration says of sequences' answers: the loss of connectionist temporal
// classification (Graves et al. 2006) and how answers are decoded.
#pragma once

#include <string>

#include "tailor/core/record.h"

namespace tailor::task {

/// Of an example's loss -ln p: divided by its labels (Bonito, PyTorch's mean) or as it is (NeMo);
/// then the mean over the batch.
enum class CtcReduction { Target, Batch };
TAILOR_ENUMERATORS(CtcReduction, "target", "batch")

struct CtcConfig {
  CtcReduction reduction = CtcReduction::Target;
  /// Adds -mean(w · log p) over an example's own frames and all outputs: w is this for the blank,
  /// and a quarter of this divided by the labels for each of them (Bonito: 0.4, and 0.025 for each
  /// of four bases); 0: nothing.
  double smoothing = 0;
  int64_t beam = 5;              // candidates that a decoder keeps; 1: the most likely path
  double beam_threshold = 1e-3;  // labels less likely at a frame do not extend a candidate
  std::string language_model;    // speech: an ARPA file; empty: none
  double lm_weight = 2, word_bonus = 1.5;
};

void describe(RecordVisitor& v, CtcConfig& c);
/// Checks what one key cannot check alone. `source` names the file in errors.
void verify_config(const CtcConfig& config, const std::string& source);

}  // namespace tailor::task
