// Networks on sequences in the training loop: speech and current, teacher and student, every
// surgery and join; cut within an epoch they end as they would have.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>

#include "support/expect_error.h"
#include "support/records.h"
#include "support/rooms.h"
#include "support/sequences.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/design/lower.h"
#include "tailor/train/trainer.h"

namespace tailor::test {
namespace {

enum class Kind { Speech, Current };

/// A few hundred parameters, two skips.
RunConfig tiny_config(Kind kind) {
  const Json json = Json::parse(fmt::format(R"({{
    "network": {{"family": "quartznet", "width": 4, "quartznet": {{
      "kind": "{}", "repeat": 2, "stem_kernel": 5, "context_kernel": 5, "last_filters": 1,
      "blocks": [{{"kernel": 5}}, {{"kernel": 3, "filters": 2}}]}}}},
    "data": {{"name": "{}", "train_size": 45, "validation": 7, "test_size": 6, "augment": [],
             "signal": {{"chunk": 90}}}},
    "ctc": {{"beam": 1, "smoothing": 0.1}},
    "train": {{"epochs": 4, "batch_size": 8, "optimizer": {{"kind": "adamw", "lr": 0.01}}}},
    "runtime": {{"threads": 1, "device": "cpu"}}
  }})",
                                            kind == Kind::Speech ? "speech" : "dna",
                                            kind == Kind::Speech ? "flite" : "squiggle"),
                                "tiny");
  return read_run_config(json, "tiny");
}

/// Noises of many lengths that are called after the words of a short list.
Sequences noises(int64_t count, int64_t first) {
  const char* const words[] = {"no", "a cat", "it's it", "oh", "so be it"};
  std::vector<testing::GivenSequence> all;
  for (int64_t i = first; i < first + count; ++i)
    all.push_back(
        testing::noise_that_says(english_alphabet(), words[i % 5], 4000 + 531 * (i % 7), i));
  return std::make_shared<testing::GivenSequences>(ExampleKind::Speech, all);
}

DataSplits tiny_data(Kind kind, const DataConfig& config) {
  if (kind == Kind::Current) return open_data(config);
  DataSplits data;
  data.name = "noises";
  data.kind = ExampleKind::Speech;
  data.shape = {64, 1, 51};
  data.classes = english_alphabet().size();
  data.class_names = english_alphabet().symbols;
  data.rate_hz = 16000;
  data.train = noises(38, 0);
  data.validation = noises(7, 100);
  data.test = noises(6, 200);
  return data;
}

struct SequenceRun {
  TemporaryDirectory folder{"tailor-sequences"};
  RunSpec spec;

  SequenceRun(Kind kind, const RunConfig& config) {
    set_torch_threads(1);
    spec.name = "run";
    spec.config = config;
    spec.source = "test";
    spec.data = tiny_data(kind, config.data);
  }
  std::string path(const std::string& name) const { return path_join(folder.path(), name); }
  RunResult run(const std::string& name, Progress& progress = null_progress()) {
    RunFolder f(path(name), false);
    return train_run(spec, f, progress);
  }
  std::vector<Json> metrics(const std::string& name) const {
    std::vector<Json> lines;
    for (const std::string& line : testing::read_records(path(name + "/metrics.jsonl")))
      lines.push_back(Json::parse(line, "line"));
    return lines;
  }
};

/// SIGINT after some training steps.
class Cut : public Progress {
 public:
  explicit Cut(int64_t after) : after_(after) {}
  void begin(const std::string& label, int64_t /*total*/, const std::string& unit) override {
    training_ = label.compare(0, 5, "epoch") == 0;
    units.push_back(unit);
  }
  void advance(int64_t /*items*/) override {
    if (training_ && ++steps_ == after_) set_pending_interrupt(SIGINT);
  }
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}
  std::vector<std::string> units;

 private:
  int64_t after_, steps_ = 0;
  bool training_ = false;
};

Checkpoint teacher_of(Kind kind, const RunConfig& student) {
  RunConfig config = tiny_config(kind);
  config.network = student.network;
  config.train.epochs = 1;
  return SequenceRun(kind, config).run("teacher").last;
}
RunConfig student_of(Kind kind, SurgeryKind surgery, Join join) {
  RunConfig config = tiny_config(kind);
  config.network.join = join;
  config.teacher = TeacherConfig();
  config.surgery.kind = surgery;
  config.surgery.alpha = 1;
  return config;
}

void expect_student(const SequenceRun& f, Kind kind, double beta) {
  const std::string of = kind == Kind::Speech ? "wer" : "accuracy";
  const std::vector<Json> lines = f.metrics("run");
  ASSERT_EQ(lines.size(), 4U);
  for (const Json& line : lines) {
    const double objective = line.at("train_objective").as_number(),
                 distance = line.at("train_distance").as_number();
    EXPECT_GT(objective, 0);
    EXPECT_GE(distance, 0);
    EXPECT_NEAR(line.at("train_loss").as_number(), beta * distance + (1 - beta) * objective,
                1e-5 * (1 + objective));
    EXPECT_TRUE(std::isfinite(line.at("validation_loss").as_number()));
    EXPECT_TRUE(std::isfinite(line.at("validation_" + of).as_number()));
  }
  // Before the first alteration nothing but batch statistics is between the two.
  EXPECT_LT(lines.front().at("train_distance").as_number(), 5);
  const Json summary = Json::parse(read_file(f.path("run/summary.json")), "summary");
  EXPECT_GE(summary.at("last").at("test_" + of).as_number(), 0);
}

