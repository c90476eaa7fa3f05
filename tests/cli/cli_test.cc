// The program as a user meets it: what it prints, its exit codes, and that nothing is lost when
// something is wrong. Runs the real binary.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/expect_error.h"
#include "support/golden.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/json.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "tailor/data/codec.h"
#include "tailor/emulate/float64.h"
#include "tailor/ir/graph.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"
#include "tailor/tensors/npy.h"

namespace tailor::test {
namespace {

struct Cli : public ::testing::Test {
  TemporaryDirectory folder{"tailor-cli"};

  ProcessResult run(std::vector<std::string> arguments,
                    std::vector<std::pair<std::string, std::string>> environment = {}) {
    arguments.insert(arguments.begin(), TAILOR_BINARY);
    // Whatever the tests themselves run with; and a quick compiler, as the networks are small.
    environment.insert(environment.begin(), {{"TAILOR_LOG", "info"}, {"CXX", "c++ -O0"}});
    return run_process(arguments, folder.path(), environment);
  }
  /// The command must fail with this exit code and these words.
  void expect_failure(int status, std::initializer_list<std::string> words,
                      const std::vector<std::string>& arguments) {
    ProcessResult r = run(arguments);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
    expect_known_flags(arguments, r.output);
  }
  /// An advised flag is one that the command takes; "tailor export --network" speaks of another.
  void expect_known_flags(const std::vector<std::string>& arguments, const std::string& output) {
    const std::string given = join(arguments, " ");
    std::string about = arguments[0];
    std::string text = output;
    std::replace(text.begin(), text.end(), '\n', ' ');
    const std::vector<std::string> words = split(text, ' ');
    for (size_t i = 0; i < words.size(); ++i) {
      const bool names_program = words[i] == "tailor" || words[i] == "(tailor";
      if (names_program && i + 1 < words.size()) about = words[i + 1];
      const size_t dashes = words[i].find("--");
      if (dashes == std::string::npos || dashes > 1) continue;
      const std::string word = words[i].substr(
          dashes, words[i].find_first_not_of("-abcdefghijklmnopqrstuvwxyz", dashes) - dashes);
      if (word == "--help" || word == "--" || given.find(word) != std::string::npos) continue;
      EXPECT_NE(run({about, "--help"}).output.find("  " + word + " "), std::string::npos)
          << "tailor " << about << " has no " << word << ", which is advised: " << output;
      if (words[i].find_first_of(";)") != std::string::npos) about = arguments[0];
    }
  }
  std::string file(const std::string& name) const { return path_join(folder.path(), name); }

  /// A finished run's checkpoint, as training would leave it, of a tiny ResNet-8 on the synthetic
  /// set.
  std::string write_checkpoint(const std::string& path, bool witness = true) {
    RunConfig config;
    config.network.depth = 8;
    config.network.width = 2;
    config.data.name = "synthetic";
    config.data.test_size = 40;
    Checkpoint c;
    c.network = make_network(config.network, {3, 32, 32}, 10);
    c.preprocessing = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
    c.position.finished = true;
    c.config = write_run_config(config);
    c.run = "tiny";
    c.metrics = Json::object();
    c.tensors = testing::random_tensors(c.network, 3);
    if (witness) {
      Float64Emulator emulator(lower(c.network, c.tensors, "test"));
      CheckpointWitness w{"1 image", Tensor(DType::F32, {1, 32, 32, 3}),
                          Tensor(DType::F32, {1, 10})};
      auto image = testing::random_image({3, 32, 32}, 1);
      for (double& v : image) v = static_cast<float>(v);
      auto logits = emulator.run(image);
      std::copy(image.begin(), image.end(), w.inputs.as<float>().data());
      std::copy(logits.begin(), logits.end(), w.outputs.as<float>().data());
      c.witness = w;
    }
    save_checkpoint(file(path), c);
    return file(path);
  }
};

TEST_F(Cli, HelpOfEveryCommandIsTheDocumentedOne) {
  std::string page =
      "<!-- Generated from `tailor --help`; a test diffs it (TAILOR_UPDATE_GOLDENS=1 rewrites it). "
      "Do not edit. -->\n# Commands\n\nEvery flag of every command, as the program prints it.\n";
  ProcessResult top = run({"--help"});
  EXPECT_EQ(top.status, 0);
  page += "\n```text\n" + top.output + "```\n";
  const std::string key = "Subcommands:\n";
  ASSERT_NE(top.output.find(key), std::string::npos);
  for (const std::string& line :
       split(top.output.substr(top.output.find(key) + key.size()), '\n')) {
    if (line.compare(0, 2, "  ") != 0) break;
    const std::string command = split(trim(line), ' ')[0];
    ProcessResult r = run({command, "--help"});
    EXPECT_EQ(r.status, 0) << command;
    page += fmt::format("\n## tailor {}\n\n```text\n{}```\n", command, r.output);
  }
  testing::expect_golden("../docs/commands.md", page);
}

TEST_F(Cli, SchemaAndReferenceAreTheCommittedOnes) {
  testing::expect_golden("../docs/config.schema.json", run({"config", "schema"}).output);
  testing::expect_golden("../docs/configuration.md", run({"config", "reference"}).output);
}

TEST_F(Cli, WrongWordsExitWith2AndAHint) {
  expect_failure(2, {"tailor: usage:", "did you mean 'export'?", "see tailor --help"}, {"exprt"});
  expect_failure(2, {"--precison", "did you mean '--precision'?", "see tailor export --help"},
                 {"export", "--precison", "16,6"});
  expect_failure(2, {"--precision: expected W,I with 2 <= W <= 32", "got '16'"},
                 {"export", "--network", "resnet8", "--untrained", "--precision", "16"});
  expect_failure(2, {"--rounding: expected one of trn,", "got 'round'"},
                 {"export", "--network", "resnet8", "--untrained", "--rounding", "round"});
  expect_failure(2, {"--overflow: expected one of sat,", "did you mean 'wrap'?"},
                 {"export", "--network", "resnet8", "--untrained", "--overflow", "warp"});
  expect_failure(2, {"--layout: expected one of fused, stock; got 'flat'"},
                 {"export", "--network", "resnet8", "--untrained", "--layout", "flat"});
  expect_failure(2, {"--backend: expected one of vitis, vivado; got 'quartus'"},
                 {"export", "--network", "resnet8", "--untrained", "--backend", "quartus"});
  expect_failure(2, {"--fpga: expected u200, got 'u250'"},
                 {"export", "--network", "resnet8", "--untrained", "--fpga", "u250"});
  expect_failure(2, {"--clock-ns: expected 0.5 to 1000"},
                 {"export", "--network", "resnet8", "--untrained", "--clock-ns", "0"});
  expect_failure(2, {"--reuse-factor: expected at least 1, got 0"},
                 {"export", "--network", "resnet8", "--untrained", "--reuse-factor", "0"});
  expect_failure(2, {"--vectors: expected 1 to 10000, got 0"},
                 {"export", "--network", "resnet8", "--untrained", "--vectors", "0"});
  expect_failure(2, {"--network: unknown network 'resnet21'", "did you mean 'resnet20'?"},
                 {"export", "--network", "resnet21", "--untrained"});
  expect_failure(2, {"--network resnet8: it has no trained weights; add --untrained"},
                 {"export", "--network", "resnet8"});
  expect_failure(2, {"--untrained: expected --network NAME"}, {"export", "--untrained"});
  expect_failure(2, {"--checkpoint and --graph: each names a network; give one of them"},
                 {"export", "--checkpoint", "a", "--graph", "b"});
  // One multiplier a product: 77,360 DSPs of 6,840.
  expect_failure(
      5, {"resnet8 cannot be built so", "77360 DSP slices, the u200 has 6840", "--allow-oversize"},
      {"export", "--network", "resnet8", "--untrained", "--reuse-factor", "1"});
  const ProcessResult look =
      run({"inspect", "--network", "resnet8", "--reuse-factor", "1", "--precision", "8,3"});
  EXPECT_EQ(look.status, 0) << look.output;
  testing::expect_words(look.output,
                        {"cannot be built: the multipliers do not fit: below 10 bits"});
  for (const char* command : {"export", "evaluate"})
    expect_failure(2, {"there is no finished run in ./runs", "give --checkpoint F"}, {command});
  expect_failure(2, {"there is no finished run in ./runs"}, {"evaluate", "--backend", "emulator"});
  expect_failure(2, {"--limit: expected an integer of at least 1, got '-1'"},
                 {"evaluate", "--backend", "emulator", "--limit", "-1"});
  expect_failure(2, {"--vectors: expected an integer of at least 1, got 'many'"},
                 {"check", "p", "--vectors", "many"});
  expect_failure(2, {"--log or TAILOR_LOG: expected LEVEL or LEVEL,room=LEVEL"},
                 {"config", "list", "--log", "loud"});
  expect_failure(2,
                 {"--config: no file 'resnet20_remov' and no configuration of that name",
                  "did you mean 'resnet20_remove'?"},
                 {"config", "show", "--config", "resnet20_remov"});
  expect_failure(2, {"--set: expected key=value"},
                 {"config", "show", "--config", "quickstart", "--set", "epochs"});
  expect_failure(2, {"expected a file, or --network NAME"}, {"inspect"});
  expect_failure(2, {"--vectors"}, {"check", "x", "--vectors", "-1"});
  expect_failure(2, {"need --backend emulator"}, {"evaluate", "--precision", "8,3"});
}

TEST_F(Cli, NoCommandAndAnUnknownOneListAllCommands) {
  const std::vector<std::string> commands = {"\n  train   ", "\n  evaluate   ", "\n  import   ",
                                             "\n  completion   ", "\n  help   "};
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {}, {"frobnicate"}, {"exprt"}, {"--frobnicate"}, {"help", "frobnicate"}}) {
    ProcessResult r = run(words);
    EXPECT_EQ(r.status, 2) << r.output;
    for (const std::string& command : commands)
      EXPECT_NE(r.output.find(command), std::string::npos) << command << " in: " << r.output;
    EXPECT_EQ(r.output.find("\n  man   "), std::string::npos);
  }
  testing::expect_words(run({"exprt"}).output, {"there is no command exprt", "mean 'export'?"});
  testing::expect_words(run({"help", "chekc"}).output, {"mean 'check'?"});
  EXPECT_EQ(run({"help"}).output, run({"--help"}).output);
  EXPECT_EQ(run({"help"}).status, 0);
  EXPECT_EQ(run({"help", "export"}).output, run({"export", "--help"}).output);
  EXPECT_EQ(run({"help", "export"}).status, 0);
}

