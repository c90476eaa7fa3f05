// Small HLS projects for tests, written the way `tailor export` does, without a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "support/designs.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/target/target.h"

namespace tailor::testing {

/// Stem and one block on 2 × 6 × 7 pixels, five classes; `kernel` and `stride` of the block's first
/// convolution.
inline Network block_network(Surgery surgery = Surgery::Traditional,
                             Join join = Join::BeforeActivation,
                             Shortcut shortcut = Shortcut::Projection, int64_t stride = 2) {
  Network n;
  n.name = "block";
  n.input = {2, 6, 7};
  n.head = linear_head(5);
  n.join = join;
  n.blocks.push_back({"stem", {conv_stage(2, 3, 3, 1)}, {}});
  const int64_t out = stride > 1 ? 4 : 3;
  Skip skip;
  skip.id = "b0.skip";
  skip.to = 2;
  if (stride > 1 && shortcut == Shortcut::Projection) {
    skip.layers = projection(3, out, {stride, stride});
    skip.tensors = skip.id;
  } else if (stride > 1) {
    skip.layers = {PickLayer{out, {stride, stride}, shortcut == Shortcut::Pad ? 1 : 0}};
  }
  n.blocks.push_back({"b0", {conv_stage(3, out, 3, stride), conv_stage(out, out, 3, 1)}, {skip}});
  alter(n, surgery);
  return n;
}

struct ProjectParts {
  Graph lowered;
  Design design;
  TestVectors vectors;
  Quantisation quantisation;
  HlsBackend backend = HlsBackend::Vitis;
  bool force = false;
};

/// Images are uniform in [-2, 2.1] times `scale`.
inline ProjectParts project_parts(Graph graph, DesignOptions options = {}, int64_t count = 5,
                                  double scale = 1) {
  options.input_magnitude = 2.1 * scale;
  Design design = make_design(graph, options);
  TestVectors vectors{"random images", {}, {}};
  for (int64_t i = 0; i < count; ++i) {
    vectors.inputs.push_back(random_image(graph.input_shape(), i));
    for (double& v : vectors.inputs.back()) v *= scale;
  }
  Quantisation quantisation = measure(design, vectors);
  return {std::move(graph), std::move(design), std::move(vectors), std::move(quantisation)};
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

inline ProjectContents contents_of(const ProjectParts& p) {
  return {Lowered(p.lowered, "test"),
          {p.design, find_device("u200"), {}, {}},
          p.vectors,
          p.quantisation,
          Json::object(),
          5,
          p.backend};
}
inline void write_parts(const ProjectParts& p, const std::string& folder,
                        const std::string& target = "hls") {
  write_project(find_target(target), contents_of(p), folder, p.force);
}

}  // namespace tailor::testing
