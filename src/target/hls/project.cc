// The files of an HLS project: C++ of this design, the library, vectors and scripts.
#include "target/hls/project.h"

#include <map>

#include "tailor/core/embedded.h"
#include "tailor/core/strings.h"
#include "tailor/ir/line_buffer.h"
#include "target/hls/drawing.h"
#include "target/hls/emit.h"
#include "target/hls/printer.h"
#include "target/hls/readme.h"

namespace tailor::target {
namespace {

using Slots = std::map<std::string, std::string>;

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
  const Value& in = design.value(design.input());
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
  const Value& out = design.value(design.output());
  std::string text = fmt::format("# raw logits of {}: value = raw / 2^{}\n", to_string(*out.type),
                                 out.type->fraction());
  for (const auto& sample : vectors.expected) {
    for (size_t k = 0; k < sample.size(); ++k) text += (k ? " " : "") + std::to_string(sample[k]);
    text += '\n';
  }
  return text;
}

Manifest::Port port_of(const Graph& design, const char* name, ValueId id) {
  const Value& v = design.value(id);
  return {name,
          to_string(*v.type),
          v.fold == 1 ? "one token a pixel, row by row; channel c at bits [c*W, (c+1)*W)"
                      : fmt::format("{} tokens a frame, frame by frame, the first channels first; "
                                    "channel c of a token at bits [c*W, (c+1)*W)",
                                    v.fold),
          token_bits(design, id),
          v.tokens(),
          v.token_channels()};
}

std::string partition_limit(const Graph& design) {
  const int64_t elements = largest_register_array(design);
  if (elements <= kMostPartitioned) return "";
  return fmt::format("  config_array_partition -maximum_size {}\n", elements);
}

/// Bits of a word of a card's memory: DDR4 banks of 64 bytes a cycle.
constexpr int64_t kBeatBits = 512;

/// As tailor::Beats counts them (library/tailor/kernel.h).
int64_t beats_of(const Manifest::Port& port) {
  if (port.token_bits > kBeatBits) return port.tokens * ((port.token_bits - 1) / kBeatBits + 1);
  const int64_t per_beat = kBeatBits / port.token_bits;
  return (port.tokens + per_beat - 1) / per_beat;
}

Manifest::Kernel kernel_of(const ProjectContents& contents, const Manifest& manifest) {
  const Device& device = contents.design.device;
  if (device.platform.empty() || device.memory.empty()) {
    fail(ErrorKind::Unsupported,
         "--target kernel: the device {} names no platform and no memory bank to link for; add "
         "`platform` and `memory` to its file, or use --target ip",
         device.name);
  }
  return {manifest.top + "_kernel",
          device.platform,
          device.memory,
          kBeatBits,
          beats_of(manifest.ports[0]),
          beats_of(manifest.ports[1])};
}

void add_port_slots(Slots& slots, const std::string& name, const Manifest::Port& port,
                    const Value& value, int64_t beats) {
  auto set = [&](const char* key, int64_t number) { slots[name + key] = std::to_string(number); };
  set("_tokens", port.tokens);
  set("_channels", port.channels);
  set("_token_bits", port.token_bits);
  set("_width", value.type->width);
  set("_fraction", value.type->fraction());
  set("_beats", beats);
  slots[name + "_signed"] = value.type->is_signed ? "true" : "false";
}

void add_kernel_slots(Slots& slots, const ProjectContents& contents, const Manifest& manifest) {
  const Graph& design = contents.design.design;
  const Manifest::Kernel& kernel = manifest.kernel;
  const int64_t images = manifest.vectors_count;
  slots["kernel"] = kernel.name;
  slots["platform"] = kernel.platform;
  slots["memory"] = kernel.memory;
  slots["beat_bits"] = std::to_string(kernel.beat_bits);
  slots["mhz"] = std::to_string(static_cast<int64_t>(1000 / manifest.clock_ns));
  add_port_slots(slots, "input", manifest.ports[0], design.value(design.input()),
                 kernel.input_beats);
  add_port_slots(slots, "output", manifest.ports[1], design.value(design.output()),
                 kernel.output_beats);
  slots["input_token"] = token_name(design.value(design.input()));
  slots["output_token"] = token_name(design.value(design.output()));
  slots["input_depth"] = std::to_string(kernel.input_beats * images);
  slots["output_depth"] = std::to_string(kernel.output_beats * images);
}

Slots slots_of(const ProjectContents& contents, const Manifest& manifest,
               const std::string& banner) {
  const bool vitis = contents.backend == HlsBackend::Vitis;
  const Graph& design = contents.design.design;
  const bool kernel = manifest.has_kernel;
  const std::string hls_top = kernel ? manifest.kernel.name : manifest.top;
  std::vector<std::string> sources = native_sources(manifest.top, kernel);
  sources.pop_back();  // the test bench
  return {{"banner", banner},
          {"hls_top", hls_top},
          {"sources", join(sources, " ")},
          {"export", kernel ? fmt::format("-format xo -output [file join $root {}.xo]", hls_top)
                            : std::string("-format ip_catalog -version 0.1.0")},
          {"package", kernel ? "xo" : "IP catalogue entry"},
          {"top", manifest.top},
          {"part", manifest.part},
          {"clock_ns", fmt::format("{}", manifest.clock_ns)},
          {"uncertainty", vitis ? "27%" : "12.5%"},
          {"cxx_standard", vitis ? "c++14" : "c++0x"},
          {"flow", !vitis   ? ""
                   : kernel ? " -flow_target vitis"
                            : " -flow_target vivado"},
          {"hls", vitis ? "$(shell command -v vitis-run >/dev/null 2>&1 && "
                          "echo vitis-run --mode hls --tcl || echo vitis_hls -f)"
                        : "vivado_hls -f"},
          {"tool", vitis ? "vitis-run --mode hls --tcl" : "vivado_hls -f"},
          {"partition", vitis ? std::string() : partition_limit(design)},
          {"vectors", contents.vectors.source}};
}

/// What is the same in every project of a tool.
void write_library(const Graph& design, bool vitis, bool kernel, ProjectFiles& files) {
  const bool lines = has_line_buffers(design);
  for (const EmbeddedFile& file : embedded_hls_library()) {
    std::string name = file.name;
    if (name == (vitis ? "tailor/profile_vivado.h" : "tailor/profile_vitis.h")) continue;
    if (name == (vitis ? "tailor/memory_vivado.h" : "tailor/memory_vitis.h")) continue;
    if (!kernel && name == "tailor/kernel.h") continue;
    if (!lines && (name == "tailor/conv1d.h" || name.rfind("tailor/memory_", 0) == 0)) continue;
    if (name == (vitis ? "tailor/memory_vitis.h" : "tailor/memory_vivado.h"))
      name = "tailor/memory.h";
    if (name == (vitis ? "tailor/profile_vitis.h" : "tailor/profile_vivado.h"))
      name = "tailor/profile.h";
    files.write("firmware/" + name, file.text);
  }
  for (const LibraryHeader& header : own_headers(design)) {
    if (!header.text.empty()) files.write("firmware/" + header.name, header.text);
  }
  for (const EmbeddedFile& file : embedded_hls_native())
    files.write(std::string("firmware/native/") + file.name, file.text);
}

/// Where a skeleton goes; "": into no project of this kind.
std::string path_of_skeleton(const std::string& skeleton, const std::string& top, bool kernel) {
  const std::string prefix = "kernel/";
  if (skeleton == "test_bench.cpp") return top + "_test.cpp";
  if (!starts_with(skeleton, prefix)) return skeleton;
  if (!kernel) return "";
  const std::string name = skeleton.substr(prefix.size());
  if (name == "kernel.cpp" || name == "kernel.h") return "firmware/" + top + "_" + name;
  return name;
}

void write_skeletons(const ProjectContents& contents, const Manifest& manifest,
                     const std::string& banner, ProjectFiles& files) {
  const bool kernel = manifest.has_kernel;
  Slots slots = slots_of(contents, manifest, banner);
  if (kernel) add_kernel_slots(slots, contents, manifest);
  for (auto& [name, text] : readme_parts(contents, manifest)) slots[name] = std::move(text);
  for (const EmbeddedFile& file : embedded_hls_skeleton()) {
    const std::string path = path_of_skeleton(file.name, manifest.top, kernel);
    if (!path.empty()) files.write(path, render(file.text, slots));
  }
  files.make_executable("build_native.sh");
}

}  // namespace