TEST_F(Cli, AKeyOfTheConfigurationGivenAsAFlagPointsToSet) {
  expect_failure(2, {"train has no flag --epochs", "--set train.epochs=3 (or teacher.epochs)"},
                 {"train", "--config", "quickstart", "--epochs", "3"});
  expect_failure(2, {"--set train.batch_size=64"}, {"train", "--batch-size=64"});
  expect_failure(2, {"--set surgery.alpha=VALUE"}, {"train", "--alpha"});
  expect_failure(2, {"--set network.family=VALUE"}, {"train", "--network.family"});
  expect_failure(2, {"--set data.test_size=9"}, {"evaluate", "--test-size", "9"});
  // Only what the command's own --set takes.
  for (const char* command : {"evaluate", "check"}) {
    ProcessResult r = run({command, "--epochs", "3"});
    EXPECT_EQ(r.status, 2);
    EXPECT_EQ(r.output.find("--set"), std::string::npos) << r.output;
  }
}

TEST_F(Cli, AnUnknownNameIsAnsweredWithTheNearestAndWhereAllAre) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"config", "show", "--config", "nosuch"}, {"inspect", "--network", "nosuch"}}) {
    ProcessResult r = run(words);
    EXPECT_EQ(r.status, 2);
    EXPECT_LT(r.output.size(), 250u) << r.output;
    const std::string listing =
        r.output.find("config list") != std::string::npos ? "list" : "networks";
    testing::expect_words(r.output, {"the nearest of ", "(tailor config " + listing + " prints"});
    EXPECT_GT(split(run({"config", listing}).output, '\n').size(), 15u);
  }
  testing::expect_words(run({"config", "rules"}).output, {"cifar_pad\n", "torchvision\n"});
}

TEST_F(Cli, BadConfigurationsExitWith3) {
  expect_failure(3,
                 {"config: /train/epoch: unknown key (did you mean 'epochs'?) in "
                  "embedded:quickstart.json with --set"},
                 {"config", "show", "--config", "quickstart", "--set", "train.epoch=3"});
  write_file(file("bad.json"), "{\"train\": {\"epochs\": }}");
  expect_failure(3, {"config: bad.json: not valid JSON"},
                 {"config", "show", "--config", "bad.json"});
}

TEST_F(Cli, MissingAndDamagedFilesExitWith4) {
  expect_failure(4, {"cannot read checkpoint no.ckpt: No such file or directory"},
                 {"export", "--checkpoint", "no.ckpt"});
  expect_failure(4, {"cannot read graph file no.graph"}, {"export", "--graph", "no.graph"});
  expect_failure(4, {"no manifest.json: not a project that tailor export wrote"}, {"check", "."});
  write_file(file("x.ckpt"), "not a checkpoint");
  expect_failure(4, {"checkpoint x.ckpt", "damaged or not a safetensors file"},
                 {"export", "--checkpoint", "x.ckpt"});
  write_checkpoint("whole.ckpt");
  write_file(file("cut.ckpt"), read_file(file("whole.ckpt")).substr(0, 5000));
  expect_failure(4, {"cut.ckpt: its header claims", "the file is damaged"},
                 {"inspect", "cut.ckpt"});
  write_checkpoint("nowitness.ckpt", /*witness=*/false);
  expect_failure(4, {"it has no witness"}, {"export", "--checkpoint", "nowitness.ckpt"});
  create_directories(file("empty"));
  expect_failure(4, {"the folder has no best.ckpt, last.ckpt or model.ckpt"},
                 {"export", "--checkpoint", "empty"});
}

