// The picture of a design: whole, well-formed, and nothing in it on top of something else.
#include "target/hls/drawing.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "support/designs.h"
#include "support/frames.h"
#include "support/projects.h"
#include "support/random_projects.h"
#include "tailor/core/strings.h"
#include "target/hls/xml.h"

namespace tailor::test {
namespace {

struct Rect {
  int x, y, width, height;
};

/// Boxes and FIFOs, without the background and the legend.
std::vector<Rect> rects_of(const std::string& svg) {
  std::vector<Rect> rects;
  constexpr int kLegend = 60;
  for (size_t at = svg.find("<rect class="); at != std::string::npos;
       at = svg.find("<rect class=", at + 1)) {
    Rect r{};
    char kind[32];
    if (std::sscanf(svg.c_str() + at,
                    "<rect class=\"%31[a-z]\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"", kind,
                    &r.x, &r.y, &r.width, &r.height) == 5 &&
        r.y > kLegend)
      rects.push_back(r);
  }
  return rects;
}

void expect_sound(const Design& design) {
  const std::string svg = draw_dataflow(design);
  EXPECT_EQ(svg, draw_dataflow(design));
  EXPECT_STREQ(XmlFile(svg, "svg").root().name(), "svg");
  size_t boxes = 0, fifos = 0;
  const Graph& graph = design.graph();
  for (const Node& node : graph.nodes) {
    ++boxes;
    EXPECT_NE(svg.find(">" + node.name + "<"), std::string::npos) << node.name;
  }
  for (ValueId id : graph.value_ids()) {
    if (id == graph.input() || id == graph.output()) continue;
    ++fifos;
    const Value& v = graph.value(id);
    // As hls.md writes it.
    EXPECT_NE(svg.find(fmt::format(">{} x ", v.fifo_depth)), std::string::npos) << v.name;
  }
  const std::vector<Rect> rects = rects_of(svg);
  EXPECT_EQ(rects.size(), boxes + fifos);
  for (size_t i = 0; i < rects.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const Rect &a = rects[i], &b = rects[j];
      const bool apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y ||
                         b.y + b.height <= a.y;
      EXPECT_TRUE(apart) << a.x << "," << a.y << " and " << b.x << "," << b.y;
    }
  }
}

TEST(Drawing, NothingLiesOnTopOfSomethingElse) {
  using testing::Surgery;
  for (const auto& [layout, skips] : testing::layouts()) {
    testing::DesignOptions options;
    options.layout = layout;
    options.skips = skips;
    for (Surgery surgery : {Surgery::Traditional, Surgery::Shortened, Surgery::Removed}) {
      for (int64_t stride : {1, 2}) {
        SCOPED_TRACE(fmt::format("{} {} {} {}", to_string(layout), to_string(skips),
                                 static_cast<int>(surgery), stride));
        expect_sound(
            testing::make_design(testing::lowered(testing::block_network(
                                     surgery, Join::AfterActivation, Shortcut::Projection, stride)),
                                 options));
      }
    }
  }
}

TEST(Drawing, OfASequence) {
  testing::DesignOptions options;
  options.token_bits = 64;
  const Design design = testing::make_design(
      testing::speech_graph(testing::FrameSkips::Long, Join::BeforeActivation, 27, 8, 4, 2),
      options);
  expect_sound(design);
  EXPECT_NE(draw_dataflow(design).find("cycles a sequence (model)"), std::string::npos);
}

TEST(Drawing, SaysWhatAConvolutionHasTakenIn) {
  testing::DesignOptions options;
  const std::string svg = draw_dataflow(testing::make_design(
      testing::lowered(testing::block_network(testing::Surgery::Shortened, Join::BeforeActivation,
                                              Shortcut::Projection, 1)),
      options));
  EXPECT_NE(svg.find("+ b0.skip.0 (folded)"), std::string::npos) << svg;
}

TEST(Drawing, SaysWhatAConvolutionHandsOn) {
  const std::string svg = draw_dataflow(testing::make_design(
      testing::lowered(testing::block_network(testing::Surgery::Traditional, Join::AfterActivation,
                                              Shortcut::Projection, 1)),
      {}));
  EXPECT_NE(svg.find(", hands on b0.skip<"), std::string::npos) << svg;
  EXPECT_NE(svg.find("class=\"skipname\""), std::string::npos) << "the skip goes beside";
}

}  // namespace
}  // namespace tailor::test
