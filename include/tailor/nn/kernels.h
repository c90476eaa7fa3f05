// Which kernels networks run on: those of this program where it has some, or LibTorch's alone, the
// reference that the others are tested against. A setting of the process, like LibTorch's own.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor::nn {

enum class Kernels { Fast, Reference };

void use_kernels(Kernels kernels);
bool uses_fast_kernels();
/// Of those of this program, as this process may use it: "AVX-512", "AVX2" or "plain", and where it
/// has kernels of bfloat16, of those "AVX-512 BF16" or "AVX-512 BF16 and AMX".
const char* instruction_set(bool of_bfloat16);

}  // namespace tailor::nn
