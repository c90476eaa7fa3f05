// What a design needs of its card, in lines.
#include "cli/costs.h"

#include <cmath>

#include "tailor/core/strings.h"
#include "tailor/tensors/input_noun.h"

namespace tailor::cli {
namespace {

/// Of a network of frames; others say nothing of their memories.
std::string memories_text(const Cost& c) {
  if (c.line_buffer_bits == 0) return "";
  return fmt::format("line buffers {} bits; block RAM {} bits or more, UltraRAMs {}\n",
                     with_commas(c.line_buffer_bits), with_commas(c.memory_bits),
                     with_commas(c.uram));
}

/// Which multipliers are no DSP of their own.
std::string multipliers_text(const Cost& c) {
  std::string text;
  if (c.packed_multipliers > 0)
    text += fmt::format(", {} packed in pairs", counted(c.packed_multipliers, "multiplier"));
  if (c.lut_multipliers > 0)
    text += fmt::format(", {} of LUTs", counted(c.lut_multipliers, "multiplier"));
  return text;
}

/// LUTs by the model, of what is counted.
std::string luts_text(const Manifest::Needs& needs) {
  const Cost& c = needs.cost;
  const double luts = c.luts_model + static_cast<double>(c.rom_luts);
  if (luts == 0) return "";
  return fmt::format(
      "LUTs of multipliers and their sums {}, of weights {}: {:.0f} % of {} (model)\n",
      with_commas(std::llround(c.luts_model)), with_commas(c.rom_luts),
      100 * luts / static_cast<double>(needs.lut_available), with_commas(needs.lut_available));
}

std::string factors_text(const Manifest::DesignOptions& design) {
  const Json& factor = design.reuse_factor;
  std::string text = factor.is_int()
                         ? fmt::format("reuse factor {}", factor.as_int())
                         : fmt::format("reuse factors balanced within {:.0f} % of DSPs and LUTs",
                                       100 * design.card_share);
  if (!design.own_reuse_factors.empty())
    text += "; of their own: " + join(design.own_reuse_factors, ", ");
  return text;
}

}  // namespace

std::string costs_text(const Manifest::Needs& needs, const Manifest::DesignOptions& design,
                       double clock_ns, const MapShape& input) {
  const Cost& c = needs.cost;
  const std::string noun = input_noun(input);
  const bool image = noun == "image", is_simulated = c.latency_cycles > 0;
  const std::string latency = fmt::format(", {} cycles from first {} to logits",
                                          with_commas(c.latency_cycles), image ? "pixel" : "frame");
  return fmt::format(
      "multipliers {} ({}), DSP {} of {} ({:.0f} %){}, weights {}{}\n{}{}"
      "one {} every {} cycles{} (model): {:.{}f} {}s/s at {} ns\n",
      with_commas(c.multipliers), factors_text(design), with_commas(c.dsp),
      with_commas(needs.dsp_available), 100.0 * c.dsp_share, multipliers_text(c),
      with_commas(c.weights),
      is_simulated ? fmt::format(", FIFOs {} bits", with_commas(c.fifo_bits)) : "",
      luts_text(needs), memories_text(c), noun, with_commas(c.interval_cycles),
      is_simulated ? latency : "", needs.images_per_s_model, image ? 0 : 1, noun, clock_ns);
}

}  // namespace tailor::cli
