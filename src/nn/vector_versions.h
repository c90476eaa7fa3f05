// Each version of VectorKernels; null where it was compiled without its instruction set.
#pragma once

#include "nn/vector_kernels.h"

namespace tailor::nn {

const VectorKernels* plain_kernels();
const VectorKernels* avx2_kernels();
const VectorKernels* avx512_kernels();
const MapKernels<uint16_t>* avx512_bf16_kernels();
/// Where AVX-512's are.
const MapKernels<uint16_t>* amx_kernels();

}  // namespace tailor::nn
