// tailor import: a file of foreign weights becomes a checkpoint like any other. Nothing is written
// unless every tensor of the network was found and none was left over.
#include <algorithm>
#include <cmath>

#include "cli/source.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/net/weight_rules.h"
#include "tailor/tensors/safetensors.h"
#include "tailor/tensors/weight_file.h"

namespace tailor {
namespace {

constexpr int64_t kWitnessImages = 4;

struct Candidate {
  WeightRules rules;
  NetworkConfig config;
  Network network;
  WeightMatch match;
};

Candidate try_rules(const WeightRules& rules, const NamedNetwork& named,
                    const ImportOptions& options, const TensorMap& file) {
  Candidate c{rules, named.config, {}, {}};
  if (rules.shortcut == to_string(Shortcut::Pad)) c.config.shortcut = Shortcut::Pad;
  if (rules.shortcut == to_string(Shortcut::Projection)) c.config.shortcut = Shortcut::Projection;
  if (named.config.family == "file" && (options.classes || options.image_size)) {
    fail(ErrorKind::Usage,
         "--classes, --image-size: {} says {} classes and the input {} itself; change it there",
         options.network, named.network.classes, to_string(named.network.input));
  }
  MapShape input = named.network.input;
  if (options.image_size) input.height = input.width = *options.image_size;
  c.network = make_network(c.config, input, options.classes.value_or(named.network.classes));
  // A description of one's own cannot say that a layer has no bias.
  const bool own = named.config.family == "file";
  c.match = match_weights(file, rules, c.network, options.prefix, own);
  return c;
}

/// The rules asked for, or the first that account for every tensor, or the nearest ones.
Candidate choose_rules(const ImportOptions& options, const TensorMap& file) {
  const NamedNetwork named = network_by_name(options.network);
  if (!options.rules.empty())
    return try_rules(load_weight_rules(options.rules), named, options, file);
  std::optional<Candidate> best;
  for (const std::string& name : weight_rule_names()) {
    const WeightRules rules = load_weight_rules(name);
    const auto& families = rules.families;
    // A network of the user's own may be named like any other.
    if (named.config.family != "file" &&
        std::find(families.begin(), families.end(), named.config.family) == families.end())
      continue;
    Candidate c = try_rules(rules, named, options, file);
    if (c.match.complete()) return c;
    const auto faults = [](const Candidate& x) {
      return x.match.missing.size() + x.match.left_over.size() + x.match.misshapen.size();
    };
    if (!best || faults(c) < faults(*best)) best = std::move(c);
  }
  TAILOR_CHECK(best, "no rules for the family {}", named.config.family);
  return *best;
}

/// The data set that such images and classes are known from; the user may say another.
Json usual_data(const Network& network) {
  const MapShape& input = network.input;
  if (input == MapShape{3, 32, 32} && network.classes == 10)
    return Json::object({{"name", "cifar10"}});
  if (input == MapShape{3, 32, 32} && network.classes == 100)
    return Json::object({{"name", "cifar100"}});
  if (input.channels == 3 && input.height == input.width && input.height <= kLargestImageSize)
    return Json::object({{"name", "folder"}, {"image_size", input.height}});
  return Json::object({{"name", "npy"}});
}

/// No weight of a trained network is infinite, no number or a negative variance.
void verify_values(const TensorMap& tensors, const std::string& file) {
  for (const auto& [name, tensor] : tensors) {
    const bool variance = name.size() > 12 && name.substr(name.size() - 12) == ".running_var";
    const auto values = tensor.as<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i]) && !(variance && values[i] < 0)) continue;
      fail(ErrorKind::Data,
           "{}: the tensor that becomes {} holds {} at element {}, expected {}; the network was "
           "saved after its training had failed, or the file is damaged",
           file, name, values[i], i, variance ? "a variance" : "a finite number");
    }
  }
}

Tensor noise_inputs(const Network& network, const Preprocessing& preprocessing) {
  const MapShape& shape = network.input;
  Tensor inputs(DType::F32, {kWitnessImages, shape.channels, shape.height, shape.width});
  float* at = inputs.as<float>().data();
  for (int64_t i = 0; i < kWitnessImages; ++i) {
    for (double v : noise_image(shape, preprocessing, i)) *at++ = static_cast<float>(v);
  }
  return inputs;
}

}  // namespace

