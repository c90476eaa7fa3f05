// Many trainings as a user starts, stops and repeats them: what is finished is skipped, what is
// interrupted goes on, and what fails is named.
#include "cli/torch/train_cli.h"

namespace tailor::test {
namespace {

struct SweepCli : public TrainCli {
  SweepCli() {
    write_file(file("m.json"), R"({
      "names": "{surgery.kind}_{train.seed}",
      "base": {
        "network": {"family": "resnet_cifar", "depth": 8, "width": 4},
        "data": {"name": "synthetic", "train_size": 160, "validation": 40, "test_size": 40},
        "teacher": {"epochs": 2, "batch_size": 32, "optimizer": {"lr": 0.05}},
        "surgery": {"alpha": 1}, "train": {"epochs": 4, "batch_size": 32, "optimizer": {"lr": 0.05}}
      },
      "axes": {"surgery.kind": ["remove", "shorten"], "train.seed": [1, 2]}
    })");
  }
  Lines sweep(Lines more = {}) const {
    more.insert(more.begin(), {"sweep", "m.json", "--output", "out"});
    return more;
  }
  Lines states() {
    Lines lines = split(run(sweep({"--list", "--log", "off"})).output, '\n');
    lines.pop_back();
    return lines;
  }
  /// Names of the folders of teachers.
  Lines teachers() const { return list_directory(file("out/teachers")); }
};

TEST_F(SweepCli, TrainsEachOnceAndATeacherOnceForAllAndSkipsWhatIsFinished) {
  EXPECT_EQ(states(), (Lines{"remove_1   waiting", "remove_2   waiting", "shorten_1  waiting",
                             "shorten_2  waiting"}));
  // All four at a time: they begin together, and three wait for the one that trains the teacher.
  ProcessResult r = run(sweep({"--jobs", "4"}));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output, {"4 runs, 4 to train, 4 at a time, 1 thread each", "remove_1 (1 of 4): beginning",
                 "shorten_2: finished in ", "surgery.kind", "remove_1 (+1)", "shorten_1 (+1)"});
  ASSERT_EQ(teachers().size(), 1U);
  const std::string teacher = "out/teachers/" + teachers()[0];
  EXPECT_EQ(records(teacher + "/metrics.jsonl").size(), 2U);
  int trained = 0, reused = 0;
  for (const char* name : {"remove_1", "remove_2", "shorten_1", "shorten_2"}) {
    const std::string log = read_file(file("out/" + std::string(name) + ".log"));
    testing::expect_words(log, {"$ ", "--auto-resume --config m.json:" + std::string(name),
                                "runtime.threads=1", "next: tailor export"});
    trained += log.find("teacher: training") != std::string::npos;
    reused += log.find("teacher: reusing") != std::string::npos;
    EXPECT_EQ(summary("out/" + std::string(name)).at("alterations"), Json(3));
  }
  EXPECT_EQ(trained, 1);
  EXPECT_EQ(reused, 3);
  // Once more, and nothing is left to do; the answer is the same.
  r = run(sweep({"--json", "--log", "off"}));
  EXPECT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output, "answer");
  EXPECT_EQ(answer.at("runs").as_array().size(), 4U);
  EXPECT_EQ(answer.at("runs").as_array()[0].at("state"), Json("finished"));
  EXPECT_EQ(answer.at("rows").as_array().size(), 2U);
  EXPECT_EQ(split(read_file(file("out/remove_1.log")), '$').size(), 2U);  // begun once
  // Another configuration under a name that is taken is no finished run.
  expect_failure(3, {"/train/epochs: expected 4, as the run out/remove_1 was begun with, got 5"},
                 sweep({"--set", "train.epochs=5"}));
}

TEST_F(SweepCli, StopsAtASignalAndGoesOnByTheSameCommand) {
  const Lines longer = {"--set", "train.epochs=30"};
  Lines command = sweep({"--only", "remove_*", "--jobs", "2"});
  command.insert(command.end(), longer.begin(), longer.end());
  ProcessResult r = run_until_written("INT", "out/remove_1/metrics.jsonl", command);
  EXPECT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output, {"the same command goes on"});
  EXPECT_EQ(states()[0], "remove_1   interrupted");
  testing::expect_words(read_file(file("out/remove_1.log")), {"saved at epoch"});
  r = run(command);
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"remove_1 (1 of 2): going on", "remove_1 (+1)"});
  EXPECT_EQ(states()[0], "remove_1   finished");
  EXPECT_EQ(records("out/remove_1/metrics.jsonl").size(), 30U);
  // As it would have been without the signal, bit for bit.
  ASSERT_EQ(run({"train", "--config", "m.json:remove_1", "--set", "runtime.threads=1", "--set",
                 "train.epochs=30", "--output", "whole/remove_1"})
                .status,
            0);
  EXPECT_EQ(summary("out/remove_1").at("weights_sha256"),
            summary("whole/remove_1").at("weights_sha256"));
  // SIGUSR1 is what batch systems send.
  command = sweep({"--jobs", "1"});
  command.insert(command.end(), longer.begin(), longer.end());
  r = run_until_written("USR1", "out/shorten_1/metrics.jsonl", command);
  EXPECT_EQ(r.status, 138) << r.output;
  EXPECT_EQ(states(), (Lines{"remove_1   finished", "remove_2   finished", "shorten_1  interrupted",
                             "shorten_2  waiting"}));
}

TEST_F(SweepCli, GoesOnWithTheOthersWhenOneFailsAndNamesItAtTheEnd) {
  write_file(file("out/remove_1/notes.txt"), "the user's");  // no run, and not to be replaced
  ProcessResult r = run(sweep({"--jobs", "1", "--fail-fast", "--set", "teacher.epochs=1"}));
  EXPECT_EQ(r.status, 2) << r.output;
  testing::expect_words(r.output, {"1 of 4 runs failed, 3 were not begun:",
                                   "remove_1: exit code 2, usage: out/remove_1: the folder is not "
                                   "empty and no run",
                                   "(see out/remove_1.log)"});
  EXPECT_FALSE(path_exists(file("out/remove_2")));
  r = run(sweep({"--jobs", "1", "--set", "teacher.epochs=1"}));
  EXPECT_EQ(r.status, 2) << r.output;
  testing::expect_words(r.output, {"remove_1: failed after ", "remove_2: finished in ",
                                   "shorten_1 (+1)", "1 of 4 runs failed:"});
  remove_all(file("out/remove_1"));
  r = run(sweep({"--jobs", "1", "--set", "teacher.epochs=1"}));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"4 runs, 1 to train", "remove_1 (+1)"});
}

TEST_F(SweepCli, TrainsItsShareOfASlurmArray) {
  const Lines command = {"env", "SLURM_ARRAY_TASK_ID=2", "SLURM_ARRAY_TASK_COUNT=4",
                         "SLURM_ARRAY_TASK_MIN=1", TAILOR_BINARY};
  Lines task = command;
  const Lines arguments = sweep({"--set", "surgery.kind=none", "--set", "teacher=null", "--set",
                                 "train.epochs=1", "--set", "runtime.threads=1"});
  task.insert(task.end(), arguments.begin(), arguments.end());
  const ProcessResult r = run_process(task, folder.path(), {{"TAILOR_LOG", "info"}});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"task 2 of 4: 1 of 4 runs", "1 at a time, 1 thread each",
                                   "remove_2 (1 of 1): beginning"});
  EXPECT_EQ(states(), (Lines{"remove_1   waiting", "remove_2   finished", "shorten_1  waiting",
                             "shorten_2  waiting"}));
}

}  // namespace
}  // namespace tailor::test
