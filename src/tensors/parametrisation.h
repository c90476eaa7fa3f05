// A weight that a program keeps as what it is computed from: torch's pruning masks and weight norm,
// by hooks or as parametrizations. Here it is computed once, as the program does before it runs.
#pragma once

#include <string>

#include "tailor/tensors/weight_file.h"

namespace tailor::tensors {

/// In place of NAME_orig and NAME_mask their product NAME; in place of NAME_g and NAME_v (also
/// parametrizations.NAME.original0 and 1) the vectors NAME = g · v / ‖v‖, the norm over the
/// dimensions that g has not. A remark tells of them. Throws Data where shapes do not fit or v is
/// 0.
void resolve_parametrisations(WeightFile& file, const std::string& where);

}  // namespace tailor::tensors
