#include "tailor/tensors/tensor.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/tensors/map_shape.h"

namespace tailor::test::tensor_test {
namespace {

using testing::expect_error;

TEST(Tensor, IsZeroFilledAndAsLargeAsItsShape) {
  const Tensor tensor(DType::I16, {2, 3, 5});
  EXPECT_EQ(tensor.size(), 30);
  EXPECT_EQ(tensor.bytes().size(), 60U);
  for (int16_t v : tensor.as<int16_t>()) EXPECT_EQ(v, 0);
  EXPECT_EQ(Tensor(DType::F64, {}).size(), 1);  // a scalar
  EXPECT_EQ(Tensor(DType::F64, {4, 0}).bytes().size(), 0U);
  EXPECT_EQ(Tensor().size(), 0);
}

TEST(Tensor, KeepsItsValuesInEveryType) {
  const std::vector<double> expected = {-3, 0, 7};
  EXPECT_EQ(Tensor::from<double>({3}, {-3, 0, 7}).to_doubles(), expected);
  EXPECT_EQ(Tensor::from<float>({3}, {-3, 0, 7}).to_doubles(), expected);
  EXPECT_EQ(Tensor::from<int64_t>({3}, {-3, 0, 7}).to_doubles(), expected);
  EXPECT_EQ(Tensor::from<int32_t>({3}, {-3, 0, 7}).to_doubles(), expected);
  EXPECT_EQ(Tensor::from<int16_t>({3}, {-3, 0, 7}).to_doubles(), expected);
  EXPECT_EQ(Tensor::from<int8_t>({3}, {-3, 0, 7}).to_doubles(), expected);
  EXPECT_EQ(Tensor::from<uint8_t>({3}, {253, 0, 7}).to_doubles(), (std::vector<double>{253, 0, 7}));
}

TEST(Tensor, RefusesWhatDoesNotFit) {
  const Tensor tensor = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(tensor.as<float>()[5], 6);
  expect_error(ErrorKind::Internal, {"tensor is F32, not F64"}, [&] { tensor.as<double>(); });
  expect_error(ErrorKind::Internal, {"5 values for shape [2, 3]"}, [] {
    Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5});
  });
  expect_error(ErrorKind::Internal, {"negative size in shape [2, -3]"}, [] {
    Tensor(DType::U8, {2, -3});
  });
}

TEST(Tensor, IsEqualInTypeShapeAndBytes) {
  const Tensor tensor = Tensor::from<int8_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(tensor, Tensor::from<int8_t>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(tensor == Tensor::from<int8_t>({3, 2}, {1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(tensor == Tensor::from<uint8_t>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(tensor == Tensor::from<int8_t>({2, 3}, {1, 2, 3, 4, 5, 7}));
}

TEST(Tensor, ImagesInPlanesBecomePixelByPixel) {
  const Tensor planes = Tensor::from<float>({2, 3, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(channels_last(planes),
            Tensor::from<float>({2, 1, 2, 3}, {1, 3, 5, 2, 4, 6, 7, 9, 11, 8, 10, 12}));
  testing::expect_error(ErrorKind::Data, {"expected images", "got [2, 3] of F32"}, [] {
    channels_last(Tensor(DType::F32, {2, 3}));
  });
  testing::expect_error(ErrorKind::Data, {"got [1, 1, 1, 1] of U8"}, [] {
    channels_last(Tensor(DType::U8, {1, 1, 1, 1}));
  });
}

TEST(Tensor, AMissingOneIsNamed) {
  const TensorMap tensors = {{"fc.bias", Tensor::from<float>({1}, {2})}};
  EXPECT_EQ(find_tensor(tensors, "fc.bias", "x.ckpt").as<float>()[0], 2);
  EXPECT_EQ(
      testing::message_of(ErrorKind::Data, [&] { find_tensor(tensors, "fc.weight", "x.ckpt"); }),
      "the tensor 'fc.weight' is missing from x.ckpt");
}

TEST(Shapes, ArePrinted) {
  EXPECT_EQ(to_string(Shape{16, 3, 3, 3}), "[16, 3, 3, 3]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(MapShape{3, 32, 31}), "3x32x31");
  EXPECT_EQ((MapShape{3, 5, 7}).size(), 105);
  EXPECT_EQ((MapShape{3, 5, 7}).pixels(), 35);
}

}  // namespace
}  // namespace tailor::test::tensor_test
