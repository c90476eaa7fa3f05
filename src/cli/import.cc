// tailor import: a file of foreign weights becomes a checkpoint like any other. Nothing is written
// unless every tensor of the network was found and none was left over.
#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "cli/import.h"
#include "cli/source.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/features.h"
#include "tailor/data/images.h"
#include "tailor/data/sequences.h"
#include "tailor/data/source.h"
#include "tailor/net/weight_rules.h"
#include "tailor/tensors/onnx.h"
#include "tailor/tensors/safetensors.h"
#include "tailor/tensors/weight_file.h"

namespace tailor::cli {
namespace {

/// More faults than this are another network's, and are not named one by one.
constexpr size_t kMostNamed = 40;
constexpr size_t kOnnxBeginning = 64;  // bytes that tell a model

struct Candidate {
  WeightRules rules;
  NetworkConfig config;
  Network network;
  WeightMatch match;
  size_t faults() const {
    return match.missing.size() + match.left_over.size() + match.misshapen.size();
  }
};

bool is_pad(const std::string& shortcut) { return shortcut != to_string(Shortcut::Projection); }

bool allows_shortcut(const WeightRules& rules, const std::string& asked) {
  return rules.shortcut.empty() || asked.empty() || is_pad(rules.shortcut) == is_pad(asked);
}

Candidate try_rules(const WeightRules& rules, const NamedNetwork& named,
                    const ImportOptions& options, const TensorMap& file) {
  Candidate c{rules, named.config, {}, {}};
  // A description of one's own says all this itself, but not that a layer has no bias.
  const bool own = named.config.family == "file";
  if (own && (options.classes || options.image_size || !options.shortcut.empty())) {
    fail(ErrorKind::Usage,
         "--classes, --image-size, --shortcut: {} says {} classes, the input {} and its skips "
         "itself; change it there",
         options.network, named.network.classes(), to_string(named.network.input));
  }
  const std::string& shortcut = options.shortcut.empty() ? rules.shortcut : options.shortcut;
  c.config.shortcut = find_enumerator<Shortcut>(shortcut).value_or(c.config.shortcut);
  c.config.join = find_enumerator<Join>(rules.join).value_or(c.config.join);
  MapShape input = named.network.input;
  if (options.image_size) input.height = input.width = *options.image_size;
  c.network = make_network(c.config, input, options.classes.value_or(named.network.classes()));
  c.match = match_weights(file, rules, c.network, options.prefix, own, options.new_head);
  return c;
}

/// The rules asked for, or the first that account for every tensor, or two or more of them together
/// (stem of one program, head of another), or the nearest ones.
Candidate choose_rules(const ImportOptions& options, const TensorMap& file) {
  const NamedNetwork named = network_by_name(options.network);
  if (!options.rules.empty()) {
    const WeightRules rules = load_weight_rules(options.rules);
    if (!allows_shortcut(rules, options.shortcut)) {
      fail(ErrorKind::Usage, "--shortcut {}: the rules {} are of networks with the shortcut {}",
           options.shortcut, rules.name, rules.shortcut);
    }
    return try_rules(rules, named, options, file);
  }
  std::vector<Candidate> tried;
  for (const std::string& name : weight_rule_names()) {
    const WeightRules rules = load_weight_rules(name);
    const auto& families = rules.families;
    // A network of the user's own may be named like any other.
    if ((named.config.family != "file" &&
         std::find(families.begin(), families.end(), named.config.family) == families.end()) ||
        !allows_shortcut(rules, options.shortcut))
      continue;
    tried.push_back(try_rules(rules, named, options, file));
    if (tried.back().match.complete()) return tried.back();
  }
  TAILOR_CHECK(!tried.empty(), "no rules for the family {}", named.config.family);
  std::stable_sort(tried.begin(), tried.end(),
                   [](const Candidate& x, const Candidate& y) { return x.faults() < y.faults(); });
  Candidate nearest = tried.front();
  for (const Candidate& first : tried) {
    Candidate mixed = first;
    for (const Candidate& other : tried) {
      if (&other == &first || other.rules.layout != first.rules.layout) continue;
      Candidate c = try_rules(combined(mixed.rules, other.rules), named, options, file);
      if (c.faults() < mixed.faults()) mixed = std::move(c);
    }
    if (mixed.match.complete()) return mixed;
    if (mixed.faults() < nearest.faults()) nearest = std::move(mixed);
  }
  return nearest;
}

/// Built-in networks that the file does hold, but for the number of classes.
std::vector<std::string> networks_in(const TensorMap& file, const ImportOptions& options) {
  std::vector<int64_t> sizes;
  for (const auto& [name, tensor] : file) sizes.push_back(tensor.size());
  std::sort(sizes.begin(), sizes.end());
  /// No name is looked at before there are tensors of all the body's sizes.
  auto may_hold = [&](const Network& network) {
    std::vector<int64_t> needed;
    for (const TensorSpec& spec : tensor_specs(network)) {
      if (!starts_with(spec.name, "fc.") && !starts_with(spec.name, "head."))
        needed.push_back(element_count(spec.shape));
    }
    std::sort(needed.begin(), needed.end());
    return std::includes(sizes.begin(), sizes.end(), needed.begin(), needed.end());
  };
  std::vector<std::string> fitting;
  for (const std::string& name : network_names()) {
    NamedNetwork named = network_by_name(name);
    NetworkConfig pad = named.config;
    pad.shortcut = Shortcut::Pad;
    if (name == options.network ||
        !(may_hold(named.network) ||
          may_hold(make_network(pad, named.network.input, named.network.classes()))))
      continue;
    ImportOptions other;
    other.network = name;
    other.new_head = true;
    if (choose_rules(other, file).match.complete()) fitting.push_back(name);
  }
  return fitting;
}

/// What to try when the weights do not fit, the nearest first.
std::string advice(const Candidate& c, const TensorMap& file, const ImportOptions& options) {
  const std::vector<std::string> networks = networks_in(file, options);
  std::string text = networks.empty()
                         ? "try another --network, "
                         : fmt::format("it holds the weights of {}: give that --network; else try ",
                                       join(networks, " or "));
  const auto& match = c.match;
  const bool head = std::all_of(match.misshapen.begin(), match.misshapen.end(), [](const auto& m) {
    return m.find(" → fc.") != std::string::npos || m.find(" → head.") != std::string::npos;
  });
  if (head && !match.misshapen.empty() && match.missing.empty() && match.left_over.empty()) {
    text =
        "only the last layer differs: say its --classes, or begin a new one with --new-head; "
        "else try ";
  }
  return fmt::format(
      "{}--rules (there are {}, or a .json file of your own), --shortcut or "
      "--classes",
      text, join(weight_rule_names(), ", "));
}

/// A network on sequences has none: they are normalised before they are its input.
Preprocessing preprocessing_of_file(const Json& in_file, int64_t channels) {
  const Preprocessing p = read_preprocessing(in_file);
  if (!p.mean.empty() || !p.deviation.empty()) return p;
  const auto n = static_cast<size_t>(channels);
  return {std::vector<double>(n, 0), std::vector<double>(n, 1)};
}

std::string numbers(const std::vector<double>& values) {
  std::string text;
  for (double v : values) text += fmt::format("{}{:.6g}", text.empty() ? "" : ",", v);
  return text;
}

/// What images of the data set are commonly normalised by, but for `taken` and its near kin; with
/// the mean or the deviation that the user says.
std::vector<Preprocessing> other_preprocessings(const std::string& family,
                                                const std::string& data_name,
                                                const Preprocessing& taken,
                                                const ImportOptions& options) {
  constexpr double kSame = 0.003;
  std::vector<Preprocessing> known = {usual_preprocessing(data_name)}, others;
  for (const std::string& name : weight_rule_names()) {
    const WeightRules rules = load_weight_rules(name);
    const auto& families = rules.families;
    if ((rules.data.empty() || rules.data == data_name) &&
        std::find(families.begin(), families.end(), family) != families.end())
      known.push_back(rules.preprocessing);
  }
  for (const char* common : {"folder", "npy"}) known.push_back(usual_preprocessing(common));
  auto near = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](double x, double y) { return std::abs(x - y) < kSame; });
  };
  auto same = [&](const Preprocessing& a, const Preprocessing& b) {
    return near(a.mean, b.mean) && near(a.deviation, b.deviation);
  };
  for (Preprocessing& p : known) {
    if (p.mean.size() != taken.mean.size()) continue;
    if (!options.mean.empty()) p.mean = taken.mean;
    if (!options.deviation.empty()) p.deviation = taken.deviation;
    const bool seen = std::any_of(others.begin(), others.end(),
                                  [&](const Preprocessing& other) { return same(p, other); });
    if (!same(p, taken) && !seen) others.push_back(p);
  }
  return others;
}

