// What this machine's CPU has beyond what the compiler can be asked.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor::core {

/// Tiles that multiply bfloat16 (Intel AMX), by a CPU that has them and a Linux that keeps them
/// apart for its processes. Each of those has to ask for them still.
bool has_amx_bfloat16();

}  // namespace tailor::core
