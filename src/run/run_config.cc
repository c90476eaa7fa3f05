#include "tailor/run/run_config.h"
#include "tailor/data/source.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tailor/core/strings.h"
#include "tailor/run/recipe.h"

namespace tailor::run {
namespace {

Names names_in(const std::vector<const char*>& kinds) { return {kinds.data(), kinds.size()}; }

void describe(RecordVisitor& v, OptimizerConfig& c) {
  v.text_choice("kind", c.kind, names_in(optimizer_kinds()),
                "sgd: stochastic gradient descent with momentum; adamw (Loshchilov and Hutter "
                "2019); novograd (Ginsburg et al. 2019); muon (Jordan et al. 2024): filters "
                "that read more than one channel along their orthogonalised momentum, all else as "
                "adamw.");
  v.number("lr", c.lr, 0, 1000, "Base learning rate.");
  v.number("momentum", c.momentum, 0, 0.999999, "sgd: momentum; kept over every alteration.");
  v.boolean("nesterov", c.nesterov, "sgd: Nesterov momentum.");
  v.number("weight_decay", c.weight_decay, 0, 1,
           "Of every parameter, batch norm and bias included. sgd: L2 penalty; adamw, muon: "
           "decoupled; novograd: added to the normalised gradient.");
  v.numbers("betas", c.betas, 0, 0.999999,
            "All but sgd: decay of the first and of the second moment. []: 0.9 and 0.999 (adamw), "
            "0.95 and 0.98 (novograd), 0.95 and 0.999 (muon).");
  v.number("epsilon", c.epsilon, 0, 1, "All but sgd: added to the root of the second moment.");
  v.number("clip_norm", c.clip_norm, 0, 1e9,
           "Gradients whose L2 norm over all parameters is larger are scaled to this norm; 0: none "
           "are.");
}

void describe(RecordVisitor& v, ScheduleConfig& c) {
  v.text_choice(
      "kind", c.kind, names_in(schedule_kinds()),
      "Learning rate over the epochs: constant; hold_then_cosine (constant until alpha epochs "
      "after the last edit, then a cosine to end); cosine; step (times gamma every step_epochs).");
  v.integer(
      "warmup_epochs", c.warmup_epochs, 0, 1000000,
      "Epochs of linear warm-up within the schedule: of its n steps the first has 1/n of the rate, "
      "the last the whole.");
  v.integer("warmup_steps", c.warmup_steps, 0, 1000000000,
            "Steps of linear warm-up from warmup_start to the whole rate, which the step behind "
            "them is the first to have; a cosine begins there. 0: none.");
  v.optional_number("warmup_start", c.warmup_start, 0, 1,
                    "Share of the rate that the first of n warmup_steps has. null: 1/(n+1) (NeMo); "
                    "Bonito: 0.1.");
  v.number("end", c.end, 0, 1,
           "cosine, hold_then_cosine: share of the rate that it falls to (Bonito: 0.01).");
  v.optional_integer("hold_epochs", c.hold_epochs, 0, 1000000,
                     "hold_then_cosine: epochs at the base rate. null: until alpha epochs after "
                     "the last edit, or half of the epochs if nothing is altered.");
  v.integer("step_epochs", c.step_epochs, 1, 1000000, "step: epochs between two decays.");
  v.number("gamma", c.gamma, 0, 1, "step: factor of a decay.");
}

void describe_train(RecordVisitor& v, TrainConfig& c) {
  v.text("start", c.start,
         "A checkpoint whose weights and preprocessing the training begins with (tailor import, "
         "also with --new-head), or initial: initial weights. Empty: a student begins as its "
         "teacher, any other network with initial weights.");
  v.enumeration(
      "skips", c.skips,
      "Skips of the network that it begins with, where that is not its teacher: kept; "
      "removed or shortened, as the alteration of all of them would leave it; repvgg: "
      "removed, and beside every padded convolution that is wider than a pixel and, with its "
      "batch norm, makes a stage a 1x1 one and the identity, with batch norms of their "
      "own, which export folds into its kernel (Ding et al. 2021); dirac: removed, and "
      "an identity in every such kernel without groups (Zagoruyko and Komodakis 2017).");
  v.integer("epochs", c.epochs, 1, 1000000, "Epochs in all, counted from 0.");
  v.integer("batch_size", c.batch_size, 1, 65536,
            "Examples a step; the last batch of an epoch may be smaller.");
  v.record(
      "optimizer", [&](RecordVisitor& r) { describe(r, c.optimizer); },
      "Optimiser; one for the whole run.");
  v.record(
      "schedule", [&](RecordVisitor& r) { describe(r, c.schedule); },
      "Learning-rate schedule; never restarted by an alteration.");
  v.integer("seed", c.seed, 0, INT32_MAX,
            "Seed of initial weights, order of examples and augmentation.");
  static constexpr const char* kPrecisions[] = {"float32", "bfloat16"};
  v.text_choice("precision", c.precision, Names(kPrecisions, 2),
                "What steps compute in. bfloat16: convolutions, linear layers and the maps between "
                "them, the teacher's too; parameters, batch statistics, loss and optimiser stay "
                "float32, and so does everything but the steps. Not for quantised training.");
  static constexpr const char* kBatchNorms[] = {"local", "synchronised"};
  v.text_choice(
      "batch_norm", c.batch_norm, Names(kBatchNorms, 2),
      "Of several workers (train --workers). local: each normalises by the statistics of "
      "its own share of a batch, and running ones are averaged; synchronised: all by those "
      "of the whole batch, as one process would. With one process there is no difference.");
  v.integer(
      "statistics_images", c.statistics_images, 0, 1000000,
      "Training examples over which batch norm's running statistics are taken anew behind "
      "the last epoch, before it is judged: running averages are of the last few batches. Less "
      "than 2: they stay. Not of a network that is trained quantised.");
}

void describe(RecordVisitor& v, TeacherConfig& c) {
  v.text("checkpoint", c.checkpoint,
         "A finished teacher: its checkpoint, or its run folder (best.ckpt, else last.ckpt). If "
         "given, no teacher is trained, and the keys of training are not used.");
  v.text("weights_sha256", c.weights_sha256,
         "Digest of the teacher's weights (where the phase before teaches the last one, of that "
         "phase's); another teacher is then an error. Empty: written into the run's config.json "
         "once the run has its teacher, unless that is trained and does not teach the last phase.");
  describe_train(v, c.train);
}

void describe(RecordVisitor& v, DistillConfig& c) {
  v.number("beta", c.beta, 0, 1,
           "Weight of the teacher in the loss (1 - beta) * CE(student, label) + beta * "
           "distance(student logits, teacher logits) (paper, Eq. 3). 0: no distillation.");
  v.enumeration("distance", c.distance,
                "mse: the mean squared error (the paper's). standardised_mse: the same of logits "
                "from which each image's mean is taken and that are divided by its deviation, so "
                "that a teacher's large logits do not hide the labels (Sun et al. 2024). kl: "
                "Kullback-Leibler of softmaxes at a temperature (Hinton et al. 2015). Sequences "
                "have a distance of their own.");
  v.number("temperature", c.temperature, 0.01, 1000,
           "Of kl: both sides' logits are divided by it, and the distance is multiplied by its "
           "square.");
  v.enumeration("features", c.features,
                "Maps that are compared too: none; stages, those behind the last block of each map "
                "size; blocks, those behind every block, of a teacher with the same blocks. Their "
                "mean relative squared error is "
                "added to the distance (Romero et al. 2015, without its regressor). The teacher's "
                "answers are not kept then.");
  v.number("feature_weight", c.feature_weight, 0, 1e6, "Weight of that error in the distance.");
  v.number("through_weight", c.through_weight, 0, 1e6,
           "The student's maps behind each map size but the last go on through the teacher's later "
           "blocks too, and the mean loss of what these answer is added to the loss with this "
           "weight (Residual Distillation, Li et al. 2020; the teacher stays as it is). 0: they do "
           "not.");
  v.enumeration("teacher_cache", c.teacher_cache,
                "Whether the teacher's answers to images are kept and given again when the same "
                "augmented image comes again. auto: on a CPU where at least a quarter is expected "
                "to; on: wherever it can be (on a CPU, augmented by pad_crop and flip at most), an "
                "error elsewhere.");
  v.integer("teacher_cache_mib", c.teacher_cache_mib, 1, 1 << 24,
            "Most memory for them, in MiB. Once it is full no more are kept.");
}

/// Only what a phase says is written: it reads as a list of what differs.
void describe(RecordVisitor& v, PhaseConfig& c) {
  if (v.wants(c.repeat != 1))
    v.integer("repeat", c.repeat, 1, 10000, "How often it is there, one behind the other.");
  if (v.wants(!c.start.empty())) {
    v.text("start", c.start,
           "What it begins with: previous, the phase before (of the first one: teacher); "
           "initial; or a checkpoint. Empty: its teacher, in the first one what train.start says.");
  }
  if (v.wants(c.teacher != kPrevious)) {
    v.text("teacher", c.teacher,
           "previous: the phase before teaches it, the first one teacher; original: teacher does; "
           "or a checkpoint or run folder of another one.");
  }
  if (v.wants(!c.weights_sha256.empty())) {
    v.text("weights_sha256", c.weights_sha256,
           "Digest of the weights of the teacher that it names, as teacher.weights_sha256 is: "
           "written into the run's config.json.");
  }
  if (v.wants(c.keep_optimizer)) {
    v.boolean("keep_optimizer", c.keep_optimizer,
              "Goes on with what the optimiser of the phase before remembers.");
  }
  if (v.wants(!c.data.is_null()))
    v.json("data", c.data, "What differs from the run's data: augment, and its parameters.");
  if (v.wants(!c.surgery.is_null()))
    v.json("surgery", c.surgery, "What differs from the run's surgery.");
  if (v.wants(!c.distill.is_null()))
    v.json("distill", c.distill, "What differs from the run's distill.");
  if (v.wants(!c.train.is_null()))
    v.json("train", c.train, "What differs from the run's train, start aside.");
}

void describe_phases(RecordVisitor& v, RunConfig& c) {
  if (!v.wants(!c.phases.empty())) return;
  v.list(
      "phases", c.phases.size(), [&](size_t n) { c.phases.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, c.phases[i]); },
      "Trainings in the place of the one, in this order; each begins with the best checkpoint of "
      "the one before. A phase says what differs from the run's augmentation (data), surgery, "
      "distill and train. The run's folder is the last one's, the others lie in teachers beside "
      "it.");
}

void describe(RecordVisitor& v, RuntimeConfig& c) {
  v.integer("threads", c.threads, 0, 1024,
            "Threads of LibTorch. 0: as many as affinity mask and cgroup quota allow. Resuming bit "
            "for bit needs the same number.");
  v.number("checkpoint_minutes", c.checkpoint_minutes, 0, 1e6,
           "Also saves last.ckpt in the middle of an epoch this often; 0: only at its end.");
  v.text(
      "device", c.device,
      "Where the network runs: cpu, cuda (the first GPU), cuda:N, or auto: cuda if LibTorch finds "
      "a GPU, else cpu. tailor env lists what there is.");
  v.boolean("deterministic", c.deterministic,
            "GPU: of cuDNN only algorithms whose results do not change from run to run; slower. "
            "LibTorch's CTC loss on a GPU has no other. On a CPU results never change.");
  static constexpr const char* kKernels[] = {"fast", "reference"};
  v.text_choice("kernels", c.kernels, Names(kKernels, 2),
                "fast: tailor's own convolutions and batch norms where it has some, else "
                "LibTorch's. reference: LibTorch's alone, which the others are tested against; "
                "results agree but for the order of sums.");
  v.boolean("tensorboard", c.tensorboard,
            "Whether the run's metrics are written as TensorBoard's event files, too "
            "(events.out.tfevents.* in its folder, one for each process that trained it).");
}

}  // namespace

