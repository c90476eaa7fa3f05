// tailor train as a user runs it: killed at any moment and resumed, stopped by Ctrl-C and SIGTERM,
// its teacher reused, its wrong flags. Runs the real binary on a tiny synthetic configuration.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "support/expect_error.h"
#include "support/networks.h"
#include "support/records.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"
#include "tailor/data/codec.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::test {
namespace {

using Lines = std::vector<std::string>;

struct TrainCli : public ::testing::Test {
  TemporaryDirectory folder{"tailor-train-cli"};

  TrainCli() {
    write_file(file("tiny.json"), R"({
      "network": {"family": "resnet_cifar", "depth": 8, "width": 4},
      "data": {"name": "synthetic", "train_size": 240, "validation": 40, "test_size": 40,
               "augment": ["pad_crop", "flip"]},
      "teacher": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.05},
                  "schedule": {"kind": "cosine"}},
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
  /// The command, ended by SIGINT as soon as a run's log has `count` lines with a text.
  ProcessResult run_until_said(const std::string& log, const std::string& text, int count,
                               std::vector<std::string> arguments) {
    arguments.insert(
        arguments.begin(),
        {"bash", "-c",
         "log=$1 text=$2 count=$3; shift 3; \"$@\" & pid=$!; until [ $(grep -c \"$text\" $log) -ge "
         "$count ]; do kill -0 $pid || exit 99; sleep 0.05; done; kill -INT $pid; wait $pid",
         "run_until_said", log, text, std::to_string(count), TAILOR_BINARY});
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

/// Of the option A shortcut of the third block.
int64_t pad_offset(const Checkpoint& c) {
  return std::get<PickLayer>(c.network.blocks[2].skips[0].layers[0]).channel_offset;
}
/// Of the first block's second stage, both ways.
int64_t second_stride(const Checkpoint& c) {
  return stride_of(c.network.blocks[0].stages[1].layers).height;
}

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

TEST_F(TrainCli, ARunOfVersion1IsGoneOnWithFromTheMiddleOfAnEpoch) {
  const std::string archive = path_join(TAILOR_TEST_SOURCE, "frozen/v1/runs.tar.xz");
  ASSERT_EQ(run_process({"tar", "xJf", archive}, folder.path()).status, 0);
  const auto metrics = records("runs/stopped/metrics.jsonl"),
             alterations = records("runs/stopped/alterations.jsonl");
  ASSERT_EQ(metrics.size(), 1U);
  ASSERT_EQ(alterations.size(), 1U);
  const ProcessResult r = run({"train", "--resume", "runs/stopped"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"teacher: reusing runs/teachers/frozen-synthetic-teacher-6a89a1e097",
       "runs/stopped: going on at epoch 1, step 22", "epoch 2: removed gone.skip (0 of 2 left)"});
  // What was written stays, and the end is the one of the run that was not stopped.
  const auto all_metrics = records("runs/stopped/metrics.jsonl"),
             all_alterations = records("runs/stopped/alterations.jsonl");
  ASSERT_EQ(all_metrics.size(), 4U);
  ASSERT_EQ(all_alterations.size(), 2U);
  EXPECT_EQ(all_metrics[0], metrics[0]);
  EXPECT_EQ(all_alterations[0], alterations[0]);
  const Json now = summary("runs/stopped"), whole = summary("runs/finished");
  for (const char* key : {"network", "join", "alterations", "skips", "parameters", "epochs"})
    EXPECT_EQ(now.at(key), whole.at(key)) << key;
  EXPECT_EQ(now.at("teacher").at("weights_sha256"), whole.at("teacher").at("weights_sha256"));
  EXPECT_EQ(write_network(load_checkpoint(file("runs/stopped/last.ckpt")).network),
            write_network(load_checkpoint(file("runs/finished/last.ckpt")).network));
  testing::expect_words(run({"train", "--resume", "runs/finished"}).output,
                        {"runs/finished is finished already"});
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
  const std::vector<std::string> other = {"--set", "data.seed=5", "--set", "data.test_size=30"};
  const double elsewhere = accuracy(other);
  EXPECT_NE(elsewhere, expected);
  EXPECT_DOUBLE_EQ(accuracy({other[0], other[1], other[2], other[3], "--backend", "float64"}),
                   elsewhere);
  const ProcessResult stopped =
      run_until("INT", 2, {"evaluate", "--checkpoint", "runs/a", "--set", "data.test_size=100000"});
  EXPECT_EQ(stopped.status, 130) << stopped.output;
  EXPECT_DOUBLE_EQ(accuracy({"--split", "validation"}),
                   summary("runs/a").at("last").at("validation_accuracy").as_number());
}

TEST_F(TrainCli, EveryBackendCountsTheSameMistakesAndSaysTheSameOfAPicture) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a"}).status, 0);
  save_png(file("x.png"), {20, 30}, std::vector<uint8_t>(20 * 30 * 3, 90));
  auto answer = [&](const std::string& backend, std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "--checkpoint", "runs/a/last.ckpt", "--backend", backend,
                               "--json", "--log", "off"});
    const ProcessResult r = run(more);
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output, "answer");
  };
  const Json torch = answer("libtorch", {}), float64 = answer("float64", {}),
             wide = answer("emulator", {"--precision", "24,10"});
  for (const Json* other : {&float64, &wide}) {
    EXPECT_EQ(other->at("confusion"), torch.at("confusion"));
    EXPECT_EQ(other->at("per_class"), torch.at("per_class"));
    EXPECT_EQ(other->at("top5_accuracy"), torch.at("top5_accuracy"));
    EXPECT_NEAR(other->at("loss").as_number(), torch.at("loss").as_number(), 1e-3);
  }
  EXPECT_NEAR(float64.at("loss").as_number(), torch.at("loss").as_number(), 1e-5);
  auto likeliest = [&](const std::string& backend) {
    const Json said = answer(backend, {"--images", "x.png"});
    return said.at("pictures").as_array().at(0).at("top").as_array().at(0);
  };
  for (const char* backend : {"float64", "emulator"}) {
    EXPECT_EQ(likeliest(backend).at("name"), likeliest("libtorch").at("name"));
    EXPECT_NEAR(likeliest(backend).at("probability").as_number(),
                likeliest("libtorch").at("probability").as_number(), 0.02);
  }

  // Weights whose outputs are beyond float32 have no class.
  Checkpoint c = load_checkpoint(file("runs/a/last.ckpt"));
  for (float& w : c.tensors.at("fc.weight").as<float>()) w = 3e38F;
  save_checkpoint(file("wild.ckpt"), c);
  expect_failure(
      4, {"wild.ckpt: image 0: the network's output 0 of 10 is ", "expected a finite number"},
      {"evaluate", "--checkpoint", "wild.ckpt", "--predictions", "p.csv"});
  EXPECT_FALSE(path_exists(file("p.csv")));
  expect_failure(4, {"wild.ckpt: x.png: the network's output 0 of 10 is "},
                 {"evaluate", "--checkpoint", "wild.ckpt", "--images", "x.png"});
}

