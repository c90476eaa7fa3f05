#include "tailor/task/confusion.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

namespace tailor::test {
namespace {

TEST(ConfusionMatrix, CountsRowsColumnsAndTheCommonestMistake) {
  // Class 0: 3 right, 2 as 1, 2 as 3. Class 1: 1 right. Class 2: none. Class 3: 1 as 0, 4 as 2.
  ConfusionMatrix m(4);
  const int64_t counts[4][4] = {{3, 2, 0, 2}, {0, 1, 0, 0}, {0, 0, 0, 0}, {1, 0, 4, 0}};
  for (int64_t label = 3; label >= 0; --label) {
    for (int64_t as = 0; as < 4; ++as) {
      for (int64_t i = 0; i < counts[label][as]; ++i) m.add(label, as);
    }
  }
  EXPECT_EQ(m.classes(), 4);
  EXPECT_EQ(m.images(0), 7);
  EXPECT_EQ(m.images(2), 0);
  EXPECT_EQ(m.images(3), 5);
  EXPECT_EQ(m.predicted(0), 4);
  EXPECT_EQ(m.predicted(1), 3);
  EXPECT_EQ(m.predicted(2), 4);
  EXPECT_EQ(m.correct(0), 3);
  EXPECT_EQ(m.correct(3), 0);
  EXPECT_EQ(m.count(3, 2), 4);
  EXPECT_EQ(m.count(2, 3), 0);
  using Mistake = std::pair<int64_t, int64_t>;
  EXPECT_EQ(m.most_taken_for(0), Mistake(1, 2));  // the first on ties
  EXPECT_EQ(m.most_taken_for(1), Mistake(0, 0));
  EXPECT_EQ(m.most_taken_for(2), Mistake(0, 0));
  EXPECT_EQ(m.most_taken_for(3), Mistake(2, 4));
}

}  // namespace
}  // namespace tailor::test