TEST_F(Cli, EvaluateRefusesAnAnswerAtEveryPosition) {
  const Network network = testing::random_network(0);
  ASSERT_TRUE(network.answers_per_position());
  Graph graph = lower(network, testing::random_tensors(network, 1), "test").take();
  graph.provenance = Json::object({{"untrained", "random weights"}});
  save_graph(file("g.safetensors"), graph);
  expect_failure(5, {"g.safetensors: it answers at", "one label an image", "global_avg_pool"},
                 {"evaluate", "--backend", "float64", "--graph", "g.safetensors"});
}

TEST_F(Cli, ExportThenCheckThenEvaluate) {
  write_checkpoint("runs/tiny/last.ckpt");
  write_file(file("runs/tiny/summary.json"), "{}");
  ProcessResult exported =
      run({"export", "--precision", "12,5", "--fpga", "u200", "--vectors", "3", "--output", "p"});
  ASSERT_EQ(exported.status, 0) << exported.output;
  testing::expect_words(exported.output, {"newest finished run: runs/tiny/last.ckpt",
                                          "p: fused of runs/tiny/last.ckpt",
                                          "vectors: the first 3 test images of synthetic",
                                          "next: tailor check p", "images/s at 5 ns"});
  ProcessResult checked = run({"check", "p", "--json"});
  EXPECT_EQ(checked.status, 0) << checked.output;
  EXPECT_NE(checked.output.find("\"passed\": true"), std::string::npos);
  ProcessResult evaluated = run({"evaluate", "--backend", "emulator", "--precision", "12,5",
                                 "--layout", "stock", "--limit", "20", "--json", "--log", "off"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.output;
  Json answer = Json::parse(evaluated.output.substr(evaluated.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("images").as_int(), 20);
  EXPECT_EQ(answer.at("type").as_string(), "ap_fixed<12,5,AP_RND,AP_SAT>");
  EXPECT_EQ(answer.at("layout").as_string(), "stock");
  // The graph file alone does the same, and its project is the same, byte for byte.
  ProcessResult again = run({"export", "--graph", "p/graph.safetensors", "--precision", "12,5",
                             "--vectors", "3", "--output", "q"});
  ASSERT_EQ(again.status, 0) << again.output;
  for (const std::string& name : list_files_recursively(file("p")))
    EXPECT_EQ(read_file(file("p/" + name)), read_file(file("q/" + name))) << name;
  // A second export needs --force, and a failing one leaves the first.
  expect_failure(2, {"it exists already", "--force"}, {"export", "--output", "p"});
  EXPECT_EQ(
      run({"export", "--output", "p", "--force", "--reuse-factor", "7", "--vectors", "1"}).status,
      0);
  expect_failure(2, {"expected a lowered graph, got a design"},
                 {"export", "--graph", "p/design.safetensors"});
}

TEST_F(Cli, ASetOfTestImagesAloneIsCheckedAndEvaluatedOn) {
  write_checkpoint("tiny.ckpt");
  write_file(file("ic01/y_labels.csv"), "emu.bin,10,2\ntaxi.bin,10,1\n");
  write_file(file("ic01/emu.bin"), std::string(3072, '\0'));
  write_file(file("ic01/taxi.bin"), std::string(3072, '\xff'));
  ProcessResult r = run({"data", "check", "--name", "mlperf_tiny", "--data", "ic01", "--output",
                         "sheet.png", "--json", "--log", "off"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("training").as_int(), 0);
  EXPECT_EQ(answer.at("test_of_class").dump(), "[0,1,1,0,0,0,0,0,0,0]");
  EXPECT_EQ(answer.at("mean").dump(), "[0.5,0.5,0.5]");
  EXPECT_TRUE(path_exists(file("sheet.png")));
  r = run({"data", "check", "--name", "mlperf_tiny", "--data", "ic01"});
  testing::expect_words(r.output, {"0 training and 2 test images in 10 classes",
                                   "classes of the test images: 0 to 1 images"});
  const std::vector<std::string> evaluate = {"evaluate",  "--checkpoint", "tiny.ckpt",
                                             "--backend", "float64",      "--set"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.begin(), evaluate.begin(), evaluate.end());
    return words;
  };
  r = run(with({"data.name=mlperf_tiny", "--set", "data.test_size=0", "--data", "ic01"}));
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"on 2 test images of mlperf_tiny (float64"});
  expect_failure(2, {"--set train.epochs=3: tailor evaluate takes keys of data.* only"},
                 with({"train.epochs=3"}));
}

TEST_F(Cli, EvaluateSaysWhichClassesAreTakenForWhich) {
  write_checkpoint("tiny.ckpt");
  auto evaluate = [&](const std::string& backend, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", backend, "--log", "off"});
    ProcessResult r = run(more);
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  const Json answer = Json::parse(evaluate("float64", {"--json"}), "answer");
  // Every number again, from the predictions and the labels.
  evaluate("float64", {"--predictions", "p.csv", "--confusion", "c.csv"});
  std::vector<std::string> lines = split(read_file(file("p.csv")), '\n');
  EXPECT_EQ(lines[0].find("index,image,label,label_name,prediction,prediction_name,probability,"
                          "class_2,probability_2,class_3,"),
            0U);
  EXPECT_EQ(lines.back(), "");
  ASSERT_EQ(lines.size(), 42U);
  std::vector<std::vector<int64_t>> confusion(10, std::vector<int64_t>(10));
  int64_t correct = 0, top = 0;
  double loss_of_right = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const std::vector<std::string> row = split(lines[static_cast<size_t>(i) + 1], ',');
    ASSERT_EQ(row.size(), 15U);
    EXPECT_EQ(row[0], std::to_string(i));
    EXPECT_EQ(row[1], fmt::format("image {}", i));
    const int64_t label = parse_int(row[2]).value(), predicted = parse_int(row[4]).value();
    ++confusion[static_cast<size_t>(label)][static_cast<size_t>(predicted)];
    correct += label == predicted ? 1 : 0;
    for (size_t k : {4, 7, 9, 11, 13}) top += row[k] == row[2] ? 1 : 0;
    for (size_t k : {9, 11, 13}) EXPECT_LE(parse_number(row[k + 1]), parse_number(row[k - 1]));
    loss_of_right += label == predicted ? std::log(parse_number(row[6]).value()) : 0;
  }
  EXPECT_GT(correct, 0);
  EXPECT_LT(correct, 40);
  EXPECT_EQ(answer.at("images").as_int(), 40);
  EXPECT_DOUBLE_EQ(answer.at("accuracy").as_number(), 2.5 * static_cast<double>(correct));
  EXPECT_DOUBLE_EQ(answer.at("top5_accuracy").as_number(), 2.5 * static_cast<double>(top));
  EXPECT_GT(40 * answer.at("loss").as_number(), -loss_of_right);
  Json cells = Json::Array();  // without zeros
  for (int64_t c = 0; c < 10; ++c) {
    for (int64_t k = 0; k < 10; ++k) {
      const int64_t count = confusion[static_cast<size_t>(c)][static_cast<size_t>(k)];
      if (count > 0) cells.push_back(Json::array(std::vector<int64_t>{c, k, count}));
    }
  }
  EXPECT_EQ(answer.at("confusion").dump(), cells.dump());
  const std::vector<std::string> table = split(read_file(file("c.csv")), '\n');
  EXPECT_EQ(table[0],
            "label \\ prediction,disc,ring,square,frame,triangle,plus,cross,columns,rows,"
            "checks");
  for (size_t c = 0; c < 10; ++c) {
    const Json& one = answer.at("per_class").as_array()[c];
    int64_t images = 0, predicted = 0;
    std::string line = one.at("name").as_string();
    for (size_t k = 0; k < 10; ++k) {
      images += confusion[c][k], predicted += confusion[k][c];
      line += fmt::format(",{}", confusion[c][k]);
    }
    EXPECT_EQ(table[c + 1], line);
    EXPECT_EQ(one.at("class").as_int(), static_cast<int64_t>(c));
    EXPECT_EQ(one.at("images").as_int(), images);
    EXPECT_EQ(one.at("correct").as_int(), confusion[c][c]);
    EXPECT_EQ(one.at("predicted").as_int(), predicted);
    EXPECT_EQ(one.at("accuracy").is_null(), images == 0);
  }
  // A wide type answers the same.
  const Json wide = Json::parse(evaluate("emulator", {"--json", "--precision", "24,10"}), "wide");
  EXPECT_EQ(wide.at("confusion"), answer.at("confusion"));
  EXPECT_EQ(wide.at("top5_accuracy"), answer.at("top5_accuracy"));
  EXPECT_NEAR(wide.at("loss").as_number(), answer.at("loss").as_number(), 1e-3);

  std::string text = evaluate("float64", {"--confusion", "c.svg"});
  testing::expect_words(text, {"accuracy ", " on 40 test images of synthetic (float64", "top-5 ",
                               ", loss ", "worst classes (all: --per-class):",
                               "most often taken for", "confusion matrix: c.svg"});
  EXPECT_LT(split(text, '\n').size(), 12U);
  EXPECT_EQ(read_file(file("c.svg")).find("<svg xmlns"), 0U);
  text = evaluate("float64", {"--per-class"});
  for (const char* name : {"disc", "triangle", "columns", "checks"})
    testing::expect_words(text, {name});

  expect_failure(
      2, {"--confusion c.svg: it exists already", "--force"},
      {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--confusion", "c.svg"});
  evaluate("float64", {"--confusion", "c.svg", "--force"});
  expect_failure(
      2, {"--confusion c.png: expected a file name that ends in .csv or .svg"},
      {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--confusion", "c.png"});
  expect_failure(
      2, {"--predictions p.json: expected a file name that ends in .csv"},
      {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--predictions", "p.json"});
}

TEST_F(Cli, EvaluateFindsOutThatItCannotWriteBeforeItEvaluates) {
  write_checkpoint("tiny.ckpt");
  write_file(file("plain"), "a file");
  auto expect_refused = [&](int status, std::initializer_list<std::string> words,
                            std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64"});
    const ProcessResult r = run(more);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
    EXPECT_EQ(r.output.find("accuracy"), std::string::npos);
  };
  expect_refused(4, {"cannot create folder plain: Not a directory"},
                 {"--confusion", "plain/c.svg"});
  expect_refused(4, {"cannot create folder plain: Not a directory"},
                 {"--predictions", "plain/p.csv"});
  expect_refused(2, {"--predictions a.csv: it is --confusion's file too"},
                 {"--confusion", "a.csv", "--predictions", "a.csv"});
  EXPECT_EQ(list_directory(folder.path()), (std::vector<std::string>{"plain", "tiny.ckpt"}));
}

TEST_F(Cli, EvaluateSaysWhatSinglePicturesAre) {
  write_checkpoint("tiny.ckpt");
  // A folder of the ten classes' names, as a set and picture by picture: the answers are the same.
  for (int i = 0; i < 10; ++i) {
    for (const char* part : {"train", "test"}) {
      std::vector<uint8_t> pixels;
      for (int k = 0; k < 50 * 40 * 3; ++k)
        pixels.push_back(static_cast<uint8_t>((k * (2 * i + 1) / 7 + 40 * i) % 256));
      create_directories(file(fmt::format("set/{}/c{}", part, i)));
      save_png(file(fmt::format("set/{}/c{}/x.png", part, i)), {50, 40}, pixels);
    }
  }
  const std::vector<std::string> data = {"--set", "data.name=folder",   "--set", "data.root=set",
                                         "--set", "data.image_size=32", "--set", "data.resize=36",
                                         "--set", "data.test_size=0"};
  auto evaluate = [&](int status, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--log", "off"});
    ProcessResult r = run(more);
    EXPECT_EQ(r.status, status) << r.output;
    return r.output;
  };
  std::vector<std::string> words = {"--predictions", "p.csv"};
  words.insert(words.end(), data.begin(), data.end());
  evaluate(0, words);
  words = {"--json", "--images"};
  for (int i = 0; i < 10; ++i) words.push_back(fmt::format("set/test/c{}/x.png", i));
  words.insert(words.end(), data.begin(), data.end());
  const Json answer = Json::parse(evaluate(0, words), "answer");
  EXPECT_EQ(answer.at("resize").as_int(), 36);
  const std::vector<std::string> lines = split(read_file(file("p.csv")), '\n');
  const auto& pictures = answer.at("pictures").as_array();
  ASSERT_EQ(pictures.size(), 10U);
  std::set<double> answers;
  for (size_t i = 0; i < 10; ++i) {
    const std::vector<std::string> row = split(lines[i + 1], ',');
    EXPECT_EQ("set/" + row[1], pictures[i].at("file").as_string());
    const auto& top = pictures[i].at("top").as_array();
    ASSERT_EQ(top.size(), 5U);
    for (size_t k = 0; k < 5; ++k) {
      const size_t at = k == 0 ? 4 : 5 + 2 * k;
      EXPECT_EQ(row[at], std::to_string(top[k].at("class").as_int()));
      EXPECT_EQ(row[k == 0 ? 6 : at + 1],
                fmt::format("{:.9g}", top[k].at("probability").as_number()));
    }
    answers.insert(top[0].at("logit").as_number());
  }
  EXPECT_EQ(answers.size(), 10U);

  // By the run's own set: the whole short side, and that set's names.
  write_file(file("text.jpg"), "hello");
  std::string text = evaluate(4, {"--images", "set/test/c0/x.png", "text.jpg", "no.png"});
  testing::expect_words(
      text, {"set/test/c0/x.png: ", " %, ", "text.jpg: cannot be read: it is no JPEG and no PNG",
             "no.png: cannot be read: there is no such file",
             "tailor: data: 2 of 3 files could not be read"});
  bool named = false;
  for (const char* name : {"disc ", "ring ", "square ", "frame ", "triangle ", "plus ", "cross ",
                           "columns ", "rows ", "checks "})
    named |= text.find(std::string("x.png: ") + name) != std::string::npos;
  EXPECT_TRUE(named) << text;
  text = evaluate(4, {"--json", "--images", "no.png", "set/test/c0/x.png"});
  testing::expect_words(text, {"\"error\": \"there is no such file\"", "\"probability\""});

  for (const std::vector<std::string>& flag :
       std::vector<std::vector<std::string>>{{"--limit", "3"},
                                             {"--split", "test"},
                                             {"--per-class"},
                                             {"--confusion", "c.svg"},
                                             {"--predictions", "p.csv"},
                                             {"--data", "set"}}) {
    std::vector<std::string> all = {"evaluate", "--checkpoint", "tiny.ckpt",        "--backend",
                                    "float64",  "--images",     "set/test/c0/x.png"};
    all.insert(all.end(), flag.begin(), flag.end());
    expect_failure(2, {"--images: single pictures have no label", "leave out " + flag[0]}, all);
  }
  expect_failure(2, {"data.image_size: expected 32, which tiny.ckpt takes, got 48"},
                 {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--images",
                  "x.png", "--set", "data.name=folder", "--set", "data.image_size=48"});
}

TEST_F(Cli, ExportOfEveryOption) {
  ProcessResult r =
      run({"export",      "--network", "resnet8",    "--untrained", "--output",       "p",
           "--precision", "8,3",       "--rounding", "trn",         "--overflow",     "wrap",
           "--backend",   "vivado",    "--layout",   "stock",       "--reuse-factor", "70",
           "--clock-ns",  "10",        "--vectors",  "2",           "--json",         "--log",
           "warn"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output, {"reuse factor 70 is not valid", "\"type\": \"ap_fixed<8,3,AP_TRN,AP_WRAP>\"",
                 "\"vectors\": \"2 images of seeded noise\"", "\"layout\": \"stock\""});
  Json manifest = Json::parse(read_file(file("p/manifest.json")), "manifest");
  EXPECT_EQ(manifest.at("clock_ns").as_number(), 10);
  EXPECT_EQ(manifest.at("backend").as_string(), "vivado");
  EXPECT_NE(read_file(file("p/firmware/tailor/profile.h")).find("Vivado HLS's words"),
            std::string::npos);
}

TEST_F(Cli, InspectShowsSkipsAndCounts) {
  ProcessResult r = run({"inspect", "--network", "resnet20"});
  EXPECT_EQ(r.status, 0);
  testing::expect_words(
      r.output, {"\n  skips         9, join before_activation\n", "\n  parameters    272,474\n",
                 "stage2.block0.skip  0 to 2  projection, stride 2         576\n",
                 "average pool, linear 64 to 10  10x1x1           650\n"});
  for (const std::string& name :
       split(std::string(trim(run({"config", "networks"}).output)), '\n')) {
    // Parameters by stage and skip add up to the whole; no line is wider than a terminal.
    int64_t sum = 0, whole = 0;
    for (const std::string& line : split(run({"inspect", "--network", name}).output, '\n')) {
      EXPECT_LE(line.size(), 80u) << line;
      std::string number = line.substr(line.rfind(' ') + 1);
      number.erase(std::remove(number.begin(), number.end(), ','), number.end());
      const int64_t n = parse_int(number).value_or(0);
      if (line.compare(0, 13, "  parameters ") == 0) {
        whole = n;
      } else if (line.compare(0, 2, "  ") != 0) {
        sum += n;
      }
    }
    EXPECT_EQ(sum, whole) << name;
  }
  write_checkpoint("x.ckpt");
  testing::expect_words(
      run({"inspect", "x.ckpt"}).output,
      {"\n  run           tiny\n", "\n  witness       1 image\n", "\n  skips         3, join"});
  Json json = Json::parse(run({"inspect", "x.ckpt", "--json"}).output, "answer");
  EXPECT_EQ(json.at("skips").as_array().size(), 3U);
  ASSERT_EQ(run({"export", "--checkpoint", "x.ckpt", "--output", "p", "--vectors", "1"}).status, 0);
  testing::expect_words(run({"inspect", "p/graph.safetensors"}).output,
                        {"a lowered graph", "stage2.block0.skip.conv", "  .bn2, .skip"});
  testing::expect_words(run({"inspect", "p/design.safetensors"}).output,
                        {"a design graph", "ap_fixed<W,I,AP_RND,AP_SAT> unless named", "  16,6\n",
                         " AP_TRN,AP_WRAP\n"});
}

TEST_F(Cli, AGraphFileOfAnotherVersionExitsWith5) {
  write_checkpoint("x.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "x.ckpt", "--output", "p", "--vectors", "1"}).status, 0);
  std::string bytes = read_file(file("p/graph.safetensors"));
  const std::string version = fmt::format("\"version\":\"{}\"", kGraphVersion);
  bytes.replace(bytes.find(version), version.size(), "\"version\":\"7\"");
  write_file(file("other.graph"), bytes);
  expect_failure(5, {"graph file other.graph: expected version 1..2, got 7"},
                 {"export", "--graph", "other.graph"});
}

TEST_F(Cli, AChangedFileWarnsAMissingOneExitsWith6AndABrokenCompilerWith7) {
  write_checkpoint("x.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "x.ckpt", "--output", "p", "--vectors", "1"}).status, 0);
  expect_failure(7, {"cannot run no-such-compiler"},
                 {"check", "p", "--compiler", "no-such-compiler"});
  write_file(file("p/README.md"), "changed");
  const ProcessResult changed = run({"check", "p"});
  EXPECT_EQ(changed.status, 0) << changed.output;
  testing::expect_words(changed.output, {"warn  files", "changed since the export: README.md",
                                         "pass  compiled", "p: pass"});
  remove_all(file("p/README.md"));
  expect_failure(6, {"FAIL  files", "README.md is missing", "pass  compiled", "p: FAIL"},
                 {"check", "p"});
}

TEST_F(Cli, AFullDiskIsAnErrorAndLeavesNothingHalfWritten) {
  write_checkpoint("x.ckpt");
  const std::string disk = file("disk");
  create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=100k") != 0)
    GTEST_SKIP() << "mounting a tmpfs needs root";
  write_file(disk + "/mine", "kept");
  ProcessResult r =
      run({"export", "--checkpoint", "x.ckpt", "--output", "disk/p", "--vectors", "1"});
  EXPECT_EQ(r.status, 4) << r.output;
  testing::expect_words(
      r.output, {"No space left on device", "free some space and try again; nothing was changed"});
  EXPECT_EQ(list_directory(disk), std::vector<std::string>{"mine"});
  ::umount(disk.c_str());
}

TEST_F(Cli, AnAnswerThatCannotBeWrittenIsAnErrorOfEveryCommand) {
  write_checkpoint("tiny.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--vectors", "1", "--output", "p"}).status,
            0);
  const std::string tailor = shell_quote(TAILOR_BINARY);
  auto shell = [&](const std::string& command) {
    return run_process({"bash", "-c", command}, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"CXX", "c++ -O0"}});
  };
  for (const std::string command :
       {"--help", "--version", "train --help", "version", "version --json", "env", "config list",
        "config show --config resnet20_remove", "config schema", "config reference",
        "completion bash", "inspect tiny.ckpt", "inspect tiny.ckpt --json",
        "export --checkpoint tiny.ckpt --vectors 1 --output q --force", "check p",
        "export --checkpoint tiny.ckpt --format safetensors --output w --force",
        "evaluate --checkpoint tiny.ckpt --backend float64 --limit 1",
        "data check --name synthetic --set data.train_size=50 --set data.test_size=20"}) {
    ProcessResult r = shell(fmt::format("{} {} > /dev/full", tailor, command));
    EXPECT_EQ(r.status, 4) << command << ": " << r.output;
    testing::expect_words(r.output, {"tailor: data: cannot write to standard output"});
    EXPECT_EQ(r.output.find("internal"), std::string::npos) << r.output;
  }
  // A closed descriptor is not the next file's: nothing is printed into what the command writes.
  ProcessResult r = shell(tailor +
                          " export --checkpoint tiny.ckpt --format safetensors --output c "
                          "1>&- 2>errors; echo $?; cat errors");
  testing::expect_words(r.output, {"4\n", "cannot write to standard output: Bad file descriptor"});
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--format", "safetensors", "--output", "d"})
                .status,
            0);
  EXPECT_EQ(read_file(file("c")), read_file(file("d")));
  // Nor does a message that nobody can read end it otherwise.
  EXPECT_EQ(shell(tailor + " frobnicate 2>/dev/full").status, 2);
  EXPECT_EQ(shell(tailor + " check nowhere 2>&-").status, 4);
}

TEST_F(Cli, PassAndFailAreColouredOnATerminalThatTakesIt) {
  if (run_process({"sh", "-c", "command -v script"}, "/").status != 0)
    GTEST_SKIP() << "needs script (util-linux)";
  write_checkpoint("tiny.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--vectors", "1", "--output", "p"}).status,
            0);
  auto check = [&](const char* term, const char* no_color) {
    return run_process({"script", "-qec", shell_quote(TAILOR_BINARY) + " check p", "/dev/null"},
                       folder.path(), {{"TERM", term}, {"NO_COLOR", no_color}, {"CXX", "c++ -O0"}})
        .output;
  };
  write_file(file("p/README.md"), "changed");
  testing::expect_words(check("xterm-256color", ""),
                        {"\x1b[33mwarn\x1b[0m  files", "p: \x1b[32mpass\x1b[0m"});
  remove_all(file("p/README.md"));
  testing::expect_words(
      check("xterm-256color", ""),
      {"\x1b[31mFAIL\x1b[0m  files", "\x1b[32mpass\x1b[0m  compiled", "p: \x1b[31mFAIL\x1b[0m"});
  for (const auto& [term, no_color] : {std::pair("dumb", ""), std::pair("xterm", "1")}) {
    const std::string plain = check(term, no_color);
    testing::expect_words(plain, {"FAIL  files", "pass  compiled", "p: FAIL"});
    EXPECT_EQ(plain.find('\x1b'), std::string::npos) << plain;
  }
}

TEST_F(Cli, AKeyThatACommandDoesNotReadIsSaid) {
  write_checkpoint("tiny.ckpt");
  ProcessResult r = run({"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--limit",
                         "1", "--set", "data.mean=[0.1,0.1,0.1]", "--set", "data.deviation=[1,1,1]",
                         "--set", "data.cutout.side=3", "--set", "data.seed=2"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output,
                        {"--set data.mean has no effect on tailor evaluate: the network's own "
                         "preprocessing is applied",
                         "--set data.deviation has no effect",
                         "--set data.cutout.side has no "
                         "effect on tailor evaluate: evaluation augments nothing"});
  EXPECT_EQ(r.output.find("data.seed has no"), std::string::npos);
  r = run({"data", "check", "--name", "synthetic", "--set", "data.train_size=60", "--set",
           "data.test_size=20", "--set", "train.epochs=2", "--set", "data.validation=5"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"--set train.epochs has no effect on tailor data: it reads keys "
                                   "of data.* only",
                                   "--set data.validation has no effect on tailor data"});
  EXPECT_EQ(r.output.find("data.train_size has no"), std::string::npos);
  r = run({"config", "show", "--config", "resnet20_remove", "--set", "network.stride_on=1x1"});
  testing::expect_words(r.output, {"warning config: network.stride_on has no effect: only the"});
}

TEST_F(Cli, PathsInPrintedCommandsAreQuoted) {
  write_checkpoint("tiny.ckpt");
  const ProcessResult r =
      run({"export", "--checkpoint", "tiny.ckpt", "--vectors", "1", "--output", "my Größe's p"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"next: tailor check 'my Größe'\\''s p'\n"});
}

TEST_F(Cli, VersionAndEnv) {
  EXPECT_NE(run({"version"}).output.find(std::string("tailor ") + version()), std::string::npos);
  EXPECT_EQ(run({"--version"}).output, std::string("tailor ") + version() + "\n");
  ProcessResult env = run({"env", "--json"});
  ASSERT_EQ(env.status, 0) << env.output;
  EXPECT_GE(Json::parse(env.output.substr(env.output.find("{\n")), "env").at("threads").as_int(),
            1);
}

/// Whether a program of that name can be started at all.
bool is_installed(const std::string& program) {
  return run_process({"sh", "-c", "command -v " + program}, ".").status == 0;
}

TEST_F(Cli, BashCompletesFlagsNamesKeysAndValues) {
  write_file(file("tailor.bash"), run({"completion", "bash"}).output);
  write_file(file("my net.json"), "{}");
  create_directories(file("folder"));
  EXPECT_EQ(run_process({"bash", "-n", "tailor.bash"}, folder.path()).output, "");
  auto completed = [&](const std::string& words) {
    ProcessResult r = run_process({"bash", "-c",
                                   "source ./tailor.bash; COMP_WORDS=(" + words +
                                       "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tailor; IFS=,; "
                                       "echo -n \"${COMPREPLY[*]}\""},
                                  folder.path());
    return r.output;
  };
  EXPECT_EQ(completed("tailor ex"), "export");
  EXPECT_EQ(completed("tailor export --lay"), "--layout");
  EXPECT_EQ(completed("tailor export --layout ''"), "fused,stock");
  EXPECT_EQ(completed("tailor export --layout = s"), "stock");
  EXPECT_EQ(completed("tailor export --format ''"), "hls,safetensors");
  EXPECT_EQ(completed("tailor export --backend v"), "vitis,vivado");
  EXPECT_EQ(completed("tailor evaluate --backend ''"), "libtorch,emulator,float64");
  EXPECT_EQ(completed("tailor import --rules cifar_p"), "cifar_pad,cifar_projection");
  EXPECT_EQ(completed("tailor train --set train.ep"), "train.epochs=");
  EXPECT_EQ(completed("tailor train --set network.family = residual"), "residual_block");
  EXPECT_EQ(completed("tailor evaluate --set train"), "");  // takes data.* only
  EXPECT_EQ(completed("tailor data check --name s"), "svhn,synthetic");
  EXPECT_EQ(completed("tailor completion ''"), "bash,zsh,fish");
  EXPECT_EQ(completed("tailor help insp"), "inspect");
  EXPECT_EQ(completed("tailor check fol"), "folder");
  EXPECT_EQ(completed("tailor inspect --network my"), "my net.json");
  for (const std::string& name : split(std::string(trim(run({"config", "networks"}).output)), '\n'))
    EXPECT_NE(("," + completed("tailor inspect --network ''") + ",").find("," + name + ","),
              std::string::npos)
        << name;
}

TEST_F(Cli, ZshAndFishScriptsAreWellFormedAndKnowEveryFlag) {
  const std::string zsh = run({"completion", "zsh"}).output,
                    fish = run({"completion", "fish"}).output;
  write_file(file("_tailor"), zsh);
  write_file(file("tailor.fish"), fish);
  for (const std::string& command :
       split("train,evaluate,export,check,inspect,import,config,data", ',')) {
    for (const std::string& line : split(run({command, "--help"}).output, '\n')) {
      const std::string flag(trim(line.substr(0, line.find(' ', 2))));
      if (flag.compare(0, 2, "--") != 0) continue;
      EXPECT_NE(zsh.find(flag), std::string::npos) << command << " " << flag;
      EXPECT_NE(fish.find("'__tailor_command " + command + "' -l " + flag.substr(2) + " "),
                std::string::npos)
          << command << " " << flag;
    }
  }
  // Without the shells at least: quotes close on every line of fish, and in the whole of zsh.
  for (const std::string& line : split(fish, '\n')) {
    size_t quotes = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\'' && (i == 0 || line[i - 1] != '\\')) ++quotes;
    }
    EXPECT_EQ(quotes % 2, 0u) << line;
  }
  if (is_installed("zsh")) {
    EXPECT_EQ(run_process({"zsh", "-n", "_tailor"}, folder.path()).output, "");
    // zsh's own functions in the places of its completion system's: what they are called with.
    auto called = [&](const std::string& words) {
      return run_process(
                 {"zsh", "-f", "-c",
                  "compdef() { }; _alternative() { print -rl -- $@ }; compset() { PREFIX=${PREFIX#"
                  "$~2} }; compadd() { shift; print -r -- $@ }; source ./_tailor; " +
                      words},
                 folder.path())
          .output;
    };
    EXPECT_EQ(called("_tailor_names_or_files a b"), "names:name:(a b)\nfiles:file:_files\n");
    EXPECT_EQ(called("PREFIX=network.join=b; _tailor_set_train"),
              "before_activation after_activation\n");
    testing::expect_words(called("_arguments() { print -rl -- $@ }; words=(tailor inspect ''); "
                                 "CURRENT=3; _tailor"),
                          {"NAME: _tailor_names_or_files resnet8 resnet20 ", "\n::file:_files\n"});
  }
  if (is_installed("fish")) {
    EXPECT_EQ(run_process({"fish", "-n", "tailor.fish"}, folder.path()).output, "");
    const std::string completed =
        run_process({"fish", "--no-config", "-c",
                     "source tailor.fish; complete -C 'tailor ex'; complete -C 'tailor export "
                     "--layout '; complete -C 'tailor train --set network.join=b'"},
                    folder.path())
            .output;
    testing::expect_words(completed,
                          {"export\t", "fused\t", "stock\t", "network.join=before_activation\t"});
  }
}

TEST_F(Cli, TheManualPageRendersAndSaysWhatHelpSays) {
  const std::string page = run({"man"}).output;
  EXPECT_EQ(page.compare(0, 3, ".\\\""), 0);
  write_file(file("tailor.1"), page);
  if (!is_installed("groff")) GTEST_SKIP() << "groff is not there";
  for (const char* device : {"-Tascii", "-Tutf8", "-Tps"})
    EXPECT_EQ(run_process({"groff", "-man", device, "-ww", "-z", "tailor.1"}, folder.path()).output,
              "");
  ProcessResult r =
      run_process({"groff", "-man", "-Tascii", "-P-cbou", "-rLL=100n", "tailor.1"}, folder.path());
  EXPECT_EQ(r.status, 0);
  testing::expect_words(
      r.output,
      {"NAME", "COMMANDS", "tailor export [flags]", "--reuse-factor N", "tailor check [flags] DIR",
       "CONFIGURATION", "train.optimizer.lr", "EXIT STATUS", "143    SIGTERM", "TAILOR_DATA"});
  for (const char* command : {"train", "export", "inspect", "import"}) {
    for (const std::string& line : split(run({command, "--help"}).output, '\n')) {
      const std::string flag(trim(line.substr(0, line.find(' ', 2))));
      if (flag.compare(0, 2, "--") != 0) continue;
      EXPECT_NE(r.output.find("       " + flag), std::string::npos) << flag;
    }
  }
}

TEST_F(Cli, FetchDataChecksTheArchive) {
  write_file(file("wrong.tar.gz"), "not it");
  const std::string script = path_join(TAILOR_TEST_SOURCE, "../scripts/fetch_data.sh");
  ProcessResult wrong = run_process(
      {"bash", script, "cifar10", "--archive", "wrong.tar.gz", "--output", "data"}, folder.path());
  EXPECT_EQ(wrong.status, 4);
  testing::expect_words(wrong.output, {"expected MD5 c32a1d4ab5d03f1284b67883e8d87530"});
  EXPECT_EQ(run_process({"bash", script, "mnist"}, folder.path()).status, 2);
}

TEST_F(Cli, DataCheckAndPackOfAFolder) {
  int blue = 0;
  for (const char* name : {"train/a/0.png", "train/a/1.png", "train/a/2.png", "train/b/0.png",
                           "val/a/0.png", "val/b/0.png"}) {
    const Extent extent{20, 26};
    std::vector<uint8_t> rgb(static_cast<size_t>(extent.height * extent.width * 3), 51);
    for (size_t i = 2; i < rgb.size(); i += 3) rgb[i] = static_cast<uint8_t>(blue);
    save_png(file(std::string("pictures/") + name), extent, rgb);
    blue += 20;
  }
  write_file(file("pictures/train/b/1.png"), "");
  const std::vector<std::string> common = {"--data", file("pictures"), "--set",
                                           "data.image_size=16"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), common.begin(), common.end());
    return words;
  };
  ProcessResult r = run(with({"data", "check", "--json", "--output", file("sheet.png")}));
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("training_of_class").dump(), "[3,1]");
  EXPECT_EQ(answer.at("test_of_class").dump(), "[1,1]");
  EXPECT_EQ(answer.at("left_out").as_array().at(0).at("file").as_string(), "train/b/1.png");
  // Red and green are 51 of 255; the training pictures' blue is 0, 20, 40 and 60.
  EXPECT_EQ(answer.at("mean").dump(), "[0.2,0.2,0.1176]");
  EXPECT_EQ(answer.at("deviation").dump(), "[0.0,0.0,0.0877]");
  const std::string png = read_file(file("sheet.png"));
  EXPECT_EQ(probe_image({reinterpret_cast<const uint8_t*>(png.data()), png.size()}).extent,
            // Two classes: a line with the name over eight pictures four times their size.
            (Extent{2 * (22 + 68) + 22 + 16, 8 * 68 + 4 + 16}));
  r = run(with({"data", "check"}));
  testing::expect_words(r.output,
                        {"4 training and 2 test images in 2 classes", "1 to 3 images (unbalanced",
                         "left out: train/b/1.png: it has "
                         "zero bytes"});
  r = run(with({"data", "pack", "--output", file("cache"), "--short-side", "18"}));
  ASSERT_EQ(r.status, 0) << r.output;
  r = run({"data", "check", "--json", "--name", "packed", "--data", file("cache"), "--set",
           "data.image_size=16"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(Json::parse(r.output.substr(r.output.find("{\n")), "answer").at("mean").dump(),
            "[0.2,0.2,0.1176]");
  // An output that is there stays, unless one insists.
  expect_failure(2, {"--output " + file("cache") + ": it exists already", "--force"},
                 with({"data", "pack", "--output", file("cache")}));
  expect_failure(2, {"--output " + file("sheet.png") + ": it exists already", "--force"},
                 with({"data", "check", "--output", file("sheet.png")}));
  EXPECT_EQ(read_file(file("sheet.png")), png);
  expect_failure(2, {"it is a folder, expected the name of a file"},
                 with({"data", "check", "--force", "--output", file("pictures")}));
  r = run(with({"data", "check", "--force", "--output", file("sheet.png")}));
  EXPECT_EQ(r.status, 0) << r.output;
  r = run(with({"data", "pack", "--force", "--output", file("cache"), "--short-side", "256"}));
  testing::expect_words(r.output, {"4 training and 2 test images with a short side of 20 pixels",
                                   "data.image_size=16\n"});
  expect_failure(4, {"it is a packed cache", "--name packed"},
                 {"data", "check", "--data", file("cache")});
  expect_failure(2, {"data pack: expected --output FILE"}, with({"data", "pack"}));
  expect_failure(4, {"expected a folder or an archive of images"},
                 {"data", "check", "--data", file("nowhere")});
}

TEST_F(Cli, DataCheckNamesWhatIsPassedOverAndWhatIsEnlarged) {
  int side = 30;
  for (const char* name : {"a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png"}) {
    const Extent extent{side, 90};
    save_png(file(std::string("pictures/train/") + name), extent,
             std::vector<uint8_t>(static_cast<size_t>(extent.height * extent.width * 3), 51));
    side += 10;
  }
  for (int i = 0; i < 6; ++i) write_file(file(fmt::format("pictures/train/b/{}.webp", i)), "RIFF");
  write_file(file("pictures/train/.ipynb_checkpoints/0.png"), "");
  create_directories(file("pictures/train/c"));
  const std::vector<std::string> common = {"--data", "pictures", "--set", "data.test_size=2"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), common.begin(), common.end());
    return words;
  };
  ProcessResult r = run(with({"data", "check"}));
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"3 training and 2 test images in 2 classes", "pictures with short sides of 30 to 70 pixels",
       "warning: 5 of 5 images are smaller than the 224 pixels of data.image_size",
       "passed over, .webp: 6 (train/b/0.webp, train/b/1.webp, train/b/2.webp, "
       "train/b/3.webp, train/b/4.webp, …)\n",
       "passed over, hidden: 1 (train/.ipynb_checkpoints/)\n",
       "passed over, class folder without a picture: 1 (train/c/)\n"});
  r = run(with({"data", "check", "--json", "--log", "off"}));
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("passed_over").as_array().size(), 3U);
  EXPECT_EQ(answer.at("passed_over").as_array().at(0).at("count").as_int(), 6);
  EXPECT_EQ(answer.at("short_side").dump(), R"({"smallest":30,"largest":70,"below_image_size":5})");
  // The cache is no larger than its pictures, and what is recommended is what it has.
  r = run(with({"data", "pack", "--output", "cache"}));
  testing::expect_words(r.output, {"3 training and 2 test images with short sides of 30 to 70",
                                   "warning: 5 of 5 images are smaller than the 224 pixels",
                                   "--set data.root=cache --set data.image_size=50\n"});
  r = run(with({"data", "pack", "--output", "small", "--short-side", "40", "--set",
                "data.image_size=35", "--json", "--log", "off"}));
  const Json packed = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(packed.at("smallest").as_int(), 30);
  EXPECT_EQ(packed.at("largest").as_int(), 40);
  EXPECT_EQ(packed.at("below_image_size").as_int(), 1);
  EXPECT_EQ(packed.at("image_size").as_int(), 35);
}

