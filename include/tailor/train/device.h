// Which devices there are, and which one a configuration means.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

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

/// Of cuDNN: those that repeat themselves, or the fastest, which are measured for every shape.
void choose_algorithms(bool deterministic);

}  // namespace tailor::train
