// The picture of ranges: bars as long as types have bits, marks where the largest magnitudes are.
#include "cli/ranges.h"

#include <gtest/gtest.h>

#include "support/rooms.h"

namespace tailor::test::ranges_test {
namespace {

int64_t count_of(const std::string& text, const std::string& what) {
  int64_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TypeCalibration some_types() {
  TypeCalibration c;
  c.types.stages = {{"a<b", "5,0", "u6,3"}, {"pool", "", "8,2"}, {"fc", "4,-1", ""}};
  c.stages = {{"a<b", true, {0.5, 0, 100, 7}, {8, 3, 1000000, 3}},
              {"pool", false, {}, {0, 2, 40, 0}},
              {"fc", true, {0.125, -1, 10, 0}, {32, 5, 30, 0}}};
  return c;
}

TEST(Ranges, BarsAreAsLongAsTypesHaveBitsOfTheMagnitude) {
  const std::string svg = emit_ranges_svg(some_types(), "x & y");
  EXPECT_EQ(svg.rfind("<svg ", 0), 0U);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  EXPECT_NE(svg.find("x &amp; y"), std::string::npos);
  EXPECT_NE(svg.find(">a&lt;b<"), std::string::npos);
  // Signs are no cells: 4 and 3 bits of weights, 6 and 7 of values, of 18 pixels each.
  for (int bits : {4, 3, 6, 7})
    EXPECT_EQ(count_of(svg, fmt::format("width=\"{}\" height=\"14\"", 18 * bits)), 1) << bits;
  EXPECT_EQ(count_of(svg, "width=\"3\""), 4);  // pool has nothing but zeros
  for (const char* text : {">5,0<", ">u6,3<", ">8,2<", ">4,-1<", ">logits<", ">7.00 %<",
                           ">&lt; 0.01 %<", ">1/16<", ">16<"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
}

TEST(Ranges, TheAxisOfScaledWeightsSaysSoAndBinaryOnesHaveNoRange) {
  TypeCalibration c = some_types();
  EXPECT_NE(emit_ranges_svg(c, "x").find(">weights<"), std::string::npos);
  c.types.stages[0].scales = c.types.stages[2].scales = "u8,0";
  c.types.stages[2].weights = "binary";
  const std::string svg = emit_ranges_svg(c, "x");
  for (const char* text : {">weights, in scales<", ">5,0<", ">binary<", ">logits<"})
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  EXPECT_EQ(count_of(svg, "width=\"3\""), 3);
}

}  // namespace
}  // namespace tailor::test::ranges_test
