#include "tailor/train/bench.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/data/images.h"
#include "tailor/nn/bfloat16.h"
#include "tailor/nn/peak.h"
#include "tailor/task/prefetch.h"
#include "tailor/train/device.h"
#include "tailor/train/trainer.h"
#include "train/evaluation.h"
#include "train/score.h"
#include "train/session.h"

namespace tailor::train {
namespace {

constexpr int64_t kBatches = 16;  // of pictures; then they come again
constexpr int kWarmUp = 6;        // steps, the captured one among them
constexpr int kBlocks = 10;
constexpr double kBeta = 0.35, kRate = 1e-3, kPeakSeconds = 0.5;

double seconds_of(const std::function<void()>& work) {
  const auto began = Clock::now();
  work();
  return seconds_since(began);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Pictures of noise, augmented like CIFAR's.
std::shared_ptr<const Task> noise_task(const Network& network, int64_t images) {
  const auto count = static_cast<size_t>(images * network.input.size());
  std::shared_ptr<uint8_t> pixels(new uint8_t[count], std::default_delete<uint8_t[]>());
  for (size_t i = 0; i < count; ++i) {
    const auto words = philox(1, static_cast<uint64_t>(RandomStream::Noise), i / 4);
    pixels.get()[i] = static_cast<uint8_t>(words[i % 4]);
  }
  std::vector<int64_t> labels(static_cast<size_t>(images));
  for (size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<int64_t>(i) % network.classes();
  DataSplits data;
  data.shape = network.input;
  data.classes = network.classes();
  data.train = make_memory_images(network.input, pixels, labels);
  const auto channels = static_cast<size_t>(network.input.channels);
  data.preprocessing.mean.assign(channels, 0.5);
  data.preprocessing.deviation.assign(channels, 0.25);
  return make_task(data, data.preprocessing, DataConfig(), CtcConfig(), 1,
                   [&](int64_t n) { return output_length(network, n); });
}

/// Images a second of `run(steps)`, which is done with all of them when it returns.
BenchRate measure(const std::string& precision, int64_t batch_size, double seconds,
                  const std::function<void(int64_t steps)>& run) {
  run(kWarmUp);
  const double of_step = std::max(seconds_of([&] { run(2); }) / 2, 1e-6);
  const auto steps = std::max<int64_t>(1, static_cast<int64_t>(seconds / kBlocks / of_step));
  std::vector<double> rates[2], all;
  for (int i = 0; i < kBlocks; ++i) {
    throw_if_interrupted();
    all.push_back(static_cast<double>(steps * batch_size) / seconds_of([&] { run(steps); }));
    rates[i % 2].push_back(all.back());
  }
  return {precision, median(all), median(rates[1]) / median(rates[0])};
}

BenchRate measure_training(const BenchRequest& r, const Task& task, at::Device device,
                           const std::string& precision) {
  const at::ScalarType compute = compute_type(precision);
  OptimizerConfig optimizer;
  optimizer.lr = kRate;
  Learner learner(Model(r.network, initial_tensors(r.network, 1), device, compute),
                  task.objective(), optimizer);
  learner.follow(FrozenModel(r.teacher, initial_tensors(r.teacher, 2), device, compute), {kBeta});
  const EpochExamples examples(task, 1, 0, {task.size(Split::Train), r.batch_size});
  Prefetcher ahead(0, std::numeric_limits<int64_t>::max(), kPrefetchDepth, 1,
                   [&](int64_t step, Batch& batch) { examples.collate(step % kBatches, batch); });
  const auto meter = task.meter();
  Score score(task, Split::Train, *meter, device);
  return measure(precision, r.batch_size, r.seconds, [&](int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) {
      const Batch& batch = ahead.next();
      score.add(learner.step(batch, kRate), batch);
    }
    score.read();
  });
}

BenchRate measure_answers(const BenchRequest& r, const Task& task, at::Device device,
                          const std::string& precision) {
  const FrozenModel model(r.network, initial_tensors(r.network, 1), device,
                          compute_type(precision));
  Batch batch;
  EpochExamples(task, 1, 0, {task.size(Split::Train), r.batch_size}).collate(0, batch);
  const at::Tensor inputs = to_device(batch, device).inputs;
  at::NoGradGuard no_grad;
  return measure(precision, r.batch_size, r.seconds, [&](int64_t steps) {
    at::Tensor answers;
    for (int64_t i = 0; i < steps; ++i) answers = model.forward(inputs);
    answers.sum().item<float>();  // waits for the device
  });
}

}  // namespace

BenchResult bench(const BenchRequest& r) {
  if (r.network.answers_per_position()) {
    fail(ErrorKind::Unsupported, "bench: {} answers per position; expected a network on images",
         r.network.name);
  }
  BenchResult result;
  result.threads = set_torch_threads(r.runtime.threads);
  const at::Device device = resolve_device(r.runtime.device, "bench");
  c10::OptionalDeviceGuard current;
  if (!device.is_cpu()) current.reset_device(device);
  choose_algorithms(r.runtime);
  result.device = device.str();
  const auto macs = static_cast<double>(mac_count(r.network));
  result.flops_per_image =
      r.trains ? 2 * (3 * macs + static_cast<double>(mac_count(r.teacher))) : 2 * macs;
  if (device.is_cpu()) result.peak_flops = measure_peak_flops(kPeakSeconds);
  const auto task = noise_task(r.network, kBatches * r.batch_size);
  for (const std::string& precision : r.precisions) {
    if (compute_type(precision) != at::kFloat && !has_bfloat16(device)) {
      if (r.precisions.size() == 1)
        fail(ErrorKind::Unsupported, "bench: LibTorch has no bfloat16 for this {}", result.device);
      log_info("train", "LibTorch has no convolutions in bfloat16 for this {}", result.device);
      continue;
    }
    result.rates.push_back(
        (r.trains ? measure_training : measure_answers)(r, *task, device, precision));
  }
  return result;
}

}  // namespace tailor::train
