// Reuse factors as a file has them: one for all stages or none, and exceptions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::design {

struct ReuseFactors {
  struct Stage {
    std::string stage;
    int64_t reuse_factor = 0;  // 0: not said, which is refused
  };
  std::optional<int64_t> reuse_factor;  // of all other stages; none: balanced
  std::vector<Stage> stages;
  std::map<std::string, int64_t> by_stage() const;
};
void describe(RecordVisitor& v, ReuseFactors& f);
/// Throws Config at /reuse_factor/… of `source` for what is no such record or names a stage twice.
ReuseFactors read_reuse_factors(const Json& json, const std::string& source);

}  // namespace tailor::design
