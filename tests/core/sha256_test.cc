// Vectors of FIPS 180-4's examples; the last test covers every padding boundary, its answer is from
// Python's hashlib.
#include <gtest/gtest.h>

#include "support/rooms.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnop"
                   "jklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

TEST(Sha256, MillionTimesTheLetterA) {
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PadsEveryLengthRight) {
  std::string bytes, digests;
  for (int n = 0; n < 200; ++n) {
    digests += sha256(bytes);
    bytes += static_cast<char>(7 * n & 255);
  }
  EXPECT_EQ(sha256(digests), "ca07a79e06ea4c825585cbbf34308733cb36356746a5eec888d7f813ec003999");
}

}  // namespace
}  // namespace tailor::test
