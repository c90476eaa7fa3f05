// The dataflow: every stage and stream is there, skips go beside, and nothing lies over another.
#include "tailor/report/dataflow.h"

#include "report/svg_reader.h"
#include "support/expect_error.h"
#include "support/rooms.h"

namespace tailor::test {
namespace {

/// Stem, two convolutions with a skip around them, and one with a convolution on its skip.
report::Dataflow two_blocks() {
  report::Dataflow flow{"flow of <net>", {}, {}};
  for (const char* const name : {"stem", "a.conv1", "a.conv2", "b.conv1", "b.skip.conv", "b.conv2"})
    flow.stages.push_back({name, "conv2d, 4x8x8", 100, 36});
  flow.stages[2].cycles = 200;
  flow.streams = {{0, 1, 2, 64, "srl", ""},         {1, 2, 3, 64, "srl", ""},
                  {1, 2, 35, 64, "bram", "a.skip"}, {2, 3, 2, 64, "srl", ""},
                  {3, 4, 9, 64, "srl", ""},         {3, 5, 2, 128, "srl", ""},
                  {4, 5, 5, 128, "uram", "b.skip"}};
  return flow;
}

struct Box {
  double left, top, width, height;
  bool overlaps(const Box& o) const {
    return left < o.left + o.width && o.left < left + width && top < o.top + o.height &&
           o.top < top + height;
  }
};
std::vector<Box> boxes(const pugi::xml_document& svg, const std::string& path) {
  std::vector<Box> found;
  for (const auto& n : find_nodes(svg, path)) {
    found.push_back({n.attribute("x").as_double(), n.attribute("y").as_double(),
                     n.attribute("width").as_double(), n.attribute("height").as_double()});
  }
  return found;
}

TEST(DataflowFigure, HasEveryStageAndStream) {
  for (int64_t width : {352, 820}) {
    const pugi::xml_document svg = read_svg(report::emit_dataflow(two_blocks(), width));
    EXPECT_EQ(boxes(svg, "//rect[@class='box']").size(), 6U);
    EXPECT_EQ(boxes(svg, "/svg/rect[@class='paper']").size(), 7U);
    // The skip around a, the way into b's convolution, and the one out of it.
    EXPECT_EQ(find_nodes(svg, "//path[@class='skip']").size(), 3U);
    EXPECT_EQ(find_nodes(svg, "//path[@class='way']").size(), 4U);
    const auto texts = find_nodes(svg, "/svg/text[text()='35 × 64 bram']");
    EXPECT_EQ(texts.size(), 1U);
  }
}

TEST(DataflowFigure, NothingLiesOverAnother) {
  for (int64_t width : {352, 820}) {
    const pugi::xml_document svg = read_svg(report::emit_dataflow(two_blocks(), width));
    std::vector<Box> all = boxes(svg, "//rect[@class='box']");
    for (const Box& label : boxes(svg, "/svg/rect[@class='paper']")) all.push_back(label);
    const double right =
        std::stod(std::string(svg.document_element().attribute("viewBox").value()).substr(4));
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_LE(all[i].left + all[i].width, right);
      for (size_t k = 0; k < i; ++k)
        EXPECT_FALSE(all[i].overlaps(all[k])) << width << " " << i << " " << k;
    }
  }
}

TEST(DataflowFigure, BarsAreCycles) {
  const pugi::xml_document svg = read_svg(report::emit_dataflow(two_blocks(), 820));
  const std::vector<Box> bars = boxes(svg, "//g/rect[@class='bar'][1]");
  ASSERT_EQ(bars.size(), 6U);
  EXPECT_NEAR(bars[2].width / bars[1].width, 2, 0.01);
}

TEST(DataflowFigure, AStreamBackwardsIsABug) {
  report::Dataflow flow = two_blocks();
  flow.streams[0].to = 0;
  testing::expect_error(ErrorKind::Internal, {"nowhere"},
                        [&] { report::emit_dataflow(flow, 352); });
}

}  // namespace
}  // namespace tailor::test
