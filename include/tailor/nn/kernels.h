// Which kernels networks run on: those of this program where it has some, or LibTorch's alone, the
// reference that the others are tested against. A setting of the process, like LibTorch's own.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor::nn {

enum class Kernels { Fast, Reference };

void use_kernels(Kernels kernels);
bool uses_fast_kernels();
/// Of those of this program, as this process may use it: "AVX-512", "AVX2" or "plain", and of
/// bfloat16 "AVX-512 and AMX", too.
const char* instruction_set(bool of_bfloat16);

}  // namespace tailor::nn
