#include "train/c10d_group.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/Types.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>
#ifdef TAILOR_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#ifdef TAILOR_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::train {
namespace {

using std::chrono::milliseconds;
using Deadline = std::chrono::steady_clock::time_point;

/// How long processes may be apart: one opens its data while another waits in a sum.
constexpr milliseconds kPatience = std::chrono::minutes(10);
/// Until a waiting process looks again whether it is to stop, and whether the store is there.
constexpr milliseconds kLook = std::chrono::milliseconds(500);
/// Those that are alive say so within this time after one is lost.
constexpr milliseconds kRollCall = std::chrono::seconds(3);
constexpr milliseconds kFarewell = std::chrono::seconds(3);

c10::intrusive_ptr<c10d::Store> open_store(const Launch& launch) {
  if (launch.is_own()) {
    return c10::make_intrusive<c10d::FileStore>(launch.file, static_cast<int>(launch.size));
  }
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(launch.port);
  options.isServer = launch.rank == 0 && !launch.is_served;
  options.timeout = kPatience;
  // Without numWorkers the server goes on without waiting: the process group waits anyway.
  options.waitWorkers = false;
  return c10::make_intrusive<c10d::PrefixStore>(
      "tailor", c10::make_intrusive<c10d::TCPStore>(launch.host, options));
}

/// The first line of LibTorch's words: those behind it are where it was thrown.
std::string first_line(const std::string& text) { return split(text, '\n').front(); }

/// What a collective operation is called with.
class Collectives {
 public:
  using Work = c10::intrusive_ptr<c10d::Work>;
  virtual ~Collectives() = default;
  virtual Work reduce(const at::Tensor& tensor, c10d::ReduceOp::RedOpType how) = 0;
  virtual Work broadcast(const at::Tensor& tensor) = 0;
};

template <class ProcessGroup>
class CollectivesOf : public Collectives {
 public:
  explicit CollectivesOf(c10::intrusive_ptr<ProcessGroup> group) : group_(std::move(group)) {}
  Work reduce(const at::Tensor& tensor, c10d::ReduceOp::RedOpType how) override {
    std::vector<at::Tensor> tensors = {tensor};
    c10d::AllreduceOptions options;
    options.reduceOp = how;
    return group_->allreduce(tensors, options);
  }
  Work broadcast(const at::Tensor& tensor) override {
    std::vector<at::Tensor> tensors = {tensor};
    return group_->broadcast(tensors);
  }

 private:
  c10::intrusive_ptr<ProcessGroup> group_;
};

#ifdef TAILOR_GLOO
std::unique_ptr<Collectives> connect_gloo(const Launch& launch,
                                          const c10::intrusive_ptr<c10d::Store>& store) {
  const bool local = launch.is_own() || launch.host == "localhost" || launch.host == "127.0.0.1";
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  auto options = c10d::ProcessGroupGloo::Options::create(kPatience);
  options->devices.push_back(
      interface && *interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
      : local                 ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                              : c10d::ProcessGroupGloo::createDefaultDevice());
  options->threads = 2;
  return std::make_unique<CollectivesOf<c10d::ProcessGroupGloo>>(
      c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(launch.rank),
                                                  static_cast<int>(launch.size), options));
}
#endif

#ifdef TAILOR_NCCL
std::unique_ptr<Collectives> connect_nccl(const Launch& launch,
                                          const c10::intrusive_ptr<c10d::Store>& store) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = kPatience;
  return std::make_unique<CollectivesOf<c10d::ProcessGroupNCCL>>(
      c10::make_intrusive<c10d::ProcessGroupNCCL>(store, static_cast<int>(launch.rank),
                                                  static_cast<int>(launch.size), options));
}
#endif

class C10dGroup : public Group {
 public:
  explicit C10dGroup(const Launch& launch) : Group(launch) {
    try {
      store_ = open_store(launch);
    } catch (const std::exception& e) {
      fail(ErrorKind::Worker, "worker {} of {} does not find the others{}: {}", rank(), size(),
           launch.is_own() ? "" : fmt::format(" at {}:{}", launch.host, launch.port),
           first_line(e.what()));
    }
  }

  void tell(const Json& message) override {
    const std::string text = message.dump();
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    guarded([&] { store_->set(fmt::format("told/{}", told_++), bytes); });
  }

  Json hear() override {
    const std::string key = fmt::format("told/{}", told_++);
    std::string text;
    guarded([&] {
      while (!store_->check({key})) std::this_thread::sleep_for(kHear);
      const std::vector<uint8_t> bytes = store_->get(key);
      text.assign(bytes.begin(), bytes.end());
    });
    return Json::parse(text, "what worker 0 tells");
  }

