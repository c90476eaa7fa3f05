#include "tailor/target/manifest.h"

#include <cmath>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::target {
namespace {

constexpr const char* kFormat = "tailor.project";
constexpr double kAny = HUGE_VAL;

template <class T>
void list_of(RecordVisitor& v, const char* key, std::vector<T>& items, const char* doc) {
  v.list(
      key, items.size(), [&](size_t n) { items.resize(n); },
      [&](RecordVisitor& r, size_t i) { items[i].describe(r); }, doc);
}

void texts_if_any(RecordVisitor& v, const char* key, std::vector<std::string>& values,
                  const char* doc) {
  if (v.wants(!values.empty())) v.texts(key, values, doc);
}

Json parse_manifest(const std::string& path) {
  return Json::parse(read_file(path, "manifest"), path);
}

}  // namespace

void Manifest::DesignOptions::describe(RecordVisitor& v) {
  v.text("layout", layout, "`fused` or `stock`.");
  if (v.wants(!skips.empty())) {
    v.text("skips", skips,
           "`window` or `cloned`: what became of skips, where not all was done that the layout "
           "can (`folded`).");
  }
  v.text("type", type,
         "Type of weights and streams; where they are not all of one, in words what there is of "
         "them: `layers` has each.");
  v.number(
      "input_magnitude", input_magnitude, 0, kAny,
      "Largest magnitude a preprocessed pixel can have; the input's type covers it, if need be "
      "with more bits than the streams; not where the input itself is added to a stream, "
      "which then has the streams' type (a warning says so if it is too small).");
  v.text("card", card, "Name of the device.");
  v.json("reuse_factor", reuse_factor, "Integer: as asked for; or `balanced`.");
  texts_if_any(v, "own_reuse_factors", own_reuse_factors,
               "Stages that were given a reuse factor of their own; absent: none.");
  if (v.wants(card_share != 0.70)) {
    v.number("card_share", card_share, 0, 1,
             "Share of the card's DSPs and LUTs that balanced factors could take; absent: 0.7.");
  }
  if (v.wants(dsp_packing)) {
    v.boolean("dsp_packing", dsp_packing,
              "true: two products of narrow operands share a DSP where they can; absent: false.");
  }
}

std::string Manifest::DesignOptions::types_text() const {
  return starts_with(type, "ap_") ? "streams of " + type : type;
}

void Manifest::Port::describe(RecordVisitor& v) {
  v.text("name", name, "`in` or `out`.");
  v.text("type", type, "Type of an element.");
  v.integer("token_bits", token_bits, 0, INT64_MAX, "Bits of a token on the port.");
  v.integer("tokens", tokens, 0, INT64_MAX, "Tokens of a call.");
  v.integer("channels", channels, 0, INT64_MAX, "Elements of a token.");
  v.text("order", order, "In words.");
}

void Manifest::Kernel::describe(RecordVisitor& v) {
  v.text("name", name, "Name of the kernel, and of its function.");
  v.text("platform", platform, "Platform that it is linked for.");
  v.text("memory", memory, "Memory bank that it reads and writes.");
  v.integer("beat_bits", beat_bits, 8, INT64_MAX, "Bits of a word of that memory.");
  v.integer("input_beats", input_beats, 1, INT64_MAX,
            "Words of an image: whole tokens from the lowest bit on, the rest of a word unused.");
  v.integer("output_beats", output_beats, 1, INT64_MAX, "Words of the answer to an image.");
}

