// Networks all the way to compiled C++: a project of each layout, written and checked.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/projects.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/ir/weights.h"

namespace tailor::testing {

/// Types drawn for every stage of a layout: weights of 5 to 9 bits, or of 1 to 8 in steps of their
/// channel's scale; values of 8 to 12, with a sign or without where a network that was not trained
/// so may be, the point anywhere near.
inline Precision random_types(const Graph& lowered, DesignOptions design, uint32_t seed) {
  design.dsp_packing = false;  // not before the types are there
  std::mt19937 random(seed);
  auto draw = [&](int least, int most) {
    return least + static_cast<int>(random() % static_cast<uint32_t>(most - least + 1));
  };
  const Plan shape = make_plan(lowered, design);
  Precision types(FixedType{9, 3, /*is_signed=*/draw(0, 1) == 0});
  types.weights = FixedType{8, 2};
  types.trained = draw(0, 1) == 0;
  for (const Node& node : shape.graph().nodes) {
    if (node.traits().port || node.traits().keeps_type || node.outputs.empty()) continue;
    Precision::Exception& e = types.stages[node.name];
    const int bits = draw(8, 12);
    const auto* conv = node.op.get_if<ops::Conv2d>();
    const bool negative = !conv || !conv->relu || conv->skips_after_activation;
    const int integer = draw(0, 7) == 0 ? bits - 1 : draw(3, 5);  // a skip may then be finer
    e.activation = FixedType{bits, integer, draw(0, 1) == 0 || (negative && !types.trained)};
    if (!node.traits().has_weights) continue;
    if (draw(0, 2) == 0) {
      e.scale = FixedType{draw(4, 9), draw(-1, 1), false};
      const int bits_of_steps = draw(1, 8);
      e.weight = bits_of_steps == 1 ? binary_weights() : FixedType{bits_of_steps, 2};
      continue;
    }
    const int weight_bits = draw(5, 9);
    e.weight = FixedType{weight_bits, draw(-2, 1)};
  }
  return types;
}

/// Every layout, and of the fused one every form of skips.
inline const std::vector<std::pair<Layout, SkipForm>>& layouts() {
  static const std::vector<std::pair<Layout, SkipForm>> all = {{Layout::Fused, SkipForm::Folded},
                                                               {Layout::Fused, SkipForm::Window},
                                                               {Layout::Fused, SkipForm::Cloned},
                                                               {Layout::Stock, SkipForm::Folded}};
  return all;
}

/// The steps that do not pass in the projects of all but one of them, a line each; empty: all do.
/// (What `window` does alone, `folded` does too where a skip cannot fold.) With a seed the stages
/// have types of their own.
inline std::string project_findings(const Graph& lowered, const std::string& folder,
                                    DesignOptions design = {},
                                    std::optional<uint32_t> seed = std::nullopt) {
  CheckOptions options;
  options.compiler = "c++ -O0";
  std::string findings;
  for (const auto& [layout, skips] : layouts()) {
    if (skips == SkipForm::Window) continue;
    const std::string name = fmt::format("{}-{}", to_string(layout), to_string(skips));
    const std::string project = path_join(folder, name);
    design.layout = layout;
    design.skips = skips;
    if (seed) design.type = random_types(lowered, design, *seed);
    write_parts(project_parts(lowered, design, /*count=*/3), project);
    for (const CheckStep& s : check_project(project, options).steps) {
      if (seed && s.name == "answers") continue;  // drawn types may silence a network
      if (!s.passed || s.warns) findings += fmt::format("{}: {}: {}\n", name, s.name, s.detail);
    }
  }
  return findings;
}

}  // namespace tailor::testing
