// A run as a user has it: killed at any moment and resumed, stopped by Ctrl-C and SIGTERM, its
// folder, its log, its wrong flags.
#include "cli/torch/train_cli.h"
#include "support/events.h"

namespace tailor::test {
namespace {

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
    // Each process wrote a file of events of its own; together they have every epoch once.
    const auto events = testing::read_events(file(name)),
               expected = testing::read_events(file("whole/run"));
    ASSERT_EQ(events.size(), 6U);
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].step, static_cast<int64_t>(i));
      EXPECT_EQ(events[i].scalars, expected[i].scalars);
      EXPECT_EQ(events[i].texts, expected[i].texts);
    }
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

TEST_F(TrainCli, CtrlCTermAndUsr1SaveAndSayHowToGoOn) {
  const std::vector<std::string> train = {
      "train", "--config", "tiny.json", "--set", "train.epochs=5000", "--set", "teacher.epochs=1"};
  for (const auto& [signal, status] :
       {std::pair("INT", 130), std::pair("TERM", 143), std::pair("USR1", 138)}) {
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
  // And between the two, where nothing of the student is there to be saved.
  r = run_until_said("late/run/train.log", "the student begins", 1,
                     {"train", "--config", "tiny.json", "--set", "teacher.epochs=1", "--set",
                      "train.epochs=5000", "--output", "late/run"});
  EXPECT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output, {"go on with: tailor train --resume late/run\n"});
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
  expect_failure(2, {"--resume nowhere: there is no such folder"},
                 {"train", "--resume", "nowhere"});
  expect_failure(2, {"there is no config.json: not a run folder"}, {"train", "--resume", "."});
  expect_failure(2, {"--resume x: the run knows its configuration", "--auto-resume"},
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
  expect_failure(4, {"/data/validation: expected less than the 240 training examples, got 240"},
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
