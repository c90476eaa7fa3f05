// A group of several processes, over c10d.
#pragma once

#include <memory>

#include "tailor/train/group.h"

namespace tailor::train {

std::unique_ptr<Group> open_c10d_group(const Launch& launch);

}  // namespace tailor::train