  void leave() override {
    if (lost_) return;
    try {
      store_->add("left", 1);
      if (leads()) wait_until([&] { return store_->add("left", 0) >= size(); }, kFarewell);
    } catch (const std::exception&) {
      // Whoever is gone has left.
    }
  }

  void connect(at::Device device) override {
    if (collectives_) return;
    verify_sharing(launch(), device);
    device_ = device;
    const auto store = c10::make_intrusive<c10d::PrefixStore>("group", store_);
    guarded([&] {
#ifdef TAILOR_GLOO
      if (device.is_cpu()) collectives_ = connect_gloo(launch(), store);
#endif
#ifdef TAILOR_NCCL
      if (!device.is_cpu()) collectives_ = connect_nccl(launch(), store);
#endif
    });
  }

  Pending start_sum(const at::Tensor& tensor) override {
    Collectives::Work work;
    guarded([&] { work = collectives_->reduce(tensor, c10d::ReduceOp::SUM); });
    return [this, work] { guarded([&] { work->wait(); }); };
  }
  void take_largest(const at::Tensor& tensor) override {
    guarded([&] { collectives_->reduce(tensor, c10d::ReduceOp::MAX)->wait(); });
  }
  void broadcast(const at::Tensor& tensor) override {
    guarded([&] { collectives_->broadcast(tensor)->wait(); });
  }

 private:
  static constexpr milliseconds kHear{20};

  /// Whatever c10d throws is the loss of another process.
  template <class Work>
  void guarded(const Work& work) {
    try {
      work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& e) {
      say_lost(first_line(e.what()));
    }
  }

  template <class Done>
  static bool wait_until(const Done& done, milliseconds patience) {
    const Deadline end = std::chrono::steady_clock::now() + patience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(kHear);
    }
    return true;
  }

  /// Those that are left close their connections, so that all come to hear of it, and answer.
  [[noreturn]] void say_lost(const std::string& why) {
    lost_ = true;
    collectives_.reset();
    std::vector<int64_t> lost;
    try {
      store_->set(fmt::format("alive/{}", rank()), std::vector<uint8_t>{1});
      for (int64_t other = 0; other < size(); ++other) {
        const std::string key = fmt::format("alive/{}", other);
        if (!wait_until([&] { return store_->check({key}); }, lost.empty() ? kRollCall : kLook))
          lost.push_back(other);
      }
    } catch (const std::exception&) {
      lost = {0};  // who has the store
    }
    std::string who;
    for (const int64_t other : lost) who += fmt::format("{}{}", who.empty() ? "" : ", ", other);
    fail(ErrorKind::Worker,
         "{} of {} lost (it ended, was killed, or its machine is gone): {}; the run is as it was "
         "last saved, and goes on with tailor train --resume",
         who.empty() ? "the connection between workers" : fmt::format("worker {}", who),
         fmt::format("{} {}", size(), lost.size() > 1 ? "are" : "is"), why);
  }

  c10::intrusive_ptr<c10d::Store> store_;
  std::unique_ptr<Collectives> collectives_;
  int64_t told_ = 0;
  bool lost_ = false;  // one of the others
};

}  // namespace

std::string workers_share_over() {
  std::vector<std::string> ways;
#ifdef TAILOR_GLOO
  ways.emplace_back("Gloo (CPU)");
#endif
#ifdef TAILOR_NCCL
  ways.emplace_back("NCCL (GPU)");
#endif
  return ways.empty() ? "nothing: one process only" : join(ways, ", ");
}

void verify_sharing([[maybe_unused]] const Launch& launch, [[maybe_unused]] at::Device device) {
#ifndef TAILOR_GLOO
  if (device.is_cpu()) {
    fail(ErrorKind::Unsupported,
         "{} workers on CPUs: this build has no Gloo, whose headers the LibTorch that it was built "
         "with does not have (Debian's has them: scripts/setup.sh); train with one process, or on "
         "GPUs",
         launch.size);
  }
#endif
#ifndef TAILOR_NCCL
  if (!device.is_cpu()) {
    fail(ErrorKind::Unsupported,
         "{} workers on GPUs: this build has no NCCL; train with one process, or with "
         "runtime.device=cpu",
         launch.size);
  }
#endif
}

std::unique_ptr<Group> open_c10d_group(const Launch& launch) {
  return std::make_unique<C10dGroup>(launch);
}

}  // namespace tailor::train
