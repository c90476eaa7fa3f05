// A teacher's answers that are given again are its answers, whichever images it was asked about
// with them.
#include "train/teacher_cache.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/strings.h"
#include "tailor/nn/bfloat16.h"
#include "tailor/nn/host.h"
#include "tailor/task/classification.h"
#include "tailor/train/learner.h"
#include "train/evaluation.h"

namespace tailor::test {
namespace {

constexpr int64_t kPlenty = 10000;

/// Images as batches hold them: NHWC in memory.
at::Tensor noise(int64_t count, const Network& network) {
  const MapShape& s = network.input;
  return at::randn({count, s.height, s.width, s.channels});
}
at::Tensor as_inputs(const at::Tensor& nhwc) { return nhwc.permute({0, 3, 1, 2}); }
at::Tensor chosen(const at::Tensor& nhwc, const at::Tensor& indices) {
  return as_inputs(nhwc.index_select(0, indices).contiguous());
}

Network cifar_network(int64_t depth) {
  NetworkConfig config;
  config.depth = depth;
  return make_network(config, {3, 32, 32}, 10);
}

FrozenModel make_teacher(const Network& network, at::ScalarType compute = at::kFloat) {
  Model model(network, initial_tensors(network, 1));
  model.absorb_statistics(as_inputs(noise(16, network)), 1);
  return {network, model.tensors(), at::kCPU, compute};
}

TEST(TeacherCache, GivesWhatTheTeacherAnswers) {
  const Network network = cifar_network(20);
  const FrozenModel teacher = make_teacher(network);
  for (int64_t count : {1, 15, 16, 17, 40}) {
    TeacherCache cache(kPlenty, 10);
    const at::Tensor inputs = as_inputs(noise(count, network)), right = teacher.forward(inputs);
    const double largest = right.abs().max().item<double>();
    for (int again = 0; again < 2; ++again) {
      const at::Tensor given = cache.answers(teacher, inputs);
      EXPECT_EQ(given.size(0), count);
      EXPECT_LE(given.sub(right).abs().max().item<double>(), 1e-6 * std::max(largest, 1.0))
          << count;
      EXPECT_EQ(cache.found(), again * count);
    }
  }
}

TEST(TeacherCache, AnAnswerIsTheSameBitForBitWhicheverImagesItComesWith) {
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    if (compute == at::kBFloat16 && !has_bfloat16(at::kCPU)) continue;
    const Network network = cifar_network(20);
    const FrozenModel teacher = make_teacher(network, compute);
    const at::Tensor images = noise(48, network);
    const at::Tensor right = TeacherCache(kPlenty, 10).answers(teacher, as_inputs(images));
    for (int64_t count : {1, 7, 16, 23, 48}) {
      const at::Tensor indices = at::randperm(48, at::kLong).narrow(0, 0, count);
      TeacherCache cache(kPlenty, 10);
      // Some of them are known already.
      cache.answers(teacher, chosen(images, indices.narrow(0, 0, (count + 1) / 2)));
      const at::Tensor given = cache.answers(teacher, chosen(images, indices));
      EXPECT_TRUE(given.equal(right.index_select(0, indices))) << count << " of " << compute;
      EXPECT_EQ(cache.found(), (count + 1) / 2);
    }
  }
}

TEST(TeacherCache, OneNumberOfAnImageMakesItAnother) {
  const Network network = cifar_network(8);
  const FrozenModel teacher = make_teacher(network);
  TeacherCache cache(kPlenty, 10);
  const at::Tensor image = noise(1, network);
  cache.answers(teacher, as_inputs(image));
  for (int64_t at : {0, 1, 1535, 3071}) {
    at::Tensor other = image.clone();
    float& number = other.data_ptr<float>()[at];
    number = std::nextafter(number, 10.0F);
    cache.answers(teacher, as_inputs(other));
    EXPECT_EQ(cache.found(), 0) << at;
  }
  cache.answers(teacher, as_inputs(image));
  EXPECT_EQ(cache.found(), 1);
}

TEST(TeacherCache, KeepsNoMoreThanItMay) {
  const Network network = cifar_network(8);
  const FrozenModel teacher = make_teacher(network);
  TeacherCache cache(10, 10);
  const at::Tensor inputs = as_inputs(noise(16, network));
  const at::Tensor right = cache.answers(teacher, inputs);
  EXPECT_EQ(cache.kept(), 10);
  EXPECT_TRUE(cache.answers(teacher, inputs).equal(right));
  EXPECT_EQ(cache.found(), 10);
  for (const int64_t bytes : {1 << 10, 1 << 20, 512 << 20}) {
    const int64_t most = TeacherCache::answers_in(bytes, 10);
    EXPECT_GT(most, bytes / (56 + 56 / 4 + 2) / 2);
    EXPECT_LE(TeacherCache(most, 10).bytes(), bytes);
  }
}

/// Hits of an epoch, by the share of versions that came before.
TEST(TeacherCache, AugmentedImagesComeAgainAsOftenAsExpected) {
  const Network network = cifar_network(8);
  const FrozenModel teacher = make_teacher(network);
  DataConfig config;
  config.name = "synthetic";
  config.train_size = 264;
  config.test_size = 8;
  config.validation = 8;
  const DataSplits data = open_data(config);
  for (const auto& [augment, versions] : std::map<std::string, int64_t>{
           {"", 1}, {"flip", 2}, {"pad_crop", 81}, {"pad_crop flip", 162}}) {
    config.augment = augment.empty() ? std::vector<std::string>() : split(augment, ' ');
    EXPECT_EQ(augmented_versions(make_augmentation(config, 1)), versions);
    const auto task = make_task(data, data.preprocessing, config, CtcConfig(), 1);
    const EpochBatches batches{task->size(Split::Train), 64};
    TeacherCache cache(kPlenty, 10);
    const int64_t epochs = 4;
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
      const EpochExamples examples(*task, 1, epoch, batches);
      for (int64_t step = 0; step < batches.count(); ++step) {
        Batch batch;
        examples.collate(step, batch);
        cache.answers(teacher, to_device(batch, at::kCPU).inputs);
      }
    }
    const double share = static_cast<double>(cache.found()) / static_cast<double>(cache.asked());
    const double expected = expected_repeats(versions, epochs);
    // Four deviations of so many draws.
    EXPECT_NEAR(share, expected, 4 * std::sqrt(expected / static_cast<double>(cache.asked())))
        << augment;
  }
  config.augment = {"flip", "cutout"};
  EXPECT_FALSE(augmented_versions(make_augmentation(config, 1)).has_value());
  EXPECT_NEAR(expected_repeats(162, 120), 0.29, 0.005);
  EXPECT_NEAR(expected_repeats(162, 200), 0.42, 0.005);
}