TEST_F(TrainCli, WrongWordsAndImpossiblePlansAreSaidAtOnce) {
  expect_failure(2, {"expected --config NAME or FILE", "tailor config list"}, {"train"});
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
  // The student's batches, before the teacher's hours: a ResNet-18 ends on single pixels.
  expect_failure(3, {"/train/batch_size: expected at least 2: stage4.block0.bn1 sees one pixel"},
                 {"train", "--config", "tiny.json", "--output", "runs/x", "--set",
                  "network.family=resnet_imagenet", "--set", "network.depth=18", "--set",
                  "surgery.kind=none", "--set", "train.batch_size=1"});
  EXPECT_FALSE(path_exists(file("runs/teachers")));
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

TEST_F(TrainCli, WeightsFromElsewhereBecomeATeacherAndAProjectAndGoBack) {
  // A ResNet-8 as torchvision would name it, under the folders that torch.save's users make.
  const Network network = make_network(network_by_name("resnet8").config, {3, 32, 32}, 10);
  const WeightRules rules = load_weight_rules("cifar_downsample");
  TensorFile weights;
  const TensorMap tensors = testing::random_tensors(network, 7);
  for (const auto& [name, tensor] : tensors)
    weights.tensors.emplace("state_dict.module." + foreign_name(rules, name), tensor);
  save_safetensors(file("theirs.safetensors"), weights);

  ProcessResult r = run({"import", "theirs.safetensors", "--network", "resnet8", "--output", "in",
                         "--set", "data.name=synthetic", "--std", "0.3,0.25,0.2"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"in/model.ckpt: resnet8 from theirs.safetensors (safetensors)",
                                   "rules cifar_downsample",
                                   "47 of 47 tensors of resnet8 matched under the prefix "
                                   "state_dict.module.",
                                   "\"deviation\":[0.3,0.25,0.2]", "data: synthetic"});
  const Checkpoint c = load_checkpoint(file("in/model.ckpt"));
  EXPECT_EQ(c.tensors, tensors);
  EXPECT_EQ(c.preprocessing.deviation, (std::vector<double>{0.3, 0.25, 0.2}));

  ASSERT_EQ(run({"export", "--checkpoint", "in", "--output", "p", "--vectors", "3"}).status, 0);
  r = run({"check", "p"});
  EXPECT_EQ(r.status, 0) << r.output;

  r = run({"train", "--config", "tiny.json", "--output", "runs/student", "--set",
           "teacher={\"checkpoint\": \"in/model.ckpt\"}", "--set", "network.width=16", "--set",
           "train.epochs=4"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(load_checkpoint(file("runs/student/last.ckpt")).preprocessing.deviation,
            c.preprocessing.deviation);
  // Nobody tested these weights before: the run does, beside its student.
  const ProcessResult tested = run(
      {"evaluate", "--checkpoint", "in", "--json", "--log", "off", "--set", "data.test_size=40"});
  ASSERT_EQ(tested.status, 0) << tested.output;
  const Json answer = Json::parse(tested.output.substr(tested.output.find("{\n")), "answer");
  EXPECT_EQ(summary("runs/student").at("teacher").at("test_accuracy").as_number(),
            answer.at("accuracy").as_number());

  r = run({"export", "--checkpoint", "in", "--format", "safetensors", "--rules", "cifar_downsample",
           "--output", "back.safetensors"});
  ASSERT_EQ(r.status, 0) << r.output;
  const TensorFile back = load_safetensors(file("back.safetensors"));
  EXPECT_EQ(back.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors)
    EXPECT_EQ(back.tensors.at(foreign_name(rules, name)), tensor) << name;

  const std::vector<std::string> import = {"import", "theirs.safetensors", "--network"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), import.begin(), import.end());
    return more;
  };
  expect_failure(2, {"in/model.ckpt exists already", "--force"},
                 with({"resnet8", "--output", "in"}));
  expect_failure(2, {"unknown network 'resnet9' (did you mean 'resnet8'?)"}, with({"resnet9"}));
  expect_failure(2, {"no such rule set (did you mean 'cifar_pad'?)"},
                 with({"resnet8", "--rules", "cifar_pd"}));
  expect_failure(2, {"--mean: expected 3 numbers, one a channel, got 1"},
                 with({"resnet8", "--output", "x", "--mean", "0.5"}));
  expect_failure(4,
                 {"does not hold the weights of resnet20", "missing: stage1.block1.conv1.weight",
                  "it holds the weights of resnet8: give that --network"},
                 with({"resnet20", "--output", "x"}));
  expect_failure(4, {"fc.weight has shape [10, 64], expected [100, 64]"},
                 with({"resnet8", "--output", "x", "--classes", "100"}));
  expect_failure(2, {"--mean: expected pixels in 0..1, got 125 (of 0..255: divide by 255)"},
                 with({"resnet8", "--output", "x", "--mean", "125,123,113"}));
  // A training script's exponential average beside its weights.
  TensorFile both = weights;
  for (const auto& [name, tensor] : tensors)
    both.tensors.emplace("ema." + foreign_name(rules, name),
                         testing::random_tensors(network, 8).at(name));
  save_safetensors(file("both.safetensors"), both);
  expect_failure(
      2, {"in the file 2 times, under the prefixes 'ema.' and 'state_dict.module.'", "--prefix"},
      {"import", "both.safetensors", "--network", "resnet8", "--output", "x"});
  ASSERT_EQ(run({"import", "both.safetensors", "--network", "resnet8", "--output", "in2",
                 "--prefix", "state_dict.module."})
                .status,
            0);
  EXPECT_EQ(load_checkpoint(file("in2/model.ckpt")).tensors, tensors);
  // A description of the same network finds the same rules.
  write_file(file("r8.json"), write_network(network).dump());
  ASSERT_EQ(run({"import", "theirs.safetensors", "--network", "r8.json", "--output", "in3"}).status,
            0);
  EXPECT_EQ(load_checkpoint(file("in3/model.ckpt")).tensors, tensors);
  expect_failure(
      2, {"--classes, --image-size, --shortcut: r8.json says 10 classes"},
      {"import", "theirs.safetensors", "--network", "r8.json", "--output", "x", "--classes", "7"});
  // Weights that nobody trained.
  for (const auto& [name, value] :
       {std::pair("fc.bias", std::nanf("")), std::pair("stage1.block0.bn1.running_var", -1.F)}) {
    TensorFile bad = weights;
    Tensor& tensor = bad.tensors.at("state_dict.module." + foreign_name(rules, name));
    Tensor changed(DType::F32, tensor.shape());
    std::copy_n(tensor.as<float>().data(), changed.size(), changed.as<float>().data());
    changed.as<float>()[3] = value;
    tensor = changed;
    save_safetensors(file("bad.safetensors"), bad);
    expect_failure(4, {std::string("the tensor that becomes ") + name, "at element 3"},
                   {"import", "bad.safetensors", "--network", "resnet8", "--output", "x"});
  }
  // A teacher that learnt nothing is named, and not the student's learning rate.
  Checkpoint wild = load_checkpoint(file("in/model.ckpt"));
  wild.tensors.at("fc.bias").as<float>()[0] = 1e30F;
  save_checkpoint(file("wild.ckpt"), wild);
  expect_failure(4,
                 {"at epoch 0, step ", "the teacher's outputs reach 1e+30, so it has not learnt"},
                 {"train", "--config", "tiny.json", "--output", "runs/wild", "--set",
                  "teacher={\"checkpoint\": \"wild.ckpt\"}", "--set", "network.width=16", "--set",
                  "train.epochs=4"});
  expect_failure(2, {"nowhere.pth: there is no such file"},
                 {"import", "nowhere.pth", "--network", "resnet8"});
  write_file(file("keras.h5"), std::string("\x89HDF\r\n\x1a\n", 8) + "and more");
  expect_failure(5, {"keras.h5 is an HDF5 file"}, {"import", "keras.h5", "--network", "resnet8"});
  EXPECT_FALSE(path_exists(file("x")));
}

TEST_F(TrainCli, AnImportSaysWhatTheFileDoesNotAndHowToFindOut) {
  NetworkConfig config = network_by_name("resnet8").config;
  config.shortcut = Shortcut::PadEnd;
  const auto write = [&](const std::string& name, int64_t classes) {
    TensorFile weights;
    const WeightRules rules = load_weight_rules("cifar_pad");
    const Network network = make_network(config, {3, 32, 32}, classes);
    for (const auto& [ours, tensor] : testing::random_tensors(network, 7))
      weights.tensors.emplace(foreign_name(rules, ours), tensor);
    save_safetensors(file(name), weights);
  };
  const auto imported = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"import", "pad.safetensors", "--network", "resnet8", "--force"});
    ProcessResult r = run(more);
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  write("pad.safetensors", 10);
  const std::string preprocessing =
      "the preprocessing of the rules cifar_pad: mean 0.485,0.456,0.406, deviation "
      "0.229,0.224,0.225";
  const std::string zeros = "that shortcuts put half of the zero channels before and half behind";
  testing::expect_words(
      imported({"--output", "in put"}),
      {"assumed, because the file does not say it: " + preprocessing,
       "assumed, because the file does not say it: " + zeros,
       "tailor import pad.safetensors --network resnet8 --mean 0.4914,0.4822,0.4465 --std "
       "0.2023,0.1994,0.201 --output 'in put-3' && tailor evaluate --checkpoint 'in put-3'",
       "--shortcut pad_end --output 'in put-5'"});
  const Checkpoint both = load_checkpoint(file("in put/model.ckpt"));
  EXPECT_EQ(both.assumptions.size(), 2U);
  EXPECT_EQ(pad_offset(both), 8);
  testing::expect_words(run({"inspect", "in put"}).output,
                        {"assumed " + preprocessing, "assumed " + zeros});
  const std::vector<std::string> synthetic = {"--set", "data.name=synthetic", "--set",
                                              "data.test_size=40"};
  for (const char* backend : {"libtorch", "float64"}) {
    std::vector<std::string> evaluate = {"evaluate", "--checkpoint", "in put", "--backend",
                                         backend};
    evaluate.insert(evaluate.end(), synthetic.begin(), synthetic.end());
    testing::expect_words(run(evaluate).output,
                          {"in put/model.ckpt: assumed " + preprocessing, "assumed " + zeros});
  }
  const ProcessResult trained =
      run({"train", "--config", "tiny.json", "--output", "runs/s", "--set",
           "teacher={\"checkpoint\": \"in put/model.ckpt\"}", "--set", "network.width=16", "--set",
           "network.shortcut=pad", "--set", "train.epochs=4"});
  EXPECT_EQ(trained.status, 0) << trained.output;
  testing::expect_words(trained.output, {"model.ckpt: assumed " + preprocessing});

  // Rules that say the other kind of pad are not contradicted.
  Json rules = Json::parse(
      std::string(read_file(TAILOR_TEST_SOURCE "/../configs/rules/cifar_pad.json")), "rules");
  rules.set("shortcut", "pad_end");
  write_file(file("end.json"), rules.dump());
  testing::expect_words(
      imported({"--output", "end", "--rules", "end.json"}),
      {"assumed, because the file does not say it: that shortcuts put all of the zero channels "
       "behind (pad_end), which has the same tensors as half",
       "--rules end.json --shortcut pad --output end-"});
  EXPECT_EQ(pad_offset(load_checkpoint(file("end/model.ckpt"))), 0);
  // A mean that is said is neither assumed nor changed.
  const std::string mean = imported({"--output", "mean", "--mean", "0.5,0.5,0.5"});
  testing::expect_words(mean, {"the preprocessing of the rules cifar_pad: deviation 0.229,0.224,"
                               "0.225\n",
                               "--mean 0.5,0.5,0.5 --std 0.2023,0.1994,0.201"});
  EXPECT_EQ(mean.find("0.4914"), std::string::npos) << mean;
  // A command to find out with is of the same import; a new head has nothing to evaluate yet.
  const Json head =
      Json::parse(imported({"--output", "head", "--new-head", "--json", "--log", "off"}), "answer");
  ASSERT_FALSE(head.at("find_out").as_array().empty());
  for (const Json& command : head.at("find_out").as_array()) {
    testing::expect_words(command.as_string(), {"--network resnet8 --new-head "});
    EXPECT_EQ(command.as_string().find("evaluate"), std::string::npos);
  }

  // What is said is not assumed.
  imported({"--output", "in", "--shortcut", "pad_end", "--mean", "0.5,0.5,0.5", "--std", "1,1,1"});
  const Checkpoint said = load_checkpoint(file("in/model.ckpt"));
  EXPECT_TRUE(said.assumptions.empty());
  EXPECT_EQ(pad_offset(said), 0);
  EXPECT_EQ(said.config.at("network").at("shortcut").as_string(), "pad_end");
  // Our own files say both.
  ASSERT_EQ(run({"export", "--checkpoint", "in", "--format", "safetensors", "--output",
                 "pad.safetensors", "--force"})
                .status,
            0);
  imported({"--output", "again"});
  const Checkpoint again = load_checkpoint(file("again/model.ckpt"));
  EXPECT_TRUE(again.assumptions.empty());
  EXPECT_EQ(write_network(again.network), write_network(said.network));
  EXPECT_EQ(again.preprocessing, said.preprocessing);

  write("pad.safetensors", 100);
  testing::expect_words(imported({"--output", "hundred", "--classes", "100"}),
                        {"data: cifar100",
                         "the preprocessing of the data set cifar100: mean "
                         "0.5071,0.4865,0.4409, deviation 0.2673,0.2564,0.2762"});
  expect_failure(4, {"only the last layer differs: say its --classes", "--new-head"},
                 {"import", "pad.safetensors", "--network", "resnet8", "--output", "x"});
  expect_failure(2,
                 {"--shortcut pad: the rules cifar_projection are of networks with the shortcut"},
                 {"import", "pad.safetensors", "--network", "resnet8", "--output", "x", "--rules",
                  "cifar_projection", "--shortcut", "pad"});
  write_file(file("names.txt"),
             "\xEF\xBB\xBF"
             "0\r\n1\r\n2\r\n");
  expect_failure(4, {"--class-names names.txt: expected 100 names", "got 3"},
                 {"import", "pad.safetensors", "--network", "resnet8", "--classes", "100",
                  "--output", "x", "--class-names", "names.txt"});
  write_file(file("names.txt"), "cat\ndog\ncat\n");
  expect_failure(4, {"--class-names names.txt: line 3 repeats 'cat'"},
                 {"import", "pad.safetensors", "--network", "resnet8", "--classes", "100",
                  "--output", "x", "--class-names", "names.txt"});
  EXPECT_FALSE(path_exists(file("x")));
}

