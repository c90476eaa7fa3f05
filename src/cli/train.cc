// tailor train: one process, or several of its own, of which this one is then none.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tailor/cli/torch_plugin.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/threads.h"
#include "tailor/run/launch.h"

namespace tailor::cli {
namespace {

using Clock = std::chrono::steady_clock;
/// For the others to end by themselves once one of them has failed: it may have been killed, and
/// then there is nothing that they could still say.
constexpr auto kPatience = std::chrono::seconds(8), kNoPatience = std::chrono::seconds(1);

const char* variable(const char* name) { return std::getenv(name); }

/// A folder of its own, gone with it.
class MeetingPlace {
 public:
  MeetingPlace() {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = path_join(base && *base ? base : "/tmp", "tailor-workers-XXXXXX");
    if (!::mkdtemp(pattern.data())) {
      fail(ErrorKind::Data,
           "cannot make the folder {} where workers meet: {} ($TMPDIR names "
           "another place)",
           pattern, std::strerror(errno));
    }
    folder_ = pattern;
  }
  ~MeetingPlace() {
    if (::getpid() == owner_) remove_all(folder_);
  }
  MeetingPlace(const MeetingPlace&) = delete;
  MeetingPlace& operator=(const MeetingPlace&) = delete;
  std::string file() const { return path_join(folder_, "store"); }

 private:
  std::string folder_;
  pid_t owner_ = ::getpid();
};

struct Worker {
  pid_t process = 0;
  bool runs = true;
  int status = 0;  // as waitpid has it
};

/// Of a worker that has ended: what a shell would say.
int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Only what this process tells reaches a worker, and none outlives this process.
void become_worker(int64_t rank, int64_t size, const std::string& store, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(128 + SIGKILL);
  silence_interrupts();
  ::setenv(kStoreVariable, store.c_str(), 1);
  ::setenv("RANK", std::to_string(rank).c_str(), 1);
  ::setenv("WORLD_SIZE", std::to_string(size).c_str(), 1);
  ::setenv("LOCAL_RANK", std::to_string(rank).c_str(), 1);
  ::setenv("LOCAL_WORLD_SIZE", std::to_string(size).c_str(), 1);
  const std::string threads = std::to_string(std::max<int64_t>(1, available_threads() / size));
  ::setenv("OMP_NUM_THREADS", threads.c_str(), 0);
  ::setenv("OPENBLAS_NUM_THREADS", threads.c_str(), 0);
}

void signal_all(const std::vector<Worker>& workers, int signal) {
  for (const Worker& worker : workers) {
    if (worker.runs) ::kill(worker.process, signal);
  }
}

/// The first that ended without having done its work; whoever only lost another comes last.
const Worker* first_failed(const std::vector<Worker>& workers, const std::vector<size_t>& order) {
  const Worker* lost = nullptr;
  for (const size_t i : order) {
    const int status = exit_status(workers[i].status);
    if (status == 0) continue;
    if (status != exit_code(ErrorKind::Worker)) return &workers[i];
    if (!lost) lost = &workers[i];
  }
  return lost;
}

/// Waits for all. Passes a signal on, and ends the others soon after one of them has failed;
/// returns in which order they ended.
std::vector<size_t> wait_for(std::vector<Worker>& workers) {
  std::vector<size_t> order;
  bool told = false, killed = false;
  std::optional<Clock::time_point> end;
  while (order.size() < workers.size()) {
    if (const int signal = pending_interrupt(); signal != 0 && !told) {
      told = true;
      ::kill(workers[0].process, signal);
    }
    for (size_t i = 0; i < workers.size(); ++i) {
      Worker& worker = workers[i];
      if (!worker.runs || ::waitpid(worker.process, &worker.status, WNOHANG) != worker.process)
        continue;
      worker.runs = false;
      order.push_back(i);
      if (exit_status(worker.status) != 0 && !end)
        end = Clock::now() + (WIFEXITED(worker.status) ? kPatience : kNoPatience);
    }
    if (end && !killed && Clock::now() > *end) {
      killed = true;
      signal_all(workers, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return order;
}

/// The exit code of all. Throws Worker where one was ended from outside.
int conclude(const std::vector<Worker>& workers, const std::vector<size_t>& order) {
  const Worker* failed = first_failed(workers, order);
  if (!failed) return 0;
  const auto rank = failed - workers.data();
  if (WIFEXITED(failed->status) && exit_status(failed->status) != exit_code(ErrorKind::Worker))
    return exit_status(failed->status);  // it has said why
  const std::string how = WIFEXITED(failed->status)
                              ? "lost the others"
                              : fmt::format("was ended by signal {} ({})", WTERMSIG(failed->status),
                                            ::strsignal(WTERMSIG(failed->status)));
  fail(
      ErrorKind::Worker,
      "worker {} of {} {}, so the others were ended too; the run is as it was last saved, and goes "
      "on with tailor train --resume (or --auto-resume)",
      rank, workers.size(), how);
}

int train_together(const TrainOptions& options, int64_t size) {
  const MeetingPlace place;
  const pid_t parent = ::getpid();
  std::vector<Worker> workers(static_cast<size_t>(size));
  std::fflush(stdout);
  for (int64_t rank = 0; rank < size; ++rank) {
    const pid_t process = ::fork();
    if (process < 0) {
      const int error = errno;
      signal_all({workers.begin(), workers.begin() + rank}, SIGKILL);
      fail(ErrorKind::Unsupported, "cannot start worker {} of {}: {}", rank, size,
           std::strerror(error));
    }
    if (process == 0) {
      become_worker(rank, size, place.file(), parent);
      return open_torch().train(options);
    }
    workers[static_cast<size_t>(rank)].process = process;
  }
  return conclude(workers, wait_for(workers));
}

}  // namespace

int run_train(const TrainOptions& options) {
  if (options.workers && options.gpus)
    fail(ErrorKind::Usage, "--workers and --gpus: expected one of them, got both");
  const int64_t size = options.gpus.value_or(options.workers.value_or(1));
  const Launch launch = read_launch(variable);
  if (launch.size > 1 && size > 1) {
    fail(ErrorKind::Usage,
         "--{} {}: this is process {} of {} that {} has started; leave the flag out, or start one "
         "process",
         options.gpus ? "gpus" : "workers", size, launch.rank, launch.size, launch.by);
  }
  if (size == 1 || !torch_is_built()) return open_torch().train(options);
  return train_together(options, size);
}

}  // namespace tailor::cli