/// What a run on 100,000 images is told.
struct Plan {
  RunSpec spec;
  Network network = cifar_network(8);
  std::shared_ptr<const Task> task;
  Plan() {
    spec.source = "test";
    spec.config.data.name = "synthetic";
    spec.config.data.train_size = 1000;
    spec.config.data.validation = 0;
    spec.config.data.test_size = 8;
    spec.data = open_data(spec.config.data);
    task = make_task(spec.data, spec.data.preprocessing, spec.config.data, CtcConfig(), 1);
  }
  int64_t kept(const std::vector<std::string>& augment, int64_t epochs) {
    spec.config.data.augment = augment;
    spec.config.train.epochs = epochs;
    return plan_teacher_cache(spec, *task, network, at::kCPU);
  }
};

TEST(TeacherCache, IsPlannedWhereItPaysAndWithinItsMemory) {
  Plan plan;
  EXPECT_EQ(plan.kept({}, 30), 1000);
  EXPECT_EQ(plan.kept({}, 1), 0);
  EXPECT_EQ(plan.kept({"flip"}, 30), 2000);
  EXPECT_EQ(plan.kept({"pad_crop", "flip"}, 60), 0);
  EXPECT_GT(plan.kept({"pad_crop", "flip"}, 120), 85000);
  EXPECT_EQ(plan.kept({"mixup"}, 120), 0);
  DistillConfig& distill = plan.spec.config.distill;
  distill.teacher_cache_mib = 1;  // one in five of those, so few hits
  EXPECT_EQ(plan.kept({"pad_crop", "flip"}, 120), 0);
  distill.teacher_cache = TeacherCacheUse::On;
  const int64_t kept = plan.kept({"pad_crop", "flip"}, 120);
  EXPECT_LE(TeacherCache(kept, 10).bytes(), 1 << 20);
  EXPECT_GT(kept, 14000);
  distill.teacher_cache = TeacherCacheUse::Off;
  EXPECT_EQ(plan.kept({}, 30), 0);
}

TEST(TeacherCache, SaysWhyItCannotBe) {
  Plan plan;
  plan.spec.config.distill.teacher_cache = TeacherCacheUse::On;
  testing::expect_error(ErrorKind::Config,
                        {"/distill/teacher_cache", "pad_crop and flip", "\"on\""}, [&] {
                          plan.kept({"flip", "color_jitter"}, 9);
                        });
  plan.spec.data.kind = ExampleKind::Speech;
  testing::expect_error(ErrorKind::Config, {"/distill/teacher_cache", "answers to images"},
                        [&] { plan.kept({}, 9); });
}

}  // namespace
}  // namespace tailor::test
