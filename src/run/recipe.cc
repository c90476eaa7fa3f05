#include "tailor/run/recipe.h"

#include <algorithm>

#include "tailor/surgery/surgery.h"

namespace tailor::run {
namespace {

Phase phase_of(const RunConfig& c, const std::string& start, const std::string& teacher) {
  Phase phase;
  phase.start = start, phase.teacher = teacher;
  phase.data = c.data;
  phase.train = c.train, phase.surgery = c.surgery, phase.distill = c.distill;
  phase.at = "";
  return phase;
}

/// Nobody has taught it, and it follows nobody.
bool is_initial(const Phase& p) {
  return p.start == kInitial || (p.start.empty() && p.teacher.empty());
}

/// Whether it begins with the network of the phase before.
bool begins_as_previous(const Phase& p) {
  return p.start == kPrevious || (p.start.empty() && p.teacher == kPrevious);
}

}  // namespace

bool is_named(const std::string& origin) {
  return !origin.empty() && origin != kPrevious && origin != kFirst && origin != kInitial;
}

Recipe make_recipe(const RunConfig& config) {
  Recipe recipe;
  std::string original, taught;  // the run's teacher, to any phase and to the first student
  if (config.teacher && config.teacher->checkpoint.empty()) {
    Phase teacher;
    teacher.start = config.teacher->train.start;
    teacher.train = config.teacher->train;
    teacher.at = "/teacher";
    recipe.phases.push_back(teacher);
    original = kFirst, taught = kPrevious;
  } else if (config.teacher) {
    original = taught = config.teacher->checkpoint;
  }
  if (config.phases.empty()) recipe.phases.push_back(phase_of(config, config.train.start, taught));
  for (size_t i = 0; i < config.phases.size(); ++i) {
    const PhaseConfig& written = config.phases[i];
    const RunConfig c = resolve_phase(config, i, "phases");
    for (int64_t n = 0; n < written.repeat; ++n) {
      Phase phase =
          phase_of(c, written.start, written.teacher == kOriginal ? original : written.teacher);
      if (i == 0 && n == 0) {
        if (phase.start.empty()) phase.start = config.train.start;
        if (phase.start == kPrevious && !taught.empty())
          phase.start = written.names_teacher() ? taught : "";
        if (!written.names_teacher()) phase.teacher = taught;
      }
      phase.keep_optimizer = written.keep_optimizer;
      phase.at = fmt::format("/phases/{}", i);
      recipe.phases.push_back(std::move(phase));
    }
  }
  return recipe;
}

void verify_recipe(const Recipe& recipe, const std::string& source) {
  if (recipe.phases.empty()) fail_config("/phases", "at least one phase", "none", source);
  for (size_t i = 0; i < recipe.phases.size(); ++i) {
    const Phase& p = recipe.phases[i];
    const std::string at = p.at.value_or(fmt::format("/phases/{}", i));
    auto expect = [&](bool holds, const char* key, const char* expected, const std::string& got) {
      if (!holds) fail_config(at + "/" + key, expected, got, source);
    };
    const char* first = "a checkpoint or nothing, because there is no phase before it";
    expect(i > 0 || p.start != kPrevious, "start", first, p.start);
    expect(i > 0 || (p.teacher != kPrevious && p.teacher != kFirst), "teacher", first, p.teacher);
    expect(is_initial(p) || is_named(p.start) || p.train.skips == InitialSkips::Kept, "train/skips",
           "kept, because it begins with the skips of its teacher or of the phase before (start "
           "\"initial\" begins with initial weights, surgery alters skips)",
           to_string(p.train.skips));
    expect(p.surgery.kind == SurgeryKind::None || !p.teacher.empty(), "teacher",
           "a teacher, because /surgery alters skips and a student starts from its teacher",
           "no teacher");
    expect(!p.keep_optimizer || begins_as_previous(p), "keep_optimizer",
           "false, because the phase does not begin with the one before", "true");
  }
}

void refuse_vain_phases(const RunConfig& config, const Recipe& recipe, const std::string& source) {
  for (size_t i = 1; i < recipe.phases.size(); ++i) {
    const Phase& p = recipe.phases[i];
    const std::string& before = recipe.phases[i - 1].train.optimizer.kind;
    if (!p.keep_optimizer || p.train.optimizer.kind == before) continue;
    fail_config(p.at.value_or(fmt::format("/phases/{}", i)) + "/keep_optimizer",
                "false, because the phase before has another optimiser", before + ", kept", source);
  }
  if (!config.teacher || config.phases.empty()) return;
  const PhaseConfig& first = config.phases[0];
  const bool follows = !first.names_teacher() || first.start == kPrevious ||
                       std::any_of(config.phases.begin(), config.phases.end(), [&](const auto& p) {
                         return p.teacher == kOriginal || p.teacher == config.teacher->checkpoint;
                       });
  if (follows) return;
  fail_config("/teacher",
              "none, because no phase follows it or begins as it (/phases/0/teacher names another)",
              "one", source);
}

RunConfig phase_config(const RunConfig& run, const Recipe& recipe, size_t index) {
  const Phase& phase = recipe.phases.at(index);
  const bool is_last = index + 1 == recipe.phases.size();
  RunConfig c = run;
  c.phases.clear();
  if (phase.data) c.data = *phase.data;
  c.train = phase.train;
  c.train.start = phase.start == kPrevious ? "" : phase.start;
  c.surgery = phase.surgery;
  c.distill = phase.distill;
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
  const std::string own = c.teacher->checkpoint;
  c.teacher->checkpoint = is_named(phase.teacher) ? phase.teacher : "";
  if (is_named(phase.teacher) && phase.teacher != own)  // bound by the phase's own key
    c.teacher->train = {}, c.teacher->weights_sha256.clear();
  if (!is_named(phase.teacher)) {
    const Phase& teacher = recipe.phases.at(phase.teacher == kFirst ? 0 : index - 1);
    c.teacher->train = teacher.train;
    c.teacher->train.start = teacher.start == kPrevious ? "" : teacher.start;
  }
  return c;
}

Network initial_network(const RunConfig& config, const MapShape& input, int64_t classes) {
  return alter_every_skip(make_network(config.network, input, classes), config.train.skips);
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

int64_t recipe_images(const Recipe& recipe, size_t first, int64_t images) {
  int64_t sum = 0;
  for (size_t i = first; i < recipe.phases.size(); ++i) {
    const Phase& phase = recipe.phases[i];
    const bool follows = !phase.teacher.empty() && phase.distill.beta > 0;
    // In forward passes: three a step, one of the teacher, and two through all but its first
    // blocks.
    const int64_t passes =
        3 + (follows ? 1 : 0) + (follows && phase.distill.through_weight > 0 ? 2 : 0);
    sum += phase.train.epochs * images * passes / 3;
  }
  return sum;
}

}  // namespace tailor::run
