#include "tailor/target/hls/project.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "tailor/core/embedded.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "target/hls/emit.h"

namespace tailor {
namespace {

using Slots = std::map<std::string, std::string>;

std::string_view embedded(Span<const EmbeddedFile> files, std::string_view name) {
  for (const EmbeddedFile& file : files) {
    if (name == file.name) return file.text;
  }
  fail(ErrorKind::Internal, "no embedded file {}", name);
}

/// Fills @{slots}. A slot without a value is a bug; so is a value without a slot in any skeleton,
/// which a test looks for.
std::string render(std::string_view text, const Slots& slots) {
  std::string out;
  for (;;) {
    size_t at = text.find("@{");
    if (at == std::string_view::npos) break;
    size_t end = text.find('}', at);
    TAILOR_CHECK(end != std::string_view::npos, "a slot is not closed");
    std::string name(text.substr(at + 2, end - at - 2));
    auto value = slots.find(name);
    TAILOR_CHECK(value != slots.end(), "slot '{}' has no value", name);
    out += text.substr(0, at);
    out += value->second;
    text.remove_prefix(end + 1);
  }
  out += text;
  return out;
}

/// A raw fixed-point value as the shortest decimal that is exact.
std::string exact_decimal(int64_t raw, const FixedType& type) {
  return fmt::format("{}", type.to_double(raw));
}

std::string inputs_text(const Graph& design, const TestVectors& vectors) {
  const Value& in = design.value(input_value(design));
  std::string text = fmt::format("# {}; one sample a line, {} values: rows x columns x channels\n",
                                 vectors.source, in.shape.size());
  for (const auto& image : vectors.inputs) {
    for (size_t i = 0; i < image.size(); ++i) {
      if (i > 0) text += ' ';
      text += exact_decimal(quantise(image[i], *in.type), *in.type);
    }
    text += '\n';
  }
  return text;
}

std::string expected_text(const Graph& design, const TestVectors& vectors) {
  const Value& out = design.value(output_value(design));
  std::string text = fmt::format("# raw logits of {}: value = raw / 2^{}\n", to_string(*out.type),
                                 out.type->fraction());
  for (const auto& sample : vectors.expected) {
    for (size_t k = 0; k < sample.size(); ++k) text += (k ? " " : "") + std::to_string(sample[k]);
    text += '\n';
  }
  return text;
}

Json port_json(const Graph& design, const char* name, int id) {
  const Value& v = design.value(id);
  return Json::object(
      {{"name", name},
       {"type", to_string(*v.type)},
       {"token_bits", token_bits(design, id)},
       {"tokens", v.shape.pixels()},
       {"channels", v.shape.channels},
       {"order", "one token a pixel, row by row; channel c at bits [c*W, (c+1)*W)"}});
}

Json layers_json(const Graph& design) {
  Json::Array layers;
  for (const Node& node : design.nodes) {
    if (node.op == Op::Input || node.op == Op::Output) continue;
    const Value& out = design.value(node.outputs[0]);
    Json layer = Json::object({{"name", node.name},
                               {"stage", node.identifier},
                               {"op", to_string(node.op)},
                               {"output", to_string(out.shape)},
                               {"type", to_string(*out.type)}});
    if (node.hardware.weight) {
      layer.set("weight", to_string(*node.hardware.weight));
      layer.set("accumulator", to_string(*node.hardware.accumulator));
      layer.set("reuse_factor", node.hardware.reuse_factor);
      layer.set("multipliers", node.hardware.multipliers);
    }
    if (node.op == Op::Conv2d) {
      auto list = [&](const char* key, const std::vector<std::string>& ids) {
        if (!ids.empty()) layer.set(key, Json::array(ids));
      };
      list("stream_skips", node.conv().stream_skips);
      list("window_skips", node.conv().window_skips);
      list("folded_skips", node.conv().folded_skips);
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

Json fifos_json(const Graph& design) {
  Json::Array fifos;
  const int first = input_value(design), last = output_value(design);
  for (size_t id = 0; id < design.values.size(); ++id) {
    if (static_cast<int>(id) == first || static_cast<int>(id) == last) continue;
    const Value& v = design.values[id];
    fifos.push_back(Json::object({{"name", v.identifier},
                                  {"depth", v.fifo_depth},
                                  {"bits", token_bits(design, static_cast<int>(id))},
                                  {"storage", to_string(v.fifo_storage)}}));
  }
  return fifos;
}

std::string partition_limit(const Graph& design) {
  const int64_t elements = largest_register_array(design);
  if (elements <= kMostPartitioned) return "";
  return fmt::format("config_array_partition -maximum_size {}\n", elements);
}

}  // namespace

bool is_project(const std::string& folder) {
  const std::string path = path_join(folder, "manifest.json");
  if (!path_exists(path)) return false;
  try {
    return Json::parse(read_file(path), path).get_string("format", "") == "tailor.project";
  } catch (const Error&) {
    return false;
  }
}

void write_project(const Graph& lowered, const Graph& design, const TestVectors& vectors,
                   const ProjectOptions& options, const std::string& output) {
  TAILOR_CHECK(design.state == "design" && lowered.state == "lowered", "{} and {}", lowered.state,
               design.state);
  TAILOR_CHECK(vectors.inputs.size() == vectors.expected.size() && !vectors.expected.empty(),
               "{} vectors", vectors.inputs.size());
  if (path_exists(output) && !is_empty_directory(output)) {
    if (!options.force) {
      fail(ErrorKind::Usage,
           "--output {}: it exists already; name another folder, or add --force to replace it",
           output);
    }
    if (!is_project(output)) {
      fail(ErrorKind::Usage,
           "--output {}: --force replaces projects only, and this is none (no manifest.json of "
           "tailor); name another folder",
           output);
    }
  }

  const std::string& top = options.top;
  const bool vitis = options.backend == HlsBackend::Vitis;
  std::string lowered_bytes = print_graph(lowered);
  const std::string graph_hash = sha256(lowered_bytes);
  const std::string banner = fmt::format("Generated by tailor {} from graph {}; do not edit.",
                                         version(), graph_hash.substr(0, 12));
  Slots slots = {{"banner", banner},
                 {"top", top},
                 {"part", options.part},
                 {"clock_ns", fmt::format("{}", options.clock_ns)},
                 {"uncertainty", vitis ? "27%" : "12.5%"},
                 {"tool", vitis ? "vitis_hls -f" : "vivado_hls -f"},
                 {"cxx_standard", vitis ? "c++14" : "c++0x"},
                 {"flow", vitis ? " -flow_target vivado" : ""},
                 {"partition", vitis ? std::string() : partition_limit(design)},
                 {"description",
                  fmt::format("{} for {}, laid out {}, streams of {}.", design.name, options.part,
                              design.provenance.at("design").at("layout").as_string(),
                              design.provenance.at("design").at("type").as_string())},
                 {"vectors", vectors.source}};

  AtomicDirectory directory(output);
  std::map<std::string, std::string> digests;  // by file, in the order of the manifest
  auto write = [&](const std::string& name, std::string_view text) {
    directory.write(name, text);
    digests[name] = sha256(text);
  };
  write("graph.safetensors", lowered_bytes);
  lowered_bytes = std::string();
  write("design.safetensors", print_graph(design));
  write("firmware/" + top + ".cpp", emit_top_source(design, top, banner));
  write("firmware/" + top + ".h", emit_top_header(design, top, banner));
  write("firmware/defines.h", emit_defines(design, banner));
  write("firmware/parameters.h", emit_parameters(design, banner));
  write("firmware/weights.h", emit_weights_header(design, banner));
  emit_weight_files(design, banner, [&](const WeightFile& file) {
    write("firmware/weights/" + file.name, file.text);
  });
  for (const EmbeddedFile& file : embedded_hls_library()) {
    std::string name = file.name;
    if (name == (vitis ? "tailor/profile_vivado.h" : "tailor/profile_vitis.h")) continue;
    if (name == (vitis ? "tailor/profile_vitis.h" : "tailor/profile_vivado.h"))
      name = "tailor/profile.h";
    write("firmware/" + name, file.text);
  }
  for (const EmbeddedFile& file : embedded_hls_native())
    write(std::string("firmware/native/") + file.name, file.text);
  write("test_bench.h", emit_test_bench_header(design, top, banner));
  write("tb_data/inputs.dat", inputs_text(design, vectors));
  write("tb_data/expected.dat", expected_text(design, vectors));
  for (const EmbeddedFile& file : embedded_hls_skeleton()) {
    const std::string name = file.name;
    write(name == "test_bench.cpp" ? top + "_test.cpp" : name,
          render(embedded(embedded_hls_skeleton(), name), slots));
  }
  ::chmod(path_join(directory.temporary_path(), "build_native.sh").c_str(), 0755);

  Json hashes = Json::object();
  for (auto& [name, digest] : digests) hashes.members().emplace_back(name, std::move(digest));
  Json manifest = Json::object(
      {{"format", "tailor.project"},
       {"version", kManifestVersion},
       {"tailor", version()},
       {"network", design.name},
       {"top", top},
       {"part", options.part},
       {"clock_ns", options.clock_ns},
       {"backend", to_string(options.backend)},
       {"graph_sha256", graph_hash},
       {"design", design.provenance.at("design")},
       {"ports", Json::Array{port_json(design, "in", input_value(design)),
                             port_json(design, "out", output_value(design))}},
       {"vectors", Json::object({{"source", vectors.source}, {"count", vectors.expected.size()}})},
       {"layers", layers_json(design)},
       {"fifos", fifos_json(design)}});
  if (options.manifest_extras.is_object()) {
    for (const auto& [key, value] : options.manifest_extras.as_object()) manifest.set(key, value);
  }
  manifest.set("files", std::move(hashes));

  directory.write("manifest.json", manifest.dump(2) + "\n");
  directory.commit();
}

}  // namespace tailor