/// The command again, but for another output folder, and the evaluation of its result, unless its
/// head is new: that has learnt nothing yet.
std::string try_command(const ImportOptions& o, const std::string& changes,
                        const std::string& output, const std::string& data_flag) {
  std::string text = "tailor import " + shell_quote(o.file);
  auto flag = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format(" {} {}", name, shell_quote(value));
  };
  if (changes.find("--network") == std::string::npos) flag("--network", o.network);
  flag("--rules", o.rules);
  if (o.prefix) flag("--prefix", *o.prefix);
  if (changes.find("--shortcut") == std::string::npos) flag("--shortcut", o.shortcut);
  if (o.classes) flag("--classes", std::to_string(*o.classes));
  if (o.image_size) flag("--image-size", std::to_string(*o.image_size));
  if (changes.find("--mean") == std::string::npos) {
    flag("--mean", numbers(o.mean));
    flag("--std", numbers(o.deviation));
  }
  if (o.new_head) text += " --new-head";
  flag("--class-names", o.class_names);
  for (const std::string& set : o.set) flag("--set", set);
  const std::string folder = shell_quote(output);
  text += fmt::format(" {} --output {}", changes, folder);
  if (o.new_head) return text;
  return fmt::format("{} && tailor evaluate --checkpoint {}{}", text, folder, data_flag);
}

