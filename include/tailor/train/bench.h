// How fast a network trains, and answers, on this machine: steps of the trainer on pictures of
// noise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/run/run_config.h"

namespace tailor::train {

struct BenchRequest {
  Network network;  // with the skips that it is to have
  Network teacher;  // of a step of training
  bool trains =
      true;  // a whole step: data, augmentation, teacher, student, SGD; else answers alone
  int64_t batch_size = 128;
  std::vector<std::string> precisions;  // of TrainConfig::precision
  RuntimeConfig runtime;
  double seconds = 5;  // for each precision, once it is warm
};

struct BenchRate {
  std::string precision;
  double images_per_s = 0;
  double control = 1;  // every other block of steps against the rest: 1 on a quiet machine
};

struct BenchResult {
  std::string device;
  int threads = 0;
  double flops_per_image = 0;  // of convolutions and linear layers, a step's backward passes too
  std::optional<double> peak_flops;  // of a CPU (measure_peak_flops)
  std::vector<BenchRate> rates;
};

/// Throws Unsupported for a network that answers per position, Config for a device that is not
/// there.
BenchResult bench(const BenchRequest& request);

}  // namespace tailor::train
