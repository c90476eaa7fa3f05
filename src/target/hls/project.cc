// The files of an HLS project: C++ of this design, the library, vectors and scripts.
#include "target/hls/project.h"

#include <map>

#include "tailor/core/embedded.h"
#include "tailor/core/strings.h"
#include "tailor/ir/line_buffer.h"
#include "target/hls/emit.h"
#include "target/hls/printer.h"

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
  return fmt::format("config_array_partition -maximum_size {}\n", elements);
}

Slots slots_of(const ProjectContents& contents, const Manifest& manifest,
               const std::string& banner) {
  const bool vitis = contents.backend == HlsBackend::Vitis;
  const Graph& design = contents.design.design;
  return {{"banner", banner},
          {"top", manifest.top},
          {"part", manifest.part},
          {"clock_ns", fmt::format("{}", manifest.clock_ns)},
          {"uncertainty", vitis ? "27%" : "12.5%"},
          {"tool", vitis ? "vitis_hls -f" : "vivado_hls -f"},
          {"cxx_standard", vitis ? "c++14" : "c++0x"},
          {"flow", vitis ? " -flow_target vivado" : ""},
          {"partition", vitis ? std::string() : partition_limit(design)},
          {"description", fmt::format("{} for {}, laid out {}, streams of {}.", design.name,
                                      manifest.part, manifest.design.layout, manifest.design.type)},
          {"vectors", contents.vectors.source}};
}

/// What is the same in every project of a tool.
void write_library(const Graph& design, bool vitis, ProjectFiles& files) {
  const bool lines = has_line_buffers(design);
  for (const EmbeddedFile& file : embedded_hls_library()) {
    std::string name = file.name;
    if (name == (vitis ? "tailor/profile_vivado.h" : "tailor/profile_vitis.h")) continue;
    if (name == (vitis ? "tailor/memory_vivado.h" : "tailor/memory_vitis.h")) continue;
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

}  // namespace

void write_hls_project(const ProjectContents& contents, Manifest& manifest, ProjectFiles& files) {
  const Graph& design = contents.design.design;
  const std::string& top = manifest.top;
  const std::string banner = fmt::format("Generated by tailor {} from graph {}; do not edit.",
                                         manifest.tailor, manifest.graph_sha256.substr(0, 12));
  manifest.ports = {port_of(design, "in", design.input()), port_of(design, "out", design.output())};
  files.write("firmware/" + top + ".cpp", emit_top_source(design, top, banner));
  files.write("firmware/" + top + ".h", emit_top_header(design, top, banner));
  files.write("firmware/defines.h", emit_defines(design, banner));
  files.write("firmware/parameters.h", emit_parameters(design, banner));
  files.write("firmware/weights.h", emit_weights_header(design, banner));
  emit_weight_files(design, banner, [&](const WeightFile& file) {
    files.write("firmware/weights/" + file.name, file.text);
  });
  write_library(design, contents.backend == HlsBackend::Vitis, files);
  files.write("test_bench.h", emit_test_bench_header(design, top, banner));
  files.write("tb_data/inputs.dat", inputs_text(design, contents.vectors));
  files.write("tb_data/expected.dat", expected_text(design, contents.vectors));
  const Slots slots = slots_of(contents, manifest, banner);
  for (const EmbeddedFile& file : embedded_hls_skeleton()) {
    const std::string name = file.name;
    files.write(name == "test_bench.cpp" ? top + "_test.cpp" : name, render(file.text, slots));
  }
  files.make_executable("build_native.sh");
}

}  // namespace tailor::target
