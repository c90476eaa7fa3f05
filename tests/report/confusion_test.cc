#include "tailor/report/confusion.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

/// Class 0: 3 right, 2 as 1, 2 as 3. Class 1: 1 right. Class 2: none. Class 3: 1 as 0, 4 as 2.
ConfusionMatrix by_hand() {
  ConfusionMatrix m(4);
  const int64_t counts[4][4] = {{3, 2, 0, 2}, {0, 1, 0, 0}, {0, 0, 0, 0}, {1, 0, 4, 0}};
  for (int64_t label = 3; label >= 0; --label) {
    for (int64_t as = 0; as < 4; ++as) {
      for (int64_t i = 0; i < counts[label][as]; ++i) m.add(label, as);
    }
  }
  return m;
}

int64_t occurrences(const std::string& text, const std::string& word) {
  int64_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

std::vector<std::string> numbered(int64_t classes) {
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(fmt::format("n{:08}", c));
  return names;
}

TEST(ConfusionTable, IsATableOfCommaSeparatedValues) {
  EXPECT_EQ(emit_confusion_csv(by_hand(), {"cat", "dog, wild", "\"x\"", "d"}),
            "label \\ prediction,cat,\"dog, wild\",\"\"\"x\"\"\",d\n"
            "cat,3,2,0,2\n"
            "\"dog, wild\",0,1,0,0\n"
            "\"\"\"x\"\"\",0,0,0,0\n"
            "d,1,0,4,0\n");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_field("plain text"), "plain text");
}

TEST(ConfusionPicture, OfAFewClassesHasCountsNamesAndShares) {
  const std::string svg = emit_confusion_svg(by_hand(), {"cat", "dog", "emu", "fox"}, "a <title>");
  testing::expect_words(
      svg, {"<title>a &lt;title&gt;</title>", ">cat</text>", ">fox</text>", ">42.9 %</text>",
            ">100.0 %</text>", ">0.0 %</text>", ">–</text>", "prefers-color-scheme:dark"});
  // Of six cells that occurred all but 1 of 5 are dark, and their counts in the paper's colour.
  EXPECT_EQ(occurrences(svg, "<text class=\"paper\""), 5);
  EXPECT_EQ(occurrences(svg, "<text class=\"ink\" x=\"") - 1, 1);  // and the title
  EXPECT_EQ(occurrences(svg, "h40v40h-40z"), 6);
  EXPECT_EQ(svg.find("http", svg.find("xmlns") + 40), std::string::npos);  // nothing from outside
}

TEST(ConfusionPicture, GetsSimplerWithTheNumberOfClasses) {
  auto draw = [&](int64_t classes) {
    ConfusionMatrix m(classes);
    for (int64_t c = 0; c < classes; ++c) m.add(c, c), m.add(c, (c * 7 + 3) % classes);
    return emit_confusion_svg(m, numbered(classes), "t");
  };
  const std::string few = draw(20), some = draw(21), many = draw(125), most = draw(1000);
  EXPECT_NE(few.find("%</text>\n</g>"), std::string::npos);
  EXPECT_EQ(occurrences(few, "text-anchor=\"end\">\n<text x"), 2);
  EXPECT_EQ(occurrences(some, "class=\"paper\""), 1);  // the ground alone: no counts
  EXPECT_EQ(occurrences(many, ">n00000124</text>"), 2);
  EXPECT_EQ(occurrences(most, "n0000"), 0);
  EXPECT_EQ(occurrences(most, ">950</text>"), 2);
  EXPECT_EQ(occurrences(most, ">951</text>"), 0);
  EXPECT_LT(most.size(), 100'000U);
}

TEST(ConfusionPicture, TextCannotBreakIt) {
  ConfusionMatrix m(2);
  m.add(0, 1);
  const std::string svg =
      emit_confusion_svg(m, {"a&b\x01\xff", "\xe7\x8c\xab" + std::string(60, 'x')},
                         "two words " + std::string(90, 'y'));
  testing::expect_words(svg, {">a&amp;b?"
                              "?</text>",
                              "\xe7\x8c\xab" + std::string(27, 'x') + "…<"});
  EXPECT_EQ(svg.find('\x01'), std::string::npos);
  EXPECT_EQ(svg.find('\xff'), std::string::npos);
  EXPECT_EQ(svg.find(std::string(28, 'x')), std::string::npos);
}

TEST(ConfusionPicture, NeedsAsManyNamesAsClasses) {
  EXPECT_THROW(emit_confusion_svg(by_hand(), {"cat"}, ""), std::out_of_range);
  EXPECT_THROW(emit_confusion_csv(by_hand(), {"cat"}), std::out_of_range);
}

}  // namespace
}  // namespace tailor::test