int run_import(const ImportOptions& options) {
  if (!is_regular_file(options.file)) {
    fail(ErrorKind::Usage, "{}: {}", options.file,
         path_exists(options.file) ? "expected a file, got a folder, a pipe or a device"
                                   : "there is no such file");
  }
  const WeightFile file = load_weight_file(options.file);
  const Candidate chosen = choose_rules(options, file.tensors);
  if (!chosen.match.rivals.empty()) {
    fail(
        ErrorKind::Usage,
        "{}: {} is in the file {} times, under the prefixes '{}' and '{}'; say which with --prefix",
        options.file, chosen.network.name, chosen.match.rivals.size() + 1, chosen.match.prefix,
        join(chosen.match.rivals, "' and '"));
  }
  const bool complete = chosen.match.complete();
  const std::string report = describe_match(chosen.match, chosen.network, /*whole=*/!complete);
  if (!complete) {
    fail(ErrorKind::Data,
         "{} does not hold the weights of {} by the rules {} ({}): {}\ntry another --network, "
         "--rules (there are {}, or a .json file of your own), or --classes",
         options.file, chosen.network.name, chosen.rules.name, chosen.rules.title, report,
         join(weight_rule_names(), ", "));
  }
  const std::string output =
      options.output.empty() ? path_join("imports", chosen.network.name) : options.output;
  const std::string path = path_join(output, "model.ckpt");
  if (path_exists(path) && !options.force)
    fail(ErrorKind::Usage, "{} exists already; name another --output, or add --force", path);

  Checkpoint c;
  c.network = chosen.network;
  c.tensors = chosen.match.tensors;
  verify_values(c.tensors, options.file);
  c.preprocessing = chosen.rules.preprocessing;
  if (file.format == "safetensors") {  // ours say their preprocessing
    const auto metadata = load_safetensors(options.file, "weights", ForeignTypes::Convert).metadata;
    if (auto found = metadata.find("tailor.preprocessing"); found != metadata.end())
      c.preprocessing = read_preprocessing(Json::parse(found->second, options.file));
  }
  if (!options.mean.empty()) c.preprocessing.mean = options.mean;
  if (!options.deviation.empty()) c.preprocessing.deviation = options.deviation;
  const std::string of_rules = fmt::format(" of the rules {}", chosen.rules.name);
  const std::string mean_is = options.mean.empty() ? "the mean" + of_rules : "--mean",
                    std_is = options.deviation.empty() ? "the deviation" + of_rules : "--std";
  for (const auto& [what, flag, values] :
       {std::tuple(mean_is, "--mean", &c.preprocessing.mean),
        std::tuple(std_is, "--std", &c.preprocessing.deviation)}) {
    if (static_cast<int64_t>(values->size()) != chosen.network.input.channels) {
      fail(ErrorKind::Usage, "{}: expected {} numbers, one a channel, got {}; say yours with {}",
           what, chosen.network.input.channels, values->size(), flag);
    }
  }
  Json config = Json::object(
      {{"network", write_network_config(chosen.config)}, {"data", usual_data(chosen.network)}});
  override_data(config, options.set);
  const RunConfig run = read_run_config(config, "tailor import");
  // The floats of an array are what they are.
  const bool pixels = run.data.name != "npy" && run.data.name != "packed";
  for (double m : c.preprocessing.mean) {
    if (!std::isfinite(m) || (pixels && !(m >= 0 && m <= 1))) {
      fail(ErrorKind::Usage, "{}: expected pixels in 0..1, got {} (of 0..255: divide by 255)",
           mean_is, m);
    }
  }
  for (double d : c.preprocessing.deviation) {
    if (!(d > 0) || !std::isfinite(d) || (pixels && d > 10))
      fail(ErrorKind::Usage, "{}: expected deviations of pixels in 0..1, got {}", std_is, d);
  }
  c.config = write_run_config(run);
  c.run = file_name(output);
  c.position.finished = true;
  c.metrics = Json::object();
  c.witness = CheckpointWitness{fmt::format("{} images of seeded noise", kWitnessImages),
                                noise_inputs(c.network, c.preprocessing), Tensor()};
  c.witness->outputs = open_torch().run_network(c.network, c.tensors, c.witness->inputs);
  for (float v : c.witness->outputs.as<float>()) {
    if (!std::isfinite(v)) {
      fail(ErrorKind::Data,
           "{}: the network made of it answers {} to noise, expected finite outputs; the weights "
           "are "
           "not a trained network's",
           options.file, v);
    }
  }
  for (const std::string& remark : file.remarks) log_info("cli", "{}: {}", options.file, remark);
  create_directories(output);
  save_checkpoint(path, c);

  if (options.json) {
    fmt::print("{}\n", Json::object({{"checkpoint", path},
                                     {"network", c.network.name},
                                     {"rules", chosen.rules.name},
                                     {"format", file.format},
                                     {"remarks", Json::array(file.remarks)},
                                     {"matched", c.tensors.size()},
                                     {"folded", chosen.match.folded.size()},
                                     {"prefix", chosen.match.prefix},
                                     {"preprocessing", write_preprocessing(c.preprocessing)},
                                     {"data", run.data.name},
                                     {"weights_sha256", weights_digest(c.tensors)}})
                           .dump(2));
    return 0;
  }
  fmt::print(
      "{}: {} from {} ({})\nrules {}: {}\n{}\npreprocessing: {}\ndata: {}\n"
      "next: tailor evaluate --checkpoint {}{}\n",
      path, c.network.name, options.file, file.format, chosen.rules.name, chosen.rules.title,
      report, write_preprocessing(c.preprocessing).dump(), run.data.name, output,
      run.data.root.empty() && (run.data.name == "folder" || run.data.name == "npy") ? " --data DIR"
                                                                                     : "");
  return 0;
}

}  // namespace tailor
