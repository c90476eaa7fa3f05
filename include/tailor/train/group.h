// The processes that train a run together. Rank 0 leads: it owns the run folder, tells the others
// what to train, and says what goes wrong. Sums and copies go over c10d: Gloo on CPUs, NCCL on GPUs
// (docs/design/0025).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/run/launch.h"

namespace tailor::train {

class Group {
 public:
  /// A sum that is under way: to be called once, when the tensor is needed. Throws as Group::sum.
  using Pending = std::function<void()>;

  /// Finds the others. Throws Worker when they do not come.
  static std::unique_ptr<Group> open(const Launch& launch);
  /// Of one process: nothing is summed, and nobody told.
  static Group& alone();
  virtual ~Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const Launch& launch() const { return launch_; }
  int64_t rank() const { return launch_.rank; }
  int64_t size() const { return launch_.size; }
  bool leads() const { return launch_.rank == 0; }
  bool is_shared() const { return launch_.size > 1; }

  /// The leader's: every follower hears it. What is told is heard in order.
  virtual void tell(const Json& message) = 0;
  /// A follower's: waits for the next message, as long as it takes. Throws Worker when the leader
  /// is gone.
  virtual Json hear() = 0;
  /// A follower's last call, and the leader's, which waits a little for those of the others.
  virtual void leave() = 0;

  /// Of all, before the first sum: tensors are on `device` from now on. Throws as verify_sharing.
  virtual void connect(at::Device device) = 0;
  at::Device device() const { return device_; }

  /// Every tensor becomes the sum over all processes, in place, on each of them the same. It is
  /// contiguous, on the group's device. Throws Worker naming who is lost.
  void sum(const at::Tensor& tensor) { start_sum(tensor)(); }
  virtual Pending start_sum(const at::Tensor& tensor) = 0;
  /// The largest over all, alike.
  virtual void take_largest(const at::Tensor& tensor) = 0;
  /// Every tensor becomes the leader's.
  virtual void broadcast(const at::Tensor& tensor) = 0;
  /// The leader's bytes.
  std::string broadcast_bytes(const std::string& bytes);

 protected:
  explicit Group(Launch launch) : launch_(std::move(launch)) {}

  Launch launch_;
  at::Device device_ = at::kCPU;
};

/// What this build can sum over: "Gloo (CPU), NCCL (GPU)".
std::string workers_share_over();

/// Throws Unsupported where this build has no way to sum tensors on a device.
void verify_sharing(const Launch& launch, at::Device device);

/// Where this process's tensors are if a run asks for `device` (resolve_device): of several
/// processes each takes a GPU of its own. Throws Config as that does.
c10::Device resolve_device(const std::string& device, const Launch& launch,
                           const std::string& source);

}  // namespace tailor::train
