// tailor train as a user runs it: killed at any moment and resumed, stopped by Ctrl-C and SIGTERM,
// its teacher reused, its wrong flags. Runs the real binary on a tiny synthetic configuration.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "check/process.h"
#include "support/expect_error.h"
#include "support/records.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/core/strings.h"
#include "tailor/net/checkpoint.h"

namespace tailor {
namespace {

struct TrainCli : public ::testing::Test {
  TemporaryDirectory folder{"tailor-train-cli"};

  TrainCli() {
    write_file(file("tiny.json"), R"({
      "network": {"family": "resnet_cifar", "depth": 8, "width": 4},
      "data": {"name": "synthetic", "train_size": 240, "validation": 40, "test_size": 40, "augment": ["pad_crop", "flip"]},
      "teacher": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.05}, "schedule": {"kind": "cosine"}},
      "surgery": {"kind": "remove", "alpha": 1},
      "train": {"epochs": 6, "batch_size": 32, "optimizer": {"lr": 0.05}},
      "runtime": {"threads": 1}
    })");
  }
  std::string file(const std::string& name) const { return path_join(folder.path(), name); }
  ProcessResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TAILOR_BINARY);
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  /// The command, ended by a signal after some seconds (coreutils' timeout).
  ProcessResult run_until(const char* signal, double seconds, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"timeout", "--preserve-status", "-s", signal,
                                         fmt::format("{:.2f}", seconds), TAILOR_BINARY});
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  /// The command, ended by a signal as soon as a file (a glob) has a line.
  ProcessResult run_until_written(const char* signal, const std::string& pattern,
                                  std::vector<std::string> arguments) {
    arguments.insert(
        arguments.begin(),
        {"bash", "-c",
         "signal=$1 pattern=$2; shift 2; \"$@\" & pid=$!; until [ -s $pattern ]; do kill -0 $pid "
         "|| exit 99; sleep 0.05; done; kill -$signal $pid; wait $pid",
         "run_until_written", signal, pattern, TAILOR_BINARY});
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  Json summary(const std::string& run_name) {
    return Json::parse(read_file(file(run_name + "/summary.json")), run_name);
  }
  std::vector<std::string> records(const std::string& path) {
    return testing::read_records(file(path));
  }
  void expect_failure(int status, std::initializer_list<std::string> words,
                      const std::vector<std::string>& arguments) {
    ProcessResult r = run(arguments);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
  }
};

TEST_F(TrainCli, KilledAtAnyMomentAndResumedIsTheSameRun) {
  ProcessResult whole = run({"train", "--config", "tiny.json", "--output", "whole/run"});
  ASSERT_EQ(whole.status, 0) << whole.output;
  const std::string digest = summary("whole/run").at("weights_sha256").as_string();
  // What the moment hits (loading, teacher, alteration, a save, the end) is the machine's business,
  // the result is not. A run that ended before its moment says how long one takes now.
  double seconds = 60;
  for (double share : {0.25, 0.4, 0.6}) {
    std::string name;
    ProcessResult r;
    for (int attempt = 0; attempt < 20 && r.status == 0; ++attempt) {
      name = fmt::format("cut{:.2f}-{}/run", share, attempt);
      const auto begin = std::chrono::steady_clock::now();
      r = run_until("KILL", share * seconds, {"train", "--config", "tiny.json", "--output", name});
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      if (r.status == 0) seconds = std::min(0.9 * seconds, took.count());
    }
    ASSERT_NE(r.status, 0) << "never killed";
    for (int attempt = 0; r.status != 0 && attempt < 40; ++attempt) {
      EXPECT_EQ(r.status, 128 + SIGKILL) << r.output;
      const double moment = (share + 0.1 * attempt) * seconds;
      if (!path_exists(file(name + "/config.json"))) {
        r = run_until("KILL", moment, {"train", "--config", "tiny.json", "--output", name});
      } else {
        r = run_until("KILL", moment, {"train", "--resume", name});
      }
    }
    ASSERT_EQ(r.status, 0) << r.output;
    EXPECT_EQ(summary(name).at("weights_sha256").as_string(), digest);
    EXPECT_EQ(summary(name).at("last"), summary("whole/run").at("last"));
    EXPECT_EQ(summary(name).at("best"), summary("whole/run").at("best"));
    EXPECT_EQ(summary(name).at("teacher"), summary("whole/run").at("teacher"));
    EXPECT_EQ(records(name + "/metrics.jsonl"), records("whole/run/metrics.jsonl"));
    EXPECT_EQ(records(name + "/alterations.jsonl"), records("whole/run/alterations.jsonl"));
  }
}

