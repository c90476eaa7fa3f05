// Several processes that train one run, as a user starts, stops and loses them.
#include "cli/torch/train_cli.h"
#include "support/gloo.h"

namespace tailor::test {
namespace {

struct WorkersCli : public TrainCli {
  void SetUp() override {
    TAILOR_NEEDS_GLOO();
    TrainCli::SetUp();
  }
  /// What a script of bash prints, with the program as $tailor.
  ProcessResult run_script(const std::string& script) {
    return run_process({"bash", "-c", script, "script"}, folder.path(),
                       {{"TAILOR_LOG", "info"},
                        {"OMP_NUM_THREADS", "1"},
                        {"tailor", TAILOR_BINARY},
                        {"TMPDIR", folder.path()}});
  }
  /// Of a run that would go on for hours.
  const std::string endless =
      "train --config tiny.json --set train.epochs=100000 "
      "--set surgery.kind=none --output run";
  size_t lines(const std::string& name) { return testing::read_records(file(name)).size(); }
};

TEST_F(WorkersCli, TrainARunAndLeaveNothingBehind) {
  const ProcessResult r =
      run({"train", "--config", "tiny.json", "--output", "run", "--workers", "2"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"2 workers, each with 1 threads", "student, epoch 5 (6 of 6)",
                                   "next: tailor export --checkpoint run"});
  EXPECT_EQ(r.output.find("worker 1"), std::string::npos) << r.output;  // it has nothing to say
  EXPECT_EQ(lines("run/metrics.jsonl"), 6U);
  EXPECT_EQ(lines("run/alterations.jsonl"), 3U);
  EXPECT_EQ(run({"train", "--resume", "run", "--workers", "2"}).status, 0);  // is finished
}

TEST_F(WorkersCli, OneThatDiesEndsTheRunAndIsNamed) {
  const ProcessResult r = run_script(
      "$tailor " + endless +
      " --workers 3 & pid=$!; until [ -s run/last.ckpt ]; do kill -0 $pid || "
      "exit 99; sleep 0.05; done; for status in /proc/[0-9]*/status; do grep -q "
      "\"^PPid:[[:space:]]*$pid$\" $status 2>/dev/null && child=${status%/status}; done; "
      "rank=$(tr '\\0' '\\n' <$child/environ | sed -n s/^RANK=//p); kill -9 ${child#/proc/}; "
      "SECONDS=0; wait $pid; code=$?; echo after $((SECONDS < 30)); exit $code");
  EXPECT_EQ(r.status, 8) << r.output;
  testing::expect_words(r.output, {"worker: worker ", " of 3 was ended by signal 9 (Killed)",
                                   "tailor train --resume", "after 1"});
  EXPECT_EQ(r.output.find("internal"), std::string::npos) << r.output;
  for (const std::string& name : list_directory(folder.path()))
    EXPECT_EQ(name.find("tailor-workers"), std::string::npos);
}

TEST_F(WorkersCli, StopAtASignalAndGoOnAsAnotherNumber) {
  std::vector<std::string> arguments = {"train", "--config", "tiny.json", "--output", "run"};
  arguments.insert(arguments.end(), {"--workers", "2"});
  ProcessResult r = run_until_written("INT", "run/last.ckpt", arguments);
  EXPECT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output, {"saved at epoch", "go on with: tailor train --resume run"});
  EXPECT_EQ(r.output.find("worker:"), std::string::npos) << r.output;
  r = run_until_written("TERM", "run/metrics.jsonl",
                        {"train", "--resume", "run", "--workers", "3"});
  EXPECT_EQ(r.status, 143) << r.output;
  r = run({"train", "--resume", "run"});
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(lines("run/metrics.jsonl"), 6U);
}

/// As torchrun starts two: `$1` is a variable's prefix of each, `both` what is done once they run.
std::string started_by_variables(const std::string& command, const std::string& then) {
  return "port=$(python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); "
         "print(s.getsockname()[1])'); export MASTER_ADDR=127.0.0.1 MASTER_PORT=$port "
         "WORLD_SIZE=2 LOCAL_WORLD_SIZE=2; "
         "RANK=0 LOCAL_RANK=0 $tailor " +
         command +
         " & first=$!; "
         "RANK=1 LOCAL_RANK=1 $tailor " +
         command + " & second=$!; " + then +
         " wait $first; a=$?; wait $second; b=$?; echo ended with $a and $b";
}

TEST_F(WorkersCli, AreWhatTheVariablesOfALauncherSay) {
  const ProcessResult r =
      run_script(started_by_variables("train --config tiny.json --output run", ""));
  testing::expect_words(r.output, {"2 workers", "ended with 0 and 0"});
  EXPECT_EQ(lines("run/metrics.jsonl"), 6U);
}

TEST_F(WorkersCli, TheOthersNameOneThatDies) {
  const ProcessResult r = run_script(started_by_variables(
      endless,
      "until [ -s run/last.ckpt ]; do kill -0 $first || exit 99; sleep 0.05; done; "
      "kill -9 $second;"));
  testing::expect_words(r.output, {"tailor: worker: worker 1 of 2 is lost", "tailor train --resume",
                                   "ended with 8 and 137"});
}

TEST_F(WorkersCli, AnErrorOfTheLeadersIsSaidOnceAndEndsAll) {
  const ProcessResult r = run_script(
      started_by_variables("train --config tiny.json --output run --set train.epochs=none", ""));
  testing::expect_words(r.output, {"/train/epochs", "ended with 3 and 8"});
  EXPECT_EQ(r.output.find("worker"), std::string::npos) << r.output;
}

TEST_F(WorkersCli, WhatTheyCannotDoTogetherIsSaidBeforeAnyFolder) {
  const auto refused = [&](int status, std::initializer_list<std::string> words,
                           std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"train", "--config", "tiny.json", "--output", "run"});
    const ProcessResult r = run(arguments);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
    EXPECT_FALSE(path_exists(file("run")));
  };
  refused(2, {"--workers and --gpus", "one of them"}, {"--workers", "2", "--gpus", "2"});
  refused(3, {"/quantization", "none with 2 workers"},
          {"--workers", "2", "--set", "quantization.precision=8,3"});
  refused(3, {"/train/batch_size", "each of 2 workers"},
          {"--workers", "2", "--set", "train.batch_size=2", "--set", "data.train_size=243"});
  refused(2, {"--gpus 9", "LibTorch finds", "--workers 9"}, {"--gpus", "9"});
  const ProcessResult r = run_script(
      "RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=1 "
      "$tailor " +
      endless + " --workers 2");
  EXPECT_EQ(r.status, 2) << r.output;
  testing::expect_words(r.output, {"--workers 2", "process 0 of 2 that torchrun has started"});
}

TEST_F(TrainCli, WorkersThatCannotMeetAreRefusedBeforeAnyFolder) {
#ifdef TAILOR_GLOO
  GTEST_SKIP() << "this build has Gloo";
#endif
  const ProcessResult r =
      run({"train", "--config", "tiny.json", "--output", "run", "--workers", "2"});
  EXPECT_EQ(r.status, 5) << r.output;
  testing::expect_words(r.output, {"2 workers on CPUs", "no Gloo", "scripts/setup.sh"});
  EXPECT_FALSE(path_exists(file("run")));
}

}  // namespace
}  // namespace tailor::test