/// Our own safetensors files say of which network they are, and with which preprocessing.
std::optional<Json> own_metadata(const TensorFile& file, const std::string& key,
                                 const std::string& path) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? std::nullopt
                                      : std::optional(Json::parse(found->second, path));
}

/// The candidate that is complete, once; else the error that says what is wrong.
Candidate find_weights(const ImportOptions& options, const TensorMap& file) {
  Candidate chosen = choose_rules(options, file);
  if (!chosen.match.complete()) {
    fail(ErrorKind::Data, "{} does not hold the weights of {} by the rules {} ({}): {}\n{}",
         options.file, chosen.network.name, chosen.rules.name, chosen.rules.title,
         describe_match(chosen.match, chosen.network, chosen.faults() <= kMostNamed),
         advice(chosen, file, options));
  }
  if (!chosen.match.rivals.empty()) {
    fail(
        ErrorKind::Usage,
        "{}: {} is in the file {} times, under the prefixes '{}' and '{}'; say which with --prefix",
        options.file, chosen.network.name, chosen.match.rivals.size() + 1, chosen.match.prefix,
        join(chosen.match.rivals, "' and '"));
  }
  return chosen;
}

/// Takes the kind of pad that one of our own files says. Whether the kind of shortcut is known.
bool settle_shortcut(Candidate& chosen, const ImportOptions& options,
                     const std::optional<Json>& in_file) {
  if (!options.shortcut.empty() || chosen.config.family == "file" ||
      chosen.config.shortcut == Shortcut::Projection)
    return true;
  for (const Shortcut shortcut : {Shortcut::Pad, Shortcut::PadEnd}) {
    NetworkConfig config = chosen.config;
    config.shortcut = shortcut;
    const Network network = make_network(config, chosen.network.input, chosen.network.classes());
    if (!in_file || write_network(network) != *in_file) continue;
    chosen.config = config, chosen.network = network;
    return true;
  }
  return false;
}

