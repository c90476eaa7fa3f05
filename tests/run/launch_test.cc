// Which of several processes this one is, by the variables that launchers set.
#include "tailor/run/launch.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <map>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

using Variables = std::map<std::string, std::string>;

Launch launch_of(const Variables& variables) {
  return read_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launch, WithoutVariablesIsOneProcess) {
  const Launch alone = launch_of({});
  EXPECT_EQ(alone.rank, 0);
  EXPECT_EQ(alone.size, 1);
  EXPECT_EQ(alone.by, "");
}

TEST(Launch, OfTorchrunComesFirst) {
  Variables v = {{"RANK", "3"},
                 {"WORLD_SIZE", "4"},
                 {"LOCAL_RANK", "1"},
                 {"LOCAL_WORLD_SIZE", "2"},
                 {"MASTER_ADDR", "node7"},
                 {"MASTER_PORT", "29500"},
                 {"SLURM_PROCID", "9"},
                 {"SLURM_STEP_ID", "0"},
                 {"SLURM_NTASKS", "10"}};
  Launch launch = launch_of(v);
  EXPECT_EQ(launch.by, "torchrun");
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.host, "node7");
  EXPECT_EQ(launch.port, 29500);
  EXPECT_FALSE(launch.is_served);
  EXPECT_FALSE(launch.is_own());
  v["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  EXPECT_TRUE(launch_of(v).is_served);
  v[kStoreVariable] = "/tmp/store";
  launch = launch_of(v);
  EXPECT_TRUE(launch.is_own());
  EXPECT_EQ(launch.by, "tailor");
  EXPECT_EQ(launch.local_size, 4);
}

TEST(Launch, OfASlurmStepMeetsAtItsFirstHost) {
  Variables v = {{"SLURM_PROCID", "1"},
                 {"SLURM_STEP_ID", "2"},
                 {"SLURM_NTASKS", "8"},
                 {"SLURM_STEP_NUM_TASKS", "2"},
                 {"SLURM_LOCALID", "0"},
                 {"SLURM_JOB_ID", "40000"},
                 {"SLURM_STEP_NODELIST", "gpu[03-05,7]"},
                 {"OMPI_COMM_WORLD_RANK", "0"}};
  Launch launch = launch_of(v);
  EXPECT_EQ(launch.by, "SLURM");
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.size, 2);
  EXPECT_EQ(launch.local_rank, 0);
  EXPECT_EQ(launch.host, "gpu03");
  EXPECT_EQ(launch.port, 16384 + 40000 % 16384 + 2);
  v["MASTER_ADDR"] = "login", v["MASTER_PORT"] = "1234";
  launch = launch_of(v);
  EXPECT_EQ(launch.host, "login");
  EXPECT_EQ(launch.port, 1234);
}

TEST(Launch, OfOneSlurmTaskIsOneProcessAndSoIsABatchScript) {
  EXPECT_EQ(launch_of({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}, {"SLURM_NTASKS", "1"}}).size,
            1);
  // The script of a job of eight tasks runs once.
  EXPECT_EQ(launch_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).size, 1);
}

TEST(Launch, OfOpenMpiNeedsAnAddress) {
  Variables v = {{"OMPI_COMM_WORLD_RANK", "1"},
                 {"OMPI_COMM_WORLD_SIZE", "2"},
                 {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                 {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  testing::expect_error(ErrorKind::Usage, {"2 processes", "Open MPI", "MASTER_ADDR"},
                        [&] { launch_of(v); });
  v["MASTER_ADDR"] = "127.0.0.1", v["MASTER_PORT"] = "1234";
  const Launch launch = launch_of(v);
  EXPECT_EQ(launch.by, "Open MPI");
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.port, 1234);
}

TEST(Launch, VariablesThatDoNotFitAreNamed) {
  testing::expect_error(ErrorKind::Usage,
                        {"RANK: expected a number from 0 to 1", "torchrun", "'2'"}, [] {
                          launch_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}});
                        });
  testing::expect_error(ErrorKind::Usage, {"WORLD_SIZE", "'two'"}, [] {
    launch_of({{"RANK", "0"}, {"WORLD_SIZE", "two"}});
  });
  testing::expect_error(ErrorKind::Usage, {"MASTER_PORT", "65535", "nothing"}, [] {
    launch_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "localhost"}});
  });
}

TEST(Hosts, AreWrittenOut) {
  using Hosts = std::vector<std::string>;
  EXPECT_EQ(expand_hosts("login"), Hosts({"login"}));
  EXPECT_EQ(expand_hosts("node[03-05,7],login"),
            Hosts({"node03", "node04", "node05", "node7", "login"}));
  EXPECT_EQ(expand_hosts("r[1-2]n[08-09].x"), Hosts({"r1n08.x", "r2n08.x", "r1n09.x", "r2n09.x"}));
  for (const char* wrong : {"", "a,,b", "a[1-2", "a]1[", "a[x]", "a[3-1]", "a[[1]]", "a[]"})
    testing::expect_error(ErrorKind::Usage, {"a list of hosts", wrong},
                          [&] { expand_hosts(wrong); });
}

}  // namespace
}  // namespace tailor::test