TEST_F(TrainCli, ABodyFromElsewhereWithANewHeadIsTheStartOfATeacher) {
  NetworkConfig config = network_by_name("resnet8").config;
  const WeightRules rules = load_weight_rules("cifar_downsample");
  TensorFile weights;  // of seven classes; the data have ten
  const TensorMap tensors = testing::random_tensors(make_network(config, {3, 32, 32}, 7), 7);
  for (const auto& [ours, tensor] : tensors)
    weights.tensors.emplace(foreign_name(rules, ours), tensor);
  save_safetensors(file("seven.safetensors"), weights);
  ProcessResult r = run({"import", "seven.safetensors", "--network", "resnet8", "--classes", "10",
                         "--new-head", "--set", "data.name=synthetic", "--output", "in"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"45 of 47 tensors of resnet8 matched", "2 begun anew: fc.weight [10, 64], fc.bias [10]",
       "2 dropped: fc.bias, fc.weight", "the preprocessing of the rules cifar_downsample",
       "next: tailor train --config resnet20_remove --set teacher.start=in/model.ckpt --set "
       "network.depth=8 --set data.name=synthetic\n"});
  // The command is whole: with less to train, it trains.
  const std::string next = r.output.substr(r.output.find("next: tailor train") + 13);
  r = run_process(
      {"sh", "-c",
       shell_quote(TAILOR_BINARY) + " " + next.substr(0, next.find('\n')) +
           " --output runs/next --set teacher.epochs=1 --set train.epochs=1 --set "
           "surgery.allow_partial=true --set data.train_size=90 --set data.validation=30 --set "
           "data.test_size=20 --set 'data.augment=[]'"},
      folder.path());
  EXPECT_EQ(r.status, 0) << r.output;
  const Checkpoint start = load_checkpoint(file("in/model.ckpt"));

  // At a rate of 0 the weights stay those that the training began with.
  const std::vector<std::string> still = {
      "train", "--config", "tiny.json", "--set", "network.width=16", "--set", "train.epochs=2"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), still.begin(), still.end());
    return more;
  };
  const auto began_as_start = [&](const std::string& path) {
    const Checkpoint c = load_checkpoint(file(path));
    EXPECT_EQ(c.preprocessing, start.preprocessing) << path;
    EXPECT_EQ(c.tensors.at("stage3.block0.conv2.weight"), tensors.at("stage3.block0.conv2.weight"));
    EXPECT_EQ(c.tensors.at("fc.weight"), start.tensors.at("fc.weight"));
  };
  r = run(with({"--output", "runs/plain", "--set", "teacher=null", "--set", "surgery.kind=none",
                "--set", "train.start=in/model.ckpt", "--set", "train.optimizer.lr=0"}));
  ASSERT_EQ(r.status, 0) << r.output;
  began_as_start("runs/plain/last.ckpt");
  r = run(with({"--output", "runs/student", "--set", "teacher.start=in/model.ckpt", "--set",
                "teacher.optimizer.lr=0", "--set", "teacher.epochs=1", "--set",
                "surgery.allow_partial=true"}));
  ASSERT_EQ(r.status, 0) << r.output;
  began_as_start("runs/student/teacher/last.ckpt");

  expect_failure(3, {"/teacher/checkpoint: expected a trained teacher", "whose last layer is new"},
                 with({"--output", "runs/x", "--set", "teacher={\"checkpoint\": \"in/model.ckpt\"}",
                       "--set", "surgery.allow_partial=true"}));
  expect_failure(3, {"/train/start: expected no start, because a student begins as its teacher"},
                 with({"--output", "runs/x", "--set", "train.start=in/model.ckpt"}));
  expect_failure(3, {"/network/width: expected 16, as the start ", "has it, got 4"},
                 {"train", "--config", "tiny.json", "--output", "runs/x", "--set",
                  "teacher.start=in/model.ckpt"});
  EXPECT_FALSE(path_exists(file("runs/x")));
}