std::vector<const char*>& optimizer_kinds() {
  static std::vector<const char*> kinds = {"sgd", "adamw", "novograd", "muon"};
  return kinds;
}
std::vector<const char*>& schedule_kinds() {
  static std::vector<const char*> kinds = {"constant", "hold_then_cosine", "cosine", "step"};
  return kinds;
}

void describe(RecordVisitor& v, RunConfig& c) {
  v.record(
      "network", [&](RecordVisitor& r) { describe(r, c.network); }, "The network.");
  v.record(
      "data", [&](RecordVisitor& r) { describe(r, c.data); }, "Data set, split and augmentation.");
  bool has_teacher = c.teacher.has_value();
  TeacherConfig teacher = c.teacher.value_or(TeacherConfig());
  v.optional_record(
      "teacher", has_teacher, [&](RecordVisitor& r) { describe(r, teacher); },
      "The teacher: a run of its own, reused if finished. Absent: the network is trained from its "
      "initial weights, without distillation or alteration.");
  c.teacher = has_teacher ? std::optional(teacher) : std::nullopt;
  v.record(
      "surgery", [&](RecordVisitor& r) { describe(r, c.surgery); },
      "Alteration of the skip connections.");
  v.record(
      "distill", [&](RecordVisitor& r) { describe(r, c.distill); }, "Knowledge distillation.");
  v.record(
      "ctc", [&](RecordVisitor& r) { describe(r, c.ctc); },
      "Of speech and signal: the loss of connectionist temporal classification, and decoding.");
  v.record(
      "train", [&](RecordVisitor& r) { describe_train(r, c.train); },
      "The student's training (or the only one, without a teacher).");
  bool quantized = c.quantization.has_value();
  QuantizationConfig quantization = c.quantization.value_or(QuantizationConfig());
  if (v.wants(quantized)) {
    v.optional_record(
        "quantization", quantized, [&](RecordVisitor& r) { describe(r, quantization); },
        "Quantised training of the student (or of the only network): it learns with the very "
        "roundings of its hardware; its teacher stays in floating point. Absent: it is trained in "
        "floating point, and quantised by the export.");
  }
  c.quantization = quantized ? std::optional(quantization) : std::nullopt;
  describe_phases(v, c);
  v.record(
      "runtime", [&](RecordVisitor& r) { describe(r, c.runtime); },
      "What may differ from machine to machine without changing the experiment.");
  v.record(
      "export", [&](RecordVisitor& r) { describe(r, c.exporting); },
      "Defaults of `tailor export` for this run.");
}