void Manifest::Layer::describe(RecordVisitor& v) {
  v.text("name", name, "Of the stage in the graph.");
  v.text("stage", stage, "Its C++ name.");
  v.text("op", op, "Its operation.");
  v.text("output", output, "Shape of what it writes, `CxHxW`.");
  v.text("type", type, "Type of what it writes.");
  if (v.wants(!weight.empty())) {
    v.text("weight", weight,
           "Type of the weights, or `binary`: -1 and 1; like the next one, of layers that have "
           "any.");
    v.text("accumulator", accumulator, "Type of the exact sum.");
    if (v.wants(!scale.empty())) {
      v.text("scale", scale,
             "Type of the scale that each output channel has, in whose steps its weights are; "
             "absent: it has none.");
    }
  }
  if (v.wants(multipliers > 0)) {
    v.integer("reuse_factor", reuse_factor, 1, INT64_MAX,
              "Products that share a multiplier; like the next one, of layers that multiply.");
    v.integer("multipliers", multipliers, 0, INT64_MAX, "Multipliers.");
    if (v.wants(dsp > 0)) v.integer("dsp", dsp, 0, INT64_MAX, "DSP slices of them, if any (rule).");
    if (v.wants(packed))
      v.boolean("packed", packed, "true: two products share a slice; absent: false.");
  }
  if (v.wants(!weight_storage.empty())) {
    v.text("weight_storage", weight_storage,
           "Where the weights lie that multipliers share: `lutram` or `bram`; absent: nowhere, "
           "each is a constant.");
  }
  if (v.wants(cycles > 0)) {
    v.integer("cycles_model", cycles, 0, INT64_MAX,
              "Clock cycles of an image that never waits. **A model.**");
  }
  if (v.wants(!line_storage.empty())) {
    v.text("line_storage", line_storage,
           "Where its line buffer lies: `registers`, `lutram`, `bram` or `uram`; like the next "
           "two, of convolutions with one.");
    v.integer("line_frames", line_frames, 1, INT64_MAX,
              "Frames that its line buffer holds in turn.");
    v.integer("line_bits", line_bits, 1, INT64_MAX, "Bits of its line buffer.");
  }
  texts_if_any(v, "stream_skips", stream_skips, "Ids of the skips that come in, where any do.");
  texts_if_any(v, "window_skips", window_skips, "Ids of those that are read from the window.");
  texts_if_any(v, "folded_skips", folded_skips, "Ids of those that are part of the kernel.");
  if (v.wants(!hands_on.empty())) {
    v.text("hands_on", hands_on,
           "C++ name of the stream into which it hands its input on, for a skip that begins here.");
  }
}

void Manifest::Fifo::describe(RecordVisitor& v) {
  v.text("name", name, "C++ name of the stream.");
  v.integer("depth", depth, 0, INT64_MAX, "Tokens.");
  v.integer("bits", bits, 0, INT64_MAX, "Bits of a token.");
  v.text("storage", storage, "`srl` (shift registers), `bram` or `uram`.");
}

Manifest::Needs needs_of(const Cost& cost, const Device& device, double clock_ns,
                         const std::vector<Limit>& limits) {
  Manifest::Needs needs;
  needs.cost = cost;
  needs.dsp_available = device.dsp;
  needs.lut_available = device.lut;
  needs.cost.luts_model = std::round(cost.luts_model);
  const double interval_ns = clock_ns * static_cast<double>(cost.interval_cycles);
  needs.images_per_s_model = interval_ns > 0 ? six_digits(1e9 / interval_ns) : 0;
  for (const Limit& limit : limits) needs.warnings.push_back(limit.text);
  return needs;
}

Manifest::DesignOptions read_design_options(const Json& json) {
  Manifest::DesignOptions options;
  read_record(json, "the design's provenance", [&](RecordVisitor& v) { options.describe(v); });
  return options;
}

void Manifest::Needs::describe(RecordVisitor& v) {
  auto count = [&](const char* key, int64_t& value, const char* doc) {
    v.integer(key, value, 0, INT64_MAX, doc);
  };
  count("stages", cost.stages, "Stages of the design.");
  count("multipliers", cost.multipliers, "Sum over the stages.");
  count("dsp", cost.dsp,
        "DSP slices: 0 for operands below 10 bits, else ⌈larger / 27⌉·⌈smaller / 18⌉ a "
        "multiplier; of stages that pack, one for two multipliers of neighbouring outputs (rule).");
  count("dsp_available", dsp_available,
        "What the device has before its shell takes a share (data sheet).");
  count("lut_multipliers", cost.lut_multipliers,
        "Multipliers whose operands are below 10 bits, which the tool builds of LUTs (rule).");
  if (v.wants(cost.packed_multipliers > 0)) {
    count("packed_multipliers", cost.packed_multipliers,
          "Multipliers of stages that pack, two in a DSP slice but for odd ones (rule); absent: "
          "none.");
  }
  if (v.wants(cost.luts_model > 0 || cost.rom_luts > 0)) {
    v.number("luts_model", cost.luts_model, 0, kAny,
             "LUTs of these, and of adding up what they multiply; like the next two, absent where "
             "there are none. **A model.**");
    count("rom_luts_model", cost.rom_luts, "LUTs that hold weights. **A model.**");
    count("lut_available", lut_available, "What the device has of them (data sheet).");
  }
  count("weights", cost.weights,
        "Weights of all convolutions and the dense layer, biases not counted.");
  count(
      "fifo_bits", cost.fifo_bits,
      "Σ depth × bits a token over the streams between stages; the two ports are not among them.");
  if (v.wants(cost.line_buffer_bits > 0)) {
    count("line_buffer_bits", cost.line_buffer_bits, "Σ bits of the line buffers; absent: none.");
    count("memory_bits", cost.memory_bits,
          "Bits of block RAM, at least: weights, line buffers and FIFOs that lie there.");
    count("uram", cost.uram, "UltraRAMs of line buffers and FIFOs (rule).");
  }
  count("skip_fifo_tokens", cost.skip_fifo_tokens,
        "Σ depth in tokens of the FIFOs that bring a skip to its join.");
  count("latency_cycles_model", cost.latency_cycles,
        "Clock cycles from the first pixel to the logits of one image. **A model**: the stream "
        "simulator's.");
  count("interval_cycles_model", cost.interval_cycles,
        "Clock cycles between two inputs in a row. **A model.**");
  v.number("images_per_s_model", images_per_s_model, 0, kAny,
           "10^9 / (`clock_ns` × `interval_cycles_model`). **A model.**");
  texts_if_any(v, "warnings", warnings,
               "Absent if there are none: what the card or its tool cannot do with the design, in "
               "sentences (rule; data sheet).");
}