TEST(SequenceTraining, AStudentFollowsItsTeacherThroughEverySurgeryAndJoin) {
  for (const Kind kind : {Kind::Speech, Kind::Current}) {
    for (const SurgeryKind surgery : {SurgeryKind::Remove, SurgeryKind::Shorten}) {
      for (const Join join : {Join::BeforeActivation, Join::AfterActivation}) {
        const RunConfig config = student_of(kind, surgery, join);
        SCOPED_TRACE(fmt::format("{} {} {}", kind == Kind::Speech ? "speech" : "current",
                                 to_string(surgery), to_string(join)));
        SequenceRun f(kind, config);
        f.spec.teacher = teacher_of(kind, config);
        ASSERT_EQ(skip_ids(f.spec.teacher->network).size(), 2U);
        const RunResult result = f.run("run");
        expect_student(f, kind, config.distill.beta);
        const Network& network = result.last.network;
        EXPECT_EQ(network.join, join);
        if (surgery == SurgeryKind::Remove) {
          EXPECT_EQ(skip_ids(network).size(), 0U);
        } else {
          // One over each separable convolution instead of one over two of them.
          EXPECT_EQ(skip_ids(network).size(), 4U);
        }
        EXPECT_EQ(testing::read_records(f.path("run/alterations.jsonl")).size(), 2U);
        // What hardware is made of is what was trained.
        for (const char* file : {"run/last.ckpt", "run/best.ckpt"}) {
          const Checkpoint c = load_checkpoint(f.path(file));
          Graph graph = lower(c.network, c.tensors, file).take();
          ASSERT_TRUE(c.witness.has_value());
          graph.witness = Witness{c.witness->source, c.witness->inputs, c.witness->outputs};
          EXPECT_NO_THROW(verify_witness(graph, file));
          graph.witness->outputs.as<float>()[0] += 1;
          EXPECT_THROW(verify_witness(graph, file), Error);
        }
      }
    }
  }
}

TEST(SequenceTraining, CutWithinAnEpochItEndsBitForBitAsItWouldHave) {
  for (const Kind kind : {Kind::Speech, Kind::Current}) {
    RunConfig config =
        student_of(kind, kind == Kind::Speech ? SurgeryKind::Remove : SurgeryKind::Shorten,
                   Join::BeforeActivation);
    config.train.epochs = 3;
    config.train.optimizer.kind = kind == Kind::Speech ? "novograd" : "adamw";
    config.train.optimizer.clip_norm = 2;
    if (kind == Kind::Speech) config.data.augment = {"speed", "spec_augment", "dither"};
    SequenceRun f(kind, config);
    f.spec.teacher = teacher_of(kind, config);
    const RunResult whole = f.run("whole");
    // 38 examples are five steps an epoch: within each, and at an epoch's end.
    for (const int64_t after : {2, 5, 8, 14}) {
      const std::string name = fmt::format("cut{}", after);
      Cut cut(after);
      EXPECT_THROW(f.run(name, cut), Interrupted) << after;
      set_pending_interrupt(0);
      EXPECT_EQ(cut.units.front(), kind == Kind::Speech ? "utterance" : "chunk");
      const RunResult resumed = f.run(name);
      EXPECT_EQ(resumed.last.tensors, whole.last.tensors) << after;
      EXPECT_EQ(resumed.last.slots, whole.last.slots) << after;
      EXPECT_EQ(resumed.test.value, whole.test.value) << after;
      EXPECT_EQ(f.metrics(name), f.metrics("whole")) << after;
      EXPECT_EQ(testing::read_records(f.path(name + "/alterations.jsonl")),
                testing::read_records(f.path("whole/alterations.jsonl")))
          << after;
    }
  }
}

TEST(SequenceTraining, ItLearns) {
  // Two chunks, again and again: their bases are learnt by heart.
  RunConfig config = tiny_config(Kind::Current);
  config.data.train_size = 2;
  config.data.validation = 0;
  config.network.width = 8;
  config.ctc.smoothing = 0;
  config.train.epochs = 120;
  config.train.optimizer.lr = 0.03;
  SequenceRun f(Kind::Current, config);
  f.run("run");
  const std::vector<Json> lines = f.metrics("run");
  EXPECT_LT(lines.back().at("train_loss").as_number(),
            0.5 * lines.front().at("train_loss").as_number());
  EXPECT_GT(lines.back().at("train_accuracy").as_number(), 80);
}

TEST(SequenceTraining, ADivergingRunStopsWithTheRateNamed) {
  for (const Kind kind : {Kind::Speech, Kind::Current}) {
    RunConfig config = tiny_config(kind);
    config.train.optimizer.kind = "sgd";
    config.train.optimizer.lr = 1e20;
    config.train.epochs = 30;
    SequenceRun f(kind, config);
    testing::expect_error(ErrorKind::Data, {"loss became", "the learning rate"},
                          [&] { f.run("run"); });
  }
}

TEST(SequenceTraining, TrainingExamplesThatDoNotFitAreLeftOutAndValidationsDoNotStopIt) {
  RunConfig config = tiny_config(Kind::Current);
  config.train.epochs = 1;
  SequenceRun f(Kind::Current, config);
  // Thirty answers, and forty bases.
  const std::vector<int64_t> many(40, 1), few = {1, 2, 3};
  std::vector<testing::GivenSequence> all;
  for (int64_t i = 0; i < 9; ++i)
    all.push_back({testing::noise_samples(90, i, 1), i == 4 ? many : few});
  f.spec.data.train = f.spec.data.validation =
      std::make_shared<testing::GivenSequences>(ExampleKind::Signal, all);
  f.run("run");
  const Json line = f.metrics("run").front();
  EXPECT_TRUE(std::isfinite(line.at("train_loss").as_number()));
  EXPECT_TRUE(std::isfinite(line.at("validation_loss").as_number()));
}

}  // namespace
}  // namespace tailor::test
