// tailor env says what LibTorch runs under, and who chose it.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

struct EnvCli : public Cli {
  Json env(std::vector<std::pair<std::string, std::string>> environment) {
    // `env -u`: whatever the tests themselves run with.
    std::vector<std::string> command = {"env"};
    for (const char* name : {"OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "SLURM_JOB_ID",
                             "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "LD_PRELOAD"})
      command.insert(command.end(), {"-u", name});
    for (const auto& [name, value] : environment) command.push_back(name + "=" + value);
    command.insert(command.end(), {TAILOR_BINARY, "env", "--json", "--log", "off"});
    const ProcessResult r = run_process(command, folder.path());
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output, "env");
  }
};

std::string setting(const Json& env, const std::string& name) {
  const Json* s = env.at("settings").find(name);
  return s ? s->at("value").as_string() + " by " + s->at("set_by").as_string() : "none";
}

TEST_F(EnvCli, WhatIsSetBeforeLibTorchLoadsIsSaidWithWhoSetIt) {
  const Json ours = env({});
  EXPECT_EQ(setting(ours, "OMP_NUM_THREADS"),
            std::to_string(ours.at("threads").as_int()) + " by tailor");
  EXPECT_EQ(setting(ours, "GOMP_SPINCOUNT"), "1000 by tailor");
  EXPECT_EQ(setting(ours, "OMP_WAIT_POLICY"), "none");
  EXPECT_EQ(ours.find("slurm"), nullptr);

  const Json theirs = env({{"OMP_NUM_THREADS", "1"}, {"GOMP_SPINCOUNT", "7"}});
  EXPECT_EQ(setting(theirs, "OMP_NUM_THREADS"), "1 by user");
  EXPECT_EQ(setting(theirs, "GOMP_SPINCOUNT"), "7 by user");
  EXPECT_EQ(theirs.at("libtorch").at("threads").as_int(), 1);

  const std::string text = run({"env"}, {{"GOMP_SPINCOUNT", "7"}}).output;
  testing::expect_words(text, {"GOMP_SPINCOUNT       7 (set by user)"});
}

TEST_F(EnvCli, AWaitPolicyOfTheUsersIsNotOverruledByACount) {
  const Json active = env({{"OMP_WAIT_POLICY", "active"}});
  EXPECT_EQ(setting(active, "OMP_WAIT_POLICY"), "active by user");
  EXPECT_EQ(setting(active, "GOMP_SPINCOUNT"), "none");
  const Json both = env({{"OMP_WAIT_POLICY", "active"}, {"GOMP_SPINCOUNT", "7"}});
  EXPECT_EQ(setting(both, "GOMP_SPINCOUNT"), "7 by user");
}

TEST_F(EnvCli, AnAllocatorThatIsLoadedBeforeGlibcsHasItsOwnSettings) {
  const Json ours = env({});
  EXPECT_NE(ours.at("malloc").as_string().find("libc.so"), std::string::npos);
  EXPECT_EQ(setting(ours, "M_MMAP_THRESHOLD"), "1073741824 by tailor");
  EXPECT_EQ(setting(ours, "M_TRIM_THRESHOLD"), "-1 by tailor");
  EXPECT_EQ(setting(ours, "M_TOP_PAD"), "67108864 by tailor");

  write_file(file("other.c"),
             "#include <stddef.h>\nvoid* __libc_malloc(size_t);\n"
             "void* malloc(size_t n) { return __libc_malloc(n); }\n");
  const ProcessResult built =
      run_process({"cc", "-shared", "-fPIC", "-o", "libother.so", "other.c"}, folder.path());
  ASSERT_EQ(built.status, 0) << built.output;
  const Json other = env({{"LD_PRELOAD", file("libother.so")}});
  EXPECT_EQ(other.at("malloc").as_string(), file("libother.so"));
  EXPECT_EQ(setting(other, "M_MMAP_THRESHOLD"), "none");
  EXPECT_EQ(setting(other, "GOMP_SPINCOUNT"), "1000 by tailor");
}

TEST_F(EnvCli, AJobOfABatchSystemIsNamed) {
  const Json job =
      env({{"SLURM_JOB_ID", "12"}, {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}})
          .at("slurm");
  EXPECT_EQ(job.at("job").as_string(), "12");
  EXPECT_EQ(job.at("task").as_string(), "1");
  EXPECT_EQ(job.at("tasks").as_string(), "4");
  // The batch script itself is no task, whatever SLURM_PROCID says.
  const Json script = env({{"SLURM_JOB_ID", "12"}, {"SLURM_PROCID", "0"}}).at("slurm");
  EXPECT_TRUE(script.at("task").is_null());
  EXPECT_TRUE(script.at("tasks").is_null());
}

}  // namespace
}  // namespace tailor::test
