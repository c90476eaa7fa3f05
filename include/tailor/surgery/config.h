// What a configuration says of the alterations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::surgery {

enum class AlterationKind { Remove, Shorten, Keep };
TAILOR_ENUMERATORS(AlterationKind, "remove", "shorten", "keep")
enum class EditOrder { InputFirst, OutputFirst, Plan };
TAILOR_ENUMERATORS(EditOrder, "input_first", "output_first", "plan")
enum class SurgeryKind { None, Remove, Shorten };
TAILOR_ENUMERATORS(SurgeryKind, "none", "remove", "shorten")

enum class EditKind { Cut, Solve, Fade };
TAILOR_ENUMERATORS(EditKind, "cut", "solve", "fade")

/// What an edit does to what the optimiser remembers of the tensors that stay.
enum class OptimizerState { Keep, Reset };
TAILOR_ENUMERATORS(OptimizerState, "keep", "reset")

/// The skips of a network that begins with initial weights. Repvgg: none but branches that become
/// part of the kernels. Dirac: none, but kernels with an identity.
enum class InitialSkips { Kept, Removed, Shortened, Repvgg, Dirac };
TAILOR_ENUMERATORS(InitialSkips, "kept", "removed", "shortened", "repvgg", "dirac")

/// How a block whose skip goes is solved for anew.
struct SolveConfig {
  int64_t images = 1024;
  int64_t positions = 48000;
  double ridge = 1e-3;
  int64_t steps = 0;
};

struct SkipPlan {
  std::string skip;
  AlterationKind kind = AlterationKind::Keep;
};

struct SurgeryConfig {
  SurgeryKind kind = SurgeryKind::None;
  int64_t alpha = 3;
  EditOrder order = EditOrder::InputFirst;
  int64_t at_once = 1;
  std::optional<int64_t> first_epoch;  // default alpha
  EditKind edit = EditKind::Cut;
  SolveConfig solve;
  std::vector<SkipPlan> plan;
  OptimizerState optimizer = OptimizerState::Keep;
  int64_t statistics_images = 512;
  int64_t warmup_steps = 0;
  bool allow_partial = false;
};

void describe(RecordVisitor& v, SurgeryConfig& c);

}  // namespace tailor::surgery
