// Weights and networks from elsewhere, from import to a checked project and back.
#include "cli/torch/train_cli.h"
#include "tensors/nemo_bytes.h"

namespace tailor::test {
namespace {

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
                                   "deviation 0.3,0.25,0.2\n", "data: synthetic"});
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
  expect_failure(2, {"in/model.ckpt: it exists already", "--force"},
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
  // Beside a teacher it is the student that begins so, if both see the same numbers.
  expect_failure(4, {"expected a start with the preprocessing of its teacher, got others"},
                 with({"--output", "runs/x", "--set", "train.start=in/model.ckpt", "--set",
                       "surgery.kind=none"}));

  expect_failure(3, {"/teacher/checkpoint: expected a trained teacher", "whose last layer is new"},
                 with({"--output", "runs/x", "--set", "teacher={\"checkpoint\": \"in/model.ckpt\"}",
                       "--set", "surgery.allow_partial=true"}));
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

TEST_F(TrainCli, ANemoArchiveBecomesACheckpointAndGoesBack) {
  NetworkConfig config;
  config.family = "quartznet";
  config.width = 3;
  config.quartznet = QuartzNetConfig();
  config.quartznet->blocks = {{3, 1}, {5, 2}};
  config.quartznet->repeat = 2;
  const Network network = make_network(config, {4, 1, 24}, 6);
  write_file(file("small.json"), write_network(network).dump());
  const TensorMap tensors = testing::random_tensors(network, 7);
  const WeightRules rules = for_network(load_weight_rules("nemo"), network);
  TensorMap theirs;
  for (const auto& [name, tensor] : tensors)
    theirs.emplace(foreign_name(rules, name), foreign_tensor(rules, name, tensor));
  EXPECT_EQ(theirs.at("encoder.encoder.1.mconv.0.conv.weight").shape(), (Shape{3, 1, 3}));
  TensorMap in_file = theirs;
  in_file.emplace("preprocessor.featurizer.fb", Tensor(DType::F32, {1, 4, 257}));
  const std::vector<std::pair<std::string, std::string>> members = {
      {"./model_config.yaml", "sample_rate: 16000\n"},
      {"./model_weights.ckpt", testing::torch_state_dict(in_file)}};
  write_file(file("small.nemo"), testing::gzip(testing::tar(members)));
  ProcessResult r = run({"import", "small.nemo", "--network", "small.json", "--output", "speech"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"speech/model.ckpt: quartznet2x2_speech from small.nemo (nemo)",
                                   "rules nemo: NeMo's QuartzNets", "1 dropped",
                                   "preprocessing: mean 0,0,0,0, deviation 1,1,1,1\n"});
  const Checkpoint c = load_checkpoint(file("speech/model.ckpt"));
  EXPECT_EQ(c.tensors, tensors);
  EXPECT_TRUE(c.network.masks_padding);
  EXPECT_EQ(c.preprocessing.mean, std::vector<double>(4, 0));
  EXPECT_EQ(c.preprocessing.deviation, std::vector<double>(4, 1));
  r = run({"export", "--checkpoint", "speech", "--format", "safetensors", "--rules", "nemo",
           "--output", "back.safetensors"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(load_safetensors(file("back.safetensors")).tensors, theirs);
  write_file(file("cut.nemo"), testing::tar(members).substr(0, 4096));
  expect_failure(4, {"weight file cut.nemo: ", "expected a whole .nemo archive"},
                 {"import", "cut.nemo", "--network", "small.json", "--output", "x"});
}

TEST_F(TrainCli, ANetworkOnSpeechIsDecodedAsItsOwnersDo) {
  NetworkConfig config;
  config.family = "quartznet";
  config.width = 3;
  config.quartznet = QuartzNetConfig();
  config.quartznet->blocks = {{3, 1}};
  config.quartznet->repeat = 2;
  const Network network = make_network(config, {64, 1, 24}, 29);
  write_file(file("speech.json"), write_network(network).dump());
  const WeightRules rules = for_network(load_weight_rules("nemo"), network);
  TensorFile theirs;
  for (const auto& [name, tensor] : testing::random_tensors(network, 7))
    theirs.tensors.emplace(foreign_name(rules, name), foreign_tensor(rules, name, tensor));
  save_safetensors(file("speech.safetensors"), theirs);
  const ProcessResult r =
      run({"import", "speech.safetensors", "--network", "speech.json", "--output", "speech"});
  ASSERT_EQ(r.status, 0) << r.output;
  const RunConfig run_config =
      read_run_config(load_checkpoint(file("speech/model.ckpt")).config, "");
  EXPECT_EQ(run_config.data.name, "librispeech");
  EXPECT_EQ(run_config.ctc.beam, 1);
  EXPECT_EQ(r.output.find("assumed"), std::string::npos) << r.output;
}

}  // namespace
}  // namespace tailor::test