namespace {

void check_phase_data(const Json& over, const DataConfig& data, const std::string& at,
                      const std::string& source) {
  if (!over.is_object()) return;
  DataConfig copy = data;
  const Json keys = write_record([&](RecordVisitor& r) { describe_augmentation(r, copy); });
  for (const auto& [key, value] : over.as_object()) {
    if (keys.find(key) || key == "comment") continue;
    fail_config(at + "/" + key,
                "augment or its parameters alone, because all phases have the images of the run",
                value.dump(), source);
  }
}

}  // namespace

RunConfig resolve_phase(const RunConfig& run, size_t index, const std::string& source) {
  const PhaseConfig& phase = run.phases.at(index);
  RunConfig c = run;
  c.phases.clear();
  auto lay_over = [&](const char* section, const Json& over, const RecordVisitor::Describe& keys) {
    if (!over.is_null())
      read_record(over, source, keys, fmt::format("/phases/{}/{}", index, section));
  };
  check_phase_data(phase.data, c.data, fmt::format("/phases/{}/data", index), source);
  lay_over("data", phase.data, [&](RecordVisitor& r) { describe_augmentation(r, c.data); });
  lay_over("surgery", phase.surgery, [&](RecordVisitor& r) { describe(r, c.surgery); });
  lay_over("distill", phase.distill, [&](RecordVisitor& r) { describe(r, c.distill); });
  lay_over("train", phase.train, [&](RecordVisitor& r) { describe_train(r, c.train); });
  if (const Json* start = phase.train.is_object() ? phase.train.find("start") : nullptr) {
    fail_config(fmt::format("/phases/{}/train/start", index),
                fmt::format("no start here, but in /phases/{}/start", index), start->dump(),
                source);
  }
  return c;
}

