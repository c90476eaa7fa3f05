// The teacher of a run: trained once, found again, named, bound; and the weights to begin with.
#include "cli/torch/train_cli.h"

namespace tailor::test {
namespace {

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
                  "the run was copied or moved without it, or who taught it is another one now; "
                  "put it there (the folder teachers"},
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
      {"it was trained on 25 of the run's 40 validation images (its data.seed, train_size and "
       "validation are 1, 240 and 15, the run's 1, 240 and 40): the run starts from its weights, "
       "so "
       "validation accuracy reads too high and best.ckpt is chosen by it"});
  testing::expect_words(read_file(file("runs/split/train.log")), {"it was trained on 25 of"});
  r = run(student("runs/own", "runs/t", {"--set", "train.start=initial"}));  // with no such weights
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("it was trained on"), std::string::npos) << r.output;
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
  testing::expect_words(r.output, {" of the run's 4 validation images (its data.seed, train_size",
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

}  // namespace
}  // namespace tailor::test
