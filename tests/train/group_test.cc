// Several processes train one run; here they are threads, which meet over loopback like processes.
#include "tailor/train/group.h"
#include "support/rooms.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "nn/shared_norm.h"
#include "support/expect_error.h"
#include "support/gloo.h"
#include "support/networks.h"
#include "support/records.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/data/examples.h"
#include "tailor/nn/host.h"
#include "tailor/train/trainer.h"
#include "train/evaluation.h"
#include "train/gradient_buckets.h"

namespace tailor::test {
namespace {

/// What each of `size` workers does, at the same time. The first error is thrown when all are done.
void together(int64_t size, const std::function<void(Group& group)>& work) {
  const TemporaryDirectory folder("tailor-group");
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Launch launch;
        launch.rank = launch.local_rank = rank, launch.size = launch.local_size = size;
        launch.by = "tailor", launch.file = path_join(folder.path(), "store");
        const auto group = Group::open(launch);
        work(*group);
      } catch (...) {
        errors[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return a.sub(b).norm().item<double>() / b.norm().item<double>();
}

TEST(Group, SumsAndCopiesTensorsAndPassesOnWhatTheLeaderTells) {
  TAILOR_NEEDS_GLOO();
  together(3, [](Group& group) {
    group.connect(at::kCPU);
    const at::Tensor t = at::full({5}, static_cast<double>(group.rank() + 1));
    group.sum(t);
    EXPECT_EQ(t.min().item<double>(), 6);
    const at::Tensor largest = at::full({2}, group.rank(), at::kLong);
    group.take_largest(largest);
    EXPECT_EQ(largest.max().item<int64_t>(), 2);
    const at::Tensor copied = at::full({2}, static_cast<double>(group.rank()));
    group.broadcast(copied);
    EXPECT_EQ(copied.max().item<double>(), 0);
    EXPECT_EQ(group.broadcast_bytes(group.leads() ? std::string("a\0b", 3) : ""),
              std::string("a\0b", 3));
    if (group.leads()) {
      group.tell(Json(1));
      group.tell(Json("two"));
    } else {
      EXPECT_EQ(group.hear(), Json(1));
      EXPECT_EQ(group.hear(), Json("two"));
    }
    group.leave();
  });
}

TEST(Group, OneThatIsLostIsNamedByTheOthers) {
  TAILOR_NEEDS_GLOO();
  testing::expect_error(ErrorKind::Worker, {"worker 2 of 3 is lost", "--resume"}, [] {
    together(3, [](Group& group) {
      group.connect(at::kCPU);
      const at::Tensor t = at::zeros({1 << 16});
      group.sum(t);
      if (group.rank() == 2) return;  // and its connections with it
      for (int i = 0; i < 3; ++i) group.sum(t);
    });
  });
}

/// Images and labels of a batch, a worker's share of it, and its weight.
struct Share {
  at::Tensor x, labels;
  double weight = 1;
};
Share share_of(const Network& network, int64_t count, const Group& group) {
  at::Tensor x =
      at::zeros({count, network.input.channels, network.input.height, network.input.width});
  for (int64_t n = 0; n < count; ++n) {
    const std::vector<double> image = testing::random_image(network.input, n);
    auto* to = x[n].data_ptr<float>();
    for (const double v : image) *to++ = static_cast<float>(v);
  }
  std::vector<at::Tensor> own, labels;
  const auto places = BatchShare{group.rank(), group.size()}.places(count);
  for (const int64_t n : places) {
    own.push_back(x[n].unsqueeze(0));
    labels.push_back(at::full({1}, n % network.classes(), at::kLong));
  }
  return {at::cat(own).contiguous(at::MemoryFormat::ChannelsLast), at::cat(labels),
          static_cast<double>(places.size()) / static_cast<double>(count)};
}

/// The gradient of one step with batch norm in eval mode, in buckets of some size.
at::Tensor gradient_of(const Network& network, Group& group, int64_t floats, int64_t* buckets) {
  Model model(network, testing::random_tensors(network, 2));
  GradientBuckets shared(model.parameters(), group, floats);
  if (buckets) *buckets = shared.count();
  const Share batch = share_of(network, 13, group);
  for (int i = 0; i < 2; ++i) {  // the second leaves nothing of the first
    model.parameters().zero_gradients();
    shared.begin();
    at::cross_entropy_loss(model.forward(batch.x, /*training=*/false), batch.labels)
        .mul(batch.weight)
        .backward();
    shared.finish();
  }
  return model.parameters().gradients;
}

TEST(GradientBuckets, GiveTheGradientOfTheWholeBatch) {
  TAILOR_NEEDS_GLOO();
  const Network network = testing::small_network();
  const at::Tensor whole = gradient_of(network, Group::alone(), 1 << 20, nullptr);
  for (const int64_t size : {2, 3}) {
    together(size, [&](Group& group) {
      group.connect(at::kCPU);
      int64_t buckets = 0;
      const at::Tensor gradient = gradient_of(network, group, 500, &buckets);
      EXPECT_GT(buckets, 3);
      EXPECT_LT(distance(gradient, whole), 1e-5) << size;
    });
  }
}

TEST(GradientBuckets, AParameterThatTookNoPartHoldsNobodyUp) {
  TAILOR_NEEDS_GLOO();
  const Network network = testing::small_network();
  together(2, [&](Group& group) {
    group.connect(at::kCPU);
    Model model(network, testing::random_tensors(network, 2));
    GradientBuckets shared(model.parameters(), group, 1);
    model.parameters().zero_gradients();
    shared.begin();
    model.parameters().parameter("fc.weight").sum().backward();
    shared.finish();
    EXPECT_EQ(model.parameters().gradients.sum().item<double>(),
              2.0 * static_cast<double>(model.parameters().parameter("fc.weight").numel()));
  });
}

/// Output, input gradient, weight gradients and moved statistics of a batch norm.
struct NormPass {
  at::Tensor y, dx, d_gamma, d_beta, mean, variance;
};
NormPass norm_pass(const at::Tensor& x, const at::Tensor& dy, Group& group) {
  const auto leaf = [](const at::Tensor& t) { return t.clone().set_requires_grad(true); };
  const at::Tensor in = leaf(x), gamma = leaf(at::arange(1, 6).to(at::kFloat).div(3)),
                   beta = leaf(at::arange(5).to(at::kFloat));
  NormPass pass{{}, {}, {}, {}, at::full({5}, 0.3), at::full({5}, 1.5)};
  pass.y = group.is_shared()
               ? normalise_shared(in, {gamma, beta, pass.mean, pass.variance, 0.1, 1e-5},
                                  [&](const at::Tensor& sums) { group.sum(sums); })
               : at::batch_norm(in, gamma, beta, pass.mean, pass.variance, /*training=*/true, 0.1,
                                1e-5, /*cudnn_enabled=*/false);
  pass.y.backward(dy);
  pass.dx = in.grad(), pass.d_gamma = gamma.grad(), pass.d_beta = beta.grad();
  return pass;
}

TEST(SharedNorm, IsThatOfTheWholeBatchForwardAndBackward) {
  TAILOR_NEEDS_GLOO();
  const at::Tensor
      x = at::randn({7, 5, 3, 4}).mul(2).add(1).contiguous(at::MemoryFormat::ChannelsLast),
      dy = at::randn({7, 5, 3, 4});
  const NormPass whole = norm_pass(x, dy, Group::alone());
  together(2, [&](Group& group) {
    group.connect(at::kCPU);
    const int64_t first = group.leads() ? 0 : 5, count = group.leads() ? 5 : 2;
    const NormPass own = norm_pass(x.narrow(0, first, count), dy.narrow(0, first, count), group);
    EXPECT_LT(distance(own.y, whole.y.narrow(0, first, count)), 1e-6);
    EXPECT_LT(distance(own.dx, whole.dx.narrow(0, first, count)), 1e-5);
    EXPECT_LT(distance(own.mean, whole.mean), 1e-6);
    EXPECT_LT(distance(own.variance, whole.variance), 1e-6);
    group.sum(own.d_gamma);
    group.sum(own.d_beta);
    EXPECT_LT(distance(own.d_gamma, whole.d_gamma), 1e-5);
    EXPECT_LT(distance(own.d_beta, whole.d_beta), 1e-5);
  });
}

RunConfig shared_config() {
  RunConfig c;
  c.network.depth = 8, c.network.width = 4;
  c.data.name = "synthetic";
  c.data.train_size = 198, c.data.validation = 23, c.data.test_size = 20;
  c.data.augment = {"pad_crop", "flip", "mixup"};
  c.teacher = TeacherConfig();
  c.surgery.kind = SurgeryKind::Remove, c.surgery.alpha = 1;
  c.train.epochs = 5, c.train.batch_size = 31;
  c.train.optimizer.lr = 0.003;
  c.train.batch_norm = "synchronised";
  c.runtime.threads = 1;
  return c;
}

RunSpec shared_spec(const RunConfig& config) {
  RunSpec spec;
  spec.name = "run", spec.source = "test";
  spec.config = config;
  spec.data = open_data(config.data);
  spec.teacher.emplace();
  spec.teacher->network = make_network(config.network, spec.data.shape, spec.data.classes);
  spec.teacher->tensors = testing::random_tensors(spec.teacher->network, 5);
  spec.teacher->preprocessing = spec.data.preprocessing;
  spec.teacher->config = write_run_config(config);
  spec.teacher->metrics = Json::object({});
  return spec;
}

/// The losses of the first steps, with one of three skips removed on the way.
std::vector<double> losses_of(const RunSpec& spec, Group& group, int steps,
                              double through_weight = 0) {
  const RunConfig& c = spec.config;
  const auto task = make_task(spec.data, spec.data.preprocessing, c.data, c.ctc, c.train.seed);
  const Network& network = spec.teacher->network;
  Learner learner(Model(network, initial_tensors(network, 1)), task->objective(), c.train.optimizer,
                  {}, group);
  if (group.is_shared())
    learner.model().share_statistics([&](const at::Tensor& sums) { group.sum(sums); });
  DistillConfig how{0.35};
  how.through_weight = through_weight;
  learner.follow(FrozenModel(network, spec.teacher->tensors), how, 0, {},
                 through_weight > 0 ? through_blocks(network, network, "test") : ComparedBlocks());
  const EpochBatches batches{task->size(Split::Train), c.train.batch_size};
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    if (step == steps / 2) learner.alter({0, "stage2.block0.skip", AlterationKind::Remove}, 1);
    const EpochExamples examples(*task, 1, step / batches.count(), batches,
                                 {group.rank(), group.size()});
    Batch batch;
    examples.collate(step % batches.count(), batch);
    const at::Tensor loss =
        learner.step(batch, c.train.optimizer.lr).loss.to(at::kDouble).mul(batch.weight);
    group.sum(loss);
    losses.push_back(loss.item<double>());
  }
  const at::Tensor leaders = learner.model().parameters().values.clone();
  group.broadcast(leaders);
  EXPECT_TRUE(at::equal(leaders, learner.model().parameters().values));  // to the bit
  return losses;
}

TEST(Learner, OfTwoWorkersWithSynchronisedStatisticsHasTheLossesOfOne) {
  TAILOR_NEEDS_GLOO();
  const RunSpec spec = shared_spec(shared_config());
  const std::vector<double> alone = losses_of(spec, Group::alone(), 20);
  together(2, [&](Group& group) {
    group.connect(at::kCPU);
    const std::vector<double> shared = losses_of(spec, group, 20);
    for (size_t i = 0; i < alone.size(); ++i)
      EXPECT_NEAR(shared[i], alone[i], 1e-4 * alone[i]) << "step " << i;
  });
}

TEST(Learner, OfTwoWorkersMapsGoThroughTheTeacherAndMuonStaysTheSame) {
  TAILOR_NEEDS_GLOO();
  RunConfig config = shared_config();
  config.train.optimizer.kind = "muon";
  config.train.optimizer.lr = 0.002;
  const RunSpec spec = shared_spec(config);
  const std::vector<double> alone = losses_of(spec, Group::alone(), 8, 0.5);
  EXPECT_GT(alone[0], losses_of(spec, Group::alone(), 1)[0]);
  together(2, [&](Group& group) {
    group.connect(at::kCPU);
    const std::vector<double> shared = losses_of(spec, group, 8, 0.5);
    for (size_t i = 0; i < alone.size(); ++i)
      EXPECT_NEAR(shared[i], alone[i], 1e-3 * alone[i]) << "step " << i;
  });
}

/// Sends SIGINT after so many examples of training.
class InterruptAfter : public Progress {
 public:
  explicit InterruptAfter(int64_t after) : after_(after) {}
  void begin(const std::string& label, int64_t /*total*/, const std::string& /*unit*/) override {
    training_ = label.compare(0, 5, "epoch") == 0;
  }
  void advance(int64_t items) override {
    if (training_ && (after_ -= items) < 0) set_pending_interrupt(SIGINT);
  }
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}

