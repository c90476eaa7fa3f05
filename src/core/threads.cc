#include "tailor/core/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tailor/core/strings.h"

namespace tailor::core {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Path of this process in the hierarchy with this controller ("" is the v2 hierarchy).
std::string cgroup_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    if (controller.empty()
            ? parts[1].empty()
            : ("," + parts[1] + ",").find("," + controller + ",") != std::string::npos)
      return parts[2];
  }
  return "";
}

double quota_of(const std::string& quota, const std::string& period) {
  auto q = parse_number(trim(quota)), p = parse_number(trim(period));
  return q && p && *q > 0 && *p > 0 ? *q / *p : 0;
}

/// The tightest quota between this group and the root of its hierarchy.
template <class ReadQuota>
double tightest(std::string path, ReadQuota read) {
  double least = 0;
  for (;;) {
    double q = read(path);
    if (q > 0 && (least == 0 || q < least)) least = q;
    if (path.empty() || path == "/") return least;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

int affinity_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::max(1, CPU_COUNT(&set));
}

double cgroup_quota_cpus() {
  double v2 = tightest(cgroup_path(""), [](const std::string& path) {
    auto words = split(first_line("/sys/fs/cgroup" + path + "/cpu.max"), ' ');
    return words.size() == 2 ? quota_of(words[0], words[1]) : 0;
  });
  double v1 = tightest(cgroup_path("cpu"), [](const std::string& path) {
    std::string folder = "/sys/fs/cgroup/cpu" + path;
    return quota_of(first_line(folder + "/cpu.cfs_quota_us"),
                    first_line(folder + "/cpu.cfs_period_us"));
  });
  if (v1 == 0) return v2;
  if (v2 == 0) return v1;
  return std::min(v1, v2);
}

int available_threads() {
  double quota = cgroup_quota_cpus();
  int cpus = affinity_cpus();
  return quota > 0 ? std::max(1, std::min(cpus, static_cast<int>(std::ceil(quota)))) : cpus;
}

void parallel_for(int64_t n, int threads, const std::function<void(int64_t)>& body) {
  if (threads <= 0) threads = available_threads();
  threads = static_cast<int>(std::min<int64_t>(threads, n));
  if (threads <= 1) {
    for (int64_t i = 0; i < n; ++i) body(i);
    return;
  }
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  auto work = [&] {
    for (;;) {
      int64_t i = next.fetch_add(1);
      if (i >= n) return;
      try {
        body(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = n;
        return;
      }
    }
  };
  std::vector<std::thread> pool;
  try {
    for (int t = 1; t < threads; ++t) pool.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those that there are do the work.
  }
  work();
  for (std::thread& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace tailor::core
