// Keys that say nothing in a given run, because another key decides that they are not read. A key
// that a kind, a family, a data set or an augmentation needs has its row here. Defaults are not
// reported: a configuration in full, such as a run's config.json, has them all.
#include <algorithm>
#include <map>

#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/net/family.h"
#include "tailor/run/run_config.h"

namespace tailor::run {
namespace {

struct Rule {
  bool unread;       // in this configuration
  std::string keys;  // of the section, separated by blanks
  std::string why;
};

/// Says "nothing" already: null, false, and empty texts, lists and objects.
bool is_neutral(const Json& value) {
  if (value.is_bool()) return !value.as_bool();
  if (value.is_string()) return value.as_string().empty();
  if (value.is_array()) return value.as_array().empty();
  if (value.is_object()) return value.as_object().empty();
  return value.is_null();
}

/// The object at a.b of what the user wrote, or null.
const Json* section_of(const Json& given, const std::string& path) {
  const Json* at = &given;
  for (size_t start = 0; at && at->is_object() && start < path.size();) {
    const size_t end = std::min(path.find('.', start), path.size());
    at = at->find(path.substr(start, end - start));
    start = end + 1;
  }
  return at && at->is_object() ? at : nullptr;
}

/// Of every key, what it is when nobody says it; a network's width is its family's.
Json defaults_of(const RunConfig& config) {
  RunConfig defaults;
  defaults.network.family = config.network.family;
  defaults.network = resolve_network_config(defaults.network);
  if (config.teacher) defaults.teacher = TeacherConfig();
  if (config.quantization) defaults.quantization = QuantizationConfig();
  return write_run_config(defaults);
}

/// The keys of a section that `given` has, `config` holds at another value than `defaults`, and no
/// rule lets anybody read. `where`: what stands before the section's name.
void find_unread(const Json& given, const Json& config, const Json& defaults,
                 const std::string& section, const std::vector<Rule>& rules,
                 const std::string& where, std::vector<std::string>& findings) {
  const Json* object = section_of(given, section);
  if (!object) return;
  const Json &values = *section_of(config, section), &usual = *section_of(defaults, section);
  for (const auto& [key, value] : object->as_object()) {
    const Json *mine = values.find(key), *default_value = usual.find(key);  // some are left out
    const bool same = !mine || (default_value && *mine == *default_value);
    if (is_neutral(value) || key == "comment" || same) continue;
    for (const Rule& rule : rules) {
      if (!rule.unread || fmt::format(" {} ", rule.keys).find(" " + key + " ") == std::string::npos)
        continue;
      findings.push_back(fmt::format("{}{}.{} has no effect: {}", where, section, key, rule.why));
      break;
    }
  }
}

/// "8,3" where points move: only its bits are read.
void find_unread_points(const QuantizationConfig& c, const Json& given,
                        std::vector<std::string>& findings) {
  const Json* object = section_of(given, "quantization");
  if (c.points == Points::Fixed || !object) return;
  auto look = [&](const std::string& key, const Json* value) {
    if (!value || !value->is_string()) return;
    const std::vector<std::string> parts = split(value->as_string(), ',');
    if (parts.size() < 2) return;
    findings.push_back(
        fmt::format("{}: of {} only the {} bits are read, because quantization.points is {} and "
                    "finds where the "
                    "point stands",
                    key, value->as_string(), trim(parts[0]), to_string(c.points)));
  };
  for (const char* key : {"precision", "weights", "activations", "first", "last"})
    look(std::string("quantization.") + key, object->find(key));
  const Json* stages = object->find("stages");
  if (!stages || !stages->is_array()) return;
  for (size_t i = 0; i < stages->as_array().size(); ++i) {
    for (const char* key : {"weights", "activations"}) {
      look(fmt::format("quantization.stages.{}.{}", i, key), stages->as_array()[i].find(key));
    }
  }
}

std::vector<Rule> network_rules(const NetworkConfig& c) {
  std::vector<Rule> rules;
  for (const NetworkFamily::Unread& unread : find_family(c.family).unread(c))
    rules.push_back({true, unread.keys, unread.why});
  return rules;
}

std::vector<Rule> data_rules(const DataConfig& c) {
  const SourceTraits& traits = traits_of(c);
  const bool speech = traits.kind == ExampleKind::Speech;
  return {{traits.in_memory, "root", std::string(traits.title) + " is made in memory"},
          {!traits.pictures && (!speech || traits.in_memory), "unreadable",
           "only folder, librispeech and manifest have files to read or leave out"},
          {c.validation == 0 && !traits.in_memory && !traits.pictures && !speech, "seed",
           "nothing is drawn from " + c.name + " without a validation split"}};
}

std::vector<Rule> speech_rules(const DataConfig& c) {
  const SourceTraits& traits = traits_of(c);
  const bool files = traits.kind == ExampleKind::Speech && !traits.in_memory;
  return {{!files, "train validation test max_seconds other_signs",
           "only librispeech and manifest have sets of speech in files"},
          {c.name != "flite", "voices test_voices", "only flite has voices"}};
}

std::vector<Rule> schedule_rules(const ScheduleConfig& c, const std::string& section) {
  const std::string needs = "it is of " + section + ".kind ";
  return {{c.kind != "step", "step_epochs gamma", needs + "step"},
          {c.kind != "hold_then_cosine", "hold_epochs", needs + "hold_then_cosine"},
          {c.kind == "constant" || c.kind == "step", "end", needs + "cosine and hold_then_cosine"},
          {c.warmup_steps == 0, "warmup_start", section + ".warmup_steps is 0"}};
}

std::vector<Rule> optimizer_rules(const OptimizerConfig& c, const std::string& section) {
  const std::string needs = "it is of " + section + ".kind ";
  return {{c.kind != "sgd", "momentum nesterov", needs + "sgd"},
          {c.kind == "sgd", "betas epsilon", needs + "adamw, novograd and muon"}};
}

std::vector<Rule> distill_rules(const DistillConfig& c, bool follows) {
  const std::string how =
      "distance temperature features feature_weight through_weight teacher_cache teacher_cache_mib";
  return {{c.beta > 0 && !follows, "beta", "there is no teacher"},  // 0: no distillation
          {!follows, how, "there is no teacher"},
          {c.beta == 0, how, "distill.beta is 0"},
          {c.distance != Distance::Kl, "temperature", "distill.distance is not kl"},
          {c.features == Features::None, "feature_weight", "distill.features is none"},
          {c.teacher_cache == TeacherCacheUse::Off, "teacher_cache_mib",
           "distill.teacher_cache is off"}};
}

std::vector<Rule> quantization_rules(const QuantizationConfig& c) {
  return {{c.first_epoch.has_value(), "from", "quantization.first_epoch says it"},
          {c.points == Points::Fixed, "calibration_images", "quantization.points is fixed"}};
}

/// Whether an exception of the plan does.
bool removes(const SurgeryConfig& c) {
  return std::any_of(c.plan.begin(), c.plan.end(),
                     [](const SkipPlan& p) { return p.kind == AlterationKind::Remove; });
}

std::vector<Rule> surgery_rules(const SurgeryConfig& c) {
  return {
      {c.kind == SurgeryKind::None,
       "alpha order at_once first_epoch edit solve optimizer statistics_images warmup_steps "
       "allow_partial",
       "surgery.kind is none"},
      {c.edit != EditKind::Solve, "solve", fmt::format("surgery.edit is {}", to_string(c.edit))},
      {c.edit == EditKind::Fade, "statistics_images", "surgery.edit is fade, which has no jump"},
      {c.kind == SurgeryKind::Shorten && !removes(c) && c.edit == EditKind::Solve, "edit solve",
       "only a removed skip's block is solved"}};
}

struct Section {
  std::string name;
  std::vector<Rule> rules;
};

/// The names of all augmentations, and their parameters.
std::vector<Section> augmentation_sections(const DataConfig& c) {
  std::vector<Section> sections = {{"data", {}}};
  auto add = [&](const char* name, const char* keys) {
    sections.push_back(
        {std::string("data.") + name,
         {{!c.augments(name), keys, fmt::format("data.augment does not name {}", name)}}});
  };
  add("random_resized_crop", "min_area max_aspect");
  add("color_jitter", "brightness contrast saturation");
  add("cutout", "side");
  add("mixup", "alpha");
  add("spec_cutout", "rectangles filters frames");
  add("spec_augment", "filter_masks filters frame_masks frames");
  add("speed", "change");
  add("dither", "deviation");
  return sections;
}

/// What one training does not read of its sections: the same sections whatever it says.
std::vector<Section> training_sections(const RunConfig& c, bool follows, bool quantised) {
  std::vector<Section> sections = {
      {"train", {{quantised, "statistics_images", "the network is trained quantised"}}},
      {"train.optimizer", optimizer_rules(c.train.optimizer, "train.optimizer")},
      {"train.schedule", schedule_rules(c.train.schedule, "train.schedule")},
      {"surgery", surgery_rules(c.surgery)},
      {"distill", distill_rules(c.distill, follows)}};
  for (Section& section : augmentation_sections(c.data)) sections.push_back(std::move(section));
  return sections;
}

/// Of each key, the first reason.
std::map<std::string, std::string> unread_keys(const std::vector<Rule>& rules) {
  std::map<std::string, std::string> unread;
  for (const Rule& rule : rules) {
    if (!rule.unread) continue;
    for (const std::string& key : split(rule.keys, ' ')) unread.emplace(key, rule.why);
  }
  return unread;
}
/// What neither reads, with the reasons of the first.
std::vector<Rule> both(const std::vector<Rule>& first, const std::vector<Rule>& second) {
  const std::map<std::string, std::string> others = unread_keys(second);
  std::vector<Rule> rules;
  for (const auto& [key, why] : unread_keys(first)) {
    if (others.count(key) > 0) rules.push_back({true, key, why});
  }
  return rules;
}

/// Keys of the run that a phase says itself; only the first has the run's start.
void append_overridden(const PhaseConfig& phase, size_t index, const Json& written,
                       const std::string& section, std::vector<Rule>& rules) {
  const char* const why = "no phase reads it (it has its own, or another key decides)";
  if (section == "train" && (index > 0 || !phase.start.empty()))
    rules.push_back({true, "start", why});
  const Json* object = section_of(written, section);
  if (!object) return;
  for (const auto& [key, value] : object->as_object()) {
    if (!value.is_object()) rules.push_back({true, key, why});
  }
}

/// A key of a phase, by that phase; one of the run, where no phase reads it.
void find_unread_of_trainings(const RunConfig& run, const Json& given, const Json& defaults,
                              std::vector<std::string>& findings) {
  std::vector<Section> all;
  if (run.phases.empty()) {
    all = training_sections(run, run.teacher.has_value(), run.quantization.has_value());
  }
  for (size_t i = 0; i < run.phases.size(); ++i) {
    const PhaseConfig& phase = run.phases[i];
    // The first training of the first phase has the run's teacher or its own; each other has one.
    const bool follows = i > 0 || phase.repeat > 1 || run.teacher || phase.names_teacher(),
               quantised = run.quantization && i + 1 == run.phases.size() && phase.repeat == 1;
    const RunConfig c = resolve_phase(run, i, "phases");
    const Json written = Json::object({{"data", phase.data},
                                       {"surgery", phase.surgery},
                                       {"distill", phase.distill},
                                       {"train", phase.train}});
    const Json config = write_run_config(c);
    const std::vector<Section> sections = training_sections(c, follows, quantised);
    for (const Section& section : sections) {
      find_unread(written, config, defaults, section.name, section.rules,
                  fmt::format("phases.{}.", i), findings);
    }
    for (size_t n = 0; n < sections.size(); ++n) {
      std::vector<Rule> rules = sections[n].rules;
      append_overridden(phase, i, written, sections[n].name, rules);
      if (i == 0) all.push_back({sections[n].name, rules});
      all[n].rules = both(all[n].rules, rules);
    }
  }
  // A teacher that is trained reads the run's data too.
  if (!run.phases.empty() && run.teacher && run.teacher->checkpoint.empty()) {
    const std::vector<Section> own = training_sections(run, false, false);
    for (size_t n = 0; n < own.size(); ++n) {
      if (own[n].name == "data" || starts_with(own[n].name, "data."))
        all[n].rules = both(all[n].rules, own[n].rules);
    }
  }
  const Json config = write_run_config(run);
  for (const Section& section : all)
    find_unread(given, config, defaults, section.name, section.rules, "", findings);
}

}  // namespace

std::vector<std::string> keys_without_effect(const RunConfig& c, const Json& given) {
  std::vector<std::string> findings;
  const Json config = write_run_config(c), defaults = defaults_of(c);
  auto find = [&](const std::string& section, const std::vector<Rule>& rules) {
    find_unread(given, config, defaults, section, rules, "", findings);
  };
  find("network", network_rules(c.network));
  find("data", data_rules(c.data));
  find("data.speech", speech_rules(c.data));
  if (c.teacher && !c.teacher->checkpoint.empty()) {
    find("teacher", {{true, "epochs batch_size optimizer schedule seed statistics_images",
                      "teacher.checkpoint names a teacher that is trained already"}});
  } else if (c.teacher) {
    find("teacher.optimizer", optimizer_rules(c.teacher->train.optimizer, "teacher.optimizer"));
    find("teacher.schedule", schedule_rules(c.teacher->train.schedule, "teacher.schedule"));
  }
  find_unread_of_trainings(c, given, defaults, findings);
  find("ctc",
       {{c.ctc.language_model.empty(), "lm_weight word_bonus", "there is no ctc.language_model"},
        {c.ctc.beam == 1, "beam_threshold", "ctc.beam is 1"}});
  find("export", {{c.quantization.has_value(), "precision",
                   "the network is trained with the types of quantization"},
                  {c.exporting.layout == Layout::Stock, "skips",
                   "export.layout is stock, which clones every skip"},
                  {c.exporting.reuse_factor.has_value(), "card_share",
                   "export.reuse_factor leaves nothing to balance"}});
  if (c.quantization) {
    find("quantization", quantization_rules(*c.quantization));
    find_unread_points(*c.quantization, given, findings);
  }
  return findings;
}

}  // namespace tailor::run
