// Runs the real binary on a tiny synthetic configuration, in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "support/expect_error.h"
#include "support/networks.h"
#include "support/records.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"
#include "tailor/data/codec.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::test {

using Lines = std::vector<std::string>;

struct TrainCli : public ::testing::Test {
  TemporaryDirectory folder{"tailor-train-cli"};

  TrainCli() {
    write_file(file("tiny.json"), R"({
      "network": {"family": "resnet_cifar", "depth": 8, "width": 4},
      "data": {"name": "synthetic", "train_size": 240, "validation": 40, "test_size": 40,
               "augment": ["pad_crop", "flip"]},
      "teacher": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.05},
                  "schedule": {"kind": "cosine"}},
      "surgery": {"kind": "remove", "alpha": 1},
      "train": {"epochs": 6, "batch_size": 32, "optimizer": {"lr": 0.05}},
      "runtime": {"threads": 1}
    })");
  }
  std::string file(const std::string& name) const { return path_join(folder.path(), name); }
  ProcessResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TAILOR_BINARY);
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  /// The command, ended by a signal after some seconds (coreutils' timeout).
  ProcessResult run_until(const char* signal, double seconds, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"timeout", "--preserve-status", "-s", signal,
                                         fmt::format("{:.2f}", seconds), TAILOR_BINARY});
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  /// The command, ended by a signal as soon as a file (a glob) has a line.
  ProcessResult run_until_written(const char* signal, const std::string& pattern,
                                  std::vector<std::string> arguments) {
    arguments.insert(
        arguments.begin(),
        {"bash", "-c",
         "signal=$1 pattern=$2; shift 2; \"$@\" & pid=$!; until [ -s $pattern ]; do kill -0 $pid "
         "|| exit 99; sleep 0.05; done; kill -$signal $pid; wait $pid",
         "run_until_written", signal, pattern, TAILOR_BINARY});
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  /// The command, ended by SIGINT as soon as a run's log has `count` lines with a text.
  ProcessResult run_until_said(const std::string& log, const std::string& text, int count,
                               std::vector<std::string> arguments) {
    arguments.insert(
        arguments.begin(),
        {"bash", "-c",
         "log=$1 text=$2 count=$3; shift 3; \"$@\" & pid=$!; until [ $(grep -c \"$text\" $log) -ge "
         "$count ]; do kill -0 $pid || exit 99; sleep 0.05; done; kill -INT $pid; wait $pid",
         "run_until_said", log, text, std::to_string(count), TAILOR_BINARY});
    return run_process(arguments, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"OMP_NUM_THREADS", "1"}});
  }
  Json summary(const std::string& run_name) {
    return Json::parse(read_file(file(run_name + "/summary.json")), run_name);
  }
  std::vector<std::string> records(const std::string& path) {
    return testing::read_records(file(path));
  }
  void expect_failure(int status, std::initializer_list<std::string> words,
                      const std::vector<std::string>& arguments) {
    ProcessResult r = run(arguments);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
  }
};

/// Of the option A shortcut of the third block.
inline int64_t pad_offset(const Checkpoint& c) {
  return std::get<PickLayer>(c.network.blocks[2].skips[0].layers[0]).channel_offset;
}
/// Of the first block's second stage, both ways.
inline int64_t second_stride(const Checkpoint& c) {
  return stride_of(c.network.blocks[0].stages[1].layers).height;
}

}  // namespace tailor::test
