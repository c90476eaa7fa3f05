#include "cli/source.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/data/source.h"
#include "tailor/design/lower.h"
#include "tailor/design/reuse_factors.h"
#include "tailor/emulate/float64.h"
#include "tailor/run/origin.h"
#include "tailor/target/manifest.h"
#include "tailor/task/task.h"
#include "tailor/tensors/input_noun.h"

namespace tailor::cli {
namespace {

constexpr int64_t kCalibrationImages = 4;
constexpr int64_t kNoiseSeed = 1;

Preprocessing default_preprocessing(int64_t channels) {
  const Preprocessing cifar10 = usual_preprocessing("cifar10");
  Preprocessing p;
  for (int64_t c = 0; c < channels; ++c) {
    const auto as = static_cast<size_t>(c) % cifar10.mean.size();
    p.mean.push_back(cifar10.mean[as]);
    p.deviation.push_back(cifar10.deviation[as]);
  }
  return p;
}

GraphSource from_checkpoint(const std::string& path) {
  Checkpoint c = load_checkpoint(path);
  warn_of_assumptions(c, path);
  Graph graph = lower(c.network, c.tensors, "checkpoint " + path).take();
  if (!c.witness) {
    fail(ErrorKind::Data, "checkpoint {}: it has no witness; let tailor train finish, or resume it",
         path);
  }
  graph.witness =
      Witness{c.witness->source, c.witness->inputs, c.witness->outputs, c.witness->quantised};
  verify_witness(graph, "checkpoint " + path);
  graph.provenance = Json::object({{"run", c.run},
                                   {"weights_sha256", weights_digest(c.tensors)},
                                   {"preprocessing", write_preprocessing(c.preprocessing)},
                                   {"config", c.config}});
  if (c.metrics.is_object() && !c.metrics.as_object().empty())
    graph.provenance.set("metrics", c.metrics);
  if (!c.assumptions.empty()) graph.provenance.set("assumptions", Json::array(c.assumptions));
  if (c.precision) graph.provenance.set("precision", write_trained_precision(*c.precision));
  RunConfig config = read_run_config(c.config, path);
  GraphSource source(Lowered(std::move(graph), "checkpoint " + path));
  source.name = c.run;
  source.title = path;
  source.preprocessing = c.preprocessing;
  source.class_names = c.class_names;
  source.data = config.data;
  source.ctc = config.ctc;
  source.exporting = config.exporting;
  if (c.precision) source.exporting = with_precision(source.exporting, *c.precision);
  return source;
}

GraphSource from_graph(const std::string& path) {
  Graph graph = load_graph(path);
  const Json provenance = graph.provenance;
  graph.provenance.erase("design");
  GraphSource source(Lowered(std::move(graph), "--graph " + path));
  if (source.lowered.graph().witness) verify_witness(source.lowered, "graph file " + path);
  source.name = provenance.get_string("run", source.lowered.graph().name);
  source.title = path;
  const Json* preprocessing = provenance.find("preprocessing");
  source.preprocessing = preprocessing
                             ? read_preprocessing(*preprocessing)
                             : default_preprocessing(source.lowered.graph().input_shape().channels);
  if (const Json* config = provenance.find("config"); config && config->is_object()) {
    RunConfig run = read_run_config(*config, path);
    source.data = run.data;
    source.ctc = run.ctc;
    source.exporting = run.exporting;
  }
  if (const Json* precision = provenance.find("precision")) {
    source.exporting = with_precision(source.exporting, read_trained_precision(*precision, path));
  }
  return source;
}

GraphSource from_name(const std::string& name) {
  Network network = network_by_name(name).network;
  const std::string run = network.name + "-untrained";
  const Preprocessing preprocessing = default_preprocessing(network.input.channels);
  Graph graph = lower(network, initial_tensors(network, 1), name).take();
  std::vector<std::vector<double>> images;
  for (int64_t i = 0; i < kCalibrationImages; ++i)
    images.push_back(noise_image(network.input, preprocessing, 1000 + i));
  calibrate_batch_norm(graph, images);
  graph.provenance =
      Json::object({{"run", run},
                    {"untrained", "initial weights, batch norm statistics from seeded noise"},
                    {"preprocessing", write_preprocessing(preprocessing)}});
  GraphSource source(Lowered(std::move(graph), name));
  source.name = run;
  source.title = network.name + " with initial weights";
  source.preprocessing = preprocessing;
  return source;
}

}  // namespace

std::string channels_text(const std::vector<double>& values) {
  constexpr size_t kListed = 4;
  const bool equal =
      std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
  if (equal && values.size() > kListed)
    return fmt::format("{:.6g} in each of {} channels", values[0], values.size());
  std::string text;
  for (double v : values) text += fmt::format("{}{:.6g}", text.empty() ? "" : ",", v);
  return text;
}

std::vector<double> noise_image(const MapShape& shape, const Preprocessing& p, int64_t index) {
  CounterRandom random(kNoiseSeed, RandomStream::Noise, static_cast<uint64_t>(index));
  if (p.mean.empty()) {  // sequences come normalised
    std::vector<double> sequence(static_cast<size_t>(shape.size()));
    for (double& v : sequence) v = random.normal();
    return sequence;
  }
  std::vector<double> image(static_cast<size_t>(shape.size()));
  for (int64_t c = 0; c < shape.channels; ++c) {  // drawn channel by channel, as always
    const auto channel = static_cast<size_t>(c) % p.mean.size();  // older files have three means
    for (int64_t i = 0; i < shape.pixels(); ++i) {
      const double pixel = p.low + (p.high - p.low) * static_cast<double>(random.below(256)) / 255;
      image[static_cast<size_t>(i * shape.channels + c)] =
          (pixel - p.mean[channel]) / p.deviation[channel];
    }
  }
  return image;
}

std::string newest_finished_checkpoint(const std::string& runs) {
  std::string newest;
  timespec newest_time{};
  if (is_directory(runs)) {
    for (const std::string& name : list_directory(runs)) {
      const std::string folder = path_join(runs, name), summary = path_join(folder, "summary.json");
      struct stat info {};
      if (::stat(summary.c_str(), &info) != 0) continue;
      const bool newer =
          newest.empty() || info.st_mtim.tv_sec > newest_time.tv_sec ||
          (info.st_mtim.tv_sec == newest_time.tv_sec && info.st_mtim.tv_nsec > newest_time.tv_nsec);
      if (newer) newest = folder, newest_time = info.st_mtim;
    }
  }
  if (newest.empty()) {
    fail(ErrorKind::Usage,
         "there is no finished run in ./{}; train one, or give --checkpoint F (a network without "
         "weights is looked at with tailor export --network NAME --untrained)",
         runs);
  }
  newest = resolve_checkpoint(newest);
  log_info("cli", "newest finished run: {}", newest);
  return newest;
}

GraphSource open_graph_source(const std::string& checkpoint, const std::string& graph,
                              const std::string& network, bool untrained) {
  std::vector<std::string> given;
  if (!checkpoint.empty()) given.emplace_back("--checkpoint");
  if (!graph.empty()) given.emplace_back("--graph");
  if (!network.empty()) given.emplace_back("--network");
  if (given.size() > 1)
    fail(ErrorKind::Usage, "{}: each names a network; give one of them", join(given, " and "));
  if (!network.empty() && !untrained) {
    fail(ErrorKind::Usage,
         "--network {}: it has no trained weights; add --untrained to look at its shape, or give "
         "--checkpoint F",
         network);
  }
  if (network.empty() && untrained)
    fail(ErrorKind::Usage, "--untrained: expected --network NAME with it");
  if (!graph.empty()) return from_graph(graph);
  if (!network.empty()) return from_name(network);
  if (!checkpoint.empty()) return from_checkpoint(resolve_checkpoint(checkpoint));
  return from_checkpoint(newest_finished_checkpoint("runs"));
}

std::optional<Graph> design_beside(const std::string& graph) {
  const std::string folder = parent_path(absolute_path(graph));
  if (file_name(graph) != "graph.safetensors" || !is_project(folder)) return std::nullopt;
  const std::string design = path_join(folder, "design.safetensors");
  const Manifest manifest = read_manifest(folder);
  for (const auto& [name, digest] : manifest.files) {
    const std::string file = path_join(folder, name);
    if ((name != file_name(graph) && name != file_name(design)) ||
        sha256(read_file(file)) == digest)
      continue;
    fail(ErrorKind::Mismatch,
         "--graph {}: expected {} as the project was exported, it was changed since; export the "
         "project again, or say the types (--precision)",
         graph, file);
  }
  return load_graph(design);
}

/// Other types than those of training are another network, and whoever asks for them is told what
/// differs. One type is another network than stages with types of their own.
static void settle_trained(ExportConfig& c, const ExportConfig& before,
                           const HardwareOptions& flags, bool in_file) {
  if (!before.trained) return;
  TrainedPrecision asked = in_file ? *c.trained : *before.trained;
  const bool types = !in_file && flags.precision &&
                     precision_text(c.type("--precision")) != before.trained->text();
  if (types) {
    asked.weights = asked.activations = c.precision;
    asked.scales.clear(), asked.stages.clear();
  }
  asked.rounding = c.rounding, asked.overflow = c.overflow, asked.layout = c.layout;
  const std::string changes = asked.changes_from(*before.trained);
  if (!changes.empty()) {
    log_warn("cli",
             "the network was trained at {}, {}, {}, {}; with {} it is another one, whose accuracy "
             "nobody knows",
             before.trained->text(), to_string(before.rounding), to_string(before.overflow),
             to_string(before.layout), changes);
  }
  if (in_file) return;
  if (types) {
    c.trained.reset();
    return;
  }
  if (changes.empty()) return;
  asked.is_as_trained = false;
  c.trained = std::make_shared<TrainedPrecision>(asked);
}

/// --precision FILE.json: types, modes and layout as the file has them.
static ExportConfig with_types_of(const std::string& file, const ExportConfig& c,
                                  const HardwareOptions& flags) {
  if (flags.rounding || flags.overflow || flags.layout) {
    fail(ErrorKind::Usage,
         "--precision {}: the file says rounding, overflow and layout; leave --rounding, "
         "--overflow and --layout out",
         file);
  }
  TrainedPrecision types =
      read_trained_precision(Json::parse(read_file(file, "--precision"), file), file);
  types.is_trained = false;
  return with_precision(c, types);
}

/// --reuse-factor N, or FILE.json with exceptions.
static void take_reuse_factor(const std::string& text, ExportConfig& c) {
  if (has_extension(text, ".json")) {
    const ReuseFactors f =
        read_reuse_factors(Json::parse(read_file(text, "--reuse-factor"), text), text);
    c.reuse_factor = f.reuse_factor;
    c.stage_factors = f.by_stage();
    return;
  }
  const auto factor = parse_int(text);
  if (!factor) {
    fail(ErrorKind::Usage,
         "--reuse-factor: expected an integer or the path of a file (.json), "
         "got '{}'",
         text);
  }
  c.reuse_factor = *factor;
  c.stage_factors.clear();
}

/// What a configuration checks as its record, of flags.
static void verify_ranges(const ExportConfig& c, const HardwareOptions& flags) {
  if (!(c.clock_ns >= 0.5 && c.clock_ns <= 1000))
    fail(ErrorKind::Usage, "--clock-ns: expected 0.5 to 1000 nanoseconds, got {}", c.clock_ns);
  if (c.reuse_factor && *c.reuse_factor < 1)
    fail(ErrorKind::Usage, "--reuse-factor: expected at least 1, got {}", *c.reuse_factor);
  if (!(c.card_share >= 0.01 && c.card_share <= 1))
    fail(ErrorKind::Usage, "--card-share: expected 0.01 to 1, got {}", c.card_share);
  if (c.vectors < 1 || c.vectors > 10000)
    fail(ErrorKind::Usage, "--vectors: expected 1 to 10000, got {}", c.vectors);
  if (flags.frames && *flags.frames < 1) {
    fail(
        ErrorKind::Usage,
        "--frames {}: expected 1 to the network's own frames; without the flag a project takes all "
        "of them",
        *flags.frames);
  }
  if (c.token_bits < 1 || c.token_bits > 4096)
    fail(ErrorKind::Usage, "--token-bits: expected 1 to 4096, got {}", c.token_bits);
}

ExportConfig apply_hardware(ExportConfig c, const HardwareOptions& flags) {
  auto choose = [](const char* flag, const std::string& text, auto& value) {
    using E = std::decay_t<decltype(value)>;
    if (auto found = find_enumerator<E>(text)) {
      value = *found;
      return;
    }
    const std::vector<std::string> list = texts(enumerator_names<E>());
    fail(ErrorKind::Usage, "{}: expected one of {}; got '{}'{}", flag, join(list, ", "), text,
         did_you_mean(text, list));
  };
  const ExportConfig before = c;
  const bool in_file = flags.precision && has_extension(*flags.precision, ".json");
  if (in_file) {
    c = with_types_of(*flags.precision, c, flags);
  } else if (flags.precision) {
    c.precision = *flags.precision;
  }
  if (flags.fpga) c.fpga = *flags.fpga;
  if (flags.rounding) choose("--rounding", *flags.rounding, c.rounding);
  if (flags.overflow) choose("--overflow", *flags.overflow, c.overflow);
  if (flags.backend) choose("--backend", *flags.backend, c.backend);
  if (flags.target) choose("--target", *flags.target, c.target);
  if (flags.layout) choose("--layout", *flags.layout, c.layout);
  if (flags.skips) choose("--skips", *flags.skips, c.skips);
  if (flags.skips && c.layout == Layout::Stock && c.skips != SkipForm::Cloned) {
    fail(ErrorKind::Usage, "--skips {}: of --layout stock; expected cloned, as stock always has it",
         *flags.skips);
  }
  if (flags.clock_ns) c.clock_ns = *flags.clock_ns;
  if (flags.reuse_factor) take_reuse_factor(*flags.reuse_factor, c);
  if (flags.card_share) c.card_share = *flags.card_share;
  if (flags.card_share && c.reuse_factor) {
    log_warn("cli", "--card-share has no effect: {} leaves nothing to balance",
             flags.reuse_factor ? "--reuse-factor" : "export.reuse_factor");
  }
  if (flags.dsp_packing) c.dsp_packing = true;
  if (flags.vectors) c.vectors = *flags.vectors;
  if (flags.frames) c.frames = *flags.frames;
  if (flags.token_bits) c.token_bits = *flags.token_bits;
  c.type("--precision");
  if (c.target == HlsPackage::Kernel && c.backend == HlsBackend::Vivado) {
    fail(ErrorKind::Usage,
         "--target kernel: a kernel is built by Vitis HLS; expected --backend vitis, got vivado");
  }
  settle_trained(c, before, flags, in_file);
  verify_ranges(c, flags);
  return c;
}

Lowered without_weights(const Network& network) {
  TensorMap zeros;
  for (const TensorSpec& spec : tensor_specs(network))
    zeros.emplace(spec.name, Tensor(DType::F32, spec.shape));
  return lower(network, zeros, network.name);
}

ExportConfig export_of(const Checkpoint& c, const std::string& file) {
  const ExportConfig exporting = read_run_config(c.config, file).exporting;
  return c.precision ? with_precision(exporting, *c.precision) : exporting;
}

SizingEstimate estimate_network(const Network& network, const ExportConfig& config) {
  return estimate_export(without_weights(network), config);
}

void override_data(Json& config, const std::vector<std::string>& assignments) {
  bool named = false, sized = false, counted = false;
  for (const std::string& assignment : assignments) {
    apply_override(config, assignment);
    named |= assignment.rfind("data.name=", 0) == 0;
    sized |= assignment.rfind("data.image_size=", 0) == 0;
    counted |= assignment.rfind("data.test_size=", 0) == 0;
  }
  // So many were another set's.
  if (Json* data = config.find("data"); data && named && !counted) data->erase("test_size");
  Json* data = config.find("data");
  DataConfig now;
  if (data) now.name = data->get_string("name", now.name);
  if (!named || sized || now.any_size()) return;
  for (const char* size : {"image_size", "resize", "channels"}) data->erase(size);
}

void warn_of_unread_keys(const std::vector<std::string>& assignments, const std::string& command,
                         const std::vector<std::pair<std::string, std::string>>& unread) {
  for (const std::string& assignment : assignments) {
    const std::string key = assignment.substr(0, assignment.find('='));
    std::string why =
        key != "data" && key.rfind("data.", 0) != 0 ? "it reads keys of data.* only" : "";
    for (const auto& [prefix, reason] : unread) {
      if (key.rfind(prefix, 0) == 0) why = reason;
    }
    if (!why.empty()) log_warn("cli", "--set {} has no effect on {}: {}", key, command, why);
  }
}

DataConfig evaluation_data(const DataConfig& run, const EvaluateOptions& options) {
  return evaluation_config(run, {}, options).data;
}

std::string test_limit_text(const DataConfig& config, int64_t count) {
  const bool limits = config.test_size == count && !traits_of(config).in_memory;
  return limits ? " that data.test_size lets in" : "";
}

/// The folder of --data; "": none is given. `other`: what else the user may do.
static void take_root(DataConfig& config, const std::string& root, const char* other = "") {
  if (root.empty()) return;
  if (traits_of(config).in_memory) {
    fail(ErrorKind::Usage,
         "--data {}: the data set {} is made in memory and reads no folder; leave it out{}", root,
         config.name, other);
  }
  config.root = root;
}

EvaluationConfig evaluation_config(const DataConfig& data, const CtcConfig& ctc,
                                   const EvaluateOptions& options, const std::string& command) {
  RunConfig whole;
  whole.data = data;
  whole.data.augment.clear();  // evaluation has none, and another kind of set knows other ones
  whole.ctc = ctc;
  Json json = write_run_config(whole);
  const bool sequences = traits_of(data).kind != ExampleKind::Images;
  std::vector<std::string> of_data;
  for (const std::string& assignment : options.set) {
    if (sequences && starts_with(assignment, "ctc.")) {
      apply_override(json, assignment);
      continue;
    }
    if (!starts_with(assignment, "data.")) {
      fail(ErrorKind::Usage, "--set {}: {} takes keys of data.*{} only", assignment, command,
           sequences ? " and ctc.*" : "");
    }
    of_data.push_back(assignment);
  }
  const std::string plain = "evaluation augments nothing",
                    own = "the network's own preprocessing is applied";
  warn_of_unread_keys(of_data, command,
                      {{"data.augment", plain},
                       {"data.random_resized_crop", plain},
                       {"data.color_jitter", plain},
                       {"data.cutout", plain},
                       {"data.mixup", plain},
                       {"data.mean", own},
                       {"data.deviation", own}});
  override_data(json, of_data);
  RunConfig asked = read_run_config(json, command + " (--set)");
  take_root(asked.data, options.data, ", or name the set that is there: --set data.name=NAME");
  return {std::move(asked.data), std::move(asked.ctc)};
}

Checkpoint load_unquantised(const GraphSource& source, const char* command, const char* why) {
  Checkpoint c = load_checkpoint(source.title);
  if (!c.precision) return c;
  fail(ErrorKind::Unsupported,
       "{}: {} was trained quantised, and {}; expected a checkpoint from before that, or one "
       "trained "
       "without quantization",
       command, source.title, why);
}

void widen_value_range(GraphSource& source, const DataConfig& config) {
  Preprocessing& p = source.preprocessing;
  if (!traits_of(config).arrays || p.low != 0 || p.high != 1) return;
  try {
    const Preprocessing found = open_test_data(config).preprocessing;
    p.low = std::min(p.low, found.low);
    p.high = std::max(p.high, found.high);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data) throw;
    log_warn("cli", "{}: the range of its input values is not known, 0..1 is assumed: {}",
             source.title, e.what());
  }
}