TEST_F(TrainCli, ANetworkOfOnesOwnIsTrainedAlteredExportedAndChecked) {
  const std::string own = TAILOR_TEST_SOURCE "/../configs/networks/unequal.json";
  write_file(file("own.json"), read_file(own));
  for (const char* kind : {"shorten", "remove"}) {
    const std::string name = std::string("runs/") + kind;
    ProcessResult r = run({"train", "--config", "tiny.json", "--output", name, "--set",
                           "network={\"family\": \"file\", \"file\": \"own.json\"}", "--set",
                           std::string("surgery.kind=") + kind, "--set", "teacher.epochs=1",
                           "--set", "data.train_size=120", "--set", "train.epochs=5"});
    ASSERT_EQ(r.status, 0) << r.output;
    r = run(
        {"export", "--checkpoint", name, "--output", std::string("p/") + kind, "--vectors", "3"});
    ASSERT_EQ(r.status, 0) << r.output;
    r = run({"check", std::string("p/") + kind});
    EXPECT_EQ(r.status, 0) << r.output;
  }
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 1U);
  EXPECT_EQ(list_directory(file("runs/teachers"))[0].compare(0, 24, "unequal-synthetic-teache"), 0);
  EXPECT_EQ(skip_ids(load_checkpoint(file("runs/remove/last.ckpt")).network).size(), 0U);
  // The skip that spans one stage stays, and stands in for that step of the outer one.
  EXPECT_EQ(
      skip_ids(load_checkpoint(file("runs/shorten/last.ckpt")).network),
      (std::vector<std::string>{"outer.skip0.0", "outer.skip0.2", "outer.skip1", "down.skip.0",
                                "down.skip.1", "tail.skip.0", "tail.skip.1", "tail.skip.2"}));
}

TEST_F(TrainCli, ADescribedNetworkFromElsewhereIsATeacherWhateverTheUnusedKeysSay) {
  const std::string own = TAILOR_TEST_SOURCE "/../configs/networks/unequal.json";
  const Network network = network_by_name(own).network;
  TensorFile weights;
  weights.tensors = testing::random_tensors(network, 5);
  save_safetensors(file("own.safetensors"), weights);
  ProcessResult r = run({"import", "own.safetensors", "--network", own, "--output", "in", "--set",
                         "data.name=synthetic"});
  ASSERT_EQ(r.status, 0) << r.output;
  std::vector<std::string> train = {"train", "--config", "tiny.json", "--output", "runs/student"};
  auto add = [&](const std::string& assignment) {
    train.emplace_back("--set");
    train.push_back(assignment);
  };
  add("teacher={\"checkpoint\": \"in/model.ckpt\"}");
  add("train.epochs=5");
  r = run(train);  // tiny.json's ResNet-8
  EXPECT_EQ(r.status, 3);
  testing::expect_words(r.output, {"/network/family: expected \"file\", as the teacher"});
  add("network.family=file");
  add("network.file=" + own);
  train.emplace_back("--force");
  r = run(train);
  EXPECT_EQ(r.status, 0) << r.output;
}

TEST_F(TrainCli, AnImportWithoutLastBiasNamesAnotherDataSetAndGoesBack) {
  write_file(file("flat.json"), R"({"name": "flat", "input": {"channels": 3, "height": 24,
    "width": 24}, "classes": 10, "blocks": [{"id": "stem", "stages": [{"out_channels": 4,
    "stride": 4}]}], "head": {"pooling": "none"}})");
  const Network network = network_by_name(file("flat.json")).network;
  TensorFile weights;
  weights.tensors = testing::random_tensors(network, 5);
  weights.tensors.erase("fc.bias");
  save_safetensors(file("flat.safetensors"), weights);
  ProcessResult r = run({"import", "flat.safetensors", "--network", "flat.json", "--output", "in"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"1 not in the file and taken as neutral (biases 0, scales 1): fc.bias", "data: folder"});
  // A folder's pictures have the network's size, a .npy array's their own.
  EXPECT_EQ(load_checkpoint(file("in/model.ckpt")).config.at("data").at("image_size").as_int(), 24);
  r = run({"import", "flat.safetensors", "--network", "flat.json", "--output", "in", "--force",
           "--set", "data.name=npy"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(load_checkpoint(file("in/model.ckpt")).config.at("data").at("image_size").as_int(), 0);

  r = run({"export", "--checkpoint", "in", "--format", "safetensors", "--zero-biases", "--output",
           "back.safetensors"});
  ASSERT_EQ(r.status, 0) << r.output;
  TensorMap back = load_safetensors(file("back.safetensors")).tensors;
  EXPECT_EQ(back.at("stem.conv1.bias"), Tensor(DType::F32, {4}));
  EXPECT_EQ(back.size(), weights.tensors.size() + 2);
  expect_failure(2, {"--zero-biases: it goes with --format safetensors"},
                 {"export", "--checkpoint", "in", "--zero-biases"});
  expect_failure(2, {"/dev/zero: expected a file, got a folder, a pipe or a device"},
                 {"import", "/dev/zero", "--network", "flat.json"});
}

TEST_F(TrainCli, AChangedDescriptionIsAnotherTeacherAndAMovedOneIsNotMissed) {
  auto describe = [&](int stride) {
    write_file(file("own.json"),
               fmt::format(R"({{"name": "own", "input": {{"channels": 3, "height": 32,
      "width": 32}}, "classes": 10, "blocks": [{{"id": "stem", "stages": [{{"out_channels": 4}},
      {{"kind": "avg_pool", "kernel": {0}, "stride": {0}, "pad": 0}}]}},
      {{"id": "b", "stages": [{{"out_channels": 4}}, {{"out_channels": 4}}],
      "skips": [{{"from": 0, "to": 2}}]}}]}})",
                           stride));
  };
  describe(4);
  auto train = [&](const std::string& output) {
    return run({"train", "--config", "tiny.json", "--output", output, "--set",
                "network.family=file", "--set", "network.file=own.json", "--set",
                "teacher.epochs=1", "--set", "train.epochs=3", "--set", "data.train_size=120"});
  };
  ASSERT_EQ(train("runs/a").status, 0);
  describe(2);
  ASSERT_EQ(train("runs/b").status, 0);
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 2U);
  EXPECT_EQ(second_stride(load_checkpoint(file("runs/b/last.ckpt"))), 2);
  ASSERT_EQ(run({"export", "--checkpoint", "runs/b", "--output", "p", "--vectors", "3"}).status, 0);
  const ProcessResult checked = run({"check", "p"});
  EXPECT_EQ(checked.status, 0) << checked.output;
  remove_all(file("own.json"));
  remove_all(file("runs/a/summary.json"));
  const ProcessResult r = run({"train", "--resume", "runs/a"});
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(second_stride(load_checkpoint(file("runs/a/last.ckpt"))), 4);
}

