#include "tailor/run/launch.h"

#include <algorithm>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::run {
namespace {

/// Below those that a system hands out by itself.
constexpr int64_t kFirstPort = 16384, kPorts = 16384;

/// The variables of one launcher.
class Variables {
 public:
  Variables(const Environment& environment, const char* launcher)
      : environment_(environment), launcher_(launcher) {}

  bool has(const char* name) const {
    const char* value = environment_(name);
    return value && *value;
  }
  std::string text(const char* name) const { return has(name) ? environment_(name) : ""; }
  int64_t number(const char* name, int64_t least, int64_t most) const {
    const std::optional<int64_t> value = parse_int(text(name));
    if (!value || *value < least || *value > most) {
      fail(ErrorKind::Usage,
           "{}: expected a number from {} to {}, as {} sets it, got {}; unset it to train with one "
           "process",
           name, least, most, launcher_, has(name) ? "'" + text(name) + "'" : "nothing");
    }
    return *value;
  }
  int64_t number_or(const char* name, int64_t least, int64_t most, int64_t otherwise) const {
    return has(name) ? number(name, least, most) : otherwise;
  }

 private:
  const Environment& environment_;
  const char* launcher_;
};

constexpr int64_t kMost = 1'000'000;

/// The names of a launcher's variables.
struct Names {
  const char *rank, *size, *local_rank, *local_size;
};

void read_place(const Variables& v, const Names& names, Launch& launch) {
  launch.size = v.number(names.size, 1, kMost);
  launch.rank = v.number(names.rank, 0, launch.size - 1);
  launch.local_rank = v.number_or(names.local_rank, 0, launch.size - 1, launch.rank);
  launch.local_size = v.number_or(names.local_size, 1, launch.size, 1);
}

void read_address(const Variables& v, Launch& launch) {
  launch.host = v.text("MASTER_ADDR");
  if (launch.host.empty()) {
    fail(ErrorKind::Usage,
         "{} processes were started by {}, and MASTER_ADDR does not say where they meet; set "
         "MASTER_ADDR to the host of rank 0 and MASTER_PORT to a free port of it",
         launch.size, launch.by);
  }
  launch.port = v.number("MASTER_PORT", 1, 65535);
}

Launch read_torchrun(const Environment& environment) {
  const Variables v(environment, "torchrun");
  Launch launch;
  launch.file = v.text(kStoreVariable);
  launch.by = launch.is_own() ? "tailor" : "torchrun";
  read_place(v, {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"}, launch);
  if (launch.is_own()) launch.local_size = launch.size;
  launch.shares_cpus = true;
  launch.is_served = v.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (launch.size > 1 && !launch.is_own()) read_address(v, launch);
  return launch;
}

Launch read_slurm(const Environment& environment) {
  const Variables v(environment, "SLURM");
  Launch launch;
  launch.by = "SLURM";
  const char* size = v.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  read_place(v, {"SLURM_PROCID", size, "SLURM_LOCALID", ""}, launch);
  if (launch.size == 1) return launch;
  if (v.has("MASTER_ADDR")) {
    read_address(v, launch);
    return launch;
  }
  const std::string hosts = v.text("SLURM_STEP_NODELIST");
  launch.host = expand_hosts(hosts.empty() ? v.text("SLURM_NODELIST") : hosts).front();
  const int64_t job = v.number("SLURM_JOB_ID", 0, INT64_MAX),
                step = v.number_or("SLURM_STEP_ID", 0, INT64_MAX, 0);
  launch.port = v.number_or("MASTER_PORT", 1, 65535, kFirstPort + (job % kPorts + step) % kPorts);
  return launch;
}

Launch read_open_mpi(const Environment& environment) {
  const Variables v(environment, "Open MPI");
  Launch launch;
  launch.by = "Open MPI";
  read_place(v,
             {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
              "OMPI_COMM_WORLD_LOCAL_SIZE"},
             launch);
  if (launch.size > 1) read_address(v, launch);
  return launch;
}

[[noreturn]] void fail_hosts(const std::string& list) {
  fail(ErrorKind::Usage,
       "expected a list of hosts such as node[03-05,7] (SLURM_STEP_NODELIST), got '{}'; set "
       "MASTER_ADDR to the host of rank 0 and MASTER_PORT to a free port of it",
       list);
}

/// At commas that are in no brackets.
std::vector<std::string> split_hosts(const std::string& list) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : list) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (depth < 0 || depth > 1) fail_hosts(list);
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (depth != 0 || std::any_of(parts.begin(), parts.end(), [](auto& p) { return p.empty(); }))
    fail_hosts(list);
  return parts;
}

/// "03-05" is 03, 04, 05: as wide as the first.
std::vector<std::string> expand_range(const std::string& range, const std::string& list) {
  const size_t dash = range.find('-');
  const std::string first = range.substr(0, dash),
                    last = dash == std::string::npos ? first : range.substr(dash + 1);
  const auto from = parse_int(first), to = parse_int(last);
  if (!from || !to || *from < 0 || *to < *from || *to - *from > kMost) fail_hosts(list);
  std::vector<std::string> numbers;
  for (int64_t n = *from; n <= *to; ++n)
    numbers.push_back(fmt::format("{:0{}}", n, static_cast<int>(first.size())));
  return numbers;
}

}  // namespace

std::vector<std::string> expand_hosts(const std::string& list) {
  std::vector<std::string> hosts;
  for (const std::string& part : split_hosts(list)) {
    std::vector<std::string> names = {""};  // of all brackets so far
    for (size_t at = 0; at < part.size();) {
      const size_t open = std::min(part.find('[', at), part.size());
      for (std::string& name : names) name += part.substr(at, open - at);
      if (open == part.size()) break;
      const size_t close = part.find(']', open);
      std::vector<std::string> longer;
      for (const std::string& range : split(part.substr(open + 1, close - open - 1), ',')) {
        for (const std::string& number : expand_range(range, list)) {
          for (const std::string& name : names) longer.push_back(name + number);
        }
      }
      names = std::move(longer);
      at = close + 1;
    }
    hosts.insert(hosts.end(), names.begin(), names.end());
  }
  return hosts;
}

Launch read_launch(const Environment& environment) {
  const auto has = [&](const char* name) {
    const char* value = environment(name);
    return value && *value;
  };
  if (has("RANK") && has("WORLD_SIZE")) return read_torchrun(environment);
  // A batch script has a rank too: only the tasks of a step are several.
  if (has("SLURM_PROCID") && has("SLURM_STEP_ID")) return read_slurm(environment);
  if (has("OMPI_COMM_WORLD_RANK")) return read_open_mpi(environment);
  return {};
}

}  // namespace tailor::run
