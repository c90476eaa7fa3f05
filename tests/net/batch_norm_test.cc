#include "tailor/net/batch_norm.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tailor/core/random.h"

namespace tailor::test {
namespace {

TEST(NormChannel, IsExactAndHasNearlyTheStatistics) {
  CounterRandom random(1, RandomStream::Test, 77);
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(i);
    const double scale = (i % 2 ? -1 : 1) * std::exp(random.uniform(-9, 4)),
                 shift = random.uniform(-2, 2), mean = i % 3 ? random.uniform(-5, 5) : 0,
                 variance = i % 5 ? std::exp(random.uniform(-20, 6)) : 0,
                 epsilon = i % 7 ? 1e-5 : 1e-3;
    const NormChannel n = norm_channel(scale, shift, mean, variance, epsilon);
    TensorMap tensors;
    for (const char* what : {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"})
      tensors.emplace(what, Tensor(DType::F32, {2}));
    set_norm_channel(tensors, "bn", 1, n);
    const ScaleShift does = scale_and_shift(tensors, "bn", epsilon);
    EXPECT_EQ(does.scale[0], 0);
    EXPECT_LE(std::abs(does.scale[1] / scale - 1), 2e-11);
    EXPECT_LE(std::abs(does.shift[1] - shift),
              2e-11 * std::max(std::abs(shift), std::abs(mean * scale)));
    EXPECT_NEAR(n.variance, variance, 5e-3 * (variance + epsilon));
    EXPECT_NEAR(n.mean, mean, 5e-3 * (std::abs(mean) + std::abs(shift / scale)));
    EXPECT_GE(n.variance, 0);
  }
}

TEST(NormChannel, AFactorOfNothingIsAConstant) {
  const NormChannel n = norm_channel(0, 0.25, 3, 2, 1e-5);
  EXPECT_EQ(n.gamma, 0);
  EXPECT_EQ(n.beta, 0.25F);
}

}  // namespace
}  // namespace tailor::test
