// Quantised training: resumed it is the run that was not interrupted, and its checkpoint says what
// the integers of its export compute, bit for bit.
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/train/trainer.h"

#include <gtest/gtest.h>

#include <csignal>

#include "support/expect_error.h"
#include "support/records.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/design/lower.h"

namespace tailor::test::quantised_training_test {
namespace {

RunConfig small_config() {
  RunConfig c;
  c.network.depth = 8;
  c.network.width = 4;
  c.data.name = "synthetic";
  c.data.train_size = 120;
  c.data.validation = 24;
  c.data.test_size = 30;
  c.data.augment = {"flip"};
  c.train.epochs = 5;
  c.train.batch_size = 32;
  c.train.optimizer.lr = 0.05;
  c.runtime.threads = 1;
  return c;
}

/// Shortened before the epochs 1, 2 and 3.
RunConfig student_config(QuantizeFrom from) {
  RunConfig c = small_config();
  c.teacher = TeacherConfig();
  c.surgery.kind = SurgeryKind::Shorten;
  c.surgery.alpha = 1;
  c.quantization = QuantizationConfig();
  c.quantization->from = from;
  c.quantization->freeze_statistics = 4;
  return c;
}

class Interrupter : public Progress {
 public:
  explicit Interrupter(int64_t after) : after_(after) {}
  void begin(const std::string& label, int64_t /*total*/, const std::string& /*unit*/) override {
    training_ = label.compare(0, 5, "epoch") == 0;
  }
  void advance(int64_t /*items*/) override {
    if (training_ && ++steps_ == after_) set_pending_interrupt(SIGINT);
  }
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}

 private:
  int64_t after_, steps_ = 0;
  bool training_ = false;
};

struct Fixture {
  TemporaryDirectory folder{"tailor-quantised"};
  RunSpec spec;

