// Which devices there are, which one a configuration means, and what steps compute in there.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <vector>

#include "tailor/run/run_config.h"

namespace tailor::train {

struct DeviceInfo {
  std::string name;          // "cpu", "cuda:0": as runtime.device has it
  std::string model;         // "NVIDIA H200"; empty where it is not known
  int64_t memory_bytes = 0;  // 0: not known
};
/// What LibTorch can run on, the CPU first. Nothing is started on a device.
std::vector<DeviceInfo> list_devices();

/// `device`: auto, cpu, cuda or cuda:N. Throws Config naming the devices that there are, at
/// /runtime/device of `source`. Float32 is float32 on every device: TF32 is switched off.
c10::Device resolve_device(const std::string& device, const std::string& source);

/// What TrainConfig::precision names.
c10::ScalarType compute_type(const std::string& precision);
/// Throws Config, at `pointer`/precision of `source`, where steps cannot be computed so: on this
/// device, or of a network that is trained quantised.
void verify_precision(const std::string& precision, bool quantised, c10::Device device,
                      const std::string& pointer, const std::string& source);

/// Kernels of this program or LibTorch's alone. Of cuDNN's: those that repeat themselves, or the
/// fastest, which are measured for every shape.
void choose_algorithms(const RuntimeConfig& runtime);
/// Which kernels they are: "fast kernels (AVX-512, LibTorch's AVX2)" by what this machine's CPU
/// has, or "fast kernels (cuda)". `precision`: of the steps (train.precision).
std::string kernels_in_words(const RuntimeConfig& runtime, const std::string& precision,
                             c10::Device device);

}  // namespace tailor::train