 private:
  int64_t after_;
  bool training_ = false;
};

/// The run in a folder, by so many workers; false where a signal ended it.
bool train_together(const RunSpec& spec, const std::string& path, int64_t workers,
                    Progress& progress = null_progress()) {
  bool done = true;
  together(workers, [&](Group& group) {
    if (!group.leads()) {
      const int code = follow(group);
      EXPECT_TRUE(code == 0 || code == 128 + SIGINT) << code;
      return;
    }
    group.tell(Json::object({{"connect", "cpu"}}));
    group.connect(at::kCPU);
    try {
      RunFolder folder(path, false);
      train_run(spec, folder, progress, group);
    } catch (const Interrupted&) {
      done = false;
    }
    group.tell(Json::object({{"end", done ? 0 : 128 + SIGINT}}));
    group.leave();
  });
  set_pending_interrupt(0);
  return done;
}

double first_loss(const std::string& path) {
  const std::string line = testing::read_records(path_join(path, "metrics.jsonl"))[0];
  return Json::parse(line, path).at("train_loss").as_number();
}

TEST(Workers, TrainAWholeRunAndGoOnAsAnotherNumber) {
  TAILOR_NEEDS_GLOO();
  for (const char* rule : {"synchronised", "local"}) {
    TemporaryDirectory folder("tailor-workers");
    RunConfig config = shared_config();
    config.train.batch_norm = rule;
    const RunSpec spec = shared_spec(config);
    const std::string one = path_join(folder.path(), "one"),
                      many = path_join(folder.path(), "many");
    RunFolder alone(one, false);
    train_run(spec, alone, null_progress());
    InterruptAfter in_the_first(100), in_the_third(100);
    EXPECT_FALSE(train_together(spec, many, 2, in_the_first));
    EXPECT_FALSE(train_together(spec, many, 3, in_the_third));
    EXPECT_TRUE(train_together(spec, many, 2));
    const auto metrics = testing::read_records(path_join(many, "metrics.jsonl"));
    ASSERT_EQ(metrics.size(), 5U);
    EXPECT_EQ(testing::read_records(path_join(many, "alterations.jsonl")).size(), 3U);
    EXPECT_TRUE(path_exists(path_join(many, "summary.json")));
    const double tolerance = rule == std::string("local") ? 0.2 : 1e-4;  // nothing is claimed
    EXPECT_NEAR(first_loss(many), first_loss(one), tolerance * first_loss(one)) << rule;
  }
}

TEST(Workers, HaveTheClassesInTheOrderOfTheLeaders) {
  TAILOR_NEEDS_GLOO();
  const TemporaryDirectory folder("tailor-workers");
  RunConfig config = shared_config();
  config.teacher.reset(), config.surgery = {}, config.data.augment.clear();
  config.train.epochs = 1;
  RunSpec spec = shared_spec(config);
  spec.teacher.reset();  // no weights say which order it is
  std::vector<std::string> names = official_class_names("synthetic");
  std::reverse(names.begin(), names.end());
  order_classes(spec.data, names);
  const std::string one = path_join(folder.path(), "one"), two = path_join(folder.path(), "two");
  RunFolder alone(one, false);
  train_run(spec, alone, null_progress());
  EXPECT_TRUE(train_together(spec, two, 2));
  EXPECT_NEAR(first_loss(two), first_loss(one), 1e-4 * first_loss(one));
}

TEST(Workers, EachHasAPartOfEveryBatch) {
  const RunSpec spec = shared_spec(shared_config());
  testing::expect_error(ErrorKind::Config,
                        {"/train/batch_size", "each of 5 workers", "smallest batch of 180", "2"},
                        [&] {
                          TrainConfig train = spec.config.train;
                          train.batch_size = 89;
                          verify_batches(train, spec.teacher->network, 180, "/train", "test", 5);
                        });
  EXPECT_NO_THROW(
      verify_batches(spec.config.train, spec.teacher->network, 186, "/train", "test", 15));
}

}  // namespace
}  // namespace tailor::test
