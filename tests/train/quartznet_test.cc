// One training step of a small masked QuartzNet (logits, CTC loss, gradients, AdamW's weights, new
// running means, and what it then evaluates to) against PyTorch 2.13.0 in float64, unaltered,
// removed and shortened; and two of the Learner under a teacher. The *_peer.py made the
// *_peer.json.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ctc_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/nn/host.h"
#include "tailor/nn/model.h"
#include "tailor/surgery/surgery.h"
#include "tailor/train/learner.h"
#include "tailor/train/optimizer.h"

namespace tailor::test {
namespace {

constexpr int64_t kBlank = 5;
const Lengths kLengths = {23, 16, 9};

Network small_quartznet(const std::string& surgery, const std::string& join) {
  NetworkConfig c;
  read_record(Json::parse(fmt::format(R"({{"family": "quartznet", "width": 4, "join": "{}",
      "quartznet": {{"kind": "speech", "blocks": [{{"kernel": 5}}, {{"kernel": 7, "filters": 2}}],
      "repeat": 2, "stem_kernel": 5, "context_kernel": 9, "last_filters": 3}}}})",
                                      join),
                          "small"),
              "small", [&](RecordVisitor& v) { describe(v, c); });
  Network network = make_network(c, {3, 1, 40}, 6);
  for (const std::string& id : skip_ids(network)) {
    if (surgery == "remove") apply_alteration(network, id, AlterationKind::Remove);
    if (surgery == "shorten") apply_alteration(network, id, AlterationKind::Shorten);
  }
  return network;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// ((a i + b) mod 19 - 9) / 8.
void fill_pattern(Tensor& tensor, size_t a, size_t b) {
  auto values = tensor.as<float>();
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = (static_cast<float>((a * i + b) % 19) - 9) / 8;
}

/// As the script makes them: by the place of the name among those of the unaltered network.
TensorMap peer_tensors(const Network& altered) {
  TensorMap all;
  for (const TensorSpec& spec : tensor_specs(small_quartznet("none", "before_activation")))
    all.emplace(spec.name, Tensor(DType::F32, spec.shape));
  size_t k = 0;
  for (auto& [name, tensor] : all) {
    fill_pattern(tensor, 7 + 2 * k, 3 + 5 * k);
    for (float& v : tensor.as<float>()) {
      if (ends_with(name, "running_mean")) {
        v = 0;
      } else if (ends_with(name, "running_var")) {
        v = 1;
      } else if (name.find(".bn") != std::string::npos && ends_with(name, "weight")) {
        v = 1 + v / 4;
      } else {
        v /= ends_with(name, "bias") ? 4.0F : 2.0F;
      }
    }
    ++k;
  }
  TensorMap kept;
  for (const TensorSpec& spec : tensor_specs(altered)) kept.emplace(spec.name, all.at(spec.name));
  return kept;
}

/// Three examples of 23 columns, what is beyond their lengths included.
at::Tensor peer_input() {
  Tensor planes(DType::F32, {3, 3, 1, 23});
  fill_pattern(planes, 11, 5);
  return host_view(planes).contiguous(at::MemoryFormat::ChannelsLast).clone();
}

void expect_near(const std::string& what, const at::Tensor& got, const Json& expected) {
  const at::Tensor plain = got.detach().contiguous().to(at::kDouble);
  const auto& values = expected.as_array();
  ASSERT_EQ(plain.numel(), static_cast<int64_t>(values.size())) << what;
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = values[i].as_number();
    EXPECT_NEAR(plain.data_ptr<double>()[i], value, 1e-4 * (1 + std::abs(value)))
        << what << " " << i;
  }
}

at::Tensor ctc(const at::Tensor& logits, const Network& network) {
  std::vector<int64_t> frames;
  for (int64_t length : kLengths) frames.push_back(output_length(network, length));
  const std::vector<int64_t> targets = {1, 2, 2, 0, 3, 4}, target_lengths = {3, 2, 1};
  return at::ctc_loss(at::log_softmax(logits, 2).permute({1, 0, 2}), at::tensor(targets), frames,
                      target_lengths, kBlank, /*reduction=*/0)
      .mean();
}

