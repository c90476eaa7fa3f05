// What masks, lengths and surgery mean for a network over frames of which batches have padding.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sub.h>
#include <gtest/gtest.h>

#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/nn/model.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

NetworkConfig quartz_config(QuartzKind kind) {
  NetworkConfig c;
  c.family = "quartznet";
  c.width = 6;
  c.quartznet = QuartzNetConfig();
  c.quartznet->kind = kind;
  c.quartznet->blocks = {{5, 1}, {7, 2}};
  c.quartznet->repeat = 3;
  c.quartznet->stem_kernel = 9;
  c.quartznet->context_kernel = 11;
  c.quartznet->last_filters = 3;
  return c;
}

Network speech(Join join = Join::BeforeActivation) {
  NetworkConfig config = quartz_config(QuartzKind::Speech);
  config.join = join;
  return make_network(config, {5, 1, 64}, 7);
}

at::Tensor frames(const Network& network, int64_t columns, int64_t seed) {
  const MapShape shape{network.input.channels, 1, columns};
  const std::vector<double> values = testing::random_image(shape, seed);
  return at::from_blob(const_cast<double*>(values.data()), {1, 1, columns, shape.channels},
                       at::kDouble)
      .to(at::kFloat)
      .permute({0, 3, 1, 2})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

/// The examples beside one another, the shorter ones with `filler` behind them.
at::Tensor padded(const std::vector<at::Tensor>& examples, int64_t columns, double filler) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& x : examples) {
    rows.push_back(
        at::cat({x, at::full({1, x.size(1), 1, columns - x.size(3)}, filler, at::kFloat)}, 3));
  }
  return at::cat(rows).contiguous(at::MemoryFormat::ChannelsLast);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return at::sub(a, b).abs().max().item<double>();
}

TEST(Masks, BatchingAnUtteranceWithALongerOneChangesNothing) {
  for (Join join : {Join::BeforeActivation, Join::AfterActivation}) {
    for (testing::Surgery surgery :
         {testing::Surgery::Traditional, testing::Surgery::Shortened, testing::Surgery::Removed}) {
      Network network = speech(join);
      testing::alter(network, surgery);
      const TensorMap tensors = testing::random_tensors(network, 5);
      Model model(network, tensors);
      const FrozenModel frozen(network, tensors);
      at::NoGradGuard no_grad;
      const Lengths lengths = {61, 30, 43, 1};
      std::vector<at::Tensor> examples;
      for (int64_t length : lengths) examples.push_back(frames(network, length, length));
      const at::Tensor batch = padded(examples, 64, 3.5);
      const at::Tensor together = model.forward(batch, false, lengths),
                       folded = frozen.forward(batch, lengths);
      for (size_t i = 0; i < lengths.size(); ++i) {
        SCOPED_TRACE(lengths[i]);
        const at::Tensor alone = model.forward(examples[i], false)[0];
        ASSERT_EQ(alone.size(0), output_length(network, lengths[i]));
        const auto row = static_cast<int64_t>(i);
        EXPECT_LT(largest_difference(together[row].slice(0, 0, alone.size(0)), alone), 1e-5);
        EXPECT_LT(largest_difference(folded[row].slice(0, 0, alone.size(0)), alone), 1e-4);
      }
      // Without the lengths what is behind an utterance is heard.
      const at::Tensor heard = model.forward(batch, false)[1];
      EXPECT_GT(largest_difference(heard.slice(0, 0, 15), together[1].slice(0, 0, 15)), 1e-2);
    }
  }
}

TEST(Masks, FullLengthsAndNetworksWithoutMasksComputeAsWithoutLengths) {
  at::NoGradGuard no_grad;
  const Network masked = speech(),
                plain = make_network(quartz_config(QuartzKind::Dna), {1, 1, 60}, 5);
  Model speech_model(masked, testing::random_tensors(masked, 2)),
      dna(plain, testing::random_tensors(plain, 2));
  const at::Tensor x = padded({frames(masked, 40, 1), frames(masked, 40, 2)}, 40, 0);
  EXPECT_TRUE(at::equal(speech_model.forward(x, false), speech_model.forward(x, false, {40, 40})));
  const at::Tensor signal = frames(plain, 50, 3);
  EXPECT_TRUE(at::equal(dna.forward(signal, false), dna.forward(signal, false, {31})));
}

TEST(Masks, LengthsMustFitTheBatch) {
  const Network network = speech();
  Model model(network, testing::random_tensors(network, 2));
  EXPECT_THROW(model.forward(frames(network, 40, 1), false, {40, 30}), Error);
  EXPECT_THROW(model.forward(frames(network, 40, 1), false, {41}), Error);
}

TEST(Masks, StatisticsIncludeThePadding) {
  // With a first kernel of one frame the zeros behind the second example stay zeros, masked or not.
  NetworkConfig config = quartz_config(QuartzKind::Speech);
  config.quartznet->stem_kernel = 1;
  const Network network = make_network(config, {5, 1, 64}, 7);
  const TensorMap tensors = testing::random_tensors(network, 4);
  Model model(network, tensors), absorbing(network, tensors), unmasked(network, tensors);
  const at::Tensor x = padded({frames(network, 40, 1), frames(network, 20, 2)}, 40, 0);
  model.forward(x, /*training=*/true, {40, 20});
  absorbing.absorb_statistics(x, network.bn_momentum, {40, 20});
  unmasked.forward(x, /*training=*/true);
  const std::string first = "stem.bn1.running_mean", deep = "top.bn1.running_mean";
  const TensorMap after = model.tensors();
  EXPECT_EQ(absorbing.tensors().at(deep), after.at(deep));
  EXPECT_EQ(unmasked.tensors().at(first), after.at(first));
  EXPECT_FALSE(unmasked.tensors().at(deep) == after.at(deep));
}

TEST(Frames, AreAnsweredForInputsOfAnyWidth) {
  at::NoGradGuard no_grad;
  for (QuartzKind kind : {QuartzKind::Speech, QuartzKind::Dna}) {
    const int64_t channels = kind == QuartzKind::Dna ? 1 : 5;
    const Network network = make_network(quartz_config(kind), {channels, 1, 64}, 7);
    const TensorMap tensors = testing::random_tensors(network, 2);
    Model model(network, tensors);
    const FrozenModel frozen(network, tensors);
    for (int64_t columns : {1, 2, 7, 64, 65, 130}) {
      const at::Tensor x = frames(network, columns, 1);
      EXPECT_EQ(model.forward(x, false).sizes(),
                (std::vector<int64_t>{1, output_length(network, columns), 7}));
      EXPECT_EQ(frozen.forward(x).size(1), output_length(network, columns));
    }
  }
}

TEST(QuartzNetSurgery, RemovingASkipWhoseProjectionIsNothingChangesNothing) {
  at::NoGradGuard no_grad;
  const Network network = speech();
  TensorMap tensors = testing::random_tensors(network, 8);
  for (const std::string& id : skip_ids(network)) {
    for (const char* what : {".bn.weight", ".bn.bias"}) {
      for (float& v : tensors.at(id + what).as<float>()) v = 0;
    }
  }
  Network removed = network;
  testing::alter(removed, testing::Surgery::Removed);
  Model before(network, tensors), after(network, tensors);
  after.alter(removed, {});
  const at::Tensor x = frames(network, 50, 1);
  EXPECT_TRUE(at::equal(before.forward(x, false, {44}), after.forward(x, false, {44})));
}

}  // namespace
}  // namespace tailor::test
