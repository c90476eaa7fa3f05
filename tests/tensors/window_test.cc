#include "tailor/tensors/window.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

namespace tailor::test {
namespace {

TEST(Window, CountsItsPlacesOnAMap) {
  EXPECT_EQ(count_windows(square_window(3, 1, 1), {5, 7, 9}), (Size2{7, 9}));
  EXPECT_EQ(count_windows(square_window(3, 2, 1), {5, 7, 9}), (Size2{4, 5}));
  EXPECT_EQ(count_windows(square_window(2, 2, 0, 1), {5, 7, 9}), (Size2{4, 5}));
  const Window dilated{{1, 5}, {1, 2}, {1, 3}, {0, 4, 0, 6}};
  EXPECT_EQ(dilated.extent(), (Size2{1, 13}));
  EXPECT_EQ(count_windows(dilated, {2, 3, 11}), (Size2{3, 5}));
  EXPECT_EQ(count_windows(square_window(4), {1, 3, 9}), (Size2{0, 0}));
}

TEST(Window, ReadsAsPeopleWriteIt) {
  EXPECT_EQ(to_string(square_window(3)), "3x3");
  EXPECT_EQ(to_string(square_window(3, 2)), "3x3/2");
  EXPECT_EQ(to_string(Window{{1, 87}, {1, 2}, {1, 3}, {}}), "1x87/1x2 dilated 1x3");
}

}  // namespace
}  // namespace tailor::test
