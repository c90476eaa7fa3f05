// Whether training leaves memory behind: a ResNet through all of its alterations, and many short
// runs in one process. Prints what is resident after each epoch and after each run.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "support/resident.h"
#include "support/rooms.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/net/network.h"
#include "tailor/nn/model.h"
#include "tailor/train/trainer.h"

namespace tailor::test {
namespace {

using testing::Resident, testing::resident_memory;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print_line(const std::string& what, double seconds) {
  const Resident r = resident_memory();
  fmt::print("{:<32} {:8.1f} s  resident {:7.1f} MiB  peak {:7.1f} MiB\n", what, seconds,
             static_cast<double>(r.now) / 1024, static_cast<double>(r.peak) / 1024);
  std::fflush(stdout);
}

/// A line an epoch: as it begins, the skips that were due are altered.
class EpochLines : public Progress {
 public:
  void begin(const std::string& label, int64_t /*total*/, const std::string& /*unit*/) override {
    if (label.find("epoch") != std::string::npos) print_line(label, seconds_now() - began_);
  }
  void advance(int64_t /*items*/) override {}
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}

 private:
  double began_ = seconds_now();
};

/// Initial weights, and statistics of noise: without them the outputs of 110 layers are huge.
TensorMap teacher_tensors(const Network& network) {
  at::NoGradGuard no_grad;
  Model model(network, initial_tensors(network, 1));
  model.absorb_statistics(at::randn({64, 32, 32, 3}).permute({0, 3, 1, 2}), 1);
  return model.tensors();
}

/// A student of an untrained teacher, whose skips are removed one an epoch.
RunSpec make_spec(int64_t depth, int64_t images, const std::string& precision) {
  RunSpec spec;
  spec.name = "run";
  spec.source = "tailor_memory";
  RunConfig& c = spec.config;
  c.network.depth = depth;
  c.data.name = "synthetic";
  c.data.train_size = images + 64;
  c.data.validation = 64;
  c.data.test_size = 64;
  c.teacher = TeacherConfig();
  c.surgery.kind = SurgeryKind::Remove;
  c.surgery.alpha = 1;
  c.train.epochs = (depth - 2) / 2 + 2;
  c.train.optimizer.lr = 1e-3;
  c.train.precision = precision;
  spec.data = open_data(c.data);
  Checkpoint teacher;
  teacher.network = make_network(c.network, spec.data.shape, spec.data.classes);
  teacher.tensors = teacher_tensors(teacher.network);
  teacher.preprocessing = spec.data.preprocessing;
  spec.teacher = teacher;
  return spec;
}

void train(const RunSpec& spec, const std::string& path, Progress& progress) {
  RunFolder folder(path, false);
  train_run(spec, folder, progress);
}

int run(int64_t depth, int64_t images, int64_t short_runs, const std::string& precision) {
  const TemporaryDirectory folder("tailor-memory");
  set_torch_threads(0);
  print_line("before anything", 0);
  if (images > 0) {
    EpochLines lines;
    train(make_spec(depth, images, precision), path_join(folder.path(), "long"), lines);
    print_line("trained", 0);
  }
  testing::forget_peak();
  for (int64_t i = 0; i < short_runs; ++i) {
    const double began = seconds_now();
    const RunSpec spec = make_spec(8, 128, precision);
    train(spec, path_join(folder.path(), "short"), null_progress());
    RunFolder(path_join(folder.path(), "short"), false).clear();
    print_line(fmt::format("short run {}", i + 1), seconds_now() - began);
  }
  return 0;
}

}  // namespace
}  // namespace tailor::test

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr,
                 "usage: tailor_memory DEPTH IMAGES SHORT_RUNS float32|bfloat16   (110 2048 100 "
                 "float32; no images: short runs alone)\n");
    return 2;
  }
  // As `tailor` does (src/cli/torch_loader.cc).
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
  tailor::core::set_log_levels("off");
  return tailor::test::run(std::atoll(argv[1]), std::atoll(argv[2]), std::atoll(argv[3]), argv[4]);
}
