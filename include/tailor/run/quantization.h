// What a configuration says of quantised training: which types, and from which epoch on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"
#include "tailor/design/calibrate.h"
#include "tailor/design/trained_precision.h"
#include "tailor/net/network.h"
#include "tailor/surgery/surgery.h"

namespace tailor::run {

/// From the first epoch on (the paper), from the first alteration's, or once the last one has
/// settled.
enum class QuantizeFrom { Start, Altering, After };
TAILOR_ENUMERATORS(QuantizeFrom, "start", "altering", "after")

/// Where binary points stand: as the types say; where data have least error, looked at when
/// quantised training begins and after every alteration; or there first, and then where gradients
/// move them (Jain et al. 2020, TQT).
enum class Points { Fixed, Calibrated, Learned };
TAILOR_ENUMERATORS(Points, "fixed", "calibrated", "learned")

struct QuantizationConfig {
  std::string precision = "8,3";     // W,I of weights and activations
  std::string weights, activations;  // W,I of one of them; empty: precision
  std::string first, last;           // W,I of the weights of the first and last layer
  std::vector<StageTypes> stages;
  Points points = Points::Fixed;
  std::optional<int64_t> scale_bits;  // of the scales of output channels; none: they have none
  std::optional<double> mean_bits;    // of learned widths; none: they are as said
  int64_t calibration_images = 64;
  QuantizeFrom from = QuantizeFrom::Start;
  std::optional<int64_t> first_epoch;        // instead of `from`
  std::optional<int64_t> freeze_statistics;  // epoch from which batch norm is frozen
};
void describe(RecordVisitor& v, QuantizationConfig& c);
/// Throws Config for what is no W,I, and for what LibTorch cannot train.
void verify_config(const QuantizationConfig& c, const ExportConfig& exporting,
                   const std::string& source);

/// What is said in vain of a network that is to be trained for so many epochs. Throws Config for an
/// exception that names no type, or one that its stage has not, and for statistics that would
/// freeze behind the end. Not of a run that was begun: an older version let it.
void refuse_vain_types(const QuantizationConfig& c, const Network& network, int64_t epochs,
                       const std::string& source);

/// With points that move: the bits, and how calibrate is asked for them.
CalibrationRequest calibration_request(const QuantizationConfig& c, const TrainedPrecision& types,
                                       const Network& network);

/// The types of a network's training, with the rounding, overflow and layout of the export.
/// `input_magnitude` is the largest |input|. Throws Config for a stage that the network has not.
TrainedPrecision resolve_precision(const QuantizationConfig& c, const ExportConfig& exporting,
                                   const Network& network, double input_magnitude,
                                   const std::string& source);

/// The first epoch that is trained quantised. Throws Config unless it is below `epochs`.
int64_t quantized_from(const QuantizationConfig& c, const SurgeryConfig& surgery,
                       const std::vector<PlannedEdit>& edits, int64_t epochs,
                       const std::string& source);

/// The export section as a checkpoint of such a training has it: with its types.
ExportConfig with_precision(ExportConfig exporting, const TrainedPrecision& trained);

}  // namespace tailor::run
