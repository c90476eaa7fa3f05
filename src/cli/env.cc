// tailor version and tailor env: what this program is, and what it found on this machine.
#include <fstream>

#include "tailor/cli/torch_plugin.h"
#include "tailor/core/cpu.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/core/version.h"

namespace tailor::cli {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (starts_with(line, "model name")) return std::string(trim(line.substr(line.find(':') + 1)));
  }
  return "unknown";
}

std::string cpu_features() {
  std::vector<std::string> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) found.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) found.emplace_back("fma");
  if (__builtin_cpu_supports("avx512f")) found.emplace_back("avx512f");
  if (__builtin_cpu_supports("avx512bf16")) found.emplace_back("avx512_bf16");
  if (has_amx_bfloat16()) found.emplace_back("amx_bf16");
#endif
  return found.empty() ? "none" : join(found, " ");
}

bool in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "", ':')) {
    if (path_exists(path_join(folder, program))) return true;
  }
  return false;
}

std::vector<std::string> strings_of(const Json& array) {
  std::vector<std::string> strings;
  for (const Json& item : array.as_array()) strings.push_back(item.as_string());
  return strings;
}

/// LibTorch as this program finds it; what is missing is added to `advice`.
void add_torch(Json& env, std::vector<std::string>& advice) {
  if (torch_is_built()) {
    try {
      Json torch = open_torch().describe();
      for (const Json& line : torch.at("advice").as_array()) advice.push_back(line.as_string());
      torch.erase("advice");
      env.set("libtorch", std::move(torch));
    } catch (const Error& e) {
      env.set("libtorch", Json());
      advice.emplace_back(e.what());
    }
  } else {
    env.set("libtorch", Json());
    advice.emplace_back(
        "LibTorch is not built in: no training, no evaluation with --backend libtorch "
        "(scripts/setup.sh, then cmake --workflow --preset release)");
  }
}

/// What LibTorch runs under, which was set before it loaded, and where a batch system started us.
void add_process(Json& env) {
  const Json process = describe_process();
  for (const auto& [key, value] : process.as_object()) env.set(key, value);
  const char* job = std::getenv("SLURM_JOB_ID");
  if (!job) return;
  // A batch script itself has SLURM_PROCID too, and is no task of a step.
  const char *task = std::getenv("SLURM_PROCID"), *tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  env.set("slurm", Json::object({{"job", job},
                                 {"task", task && tasks ? Json(task) : Json()},
                                 {"tasks", tasks ? Json(tasks) : Json()}}));
}

void add_gpu(Json& env) {
  const bool gpu = path_exists("/dev/nvidia0") || path_exists("/proc/driver/nvidia/version");
  const Json* cuda = env.at("libtorch").is_object() ? env.at("libtorch").find("cuda") : nullptr;
  env.set("gpu", !gpu ? "none"
                 : cuda && cuda->as_bool()
                     ? "an NVIDIA driver is there"
                     : "an NVIDIA driver is there, and no LibTorch with CUDA");
}

void add_tools(Json& env, std::vector<std::string>& advice) {
  const char* cxx = std::getenv("CXX");
  const std::string compiler_name = cxx && *cxx ? cxx : "c++";
  env.set("host_compiler",
          in_path(compiler_name) || path_exists(compiler_name) ? compiler_name : "none");
  if (env.at("host_compiler").as_string() == "none") {
    advice.push_back(compiler_name +
                     " is not in PATH: tailor check cannot compile projects (install g++)");
  }
  for (const char* tool : {"vitis_hls", "vivado"})
    env.set(tool, in_path(tool) ? "in PATH" : "none");
}

void print_facts(const Json& object, const std::string& indent) {
  for (const auto& [key, value] : object.as_object()) {
    if (key == "missing") continue;
    if (value.is_object() && value.find("set_by")) {
      fmt::print("{}{:20} {} (set by {})\n", indent, key, value.at("value").as_string(),
                 value.at("set_by").as_string());
    } else if (value.is_object()) {
      fmt::print("{}{}:\n", indent, key);
      print_facts(value, indent + "  ");
    } else {
      fmt::print("{}{:20} {}\n", indent, key,
                 value.is_string()  ? value.as_string()
                 : value.is_array() ? join(strings_of(value), ", ")
                 : value.is_null()  ? "none"
                                    : value.dump());
    }
  }
}

}  // namespace

int run_version(const CommonOptions& options) {
  if (options.json) {
    fmt::print("{}\n", Json::object({{"version", version()},
                                     {"commit", git_commit()},
                                     {"build", build_type()},
                                     {"compiler", compiler()},
                                     {"libtorch", torch_is_built()}})
                           .dump(2));
  } else {
    fmt::print("tailor {} ({}, {}, {}{})\n", version(), git_commit(), build_type(), compiler(),
               torch_is_built() ? "" : ", without LibTorch");
  }
  return 0;
}

int run_env(const CommonOptions& options) {
  Json env = Json::object({{"tailor", version()},
                           {"cpu", cpu_name()},
                           {"cpu_features", cpu_features()},
                           {"affinity_cpus", affinity_cpus()},
                           {"cgroup_quota_cpus", cgroup_quota_cpus()},
                           {"threads", available_threads()}});
  std::vector<std::string> advice;
  add_torch(env, advice);
  add_process(env);
  add_gpu(env);
  add_tools(env, advice);
  env.set("missing", Json::array(advice));
  if (options.json) {
    fmt::print("{}\n", env.dump(2));
    return 0;
  }
  print_facts(env, "");
  for (const std::string& line : advice) fmt::print("missing: {}\n", line);
  if (advice.empty()) fmt::print("nothing is missing\n");
  return 0;
}

}  // namespace tailor::cli
