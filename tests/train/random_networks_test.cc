// Random networks, of everything that a description can say, from the description to compiled C++:
// trained while a skip goes, saved, exported, imported, lowered, and checked in both layouts. The
// environment says how many (TAILOR_RANDOM_NETWORKS) and from which seed on (TAILOR_RANDOM_FIRST).
#include <ATen/ops/cross_entropy_loss.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/expect_error.h"
#include "support/random_projects.h"
#include "support/rooms.h"
#include "tailor/core/process.h"
#include "tailor/net/weight_rules.h"
#include "tailor/task/classification.h"
#include "tailor/train/objective.h"
#include "tailor/train/trainer.h"

namespace tailor::test {
namespace {

constexpr int64_t kRandomImages = 24;

/// Images of noise with labels of noise, as many of each split.
DataSplits noise_data(const Network& network) {
  DataSplits data;
  data.name = "noise";
  data.shape = network.input;
  data.classes = network.classes();
  const std::vector<double> ones(static_cast<size_t>(data.shape.channels), 1.0);
  data.preprocessing = {std::vector<double>(ones.size(), 0.5), ones};
  for (ExampleSet* split : {&data.train, &data.validation, &data.test}) {
    CounterRandom random(split == &data.train ? 1 : 2, RandomStream::Test, 31);
    const int64_t numbers = kRandomImages * data.shape.size();
    const std::shared_ptr<float> pixels(new float[static_cast<size_t>(numbers)],
                                        std::default_delete<float[]>());
    for (int64_t i = 0; i < numbers; ++i) pixels.get()[i] = static_cast<float>(random.uniform());
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < kRandomImages; ++i) labels.push_back(random.below(data.classes));
    *split = make_memory_images(data.shape, std::shared_ptr<const float>(pixels), labels);
  }
  return data;
}

/// The images of a classification with a label at every position of the answer.
class LabelledPositions : public Task {
 public:
  LabelledPositions(const Network& network, const DataSplits& data)
      : positions_(output_shape(network).pixels()),
        classes_(network.classes()),
        images_(data, data.preprocessing, {}) {}

  const char* unit() const override { return "image"; }
  int64_t size(Split split) const override { return images_.size(split); }
  void collate(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
               Batch& batch) const override {
    images_.collate(split, indices, epoch, batch);
    prepare_buffer(batch.targets, DType::I64, {batch.count, positions_});
    auto labels = batch.targets.as<int64_t>();
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto n = static_cast<int64_t>(i);
      labels[i] = (indices[i / static_cast<size_t>(positions_)] + n % positions_) % classes_;
    }
  }
  ObjectiveSpec objective() const override { return "cross_entropy_of_positions"; }
  std::vector<double> tally(const Answers& answers, const Batch& batch) const override {
    const Span<const float> outputs = answers.outputs;
    const auto labels = batch.targets.as<int64_t>();
    const size_t row = outputs.size() / labels.size();
    EXPECT_EQ(static_cast<int64_t>(row), classes_);
    int64_t right = 0;
    for (size_t i = 0; i < labels.size(); ++i)
      right += predicted_class(outputs.subspan(i * row, row)) == labels[i] ? 1 : 0;
    return {static_cast<double>(right) / static_cast<double>(positions_)};
  }
  std::unique_ptr<Meter> meter() const override { return images_.meter(); }

 private:
  int64_t positions_, classes_;
  Classification images_;
};

void register_position_loss() {
  register_objective(
      "cross_entropy_of_positions",
      {[](const at::Tensor& outputs, const DeviceBatch& batch, const ObjectiveSpec& /*spec*/) {
         return at::cross_entropy_loss(outputs.flatten(0, 1), batch.targets.flatten(0, 1));
       },
       nullptr});
}

bool can_be(const SurgeryConfig& surgery, const Network& network) {
  try {
    return !plan_edits(surgery, network, 2, "test").empty();
  } catch (const Error& e) {  // no chain of these steps does what the skip does, or carries it
    EXPECT_TRUE(e.kind() == ErrorKind::Config || e.kind() == ErrorKind::Unsupported) << e.what();
    return false;
  }
}

/// Its first skip goes before the second epoch: shortened where the seed is odd and its chain can
/// be, else removed, and its block solved where it can be.
SurgeryConfig first_skip_goes(const Network& network, int64_t seed) {
  SurgeryConfig surgery;
  if (skip_ids(network).empty()) return surgery;
  surgery.alpha = 1;
  surgery.allow_partial = true;
  surgery.statistics_images = 16;
  surgery.warmup_steps = seed % 3;
  surgery.kind = SurgeryKind::Shorten;
  if (seed % 2 != 0 && can_be(surgery, network)) return surgery;
  surgery.kind = SurgeryKind::Remove;
  surgery.edit = EditKind::Solve;
  surgery.solve.images = 16;
  if (!can_be(surgery, network)) surgery.edit = EditKind::Cut;
  return surgery;
}