double magnitude_of(const GraphSource& source) {
  const bool sequences = source.data && traits_of(*source.data).kind != ExampleKind::Images;
  return sequences || source.preprocessing.mean.empty() ? kSequenceMagnitude
                                                        : source.preprocessing.magnitude();
}

namespace {

/// The beginnings of the first test examples, as wide as the graph; behind a shorter one zeros.
TestVectors sequence_vectors(const GraphSource& source, const DataConfig& config,
                             const DataSplits& data, int64_t count) {
  TestVectors samples;
  const MapShape shape = source.lowered.graph().input_shape();
  const auto task = make_task(data, {}, config, source.ctc, config.seed);
  count = std::min(count, task->size(Split::Test));
  Batch batch;
  for (int64_t i = 0; i < count; ++i) {
    task->collate(Split::Test, {&i, 1}, std::nullopt, batch);
    const auto values = batch.inputs.as<float>();
    const size_t own = std::min(values.size(), static_cast<size_t>(shape.size()));
    std::vector<double> input(static_cast<size_t>(shape.size()), 0.0);
    std::copy_n(values.data(), own, input.begin());
    samples.inputs.push_back(std::move(input));
  }
  samples.source = fmt::format("the first {} test {}s of {}", count, task->unit(), config.name);
  return samples;
}

}  // namespace