TEST_F(TrainCli, CtrlCAndTermSaveAndSayHowToGoOn) {
  const std::vector<std::string> train = {
      "train", "--config", "tiny.json", "--set", "train.epochs=5000", "--set", "teacher.epochs=1"};
  for (const auto& [signal, status] : {std::pair("INT", 130), std::pair("TERM", 143)}) {
    std::vector<std::string> command = train;
    command.insert(command.end(), {"--output", signal});
    ProcessResult r = run_until_written(signal, std::string(signal) + "/metrics.jsonl", command);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, {"go on with: tailor train --resume " + std::string(signal)});
    EXPECT_GT(load_checkpoint(file(std::string(signal) + "/last.ckpt")).position.epoch, 0);
  }
  // In the teacher's phase the run is named too: it is what the user wants to go on with.
  ProcessResult r = run_until_written(
      "INT", "early/teachers/*/metrics.jsonl",
      {"train", "--config", "tiny.json", "--set", "teacher.epochs=5000", "--output", "early/run"});
  EXPECT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output, {"go on with: tailor train --resume early/run\n"});
  EXPECT_FALSE(path_exists(file("early/run/last.ckpt")));
}

TEST_F(TrainCli, TheTeacherIsTrainedOnceAndLinked) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a"}).status, 0);
  ProcessResult second = run({"train", "--config", "tiny.json", "--output", "runs/b", "--set",
                              "surgery.kind=shorten", "--json"});
  ASSERT_EQ(second.status, 0);
  testing::expect_words(second.output, {"teacher: reusing runs/teachers/resnet8-synthetic-teacher-",
                                        "epoch 1: shortened stage1.block0.skip (2 of 3 left)"});
  EXPECT_TRUE(path_exists(file("runs/b/teacher/last.ckpt")));
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 1U);
  EXPECT_EQ(summary("runs/b").at("teacher"), summary("runs/a").at("teacher"));
  // Another teacher's hyper-parameters make another teacher; where the data lie does not.
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/c", "--set",
                 "data.root=elsewhere", "--set", "train.epochs=4"})
                .status,
            0);
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 1U);
  ASSERT_EQ(
      run({"train", "--config", "tiny.json", "--output", "runs/d", "--set", "teacher.epochs=1"})
          .status,
      0);
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 2U);

  // A finished run is not trained again, a folder that is none is left alone, and --force begins
  // again.
  testing::expect_words(run({"train", "--resume", "runs/a"}).output,
                        {"runs/a is finished already"});
  expect_failure(
      2, {"the folder is not empty; go on with --resume runs/a, or begin again with --force"},
      {"train", "--config", "tiny.json", "--output", "runs/a"});
  write_file(file("mine/thesis.txt"), "years of work");
  expect_failure(2, {"the folder is no run (it has no config.json) and is left alone"},
                 {"train", "--config", "tiny.json", "--output", "mine", "--force"});
  EXPECT_EQ(read_file(file("mine/thesis.txt")), "years of work");
  EXPECT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a", "--force"}).status, 0);

  // A student of that very checkpoint, which must be of its kind.
  const std::string teacher = "runs/a/teacher/best.ckpt";
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/e", "--set",
                 "teacher={\"checkpoint\": \"" + teacher + "\"}"})
                .status,
            0);
  EXPECT_EQ(summary("runs/e").at("weights_sha256"), summary("runs/a").at("weights_sha256"));
  expect_failure(
      3, {"config: /network/join: expected \"before_activation\", as the teacher"},
      {"train", "--config", "tiny.json", "--output", "runs/f", "--set",
       "teacher={\"checkpoint\": \"" + teacher + "\"}", "--set", "network.join=after_activation"});
}

