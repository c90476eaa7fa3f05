// Recipes of a few seconds, and what is seen and said while they run.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/train/recipe.h"

namespace tailor::test {

/// Notes the bars of the epochs, and sends SIGINT at the step that is asked for.
class RecipeWatch : public Progress {
 public:
  std::vector<std::string> labels;
  std::string stop_in;
  void begin(const std::string& label, int64_t /*total*/, const std::string& /*unit*/) override {
    if (label.find("epoch") != std::string::npos) labels.push_back(label);
    label_ = label;
  }
  void advance(int64_t /*items*/) override {
    if (!stop_in.empty() && label_ == stop_in) set_pending_interrupt(SIGINT);
  }
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}

 private:
  std::string label_;
};

struct ThreePhases {
  TemporaryDirectory folder{"tailor-recipe"};
  RunConfig config;
  Recipe recipe;

  ThreePhases() {
    set_torch_threads(1);
    config.network.depth = 8;
    config.network.width = 4;
    config.data.name = "synthetic";
    config.data.train_size = 96;
    config.data.validation = 24;
    config.data.test_size = 24;
    config.train.epochs = 2;
    config.train.batch_size = 24;
    config.train.optimizer.lr = 0.05;
    config.runtime.threads = 1;
    config.teacher.emplace();
    config.teacher->train = config.train;
    config.train.epochs = 5;
    config.surgery.kind = SurgeryKind::Remove;
    config.surgery.alpha = 1;
    recipe = make_recipe(config);
    Phase second;
    second.teacher = kPrevious;
    second.train = config.train;
    second.train.epochs = 2;
    recipe.phases.push_back(second);
  }
  std::string path(const std::string& name) const { return path_join(folder.path(), name); }
  RunResult run(const std::string& name, Progress& progress = null_progress()) const {
    const bool goes_on = RunFolder::is_run(path(name));
    RecipeRun r(config, recipe, "test", path(name), goes_on);
    RunFolder f(path(name), false);
    r.begin(f);
    return r.run(f, SumOrder(), progress);
  }
};

}  // namespace tailor::test
