#include "tailor/train/device.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <cstdlib>

#include "tailor/core/record.h"
#include "tailor/core/strings.h"
#include "tailor/nn/bfloat16.h"
#include "tailor/nn/kernels.h"
#include "tailor/nn/torch_compat.h"

namespace tailor::train {
namespace {

int64_t cuda_devices() {
  if (!at::globalContext().hasCUDA() || !c10::impl::hasDeviceGuardImpl(at::kCUDA)) return 0;
  return c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount();
}

/// Name and memory as the driver says them: a LibTorch for the CPU alone has no functions for it,
/// and so none can be linked.
void describe_cuda(int index, DeviceInfo& info) {
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) return;
  const auto initialise = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto get_name =
      reinterpret_cast<int (*)(char*, int, int)>(::dlsym(driver, "cuDeviceGetName"));
  const auto get_memory =
      reinterpret_cast<int (*)(size_t*, int)>(::dlsym(driver, "cuDeviceTotalMem_v2"));
  char name[256] = {};
  size_t bytes = 0;
  if (initialise && initialise(0) == 0) {
    if (get_name && get_name(name, sizeof name - 1, index) == 0) info.model = name;
    if (get_memory && get_memory(&bytes, index) == 0)
      info.memory_bytes = static_cast<int64_t>(bytes);
  }
  ::dlclose(driver);
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices = {{"cpu", "", 0}};
  for (int64_t i = 0; i < cuda_devices(); ++i) {
    devices.push_back({fmt::format("cuda:{}", i), "", 0});
    describe_cuda(static_cast<int>(i), devices.back());
  }
  return devices;
}

c10::Device resolve_device(const std::string& device, const std::string& source) {
  const int64_t count = cuda_devices();
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  if (device == "cpu" || (device == "auto" && count == 0)) return at::kCPU;
  const std::string prefix = "cuda:";
  std::optional<int64_t> index;
  if (device == "auto" || device == "cuda") index = 0;
  if (device.compare(0, prefix.size(), prefix) == 0)
    index = parse_int(device.substr(prefix.size()));
  if (!index || *index < 0 || *index >= count) {
    std::vector<std::string> names;
    for (const DeviceInfo& info : list_devices()) names.push_back(info.name);
#ifdef TAILOR_CUDA
    const char* why = "LibTorch finds no other";
#else
    const char* why = "this LibTorch is built without CUDA";
#endif
    fail_config("/runtime/device",
                fmt::format("auto, or one of what there is: {} ({})", join(names, ", "), why),
                Json(device).dump(), source);
  }
  return {at::kCUDA, static_cast<c10::DeviceIndex>(*index)};
}

c10::ScalarType compute_type(const std::string& precision) {
  return precision == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

void verify_precision(const std::string& precision, bool quantised, c10::Device device,
                      const std::string& pointer, const std::string& source) {
  if (compute_type(precision) == at::kFloat) return;
  std::string expected;
  if (quantised) {
    expected = "float32 where the network is trained quantised";
  } else if (!nn::has_bfloat16(device)) {
    expected = fmt::format("float32: LibTorch has no convolutions in bfloat16 for this {}",
                           device.is_cpu() ? "CPU (they need AVX-512)" : "GPU");
    for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
      const char* value = std::getenv(name);
      if (device.is_cpu() && value)
        expected += fmt::format("; {}={} in the environment may keep them from it", name, value);
    }
  } else {
    return;
  }
  fail_config(pointer + "/precision", expected, Json(precision).dump(), source);
}

std::string kernels_in_words(const RuntimeConfig& runtime, const std::string& precision,
                             c10::Device device) {
  if (!device.is_cpu()) {
    return fmt::format("{} kernels ({})", runtime.kernels,
                       c10::DeviceTypeName(device.type(), /*lower_case=*/true));
  }
  const bool narrow = compute_type(precision) == at::kBFloat16 && runtime.kernels == "fast";
  return fmt::format("{} kernels ({}, LibTorch's {})", runtime.kernels, nn::instruction_set(narrow),
                     torch_cpu_capability());
}

void choose_algorithms(const RuntimeConfig& runtime) {
  nn::use_kernels(runtime.kernels == "reference" ? nn::Kernels::Reference : nn::Kernels::Fast);
  const bool deterministic = runtime.deterministic;
  at::globalContext().setDeterministicCuDNN(deterministic);
  at::globalContext().setBenchmarkCuDNN(!deterministic);
}

}  // namespace tailor::train
