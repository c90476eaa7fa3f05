// tailor import MODEL.onnx: the model's own graph becomes the network, so nobody names it; its
// tensors, and of QONNX its types, become a checkpoint like any other.
#include "tailor/net/onnx.h"

#include <algorithm>

#include "cli/import.h"
#include "cli/source.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"

namespace tailor::cli {
namespace {

void refuse_flags_of_weights(const ImportOptions& o) {
  for (const auto& [given, flag] :
       {std::pair(!o.network.empty(), "--network"), std::pair(!o.rules.empty(), "--rules"),
        std::pair(o.prefix.has_value(), "--prefix"), std::pair(!o.shortcut.empty(), "--shortcut"),
        std::pair(o.classes.has_value(), "--classes"), std::pair(o.new_head, "--new-head")}) {
    if (!given) continue;
    fail(ErrorKind::Usage,
         "{}: {} is an ONNX model, which says its network, names and classes itself; leave it out",
         flag, o.file);
  }
}

/// "resnet20.onnx" → "resnet20"; what is no name of a folder becomes '_'.
std::string network_name(const std::string& file) {
  std::string name = file_name(file);
  const size_t dot = name.rfind('.');
  if (dot != std::string::npos && dot > 0) name.resize(dot);
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || c == '/' || c == '\\') c = '_';
  }
  return name == "." || name == ".." || name.empty() ? "network" : name;
}

bool has_batch_norm(const Network& network) {
  const std::vector<PlacedLayer> layers = placed_layers(network);
  return std::any_of(layers.begin(), layers.end(),
                     [](const PlacedLayer& l) { return l.as<BatchNormLayer>() != nullptr; });
}

/// What two descriptions have to have in common: everything but a name.
Json shape_of(Network network) {
  network.name = "network";
  network.initialisation = Initialisation::HeNormal;
  network.bn_momentum = 0.1;
  return write_network(network);
}

/// The built-in network that it is, name for name, so that configurations can speak of it.
std::optional<NetworkConfig> known_network(Network& network) {
  const Json shape = shape_of(network);
  for (const std::string& name : network_names()) {
    NetworkConfig config = network_by_name(name).config;
    for (const Shortcut shortcut : {config.shortcut, Shortcut::Pad, Shortcut::PadEnd}) {
      config.shortcut = shortcut;
      Network known;
      try {
        known = make_network(config, network.input, network.classes());
      } catch (const Error&) {
        continue;  // one of sequences, or of larger images
      }
      if (shape_of(known) != shape) continue;
      network = known;
      return config;
    }
  }
  return std::nullopt;
}

/// What the Quant nodes say, as a training's types.
std::optional<TrainedPrecision> precision_of(const OnnxNetwork& model,
                                             const Preprocessing& preprocessing,
                                             const std::string& file) {
  if (model.types.empty()) return std::nullopt;
  TrainedPrecision p;
  auto first = [&](std::string OnnxStageTypes::*part) {
    for (const OnnxStageTypes& s : model.types) {
      if (s.stage != "input" && !(s.*part).empty()) return s.*part;
    }
    return std::string();
  };
  p.weights = first(&OnnxStageTypes::weights);
  p.activations = first(&OnnxStageTypes::activations);
  if (p.weights.empty() || p.activations.empty()) {
    fail(ErrorKind::Unsupported,
         "{}: its Quant nodes round {} only; expected both weights and activations, or neither",
         file, p.weights.empty() ? "activations" : "weights");
  }
  for (const OnnxStageTypes& s : model.types)
    p.stages.push_back({s.stage, s.weights, s.activations, s.scales, s.steps});
  static const std::map<std::string, Rounding> roundings = {
      {"ROUND", Rounding::RndConv},  {"HALF_EVEN", Rounding::RndConv},
      {"FLOOR", Rounding::Trn},      {"DOWN", Rounding::TrnZero},
      {"HALF_UP", Rounding::RndInf}, {"ROUND_TO_ZERO", Rounding::TrnZero}};
  const auto rounding = roundings.find(model.rounding);
  if (rounding == roundings.end()) {
    fail(ErrorKind::Unsupported, "{}: its Quant nodes round by {}, which no type of ours does",
         file, printable(model.rounding));
  }
  p.rounding = rounding->second;
  p.layout = model.rounds_operands ? Layout::Stock : Layout::Fused;
  p.overflow = model.narrow ? Overflow::SatSym : Overflow::Sat;
  // The input's type follows from its magnitude: where the model rounds it, from that type's end.
  p.input_magnitude = preprocessing.magnitude();
  for (const OnnxStageTypes& s : model.types) {
    if (s.stage == "input" && !s.activations.empty())
      p.input_magnitude = parse_precision(s.activations, file).max_value();
  }
  return p;
}

std::optional<Json> own_preprocessing(const OnnxModel& model, const std::string& file) {
  for (const auto& [key, text] : model.metadata) {
    if (key == "tailor.preprocessing") return Json::parse(text, file);
  }
  return std::nullopt;
}

/// The description beside the checkpoint, where it is no built-in network.
struct OnnxImport {
  std::string output, path, description, data_flag;
  std::vector<std::string> remarks;
};

