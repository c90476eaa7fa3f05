// Squared differences image by image, by kernels of our own and by LibTorch's operations: the same
// sums and gradients, from maps of either type and in either order of memory.
#include "tailor/nn/squared_errors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "nn/convolution.h"
#include "support/rooms.h"
#include "tailor/nn/kernels.h"

namespace tailor::test {
namespace {

struct Answer {
  at::Tensor apart, wanted, gradient;
};

Answer answer(Kernels kernels, const at::Tensor& map, const at::Tensor& wanted) {
  use_kernels(kernels);
  const at::Tensor x = map.detach().clone().requires_grad_();
  const SquaredErrors errors = squared_errors(x, wanted);
  EXPECT_FALSE(errors.wanted.requires_grad());
  // Images count differently, so that one's factor is not another's.
  at::Tensor weights = at::empty({x.size(0)});
  for (int64_t i = 0; i < x.size(0); ++i) weights[i] = 0.5 + static_cast<double>(i);
  errors.apart.mul(weights).sum().backward();
  use_kernels(Kernels::Fast);
  return {errors.apart.detach().to(at::kDouble), errors.wanted.to(at::kDouble),
          x.grad().to(at::kDouble)};
}

void expect_near(const char* what, const at::Tensor& got, const at::Tensor& wanted,
                 double tolerance) {
  ASSERT_EQ(got.sizes(), wanted.sizes()) << what;
  const double scale = wanted.abs().max().item<double>();
  EXPECT_LT(got.sub(wanted).abs().max().item<double>(), tolerance * scale) << what;
}

TEST(SquaredErrors, AreThoseOfLibTorchsOperations) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{3, 16, 5, 7}, {2, 32, 1, 1}, {1, 48, 4, 4}, {4, 5, 3, 3}}) {
      for (const bool channels_last : {true, false}) {
        SCOPED_TRACE(fmt::format("{} channels of {} rows, {}, channels last {}", shape[1], shape[2],
                                 type == at::kFloat ? "float32" : "bfloat16", channels_last));
        const auto order =
            channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
        const at::Tensor map = at::rand(shape).sub(0.5).to(type).contiguous(order),
                         wanted = at::rand(shape).sub(0.5).to(type).contiguous(order);
        const Answer fast = answer(Kernels::Fast, map, wanted),
                     plain = answer(Kernels::Reference, map, wanted);
        expect_near("sums", fast.apart, plain.apart, 1e-5);
        expect_near("the wanted map's", fast.wanted, plain.wanted, 1e-5);
        // What is handed back has the map's type, which holds 8 bits.
        expect_near("gradient", fast.gradient, plain.gradient, type == at::kFloat ? 1e-6 : 0.005);
        EXPECT_GT(plain.gradient.abs().max().item<double>(), 0);
      }
    }
  }
}

TEST(SquaredErrors, OfMapsOfTwoTypesAreTheWiderOnes) {
  const at::Tensor map = at::rand({2, 16, 3, 3}).to(at::kBFloat16),
                   wanted = at::rand({2, 16, 3, 3});
  const SquaredErrors errors = squared_errors(map, wanted);
  expect_near("sums", errors.apart, map.to(at::kFloat).sub(wanted).square().sum({1, 2, 3}), 1e-6);
}

}  // namespace
}  // namespace tailor::test
