// tailor sweep where nothing is trained: lists, shares, and what is wrong before anything begins.
#include "cli/cli_fixture.h"

#include "tailor/run/results.h"
#include "tailor/run/run_folder.h"

namespace tailor::test {
namespace {

struct SweepListCli : public Cli {
  SweepListCli() {
    write_file(file("m.json"), R"({
      "names": "{network.depth}_{train.seed}", "base": {"data": {"name": "synthetic"}},
      "axes": {"network.depth": [8, 20], "train.seed": [1, 2, 3]}
    })");
  }
};

TEST_F(SweepListCli, ListsNamesAndStates) {
  auto begin = [&](int depth, int seed, const char* data) {
    write_file(file(fmt::format("runs/{}_{}/config.json", depth, seed)),
               fmt::format(R"({{"network": {{"depth": {}}}, "data": {{"name": "{}"}},
                               "train": {{"seed": {}}}}})",
                           depth, data, seed));
  };
  begin(20, 2, "synthetic"), begin(8, 1, "synthetic");
  RunSummary summary;
  summary.run = "8_1", summary.network = "resnet8";
  write_file(file("runs/8_1/summary.json"),
             write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
  EXPECT_EQ(run({"sweep", "m.json", "--list"}).output,
            "20_1  waiting\n20_2  interrupted\n20_3  waiting\n8_1   finished\n8_2   waiting\n"
            "8_3   waiting\n");
  testing::expect_words(run({"sweep", "m.json", "--list", "--only", "8_*", "--task", "2/2"}).output,
                        {"info sweep: task 2 of 2: 1 of 3 runs\n8_2  waiting\n"});
  const ProcessResult json = run({"sweep", "m.json", "--list", "--json", "--only", "20_2"});
  EXPECT_EQ(Json::parse(json.output, "answer"),
            Json::parse(R"({"runs": [{"name": "20_2", "state": "interrupted",
                                      "config": "m.json:20_2", "run": "runs/20_2"}]})",
                        ""));
  EXPECT_EQ(run({"sweep", "m.json", "--list", "--log", "off"}, {{"SLURM_ARRAY_TASK_ID", "6"},
                                                                {"SLURM_ARRAY_TASK_COUNT", "3"},
                                                                {"SLURM_ARRAY_TASK_MIN", "2"},
                                                                {"SLURM_ARRAY_TASK_STEP", "2"}})
                .output,
            "20_3  waiting\n8_3   waiting\n");
  // A run that was begun with another configuration is no state of this one.
  begin(20, 2, "cifar10");
  testing::expect_words(run({"sweep", "m.json", "--list"}).output,
                        {"warning sweep: 20_2: config: /data/name: expected \"cifar10\", as the "
                         "run runs/20_2 was begun with",
                         "20_2  interrupted"});
  begin(20, 2, "synthetic");
  {
    const RunFolder held(file("runs/20_2"), /*wait=*/false);
    testing::expect_words(run({"sweep", "m.json", "--list"}).output, {"20_2  training\n"});
  }
  testing::expect_words(run({"sweep", "m.json", "--list"}).output, {"20_2  interrupted\n"});
  write_file(file("runs/8_1/summary.json"), "{}");
  // A damaged run is warned of, and ends nothing; but all is not well.
  const ProcessResult damaged = run({"sweep", "m.json", "--only", "8_1"});
  EXPECT_EQ(damaged.status, 4) << damaged.output;
  testing::expect_words(run({"sweep", "m.json", "--list"}).output, {"8_1   damaged\n"});
  testing::expect_words(damaged.output, {"1 run, 0 to train", "warning sweep: left out",
                                         "runs/8_1/summary.json: expected the summary of a run"});
  write_file(file("runs/8_1/config.json"), "{");
  const ProcessResult unread = run({"sweep", "m.json", "--only", "8_1"});
  EXPECT_EQ(unread.status, 4) << unread.output;
  testing::expect_words(unread.output,
                        {"warning sweep: 8_1: ", "runs/8_1/config.json", "put the file back",
                         "1 run, 0 to train", "sweep: 1 of 1 run damaged:\n  8_1: "});
  // An axis that --set has taken its values from.
  testing::expect_words(
      run({"sweep", "m.json", "--list", "--output", "x", "--set", "train.seed=9"}).output,
      {"warning sweep: 20_2 is the same run as 20_1", "8_3 is the same run as 8_1"});
  // More tasks than runs: one has nothing to do, and that is no error.
  const ProcessResult none = run({"sweep", "m.json", "--task", "7/7"});
  EXPECT_EQ(none.status, 0) << none.output;
  testing::expect_words(none.output, {"task 7 of 7: 0 of 6 runs"});
}

TEST_F(SweepListCli, WhatIsWrongIsSaidBeforeAnythingBegins) {
  expect_failure(2, {"configurations is required"}, {"sweep"});
  expect_failure(2, {"'nowhere.json': there is no such file or folder"}, {"sweep", "nowhere.json"});
  expect_failure(2, {"--only 'x*': no configuration has such a name; there are 20_1"},
                 {"sweep", "m.json", "--only", "x*"});
  expect_failure(2, {"--task: expected I/N", "got '3/2'"}, {"sweep", "m.json", "--task", "3/2"});
  write_file(file("t.json"), R"({"names": "{who}", "base": {"data": {"name": "synthetic"}},
                                 "axes": {"who": {"teachers": {}, "b": {}}}})");
  expect_failure(3, {"expected another name than teachers"}, {"sweep", "t.json", "--list"});
  expect_failure(2, {"--jobs"}, {"sweep", "m.json", "--jobs", "0"});
  expect_failure(3, {"/train/epoch: unknown key (did you mean 'epochs'?)", "m.json:20_1"},
                 {"sweep", "m.json", "--set", "train.epoch=3"});
  write_file(file("runs/20_1/config.json"), R"({"network": {"depth": 20}})");
  expect_failure(3,
                 {"/data/name: expected \"cifar10\", as the run runs/20_1 was begun with",
                  "got \"synthetic\""},
                 {"sweep", "m.json"});
  const ProcessResult many = run(
      {"sweep", "m.json", "--output", "other"},
      {{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "localhost"}, {"MASTER_PORT", "2000"}});
  EXPECT_EQ(many.status, 2) << many.output;
  testing::expect_words(many.output, {"process 1 of 4 that torchrun has started", "--task"});
  EXPECT_FALSE(path_exists(file("other")));
}

}  // namespace
}  // namespace tailor::test