TestVectors sample_vectors(const GraphSource& source, const std::string& data_root, int64_t count) {
  TestVectors samples;
  const MapShape shape = source.lowered.graph().input_shape();
  if (source.data) {
    DataConfig config = *source.data;
    if (!data_root.empty()) config.root = data_root;
    try {
      DataSplits data = open_test_data(config);
      verify_data_fits(data, shape, source.lowered.graph().classes(), source.title);
      if (data.kind != ExampleKind::Images) return sequence_vectors(source, config, data, count);
      const Images test = as_images(data.test);
      count = std::min(count, test->size());
      for (int64_t i = 0; i < count; ++i) {
        std::vector<float> image = normalised_hwc(*test, i, shape, source.preprocessing);
        samples.inputs.emplace_back(image.begin(), image.end());
      }
      samples.source = fmt::format("the first {} test images of {}", count, config.name);
      return samples;
    } catch (const Error& e) {
      if (!data_root.empty() || e.kind() != ErrorKind::Data) throw;
      log_warn("cli", "no test {}s for the vectors, using seeded noise instead: {}",
               input_noun(shape), e.what());
    }
  } else if (!data_root.empty()) {
    fail(ErrorKind::Usage, "--data {}: the network does not say which data set it belongs to",
         data_root);
  }
  for (int64_t i = 0; i < count; ++i)
    samples.inputs.push_back(noise_image(shape, source.preprocessing, i));
  samples.source = fmt::format("{} {}s of seeded noise", count, input_noun(shape));
  return samples;
}

DataSplits open_images(const GraphSource& source, const std::string& root, const char* command) {
  if (!source.data || traits_of(*source.data).kind != ExampleKind::Images)
    fail(ErrorKind::Unsupported, "{}: {} is not of a data set of images", command, source.title);
  DataConfig config = *source.data;
  take_root(config, root);
  DataSplits data = open_data(config);
  order_classes(data, source.class_names);
  verify_data_fits(data, source.lowered.graph().input_shape(), source.lowered.graph().classes(),
                   source.title, source.class_names);
  return data;
}

Inputs training_images(const GraphSource& source, const DataSplits& data, int64_t count) {
  const Images images = as_images(data.train);
  Inputs inputs;
  for (int64_t i = 0; i < std::min(count, images->size()); ++i) {
    const std::vector<float> image =
        normalised_hwc(*images, i, source.lowered.graph().input_shape(), source.preprocessing);
    inputs.emplace_back(image.begin(), image.end());
  }
  return inputs;
}

}  // namespace tailor::cli
