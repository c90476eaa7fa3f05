// tailor sensitivity: which skips cost least accuracy for the FIFO bits that they save.
#include "cli/sensitivity.h"

#include <algorithm>

#include "cli/table.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/target/manifest.h"

namespace tailor::cli {
namespace {

/// A part of a configuration, for --set.
Json surgery_json(const Sensitivity& s, const SensitivityOptions& options) {
  Json::Array plan;
  plan.reserve(s.plan.size());
  for (const SkipPlan& p : s.plan)
    plan.push_back(Json::object({{"skip", p.skip}, {"kind", to_string(p.kind)}}));
  const char* kind = options.kind == "shorten" ? "shorten" : "remove";  // all skips are named
  return Json::object(
      {{"surgery", Json::object({{"kind", kind}, {"order", "plan"}, {"plan", std::move(plan)}})}});
}

Json row_json(const Sensitivity::Row& row) {
  const SkipEffect& e = row.effect;
  return Json::object({{"skip", e.skip},
                       {"kind", to_string(e.kind)},
                       {row.figure.name, row.figure.recorded()},
                       {"lost", e.lost},
                       {"fifo_bits_saved", e.saved_bits},
                       {"lost_per_mbit", e.saved_bits > 0 ? Json(e.lost_per_mbit()) : Json()}});
}

Json answer_json(const Sensitivity& s, const SensitivityOptions& options) {
  Json::Array rows;
  rows.reserve(s.rows.size());
  for (const Sensitivity::Row& row : s.rows) rows.push_back(row_json(row));
  Json answer = Json::object({{"checkpoint", s.title},
                              {"data", s.data},
                              {"split", s.split},
                              {"examples", s.count},
                              {"statistics_examples", s.statistics},
                              {"figure", s.unaltered.name},
                              {"unaltered", s.unaltered.recorded()},
                              {"reference", s.reference.recorded()},
                              {"fifo_bits", s.fifo_bits},
                              {"skips", std::move(rows)},
                              {"surgery", surgery_json(s, options).at("surgery")}});
  if (s.budgeted) {
    const Sensitivity::Budgeted& b = *s.budgeted;
    answer.set("plan", Json::object({{"budget_bits", b.budget_bits},
                                     {"fifo_bits", b.fifo_bits},
                                     {"single_losses", b.lost},
                                     {b.figure.name, b.figure.recorded()},
                                     {"lost", loss_of(b.figure, s.reference)}}));
  }
  return answer;
}

std::string rows_text(const Sensitivity& s) {
  const std::string lost = s.unaltered.is_share ? "points lost" : "lost";
  Table table({"skip", "kind", s.unaltered.name, lost, "FIFO bits saved", lost + " per Mbit"});
  for (const Sensitivity::Row& row : s.rows) {
    const SkipEffect& e = row.effect;
    table.add({e.skip, to_string(e.kind), row.figure.text(2), fmt::format("{:.2f}", e.lost),
               with_commas(e.saved_bits),
               e.saved_bits > 0 ? fmt::format("{:.1f}", e.lost_per_mbit()) : ""});
  }
  return table.text();
}

std::string plan_text(const Sensitivity& s) {
  if (!s.budgeted) return "";
  const Sensitivity::Budgeted& b = *s.budgeted;
  std::string text;
  for (const SkipPlan& p : s.plan) text += fmt::format("  {} {}\n", to_string(p.kind), p.skip);
  return fmt::format(
      "\nplan within {} FIFO bits (the least sum of single losses, exactly):\n{}"
      "FIFOs {} bits; {:.2f} lost by single losses, {:.2f} together ({} {}, nothing trained)\n",
      with_commas(b.budget_bits), text, with_commas(b.fifo_bits), b.lost,
      loss_of(b.figure, s.reference), b.figure.name, b.figure.text(2));
}

}  // namespace

int64_t FifoBits::operator()(const Lowered& lowered) {
  const SizedDesign sized = design_export(lowered, config_, magnitude_);
  const Manifest::DesignOptions options =
      read_design_options(sized.design.graph().provenance.at("design"));
  text_ = fmt::format("{} on {}, {}", options.layout, options.card, options.types_text());
  return sized.cost.fifo_bits;
}

std::vector<SkipEffect> Sensitivity::effects() const {
  std::vector<SkipEffect> effects;
  effects.reserve(rows.size());
  for (const Row& row : rows) effects.push_back(row.effect);
  return effects;
}

double loss_of(const Figure& figure, const Figure& reference) {
  const double now = figure.recorded(), then = reference.recorded();
  return figure.higher_is_better ? then - now : now - then;
}

void answer_sensitivity(const Sensitivity& s, const SensitivityOptions& options) {
  if (!options.output.empty()) write_file(options.output, surgery_json(s, options).dump(2) + "\n");
  if (options.json) {
    fmt::print("{}\n", answer_json(s, options).dump(2));
    return;
  }
  fmt::print("{} of {}, {}: FIFOs {} bits\n", s.title, s.data, s.design, with_commas(s.fifo_bits));
  fmt::print("{} {} on the first {}", s.unaltered.name, s.unaltered.text(2), s.examples);
  if (s.statistics > 0) {
    fmt::print("; {} with statistics of {} training examples, as all below", s.reference.text(2),
               with_commas(s.statistics));
  }
  fmt::print("\n\n{}{}", rows_text(s), plan_text(s));
  if (options.output.empty()) return;
  fmt::print("\nplan: {}\nnext: tailor train --config CONFIG --set {}\n", options.output,
             shell_quote(options.output));
}

int run_sensitivity(const SensitivityOptions& options) {
  if (!options.output.empty()) {
    if (!has_extension(options.output, ".json"))
      fail(ErrorKind::Usage, "--output {}: expected FILE.json", options.output);
    refuse_to_replace("--output", options.output, options.force);
  }
  return open_torch().sensitivity(options);
}

}  // namespace tailor::cli
