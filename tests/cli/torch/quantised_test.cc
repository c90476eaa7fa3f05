// Quantised training from the command line to the compiled project: nobody repeats the precision,
// and everybody who is asked gives the same answers.
#include <set>

#include "cli/torch/train_cli.h"

namespace tailor::test {
namespace {

struct QuantisedCli : public TrainCli {
  /// The answer of a command with --json; what is said before it goes to `said`.
  Json answer(std::vector<std::string> arguments, std::string* said = nullptr) {
    arguments.emplace_back("--json");
    const ProcessResult r = run(std::move(arguments));
    EXPECT_EQ(r.status, 0) << r.output;
    const size_t begin = r.output.find("{\n");
    if (said) *said = r.output.substr(0, begin);
    return Json::parse(r.output.substr(begin), "answer");
  }
};

TEST_F(QuantisedCli, WhatIsTrainedIsWhatIsEvaluatedExportedAndCompiled) {
  const ProcessResult trained =
      run({"train", "--config", "tiny.json", "--set", "surgery.kind=shorten", "--set",
           "quantization.precision=8,3", "--set", "quantization.from=altering", "--set",
           "quantization.freeze_statistics=5", "--output", "runs/q"});
  ASSERT_EQ(trained.status, 0) << trained.output;
  testing::expect_words(trained.output, {"epoch 1: quantised to 8,3; validation"});

  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"widen"}, {"narrow", "--like", "resnet8"}, {"sensitivity"}}) {
    std::vector<std::string> of_it = command;
    of_it.insert(of_it.end(), {"--checkpoint", "runs/q"});
    expect_failure(
        5, {command[0] + ": ", "was trained quantised", "expected a checkpoint from before"},
        of_it);
  }
  const std::vector<std::string> evaluate = {"evaluate", "--checkpoint", "runs/q/last.ckpt"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), evaluate.begin(), evaluate.end());
    return more;
  };
  const Json quantised = answer(evaluate), emulated = answer(with({"--backend", "emulator"}));
  EXPECT_EQ(quantised.at("accuracy"),
            Json(summary("runs/q").at("last").at("test_accuracy").as_number()));
  for (const char* same : {"accuracy", "confusion"})
    EXPECT_EQ(quantised.at(same), emulated.at(same)) << same;
  EXPECT_DOUBLE_EQ(quantised.at("loss").as_number(), emulated.at("loss").as_number());
  EXPECT_EQ(emulated.at("type"), Json("ap_fixed<8,3,AP_RND,AP_SAT>"));

  // Another precision is another network, and that is said.
  std::string said;
  const Json other = answer(with({"--backend", "emulator", "--precision", "16,6"}), &said);
  EXPECT_EQ(other.at("type"), Json("ap_fixed<16,6,AP_RND,AP_SAT>"));
  testing::expect_words(said, {"was trained at 8,3, rnd, sat, fused; with weights 16,6 instead of "
                               "8,3, activations 16,6 instead of 8,3 it is another one"});
  answer(with({"--backend", "emulator", "--precision", "8,3"}), &said);
  EXPECT_EQ(said.find("another one"), std::string::npos) << said;
  write_file(file("same.json"), R"({"weights": "8,3", "activations": "8,3"})");
  answer(with({"--backend", "emulator", "--precision", "same.json"}), &said);
  EXPECT_EQ(said.find("another one"), std::string::npos) << said;
  write_file(file("other.json"), R"({"weights": "8,3", "activations": "8,3",
      "stages": [{"stage": "fc", "weights": "8,1"}]})");
  answer(with({"--backend", "emulator", "--precision", "other.json"}), &said);
  testing::expect_words(said,
                        {"at 8,3, rnd, sat, fused; with weights of fc 8,1 instead of 8,3 it"});

  const Json exported =
      answer({"export", "--checkpoint", "runs/q/last.ckpt", "--output", "project"});
  EXPECT_EQ(exported.at("type"), Json("ap_fixed<8,3,AP_RND,AP_SAT>"));
  const ProcessResult checked = run({"check", "project"});
  EXPECT_EQ(checked.status, 0) << checked.output;
  // The project's own graph knows its types too.
  const Json again =
      answer({"export", "--graph", "project/graph.safetensors", "--output", "again"});
  EXPECT_EQ(again.at("type"), exported.at("type"));
  EXPECT_EQ(read_file(file("again/firmware/weights/fc.h")),
            read_file(file("project/firmware/weights/fc.h")));
  testing::expect_words(run({"inspect", "runs/q"}).output, {"quantised to 8,3"});
}