RunSpec random_run(const Network& network, int64_t seed, const std::string& description) {
  RunSpec spec;
  spec.name = network.name;
  spec.source = "test";
  spec.config.network.family = "file";
  spec.config.network.file = description;
  spec.config.train.epochs = 2;
  spec.config.train.batch_size = 8;
  spec.config.train.seed = seed;
  spec.config.train.optimizer.kind = seed % 3 == 0 ? "sgd" : seed % 3 == 1 ? "adamw" : "novograd";
  spec.config.train.optimizer.lr = 0.01;
  spec.config.surgery = first_skip_goes(network, seed);
  spec.config.runtime.threads = 1;
  spec.config.runtime.device = "cpu";
  spec.config.data.augment = {};
  spec.data = noise_data(network);
  if (seed % 4 == 0) {  // a student that follows its teacher
    Checkpoint teacher;
    teacher.network = network;
    teacher.tensors = testing::random_tensors(network, seed);
    teacher.preprocessing = spec.data.preprocessing;
    spec.teacher = teacher;
  }
  if (network.answers_per_position())
    spec.task = std::make_shared<LabelledPositions>(network, spec.data);
  return spec;
}

/// Runs the program; what it says is the failure's.
void run_tailor(const std::vector<std::string>& arguments, const std::string& folder) {
  std::vector<std::string> command = {TAILOR_BINARY};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const ProcessResult result = run_process(command, folder, {{"TAILOR_LOG", "off"}});
  ASSERT_EQ(result.status, 0) << join(arguments, " ") << ": " << result.output;
}

/// The checkpoint's network as `tailor export` and `import` bring it back.
Checkpoint exported_and_imported(const Checkpoint& trained, const std::string& checkpoint,
                                 const std::string& folder) {
  const std::string description = path_join(folder, "altered.json"),
                    weights = path_join(folder, "weights.safetensors");
  write_file(description, write_network(trained.network).dump(2));
  run_tailor({"export", "--format", "safetensors", "--checkpoint", checkpoint, "--output", weights},
             folder);
  run_tailor({"import", weights, "--network", description, "--output", "imported"}, folder);
  return load_checkpoint(path_join(folder, "imported/model.ckpt"));
}

Graph lowered_checkpoint(const Checkpoint& c) {
  Graph graph = lower(c.network, c.tensors, c.run).take();
  graph.witness = Witness{c.witness->source, c.witness->inputs, c.witness->outputs};
  verify_witness(graph, c.run);
  return graph;
}

void go_all_the_way(int64_t seed, const std::string& folder) {
  const Network network = testing::random_network(seed);
  create_directories(folder);
  const std::string description = path_join(folder, "network.json");
  write_file(description, write_network(network).dump(2));

  RunFolder run(path_join(folder, "run"), false);
  const RunSpec spec = random_run(network, seed, description);
  train_run(spec, run, null_progress());
  const Checkpoint trained = load_checkpoint(run.last());
  EXPECT_EQ(trained.position.edits_applied, skip_ids(network).empty() ? 0 : 1);
  const MapShape answer = output_shape(trained.network);
  const Shape each = network.answers_per_position() ? Shape{4, answer.pixels(), answer.channels}
                                                    : Shape{4, answer.channels};
  EXPECT_EQ(trained.witness->outputs.shape(), each);

  const Checkpoint imported = exported_and_imported(trained, run.last(), folder);
  EXPECT_EQ(write_network(imported.network), write_network(trained.network));
  EXPECT_EQ(weights_digest(imported.tensors), weights_digest(trained.tensors));
  lowered_checkpoint(imported);
  EXPECT_EQ(testing::project_findings(lowered_checkpoint(trained), path_join(folder, "project")),
            "");
}

int64_t number_in_environment(const char* name, int64_t usual) {
  const char* text = std::getenv(name);
  return text ? *parse_int(text) : usual;
}

TEST(RandomNetworks, AreTrainedAlteredImportedAndExported) {
  set_torch_threads(1);
  register_position_loss();
  const int64_t first = number_in_environment("TAILOR_RANDOM_FIRST", 0),
                count = number_in_environment("TAILOR_RANDOM_NETWORKS", 4);
  int64_t passed = 0;
  for (int64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    TemporaryDirectory folder("tailor-random");
    const auto failures = [] {
      return ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    };
    const int before = failures();
    EXPECT_NO_THROW(go_all_the_way(seed, path_join(folder.path(), "network")));
    passed += failures() == before ? 1 : 0;
  }
  EXPECT_EQ(passed, count);
  RecordProperty("passed", std::to_string(passed));
}

TEST(RandomNetworks, ThatAnswerAtEveryPositionAreNoClassifiers) {
  int64_t seed = 0;
  while (!testing::random_network(seed).answers_per_position()) ++seed;
  const Network network = testing::random_network(seed);
  TemporaryDirectory folder("tailor-random");
  const std::string description = path_join(folder.path(), "network.json");
  write_file(description, write_network(network).dump(2));
  RunSpec spec = random_run(network, seed, description);
  spec.task = nullptr;
  RunFolder run(path_join(folder.path(), "run"), false);
  testing::expect_error(ErrorKind::Unsupported,
                        {network.name, "positions", "one label an image", "global_avg_pool"},
                        [&] { train_run(spec, run, null_progress()); });
}

}  // namespace
}  // namespace tailor::test