void print_onnx_import(const Checkpoint& c, const OnnxImport& to, const OnnxModel& model,
                       const ImportOptions& options) {
  const std::string data = c.config.at("data").at("name").as_string();
  const size_t skips = skip_ids(c.network).size();
  if (options.json) {
    fmt::print("{}\n", Json::object({{"checkpoint", to.path},
                                     {"network", c.network.name},
                                     {"description", to.description},
                                     {"format", "onnx"},
                                     {"producer", printable(model.producer)},
                                     {"remarks", Json::array(to.remarks)},
                                     {"matched", c.tensors.size()},
                                     {"skips", skips},
                                     {"types", c.precision ? c.precision->text() : ""},
                                     {"preprocessing", write_preprocessing(c.preprocessing)},
                                     {"class_names", Json::array(c.class_names)},
                                     {"assumptions", Json::array(c.assumptions)},
                                     {"data", data},
                                     {"weights_sha256", weights_digest(c.tensors)}})
                           .dump(2));
    return;
  }
  fmt::print("{}: {} from {} (ONNX{})\n{} blocks, {} skips, {} tensors, {} parameters\n", to.path,
             c.network.name, options.file,
             model.producer.empty() ? "" : " by " + printable(model.producer),
             c.network.blocks.size(), skips, c.tensors.size(), parameter_count(c.network));
  if (!to.description.empty()) fmt::print("description: {}\n", to.description);
  if (c.precision) fmt::print("types: {}\n", c.precision->text());
  fmt::print("preprocessing: mean {}, deviation {}\ndata: {}\n",
             channels_text(c.preprocessing.mean), channels_text(c.preprocessing.deviation), data);
  for (const std::string& text : to.remarks) fmt::print("{}\n", text);
  for (const std::string& text : c.assumptions)
    fmt::print("assumed, because the file does not say it: {}\n", text);
  fmt::print("next: tailor evaluate --checkpoint {}{}\n", shell_quote(to.output), to.data_flag);
}

/// A smaller deviation makes the input larger.
void multiply_input(double factor, Checkpoint& c, OnnxImport& to) {
  if (factor == 1) return;
  for (double& d : c.preprocessing.deviation) d /= factor;
  to.remarks.push_back(fmt::format(
      "the deviation of the preprocessing is divided by {:.9g}: the steps of the input's Quant "
      "node become a power of two",
      factor));
}

/// The checkpoint and its description: both or none.
void save(const Checkpoint& c, const OnnxImport& to) {
  std::optional<AtomicFile> description;
  if (!to.description.empty()) {
    description.emplace(to.description);
    description->write(write_network(c.network).dump(2) + "\n");
    description->flush();
  }
  save_checkpoint(to.path, c);
  if (description) description->commit();
}

/// The run section of the checkpoint: network and data.
RunConfig config_of(const Checkpoint& c, const NetworkConfig& network,
                    const ImportOptions& options) {
  Json config =
      Json::object({{"network", write_network_config(network)}, {"data", usual_data(c.network)}});
  override_data(config, options.set);
  return read_run_config(config, "tailor import");
}

}  // namespace

int import_onnx(const ImportOptions& options) {
  refuse_flags_of_weights(options);
  const OnnxModel model = load_onnx(options.file);
  const int64_t size = options.image_size.value_or(0);
  const int scale_bits = static_cast<int>(options.scale_bits.value_or(kOnnxScaleBits));
  OnnxNetwork made =
      network_of_onnx(model, network_name(options.file), options.file, {size, size}, scale_bits);
  OnnxImport to;
  to.remarks = made.remarks;
  Checkpoint c;
  c.network = std::move(made.network);
  c.tensors = std::move(made.tensors);
  verify_values(c.tensors, options.file);
  std::optional<NetworkConfig> known = known_network(c.network);
  to.output = options.output.empty() ? path_join("imports", c.network.name) : options.output;
  to.path = path_join(to.output, "model.ckpt");
  refuse_to_replace("--output", to.path, options.force);
  if (!known) {
    to.description = path_join(to.output, c.network.name + ".json");
    refuse_to_replace("--output", to.description, options.force);
    known.emplace();
    known->family = "file";
    known->file = to.description;
  }
  const RunConfig run = config_of(c, *known, options);
  c.config = write_run_config(run);
  if (run.data.root.empty() && (run.data.is_own() || !traits_of(run.data).fetched))
    to.data_flag = " --data DIR";
  WeightRules none;  // nothing is known of how such a model was trained, but what its data set says
  none.name = none.data = "onnx";
  const PreprocessingChoice preprocessing =
      choose_preprocessing(options, none, own_preprocessing(model, options.file), run.data.name,
                           c.network.input.channels);
  c.preprocessing = preprocessing.values;
  multiply_input(made.input_factor, c, to);
  if (!preprocessing.assumed.empty()) {
    c.assumptions.push_back(
        fmt::format("the preprocessing of {}: mean {}, deviation {} (else --mean, --std)",
                    preprocessing.assumed, channels_text(c.preprocessing.mean),
                    channels_text(c.preprocessing.deviation)));
  }
  if (!options.class_names.empty())
    c.class_names = read_class_names(options.class_names, c.network);
  if (parameter_count(c.network) > 0 && !has_batch_norm(c.network)) {
    to.remarks.push_back(
        "no batch norm: the exporter has folded it into the convolutions, and training goes on "
        "without it");
  }
  c.precision = precision_of(made, c.preprocessing, options.file);
  c.run = file_name(to.output);
  c.position.finished = true;
  c.metrics = Json::object();
  c.witness = make_witness(c, options.file);
  save(c, to);
  print_onnx_import(c, to, model, options);
  return 0;
}

}  // namespace tailor::cli
