// What a configuration says of the alterations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::surgery {

enum class AlterationKind { Remove, Shorten, Keep };
TAILOR_ENUMERATORS(AlterationKind, "remove", "shorten", "keep")
enum class EditOrder { InputFirst, OutputFirst };
TAILOR_ENUMERATORS(EditOrder, "input_first", "output_first")
enum class SurgeryKind { None, Remove, Shorten };
TAILOR_ENUMERATORS(SurgeryKind, "none", "remove", "shorten")

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
  std::vector<SkipPlan> plan;
  int64_t statistics_images = 512;
  bool allow_partial = false;
};

void describe(RecordVisitor& v, SurgeryConfig& c);

}  // namespace tailor::surgery
