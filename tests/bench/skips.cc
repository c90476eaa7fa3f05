// What a skip costs in every form: copied by a clone, handed on from a window, shortened, folded
// and removed. Prints the tables of docs/results/skips.md: counts of designs, which depend on no
// weight but through the fold.
#include <string>
#include <vector>

#include "cli/table.h"
#include "support/designs.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/log.h"

namespace tailor::test {
namespace {

using testing::Surgery;

struct Row {
  const char* title;
  Surgery surgery;
  SkipForm skips;
  Layout layout = Layout::Fused;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"traditional, cloned", Surgery::Traditional, SkipForm::Cloned},
      {"traditional, handed on", Surgery::Traditional, SkipForm::Window},
      {"shortened, cloned", Surgery::Shortened, SkipForm::Cloned},
      {"shortened, in the window", Surgery::Shortened, SkipForm::Window},
      {"shortened, folded", Surgery::Shortened, SkipForm::Folded},
      {"removed", Surgery::Removed, SkipForm::Folded},
      {"`stock`, traditional", Surgery::Traditional, SkipForm::Cloned, Layout::Stock},
      {"`stock`, shortened", Surgery::Shortened, SkipForm::Cloned, Layout::Stock},
      {"`stock`, removed", Surgery::Removed, SkipForm::Cloned, Layout::Stock},
  };
  return all;
}

void print_row(const Network& network, const Row& row, const FixedType& type,
               std::optional<int64_t> reuse_factor) {
  Network altered = network;
  testing::alter(altered, row.surgery);
  testing::DesignOptions options;
  options.type = type;
  options.layout = row.layout;
  options.skips = row.skips;
  options.reuse_factor = reuse_factor;
  options.input_magnitude = 2.7;
  const Graph lowered = lower(altered, testing::random_tensors(altered, 1), altered.name);
  const Plan plan = testing::make_plan(lowered, options);
  const Budget budget = testing::budget(options);
  const Design design = realise(plan, size(plan, budget), budget.device);
  const Cost needed = cost(plan, design.sizing(), budget.device);
  const Graph& graph = design.graph();
  int64_t streams = 0, srl_bits = 0, bram_bits = 0;
  for (ValueId v : graph.value_ids()) {
    if (v == graph.input() || v == graph.output()) continue;
    const Value& value = graph.value(v);
    ++streams;
    (value.fifo_storage == FifoStorage::Srl ? srl_bits : bram_bits) +=
        value.fifo_depth * value.token_bits();
  }
  fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.title, needed.stages, streams,
             needed.skip_fifo_tokens, with_commas(srl_bits), with_commas(bram_bits),
             with_commas(needed.multipliers), with_commas(needed.interval_cycles),
             with_commas(needed.latency_cycles));
}

/// Factors are balanced on the U200 unless one is given.
void print_table(const std::string& name, const FixedType& type,
                 std::optional<int64_t> reuse_factor = {}) {
  fmt::print("\n**{}, {} bits, {}**\n\n", name, type.width,
             reuse_factor ? fmt::format("reuse factor {}", *reuse_factor) : "balanced");
  fmt::print(
      "| skips | stages | streams | tokens of skips | FIFO bits, shift registers | FIFO "
      "bits, block RAM | multipliers | cycles | latency |\n"
      "|---|---|---|---|---|---|---|---|---|\n");
  const Network network = network_by_name(name).network;
  for (const Row& row : rows()) print_row(network, row, type, reuse_factor);
}

}  // namespace
}  // namespace tailor::test

int main() {
  using namespace tailor::test;
  set_log_levels("error");
  for (const char* name : {"resnet8", "resnet20"}) {
    for (const FixedType& type : {FixedType{16, 6}, FixedType{8, 3}}) print_table(name, type);
    print_table(name, {16, 6}, 72);  // the paper's
  }
}