TEST_F(TrainCli, EvaluateAgreesWithTheSummaryAndTheEmulator) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a"}).status, 0);
  auto accuracy = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"evaluate", "--checkpoint", "runs/a/last.ckpt",
                                        "--json",   "--log",        "off"};
    command.insert(command.end(), more.begin(), more.end());
    ProcessResult r = run(command);
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output.substr(r.output.find("{\n")), "answer").at("accuracy").as_number();
  };
  const double expected = summary("runs/a").at("last").at("test_accuracy").as_number();
  EXPECT_DOUBLE_EQ(accuracy({}), expected);
  EXPECT_DOUBLE_EQ(accuracy({"--backend", "float64"}), expected);
  EXPECT_NEAR(accuracy({"--backend", "emulator", "--precision", "16,6"}), expected,
              5.1);  // two images of 40
  EXPECT_DOUBLE_EQ(accuracy({"--split", "validation"}),
                   summary("runs/a").at("last").at("validation_accuracy").as_number());
}

TEST_F(TrainCli, WrongWordsAndImpossiblePlansAreSaidAtOnce) {
  expect_failure(2, {"expected --config NAME or FILE", "resnet20_remove"}, {"train"});
  expect_failure(2, {"there is no config.json: not a run folder"},
                 {"train", "--resume", "nowhere"});
  expect_failure(2, {"--resume x: the run knows its configuration"},
                 {"train", "--resume", "x", "--set", "train.epochs=1"});
  expect_failure(
      3,
      {"config: /train/epochs: expected at least 4 (the last of 3 alterations is due before epoch "
       "3), or allow_partial, got 3 in tiny.json with --set"},
      {"train", "--config", "tiny.json", "--output", "runs/x", "--set", "train.epochs=3"});
  expect_failure(
      3, {"config: /surgery/plan/0/skip: expected the id of a skip (there are stage1.block0.skip"},
      {"train", "--config", "tiny.json", "--output", "runs/x", "--set",
       "surgery.plan=[{\"skip\": \"stage9.block0.skip\", \"kind\": \"keep\"}]"});
  expect_failure(4, {"CIFAR-10 is not in", "scripts/fetch_data.sh cifar10"},
                 {"train", "--config", "resnet20_remove", "--set", "data.root=nothing-here"});
  expect_failure(4, {"/data/validation: expected less than the 240 training images, got 240"},
                 {"train", "--config", "tiny.json", "--set", "data.validation=240"});
  // A data file cut short.
  write_file(file("bad/cifar-10-batches-bin/data_batch_1.bin"), "short");
  write_file(file("bad/cifar-10-batches-bin/test_batch.bin"), "short");
  expect_failure(
      4,
      {"CIFAR file ",
       "bad/cifar-10-batches-bin/test_batch.bin: expected 30730000 bytes (10000 records of 3073), "
       "got 5"},
      {"train", "--config", "resnet20_remove", "--set", "data.root=bad", "--output", "runs/y"});
  // Nothing of all this made a run.
  EXPECT_FALSE(path_exists(file("runs/x/config.json")));
}

TEST_F(TrainCli, ADamagedCheckpointIsRefusedOnResume) {
  run_until_written("KILL", "run/last.ckpt",
                    {"train", "--config", "tiny.json", "--output", "run", "--set",
                     "train.epochs=3000", "--set", "teacher.epochs=1"});
  const std::string last = file("run/last.ckpt");
  ASSERT_TRUE(path_exists(last));
  write_file(last, read_file(last).substr(0, 9999));
  expect_failure(4, {"checkpoint", "last.ckpt", "the file is damaged"},
                 {"train", "--resume", "run"});
}

}  // namespace
}  // namespace tailor
