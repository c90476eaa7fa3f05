// The configuration of a run as typed records. docs/configuration.md and docs/config.schema.json
// are generated from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/config/record.h"
#include "tailor/fixed/fixed_type.h"

namespace tailor {

/// Where a skip is added: relu(F(x) + x), the standard ResNet, or relu(F(x)) + x, the paper's
/// Eq. 2.
enum class Join { BeforeActivation, AfterActivation };
/// What a skip does where the shape changes: a 1×1 convolution with BN, or a strided slice with
/// zero channels, half of them before and half behind (Pad) or all behind (PadEnd).
enum class Shortcut { Projection, Pad, PadEnd };
/// Which convolution of a strided bottleneck has the stride: the 3×3 (v1.5) or the first 1×1 (v1).
enum class StrideOn { Conv3x3, First1x1 };
enum class AlterationKind { Remove, Shorten, Keep };
enum class EditOrder { InputFirst, OutputFirst };
enum class SurgeryKind { None, Remove, Shorten };
enum class Layout { Fused, Stock };
/// What happens to a set with image files that cannot be read.
enum class Unreadable { Skip, Error };
enum class HlsBackend { Vitis, Vivado };

const char* to_string(Join join);
const char* to_string(Shortcut shortcut);
std::optional<Shortcut> find_shortcut(const std::string& name);
const char* to_string(AlterationKind kind);
const char* to_string(Layout layout);
const char* to_string(HlsBackend backend);
RecordVisitor::Names family_names();
RecordVisitor::Names join_names();
RecordVisitor::Names layout_names();
RecordVisitor::Names backend_names();
RecordVisitor::Names rounding_names();
RecordVisitor::Names overflow_names();

struct NetworkConfig {
  std::string family = "resnet_cifar";
  std::string file;  // family "file": the description
  int64_t depth = 20;
  int64_t width = 0;  // filters of the first stage; 0: the family's
  StrideOn stride_on = StrideOn::Conv3x3;
  Shortcut shortcut = Shortcut::Projection;
  Join join = Join::BeforeActivation;
};
/// With the family's width in the place of 0.
NetworkConfig resolve_network_config(NetworkConfig config);

struct RandomResizedCropConfig {
  double min_area = 0.08;  // of the picture's area
  double max_aspect = 4.0 / 3;
};
/// Largest relative change of each.
struct ColorJitterConfig {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4;
};
struct CutoutConfig {
  int64_t side = 16;  // pixels
};
struct MixupConfig {
  double alpha = 0.2;
};

/// Of data.image_size.
constexpr int64_t kLargestImageSize = 4096;

struct DataConfig {
  std::string name = "cifar10";
  std::string root;
  int64_t validation = 5000;
  std::vector<std::string> augment = {"pad_crop", "flip"};
  int64_t train_size = 0;
  int64_t test_size = 0;
  int64_t seed = 1;
  std::vector<double> mean, deviation;  // empty: the data set's own
  int64_t image_size = 0;               // side of the network's input; 0: the data set's own
  int64_t resize = 0;                   // 0: 8/7 of image_size
  int64_t channels = 0;                 // of a folder's pictures as the network sees them; 0: 3
  bool extra = false;                   // SVHN's extra images too
  Unreadable unreadable = Unreadable::Skip;
  RandomResizedCropConfig random_resized_crop;
  ColorJitterConfig color_jitter;
  CutoutConfig cutout;
  MixupConfig mixup;

  bool augments(const char* name) const;
  /// Pictures of any size, of which image_size says what the network sees.
  bool any_size() const;
  /// The user's own files, which change, and not an official set.
  bool is_own() const;
  int64_t resize_or_default() const { return resize > 0 ? resize : (image_size * 8 + 3) / 7; }
};

/// Names of optimisers and of learning-rate schedules; `train` has the makers, and whoever
/// registers another one there adds its name here.
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
  std::optional<int64_t>
      hold_epochs;  // hold_then_cosine: default ends alpha epochs after the last edit
  int64_t step_epochs = 30;
  double gamma = 0.1;
};

struct TrainConfig {
  std::string start;  // checkpoint with the weights to begin with; empty: initial weights
  int64_t epochs = 60;
  int64_t batch_size = 128;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  int64_t seed = 1;
};

struct TeacherConfig {
  std::string checkpoint;      // if set, `train` is not used
  std::string weights_sha256;  // of the teacher that the run is bound to; empty: not yet
  TrainConfig train;
};

struct SkipPlan {
  std::string skip;
  AlterationKind kind = AlterationKind::Keep;
};

struct SurgeryConfig {
  SurgeryKind kind = SurgeryKind::None;
  int64_t alpha = 3;
  EditOrder order = EditOrder::InputFirst;
  int64_t at_once = 1;
  std::optional<int64_t> first_epoch;  // default alpha
  std::vector<SkipPlan> plan;
  int64_t statistics_images = 512;
  bool allow_partial = false;
};

struct DistillConfig {
  double beta = 0.35;
};

struct RuntimeConfig {
  int64_t threads = 0;
  double checkpoint_minutes = 10;
  std::string device = "auto";
};

struct ExportConfig {
  std::string precision = "16,6";
  std::string fpga = "u200";
  double clock_ns = 5;
  Rounding rounding = Rounding::Rnd;
  Overflow overflow = Overflow::Sat;
  HlsBackend backend = HlsBackend::Vitis;
  Layout layout = Layout::Fused;
  std::optional<int64_t> reuse_factor;
  int64_t vectors = 16;

  /// precision with the two modes; `where` names it in an error.
  FixedType type(const std::string& where = "/export/precision") const;
};

struct RunConfig {
  NetworkConfig network;
  DataConfig data;
  std::optional<TeacherConfig> teacher;
  SurgeryConfig surgery;
  DistillConfig distill;
  TrainConfig train;
  RuntimeConfig runtime;
  ExportConfig exporting;
};

/// Reads and checks what one record cannot check alone. `source` names the file in errors.
RunConfig read_run_config(const Json& json, const std::string& source);
Json write_run_config(const RunConfig& config);
Json write_network_config(const NetworkConfig& config);
Json run_config_schema();
/// A key as --set takes it: "train.optimizer.lr", and the names that its value can be.
struct ConfigKey {
  std::string name, about;
  std::vector<std::string> values;
};
/// Every key that holds a value, in the order of the schema; what lies in lists is left out.
std::vector<ConfigKey> config_keys();
/// docs/configuration.md.
std::string run_config_reference();

struct LoadedConfig {
  RunConfig config;
  std::string name;    // file name without folder and .json
  std::string source;  // path, or "embedded:NAME"
  /// "distill.beta has no effect: there is no teacher", of the keys that the user has set: those of
  /// his file and of the overrides, not those of an embedded configuration.
  std::vector<std::string> without_effect;
};
/// An existing path, else a name (".json" optional) among the embedded configs; then "a.b=value"
/// overrides.
LoadedConfig load_run_config(const std::string& name_or_path,
                             const std::vector<std::string>& overrides);
/// One sentence for each key in `given`, a configuration or a part of one, that `config` does not
/// read. Keys that say "nothing" (null, false, empty) say so truly, and so do defaults.
std::vector<std::string> keys_without_effect(const RunConfig& config, const Json& given);
/// Sets a.b.c in a JSON document; the value is JSON if it parses, else a string.
void apply_override(Json& json, const std::string& assignment);
std::vector<std::string> embedded_config_names();

}  // namespace tailor