/// Of 16 by 8 bits a multiplier is a DSP, of 8 by 8 it is made of LUTs.
TEST_F(QuantisedCli, WhatDoesNotFitTheCardIsSaidByTheTypesOfTraining) {
  write_file(file("few.json"), R"({"name": "few", "part": "xcku115-flvb2104-2-e", "dsp": 20,
      "ramb18": 4320, "lut": 663360, "ff": 1326720, "uram": 0})");
  auto trained = [&](const std::string& weights) {
    const ProcessResult r =
        run({"train", "--config", "tiny.json", "--set", "surgery.kind=none", "--set",
             "train.epochs=1", "--set", "teacher.epochs=1", "--set", "export.fpga=few.json",
             "--set", "export.reuse_factor=1", "--set", "quantization.activations=8,3", "--set",
             "quantization.weights=" + weights, "--output", "runs/" + weights});
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  testing::expect_words(trained("16,2"), {"with the settings of \"export\": the multipliers",
                                          " DSP slices, the few has 20"});
  const std::string narrow = trained("8,2");
  EXPECT_EQ(narrow.find("DSP slices"), std::string::npos) << narrow;
}

/// What can be refused is refused before anything is written, so that the next try begins.
TEST_F(QuantisedCli, AMistakeInTheTypesLeavesNoFolder) {
  auto refused = [&](const std::string& set, std::initializer_list<std::string> words) {
    expect_failure(3, words,
                   {"train", "--config", "tiny.json", "--set", "surgery.kind=none", "--set", set,
                    "--output", "runs/typo"});
    EXPECT_FALSE(path_exists(file("runs"))) << set;
  };
  refused(R"(quantization.stages=[{"stage": "stage9.conv1", "weights": "6,2"}])",
          {"/quantization/stages/0/stage: expected a convolution or linear layer of"});
  refused(R"(quantization.stages=[{"stage": "fc", "activations": "6,2"}])",
          {"/quantization/stages/0/activations: expected weights only"});
  refused("quantization.first_epoch=6",
          {"/quantization/first_epoch: expected an epoch before the end, of 6 epochs, got 6"});
  refused("quantization.freeze_statistics=6",
          {"/quantization/freeze_statistics: expected an epoch before the end, of 6 epochs"});
  expect_failure(3, {"/train/precision: expected float32 where the network is trained quantised"},
                 {"train", "--config", "tiny.json", "--set", "train.precision=bfloat16", "--set",
                  "quantization.precision=8,3", "--output", "runs/typo"});
  EXPECT_FALSE(path_exists(file("runs")));
}

/// The budget of bits, missed or too generous, and the bits that are reached.
TEST_F(QuantisedCli, ABudgetOfBitsThatIsMissedIsSaid) {
  auto trained = [&](const std::string& bits, const std::string& budget, const std::string& to) {
    const ProcessResult r =
        run({"train", "--config", "tiny.json", "--set", "surgery.kind=none", "--set",
             "train.epochs=1", "--set", "teacher.epochs=1", "--set", "quantization.points=learned",
             "--set", "quantization.precision=" + bits, "--set", "quantization.mean_bits=" + budget,
             "--output", to});
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  const std::string missed = trained("8", "3", "runs/missed");
  testing::expect_words(missed, {"runs/missed/last.ckpt: its products have ",
                                 "quantization.mean_bits asked for 3", "products of "});
  EXPECT_EQ(missed.find("widths will grow"), std::string::npos);
  const double last = summary("runs/missed").at("last").at("mean_bits").as_number();
  EXPECT_GT(last, 3.06);
  EXPECT_LT(last, 8.01);
  const std::string checkpoint = "runs/missed/last.ckpt";
  EXPECT_EQ(answer({"inspect", checkpoint}).at("mean_bits"), Json(last));
  testing::expect_words(run({"inspect", checkpoint}).output,
                        {fmt::format("{0:.2f} x {0:.2f} bits on average (budget 3)", last),
                         "stage2.block0.conv1  ", "activations\n"});
  EXPECT_EQ(answer({"export", "--checkpoint", checkpoint, "--output", "p"}).at("mean_bits"),
            Json(last));
  const std::string generous = trained("4", "7", "runs/generous");
  testing::expect_words(generous,
                        {"quantization.mean_bits is 7, more than the ", "widths will grow"});
  EXPECT_EQ(generous.find("its products have"), std::string::npos) << generous;
}

TEST_F(QuantisedCli, CorrectedBiasesAreACheckpointThatExports) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a"}).status, 0);
  const Json answered =
      answer({"calibrate", "--checkpoint", "runs/a/last.ckpt", "--bits", "4", "--output",
              "types.json", "--training-images", "60", "--correct-biases", "fixed.ckpt"});
  EXPECT_EQ(answered.at("corrected"), Json("fixed.ckpt"));
  const Checkpoint before = load_checkpoint(file("runs/a/last.ckpt")),
                   after = load_checkpoint(file("fixed.ckpt"));
  EXPECT_EQ(after.metrics.at("biases_corrected").at("weights_sha256"),
            Json(weights_digest(before.tensors)));
  for (const auto& [name, tensor] : before.tensors) {
    const bool bias = name.size() > 5 && name.substr(name.size() - 5) == ".bias";
    EXPECT_EQ(tensor.to_doubles() == after.tensors.at(name).to_doubles(), !bias) << name;
  }
  auto loss = [&](const std::string& checkpoint) {
    return answer({"evaluate", "--backend", "emulator", "--checkpoint", checkpoint, "--precision",
                   "types.json"})
        .at("loss")
        .as_number();
  };
  EXPECT_NE(loss("fixed.ckpt"), loss("runs/a/last.ckpt"));
  ASSERT_EQ(run({"export", "--checkpoint", "fixed.ckpt", "--precision", "types.json", "--output",
                 "project"})
                .status,
            0);
  EXPECT_EQ(run({"check", "project"}).status, 0);
  expect_failure(2, {"fixed.ckpt: it exists already"},
                 {"calibrate", "--checkpoint", "runs/a/last.ckpt", "--output", "b.json",
                  "--correct-biases", "fixed.ckpt"});
}