/// Where this import goes, and what its images are.
struct Destination {
  std::string output, path;
  DataConfig data;
  std::string data_flag;  // of a command that needs to be told where they are
};

/// Writes down what nobody said; returns the commands that try it otherwise.
std::vector<std::string> note_assumptions(Checkpoint& c, const Candidate& chosen,
                                          const PreprocessingChoice& preprocessing,
                                          bool shortcut_known, const Destination& to,
                                          const ImportOptions& options) {
  std::vector<std::string> commands;
  auto also = [&](const std::string& changes) {
    commands.push_back(try_command(
        options, changes, fmt::format("{}-{}", to.output, commands.size() + 2), to.data_flag));
  };
  if (!preprocessing.assumed.empty()) {
    std::vector<std::string> taken;
    if (options.mean.empty()) taken.push_back("mean " + channels_text(c.preprocessing.mean));
    if (options.deviation.empty())
      taken.push_back("deviation " + channels_text(c.preprocessing.deviation));
    c.assumptions.push_back(
        fmt::format("the preprocessing of {}: {}", preprocessing.assumed, join(taken, ", ")));
    for (const Preprocessing& p :
         other_preprocessings(chosen.config.family, to.data.name, c.preprocessing, options))
      also(fmt::format("--mean {} --std {}", numbers(p.mean), numbers(p.deviation)));
  }
  if (!shortcut_known) {
    const bool end = chosen.config.shortcut == Shortcut::PadEnd;  // by rules of the user's own
    const char *half = "half of the zero channels before and half behind (pad)",
               *all = "all of the zero channels behind (pad_end)";
    c.assumptions.push_back(fmt::format("that shortcuts put {}, which has the same tensors as {}",
                                        end ? all : half, end ? half : all));
    also(end ? "--shortcut pad" : "--shortcut pad_end");
  }
  if (chosen.config.family == "resnet_imagenet" && chosen.config.depth >= 50) {
    NetworkConfig other = chosen.config;  // of the same tensors
    other.stride_on =
        other.stride_on == StrideOn::First1x1 ? StrideOn::Conv3x3 : StrideOn::First1x1;
    also("--network " + make_network(other, c.network.input, c.network.classes()).name);
  }
  if (to.data.any_size() && c.class_names.empty() && !options.new_head) {
    c.assumptions.push_back(
        "that the classes are the sorted names of the data set's folders (else --class-names)");
  }
  return commands;
}

/// The training that a new head waits for, whole: what differs from an embedded configuration is
/// set. DIR is the reader's.
std::string start_command(const Candidate& chosen, const Network& network, const Destination& to) {
  const std::string base = to.data.is_own() ? "resnet18_folder" : "resnet20_remove";
  const RunConfig run = load_run_config(base, {}).config;
  std::string text =
      fmt::format("tailor train --config {} --set teacher.start={}", base, shell_quote(to.path));
  auto set = [&](const std::string& key, const Json& value) {
    text +=
        " --set " + shell_quote(key + "=" + (value.is_string() ? value.as_string() : value.dump()));
  };
  const Json theirs = write_network_config(run.network);
  const Json mine = write_network_config(chosen.config);
  for (const auto& [key, value] : mine.as_object()) {
    if (theirs.at(key) != value) set("network." + key, value);
  }
  if (to.data.name != run.data.name) set("data.name", to.data.name);
  if (to.data.is_own()) {
    set("data.root", to.data.root.empty() ? "DIR" : to.data.root);
  } else if (!to.data.root.empty()) {
    set("data.root", to.data.root);
  }
  if (to.data.any_size()) set("data.image_size", network.input.height);
  return text;
}

