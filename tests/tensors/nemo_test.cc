// .nemo archives: whole ones, plain and gzipped, and what nobody should be given.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/tensors/weight_file.h"
#include "tensors/nemo_bytes.h"

namespace tailor::test::nemo_test {
namespace {

using testing::gzip;
using testing::message_of;
using testing::tar;
using testing::tar_member;
using testing::torch_state_dict;

TensorMap two_tensors() {
  return {{"decoder.decoder_layers.0.bias", Tensor::from<float>({3}, {1, 2, 3})},
          {"encoder.encoder.0.mconv.0.conv.weight",
           Tensor::from<float>({2, 1, 3}, {1, 2, 3, 4, 5, 6})}};
}
std::vector<std::pair<std::string, std::string>> members() {
  return {{"./", ""},
          {"./model_config.yaml", "target: EncDecCTCModel\n"},
          {"./model_weights.ckpt", torch_state_dict(two_tensors())}};
}

std::string refused(const std::string& bytes, ErrorKind kind = ErrorKind::Data) {
  return message_of(kind, [&] { parse_weight_file(bytes, "m.nemo"); });
}

TEST(Nemo, HoldsAStateDictPlainOrGzipped) {
  for (const std::string& bytes : {tar(members()), gzip(tar(members()))}) {
    const WeightFile file = parse_weight_file(bytes, "m.nemo");
    EXPECT_EQ(file.format, "nemo");
    EXPECT_EQ(file.tensors, two_tensors());
    ASSERT_FALSE(file.remarks.empty());
    EXPECT_EQ(file.remarks.back(), "./model_config.yaml: skipped, no weights");
  }
}

TEST(Nemo, AnotherArchiveIsRefusedAsOne) {
  const std::string other = tar({{"weights.pt", "x"}});
  testing::expect_words(refused(other, ErrorKind::Unsupported),
                        {"m.nemo is a tar archive", "unpack"});
  testing::expect_words(refused(gzip(other), ErrorKind::Unsupported),
                        {"m.nemo is compressed by gzip"});
  testing::expect_words(refused(gzip("no archive at all"), ErrorKind::Unsupported),
                        {"m.nemo is compressed by gzip"});
}

TEST(Nemo, ADamagedOneSaysWhatIsWrong) {
  const std::string whole = tar(members());
  testing::expect_words(
      refused(whole.substr(0, whole.size() - 2048)),
      {"weight file m.nemo: ", "expected a whole .nemo archive", "copy it again"});
  auto large = members();
  large.insert(large.begin(), {"./first.bin", std::string(300'000, 'x')});
  const std::string zipped = gzip(tar(large));
  testing::expect_words(refused(zipped.substr(0, zipped.size() * 2 / 3)), {"weight file m.nemo: "});
  testing::expect_words(refused(tar({{"model_weights.ckpt", "not a file of PyTorch"}})),
                        {"m.nemo:model_weights.ckpt has 21 bytes and is no file of torch.save"});
  auto twice = members();
  twice.push_back({"again/model_weights.ckpt", "x"});
  testing::expect_words(refused(tar(twice)), {"two files model_weights.ckpt"});
}

TEST(Nemo, OneThatEndsEarlySaysSoWhereverItEnds) {
  const std::string whole = tar(members()), zipped = gzip(whole);
  for (size_t size : {size_t{10}, size_t{300}, size_t{700}, zipped.size() / 2}) {
    SCOPED_TRACE(size);
    testing::expect_words(refused(zipped.substr(0, size)),
                          {"weight file m.nemo: the archive ends early", "copy it again"});
  }
  // Behind a member, and within one.
  for (size_t size : {size_t{512}, size_t{1536}, size_t{3000}}) {
    SCOPED_TRACE(size);
    testing::expect_words(refused(whole.substr(0, size)),
                          {"weight file m.nemo: the archive ends early"});
  }
  std::string damaged = zipped;
  damaged[12] = static_cast<char>(damaged[12] ^ 0x55);  // a stored block's length
  testing::expect_words(refused(damaged), {"weight file m.nemo: ", "damaged"});
}

TEST(Nemo, SizesAreNotBelieved) {
  const std::string lies =
      tar_member("model_weights.ckpt", "short", int64_t{7} << 30) + std::string(1024, '\0');
  testing::expect_words(refused(lies), {"weight file m.nemo: its model_weights.ckpt says 7516192768"
                                        " bytes, expected at most"});
  // Within what a gzip of so many bytes could hold, but more than there are.
  const std::string longer =
      tar_member("model_weights.ckpt", "short", 1 << 20) + std::string(1024, '\0');
  testing::expect_words(refused(longer), {"weight file m.nemo: "});
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += tar_member("f", "");
  testing::expect_words(refused(many + std::string(1024, '\0')), {"more than 10000 files"});
}

}  // namespace
}  // namespace tailor::test::nemo_test
