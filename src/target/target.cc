// The targets by name, and what a project of any of them has: two graph files and a manifest.
#include "tailor/target/target.h"

#include <sys/stat.h>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "tailor/design/passes.h"
#include "tailor/ir/identifier.h"
#include "tailor/ir/line_buffer.h"
#include "tailor/ir/packing.h"
#include "tailor/ir/weights.h"
#include "target/hls/project.h"

namespace tailor::target {
namespace {

class HlsTarget : public Target {
 public:
  const char* name() const override { return "hls"; }
  void write(const ProjectContents& contents, Manifest& manifest,
             ProjectFiles& files) const override {
    write_hls_project(contents, manifest, files);
  }
  std::unique_ptr<Project> open(const std::string& folder,
                                const Manifest& manifest) const override {
    return open_hls_project(folder, manifest);
  }
};

std::vector<std::unique_ptr<Target>>& targets() {
  static std::vector<std::unique_ptr<Target>> all = [] {
    std::vector<std::unique_ptr<Target>> first;
    first.push_back(make_hls_target());
    return first;
  }();
  return all;
}

/// A folder in the making, with the digest of everything in it.
class HashedFolder : public ProjectFiles {
 public:
  explicit HashedFolder(const std::string& output) : directory_(output) {}
  void write(const std::string& name, std::string_view text) override {
    directory_.write(name, text);
    digests_[name] = sha256(text);
  }
  void make_executable(const std::string& name) override {
    ::chmod(path_join(directory_.temporary_path(), name).c_str(), 0755);
  }
  const std::string& digest(const std::string& name) const { return digests_.at(name); }
  void commit(Manifest& manifest) {
    manifest.files.assign(digests_.begin(), digests_.end());
    Json json = Json::object({{"format", "tailor.project"}, {"version", kManifestVersion}});
    const Json fields = write_record([&](RecordVisitor& v) { manifest.describe(v); });
    for (const auto& [key, value] : fields.as_object()) json.set(key, value);
    directory_.write("manifest.json", json.dump(2) + "\n");
    directory_.commit();
  }

 private:
  AtomicDirectory directory_;
  std::map<std::string, std::string> digests_;  // by file, in the order of the manifest
};

void refuse_existing(const std::string& output, bool force) {
  if (!path_exists(output) || is_empty_directory(output)) return;
  refuse_to_replace("--output", output, force, "folder");
  if (!is_project(output)) {
    fail(ErrorKind::Usage,
         "--output {}: --force replaces projects only, and this is none (no manifest.json of "
         "tailor); name another folder",
         output);
  }
}

std::vector<Manifest::Layer> layers_of(const Design& sized) {
  const Graph& design = sized.graph();
  const std::vector<int64_t>& cycles = sized.sizing().stage_cycles;
  std::vector<Manifest::Layer> layers;
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    if (node.traits().port) continue;
    const Value& out = design.value(node.outputs[0]);
    Manifest::Layer layer;
    layer.name = node.name;
    layer.stage = node.identifier;
    layer.op = to_string(node.op);
    layer.output = to_string(out.shape);
    layer.type = to_string(*out.type);
    if (node.hardware.weight) {
      layer.weight = weight_text(*node.hardware.weight);
      if (node.hardware.scale) layer.scale = to_string(*node.hardware.scale);
      layer.accumulator = to_string(*node.hardware.accumulator);
      layer.packed = node.hardware.packed;
      if (node.hardware.weight_storage != FifoStorage::Auto)
        layer.weight_storage = to_string(node.hardware.weight_storage);
      if (layer.packed) {
        layer.dsp = wide_multipliers(design, node, node.hardware.reuse_factor);
      } else if (node.hardware.multipliers > 0) {
        layer.dsp =
            node.hardware.multipliers *
            dsp_of_multiplier(design.value(node.inputs[0]).type->width, stored_weight(node).width);
      }
    }
    layer.reuse_factor = node.hardware.reuse_factor;
    layer.multipliers = node.hardware.multipliers;
    if (n < cycles.size()) layer.cycles = cycles[n];
    if (has_line_buffer(node)) {
      const LineMemory memory = line_memory(design, node, node.hardware.reuse_factor);
      layer.line_frames = memory.frames;
      layer.line_bits = memory.bits();
      layer.line_storage = to_string(node.hardware.line_storage);
    }
    if (const auto* conv = node.op.get_if<ops::Conv2d>()) {
      for (size_t i = 1; i < node.inputs.size(); ++i)
        layer.stream_skips.push_back(node.inputs[i].skip);
      layer.window_skips = conv->window_skips;
      layer.folded_skips = conv->folded_skips;
      if (node.outputs.size() > 1) layer.hands_on = design.value(node.outputs[1]).identifier;
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<Manifest::Fifo> fifos_of(const Graph& design) {
  std::vector<Manifest::Fifo> fifos;
  for (ValueId id : design.value_ids()) {
    if (id == design.input() || id == design.output()) continue;
    const Value& v = design.value(id);
    fifos.push_back({v.identifier, to_string(v.fifo_storage), v.fifo_depth, v.token_bits()});
  }
  return fifos;
}

Manifest manifest_of(const ProjectContents& contents) {
  const Graph& design = contents.design.design;
  Manifest m;
  m.tailor = version();
  m.network = design.name;
  m.top = make_identifier(design.name);
  m.part = contents.design.device.part;
  m.clock_ns = contents.clock_ns;
  m.backend = contents.backend;
  m.design = read_design_options(design.provenance.at("design"));
  m.vectors_source = contents.vectors.source;
  m.vectors_count = static_cast<int64_t>(contents.vectors.expected.size());
  m.layers = layers_of(contents.design.design);
  m.fifos = fifos_of(design);
  m.source = contents.lowered.graph().provenance;
  if (m.source.is_object()) m.source.erase("config"), m.source.erase("preprocessing");
  m.preprocessing = contents.preprocessing;
  m.quantisation = contents.quantisation;
  m.cost = needs_of(contents.design.cost, contents.design.device, contents.clock_ns,
                    contents.design.limits);
  return m;
}

}  // namespace

std::unique_ptr<Target> make_hls_target() { return std::make_unique<HlsTarget>(); }

void add_target(std::unique_ptr<Target> target) { targets().push_back(std::move(target)); }

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const auto& target : targets()) names.emplace_back(target->name());
  return names;
}

const Target& find_target(const std::string& name) {
  for (const auto& target : targets()) {
    if (name == target->name()) return *target;
  }
  fail(ErrorKind::Usage, "--format: expected {}, got '{}'{}", join(target_names(), " or "), name,
       did_you_mean(name, target_names()));
}

Manifest write_project(const Target& target, const ProjectContents& contents,
                       const std::string& output, bool force) {
  TAILOR_CHECK(contents.vectors.inputs.size() == contents.vectors.expected.size() &&
                   !contents.vectors.expected.empty(),
               "{} vectors", contents.vectors.inputs.size());
  refuse_existing(output, force);
  Manifest manifest = manifest_of(contents);
  manifest.target = target.name();
  HashedFolder folder(output);
  folder.write("graph.safetensors", print_graph(contents.lowered));
  folder.write("design.safetensors", print_graph(contents.design.design));
  manifest.graph_sha256 = folder.digest("graph.safetensors");
  target.write(contents, manifest, folder);
  folder.commit(manifest);
  return manifest;
}

}  // namespace tailor::target