namespace {

void check_distill(const RunConfig& c, const std::string& at, const std::string& source) {
  if (traits_of(c.data).kind == ExampleKind::Images) return;
  if (c.distill.features != Features::None) {
    fail_config(at + "/distill/features", "none, because sequences have maps of different lengths",
                fmt::format("\"{}\"", to_string(c.distill.features)), source);
  }
  if (c.distill.through_weight > 0) {
    fail_config(at + "/distill/through_weight",
                "0, because sequences have maps of different lengths",
                fmt::format("{}", c.distill.through_weight), source);
  }
  if (c.distill.distance != Distance::Mse) {
    fail_config(at + "/distill/distance", "mse, because sequences have a distance of their own",
                fmt::format("\"{}\"", to_string(c.distill.distance)), source);
  }
}

void check_train(const TrainConfig& t, const std::string& at, const std::string& source) {
  auto number = [](int64_t n) { return std::to_string(n); };
  if (t.schedule.warmup_epochs >= t.epochs && t.schedule.warmup_epochs > 0) {
    fail_config(at + "/schedule/warmup_epochs", fmt::format("less than the {} epochs", t.epochs),
                number(t.schedule.warmup_epochs), source);
  }
  if (t.schedule.warmup_steps > 0 && t.schedule.warmup_epochs > 0) {
    fail_config(at + "/schedule/warmup_steps", "0 with warmup_epochs, which say it too",
                number(t.schedule.warmup_steps), source);
  }
  if (t.schedule.hold_epochs && *t.schedule.hold_epochs > t.epochs) {
    fail_config(at + "/schedule/hold_epochs", fmt::format("at most the {} epochs", t.epochs),
                number(*t.schedule.hold_epochs), source);
  }
  if (!t.optimizer.betas.empty() && t.optimizer.betas.size() != 2) {
    fail_config(at + "/optimizer/betas", "two numbers, or none",
                std::to_string(t.optimizer.betas.size()), source);
  }
  if (t.optimizer.kind == "sgd" && t.optimizer.nesterov && t.optimizer.momentum == 0)
    fail_config(at + "/optimizer/momentum", "more than 0 with nesterov", "0", source);
}

/// What a training's surgery, distill and train say together.
void check_training(const RunConfig& c, const std::string& at, const std::string& source) {
  if (c.surgery.kind == SurgeryKind::None && !c.surgery.plan.empty()) {
    fail_config(at + "/surgery/kind",
                "\"remove\" or \"shorten\" with a /surgery/plan (which lists the exceptions)",
                "\"none\"", source);
  }
  check_distill(c, at, source);
  if (c.quantization && c.distill.features != Features::None) {
    fail_config(at + "/distill/features",
                "none with /quantization: maps in fixed point are not compared",
                fmt::format("\"{}\"", to_string(c.distill.features)), source);
  }
  if (c.quantization && c.distill.through_weight > 0) {
    fail_config(at + "/distill/through_weight",
                "0 with /quantization: the teacher's blocks read no maps in fixed point",
                fmt::format("{}", c.distill.through_weight), source);
  }
  check_train(c.train, at + "/train", source);
}

void verify_digest(const std::string& digest, const std::string& at, const std::string& source) {
  if (digest.empty() ||
      (digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == std::string::npos))
    return;
  fail_config(at, "64 digits 0 to f, or \"\"", fmt::format("\"{}\"", digest), source);
}

void check_phase(const RunConfig& run, size_t index, const std::string& source) {
  const std::string at = fmt::format("/phases/{}", index);
  const RunConfig c = resolve_phase(run, index, source);
  check_training(c, at, source);
  verify_augmentation(c.data, at + "/data", source);
  const PhaseConfig& phase = run.phases[index];
  if (phase.teacher == kOriginal && !run.teacher) {
    fail_config(at + "/teacher", "\"previous\" or a checkpoint, because there is no /teacher",
                "\"original\"", source);
  }
  if (phase.names_teacher() && !is_named(phase.teacher)) {
    fail_config(at + "/teacher", "\"previous\", \"original\", or a checkpoint",
                "\"" + phase.teacher + "\"", source);
  }
  verify_digest(phase.weights_sha256, at + "/weights_sha256", source);
  if (!phase.names_teacher() && !phase.weights_sha256.empty()) {
    fail_config(at + "/weights_sha256", "none, because the phase names no teacher",
                "\"" + phase.weights_sha256 + "\"", source);
  }
}

void check(const RunConfig& c, const std::string& source) {
  verify_config(c.network, source);
  verify_config(c.data, source);
  verify_config(c.ctc, source);
  if (c.teacher) verify_digest(c.teacher->weights_sha256, "/teacher/weights_sha256", source);
  if (c.phases.empty()) check_training(c, "", source);
  for (size_t i = 0; i < c.phases.size(); ++i) check_phase(c, i, source);
  verify_recipe(make_recipe(c), source);
  if (c.teacher && !c.teacher->checkpoint.empty() && !c.teacher->train.start.empty()) {
    fail_config("/teacher/start", "no start, because /teacher/checkpoint is a finished teacher",
                "\"" + c.teacher->train.start + "\"", source);
  }
  if (c.teacher) check_train(c.teacher->train, "/teacher", source);
  verify_config(c.exporting, source);
  if (c.quantization) verify_config(*c.quantization, c.exporting, source);
}

}  // namespace

