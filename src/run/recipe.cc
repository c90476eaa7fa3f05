#include "tailor/run/recipe.h"

namespace tailor::run {

Recipe make_recipe(const RunConfig& config) {
  Phase run;
  run.train = config.train;
  run.surgery = config.surgery;
  if (!config.teacher) {
    run.start = config.train.start;
    return {{run}};
  }
  if (!config.teacher->checkpoint.empty()) {
    run.teacher = config.teacher->checkpoint;
    return {{run}};
  }
  Phase teacher;
  teacher.start = config.teacher->train.start;
  teacher.train = config.teacher->train;
  run.teacher = kPrevious;
  return {{teacher, run}};
}

void verify_recipe(const Recipe& recipe, const std::string& source) {
  if (recipe.phases.empty()) fail_config("/phases", "at least one phase", "none", source);
  for (size_t i = 0; i < recipe.phases.size(); ++i) {
    const Phase& p = recipe.phases[i];
    auto expect = [&](bool holds, const char* key, const char* expected, const std::string& got) {
      if (!holds) fail_config(fmt::format("/phases/{}/{}", i, key), expected, got, source);
    };
    const char* first = "a checkpoint or nothing, because there is no phase before it";
    expect(i > 0 || p.start != kPrevious, "start", first, p.start);
    expect(i > 0 || p.teacher != kPrevious, "teacher", first, p.teacher);
    expect(p.start.empty() || p.teacher.empty(), "start",
           "no start, because a student begins as its teacher", p.start);
    expect(p.surgery.kind == SurgeryKind::None || !p.teacher.empty(), "teacher",
           "a teacher, because surgery alters skips and a student starts from its teacher", "none");
    expect(!p.keep_optimizer || p.start == kPrevious || p.teacher == kPrevious, "keep_optimizer",
           "false, because the phase does not begin with the one before", "true");
  }
}

RunConfig phase_config(const RunConfig& run, const Recipe& recipe, size_t index) {
  const Phase& phase = recipe.phases.at(index);
  const bool is_last = index + 1 == recipe.phases.size();
  RunConfig c = run;
  c.train = phase.train;
  c.train.start = phase.start == kPrevious ? "" : phase.start;
  c.surgery = phase.surgery;
  if (!is_last) c.exporting = {}, c.quantization.reset();
  if (phase.teacher.empty()) {
    c.teacher.reset();
    if (!is_last) {  // how others will follow it says nothing of its weights
      c.distill = {};
      c.distill.beta = 0;
    }
    return c;
  }
  if (!c.teacher) c.teacher.emplace();
  if (!is_last) c.teacher->weights_sha256.clear();
  c.teacher->checkpoint = phase.teacher == kPrevious ? "" : phase.teacher;
  if (phase.teacher == kPrevious) {
    const Phase& before = recipe.phases.at(index - 1);
    c.teacher->train = before.train;
    c.teacher->train.start = before.start == kPrevious ? "" : before.start;
  }
  return c;
}

std::string phase_role(const Recipe& recipe, size_t index) {
  if (recipe.phases.at(index).teacher.empty()) return recipe.phases.size() > 1 ? "teacher" : "";
  int64_t students = 0, number = 0;
  for (size_t i = 0; i < recipe.phases.size(); ++i) {
    if (!recipe.phases[i].teacher.empty()) ++students;
    if (i == index) number = students;
  }
  return students == 1 ? "student" : fmt::format("student {}", number);
}

int64_t recipe_images(const RunConfig& run, const Recipe& recipe, size_t first, int64_t images) {
  int64_t sum = 0;
  for (size_t i = first; i < recipe.phases.size(); ++i) {
    const Phase& phase = recipe.phases[i];
    const int64_t plain = phase.train.epochs * images;
    sum += !phase.teacher.empty() && run.distill.beta > 0 ? plain * 4 / 3 : plain;
  }
  return sum;
}

}  // namespace tailor::run