TEST_F(TrainCli, PicturesThatChangedAreAnotherTeacherAndOtherClassesAreRefused) {
  auto draw = [&](const std::string& name, uint8_t value) {
    for (int i = 0; i < 6; ++i)
      save_png(file(fmt::format("pictures/{}/{}.png", name, i)), {16, 16},
               std::vector<uint8_t>(16 * 16 * 3, static_cast<uint8_t>(value + i)));
  };
  draw("cat", 20);
  draw("dog", 90);
  auto train = [&](const std::string& output) {
    return run({"train", "--config", "tiny.json", "--output", output, "--set",
                "data={\"name\": \"folder\", \"root\": \"pictures\", \"image_size\": 16, "
                "\"test_size\": 4, \"validation\": 2, \"augment\": []}",
                "--set", "teacher.epochs=1", "--set", "train.epochs=4"});
  };
  ASSERT_EQ(train("runs/a").status, 0);
  EXPECT_EQ(load_checkpoint(file("runs/a/last.ckpt")).class_names,
            (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(train("runs/b").status, 0);
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 1U);
  std::filesystem::rename(file("pictures/cat"), file("pictures/zebra"));
  ASSERT_EQ(train("runs/c").status, 0);
  EXPECT_EQ(list_directory(file("runs/teachers")).size(), 2U);
  for (const char* backend : {"libtorch", "float64"})
    expect_failure(4, {"its class 0 is 'cat', in the data set folder it is 'dog'"},
                   {"evaluate", "--checkpoint", "runs/a", "--backend", backend});
}

TEST_F(TrainCli, MlperfTinysNetworkIsShortenedAndNeedsNoDepth) {
  const std::vector<std::string> tiny = {"train",
                                         "--config",
                                         "tiny.json",
                                         "--set",
                                         "network={\"family\": \"resnet_mlperf_tiny\"}",
                                         "--set",
                                         "teacher.epochs=1",
                                         "--set",
                                         "data.train_size=120",
                                         "--set",
                                         "train.epochs=4"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), tiny.begin(), tiny.end());
    return more;
  };
  ProcessResult r = run(with({"--output", "runs/a", "--set", "surgery.kind=shorten"}));
  ASSERT_EQ(r.status, 0) << r.output;
  const std::string teacher = "teacher={\"checkpoint\": \"runs/a/teacher/best.ckpt\"}";
  r = run(with({"--output", "runs/b", "--set", teacher, "--set", "network.depth=44"}));
  EXPECT_EQ(r.status, 0) << r.output;
}

TEST_F(TrainCli, ADamagedCheckpointIsRefusedOnResume) {
  run_until_written("KILL", "run/last.ckpt",
                    {"train", "--config", "tiny.json", "--output", "run", "--set",
                     "train.epochs=3000", "--set", "teacher.epochs=1"});
  const std::string last = file("run/last.ckpt");
  ASSERT_TRUE(path_exists(last));
  write_file(last, read_file(last).substr(0, 9999));
  expect_failure(4, {"checkpoint", "last.ckpt", "the file is damaged", "train --force"},
                 {"train", "--resume", "run"});
}

/// Trains in the background until the run has a line in metrics.jsonl, runs a script beside it,
/// then ends the training by Ctrl-C. $1 is the run, $tailor the program.
constexpr const char* kBeside =
    "tailor=$1 run=$2 script=$3; shift 3; \"$tailor\" \"$@\" --output \"$run\" & pid=$!; "
    "until [ -s \"$run/metrics.jsonl\" ]; do kill -0 $pid || exit 99; sleep 0.05; done; "
    "eval \"$script\"; kill -INT $pid; wait $pid; exit 0";

TEST_F(TrainCli, NoWayIntoAFolderThatIsBeingTrainedHarmsTheRun) {
  const std::string again =
      "for how in \"--config tiny.json --output run\" "
      "\"--config tiny.json --output run --force\" \"--resume run\" "
      "\"--config tiny.json --output run --auto-resume --set train.epochs=5000 --set "
      "teacher.epochs=1\"; do \"$tailor\" train $how; echo status=$?; done";
  const ProcessResult r = run_process(
      {"bash", "-c", kBeside, "beside", TAILOR_BINARY, "run", again, "train", "--config",
       "tiny.json", "--set", "train.epochs=5000", "--set", "teacher.epochs=1"},
      folder.path(), {{"OMP_NUM_THREADS", "1"}});
  EXPECT_EQ(r.status, 0) << r.output;
  size_t refused = 0;
  for (size_t at = r.output.find("another process ("); at != std::string::npos;
       at = r.output.find("another process (", at + 1))
    ++refused;
  EXPECT_EQ(refused, 4U) << r.output;
  EXPECT_EQ(r.output.find("status=0"), std::string::npos);
  // The run is whole: every epoch has its line, and it can be gone on with.
  const int64_t epoch = load_checkpoint(file("run/last.ckpt")).position.epoch;
  EXPECT_GT(epoch, 0);
  EXPECT_EQ(static_cast<int64_t>(records("run/metrics.jsonl").size()), epoch);
  const ProcessResult resumed =
      run_until_said("run/train.log", "going on at epoch", 1, {"train", "--resume", "run"});
  EXPECT_EQ(resumed.status, 130) << resumed.output;
}

TEST_F(TrainCli, AForceThatCannotWorkLeavesTheOldRunAsItWas) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "run", "--set", "teacher=null",
                 "--set", "surgery.kind=none", "--set", "train.epochs=1"})
                .status,
            0);
  write_file(file("run/notes.txt"), "mine");
  const std::string before = read_file(file("run/summary.json"));
  expect_failure(4, {"/data/validation: expected less than"},
                 {"train", "--config", "tiny.json", "--output", "run", "--force", "--set",
                  "data.validation=240"});
  EXPECT_EQ(read_file(file("run/summary.json")), before);
  const ProcessResult r =
      run({"train", "--config", "tiny.json", "--output", "run", "--force", "--set", "teacher=null",
           "--set", "surgery.kind=none", "--set", "train.epochs=2"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(summary("run").at("epochs").as_int(), 2);
  EXPECT_EQ(records("run/metrics.jsonl").size(), 2U);
  EXPECT_EQ(read_file(file("run/notes.txt")), "mine");
}

TEST_F(TrainCli, OneCommandBeginsGoesOnAndSaysThatItIsFinished) {
  const std::vector<std::string> command = {"train",  "--config",       "tiny.json",
                                            "--set",  "train.epochs=7", "--output",
                                            "runs/a", "--auto-resume"};
  ProcessResult r = run_until_written("KILL", "runs/a/last.ckpt", command);
  EXPECT_EQ(r.status, 128 + SIGKILL) << r.output;
  r = run(command);
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"runs/a: going on at epoch ", "next: tailor export"});
  const Json done = summary("runs/a");
  r = run(command);
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"runs/a is finished already", "next: tailor export"});
  EXPECT_EQ(summary("runs/a"), done);
  r = run_process(
      {"bash", "-c", "\"$@\" > /dev/full", "full", TAILOR_BINARY, "train", "--resume", "runs/a"},
      folder.path());
  EXPECT_EQ(r.status, 4) << r.output;
  testing::expect_words(r.output, {"tailor: data: cannot write to standard output"});
  // The run that was never interrupted.
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--set", "train.epochs=7", "--output", "runs/b"})
                .status,
            0);
  EXPECT_EQ(summary("runs/b").at("weights_sha256"), done.at("weights_sha256"));
  // The machine's settings may differ, the experiment may not.
  auto with = [&](const std::string& assignment) {
    std::vector<std::string> more = command;
    more.insert(more.end(), {"--set", assignment});
    return more;
  };
  EXPECT_EQ(run(with("runtime.checkpoint_minutes=1")).status, 0);
  EXPECT_EQ(run(with("data.root=elsewhere")).status, 0);
  expect_failure(3,
                 {"config: /train/optimizer/lr: expected 0.05, as the run runs/a was begun with, "
                  "got 0.02 in tiny.json with --set (name another --output, or begin again with "
                  "--force instead of --auto-resume)"},
                 with("train.optimizer.lr=0.02"));
  expect_failure(3, {"config: /export/precision: expected \"16,6\", as the run runs/a"},
                 with("export.precision=8,3"));
  expect_failure(3,
                 {"config: /teacher: expected {\"", "as the run runs/a was begun with, got null"},
                 {"train", "--config", "tiny.json", "--output", "runs/a", "--auto-resume", "--set",
                  "teacher=null", "--set", "surgery.kind=none", "--set", "train.epochs=7"});
  expect_failure(2, {"--auto-resume: leave --resume and --force out"},
                 {"train", "--resume", "runs/a", "--auto-resume"});
  write_file(file("mine/thesis.txt"), "years of work");
  expect_failure(2, {"mine: the folder is not empty and no run"},
                 {"train", "--config", "tiny.json", "--output", "mine", "--auto-resume"});
}

