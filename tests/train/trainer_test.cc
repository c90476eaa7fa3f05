// A run that was interrupted anywhere and resumed is the run that was not: equal weights, bit for
// bit, and equal records but for times.
#include "tailor/train/trainer.h"
#include "support/rooms.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <csignal>

#include "support/expect_error.h"
#include "support/records.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/nn/bfloat16.h"
#include "tailor/run/recipe.h"

namespace tailor::test {
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

RunConfig student_config() {
  RunConfig c = small_config();
  c.teacher = TeacherConfig();
  c.surgery.kind = SurgeryKind::Remove;
  c.surgery.alpha = 1;
  return c;
}

/// Sends SIGINT after a number of training steps; counts them.
class Interrupter : public Progress {
 public:
  explicit Interrupter(int64_t after = -1) : after_(after) {}
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

/// Notes where each epoch's bar stands in the whole run.
class Places : public Progress {
 public:
  std::vector<std::string> labels;
  std::vector<std::pair<int64_t, int64_t>> places;
  void begin(const std::string& label, int64_t /*total*/, const std::string& /*unit*/) override {
    if (label.find("epoch") != std::string::npos) labels.push_back(label);
  }
  void advance(int64_t /*items*/) override {}
  void place(int64_t done, int64_t after) override { places.emplace_back(done, after); }
  void note(const std::string& /*text*/) override {}
  void end() override {}
};

struct Fixture {
  TemporaryDirectory folder{"tailor-train"};
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
};

Checkpoint train_teacher(const RunConfig& config) {
  RunConfig c = small_config();
  c.network = config.network;
  c.train.epochs = 2;
  Fixture f(c);
  return f.run("teacher").last;
}

/// Interrupted after each of these steps, the run called "whole" ends as it did.
void expect_resumes(Fixture& f, const RunResult& whole, std::initializer_list<int64_t> steps) {
  const std::string digest = weights_digest(whole.last.tensors);
  for (int64_t after : steps) {
    const std::string name = fmt::format("cut{}", after);
    Interrupter interrupter(after);
    bool interrupted = false;
    try {
      f.run(name, interrupter);
    } catch (const Interrupted& e) {
      interrupted = true;
      EXPECT_EQ(e.signal(), SIGINT);
    }
    set_pending_interrupt(0);
    ASSERT_TRUE(interrupted) << after;
    const RunResult resumed = f.run(name);
    EXPECT_EQ(weights_digest(resumed.last.tensors), digest) << "interrupted after " << after;
    EXPECT_EQ(resumed.last.slots, whole.last.slots) << after;
    EXPECT_EQ(testing::read_records(f.path(name + "/metrics.jsonl")),
              testing::read_records(f.path("whole/metrics.jsonl")))
        << after;
    EXPECT_EQ(testing::read_records(f.path(name + "/alterations.jsonl")),
              testing::read_records(f.path("whole/alterations.jsonl")))
        << after;
    ASSERT_TRUE(resumed.best_validation.has_value());
    EXPECT_EQ(resumed.best_validation->value, whole.best_validation->value);
  }
}

TEST(Trainer, ResumesBitForBitFromAnyStep) {
  const RunConfig config = student_config();
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  const RunResult whole = f.run("whole");
  EXPECT_EQ(skip_ids(whole.last.network).size(), 0U);
  // 3 steps an epoch: within the first epoch, its last step, across the alterations of epochs 1 to
  // 3, the tail, the very last step.
  expect_resumes(f, whole, {2, 3, 4, 5, 6, 7, 10, 11, 13, 15});
}

TEST(Trainer, ResumesBitForBitThoughItsTeacherIsAskedAgain) {
  // The cache of an interrupted run is gone; with flips alone most answers of the one that was not
  // are kept ones.
  RunConfig config = student_config();
  config.distill.teacher_cache = TeacherCacheUse::On;
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  const RunResult whole = f.run("whole");
  expect_resumes(f, whole, {3, 7, 13});
  f.spec.config.distill.teacher_cache = TeacherCacheUse::Off;
  const RunResult plain = f.run("plain");
  for (const auto& [name, tensor] : plain.last.tensors) {
    const Span<const float> a = tensor.as<float>(), b = whole.last.tensors.at(name).as<float>();
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_NEAR(a[i], b[i], 1e-3 * std::max(1.0F, std::abs(a[i]))) << name;
  }
}

TEST(Trainer, ResumesBitForBitInBfloat16OrSaysThatItCannot) {
  RunConfig config = student_config();
  if (!has_bfloat16(at::kCPU)) {
    config.train.precision = "bfloat16";
    Fixture f(config);
    testing::expect_error(ErrorKind::Config, {"/train/precision", "float32", "AVX-512"},
                          [&] { f.run("run"); });
    return;
  }
  Fixture exact(config);
  exact.spec.teacher = train_teacher(config);
  config.train.precision = "bfloat16";
  Fixture f(config);
  f.spec.teacher = exact.spec.teacher;
  const RunResult whole = f.run("whole");
  EXPECT_NE(weights_digest(whole.last.tensors), weights_digest(exact.run("run").last.tensors));
  expect_resumes(f, whole, {2, 7, 13});
}

TEST(Trainer, QuantisedNetworksAreTrainedInFloat32) {
  RunConfig config = small_config();
  config.train.precision = "bfloat16";
  config.quantization = QuantizationConfig();
  Fixture f(config);
  testing::expect_error(ErrorKind::Config, {"/train/precision", "float32", "\"bfloat16\""},
                        [&] { f.run("run"); });
}

TEST(Trainer, EveryOptimiserResumesBitForBitAcrossAlterations) {
  for (const char* kind : {"adamw", "novograd", "muon"}) {
    RunConfig config = student_config();
    config.train.epochs = 4;
    config.train.optimizer.kind = kind;
    config.train.optimizer.lr = 0.01;
    config.train.optimizer.clip_norm = 1;
    Fixture f(config);
    f.spec.teacher = train_teacher(config);
    const RunResult whole = f.run("whole");
    EXPECT_EQ(skip_ids(whole.last.network).size(), 0U);
    for (int64_t after : {2, 5}) {
      const std::string name = fmt::format("cut{}", after);
      Interrupter interrupter(after);
      EXPECT_THROW(f.run(name, interrupter), Interrupted);
      set_pending_interrupt(0);
      const RunResult resumed = f.run(name);
      EXPECT_EQ(resumed.last.tensors, whole.last.tensors) << kind << ", cut after " << after;
      EXPECT_EQ(resumed.last.slots, whole.last.slots) << kind << ", cut after " << after;
    }
  }
}

TEST(Trainer, TrainingFormsResumeBitForBit) {
  for (const InitialSkips skips : {InitialSkips::Repvgg, InitialSkips::Dirac}) {
    SCOPED_TRACE(to_string(skips));
    RunConfig config = small_config();
    config.train.epochs = 4;
    config.train.skips = skips;
    Fixture f(config);
    f.spec.network = initial_network(config, f.spec.data.shape, f.spec.data.classes);
    const RunResult whole = f.run("whole");
    EXPECT_EQ(skip_ids(whole.last.network).empty(), skips == InitialSkips::Dirac);
    Interrupter interrupter(9);
    EXPECT_THROW(f.run("cut", interrupter), Interrupted);
    set_pending_interrupt(0);
    const RunResult resumed = f.run("cut");
    EXPECT_EQ(resumed.last.tensors, whole.last.tensors);
    EXPECT_EQ(resumed.last.slots, whole.last.slots);
  }
}

TEST(Trainer, EveryEpochSaysWhatFollowsItInTheWholeRun) {
  RunConfig config = small_config();
  config.train.epochs = 3;
  Fixture f(config);
  f.spec.role = "teacher, ";
  f.spec.images_after = 1000;
  Places places;
  f.run("run", places);
  EXPECT_EQ(places.labels,
            (std::vector<std::string>{"teacher, epoch 0 (1 of 3)", "teacher, epoch 1 (2 of 3)",
                                      "teacher, epoch 2 (3 of 3)"}));
  // 120 images less 24 for validation.
  EXPECT_EQ(places.places,
            (std::vector<std::pair<int64_t, int64_t>>{{0, 1192}, {0, 1096}, {0, 1000}}));
}

TEST(Trainer, WritesOneLineAnAlterationWithTheWordsOfTheLog) {
  const RunConfig config = student_config();
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  f.run("run");
  const auto lines = testing::read_records(f.path("run/alterations.jsonl"));
  ASSERT_EQ(lines.size(), 3U);
  Json second = Json::parse(lines[1], "line");
  EXPECT_EQ(second.at("epoch").as_int(), 2);
  EXPECT_EQ(second.at("text").as_string(), "removed stage2.block0.skip (1 of 3 left)");
  EXPECT_EQ(second.at("erased").as_array().size(), 5U);
  EXPECT_EQ(second.at("after").as_array().size(), 0U);
  EXPECT_GE(second.at("validation_accuracy_before").as_number(), 0);
  EXPECT_GE(second.at("validation_accuracy_after").as_number(), 0);
  // What the line says was validated before the edit is what the epoch before it ended on.
  Json epoch1 = Json::parse(testing::read_records(f.path("run/metrics.jsonl"))[1], "line");
  EXPECT_EQ(second.at("validation_accuracy_before").as_number(),
            epoch1.at("validation_accuracy").as_number());
}

TEST(Trainer, BestIsTheBestSinceTheFinalTopologyAndTheEarliestOnTies) {
  const RunConfig config = student_config();
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  const RunResult r = f.run("run");
  double best = -1;
  int64_t best_epoch = -1;
  for (const std::string& line : testing::read_records(f.path("run/metrics.jsonl"))) {
    Json json = Json::parse(line, "line");
    if (json.at("skips").as_int() == 0 && json.at("validation_accuracy").as_number() > best) {
      best = json.at("validation_accuracy").as_number();
      best_epoch = json.at("epoch").as_int();
    }
  }
  Json summary = Json::parse(read_file(f.path("run/summary.json")), "summary");
  EXPECT_EQ(summary.at("best").at("epoch").as_int(), best_epoch);
  EXPECT_DOUBLE_EQ(summary.at("best").at("validation_accuracy").as_number(), best);
  EXPECT_EQ(load_checkpoint(f.path("run/best.ckpt")).network.blocks.size(),
            r.last.network.blocks.size());
  EXPECT_EQ(skip_ids(load_checkpoint(f.path("run/best.ckpt")).network).size(), 0U);
  EXPECT_EQ(summary.at("weights_sha256").as_string(),
            weights_digest(load_checkpoint(f.path("run/last.ckpt")).tensors));
}

TEST(Trainer, WithoutAValidationSplitThereIsNoBest) {
  RunConfig config = small_config();
  config.data.validation = 0;
  config.train.epochs = 1;
  Fixture f(config);
  const RunResult r = f.run("run");
  EXPECT_FALSE(r.validation.has_value());
  EXPECT_FALSE(path_exists(f.path("run/best.ckpt")));
  EXPECT_TRUE(Json::parse(read_file(f.path("run/summary.json")), "summary").at("best").is_null());
}

TEST(Trainer, AStudentStartsAsItsTeacherAndFollowsIt) {
  // With beta 1 and no augmentation difference the loss is the distance to the teacher: at the
  // start it comes from batch statistics alone, and it falls.
  RunConfig config = student_config();
  config.surgery.kind = SurgeryKind::None;
  config.distill.beta = 1;
  config.train.epochs = 3;
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  f.run("run");
  const auto lines = testing::read_records(f.path("run/metrics.jsonl"));
  EXPECT_LT(Json::parse(lines[2], "line").at("train_loss").as_number(),
            Json::parse(lines[0], "line").at("train_loss").as_number());
}

TEST(Trainer, CheckpointsCarryAWitnessAndTheResolvedConfiguration) {
  RunConfig config = small_config();
  config.train.epochs = 1;
  Fixture f(config);
  f.run("run");
  Checkpoint c = load_checkpoint(f.path("run/last.ckpt"));
  ASSERT_TRUE(c.witness.has_value());
  EXPECT_EQ(c.witness->inputs.shape(), (Shape{4, 32, 32, 3}));
  EXPECT_EQ(c.witness->source, "4 validation images of synthetic");
  EXPECT_EQ(c.config, write_run_config(config));
  EXPECT_TRUE(c.position.finished);
}

TEST(Trainer, ADivergingRunStopsWithTheRateNamed) {
  RunConfig config = small_config();
  config.train.optimizer.lr = 1000;
  config.train.epochs = 30;
  Fixture f(config);
  testing::expect_error(ErrorKind::Data, {"loss became", "the learning rate"},
                        [&] { f.run("run"); });
}

/// A ResNet-18 whose last maps are single pixels.
RunConfig single_pixel_config() {
  RunConfig c = small_config();
  c.network.family = "resnet_imagenet";
  c.network.depth = 18;
  c.network.width = 2;
  c.train.epochs = 2;
  return c;
}

TEST(Trainer, ALastBatchOfOneImageLeavesFiniteStatistics) {
  // 121 images less 24 of validation: three batches of 32 and one image, which alone would have no
  // variance on the last maps.
  RunConfig config = single_pixel_config();
  config.data.train_size = 121;
  Fixture f(config);
  ASSERT_EQ(f.spec.data.train->size() % config.train.batch_size, 1);
  const RunResult r = f.run("run");
  for (const auto& [name, tensor] : r.last.tensors) {
    for (float v : tensor.as<float>()) ASSERT_TRUE(std::isfinite(v)) << name;
  }
  const Json line = Json::parse(testing::read_records(f.path("run/metrics.jsonl"))[1], "line");
  EXPECT_TRUE(std::isfinite(line.at("validation_loss").as_number()));
}

TEST(Trainer, AWarmUpThatTheStepsDoNotEndIsRefused) {
  RunConfig config = small_config();
  config.train.epochs = 1;
  config.train.schedule.warmup_steps = 1000;
  Fixture f(config);
  const auto steps = EpochBatches{f.spec.data.train->size(), config.train.batch_size}.count();
  testing::expect_error(
      ErrorKind::Config,
      {"/train/schedule/warmup_steps", fmt::format("less than the {} steps", steps), "1000"},
      [&] { f.run("run"); });
  config.train.schedule.warmup_steps = steps - 1;
  Fixture g(config);
  EXPECT_NO_THROW(g.run("run"));
}

TEST(Trainer, BatchesOfOneImageOverOnePixelAreRefusedWithTheLayer) {
  RunConfig config = single_pixel_config();
  config.train.batch_size = 1;
  Fixture f(config);
  testing::expect_error(ErrorKind::Config,
                        {"/train/batch_size", "at least 2", "stage4.block0.bn1 sees one pixel"},
                        [&] { f.run("run"); });
  config = small_config();  // larger maps have a variance
  config.train.batch_size = 1;
  config.train.epochs = 1;
  Fixture g(config);
  EXPECT_NO_THROW(g.run("run"));
}

TEST(Trainer, BlocksAreSolvedAndARunThatSolvesResumesBitForBit) {
  RunConfig config = student_config();
  config.surgery.edit = EditKind::Solve;
  config.surgery.solve.images = 48;
  config.surgery.solve.steps = 3;
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  const RunResult whole = f.run("whole");
  const auto lines = testing::read_records(f.path("whole/alterations.jsonl"));
  ASSERT_EQ(lines.size(), 3U);
  for (const std::string& line : lines) {
    const Json said = Json::parse(line, "line");
    EXPECT_EQ(said.at("edit"), Json("solve"));
    EXPECT_GT(said.at("block_error").as_number(), 0);
    EXPECT_LT(said.at("block_error").as_number(), 1);
  }
  expect_resumes(f, whole, {3, 5, 9});
  f.spec.config.surgery.edit = EditKind::Cut;
  EXPECT_NE(weights_digest(f.run("cut").last.tensors), weights_digest(whole.last.tensors));
}

TEST(Trainer, AnOptimiserThatIsResetAtEveryAlterationResumesBitForBit) {
  RunConfig config = student_config();
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  const std::string kept = weights_digest(f.run("kept").last.tensors);
  f.spec.config.surgery.optimizer = OptimizerState::Reset;
  const RunResult whole = f.run("whole");
  EXPECT_NE(weights_digest(whole.last.tensors), kept);
  expect_resumes(f, whole, {3, 5, 9});
  // The first epoch, before any alteration, is the same, and so are the rates.
  const auto lines = testing::read_records(f.path("whole/metrics.jsonl")),
             others = testing::read_records(f.path("kept/metrics.jsonl"));
  EXPECT_EQ(lines.at(0), others.at(0));
  for (size_t i = 0; i < lines.size(); ++i)
    EXPECT_EQ(Json::parse(lines[i], "").at("lr"), Json::parse(others[i], "").at("lr"));
}

TEST(Trainer, SkipsFadeAndARunInWhichTheyDoResumesBitForBit) {
  for (const SurgeryKind kind : {SurgeryKind::Remove, SurgeryKind::Shorten}) {
    RunConfig config = student_config();
    config.surgery.kind = kind;
    config.surgery.edit = EditKind::Fade;
    config.surgery.at_once = 3;
    config.surgery.alpha = 2;
    config.surgery.first_epoch = 1;
    config.distill.features = Features::Blocks;
    Fixture f(config);
    f.spec.teacher = train_teacher(config);
    const RunResult whole = f.run("whole");
    const auto lines = testing::read_records(f.path("whole/alterations.jsonl"));
    ASSERT_EQ(lines.size(), 6U);
    for (size_t i = 0; i < lines.size(); ++i) {
      const Json said = Json::parse(lines[i], "line");
      EXPECT_EQ(said.at("edit"), Json("fade"));
      EXPECT_EQ(said.at("epoch"), Json(i < 3 ? 1 : 3));
      EXPECT_EQ(said.at("statistics_images"), Json(0));
    }
    EXPECT_EQ(skip_ids(whole.last.network).size(), kind == SurgeryKind::Remove ? 0U : 6U);
    for (const Block& block : whole.last.network.blocks) {
      for (const Skip& skip : block.skips) EXPECT_EQ(skip.weight, 1);
    }
    expect_resumes(f, whole, {3, 5, 9});
    f.spec.config.distill.features = Features::None;
    EXPECT_NE(weights_digest(f.run("other").last.tensors), weights_digest(whole.last.tensors));
  }
}

/// Of two runs' last checkpoints.
void expect_only_statistics_differ(const Fixture& f, const char* run, const char* other) {
  const TensorMap theirs = load_checkpoint(f.path(other + std::string("/last.ckpt"))).tensors;
  for (const auto& [name, tensor] :
       load_checkpoint(f.path(run + std::string("/last.ckpt"))).tensors) {
    const bool statistic = name.find("running_") != std::string::npos;
    EXPECT_EQ(tensor == theirs.at(name), !statistic) << name;
  }
}

TEST(Trainer, StatisticsAreEstimatedAgainAfterAnAlterationAndBothFiguresRecorded) {
  RunConfig config = student_config();
  config.surgery.at_once = 3;
  config.train.epochs = 2;
  config.train.optimizer.lr = 0;  // weights stay: only statistics move
  config.surgery.statistics_images = 64;
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  f.run("on");
  f.spec.config.surgery.statistics_images = 0;
  f.run("off");
  const auto on = testing::read_records(f.path("on/alterations.jsonl")),
             off = testing::read_records(f.path("off/alterations.jsonl"));
  ASSERT_EQ(on.size(), 3U);
  const Json with = Json::parse(on[0], "line"), without = Json::parse(off[0], "line");
  EXPECT_EQ(with.at("statistics_images").as_int(), 64);
  EXPECT_EQ(without.at("statistics_images").as_int(), 0);
  EXPECT_EQ(without.at("validation_accuracy_after"), without.at("validation_accuracy_stale"));
  // The same weights with the statistics of before: the same figure, whether estimated later or
  // not.
  EXPECT_EQ(with.at("validation_accuracy_stale"), without.at("validation_accuracy_stale"));
  expect_only_statistics_differ(f, "on", "off");
  // The next edit begins where this one ended.
  EXPECT_EQ(Json::parse(on[1], "line").at("validation_accuracy_before"),
            with.at("validation_accuracy_after"));
}

TEST(Trainer, StatisticsAreTakenAnewBehindTheLastEpochAndAnInterruptedRunHasThemToo) {
  RunConfig config = student_config();
  config.train.epochs = 2;
  config.surgery.at_once = 3;
  config.train.statistics_images = 64;
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  const RunResult whole = f.run("whole");
  expect_resumes(f, whole, {3, 5, 6});  // and behind the last step, in front of the statistics
  f.spec.config.train.statistics_images = 0;
  f.run("off");
  expect_only_statistics_differ(f, "whole", "off");
  // They are judged: only the last epoch's figures differ from those of running averages.
  const auto with = testing::read_records(f.path("whole/metrics.jsonl")),
             without = testing::read_records(f.path("off/metrics.jsonl"));
  ASSERT_EQ(with.size(), 2U);
  auto loss = [](const std::string& line) { return Json::parse(line, "l").at("validation_loss"); };
  EXPECT_EQ(loss(with[0]), loss(without[0]));
  EXPECT_NE(loss(with[1]), loss(without[1]));
}

TEST(Trainer, AWarmUpLosesNoStep) {
  // One epoch of warm-up of four steps at a rate that is seen in the weights of the first.
  RunConfig config = small_config();
  config.train.schedule.warmup_epochs = 1;
  config.train.epochs = 1;
  Fixture f(config);
  Interrupter interrupter(1);
  EXPECT_THROW(f.run("run", interrupter), Interrupted);
  set_pending_interrupt(0);
  const Checkpoint first = load_checkpoint(f.path("run/last.ckpt"));
  EXPECT_EQ(first.position.step, 1);
  EXPECT_FALSE(first.tensors.at("fc.weight") ==
               initial_tensors(first.network, config.train.seed).at("fc.weight"));
}

TEST(Trainer, TheRangeOfTheValuesIsTheDatasWhateverTheTeacherKnows) {
  // An imported teacher knows its mean and deviation, and of the range nothing.
  RunConfig config = student_config();
  config.surgery.kind = SurgeryKind::None;
  config.train.epochs = 1;
  Fixture f(config);
  f.spec.teacher = train_teacher(config);
  f.spec.teacher->preprocessing.mean = {0.25, 0.5, 0.75};
  f.spec.data.preprocessing.low = -485;
  f.spec.data.preprocessing.high = 428;
  const Preprocessing written = f.run("run").last.preprocessing;
  EXPECT_EQ(written.mean, f.spec.teacher->preprocessing.mean);
  EXPECT_EQ(written.low, -485);
  EXPECT_EQ(written.high, 428);
}

TEST(Trainer, MixupTrainsOnBothLabelsAndResumes) {
  RunConfig config = small_config();
  config.train.epochs = 2;
  Fixture plain(config);
  const std::string without = weights_digest(plain.run("plain").last.tensors);
  config.data.augment = {"flip", "mixup"};
  config.data.mixup.alpha = 1;
  Fixture f(config);
  const RunResult whole = f.run("whole");
  EXPECT_NE(weights_digest(whole.last.tensors), without);
  // The two shares sum to 1: the loss of an untrained network is about log(10) = 2.3, not half or
  // twice as much.
  const Json first = Json::parse(testing::read_records(f.path("whole/metrics.jsonl"))[0], "line");
  EXPECT_GT(first.at("train_loss").as_number(), 1.5);
  EXPECT_LT(first.at("train_loss").as_number(), 3.5);
  Interrupter interrupter(4);
  EXPECT_THROW(f.run("cut", interrupter), Interrupted);
  set_pending_interrupt(0);
  EXPECT_EQ(weights_digest(f.run("cut").last.tensors), weights_digest(whole.last.tensors));
}

}  // namespace
}  // namespace tailor::test
