// Every method of the field, from its embedded configuration to a project that is checked, on a
// network and a data set that take seconds.
#include "cli/torch/train_cli.h"
#include "tailor/net/dirac.h"

namespace tailor::test {
namespace {

class Methods : public TrainCli, public ::testing::WithParamInterface<const char*> {};

std::vector<std::string> tiny(const std::string& method) {
  std::vector<std::string> command = {"train", "--config", "method_" + method};
  for (const char* key : {"network.depth=8", "network.width=4", "data.name=synthetic",
                          "data.train_size=88", "data.validation=24", "data.test_size=24",
                          "data.augment=[\"flip\"]", "runtime.threads=1", "train.batch_size=32"}) {
    command.insert(command.end(), {"--set", key});
  }
  if (method.rfind("scratch", 0) != 0 && method != "repvgg" && method != "dirac")
    command.insert(command.end(), {"--set", "teacher.epochs=1", "--set", "teacher.batch_size=32"});
  const bool gradual = method.rfind("skip_", 0) == 0 || method == "solve";
  command.insert(command.end(), {"--set", gradual ? "train.epochs=4" : "train.epochs=1"});
  if (method == "unaltered")
    command.insert(command.end(), {"--set", "train.schedule.hold_epochs=0"});
  if (method == "solve") {
    command.insert(command.end(),
                   {"--set", "surgery.solve.images=32", "--set", "train.schedule.warmup_steps=2"});
  }
  if (method == "rounds_2020") {  // three short rounds of one block each, as nine blocks have three
    command.insert(command.end(),
                   {"--set", R"(phases=[{"surgery": {"kind": "shorten", "at_once": 3}},)"
                             R"({"repeat": 3, "surgery": {"at_once": 2}}])"});
  }
  if (method == "keras_2021") {
    command.insert(
        command.end(),
        {"--set", R"(phases=[{"repeat": 3, "start": "previous", "teacher": "original"}])"});
  }
  return command;
}

TEST_P(Methods, IsTrainedExportedAndChecked) {
  const std::string method = GetParam();
  std::vector<std::string> command = tiny(method);
  command.insert(command.end(), {"--output", "runs/r"});
  ProcessResult r = run(command);
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("has no effect"), std::string::npos) << r.output;
  const bool removed = method.find("removed") != std::string::npos ||
                       method.rfind("skip_remover", 0) == 0 || method == "rounds_2020" ||
                       method == "keras_2021" || method == "solve" ||
                       method == "residual_distillation" || method == "dirac";
  const bool shortened = method.find("short") != std::string::npos;
  const Json said = summary("runs/r");
  EXPECT_EQ(said.at("skips").as_int(), removed ? 0 : shortened ? 6 : method == "repvgg" ? 11 : 3);
  // The same command finds its run, and --resume does.
  command.emplace_back("--auto-resume");
  testing::expect_words(run(command).output, {"runs/r is finished already"});
  testing::expect_words(run({"train", "--resume", "runs/r"}).output, {"is finished already"});
  r = run({"export", "--checkpoint", "runs/r", "--output", "p", "--precision", "16,6"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("stay out"), std::string::npos) << r.output;  // of the kernels
  r = run({"check", "p", "--vectors", "1"});
  EXPECT_EQ(r.status, 0) << r.output;
}

TEST_F(TrainCli, OtherProgramsGetDiracKernelsAsWeights) {
  std::vector<std::string> command = tiny("dirac");
  command.insert(command.end(), {"--output", "runs/r"});
  ASSERT_EQ(run(command).status, 0);
  const ProcessResult r = run({"export", "--checkpoint", "runs/r", "--format", "safetensors",
                               "--rules", "cifar_pad", "--output", "w.safetensors", "--json"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_TRUE(Json::parse(r.output, "answer").at("without_a_foreign_name").as_array().empty());
  const Checkpoint c = load_checkpoint(file("runs/r/last.ckpt"));
  const TensorFile weights = load_safetensors(file("w.safetensors"));
  EXPECT_EQ(weights.tensors.at("conv1.weight"),
            kernel_of(c.tensors, stage_layers(c.network.blocks[0], 1)[0]));
}

INSTANTIATE_TEST_SUITE_P(OfTheField, Methods,
                         ::testing::Values("scratch", "scratch_removed", "scratch_shortened",
                                           "distill_only_removed", "distill_only_shortened",
                                           "unaltered", "skip_remover", "skip_remover_reset",
                                           "skip_shortener_before", "skip_shortener_after",
                                           "rounds_2020", "keras_2021", "residual_distillation",
                                           "repvgg", "dirac", "solve"),
                         [](const auto& method) { return std::string(method.param); });

TEST_F(TrainCli, ARunOfPhasesGoesOnWhereItWasStopped) {
  std::vector<std::string> whole = tiny("keras_2021"), cut = whole;
  whole.insert(whole.end(), {"--set", "train.epochs=3", "--output", "whole/r"});
  ASSERT_EQ(run(whole).status, 0);
  cut.insert(cut.end(), {"--set", "train.epochs=3", "--output", "cut/r", "--auto-resume"});
  for (const char* text : {"student 2, epoch 0", "student 3, epoch 0"}) {
    const ProcessResult r = run_until_said("cut/r/train.log", text, 1, cut);
    EXPECT_EQ(r.status, 130) << r.output;
    testing::expect_words(r.output, {"go on with: tailor train --resume cut/r\n"});
  }
  const ProcessResult r = run(cut);
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(summary("cut/r").at("weights_sha256"), summary("whole/r").at("weights_sha256"));
  EXPECT_EQ(records("cut/r/metrics.jsonl"), records("whole/r/metrics.jsonl"));
  // Another recipe is not that run.
  cut.insert(cut.end(), {"--set", "phases=[{}]"});
  expect_failure(3, {"/phases", "as the run cut/r was begun with"}, cut);
}

TEST_F(TrainCli, APhaseMayNameARunAsItsTeacher) {
  std::vector<std::string> other = tiny("scratch"), command = tiny("keras_2021");
  other.insert(other.end(), {"--set", "network.depth=14", "--output", "other"});
  ASSERT_EQ(run(other).status, 0);
  command.pop_back(), command.pop_back();
  command.insert(command.end(), {"--set",
                                 R"(phases=[{"surgery": {"at_once": 3}}, {"start": "previous",
                                     "teacher": "other", "surgery": {"kind": "none"},
                                     "data": {"augment": ["flip", "mixup"]}}])",
                                 "--output", "r", "--auto-resume"});
  const ProcessResult r = run(command);
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("has no effect"), std::string::npos) << r.output;
  EXPECT_EQ(summary("r").at("skips").as_int(), 0);
  // The same words find it, wherever from; without the teacher it is said which key names it.
  testing::expect_words(run(command).output, {"r is finished already"});
  testing::expect_words(run({"train", "--resume", "r"}).output, {"is finished already"});
  std::filesystem::rename(file("other"), file("gone"));
  command[command.size() - 2] = "anew";
  expect_failure(4, {"phases.1.teacher other: there is no such file or folder"}, command);
}

}  // namespace
}  // namespace tailor::test