TEST_F(TrainCli, ARunIsBoundToItsTeacher) {
  const std::vector<std::string> train = {
      "train", "--config", "tiny.json", "--set", "train.epochs=5000", "--set", "teacher.epochs=1"};
  std::vector<std::string> first = train;
  first.insert(first.end(), {"--output", "runs/a"});
  ASSERT_EQ(run_until_written("INT", "runs/a/metrics.jsonl", first).status, 130);
  const std::string teacher = "runs/teachers/" + list_directory(file("runs/teachers"))[0];
  const std::string digest = weights_digest(load_checkpoint(file(teacher + "/best.ckpt")).tensors);
  EXPECT_EQ(load_checkpoint(file("runs/a/last.ckpt"))
                .config.at("teacher")
                .at("weights_sha256")
                .as_string(),
            digest);
  EXPECT_EQ(Json::parse(read_file(file("runs/a/config.json")), "")
                .at("teacher")
                .at("weights_sha256")
                .as_string(),
            digest);
  // Copied without teachers/: not trained anew behind the user's back.
  create_directories(file("elsewhere"));
  std::filesystem::copy(
      file("runs/a"), file("elsewhere/a"),
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  expect_failure(4,
                 {"the teacher of elsewhere/a is not in elsewhere/teachers/",
                  "the run was copied or moved without it; put it there (the folder teachers"},
                 {"train", "--resume", "elsewhere/a"});
  EXPECT_FALSE(path_exists(file("elsewhere/teachers")));
  // Replaced between interrupt and resume.
  Checkpoint other = load_checkpoint(file(teacher + "/best.ckpt"));
  other.tensors.at("fc.bias").as<float>()[0] += 1;
  save_checkpoint(file(teacher + "/best.ckpt"), other);
  expect_failure(4,
                 {"the teacher " + teacher +
                  " is not the one that the run is bound to: "
                  "teacher.weights_sha256 is " +
                  digest + ", the teacher there has " + weights_digest(other.tensors)},
                 {"train", "--resume", "runs/a"});
  // A user may bind a run himself.
  std::vector<std::string> pinned = train;
  pinned.insert(pinned.end(), {"--output", "runs/b", "--set", "teacher.weights_sha256=" + digest});
  ProcessResult r = run(pinned);
  EXPECT_EQ(r.status, 4);
  testing::expect_words(r.output, {"is not the one that the run is bound to"});
  expect_failure(3, {"config: /teacher/weights_sha256: expected 64 digits 0 to f"},
                 {"train", "--config", "tiny.json", "--output", "runs/c", "--set",
                  "teacher.weights_sha256=abc"});
}

TEST_F(TrainCli, ABegunRunFindsItsTeacherUnderTheNameOfAnotherVersion) {
  const std::vector<std::string> train = {"train",  "--config", "tiny.json",       "--output",
                                          "runs/a", "--set",    "teacher.epochs=1"};
  // Interrupted as a student, and while its teacher is trained.
  for (const char* phase : {"runs/a/last.ckpt", "runs/teachers/*/last.ckpt"}) {
    std::vector<std::string> command = train;
    command.emplace_back("--force");
    if (phase[5] == 't') {
      remove_all(file("runs/teachers"));
      command.insert(command.end(), {"--set", "teacher.epochs=40"});
    }
    ASSERT_EQ(run_until_written("KILL", phase, command).status, 128 + SIGKILL);
    EXPECT_EQ(path_exists(file("runs/a/last.ckpt")), phase[5] == 'a');
    const std::string name = list_directory(file("runs/teachers"))[0];
    std::filesystem::rename(file("runs/teachers/" + name), file("runs/teachers/older"));
    std::filesystem::remove(file("runs/a/teacher"));
    std::filesystem::create_symlink("../teachers/older", file("runs/a/teacher"));
    const ProcessResult r = run({"train", "--resume", "runs/a"});
    ASSERT_EQ(r.status, 0) << r.output;
    testing::expect_words(r.output,
                          {phase[5] == 'a' ? "teacher: reusing runs/teachers/older"
                                           : "teacher: going on with runs/teachers/older"});
    EXPECT_EQ(list_directory(file("runs/teachers")), Lines{"older"});
    EXPECT_EQ(summary("runs/a").at("teacher").at("weights_sha256").as_string(),
              weights_digest(load_checkpoint(file("runs/teachers/older/best.ckpt")).tensors));
  }
  // The digest is checked there too.
  remove_all(file("runs/a/summary.json"));
  Checkpoint other = load_checkpoint(file("runs/teachers/older/best.ckpt"));
  other.tensors.at("fc.bias").as<float>()[0] += 1;
  save_checkpoint(file("runs/teachers/older/best.ckpt"), other);
  expect_failure(4, {"the teacher runs/teachers/older is not the one that the run is bound to"},
                 {"train", "--resume", "runs/a"});
}

TEST_F(TrainCli, ATeachersNameSaysNothingOfKeysAtTheirDefaults) {
  write_file(file("short.json"), R"({
    "network": {"depth": 8, "width": 4},
    "data": {"name": "synthetic", "train_size": 60, "validation": 10, "test_size": 10},
    "teacher": {"epochs": 1}, "train": {"epochs": 1}, "runtime": {"threads": 1}})");
  const std::vector<std::string> train = {"train", "--config", "short.json", "--output", "runs/a"};
  ASSERT_EQ(run(train).status, 0);
  // Whatever keys a version has: these are all that its teacher does not leave as they are.
  const std::string key =
      sha256(R"({"network":{"depth":8,"width":4},"data":{"name":"synthetic","validation":10,)"
             R"("train_size":60,"test_size":10},"distill":{"beta":0.0},"train":{"epochs":1}})");
  EXPECT_EQ(list_directory(file("runs/teachers")),
            Lines{"resnet8-synthetic-teacher-" + key.substr(0, 10)});
  // So one of a version with another default has that name, and is not taken for ours.
  const std::string teacher = "runs/teachers/resnet8-synthetic-teacher-" + key.substr(0, 10);
  Json config = Json::parse(read_file(file(teacher + "/config.json")), teacher);
  config.find("train")->find("optimizer")->set("momentum", 0.8);
  write_file(file(teacher + "/config.json"), config.dump());
  expect_failure(4,
                 {teacher + ": expected the teacher that the run asks for, got one with "
                            R"({"train":{"optimizer":{"momentum":0.8}}}; move it away)"},
                 {"train", "--config", "short.json", "--output", "runs/b"});
}

TEST_F(TrainCli, ARunsOwnConfigurationBeginsTheSameRunElsewhere) {
  const std::string own = TAILOR_TEST_SOURCE "/../configs/networks/unequal.json";
  write_file(file("own.json"), read_file(own));
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a", "--set",
                 "network={\"family\": \"file\", \"file\": \"own.json\"}", "--set",
                 "teacher.epochs=1", "--set", "data.train_size=120", "--set", "train.epochs=5"})
                .status,
            0);
  remove_all(file("own.json"));
  const ProcessResult r = run({"train", "--config", "runs/a/config.json", "--output", "other/y"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("warning config:"), std::string::npos) << r.output;
  EXPECT_EQ(list_directory(file("other/teachers")), list_directory(file("runs/teachers")));
  EXPECT_EQ(summary("other/y").at("weights_sha256"), summary("runs/a").at("weights_sha256"));
  // Whose teacher comes out as another one is told, and how to have that.
  expect_failure(4,
                 {"the teacher third/teachers/unequal-synthetic-teacher-",
                  "is not the one that the run is bound to",
                  "put that one back, or begin again with --force and without that key"},
                 {"train", "--config", "runs/a/config.json", "--output", "third/y", "--set",
                  "teacher.seed=9"});
  EXPECT_EQ(run({"train", "--config", "runs/a/config.json", "--output", "third/y", "--set",
                 "teacher.seed=9", "--set", "teacher.weights_sha256=", "--force"})
                .status,
            0);
}