RunConfig read_run_config(const Json& json, const std::string& source) {
  RunConfig config;
  read_record(json, source, [&](RecordVisitor& v) { describe(v, config); });
  check(config, source);
  config.network = resolve_network_config(config.network);
  return config;
}

Json write_run_config(const RunConfig& config) {
  RunConfig copy = config;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

Json run_config_schema() {
  RunConfig config;
  Json schema = Json::object({{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                              {"title", "tailor run configuration"}});
  Json record = record_schema([&](RecordVisitor& v) { describe(v, config); });
  for (auto& [key, value] : record.members()) schema.set(key, std::move(value));
  schema.find("properties")
      ->set("$schema", Json::object({{"type", "string"},
                                     {"description", "Path of the schema, for editors."}}));
  return schema;
}

namespace {

void append_keys(std::vector<ConfigKey>& keys, const std::string& prefix, const Json& schema) {
  for (const auto& [name, field] : schema.at("properties").as_object()) {
    if (name == "comment" || name == "$schema") continue;
    if (field.find("properties")) {
      append_keys(keys, prefix + name + ".", field);
      continue;
    }
    ConfigKey key{prefix + name, field.at("description").as_string(), {}, false};
    const Json* kind = field.find("type");
    key.is_text = kind && kind->is_string() && kind->as_string() == "string";
    if (const Json* names = field.find("enum")) {
      for (const Json& value : names->as_array()) {
        if (value.is_string()) key.values.push_back(value.as_string());
      }
    } else if (const Json* type = field.find("type"); type && *type == Json("boolean")) {
      key.values = {"true", "false"};
    }
    keys.push_back(std::move(key));
  }
}

}  // namespace

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  append_keys(keys, "", run_config_schema());
  return keys;
}

std::string run_config_reference() {
  std::string out =
      "<!-- Generated by `tailor config reference`; a test diffs it. Do not edit. -->\n"
      "# Configuration reference\n\n";
  out += wrap(
      "A run is described by one JSON document. Every key has a default; unknown keys, wrong types "
      "and values out of range are errors that name the file and the JSON Pointer. Every object "
      "also takes a `\"comment\"`. On the command line `--set train.epochs=3` overrides one key. "
      "The JSON Schema for editors is `config.schema.json`.\n",
      100, 0);
  out += record_reference(run_config_schema());
  return out;
}

}  // namespace tailor::run