TEST_F(QuantisedCli, TheFewestBitsForALossAreMeasuredAndTrain) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--output", "runs/a"}).status, 0);
  const std::vector<std::string> command = {"calibrate",  "--checkpoint", "runs/a/last.ckpt",
                                            "--max-loss", "20",           "--output",
                                            "types.json"};
  std::vector<std::string> once_more = command;
  once_more.insert(once_more.end(),
                   {"--force", "--correct-biases", "fixed.ckpt", "--plot", "ranges.svg"});
  const ProcessResult said = run(command);
  ASSERT_EQ(said.status, 0) << said.output;
  testing::expect_words(said.output, {"bits of weights", "of 40 validation images",
                                      "of which 20 points may go", "stage2.block0.conv1"});
  const Json found = answer(once_more), &widths = found.at("widths");
  EXPECT_LE(widths.at("floating_point").as_number() - 20,
            widths.at("after").at("accuracy").as_number());
  EXPECT_LT(widths.at("after").at("weight_bits").as_int(),
            widths.at("before").at("weight_bits").as_int());
  EXPECT_NE(read_file(file("ranges.svg")).find("stage2.block0.conv1"), std::string::npos);
  // What the search measured is what the files give.
  EXPECT_EQ(answer({"evaluate", "--backend", "emulator", "--checkpoint", "fixed.ckpt",
                    "--precision", "types.json", "--split", "validation"})
                .at("accuracy"),
            widths.at("after").at("accuracy"));
  const ProcessResult trained = run(
      {"train", "--config", "tiny.json", "--set", "train.epochs=1", "--set", "surgery.kind=none",
       "--set", "quantization=" + found.at("quantization").dump(), "--output", "runs/q"});
  EXPECT_EQ(trained.status, 0) << trained.output;
  expect_failure(2, {"--judged-images requires --max-loss"},
                 {"calibrate", "--checkpoint", "runs/a/last.ckpt", "--output", "none.json",
                  "--judged-images", "10"});
  expect_failure(2, {"--plot ranges.png: expected FILE.svg"},
                 {"calibrate", "--checkpoint", "runs/a/last.ckpt", "--output", "none.json",
                  "--plot", "ranges.png"});
  // Always the fifth class, by less than two bits hold: with them always the first, which 3 images
  // have, not 7.
  Checkpoint fifth = load_checkpoint(file("runs/a/last.ckpt"));
  for (float& v : fifth.tensors.at("fc.weight").as<float>()) v = 0;
  auto bias = fifth.tensors.at("fc.bias").as<float>();
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = i == 4 ? 0.3001F : 0.3F;
  auto answers = fifth.witness->outputs.as<float>();
  for (size_t i = 0; i < answers.size(); ++i) answers[i] = bias[i % bias.size()];
  save_checkpoint(file("fifth.ckpt"), fifth);
  expect_failure(5, {"2 bits of weights and 2 of values lose more than is allowed"},
                 {"calibrate", "--checkpoint", "fifth.ckpt", "--max-loss", "0", "--bits", "2",
                  "--output", "none.json"});
}