TEST_F(TrainCli, WhatARunNoLongerNeedsMayGoBeforeItGoesOn) {
  const Lines plain = {"--set", "teacher=null", "--set", "surgery.kind=none"};
  auto train = [&](const std::string& output, Lines more) {
    more.insert(more.begin(), {"train", "--config", "tiny.json", "--output", output});
    return more;
  };
  auto begin = [&] {
    Lines one = plain;
    one.insert(one.end(), {"--set", "train.epochs=1", "--force"});
    ASSERT_EQ(run(train("runs/t", one)).status, 0);
  };
  auto expect_end = [&](const Lines& command, const std::string& text) {
    const ProcessResult r = run(command);
    EXPECT_EQ(r.status, 0) << r.output;
    testing::expect_words(r.output, {text});
  };
  // A plain run and a student, each from runs/t, which is then no more.
  Lines from = plain;
  from.insert(from.end(),
              {"--set", "train.start=runs/t", "--set", "train.epochs=15", "--auto-resume"});
  const Lines student = {"--set", "teacher.start=runs/t/", "--set",        "teacher.epochs=1",
                         "--set", "train.epochs=15",       "--auto-resume"};
  for (const auto& [output, more] : {std::pair("runs/a", from), std::pair("runs/b", student)}) {
    begin();
    const Lines command = train(output, more);
    ASSERT_EQ(run_until_written("KILL", std::string(output) + "/last.ckpt", command).status,
              128 + SIGKILL);
    remove_all(file("runs/t"));
    expect_end(command, std::string(output) + ": going on at epoch ");
    expect_end(command, std::string(output) + " is finished already");
    expect_end({"train", "--resume", output}, std::string(output) + " is finished already");
  }
  // Another file is another run, there or not; and a new run needs its file.
  from[from.size() - 4] = "train.start=elsewhere";
  expect_failure(3,
                 {"config: /train/start: expected \"" + file("runs/t/best.ckpt") +
                  "\", as the run runs/a was begun with, got \"" + file("elsewhere") + "\""},
                 train("runs/a", from));
  expect_failure(4, {"train.start elsewhere: there is no such file or folder"},
                 train("runs/c", from));
  // While its teacher is trained from them, the weights go.
  begin();
  const Lines early = train("runs/d", {"--set", "teacher.start=runs/t", "--set",
                                       "teacher.epochs=15", "--set", "train.epochs=4"});
  remove_all(file("runs/teachers"));
  ASSERT_EQ(run_until_written("KILL", "runs/teachers/*/last.ckpt", early).status, 128 + SIGKILL);
  remove_all(file("runs/t"));
  expect_end({"train", "--resume", "runs/d"}, "teacher: going on with runs/teachers/");
  // A description: the run has its own.
  write_file(file("own.json"), read_file(TAILOR_TEST_SOURCE "/../configs/networks/unequal.json"));
  Lines described = plain;
  described.insert(described.end(),
                   {"--set", "network={\"family\": \"file\", \"file\": \"own.json\"}", "--set",
                    "train.epochs=1", "--auto-resume"});
  ASSERT_EQ(run(train("runs/e", described)).status, 0);
  remove_all(file("own.json"));
  expect_end(train("runs/e", described), "runs/e is finished already");
}

TEST_F(TrainCli, ANamedTeacherIsAFinishedRunOfTheSameImages) {
  auto teacher = [](const std::string& path) {
    return "teacher={\"checkpoint\": \"" + path + "\"}";
  };
  const std::vector<std::string> plain = {"--set", "teacher=null", "--set", "surgery.kind=none"};
  auto train = [&](const std::string& output, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--config", "tiny.json", "--output", output});
    return more;
  };
  auto student = [&](const std::string& output, const std::string& of,
                     std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--set", teacher(of), "--set", "train.epochs=4"});
    return train(output, more);
  };
  std::vector<std::string> begun = plain;
  begun.insert(begun.end(), {"--set", "train.epochs=5000"});
  ASSERT_EQ(run_until_written("INT", "runs/begun/metrics.jsonl", train("runs/begun", begun)).status,
            130);
  expect_failure(4,
                 {"teacher.checkpoint ",
                  "runs/begun/best.ckpt: expected a finished teacher, but "
                  "its run stands at epoch ",
                  " of 5000; finish it with: tailor train --resume "},
                 student("runs/x", "runs/begun"));
  std::filesystem::copy(file("runs/begun/best.ckpt"), file("lone.ckpt"));
  ProcessResult r = run(student("runs/lone", "lone.ckpt"));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"lone.ckpt: it is of epoch ", " of 5000, and no run beside it"});

  // The run's folder stands for its best checkpoint.
  std::vector<std::string> one = plain;
  one.insert(one.end(), {"--set", "train.epochs=1", "--set", "data.validation=15"});
  ASSERT_EQ(run(train("runs/t", one)).status, 0);
  r = run(student("runs/s", "runs/t", {"--set", "data.validation=15"}));
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("warning"), std::string::npos) << r.output;
  EXPECT_EQ(summary("runs/s").at("teacher").at("checkpoint").as_string(), "best.ckpt");
  EXPECT_EQ(summary("runs/s").at("teacher").at("weights_sha256").as_string(),
            weights_digest(load_checkpoint(file("runs/t/best.ckpt")).tensors));
  expect_failure(4, {"teacher.checkpoint nowhere: there is no such file or folder"},
                 student("runs/x", "nowhere"));
  create_directories(file("empty"));
  expect_failure(4, {"teacher.checkpoint empty: the folder has no best.ckpt, last.ckpt or"},
                 student("runs/x", "empty"));

  // One permutation of one seed: the first 15 of the 40 were kept from the teacher, 25 were not.
  r = run(student("runs/split", "runs/t"));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"it was trained on 25 of the run's 40 validation images (its data.seed is 1 and its "
       "data.validation 15, the run's 1 and 40): the run starts from its weights, so "
       "validation accuracy reads too high and best.ckpt is chosen by it"});
  testing::expect_words(read_file(file("runs/split/train.log")), {"it was trained on 25 of"});
  r = run(student("runs/seed", "runs/t", {"--set", "data.seed=5"}));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"its images are others, made of data.seed 1, the run's of 5"});
}

TEST_F(TrainCli, AStartIsARunsFolderWhoseImagesAreCountedAndForceBeginsFromItAgain) {
  const std::vector<std::string> plain = {"train",         "--config", "tiny.json",         "--set",
                                          "teacher=null",  "--set",    "surgery.kind=none", "--set",
                                          "train.epochs=1"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), plain.begin(), plain.end());
    return more;
  };
  ASSERT_EQ(run(with({"--output", "runs/t", "--set", "data.validation=15"})).status, 0);
  const std::vector<std::string> start =
      with({"--output", "runs/s", "--set", "train.start=runs/t"});
  ProcessResult r = run(start);
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"warning train: train.start ",
                                   "runs/t/best.ckpt: it was trained on 25 of "
                                   "the run's 40 validation images"});
  const Json first = summary("runs/s").at("weights_sha256");
  std::vector<std::string> again = start;
  again.emplace_back("--force");
  r = run(again);
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(summary("runs/s").at("weights_sha256"), first);
  expect_failure(4, {"train.start nowhere: there is no such file or folder"},
                 with({"--output", "runs/x", "--set", "train.start=nowhere"}));
}

TEST_F(TrainCli, AnAlteredRunIsNoStartOfItsUnalteredNetwork) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a", "--set",
                 "teacher.epochs=1", "--set", "train.epochs=4", "--set", "network.shortcut=pad"})
                .status,
            0);
  const std::vector<std::string> plain = {
      "train",          "--config", "tiny.json",        "--set", "surgery.kind=none",   "--set",
      "train.epochs=1", "--set",    "teacher.epochs=1", "--set", "network.shortcut=pad"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), plain.begin(), plain.end());
    return more;
  };
  // Pads have no parameters: every tensor is the same.
  const std::string said =
      "expected a start with the network of the configuration, resnet8 with 3 skips "
      "(stage1.block0.skip, stage2.block0.skip, stage3.block0.skip), got " +
      file("runs/a/best.ckpt") + ", which is altered and has no skips in tiny.json with --set";
  expect_failure(
      3, {"config: /train/start: " + said, "tailor inspect " + file("runs/a/best.ckpt")},
      with({"--output", "runs/x", "--set", "teacher=null", "--set", "train.start=runs/a"}));
  expect_failure(3, {"config: /teacher/start: " + said},
                 with({"--output", "runs/x", "--set", "teacher.start=runs/a"}));
  EXPECT_FALSE(path_exists(file("runs/x")));
  // What the error says works.
  const ProcessResult described = run({"inspect", "runs/a/best.ckpt", "--as-json", "--log", "off"});
  ASSERT_EQ(described.status, 0) << described.output;
  write_file(file("altered.json"), described.output);
  ASSERT_EQ(run(with({"--output", "runs/b", "--set", "teacher=null", "--set", "train.start=runs/a",
                      "--set", "network.family=file", "--set", "network.file=altered.json"}))
                .status,
            0);
  EXPECT_EQ(summary("runs/b").at("skips").as_int(), 0);
  EXPECT_EQ(run(with({"--output", "runs/c", "--set", "teacher=null", "--set",
                      "train.start=runs/a/teacher"}))
                .status,
            0);
  EXPECT_EQ(summary("runs/c").at("skips").as_int(), 3);
}

