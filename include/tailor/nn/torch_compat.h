// Every difference between LibTorch 1.13 and 2.x that this project meets. No other file asks for
// the version.
#pragma once

#include <ATen/Version.h>
#include <torch/version.h>
#ifdef TAILOR_CUDA
#include <ATen/cuda/CUDAGraph.h>
#endif

#include <string>

// Not the patch level: Debian's 1.13.1 says 1.13.0.
#define TAILOR_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) ||         \
   (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace tailor::nn {

/// The vector instructions ATen's own kernels use.
inline std::string torch_cpu_capability() {
#if TAILOR_TORCH_AT_LEAST(2, 0)
  return at::get_cpu_capability();
#else
  // "… - CPU capability usage: AVX2 …" in the text that 1.13 prints.
  const std::string text = at::show_config(), key = "CPU capability usage: ";
  const size_t at = text.find(key);
  return at == std::string::npos
             ? "unknown"
             : text.substr(at + key.size(), text.find('\n', at) - at - key.size());
#endif
}

#ifdef TAILOR_CUDA
/// Other threads may go on calling CUDA; 1.13 gives no choice.
inline void begin_capture(at::cuda::CUDAGraph& graph) {
#if TAILOR_TORCH_AT_LEAST(2, 1)
  graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
#else
  graph.capture_begin();
#endif
}
#endif

}  // namespace tailor::nn
