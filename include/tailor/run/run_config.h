// The configuration of a run as typed records. docs/configuration.md and docs/config.schema.json
// are generated from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"
#include "tailor/data/config.h"
#include "tailor/design/config.h"
#include "tailor/net/config.h"
#include "tailor/run/quantization.h"
#include "tailor/surgery/config.h"
#include "tailor/task/config.h"

namespace tailor::run {

/// Names of optimisers and of learning-rate schedules: whoever registers another one
/// (train/optimizer.h, run/schedule.h) adds its name.
std::vector<const char*>& optimizer_kinds();
std::vector<const char*>& schedule_kinds();

struct OptimizerConfig {
  std::string kind = "sgd";
  double lr = 0.1;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 1e-4;
  std::vector<double> betas;  // two; empty: the kind's own
  double epsilon = 1e-8;
  double clip_norm = 0;  // 0: gradients are not clipped
};

struct ScheduleConfig {
  std::string kind = "hold_then_cosine";
  int64_t warmup_epochs = 0;
  int64_t warmup_steps = 0;            // another warm-up, before the schedule; 0: none
  std::optional<double> warmup_start;  // its first step's share; default: one of n+1 equal parts
  double end = 0;                      // share that a cosine falls to
  std::optional<int64_t>
      hold_epochs;  // hold_then_cosine: default ends alpha epochs after the last edit
  int64_t step_epochs = 30;
  double gamma = 0.1;
};

/// As a start: initial weights, also beside a teacher.
inline const std::string kInitial = "initial";
/// As a start or a teacher: the phase before, best checkpoint first.
inline const std::string kPrevious = "previous";
/// As a phase's teacher: the run's own.
inline const std::string kOriginal = "original";

struct TrainConfig {
  std::string start;  // a checkpoint or kInitial; empty: as its teacher, without one as kInitial
  InitialSkips skips = InitialSkips::Kept;
  int64_t epochs = 60;
  int64_t batch_size = 128;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  int64_t seed = 1;
  std::string precision = "float32";  // what steps compute in; or bfloat16
  std::string batch_norm = "local";   // of several workers; or synchronised
  int64_t statistics_images = 0;      // read behind the last epoch; 0: none
};

struct TeacherConfig {
  std::string checkpoint;      // if set, `train` is not used
  std::string weights_sha256;  // of the teacher that the run is bound to; empty: not yet
  TrainConfig train;
};

/// Whether a teacher's answers to images are kept, to be given again.
enum class TeacherCacheUse { Auto, On, Off };
TAILOR_ENUMERATORS(TeacherCacheUse, "auto", "on", "off")

/// Between a student's logits and its teacher's.
enum class Distance { Mse, StandardisedMse, Kl };
TAILOR_ENUMERATORS(Distance, "mse", "standardised_mse", "kl")

/// Behind which blocks a student's maps are compared with its teacher's.
enum class Features { None, Stages, Blocks };
TAILOR_ENUMERATORS(Features, "none", "stages", "blocks")

struct DistillConfig {
  double beta = 0.35;
  Distance distance = Distance::Mse;
  double temperature = 4;
  Features features = Features::None;
  double feature_weight = 1;
  double through_weight = 0;
  TeacherCacheUse teacher_cache = TeacherCacheUse::Auto;
  int64_t teacher_cache_mib = 512;
};

struct RuntimeConfig {
  int64_t threads = 0;
  double checkpoint_minutes = 10;
  std::string device = "auto";
  bool deterministic = false;
  std::string kernels = "fast";
  bool tensorboard = true;
};

/// One training of several, one behind the other.
struct PhaseConfig {
  int64_t repeat = 1;
  std::string start;                // a checkpoint, kInitial or kPrevious; empty: as its teacher
  std::string teacher = kPrevious;  // or kOriginal, or a checkpoint
  std::string weights_sha256;       // of that checkpoint; empty: not yet
  bool keep_optimizer = false;
  /// What differs from the sections of the run with these names; null: nothing. Of data only the
  /// augmentation.
  Json data, surgery, distill, train;

  bool names_teacher() const { return teacher != kPrevious && teacher != kOriginal; }
};

struct RunConfig {
  NetworkConfig network;
  DataConfig data;
  std::optional<TeacherConfig> teacher;
  SurgeryConfig surgery;
  DistillConfig distill;
  CtcConfig ctc;
  TrainConfig train;
  std::vector<PhaseConfig> phases;  // none: the run is one training, its teacher's aside
  std::optional<QuantizationConfig> quantization;
  RuntimeConfig runtime;
  ExportConfig exporting;
};

/// The keys, each with its type and range; what they say together is read_run_config's to check.
void describe(RecordVisitor& v, RunConfig& c);
/// Reads and checks what one record cannot check alone. `source` names the file in errors.
RunConfig read_run_config(const Json& json, const std::string& source);
Json write_run_config(const RunConfig& config);
/// The run with augmentation, surgery, distill and train as a phase has them, without phases.
/// Throws Config at /phases/INDEX/….
RunConfig resolve_phase(const RunConfig& run, size_t index, const std::string& source);
Json run_config_schema();
/// A key as --set takes it: "train.optimizer.lr", and the names that its value can be.
struct ConfigKey {
  std::string name, about;
  std::vector<std::string> values;
  bool is_text = false;
};
/// Every key that holds a value, in the order of the schema; what lies in lists is left out.
std::vector<ConfigKey> config_keys();
/// docs/configuration.md.
std::string run_config_reference();

struct LoadedConfig {
  RunConfig config;
  std::string name;    // file name without folder and .json, or a matrix's member
  std::string source;  // path, or "embedded:NAME"
  /// "distill.beta has no effect: there is no teacher", of the keys that the user has set: those of
  /// his file and of the overrides, not those of an embedded configuration.
  std::vector<std::string> without_effect;
};
/// An existing path, a matrix's path with ":" and a member, else a name (".json" optional) among
/// the embedded configurations; then overrides: "a.b=value", or the path of a
/// .json file whose keys are laid over those that there are.
LoadedConfig load_run_config(const std::string& name_or_path,
                             const std::vector<std::string>& overrides);
/// A configuration of many, and what `--config` calls it.
struct NamedConfig {
  std::string name;
  LoadedConfig loaded;
};
/// Those of a matrix, by its path or by the name of an embedded one ("cifar_matrix"); or those of a
/// folder, whose *.json are configurations and matrices. Sorted by name; of those alone, and read,
/// whose name fits the pattern `only` of a shell (empty: all). Throws Usage where there is none, or
/// two of one name.
std::vector<NamedConfig> load_run_configs(const std::string& path,
                                          const std::vector<std::string>& overrides,
                                          const std::string& only = "");
/// One sentence for each key in `given`, a configuration or a part of one, that `config` does not
/// read. Keys that say "nothing" (null, false, empty) say so truly, and so do defaults.
std::vector<std::string> keys_without_effect(const RunConfig& config, const Json& given);
/// The first key in which two configurations differ, as a JSON Pointer below `pointer`, with both
/// values; empty where none does.
struct ConfigDifference {
  std::string pointer, mine, theirs;
};
ConfigDifference first_difference(const Json& mine, const Json& theirs, const std::string& pointer);
/// Sets a.b.c in a JSON document; the value is JSON if it parses, else a string.
void apply_override(Json& json, const std::string& assignment);
/// The configurations inside the program by name, sorted; those of a matrix among them.
std::vector<std::string> embedded_config_names();

}  // namespace tailor::run
