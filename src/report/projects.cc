#include "tailor/report/projects.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "tailor/core/strings.h"
#include "tailor/report/chart.h"

namespace tailor::report {
namespace {

/// Of FIFOs that bring a skip, or lie on its way, and of the others.
struct FifoBits {
  int64_t skips = 0, others = 0;
};
FifoBits fifo_bits_of(const ReportedProject& project) {
  FifoBits bits;
  for (const FlowStream& s : project.flow.streams)
    (s.skip.empty() ? bits.others : bits.skips) += s.depth * s.bits;
  return bits;
}

std::map<std::string, int64_t> bits_by_storage(const Manifest& m) {
  std::map<std::string, int64_t> bits;
  for (const Manifest::Fifo& f : m.fifos) bits[f.storage] += f.depth * f.bits;
  return bits;
}

double luts_of(const Manifest& m) {
  return m.cost.cost.luts_model + static_cast<double>(m.cost.cost.rom_luts);
}

/// "ap_fixed<16,6>" of "ap_fixed<16,6,AP_RND,AP_SAT>"; other texts are as they are.
std::string without_modes(const std::string& type) {
  const size_t modes = type.find(",AP_");
  return modes == std::string::npos || type.back() != '>' ? type : type.substr(0, modes) + ">";
}

std::string of_available(int64_t used, int64_t available) {
  if (available == 0) return with_commas(used);
  return fmt::format("{} ({:.0f} %)", with_commas(used),
                     100 * static_cast<double>(used) / static_cast<double>(available));
}

/// A quantity that designs differ in.
struct Quantity {
  std::string caption;
  std::function<Bar(const ReportedProject&)> bar;
  std::string solid, hollow;
};

Quantity plain(std::string caption, std::function<double(const Manifest&)> value) {
  return {std::move(caption),
          [value = std::move(value)](const ReportedProject& p) {
            const double v = value(p.manifest);
            return Bar{p.name, with_commas(std::llround(v)), v, 0};
          },
          "", ""};
}
Quantity split_in_two(std::string caption, std::string solid, std::string hollow,
                      std::function<std::pair<int64_t, int64_t>(const ReportedProject&)> of) {
  return {std::move(caption),
          [of = std::move(of)](const ReportedProject& p) {
            const auto [first, second] = of(p);
            return Bar{p.name, with_commas(first + second), static_cast<double>(first),
                       static_cast<double>(second)};
          },
          std::move(solid), std::move(hollow)};
}

std::vector<Quantity> quantities() {
  using M = Manifest;
  auto number = [](int64_t n) { return static_cast<double>(n); };
  return {
      split_in_two("Multipliers", "in DSP slices", "of LUTs",
                   [](const ReportedProject& p) {
                     const auto& c = p.manifest.cost.cost;
                     return std::pair(c.multipliers - c.lut_multipliers, c.lut_multipliers);
                   }),
      plain("DSP slices (rule)", [=](const M& m) { return number(m.cost.cost.dsp); }),
      plain("LUTs of products and weights (model)", luts_of),
      split_in_two("FIFOs, bits", "between stages", "of skips",
                   [](const ReportedProject& p) {
                     const FifoBits bits = fifo_bits_of(p);
                     return std::pair(bits.others, bits.skips);
                   }),
      plain("Block RAM, bits at least (rule)",
            [=](const M& m) { return number(m.cost.cost.memory_bits); }),
      plain("UltraRAMs (rule)", [=](const M& m) { return number(m.cost.cost.uram); }),
      plain("Line buffers, bits", [=](const M& m) { return number(m.cost.cost.line_buffer_bits); }),
      plain("Cycles between images (model)",
            [=](const M& m) { return number(m.cost.cost.interval_cycles); }),
      plain("Cycles from first pixel to answer (model)",
            [=](const M& m) { return number(m.cost.cost.latency_cycles); }),
      plain("Images a second at the project's clock (model)",
            [](const M& m) { return m.cost.images_per_s_model; })};
}

DataTable stages_table(const ReportedProject& project) {
  DataTable table{fmt::format("Stages of {}", project.name),
                  {"stage", "operation", "output", "type", "weight type", "reuse factor",
                   "multipliers", "DSP", "cycles (model)", "skips"},
                  {},
                  true};
  for (const Manifest::Layer& l : project.manifest.layers) {
    std::vector<std::string> skips;
    for (const auto& [ids, how] : {std::pair{&l.stream_skips, "FIFO"},
                                   {&l.window_skips, "window"},
                                   {&l.folded_skips, "folded"}}) {
      for (const std::string& id : *ids) skips.push_back(fmt::format("{} ({})", id, how));
    }
    table.rows.push_back({l.name, l.op, l.output, l.type, l.weight,
                          l.multipliers > 0 ? with_commas(l.reuse_factor) : "–",
                          with_commas(l.multipliers), with_commas(l.dsp), with_commas(l.cycles),
                          join(skips, ", ")});
  }
  return table;
}

DataTable fifos_table(const ReportedProject& project) {
  DataTable table{fmt::format("FIFOs of {}", project.name),
                  {"FIFO", "tokens", "bits a token", "bits", "storage"},
                  {},
                  true};
  for (const Manifest::Fifo& f : project.manifest.fifos) {
    table.rows.push_back({f.name, with_commas(f.depth), with_commas(f.bits),
                          with_commas(f.depth * f.bits), f.storage});
  }
  return table;
}

std::string about(const ReportedProject& project) {
  const Manifest& m = project.manifest;
  std::vector<std::string> parts;
  for (const auto& [storage, bits] : bits_by_storage(m))
    parts.push_back(fmt::format("{} bits in {}", with_commas(bits), storage));
  const FifoBits bits = fifo_bits_of(project);
  std::string text = fmt::format(
      "{} for {} ({}), written by tailor {}. FIFOs: {}; {} of them bring skips. Quantisation error "
      "of the logits: rms {:.4g} measured, {:.4g} predicted.",
      m.network, m.design.card, m.part, m.tailor, join(parts, ", "),
      fmt::format("{} bits", with_commas(bits.skips)), m.quantisation.rms_measured,
      m.quantisation.rms_predicted);
  for (const std::string& warning : m.cost.warnings) text += " Note: " + warning + ".";
  return text;
}

}  // namespace

Dataflow dataflow_of(const Graph& design, const Manifest& manifest) {
  std::map<std::string, const Manifest::Layer*> layers;
  for (const Manifest::Layer& l : manifest.layers) layers[l.name] = &l;
  Dataflow flow{"Dataflow of " + manifest.network, {}, {}};
  std::map<size_t, size_t> writer;  // of a value, by stage
  for (const Node& node : design.nodes) {
    if (node.traits().port) continue;
    const size_t place = flow.stages.size();
    const Value& first = design.value(node.outputs.at(0));
    FlowStage stage{node.name, fmt::format("{}, {}", to_string(node.op), to_string(first.shape)), 0,
                    0};
    if (const auto found = layers.find(node.name); found != layers.end())
      stage.cycles = found->second->cycles, stage.multipliers = found->second->multipliers;
    flow.stages.push_back(std::move(stage));
    for (const Operand& operand : node.inputs) {
      const auto from = writer.find(operand.value.index());
      if (from == writer.end()) continue;  // of the port
      const Value& value = design.value(operand.value);
      flow.streams.push_back({from->second, place, value.fifo_depth, value.token_bits(),
                              to_string(value.fifo_storage), operand.skip});
    }
    for (const ValueId id : node.outputs) writer[id.index()] = place;
  }
  return flow;
}

DataTable projects_table(const std::vector<ReportedProject>& projects) {
  DataTable table{"Projects; the card's figures are rules and models of tailor, not a tool's",
                  {"project", "network", "streams", "layout", "stages", "multipliers", "DSP",
                   "LUTs", "FIFO bits", "BRAM bits", "URAM", "cycles an image", "latency, cycles",
                   "clock, ns", "images/s"},
                  {}};
  for (const ReportedProject& project : projects) {
    const Manifest& m = project.manifest;
    const auto& c = m.cost.cost;
    table.rows.push_back({project.name, m.network, without_modes(m.design.type), m.design.layout,
                          with_commas(c.stages), with_commas(c.multipliers),
                          of_available(c.dsp, m.cost.dsp_available),
                          of_available(std::llround(luts_of(m)), m.cost.lut_available),
                          with_commas(c.fifo_bits),
                          c.memory_bits > 0 ? with_commas(c.memory_bits) : "–",
                          c.uram > 0 ? with_commas(c.uram) : "–", with_commas(c.interval_cycles),
                          with_commas(c.latency_cycles), fmt::format("{:g}", m.clock_ns),
                          with_commas(std::llround(m.cost.images_per_s_model))});
  }
  return without_empty_columns(std::move(table));
}

std::optional<Section> projects_side_by_side(const std::vector<ReportedProject>& projects) {
  if (projects.size() < 2) return std::nullopt;
  Section section{"Designs side by side", {}};
  for (const Quantity& q : quantities()) {
    BarChart chart{q.caption, "", {}, q.solid, q.hollow};
    double most = 0;
    bool any_hollow = false;
    for (const ReportedProject& p : projects) {
      chart.bars.push_back(q.bar(p));
      most = std::max(most, chart.bars.back().solid + chart.bars.back().hollow);
      any_hollow = any_hollow || chart.bars.back().hollow > 0;
      chart.description += fmt::format("{}{}: {}", chart.description.empty() ? "" : "; ", p.name,
                                       chart.bars.back().value);
    }
    if (most == 0) continue;
    if (!any_hollow) chart.solid_name.clear();
    section.parts.emplace_back(
        make_figure(q.caption, [&](int64_t width) { return emit_bar_chart(chart, width); }));
  }
  return section;
}

Section project_section(const ReportedProject& project) {
  Section section{project.name, {}};
  section.parts.emplace_back(about(project));
  section.parts.emplace_back(make_figure(
      "Dataflow: tokens × bits a token of each FIFO and where it lies (srl: shift registers); ways "
      "of skips are dashed",
      [&](int64_t width) { return emit_dataflow(project.flow, width); }, true));
  section.parts.emplace_back(stages_table(project));
  section.parts.emplace_back(fifos_table(project));
  return section;
}

}  // namespace tailor::report
