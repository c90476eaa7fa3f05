#include "tailor/train/group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include "tailor/core/error.h"
#include "tailor/core/record.h"
#include "tailor/train/device.h"
#include "train/c10d_group.h"

namespace tailor::train {
namespace {

class Alone : public Group {
 public:
  Alone() : Group(Launch()) {}
  void tell(const Json& /*message*/) override {}
  Json hear() override { fail(ErrorKind::Internal, "one process has nobody to listen to"); }
  void leave() override {}
  void connect(at::Device device) override { device_ = device; }
  Pending start_sum(const at::Tensor& /*tensor*/) override {
    return [] {};
  }
  void take_largest(const at::Tensor& /*tensor*/) override {}
  void broadcast(const at::Tensor& /*tensor*/) override {}
};

}  // namespace

Group& Group::alone() {
  static Alone alone;
  return alone;
}

std::unique_ptr<Group> Group::open(const Launch& launch) {
  if (launch.size == 1) return std::make_unique<Alone>();
  return open_c10d_group(launch);
}

std::string Group::broadcast_bytes(const std::string& bytes) {
  const at::Tensor size = at::tensor({static_cast<int64_t>(bytes.size())}, at::kLong).to(device_);
  broadcast(size);
  std::string result = bytes;
  result.resize(static_cast<size_t>(size.item<int64_t>()));
  if (result.empty()) return result;
  const at::Tensor host =
      at::from_blob(result.data(), {static_cast<int64_t>(result.size())}, at::kByte);
  const at::Tensor sent = host.to(device_);
  broadcast(sent);
  host.copy_(sent);
  return result;
}

c10::Device resolve_device(const std::string& device, const Launch& launch,
                           const std::string& source) {
  const c10::Device first = resolve_device(device, source);
  if (launch.size == 1 || first.is_cpu()) return first;
  if (device != "auto" && device != "cuda") {
    fail_config(
        "/runtime/device",
        fmt::format("auto, cuda or cpu: each of {} workers takes a GPU of its own", launch.size),
        Json(device).dump(), source);
  }
  // A launcher may have left each process one GPU to see.
  if (list_devices().size() == 2) return first;
  return resolve_device(fmt::format("cuda:{}", launch.local_rank), source);
}

}  // namespace tailor::train
