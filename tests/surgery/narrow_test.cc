// Widened and narrowed again: what rode for nothing goes without a trace, and the widths of old
// come back.
#include "tailor/surgery/narrow.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/layers.h"
#include "support/networks.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/witness.h"
#include "tailor/surgery/surgery.h"
#include "tailor/surgery/widen.h"

namespace tailor::test {
namespace {

using testing::expect_error;

double narrowing_difference(const Network& a, const TensorMap& a_tensors,
                            const NarrowedNetwork& b) {
  const Float64Emulator before(lower(a, a_tensors, "before")),
      after(lower(b.network, b.tensors, "after"));
  const std::vector<double> image = testing::random_image(a.input, 40);
  return relative_difference(after.run(image), before.run(image));
}

TEST(Narrow, OfAWidenedNetworkHasTheWidthsOfOld) {
  const Network network = testing::small_network();
  const WidenedNetwork w = widen(network, testing::random_tensors(network, 5), {});
  const NarrowedNetwork half = narrow(w.network, w.tensors, network, 0.5),
                        all = narrow(half.network, half.tensors, network);
  ASSERT_EQ(half.convs.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    const Narrowing &first = half.convs[i], &second = all.convs[i];
    EXPECT_EQ(first.after, (first.before + second.after) / 2) << first.conv;
    EXPECT_EQ(second.before, first.after);
  }
  Network plain = network;
  testing::alter(plain, testing::Surgery::Removed);
  EXPECT_EQ(write_network(all.network), write_network(plain));
  verify_tensors(all.network, all.tensors, "narrowed");
  EXPECT_GT(narrowing_difference(w.network, w.tensors, all), 1e-3);
  EXPECT_TRUE(narrow(all.network, all.tensors, network).convs.empty());
}

/// Whose first block has a constant in the place of some filters.
struct Constants {
  Network network = testing::small_network();
  TensorMap tensors;
  int64_t filters = 0;
  Constants() {
    testing::alter(network, testing::Surgery::Removed);
    tensors = testing::random_tensors(network, 5);
    for (const int64_t c : {0, 2}) set(c, 0, -1);
    filters = tensors.at("stage1.block0.conv1.weight").shape()[0];
  }
  void set(int64_t filter, float gamma, float beta) {
    tensors.at("stage1.block0.bn1.weight").as<float>()[static_cast<size_t>(filter)] = gamma;
    tensors.at("stage1.block0.bn1.bias").as<float>()[static_cast<size_t>(filter)] = beta;
  }
  Network like(int64_t fewer) const {
    Network like = network;
    std::get<ConvLayer>(like.blocks[1].stages[0].layers[0]).out -= fewer;
    std::get<ConvLayer>(like.blocks[1].stages[1].layers[0]).in -= fewer;
    return like;
  }
};

TEST(Narrow, WhatBringsNothingGoesFirstAndLeavesNoTrace) {
  const Constants c;
  const NarrowedNetwork narrowed = narrow(c.network, c.tensors, c.like(2));
  ASSERT_EQ(narrowed.convs.size(), 1U);
  EXPECT_EQ(narrowed.convs[0].conv, "stage1.block0.conv1");
  EXPECT_EQ(narrowed.convs[0].before, c.filters);
  EXPECT_EQ(narrowed.convs[0].after, c.filters - 2);
  EXPECT_LT(narrowing_difference(c.network, c.tensors, narrowed), 1e-12);
}

TEST(Narrow, AFilterThatNeverChangedIsAConstantWhateverItsFactor) {
  Constants c;
  for (const size_t filter : {0, 2}) {  // of deviation 0, below 0: nothing behind the ReLU
    c.set(static_cast<int64_t>(filter), 50, -1);
    c.tensors.at("stage1.block0.bn1.running_var").as<float>()[filter] = 0;
    const Shape shape = c.tensors.at("stage1.block0.conv1.weight").shape();
    auto weight = c.tensors.at("stage1.block0.conv1.weight").as<float>();
    const size_t size = weight.size() / static_cast<size_t>(shape[0]);
    for (size_t i = filter * size; i < (filter + 1) * size; ++i) weight[i] = 0;
    c.tensors.at("stage1.block0.bn1.running_mean").as<float>()[filter] = 0;
  }
  const NarrowedNetwork narrowed = narrow(c.network, c.tensors, c.like(2));
  EXPECT_LT(narrowing_difference(c.network, c.tensors, narrowed), 1e-12);
}

TEST(Narrow, AConstantThatGoesIsInTheNextBatchNormsMean) {
  Constants c;
  c.set(0, 0, 0.01F);  // behind the ReLU 0.01 everywhere
  // Of one tap, so that no border lacks it.
  auto& next = std::get<ConvLayer>(c.network.blocks[1].stages[1].layers[0]);
  next.window = Window();
  const Shape shape = c.tensors.at("stage1.block0.conv2.weight").shape();
  Tensor one_tap(DType::F32, {shape[0], shape[1], 1, 1});
  float at = 0;
  for (float& v : one_tap.as<float>()) v = std::sin(at++);
  c.tensors.insert_or_assign("stage1.block0.conv2.weight", one_tap);
  const NarrowedNetwork narrowed = narrow(c.network, c.tensors, c.like(2));
  EXPECT_LT(narrowing_difference(c.network, c.tensors, narrowed), 1e-6);
  EXPECT_FALSE(narrowed.tensors.at("stage1.block0.bn2.running_mean") ==
               c.tensors.at("stage1.block0.bn2.running_mean"));
}

TEST(Narrow, RefusesWhatIsNoNarrowerNetwork) {
  const Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 5);
  const WidenedNetwork w = widen(network, tensors, {});
  auto refused = [&](const Network& from, const TensorMap& weights, const Network& like,
                     const std::string& why) {
    expect_error(ErrorKind::Config, {"cannot narrow", why}, [&] { narrow(from, weights, like); });
  };
  refused(network, tensors, w.network, "filters there");
  Network other = network;
  other.blocks.pop_back();
  refused(w.network, w.tensors, other, "other blocks");
  other = network;
  other.blocks[1].stages.pop_back();
  refused(w.network, w.tensors, other, "other stages");
  // The last convolution of a block is the next one's input, and a short skip reads the first.
  other = w.network;
  std::get<ConvLayer>(other.blocks[1].stages[1].layers[0]).out -= 1;
  refused(w.network, w.tensors, other, "not before another convolution");
  Network shortened = network;
  testing::alter(shortened, testing::Surgery::Shortened);
  other = network;
  std::get<ConvLayer>(other.blocks[1].stages[0].layers[0]).out -= 1;
  refused(shortened, testing::random_tensors(shortened, 5), other,
          "begins or ends behind stage1.block0.conv1");
}

}  // namespace
}  // namespace tailor::test