TEST_F(TrainCli, ATeacherOfAnotherDataSetIsRefusedAndOneOfOtherPicturesIsSaid) {
  for (const char* root : {"pictures", "others"}) {
    for (const char* name : {"cat", "dog"}) {
      for (int i = 0; i < 8; ++i)
        save_png(file(fmt::format("{}/{}/{}.png", root, name, i)), {16, 16},
                 std::vector<uint8_t>(16 * 16 * 3, static_cast<uint8_t>(20 * i + (*name == 'c'))));
    }
  }
  auto train = [&](const std::string& output, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train", "--config", "tiny.json", "--output", output, "--set",
                 "data={\"name\": \"folder\", \"root\": \"pictures\", \"image_size\": "
                 "16, \"test_size\": 4, \"validation\": 4, \"augment\": []}",
                 "--set", "train.epochs=4"});
    return more;
  };
  ASSERT_EQ(run(train("runs/t", {"--set", "teacher=null", "--set", "surgery.kind=none"})).status,
            0);
  const std::string of = "teacher={\"checkpoint\": \"runs/t\"}";
  ProcessResult r = run(train("runs/same", {"--set", of}));
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("warning"), std::string::npos) << r.output;
  // Another seed draws other test and validation images; of which the teacher has seen some.
  r = run(train("runs/seed", {"--set", of, "--set", "data.seed=3"}));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {" of the run's 4 validation images (its data.seed is 1",
                                   " of the run's 4 test images (its data.seed is 1"});
  r = run(train("runs/root", {"--set", of, "--set", "data.root=others"}));
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"it was trained on folder (" + file("pictures") +
                                   "), the run is on folder (" + file("others") + ")"});
  // An official set has images and classes of its own.
  Checkpoint c = load_checkpoint(file("runs/same/last.ckpt"));
  c.network.input = {3, 32, 32};
  c.network.head = linear_head(10);
  RunConfig config = read_run_config(
      Json::parse(R"({"network": {"depth": 8, "width": 4}, "data": {"name": "svhn"}})", ""), "");
  c.config = write_run_config(config);
  c.network = make_network(config.network, {3, 32, 32}, 10);
  c.tensors = testing::random_tensors(c.network, 3);
  c.slots.clear();
  c.class_names.clear();
  save_checkpoint(file("svhn.ckpt"), c);
  expect_failure(3, {"config: /data/name: expected \"svhn\", as the teacher", "got \"synthetic\""},
                 {"train", "--config", "tiny.json", "--output", "runs/x", "--set",
                  "teacher={\"checkpoint\": \"svhn.ckpt\"}"});
}

TEST_F(TrainCli, CommandsThatArePrintedCanBePasted) {
  const std::string name = "mein Lauf's Größe & \"so\"";
  ProcessResult r =
      run_until_written("INT", "mein*/metrics.jsonl",
                        {"train", "--config", "tiny.json", "--set", "teacher=null", "--set",
                         "surgery.kind=none", "--set", "train.epochs=60", "--output", name});
  ASSERT_EQ(r.status, 130) << r.output;
  // What stands behind `key` to the end of the line, run by a shell as `tailor`.
  auto paste = [&](const std::string& output, const std::string& key) {
    const size_t at = output.find(key);
    EXPECT_NE(at, std::string::npos) << output;
    if (at == std::string::npos) return ProcessResult{};
    const size_t start = at + key.size();
    const std::string command = output.substr(start, output.find('\n', start) - start);
    return run_process(
        {"bash", "-c",
         fmt::format("tailor() {{ {} \"$@\"; }}; {}", shell_quote(TAILOR_BINARY), command)},
        folder.path(), {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  };
  r = paste(r.output, "go on with: ");
  testing::expect_words(r.output, {name + ": going on at epoch "});
  r = run({"train", "--config", "tiny.json", "--set", "teacher=null", "--set", "surgery.kind=none",
           "--set", "train.epochs=1", "--output", name});
  EXPECT_EQ(r.status, 2);
  testing::expect_words(r.output, {"go on with --resume " + shell_quote(name) + ", or begin"});
  r = run({"train", "--config", "tiny.json", "--set", "teacher=null", "--set", "surgery.kind=none",
           "--set", "train.epochs=1", "--force", "--output", name});
  ASSERT_EQ(r.status, 0) << r.output;
  r = paste(r.output, "next: ");
  testing::expect_words(r.output, {"next: tailor check '"});
}

TEST_F(TrainCli, KeysWithoutEffectAndOtherThreadsAreInTheLog) {
  const std::vector<std::string> command = {"train",
                                            "--config",
                                            "tiny.json",
                                            "--set",
                                            "network.stride_on=1x1",
                                            "--set",
                                            "teacher=null",
                                            "--set",
                                            "surgery.kind=none",
                                            "--set",
                                            "train.epochs=3000",
                                            "--output",
                                            "run",
                                            "--auto-resume"};
  ProcessResult r = run_until_written("INT", "run/metrics.jsonl", command);
  ASSERT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output, {"warning config: network.stride_on has no effect: only the "
                                   "bottlenecks",
                                   "warning config: surgery.alpha has no effect: surgery.kind is "
                                   "none"});
  EXPECT_EQ(r.output.find("distill.beta has no effect"), std::string::npos);  // not set by him
  testing::expect_words(read_file(file("run/train.log")), {"network.stride_on has no effect"});
  std::vector<std::string> other = command;
  other.insert(other.end(), {"--set", "runtime.threads=2"});
  r = run_until_said("run/train.log", "going on at epoch", 1, other);
  EXPECT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output,
                        {"run: going on with 2 threads, after 1: sums are taken in another "
                         "order"});
  r = run_until_said("run/train.log", "going on at epoch", 2, {"train", "--resume", "run"});
  EXPECT_EQ(r.status, 130) << r.output;
  EXPECT_EQ(r.output.find("threads, after"), std::string::npos) << r.output;  // still 2
}

TEST_F(TrainCli, TheWholeRunsTimeIsSaidAndOnADumbTerminalWithoutEscapes) {
  if (run_process({"sh", "-c", "command -v script"}, "/").status != 0)
    GTEST_SKIP() << "needs script (util-linux)";
  auto on_terminal = [&](const std::string& output, const char* term, const char* no_color) {
    const std::string command =
        shell_quote(TAILOR_BINARY) +
        " train --config tiny.json --set train.epochs=4 --set teacher.epochs=2 --output " + output;
    return run_process({"script", "-qec", command, "/dev/null"}, folder.path(),
                       {{"TERM", term}, {"NO_COLOR", no_color}, {"OMP_NUM_THREADS", "1"}})
        .output;
  };
  const std::string coloured = on_terminal("a/run", "xterm", "");
  testing::expect_words(coloured,
                        {"\x1b[2K", "teacher, epoch 1 (2 of 2)", "student, epoch 0 (1 of 4)",
                         " left of the whole run", "teacher: done in ", "; the student begins"});
  for (const auto& [term, no_color] : {std::pair("dumb", ""), std::pair("xterm", "1")}) {
    const std::string plain = on_terminal(fmt::format("{}{}/run", term, no_color), term, no_color);
    EXPECT_EQ(plain.find('\x1b'), std::string::npos) << plain;
    testing::expect_words(plain, {"student, epoch 3 (4 of 4): loss"});
  }
}

TEST_F(TrainCli, ADeviceThatIsNotThereIsSaidBeforeAnythingIsWritten) {
  expect_failure(
      3,
      {"config: /runtime/device: expected auto, or one of what there is: cpu", "got \"cuda:97\""},
      {"train", "--config", "tiny.json", "--output", "runs/x", "--set", "runtime.device=cuda:97"});
  EXPECT_FALSE(path_exists(file("runs/x")));
  const std::string env = run({"env", "--json"}).output;
  const Json devices = Json::parse(env.substr(env.find("{\n")), "env").at("libtorch").at("devices");
  EXPECT_EQ(devices.as_array().at(0).as_string(), "cpu");
}

}  // namespace
}  // namespace tailor::test
