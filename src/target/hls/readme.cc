// Tables and lists in Markdown, from the manifest: nothing here is known elsewhere only.
#include "target/hls/readme.h"

#include "tailor/core/strings.h"
#include "tailor/tensors/input_noun.h"

namespace tailor::target {
namespace {

/// The text with what an input of this network is called: ~ stands for "image" or "sequence", @ for
/// the same with its article.
std::string with_noun(std::string text, const MapShape& input) {
  const std::string noun = input_noun(input);
  const std::string article = (noun == "image" ? "an " : "a ") + noun;
  std::string out;
  for (char c : text) {
    out += c == '~' ? noun : c == '@' ? article : std::string(1, c);
  }
  return out;
}

std::string row(const std::string& first, const std::string& second) {
  return fmt::format("| {} | {} |\n", first, second);
}

std::string counted_of(int64_t n, const char* what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

/// "| what | command |" for a colleague who has the folder and nothing else.
std::string first_steps(const Manifest& m) {
  std::string text = "| what | command | needs |\n|---|---|---|\n";
  auto add = [&](const char* what, const char* command, const char* needs) {
    text += fmt::format("| {} | `{}` | {} |\n", what, command, needs);
  };
  const char* hls = m.backend == HlsBackend::Vitis ? "Vitis HLS" : "Vivado HLS";
  add("compile and run the vectors", "make check", "a C++ compiler");
  add("the same, compared stage by stage with the network", "tailor check .", "tailor");
  add("C simulation", "make csim", hls);
  add("high-level synthesis", "make synth", hls);
  add("RTL against C, every bit", "make cosim", hls);
  add("logic synthesis, then place and route out of context", "make vsynth impl", "Vivado");
  add("what these measured, beside the model", "make reports", "tailor");
  if (!m.has_kernel) {
    add("an entry for Vivado's IP catalogue", "make export", hls);
    return text;
  }
  add("the packaged kernel", "make xo", hls);
  add("what is loaded into the card (hours)", "make xclbin", "Vitis, the card's platform");
  add("the host program", "make host", "XRT (Debian: libxrt-dev)");
  add("load the card, check every bit, measure", "make run", "the card");
  add("the same on a simulated card", "make run TARGET=hw_emu", "Vitis");
  return text;
}

std::string token_text(const Manifest::Port& port) {
  return fmt::format("{} bits: {} values of `{}`, {}", port.token_bits, port.channels, port.type,
                     port.order);
}

std::string stream_ports(const Manifest& m) {
  // `in` and `out` are words of VHDL, behind which the tools write _r.
  std::string text = "| port | what it is | of @ |\n|---|---|---|\n";
  text += fmt::format("| `in` (RTL: `in_r_TDATA`, `in_r_TVALID`, `in_r_TREADY`) | {} | {} |\n",
                      token_text(m.ports[0]), counted_of(m.ports[0].tokens, "token"));
  text += fmt::format("| `out` (RTL: `out_r_TDATA`, `out_r_TVALID`, `out_r_TREADY`) | {} | {} |\n",
                      token_text(m.ports[1]), counted_of(m.ports[1].tokens, "token"));
  text += fmt::format("| `ap_clk` | clock of {} ns, the only one | |\n", m.clock_ns);
  text += "| `ap_rst_n` | reset, synchronous, active low | |\n";
  text +=
      "| `ap_start`, `ap_done`, `ap_idle`, `ap_ready` | a call is one ~; hold `ap_start` "
      "high for one behind the other | |\n\n";
  return text +
         "The streams have no TLAST. After a reset in the middle of @ the line buffers keep "
         "what they have:\nload the device anew, or feed the rest of that ~.\n";
}

std::string kernel_ports(const Manifest& m) {
  const Manifest::Kernel& k = m.kernel;
  std::string text = "| argument | what it is | of @ |\n|---|---|---|\n";
  auto memory = [&](const char* name, const Manifest::Port& port, int64_t beats) {
    text += fmt::format("| `{}` (AXI master, {} bits, {}) | tokens of {} | {} in {} |\n", name,
                        k.beat_bits, k.memory, token_text(port), counted_of(port.tokens, "token"),
                        counted_of(beats, "word"));
  };
  memory("inputs", m.ports[0], k.input_beats);
  memory("outputs", m.ports[1], k.output_beats);
  text += "| `count` (register) | ~s of this call | |\n\n";
  text += fmt::format(
      "Each ~ begins with a word of its own. A word holds whole tokens from its lowest bit on; a "
      "token wider\nthan a word takes whole words. The bits above are not read, and are written as "
      "0. One clock, {:.0f} MHz;\nthe shell resets the kernel when it is loaded. After a call that "
      "was broken off, load it anew.\n",
      1000 / m.clock_ns);
  return text;
}

std::string costs_table(const Manifest& m) {
  const Cost& c = m.cost.cost;
  std::string text = "| what | how much |\n|---|---|\n";
  text += row("@ every", fmt::format("{} cycles: {:.0f} ~s/s at {} ns", c.interval_cycles,
                                     m.cost.images_per_s_model, m.clock_ns));
  text += row("from its beginning to the answer", fmt::format("{} cycles", c.latency_cycles));
  text += row(
      "multipliers",
      fmt::format("{} ({} of them in LUTs{})", c.multipliers, c.lut_multipliers,
                  c.packed_multipliers > 0
                      ? fmt::format(", {} in pairs that share a DSP slice", c.packed_multipliers)
                      : ""));
  text += row("DSP slices", fmt::format("{} of {}", c.dsp, m.cost.dsp_available));
  if (c.luts_model > 0 || c.rom_luts > 0) {
    text += row(
        "LUTs of multipliers, of weights",
        fmt::format("{:.0f}, {} of {} (model)", c.luts_model, c.rom_luts, m.cost.lut_available));
  }
  text += row("weights", fmt::format("{}", c.weights));
  text += row("FIFOs", fmt::format("{} bits, {} tokens of skips", c.fifo_bits, c.skip_fifo_tokens));
  for (const std::string& warning : m.cost.warnings) text += "\nWarning: " + warning + "\n";
  return text;
}

std::string origin_list(const Manifest& m) {
  std::string text = fmt::format("- network: `{}`\n", m.network);
  for (const char* key : {"run", "weights_sha256", "untrained"}) {
    const std::string value = m.source.is_object() ? m.source.get_string(key, "") : std::string();
    if (!value.empty()) text += fmt::format("- {}: {}\n", key, value);
  }
  const bool one = starts_with(m.design.type, "ap_");
  text += fmt::format("- {}; quantisation moves the answers by {} rms on the vectors\n",
                      one ? "types: `" + m.design.type + "`" : m.design.type,
                      m.quantisation.rms_measured);
  bool known = false;
  if (const Json* metrics = m.source.is_object() ? m.source.find("metrics") : nullptr) {
    for (const auto& [name, value] : metrics->as_object()) {
      if (!value.is_number()) continue;
      known = true;
      std::string words = name;
      for (char& c : words) c = c == '_' ? ' ' : c;
      text += fmt::format("- {}, as training recorded it: {:.2f} %\n", words, value.as_number());
    }
  }
  if (!known) text += "- accuracy: not known to this project\n";
  return text +
         "- accuracy as the FPGA computes it: `tailor evaluate --graph graph.safetensors "
         "--backend emulator`\n";
}

}  // namespace

std::map<std::string, std::string> readme_parts(const ProjectContents& contents,
                                                const Manifest& m) {
  const std::string is = m.has_kernel ? fmt::format("a kernel for {}", m.kernel.platform)
                                      : std::string("a core with two AXI streams");
  const MapShape input = contents.design.design.graph().input_shape();
  std::string card;
  if (m.has_kernel) {
    card = row(fmt::format("`firmware/{}.cpp`", m.kernel.name),
               "the kernel: loader and storer around the top function; `firmware/tailor/kernel.h`");
    card += row("`link.cfg`, `card.mk`", "what `v++` links it with; the targets for the card");
    card += row("`host.cpp`",
                "the host program (XRT): loads, runs, compares, measures; "
                "`--inputs` takes images of your own");
  }
  return {{"description",
           fmt::format("{} for {}, as {}: laid out {}, {}.", contents.design.design.graph().name,
                       m.part, is, m.design.layout, m.design.types_text())},
          {"first", first_steps(m)},
          {"ports", with_noun(m.has_kernel ? kernel_ports(m) : stream_ports(m), input)},
          {"costs", with_noun(costs_table(m), input)},
          {"origin", origin_list(m)},
          {"card_files", card}};
}

}  // namespace tailor::target
