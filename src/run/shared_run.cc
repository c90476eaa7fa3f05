#include "tailor/run/shared_run.h"

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/run/results.h"

namespace tailor::run {
namespace {

/// Without what says the same as `defaults`: a key that a later version adds changes no name.
Json without_defaults(const Json& value, const Json& defaults) {
  Json rest = Json::object({});
  for (const auto& [key, member] : value.as_object()) {
    const Json* other = defaults.find(key);
    if (other && *other == member) continue;
    rest.set(key, other && other->is_object() && member.is_object()
                      ? without_defaults(member, *other)
                      : member);
  }
  return rest;
}

/// What decides the weights: of a described network the description, of a user's own data set the
/// place and the names in it, of other weights their digest; where an official set lies says
/// nothing.
std::string deciding_text(const Phase& phase, const RunConfig& config, const Network& network,
                          const DataSplits& data) {
  RunConfig key = config;
  if (!key.data.is_own()) key.data.root.clear();
  key.network.file.clear();
  key.runtime = {};
  key.exporting = {};
  if (key.teacher) key.teacher->checkpoint.clear();
  if (is_named(key.train.start))
    key.train.start = weights_digest(load_checkpoint(key.train.start).tensors);
  std::string text = without_defaults(write_run_config(key), write_run_config({})).dump();
  if (config.network.family == "file") text += write_network(network).dump();
  if (key.data.is_own()) {
    text += names_digest(data);
  } else if (data.kind == ExampleKind::Images &&
             label_names(data) != official_class_names(data.name)) {
    text += join(data.class_names, "/");  // in the order of some weights
  }
  if (phase.keep_optimizer) text += "keep_optimizer";
  return text;
}

}  // namespace

std::string shared_folder(const std::string& run, const Phase& phase, const RunConfig& config,
                          const Network& network, const DataSplits& data) {
  const std::string parent = parent_path(run),
                    key = sha256(deciding_text(phase, config, network, data)).substr(0, 10);
  return path_join(path_join(parent.empty() ? "." : parent, "teachers"),
                   fmt::format("{}-{}-teacher-{}", network.name, config.data.name, key));
}

/// A name leaves defaults out, so a teacher of a version with another default may have the same.
void check_same_run(const RunConfig& config, const RunFolder& folder) {
  if (!RunFolder::is_run(folder.path())) return;
  const std::string file = folder.file("config.json");
  auto deciding = [](RunConfig c) {
    c.runtime = {};
    c.exporting = {};
    c.data.root.clear();
    c.network.file.clear();
    c.train.start.clear();
    if (c.teacher) c.teacher->checkpoint.clear();
    return write_run_config(c);
  };
  const Json rest = without_defaults(
      deciding(read_run_config(Json::parse(read_file(file), file), file)), deciding(config));
  if (rest.as_object().empty()) return;
  fail(ErrorKind::Data,
       "{}: expected the teacher that the run asks for, got one with {}; move it away, and it is "
       "trained anew",
       folder.path(), rest.dump());
}

void check_same_order(const Checkpoint& checkpoint, const RunFolder& folder,
                      const DataSplits& data) {
  if (data.kind != ExampleKind::Images) return;
  std::vector<std::string> learnt = checkpoint.class_names;
  if (learnt.empty()) learnt = official_class_names(data.name);
  const std::vector<std::string> now = label_names(data);
  if (learnt.empty() || now.empty() || learnt == now) return;
  fail(
      ErrorKind::Data,
      "{}: expected a run with the classes in the order of the weights that it goes with ({}), got "
      "one with {}; put those weights back as they were, or move it away and it is trained anew",
      folder.path(), join(now, ", "), join(learnt, ", "));
}

Checkpoint load_finished(const RunFolder& folder) {
  const std::string path = path_exists(folder.best()) ? folder.best() : folder.last();
  Checkpoint c = load_checkpoint(path);
  const RunSummary summary = read_summary(folder.file("summary.json"));
  const bool best = path == folder.best();
  if (best && !summary.best)
    fail(ErrorKind::Data, "{}: it says nothing of {}", folder.file("summary.json"), path);
  const RunSummary::Judgement& found = best ? *summary.best : summary.last;
  auto value = [](const RecordedFigure& f) { return f.value ? Json(*f.value) : Json(); };
  c.metrics = Json::object({{"run", c.run},
                            {"checkpoint", file_name(path)},
                            {"validation_" + found.test.name, value(found.validation)},
                            {"test_" + found.test.name, value(found.test)}});
  return c;
}

void write_config(RunFolder& folder, RunConfig& config, const Network& network) {
  RunConfig written = config;
  if (config.network.family == "file") {
    folder.write(kDescription, write_network(network));
    config.network.file = absolute_path(folder.file(kDescription));
    written.network.file = kDescription;
  }
  folder.write("config.json", write_run_config(written));
}

}  // namespace tailor::run
