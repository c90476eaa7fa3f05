// Designs for tests in one call: plan, size, realise.
#pragma once

#include "support/rooms.h"
#include "tailor/design/design.h"

namespace tailor::testing {

struct DesignOptions {
  Precision type;
  double input_magnitude = 0;
  Layout layout = Layout::Fused;
  std::optional<int64_t> reuse_factor;
  int64_t token_bits = kFoldedTokenBits;
  SkipForm skips = SkipForm::Folded;
  bool dsp_packing = false;
};

inline Plan make_plan(const Graph& lowered, const DesignOptions& o) {
  return plan(Lowered(lowered, "test"), o.layout, o.type, o.input_magnitude,
              {o.token_bits, o.skips, o.dsp_packing});
}
inline Budget budget(const DesignOptions& o) { return {find_device("u200"), o.reuse_factor}; }
inline Sizing make_sizing(const Plan& plan, const DesignOptions& o) {
  return size(plan, budget(o));
}
inline Design make_design(const Graph& lowered, const DesignOptions& o) {
  const Plan plan = make_plan(lowered, o);
  return realise(plan, make_sizing(plan, o), find_device("u200"));
}
/// What the export says of a design.
inline Cost cost_of(const Graph& lowered, const DesignOptions& o) {
  const Plan plan = make_plan(lowered, o);
  const Device device = find_device("u200");
  return cost(plan, realise(plan, make_sizing(plan, o), device).sizing(), device);
}
inline std::vector<Limit> limits_of(const Graph& lowered, const DesignOptions& o,
                                    HlsBackend backend) {
  const Plan plan = make_plan(lowered, o);
  const Device device = find_device("u200");
  return limits(plan, realise(plan, make_sizing(plan, o), device).sizing(), device, backend);
}

/// Of fine_skip_graph: the skip has so many bits, and more of them behind the point than the
/// products that it is added to.
inline DesignOptions fine_skip_options(int bits) {
  DesignOptions o;
  o.input_magnitude = 2.1;
  o.skips = SkipForm::Cloned;
  o.type = FixedType{bits, 6};
  o.type.stages["coarse"].activation = FixedType{8, 7};
  o.type.stages["joined"].weight = FixedType{8, 6};
  return o;
}

}  // namespace tailor::testing
