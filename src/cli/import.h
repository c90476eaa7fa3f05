// What importing weights and importing an ONNX model have in common.
#pragma once

#include <string>
#include <vector>

#include "tailor/cli/commands.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/checkpoint.h"

namespace tailor::cli {

/// The data set that such images and classes are known from; the user may say another.
Json usual_data(const Network& network);

/// No weight of a trained network is infinite, no number or a negative variance. Throws Data.
void verify_values(const TensorMap& tensors, const std::string& file);

/// Mean and deviation with which the weights want their images.
struct PreprocessingChoice {
  Preprocessing values;
  std::string mean_from, deviation_from;
  std::string assumed;  // from where; empty if the file or the user says them
};
PreprocessingChoice choose_preprocessing(const ImportOptions& options, const WeightRules& rules,
                                         const std::optional<Json>& in_file,
                                         const std::string& data_name, int64_t channels);

/// The names in a text file, one a line, as many as the network has classes.
std::vector<std::string> read_class_names(const std::string& path, const Network& network);

/// LibTorch's answers to seeded noise. Throws Data where they are not finite.
CheckpointWitness make_witness(const Checkpoint& c, const std::string& file);

/// tailor import MODEL.onnx.
int import_onnx(const ImportOptions& options);

}  // namespace tailor::cli