void print_import(const Checkpoint& c, const Candidate& chosen, const WeightFile& file,
                  const Destination& to, const std::vector<std::string>& commands,
                  const ImportOptions& options) {
  if (options.json) {
    fmt::print("{}\n", Json::object({{"checkpoint", to.path},
                                     {"network", c.network.name},
                                     {"rules", chosen.rules.name},
                                     {"format", file.format},
                                     {"remarks", Json::array(file.remarks)},
                                     {"matched", c.tensors.size() - chosen.match.begun.size()},
                                     {"folded", chosen.match.folded.size()},
                                     {"prefix", chosen.match.prefix},
                                     {"preprocessing", write_preprocessing(c.preprocessing)},
                                     {"shortcut", to_string(chosen.config.shortcut)},
                                     {"new_head", options.new_head},
                                     {"class_names", Json::array(c.class_names)},
                                     {"assumptions", Json::array(c.assumptions)},
                                     {"find_out", Json::array(commands)},
                                     {"data", to.data.name},
                                     {"weights_sha256", weights_digest(c.tensors)}})
                           .dump(2));
    return;
  }
  fmt::print(
      "{}: {} from {} ({})\nrules {}: {}\n{}\npreprocessing: mean {}, deviation {}\ndata: {}\n",
      to.path, c.network.name, options.file, file.format, chosen.rules.name, chosen.rules.title,
      describe_match(chosen.match, chosen.network), channels_text(c.preprocessing.mean),
      channels_text(c.preprocessing.deviation), to.data.name);
  for (const std::string& text : c.assumptions)
    fmt::print("assumed, because the file does not say it: {}\n", text);
  if (options.new_head) {
    fmt::print("next: {}\n", start_command(chosen, c.network, to));
    return;
  }
  fmt::print("next: tailor evaluate --checkpoint {}{}\n", shell_quote(to.output), to.data_flag);
  if (!commands.empty()) {
    fmt::print("an accuracy below the published one? Compare with\n");
    for (const std::string& command : commands) fmt::print("  {}\n", command);
  }
}

/// What only a file of weights needs, and what only a model has.
void need_network(const ImportOptions& options) {
  if (options.scale_bits) {
    fail(ErrorKind::Usage,
         "--scale-bits: {} is no ONNX model, whose scales it is about; leave it out", options.file);
  }
  if (!options.network.empty()) return;
  fail(ErrorKind::Usage,
       "--network: expected the network that {} holds the weights of, by name (tailor config "
       "networks) or as a .json file; only an ONNX model says it itself",
       options.file);
}

}  // namespace

PreprocessingChoice choose_preprocessing(const ImportOptions& options, const WeightRules& rules,
                                         const std::optional<Json>& in_file,
                                         const std::string& data_name, int64_t channels) {
  PreprocessingChoice choice;
  Preprocessing& p = choice.values;
  std::string from = "the file";
  if (in_file) {
    p = preprocessing_of_file(*in_file, channels);
  } else {
    p = rules.preprocessing;
    from = "the rules " + rules.name;
    const Preprocessing usual = usual_preprocessing(data_name);
    // A body keeps what it was trained with, whatever images its new head will see.
    if (!rules.data.empty() && rules.data != data_name && !usual.mean.empty() &&
        !options.new_head) {
      p = usual;
      from = "the data set " + data_name;
      // An array's channels are as many as it has, and their numbers are equal.
      if (data_source(data_name).traits().arrays) {
        p.mean.resize(static_cast<size_t>(channels), usual.mean[0]);
        p.deviation.resize(static_cast<size_t>(channels), usual.deviation[0]);
      }
    }
    // One number of a rule set, as that of features that are normalised already, is every
    // channel's.
    for (std::vector<double>* values : {&p.mean, &p.deviation})
      if (values->size() == 1) values->resize(static_cast<size_t>(channels), values->front());
    // Features and current are normalised by themselves: nobody has to say how.
    const bool images = data_source(data_name).traits().kind == ExampleKind::Images;
    if (images && (options.mean.empty() || options.deviation.empty())) choice.assumed = from;
  }
  if (!options.mean.empty()) p.mean = options.mean;
  if (!options.deviation.empty()) p.deviation = options.deviation;
  choice.mean_from = options.mean.empty() ? "the mean of " + from : "--mean";
  choice.deviation_from = options.deviation.empty() ? "the deviation of " + from : "--std";
  for (const auto& [what, flag, values] :
       {std::tuple(choice.mean_from, "--mean", &p.mean),
        std::tuple(choice.deviation_from, "--std", &p.deviation)}) {
    if (static_cast<int64_t>(values->size()) != channels) {
      fail(ErrorKind::Usage, "{}: expected {} numbers, one a channel, got {}; say yours with {}",
           what, channels, values->size(), flag);
    }
  }
  // The floats of an array are what they are.
  const bool pixels = !data_source(data_name).traits().arrays;
  for (double m : p.mean) {
    if (!std::isfinite(m) || (pixels && !(m >= 0 && m <= 1))) {
      fail(ErrorKind::Usage, "{}: expected pixels in 0..1, got {} (of 0..255: divide by 255)",
           choice.mean_from, m);
    }
  }
  for (double d : p.deviation) {
    if (!std::isfinite(d) || !(d > 0) || (pixels && d > 10)) {
      fail(ErrorKind::Usage, "{}: expected deviations of pixels in 0..1, got {}",
           choice.deviation_from, d);
    }
  }
  return choice;
}

