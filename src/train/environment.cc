// What the loaded LibTorch is and what it lacks.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/nn/torch_compat.h"
#include "tailor/train/device.h"
#include "tailor/train/group.h"
#include "tailor/train/trainer.h"

namespace tailor::train {
namespace {

/// The file that the BLAS call sgemm_ comes from, or "built in".
std::string blas_library() {
  void* symbol = ::dlsym(RTLD_DEFAULT, "sgemm_");
  Dl_info info{};
  if (!symbol || ::dladdr(symbol, &info) == 0 || !info.dli_fname) return "built in";
  char resolved[4096];
  return ::realpath(info.dli_fname, resolved) ? resolved : info.dli_fname;
}

bool is_reference_blas(const std::string& library) {
  return library.find("/blas/libblas") != std::string::npos;
}

}  // namespace

int set_torch_threads(int64_t threads, const Launch& launch) {
  // Threads of LibTorch's spin while they wait: far more than there are processors stand still.
  constexpr int64_t kMostPerProcessor = 4;
  const auto sharing = launch.shares_cpus ? static_cast<int>(launch.local_size) : 1;
  const int available = std::max(1, available_threads() / sharing);
  const bool far_too_many = threads > kMostPerProcessor * available;
  const int count = threads > 0 && !far_too_many ? static_cast<int>(threads) : available;
  if (threads > available) {
    log_warn("train",
             "runtime.threads is {}, and this process may use {} (affinity mask, cgroup quota): {}",
             threads, available,
             far_too_many ? fmt::format("{} are started", available) : "training will be slower");
  }
  at::set_num_threads(count);
  if (is_reference_blas(blas_library())) {
    log_warn("train",
             "LibTorch uses the reference BLAS, 5 to 7 times slower on matrix products: install "
             "libopenblas0-pthread (scripts/setup.sh)");
  }
  return count;
}

Json describe_torch() {
  const std::string blas = blas_library();
  Json::Array devices;
  for (const DeviceInfo& device : list_devices()) {
    std::string text = device.name;
    if (!device.model.empty()) text += " (" + device.model;
    if (device.memory_bytes > 0) {
      text += fmt::format("{}{:.0f} GiB", device.model.empty() ? " (" : ", ",
                          static_cast<double>(device.memory_bytes) / (1024.0 * 1024 * 1024));
    }
    devices.emplace_back(text + (text == device.name ? "" : ")"));
  }
  Json json = Json::object({{"version", TORCH_VERSION},
                            {"blas", blas},
                            {"cpu_capability", torch_cpu_capability()},
                            {"threads", at::get_num_threads()},
                            {"cuda", at::globalContext().hasCUDA()},
                            {"devices", devices},
                            {"onednn", at::globalContext().hasMKLDNN()},
                            {"workers", workers_share_over()}});
  Json::Array advice;
  if (is_reference_blas(blas)) {
    advice.emplace_back(
        "libopenblas0-pthread: matrix products are 5 to 7 times slower without it "
        "(scripts/setup.sh)");
  }
  if (!at::globalContext().hasMKLDNN())
    advice.emplace_back("this LibTorch has no oneDNN: convolutions are several times slower");
  json.set("advice", advice);
  return json;
}

}  // namespace tailor::train
