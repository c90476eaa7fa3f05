// The native hls::stream: an unbounded FIFO with the vendor's ways of reading and writing, which
// stops the program where the vendor's would hang.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "target/hls/native/ap_int.h"
#include "target/hls/native/hls_stream.h"

#include "support/rooms.h"

namespace tailor::test {
namespace {

TEST(NativeStream, KeepsTheOrderWhileItGrowsAndWraps) {
  hls::stream<ap_uint<1024>> stream("tokens");
  std::mt19937_64 random(31);
  uint64_t written = 0, read = 0;
  for (int n = 0; n < 20000; ++n) {
    if (random() % 100 < 52) {
      ap_uint<1024> token = 0;
      token.range(1023, 960) = ++written;
      stream.write(token);
    } else if (!stream.empty()) {
      ASSERT_EQ(stream.read().range(1023, 960), ++read);
    }
    ASSERT_EQ(stream.size(), written - read);
    ASSERT_EQ(stream.empty(), written == read);
  }
  EXPECT_GT(stream.size(), 16u);
  EXPECT_FALSE(stream.full());
}

int sum_of(hls::stream<int>& stream) {
  int sum = 0, value = 0;
  while (stream.read_nb(value)) sum += value;
  return sum;
}

TEST(NativeStream, ReadsAndWritesInEveryWay) {
  hls::stream<int, 4> stream;
  stream << 1;
  stream.write(2);
  EXPECT_TRUE(stream.write_nb(3));
  for (int i = 0; i < 100; ++i) stream << 10;  // deeper than its depth
  int value = 0;
  stream >> value;
  EXPECT_EQ(value, 1);
  stream.read(value);
  EXPECT_EQ(value, 2);
  EXPECT_EQ(stream.read(), 3);
  EXPECT_EQ(sum_of(stream), 1000);
  EXPECT_FALSE(stream.read_nb(value));
  EXPECT_FALSE((std::is_copy_constructible_v<hls::stream<int, 4>> ||
                std::is_copy_assignable_v<hls::stream<int>>));
  hls::stream<bool> flags;
  flags << true;
  EXPECT_TRUE(flags.read());
}

TEST(NativeStreamDeathTest, StopsAtAReadWhileEmpty) {
  hls::stream<int> stream("stage2_out");
  stream.write(1);
  stream.read();
  EXPECT_DEATH(stream.read(), "hls::stream stage2_out: read while empty");
  hls::stream<int> unnamed;
  int value = 0;
  EXPECT_DEATH(unnamed.read(value), "hls::stream \\(unnamed\\): read while empty");
}

}  // namespace
}  // namespace tailor::test
