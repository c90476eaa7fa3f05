// Training steps of a QuartzNet on made-up examples, as tailor trains it: forward, CTC, backward,
// AdamW. tests/bench/compare_sequences.py runs it beside the same network of PyTorch's modules.
#include <ATen/Parallel.h>
#include <ATen/ops/ctc_loss.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "support/rooms.h"
#include "tailor/net/network.h"
#include "tailor/nn/model.h"
#include "tailor/train/optimizer.h"

namespace tailor::test {
namespace {

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/// Labels of a quarter of the outputs' length.
struct Examples {
  at::Tensor inputs, labels;
  std::vector<int64_t> output_lengths, label_lengths;
  Examples(const Network& network, int64_t batch, int64_t length) {
    const int64_t channels = network.input.channels;
    inputs = at::randn({batch, length, 1, channels}).permute({0, 3, 2, 1});
    Network longer = network;
    longer.input.width = length;
    const int64_t positions = output_shape(longer).width;
    labels = at::randint(1, network.classes(), {batch, positions / 4}, at::kLong);
    output_lengths.assign(static_cast<size_t>(batch), positions);
    label_lengths.assign(static_cast<size_t>(batch), positions / 4);
  }
};

double step(Model& model, Optimizer& optimizer, const Examples& examples) {
  model.parameters().zero_gradients();
  const at::Tensor logits = model.forward(examples.inputs, /*training=*/true);
  const at::Tensor log_p = at::log_softmax(logits, 2).permute({1, 0, 2});
  const at::Tensor loss =
      at::ctc_loss(log_p, examples.labels, examples.output_lengths, examples.label_lengths);
  loss.backward();
  optimizer.step(model.parameters(), 1e-3);
  return loss.item<double>();
}

int run(const std::string& name, int64_t batch, int64_t length, int threads, int steps) {
  at::set_num_threads(threads);
  const Network network = network_by_name(name).network;
  Model model(network, initial_tensors(network, 1));
  OptimizerConfig config;
  config.kind = "adamw";
  config.weight_decay = 0.01;
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(config);
  optimizer->bind(model.parameters(), {});
  const Examples examples(network, batch, length);
  step(model, *optimizer, examples);
  for (int i = 0; i < steps; ++i) {
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    const double loss = step(model, *optimizer, examples);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{:.4f} {:.4f} {:.4f}\n", seconds.count(), cpu_seconds() - cpu, loss);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace tailor::test

int main(int count, char** words) {
  if (count != 6) {
    std::fprintf(stderr, "usage: tailor_sequence_bench NETWORK BATCH LENGTH THREADS STEPS\n");
    return 2;
  }
  // As the program does before LibTorch (src/cli/torch_loader.cc); the environment is the script's.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
  return tailor::test::run(words[1], std::atoi(words[2]), std::atoi(words[3]), std::atoi(words[4]),
                           std::atoi(words[5]));
}