void expect_step(const Json& peer) {
  const std::string join = peer.at("join").as_string();
  const Network network = small_quartznet(peer.at("surgery").as_string(), join);
  Model model(network, peer_tensors(network));
  Parameters& parameters = model.parameters();
  const at::Tensor x = peer_input();
  const at::Tensor loss = ctc(model.forward(x, /*training=*/true, kLengths), network);
  EXPECT_NEAR(loss.item<double>(), peer.at("loss").as_number(), 1e-4);
  parameters.zero_gradients();
  loss.backward();
  ASSERT_EQ(peer.at("gradients").as_object().size(), parameters.ranges.size());
  for (const auto& [name, values] : peer.at("gradients").as_object())
    expect_near("gradient of " + name, parameters.parameter(name).grad(), values);
  OptimizerConfig config;
  config.kind = "adamw";
  config.weight_decay = 0.1;
  config.epsilon = 1e-3;
  const auto optimizer = make_optimizer(config);
  at::NoGradGuard no_grad;
  optimizer->bind(parameters, {});
  optimizer->step(parameters, 0.01);
  for (const auto& [name, values] : peer.at("updated").as_object())
    expect_near("updated " + name, parameters.parameter(name), values);
  for (const auto& [name, values] : peer.at("means").as_object())
    expect_near(name, parameters.buffer(name), values);
  const at::Tensor evaluated = model.forward(x, /*training=*/false, kLengths),
                   folded = FrozenModel(network, model.tensors()).forward(x, kLengths);
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t frames = peer.at("lengths").as_array()[static_cast<size_t>(i)].as_int();
    EXPECT_EQ(frames, output_length(network, kLengths[static_cast<size_t>(i)]));
    const Json& values = peer.at("evaluated").as_array()[static_cast<size_t>(i)];
    expect_near("evaluated", at::log_softmax(evaluated[i].slice(0, 0, frames), 1), values);
    expect_near("folded", at::log_softmax(folded[i].slice(0, 0, frames), 1), values);
  }
}

TEST(QuartzNetStep, IsPyTorchsWhateverTheSurgeryAndTheJoin) {
  const std::string path = TAILOR_TEST_SOURCE "/train/quartznet_peer.json";
  const Json peers = Json::parse(read_file(path), path);
  ASSERT_EQ(peers.as_array().size(), 4U);
  for (const Json& peer : peers.as_array()) {
    SCOPED_TRACE(peer.at("surgery").as_string() + " " + peer.at("join").as_string());
    expect_step(peer);
  }
}

/// The input and the labels as the trainer hands them over.
Batch peer_batch() {
  Tensor planes(DType::F32, {3, 3, 1, 23});
  fill_pattern(planes, 11, 5);
  Batch batch;
  batch.count = 3;
  batch.inputs = Tensor(DType::F32, {3, 1, 23, 3});
  for (size_t n = 0; n < 3; ++n) {
    for (size_t c = 0; c < 3; ++c) {
      for (size_t t = 0; t < 23; ++t) {
        batch.inputs.as<float>()[(n * 23 + t) * 3 + c] = planes.as<float>()[(n * 3 + c) * 23 + t];
      }
    }
  }
  batch.targets = Tensor::from<int64_t>({3, 3}, {1, 2, 2, 0, 3, 0, 4, 0, 0});
  batch.lengths = kLengths;
  batch.target_lengths = {3, 2, 1};
  return batch;
}

/// Bonito's recipe, or NeMo's.
Learner peer_learner(const Json& peer) {
  const bool bonito = peer.at("optimizer").as_string() == "adamw";
  OptimizerConfig optimizer;
  optimizer.kind = bonito ? "adamw" : "novograd";
  optimizer.weight_decay = bonito ? 0.01 : 0.001;
  optimizer.epsilon = bonito ? 1e-3 : 1e-8;
  optimizer.clip_norm = bonito ? 2 : 0;
  if (!bonito) optimizer.betas = {0.8, 0.5};
  ObjectiveSpec objective = "ctc";
  objective.blank = kBlank;
  objective.ctc.reduction = bonito ? CtcReduction::Target : CtcReduction::Batch;
  objective.ctc.smoothing = bonito ? 0.4 : 0;
  const Network network = small_quartznet(peer.at("surgery").as_string(), "before_activation"),
                whole = small_quartznet("none", "before_activation");
  Learner learner(Model(network, peer_tensors(network)), objective, optimizer);
  learner.follow(FrozenModel(whole, peer_tensors(whole)), {0.35});
  return learner;
}

TEST(QuartzNetStep, OfALearnerUnderATeacherIsPyTorchs) {
  const std::string path = TAILOR_TEST_SOURCE "/train/learner_peer.json";
  const Json peers = Json::parse(read_file(path), path);
  ASSERT_EQ(peers.as_array().size(), 6U);
  const Batch batch = peer_batch();
  for (const Json& peer : peers.as_array()) {
    SCOPED_TRACE(peer.at("surgery").as_string() + " " + peer.at("optimizer").as_string());
    Learner learner = peer_learner(peer);
    ASSERT_EQ(peer.at("steps").as_array().size(), 2U);
    for (const Json& numbers : peer.at("steps").as_array()) {
      const StepResult step = learner.step(batch, 0.01);
      const at::Tensor parts[] = {step.loss, step.objective, step.distance};
      for (size_t i = 0; i < 3; ++i) {
        const double expected = numbers.as_array()[i].as_number();
        EXPECT_NEAR(parts[i].item<double>(), expected, 1e-4 * (1 + expected)) << i;
      }
    }
    const Parameters& parameters = learner.model().parameters();
    ASSERT_EQ(peer.at("weights").as_object().size(), parameters.ranges.size());
    for (const auto& [name, values] : peer.at("weights").as_object())
      expect_near(name, parameters.parameter(name), values);
  }
}

}  // namespace
}  // namespace tailor::test