void Manifest::describe(RecordVisitor& v) {
  v.text("tailor", tailor, "Version of the program that wrote it.");
  if (v.wants(target != "hls")) v.text("target", target, "What it is written for; absent: `hls`.");
  v.text("network", network, "Name of the network.");
  v.text("top", top, "Name of the top function.");
  v.text("part", part, "FPGA part.");
  v.number("clock_ns", clock_ns, 0, kAny, "Clock period asked of the tool, in nanoseconds.");
  v.enumeration("backend", backend, "The tool.");
  v.text("graph_sha256", graph_sha256,
         "SHA-256 of `graph.safetensors`; its first 12 digits stand at the top of the generated "
         "sources.");
  v.record(
      "design", [&](RecordVisitor& r) { design.describe(r); }, "The options of the design.");
  list_of(v, "ports", ports, "The two ports.");
  if (v.wants(has_kernel)) {
    v.optional_record(
        "kernel", has_kernel, [&](RecordVisitor& r) { kernel.describe(r); },
        "Of a project with `--target kernel`; absent: a core.");
  }
  v.record(
      "vectors",
      [&](RecordVisitor& r) {
        r.text("source", vectors_source, "What the inputs are.");
        r.integer("count", vectors_count, 0, INT64_MAX, "How many.");
      },
      "The test vectors.");
  list_of(v, "layers", layers, "One a stage, in order.");
  list_of(v, "fifos", fifos, "One a stream between stages; the ports are not among them.");
  v.json("source", source,
         "Object: the graph's provenance without `config` and `preprocessing`: `run`, and "
         "`weights_sha256` "
         "or `untrained`; `metrics` as the checkpoint has them, if any.");
  v.json("preprocessing", preprocessing,
         "Object: as in a checkpoint; what the host does to pixels before it writes tokens.");
  v.record(
      "quantisation", [&](RecordVisitor& r) { quantisation.describe(r); },
      "The logits of the integer design against those of the same design in float64. Numbers have "
      "six significant digits.");
  v.record(
      "cost", [&](RecordVisitor& r) { cost.describe(r); },
      "What the design needs. Nothing here has been through a vendor tool.");
  v.named_texts("files", files, "SHA-256 of every file but this one, by path.");
}

bool is_project(const std::string& folder) {
  const std::string path = path_join(folder, "manifest.json");
  if (!path_exists(path)) return false;
  try {
    return parse_manifest(path).get_string("format", "") == kFormat;
  } catch (const Error&) {
    return false;
  }
}

Manifest read_manifest(const std::string& folder) {
  const std::string path = path_join(folder, "manifest.json");
  if (is_regular_file(folder)) {
    fail(ErrorKind::Data,
         "{}: expected the folder of a project, got a file; give the folder it is in", folder);
  }
  if (!path_exists(path))
    fail(ErrorKind::Data, "{}: no manifest.json: not a project that tailor export wrote", folder);
  Json json = parse_manifest(path);
  if (const std::string format = json.get_string("format", ""); format != kFormat)
    fail(ErrorKind::Data, "{}: expected the format tailor.project, got '{}'", path, format);
  if (json.get_int("version", 0) != kManifestVersion) {
    fail(ErrorKind::Unsupported,
         "{}: expected version {}, got {}; export the project again with this version of tailor",
         path, kManifestVersion, json.get_int("version", 0));
  }
  for (const char* needed : {"top", "files", "quantisation"}) json.at(needed);
  json.at("quantisation").at("rms_bound");
  json.erase("format");
  json.erase("version");
  Manifest manifest;
  try {
    read_record(json, path, [&](RecordVisitor& v) { manifest.describe(v); });
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Config) throw;
    fail(ErrorKind::Data, "{}: {}", path, e.what());
  }
  return manifest;
}

}  // namespace tailor::target