void write_hls_project(const ProjectContents& contents, Manifest& manifest, ProjectFiles& files) {
  const Graph& design = contents.design.design;
  const std::string& top = manifest.top;
  const std::string banner = fmt::format("Generated by tailor {} from graph {}; do not edit.",
                                         manifest.tailor, manifest.graph_sha256.substr(0, 12));
  manifest.ports = {port_of(design, "in", design.input()), port_of(design, "out", design.output())};
  const bool kernel = manifest.has_kernel = contents.package == HlsPackage::Kernel;
  std::optional<KernelMemory> memory;
  if (kernel) {
    manifest.kernel = kernel_of(contents, manifest);
    memory = {manifest.kernel.input_beats, manifest.kernel.output_beats, manifest.vectors_count};
  }
  files.write("firmware/" + top + ".cpp", emit_top_source(design, top, banner, !kernel));
  files.write("firmware/" + top + ".h", emit_top_header(design, top, banner));
  files.write("firmware/defines.h", emit_defines(design, banner));
  files.write("firmware/parameters.h", emit_parameters(design, banner));
  files.write("firmware/weights.h", emit_weights_header(design, banner));
  emit_weight_files(design, banner, [&](const WeightFile& file) {
    files.write("firmware/weights/" + file.name, file.text);
  });
  write_library(design, contents.backend == HlsBackend::Vitis, kernel, files);
  files.write("test_bench.h", emit_test_bench_header(design, top, banner, memory));
  files.write("tb_data/inputs.dat", inputs_text(design, contents.vectors));
  files.write("tb_data/expected.dat", expected_text(design, contents.vectors));
  files.write("dataflow.svg", draw_dataflow(contents.design.design));
  write_skeletons(contents, manifest, banner, files);
}

}  // namespace tailor::target