  explicit Fixture(const RunConfig& config) {
    set_torch_threads(1);
    spec.name = "run";
    spec.config = config;
    spec.source = "test";
    spec.data = open_data(config.data);
  }
  std::string path(const std::string& name) const { return path_join(folder.path(), name); }
  RunResult run(const std::string& name, Progress& progress = null_progress()) {
    RunFolder f(path(name), false);
    return train_run(spec, f, progress);
  }
  void give_teacher() {
    RunConfig c = small_config();
    c.train.epochs = 2;
    Fixture f(c);
    spec.teacher = f.run("teacher").last;
  }
};

/// What the checkpoint says of itself, in integers; returns its plan.
Plan verify_checkpoint(const Checkpoint& c) {
  EXPECT_TRUE(c.precision.has_value());
  EXPECT_GT(c.witness->quantised.size(), 0);
  Graph graph = lower(c.network, c.tensors, c.run).take();
  graph.witness = Witness{c.witness->source, c.witness->inputs, c.witness->outputs};
  verify_witness(graph, c.run);
  Plan plan = plan_trained(Lowered(std::move(graph), c.run), *c.precision);
  verify_trained(plan, Witness{"", c.witness->inputs, {}, c.witness->quantised}, c.run);
  return plan;
}

/// Weights, slots, types and what was measured, wherever the run called "whole" was cut.
void expect_resumes(Fixture& f, const RunResult& whole, std::initializer_list<int64_t> steps) {
  for (int64_t after : steps) {
    const std::string name = fmt::format("cut{}", after);
    Interrupter interrupter(after);
    EXPECT_THROW(f.run(name, interrupter), Interrupted) << after;
    set_pending_interrupt(0);
    const RunResult resumed = f.run(name);
    EXPECT_EQ(resumed.last.tensors, whole.last.tensors) << "interrupted after " << after;
    EXPECT_EQ(resumed.last.slots, whole.last.slots) << after;
    EXPECT_EQ(write_trained_precision(*resumed.last.precision),
              write_trained_precision(*whole.last.precision))
        << after;
    EXPECT_EQ(testing::read_records(f.path(name + "/metrics.jsonl")),
              testing::read_records(f.path("whole/metrics.jsonl")))
        << after;
  }
}

TEST(QuantisedTraining, ResumesBitForBitFromAnyStep) {
  for (QuantizeFrom from : {QuantizeFrom::Start, QuantizeFrom::Altering, QuantizeFrom::After}) {
    SCOPED_TRACE(to_string(from));
    Fixture f(student_config(from));
    f.give_teacher();
    const RunResult whole = f.run("whole");
    verify_checkpoint(whole.last);
    // 3 steps an epoch: within epochs, at their ends, where quantisation and freezing begin.
    expect_resumes(f, whole, {2, 3, 4, 9, 12, 13});
  }
}

TEST(QuantisedTraining, LearnedPointsResumeBitForBitAndGoIntoTheExport) {
  RunConfig config = student_config(QuantizeFrom::Start);
  config.quantization->precision = "5";
  config.quantization->first = "8";
  config.quantization->points = Points::Learned;
  config.quantization->freeze_statistics.reset();
  Fixture f(config);
  f.give_teacher();
  const RunResult whole = f.run("whole");
  const Plan plan = verify_checkpoint(whole.last);
  EXPECT_EQ(whole.last.precision->range_steps, 6);  // since the last alteration: two epochs
  EXPECT_FALSE(whole.last.precision->ranges.empty());
  for (const Node& node : plan.graph().nodes) {
    if (!node.traits().has_weights) continue;
    EXPECT_EQ(node.hardware.weight->width, node.name == "stem.conv1" ? 8 : 5) << node.name;
    const FixedType& type = *plan.graph().value(node.outputs[0]).type;
    if (node.name == "stem.conv1") {
      EXPECT_FALSE(type.is_signed);
    }
  }
  expect_resumes(f, whole, {2, 4, 9, 13});
}

/// Scales of channels and learned widths: an alteration calibrates points again and keeps widths.
TEST(QuantisedTraining, LearnedWidthsResumeBitForBitAndGoIntoTheExport) {
  RunConfig config = student_config(QuantizeFrom::Start);
  QuantizationConfig& q = *config.quantization;
  q.precision = "8", q.points = Points::Learned, q.scale_bits = 6, q.mean_bits = 4;
  q.freeze_statistics.reset();
  Fixture f(config);
  f.give_teacher();
  const RunResult whole = f.run("whole");
  const Plan plan = verify_checkpoint(whole.last);
  for (const Node& node : plan.graph().nodes) {
    if (!node.traits().has_weights) continue;
    EXPECT_EQ(node.hardware.scale->width, 6) << node.name;
  }
  EXPECT_EQ(whole.last.precision->mean_bits, 4);
  for (const LearnedRange& r : whole.last.precision->ranges) EXPECT_GT(r.step_square, 0) << r.stage;
  expect_resumes(f, whole, {4, 13});
}

TEST(QuantisedTraining, CalibratedPointsStandWhereDataAsk) {
  RunConfig config = small_config();
  config.quantization = QuantizationConfig();
  config.quantization->precision = "8";
  config.quantization->points = Points::Calibrated;
  Fixture f(config);
  const Checkpoint c = f.run("run").last;
  verify_checkpoint(c);
  EXPECT_TRUE(c.precision->ranges.empty());
  EXPECT_GE(c.precision->stages.size(), 8U);
}

TEST(QuantisedTraining, ACheckpointHasItsTypesAndWhatTheIntegersGive) {
  RunConfig config = small_config();
  config.quantization = QuantizationConfig();
  config.quantization->weights = "6,2";
  config.quantization->first = config.quantization->last = "8,2";
  config.quantization->stages = {{"stage2.block0.conv1", "", "7,3"}};
  config.train.epochs = 2;
  Fixture f(config);
  const Checkpoint c = f.run("run").last;
  ASSERT_TRUE(c.precision.has_value());
  EXPECT_EQ(c.precision->text(), "weights 6,2, activations 8,3, 3 stages with types of their own");
  const Plan plan = verify_checkpoint(c);
  const auto type_of = [&](const std::string& name) {
    for (const Node& node : plan.graph().nodes) {
      if (node.name == name) return node.hardware.weight->width;
    }
    return 0;
  };
  EXPECT_EQ(type_of("stem.conv1"), 8);
  EXPECT_EQ(type_of("stage2.block0.conv1"), 6);
  EXPECT_EQ(type_of("fc"), 8);
  const Checkpoint read = load_checkpoint(f.path("run/last.ckpt"));
  EXPECT_EQ(write_trained_precision(*read.precision), write_trained_precision(*c.precision));
  EXPECT_EQ(read.witness->quantised, c.witness->quantised);
  // Another witness is told.
  Checkpoint wrong = c;
  wrong.witness->quantised.as<double>()[3] += 1e-9;
  testing::expect_error(ErrorKind::Mismatch, {"in integers what was trained", "bit for bit"},
                        [&] { verify_checkpoint(wrong); });
}

TEST(QuantisedTraining, TheBestIsOneOfTheQuantised) {
  RunConfig config = small_config();
  config.quantization = QuantizationConfig();
  config.quantization->first_epoch = 3;
  Fixture f(config);
  const RunResult result = f.run("run");
  EXPECT_GE(result.last.position.best_epoch, 3);
  EXPECT_TRUE(load_checkpoint(f.path("run/best.ckpt")).precision.has_value());
}

TEST(QuantisedTraining, WhatCannotBeIsSaidBeforeTheFirstStep) {
  auto refuse = [](const RunConfig& config, std::initializer_list<std::string> words) {
    Fixture f(config);
    testing::expect_error(ErrorKind::Config, words, [&] { f.run("run"); });
  };
  RunConfig config = small_config();
  config.quantization = QuantizationConfig();
  config.quantization->first_epoch = 5;
  refuse(config, {"/quantization/first_epoch", "of 5 epochs"});
  config.quantization->first_epoch.reset();
  config.quantization->stages = {{"stage9.conv", "8,3", ""}};
  refuse(config, {"/quantization/stages/0/stage", "resnet8", "stage9.conv"});
}

TEST(QuantisedTraining, BeginsBehindWhatFades) {
  Network network = testing::small_network();
  SurgeryConfig surgery;
  surgery.kind = SurgeryKind::Remove, surgery.edit = EditKind::Fade, surgery.alpha = 2;
  surgery.at_once = 9, surgery.first_epoch = 1;
  const auto edits = plan_edits(surgery, network, 5, "a.json");
  QuantizationConfig q;
  q.from = QuantizeFrom::After;
  EXPECT_EQ(quantized_from(q, surgery, edits, 5, "a.json"), 3);
  q.from = QuantizeFrom::Altering;
  testing::expect_error(ErrorKind::Config,
                        {"/quantization/from", "an epoch from 3 on", "which is epoch 1"},
                        [&] { quantized_from(q, surgery, edits, 5, "a.json"); });

  // And a run goes that way: in its last epoch, without the skips, it is quantised.
  RunConfig config = small_config();
  config.surgery = surgery;
  config.quantization = QuantizationConfig();
  config.quantization->from = QuantizeFrom::After;
  Fixture f(config);
  f.give_teacher();
  const RunResult result = f.run("run");
  EXPECT_TRUE(skip_ids(result.last.network).empty());
  EXPECT_TRUE(result.last.precision.has_value());
  verify_checkpoint(load_checkpoint(f.path("run/last.ckpt")));
}

}  // namespace
}  // namespace tailor::test::quantised_training_test
