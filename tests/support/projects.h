// Small HLS projects for tests, written the way `tailor export` does, without a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "support/designs.h"
#include "support/networks.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/noise.h"
#include "tailor/hls/project.h"
#include "tailor/ir/identifier.h"

namespace tailor::testing {

/// Stem and one block on 2 × 6 × 7 pixels, five classes; `kernel` and `stride` of the block's first
/// convolution.
inline Network block_network(Surgery surgery = Surgery::Traditional,
                             Join join = Join::BeforeActivation,
                             Shortcut shortcut = Shortcut::Projection, int64_t stride = 2) {
  Network n;
  n.name = "block";
  n.input = {2, 6, 7};
  n.classes = 5;
  n.join = join;
  n.blocks.push_back({"stem", {conv_stage(2, 3, 3, 1)}, {}});
  const int64_t out = stride > 1 ? 4 : 3;
  Skip skip;
  skip.id = "b0.skip";
  skip.to = 2;
  skip.stride = stride;
  if (stride > 1) {
    skip.kind = shortcut == Shortcut::Projection ? SkipKind::Projection : SkipKind::Pad;
    if (shortcut == Shortcut::Projection) skip.tensors = skip.id;
    skip.channel_offset = shortcut == Shortcut::Pad ? 1 : 0;
  }
  n.blocks.push_back({"b0", {conv_stage(3, out, 3, stride), conv_stage(out, out, 3, 1)}, {skip}});
  alter(n, surgery);
  return n;
}

struct ProjectParts {
  Graph lowered;
  Design design;
  TestVectors vectors;
  ProjectOptions options;
};

/// Images are uniform in [-2, 2.1] times `scale`.
inline ProjectParts project_parts(Graph graph, DesignOptions options = {}, int64_t vectors = 5,
                                  double scale = 1) {
  options.input_magnitude = 2.1 * scale;
  Design design = make_design(graph, options);
  ProjectParts p{std::move(graph), std::move(design), {}, {}};
  IntegerEmulator emulator(p.design);
  p.vectors.source = "random images";
  for (int64_t i = 0; i < vectors; ++i) {
    p.vectors.inputs_chw.push_back(random_image(p.lowered.input_shape(), i));
    for (double& v : p.vectors.inputs_chw.back()) v *= scale;
    p.vectors.expected.push_back(emulator.run(p.vectors.inputs_chw.back()).logits_raw);
  }
  p.options.top = make_identifier(p.lowered.name);
  p.options.part = "xcu200-fsgd2104-2-e";
  p.options.manifest_extras = Json::object(
      {{"quantisation",
        Json::object({{"rms_bound", kQuantisationSafety *
                                        predict_rms_error(p.design, p.vectors.inputs_chw)}})}});
  return p;
}

inline Graph lowered(const Network& network) {
  Graph graph = lower(network, random_tensors(network, 3), "test");
  graph.provenance = Json::object({{"untrained", "random weights"}});  // so no witness is expected
  return graph;
}
inline ProjectParts project_parts(const Network& network, const DesignOptions& options = {},
                                  int64_t vectors = 5) {
  return project_parts(lowered(network), options, vectors);
}

inline void write_parts(const ProjectParts& p, const std::string& folder) {
  write_project(p.lowered, p.design, p.vectors, p.options, folder);
}

}  // namespace tailor::testing