int run_import(const ImportOptions& options) {
  if (!is_regular_file(options.file)) {
    fail(ErrorKind::Usage, "{}: {}", options.file,
         path_exists(options.file) ? "expected a file, got a folder, a pipe or a device"
                                   : "there is no such file");
  }
  if (is_onnx(read_beginning(options.file, kOnnxBeginning, "weight file")))
    return import_onnx(options);
  need_network(options);
  const WeightFile file = load_weight_file(options.file);
  Candidate chosen = find_weights(options, file.tensors);
  Destination to;
  to.output = options.output.empty() ? path_join("imports", chosen.network.name) : options.output;
  to.path = path_join(to.output, "model.ckpt");
  refuse_to_replace("--output", to.path, options.force);

  TensorFile ours;
  if (file.format == "safetensors")
    ours = load_safetensors(options.file, "weights", ForeignTypes::Convert);
  const bool shortcut_known =
      settle_shortcut(chosen, options, own_metadata(ours, "tailor.network", options.file));
  Checkpoint c;
  c.network = chosen.network;
  c.tensors = chosen.match.tensors;
  verify_values(c.tensors, options.file);
  Json config = Json::object(
      {{"network", write_network_config(chosen.config)}, {"data", usual_data(chosen.network)}});
  // As NeMo reads its own: a beam helps little without a language model.
  if (data_source(config.at("data").at("name").as_string()).traits().kind == ExampleKind::Speech)
    config.set("ctc", Json::object({{"beam", 1}}));
  override_data(config, options.set);
  const RunConfig run = read_run_config(config, "tailor import");
  c.config = write_run_config(run);
  to.data = run.data;
  if (to.data.root.empty() && (to.data.is_own() || !traits_of(to.data).fetched))
    to.data_flag = " --data DIR";
  const PreprocessingChoice preprocessing = choose_preprocessing(
      options, chosen.rules, own_metadata(ours, "tailor.preprocessing", options.file), to.data.name,
      chosen.network.input.channels);
  c.preprocessing = preprocessing.values;
  if (!options.class_names.empty())
    c.class_names = read_class_names(options.class_names, chosen.network);
  const std::vector<std::string> commands =
      note_assumptions(c, chosen, preprocessing, shortcut_known, to, options);
  c.run = file_name(to.output);
  c.position.finished = !options.new_head;
  c.metrics = Json::object();
  if (options.new_head) c.metrics.set("new_head", true);
  c.witness = make_witness(c, options.file);
  for (const std::string& remark : file.remarks) log_info("cli", "{}: {}", options.file, remark);
  save_checkpoint(to.path, c);
  print_import(c, chosen, file, to, commands, options);
  return 0;
}

}  // namespace tailor::cli