TEST_F(Cli, ImagesOfOneChannelAreCheckedAndDrawnGrey) {
  for (const char* part : {"train", "test"}) {
    std::vector<uint8_t> bytes(4 * 5 * 6, 51);
    std::fill_n(bytes.begin(), 60, uint8_t{204});
    save_npy(file(fmt::format("{}_images.npy", part)), Tensor::from({4, 5, 6, 1}, bytes));
    save_npy(file(fmt::format("{}_labels.npy", part)), Tensor::from<int64_t>({4}, {0, 1, 1, 0}));
  }
  ProcessResult r = run({"data", "check", "--name", "npy", "--data", ".", "--set",
                         "data.augment=[]", "--output", "sheet.png", "--json", "--log", "off"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("mean").dump(), "[0.5]");
  EXPECT_EQ(answer.at("deviation").dump(), "[0.3]");
  const std::string png = read_file(file("sheet.png"));
  std::vector<uint8_t> rgb(3);
  decode_window(
      {reinterpret_cast<const uint8_t*>(png.data()), png.size()},
      [](Extent) {
        return CropWindow{53, 9, 1, 1};
      },
      {3, 1, 1}, rgb);
  EXPECT_EQ(rgb, (std::vector<uint8_t>{204, 204, 204}));
  r = run({"data", "pack", "--name", "npy", "--data", ".", "--output", "cache"});
  ASSERT_EQ(r.status, 0) << r.output;
  r = run({"data", "check", "--name", "packed", "--data", "cache", "--set", "data.image_size=5",
           "--set", "data.resize=5"});
  testing::expect_words(r.output, {"seen as 5 x 5, 1 channel of 8 bits", "mean [0.5]"});
  expect_failure(4, {"/data/mean and /data/deviation: expected one number in each"},
                 {"data", "check", "--name", "npy", "--data", ".", "--set",
                  "data.mean=[0.5,0.5,0.5]", "--set", "data.deviation=[1,1,1]"});
}

}  // namespace
}  // namespace tailor::test
