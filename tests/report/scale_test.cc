// From values to places, with ticks at round numbers.
#include "tailor/report/scale.h"

#include <gtest/gtest.h>

#include "support/rooms.h"

namespace tailor::test {
namespace {

TEST(ReportScale, TicksAreRoundAndHoldTheRange) {
  const report::Scale s(61.3, 98.6, 5);
  EXPECT_EQ(s.ticks(), (std::vector<double>{60, 70, 80, 90, 100}));
  EXPECT_EQ(s.text(70), "70");
  const report::Scale small(0.0012, 0.0047, 4);
  EXPECT_EQ(small.text(small.ticks()[1]), "0.002");
}

TEST(ReportScale, PlacesAreProportionalAndStayInside) {
  report::Scale s(0, 10, 5);
  s.place(200, 100);
  EXPECT_DOUBLE_EQ(s.at(0), 200);
  EXPECT_DOUBLE_EQ(s.at(2.5), 175);
  EXPECT_DOUBLE_EQ(s.at(11), 100);
}

TEST(ReportScale, ExactEndsAreNotWidened) {
  report::Scale s(0, 15, 8, report::Scale::Ends::Exact, 1);
  EXPECT_EQ(s.ticks(), (std::vector<double>{0, 2, 4, 6, 8, 10, 12, 14}));
  s.place(0, 150);
  EXPECT_DOUBLE_EQ(s.at(15), 150);
}

TEST(ReportScale, OfOneValueHasTwoEnds) {
  const report::Scale s(3, 3, 5);
  EXPECT_LT(s.low(), s.high());
  const report::Scale zero(0, 0, 5);
  EXPECT_LT(zero.low(), zero.high());
}

TEST(ReportScale, WholeNumbersHaveNoHalves) {
  const report::Scale s(0, 2, 8, report::Scale::Ends::Round, 1);
  EXPECT_EQ(s.ticks(), (std::vector<double>{0, 1, 2}));
}

TEST(ReportScale, LogarithmsAreEvenlyApart) {
  report::Scale s = report::Scale::logarithmic(0.3, 40, 5);
  EXPECT_EQ(s.ticks(), (std::vector<double>{0.2, 0.5, 1, 2, 5, 10, 20, 50}));
  s.place(0, 100);
  EXPECT_NEAR(s.at(10) - s.at(1), s.at(5) - s.at(0.5), 1e-9);
  const report::Scale wide = report::Scale::logarithmic(1e-6, 1, 4);
  EXPECT_EQ(wide.ticks().size(), 7U);
  EXPECT_EQ(wide.text(wide.ticks()[0]), "1e-06");
}

}  // namespace
}  // namespace tailor::test
