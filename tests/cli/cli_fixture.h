// Runs the real binary in a folder of its own, and looks at what it prints and how it ends.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/expect_error.h"
#include "support/golden.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/json.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "tailor/data/codec.h"
#include "tailor/emulate/float64.h"
#include "tailor/ir/graph.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"
#include "tailor/tensors/npy.h"

namespace tailor::test {

struct Cli : public ::testing::Test {
  TemporaryDirectory folder{"tailor-cli"};

  ProcessResult run(std::vector<std::string> arguments,
                    std::vector<std::pair<std::string, std::string>> environment = {}) {
    arguments.insert(arguments.begin(), TAILOR_BINARY);
    // Whatever the tests themselves run with; and a quick compiler, as the networks are small.
    environment.insert(environment.begin(), {{"TAILOR_LOG", "info"}, {"CXX", "c++ -O0"}});
    return run_process(arguments, folder.path(), environment);
  }
  /// The command must fail with this exit code and these words.
  void expect_failure(int status, std::initializer_list<std::string> words,
                      const std::vector<std::string>& arguments) {
    ProcessResult r = run(arguments);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
    expect_known_flags(arguments, r.output);
  }
  /// An advised flag is one that the command takes; "tailor export --network" speaks of another.
  void expect_known_flags(const std::vector<std::string>& arguments, const std::string& output) {
    const std::string given = join(arguments, " ");
    std::string about = arguments[0];
    std::string text = output;
    std::replace(text.begin(), text.end(), '\n', ' ');
    const std::vector<std::string> words = split(text, ' ');
    for (size_t i = 0; i < words.size(); ++i) {
      const bool names_program = words[i] == "tailor" || words[i] == "(tailor";
      if (names_program && i + 1 < words.size()) about = words[i + 1];
      const size_t dashes = words[i].find("--");
      if (dashes == std::string::npos || dashes > 1) continue;
      const std::string word = words[i].substr(
          dashes, words[i].find_first_not_of("-abcdefghijklmnopqrstuvwxyz", dashes) - dashes);
      if (word == "--help" || word == "--" || given.find(word) != std::string::npos) continue;
      EXPECT_NE(run({about, "--help"}).output.find("  " + word + " "), std::string::npos)
          << "tailor " << about << " has no " << word << ", which is advised: " << output;
      if (words[i].find_first_of(";)") != std::string::npos) about = arguments[0];
    }
  }
  std::string file(const std::string& name) const { return path_join(folder.path(), name); }

  /// A finished run's checkpoint, as training would leave it, of a tiny ResNet-8 on the synthetic
  /// set.
  std::string write_checkpoint(const std::string& path, bool witness = true) {
    RunConfig config;
    config.network.depth = 8;
    config.network.width = 2;
    config.data.name = "synthetic";
    config.data.test_size = 40;
    Checkpoint c;
    c.network = make_network(config.network, {3, 32, 32}, 10);
    c.preprocessing = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
    c.position.finished = true;
    c.config = write_run_config(config);
    c.run = "tiny";
    c.metrics = Json::object();
    c.tensors = testing::random_tensors(c.network, 3);
    if (witness) {
      Float64Emulator emulator(lower(c.network, c.tensors, "test"));
      CheckpointWitness w{"1 image", Tensor(DType::F32, {1, 32, 32, 3}),
                          Tensor(DType::F32, {1, 10})};
      auto image = testing::random_image({3, 32, 32}, 1);
      for (double& v : image) v = static_cast<float>(v);
      auto logits = emulator.run(image);
      std::copy(image.begin(), image.end(), w.inputs.as<float>().data());
      std::copy(logits.begin(), logits.end(), w.outputs.as<float>().data());
      c.witness = w;
    }
    save_checkpoint(file(path), c);
    return file(path);
  }
};

/// Whether a program of that name can be started at all.
inline bool is_installed(const std::string& program) {
  return run_process({"sh", "-c", "command -v " + program}, ".").status == 0;
}

}  // namespace tailor::test