/// How often a text is said.
size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(QuantisedCli, SkipsThatTypesKeepOutOfKernelsAreNamedOnceAndHaveTypes) {
  ASSERT_EQ(run({"train", "--config", "tiny.json", "--set", "surgery.kind=shorten", "--set",
                 "network.join=before_activation", "--set", "network.shortcut=projection",
                 "--output", "runs/s"})
                .status,
            0);
  std::string said;
  const std::vector<std::string> calibrate = {"calibrate", "--checkpoint", "runs/s/last.ckpt",
                                              "--force",   "--output",     "types.json"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), calibrate.begin(), calibrate.end());
    return more;
  };
  answer(with({"--bits", "2"}), &said);
  EXPECT_EQ(count_of(said, "stay out of them"), 1U) << said;
  testing::expect_words(said, {"2 with a stage and a FIFO", "more integer bits"});
  const ProcessResult exported = run({"export", "--checkpoint", "runs/s/last.ckpt", "--precision",
                                      "types.json", "--output", "project"});
  ASSERT_EQ(exported.status, 0) << exported.output;
  testing::expect_words(exported.output, {"warning: skips that kernels could take stay out"});
  std::set<std::string> rows;
  const Json types = Json::parse(read_file(file("types.json")), "types.json");
  for (const Json& stage : types.at("stages").as_array())
    rows.insert(stage.at("stage").as_string());
  const Json manifest = Json::parse(read_file(file("project/manifest.json")), "manifest.json");
  for (const Json& layer : manifest.at("layers").as_array()) {
    if (!layer.find("weight")) continue;
    EXPECT_EQ(rows.count(layer.at("name").as_string()), 1U) << layer.dump();
  }
  // A search keeps them inside, and speaks of what it found.
  const Json found = answer(with({"--max-loss", "100"}), &said);
  EXPECT_EQ(said.find("1 with a stage"), std::string::npos) << said;
  EXPECT_EQ(said.find("2 with a stage"), std::string::npos) << said;
  EXPECT_LE(count_of(said, "stay out of them"), 1U) << said;
  int64_t weight_bits = 0;
  for (const Json& stage : found.at("stages").as_array()) {
    if (const Json* weights = stage.find("weights")) {
      const std::string type = weights->at("type").as_string();
      weight_bits += weights->at("count").as_int() * std::stoi(type);
    }
  }
  EXPECT_EQ(found.at("widths").at("after").at("weight_bits").as_int(), weight_bits);
}

TEST_F(QuantisedCli, CalibratedTypesAreWhatPrecisionTakes) {
  const ProcessResult trained = run({"train", "--config", "tiny.json", "--output", "runs/a"});
  ASSERT_EQ(trained.status, 0) << trained.output;
  const ProcessResult table = run({"calibrate", "--checkpoint", "runs/a/last.ckpt", "--bits", "7",
                                   "--training-images", "5", "--output", "types.json"});
  ASSERT_EQ(table.status, 0) << table.output;
  testing::expect_words(table.output, {"stage2.block0.conv1", "logits", "by 5 training images of",
                                       " of 108, ", "--precision types.json"});
  const Json counted = answer({"calibrate", "--checkpoint", "runs/a/last.ckpt", "--output",
                               "again.json", "--training-images", "5"});
  EXPECT_EQ(counted.at("images"), Json(5));
  const Json& stem = counted.at("stages").as_array().front();
  EXPECT_EQ(stem.at("weights").at("count"), Json(108));  // 4 x 3 x 3 x 3
  EXPECT_EQ(stem.at("values").at("count"), Json(5 * 4 * 32 * 32));
  expect_failure(2, {"types.json: it exists already"},
                 {"calibrate", "--checkpoint", "runs/a/last.ckpt", "--output", "types.json"});
  const std::vector<std::string> evaluate = {"evaluate",  "--checkpoint", "runs/a/last.ckpt",
                                             "--backend", "emulator",     "--precision",
                                             "types.json"};
  EXPECT_NEAR(answer(evaluate).at("accuracy").as_number(),
              summary("runs/a").at("last").at("test_accuracy").as_number(), 20);
  std::vector<std::string> with_mode = evaluate;
  with_mode.insert(with_mode.end(), {"--rounding", "trn"});
  expect_failure(2, {"--precision types.json: the file says rounding"}, with_mode);
  answer({"export", "--checkpoint", "runs/a/last.ckpt", "--precision", "types.json", "--output",
          "project"});
  const ProcessResult checked = run({"check", "project"});
  EXPECT_EQ(checked.status, 0) << checked.output;
  write_file(file("bad.json"), R"({"weights": "8,3", "activations": "8,3",
      "stages": [{"stage": "fc", "weights": "66,1"}]})");
  expect_failure(2, {"bad.json: weights of fc: expected W,I", "got '66,1'"},
                 {"export", "--checkpoint", "runs/a/last.ckpt", "--precision", "bad.json"});
}

}  // namespace
}  // namespace tailor::test
