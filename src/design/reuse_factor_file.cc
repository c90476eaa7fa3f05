// Reuse factors from a file.
#include "tailor/core/error.h"
#include "tailor/design/reuse_factors.h"

namespace tailor::design {
namespace {

constexpr int64_t kMostReuse = 1000000000;

}  // namespace

void describe(RecordVisitor& v, ReuseFactors& f) {
  v.optional_integer("reuse_factor", f.reuse_factor, 1, kMostReuse,
                     "Of every stage that is not named (nearest valid); null: balanced.");
  v.list(
      "stages", f.stages.size(), [&](size_t n) { f.stages.resize(n); },
      [&](RecordVisitor& r, size_t i) {
        r.text("stage", f.stages[i].stage,
               "Name of a convolution, linear layer or pool of the design "
               "(`stage1.block0.conv1`).");
        r.integer("reuse_factor", f.stages[i].reuse_factor, 1, kMostReuse,
                  "Its reuse factor (nearest valid).");
      },
      "Stages with a factor of their own.");
}

ReuseFactors read_reuse_factors(const Json& json, const std::string& source) {
  ReuseFactors f;
  read_record(
      json, source, [&](RecordVisitor& v) { describe(v, f); }, "/reuse_factor");
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < f.stages.size(); ++i) {
    if (f.stages[i].stage.empty() || f.stages[i].reuse_factor == 0) {
      fail(ErrorKind::Config, "{}: /stages/{}: expected a stage and its reuse_factor, got {}",
           source, i, f.stages[i].stage.empty() ? "no stage" : "no reuse_factor");
    }
    if (seen.emplace(f.stages[i].stage, i).second) continue;
    fail_config(fmt::format("/reuse_factor/stages/{}/stage", i), "every stage once",
                fmt::format("\"{}\" again", f.stages[i].stage), source);
  }
  return f;
}

std::map<std::string, int64_t> ReuseFactors::by_stage() const {
  std::map<std::string, int64_t> factors;
  for (const Stage& s : stages) factors[s.stage] = s.reuse_factor;
  return factors;
}

}  // namespace tailor::design
