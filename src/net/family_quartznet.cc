// QuartzNet (Kriman et al. 2020) on one row of frames: speech as NeMo has it, nanopore signal as
// Bonito does. A stage is a time-channel separable convolution with batch norm and ReLU; a block's
// skip spans all of its stages and is a 1x1 convolution with batch norm even where shapes agree.
#include "tailor/net/family.h"

namespace tailor::net {
namespace {

Window row_window(int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t pad = dilation * (kernel / 2);
  return {{1, kernel}, {1, stride}, {1, dilation}, {0, pad, 0, pad}};
}

Stage with_norm(Layers layers) {
  layers.emplace_back(BatchNormLayer{});
  layers.emplace_back(ReluLayer{});
  return {std::move(layers)};
}

/// Time-channel separable: each channel over time, then a 1x1 over channels, nothing between them.
Stage separable_stage(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                      int64_t dilation = 1) {
  return with_norm(
      {ConvLayer{in, in, row_window(kernel, stride, dilation), in}, ConvLayer{in, out, {}}});
}

Block quartz_block(const std::string& id, int64_t in, int64_t out, int64_t kernel, int64_t repeat) {
  Block block{id, {}, {}};
  for (int64_t r = 0; r < repeat; ++r)
    block.stages.push_back(separable_stage(r == 0 ? in : out, out, kernel));
  const std::string skip = id + ".skip";
  block.skips.push_back({skip, 0, repeat, projection(in, out, {1, 1}), skip});
  return block;
}

Network make_quartznet(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  const QuartzNetConfig& q = *config.quartznet;
  const bool speech = q.kind == QuartzKind::Speech;
  Network network = empty_network(config, input, classes);
  network.name = fmt::format("quartznet{}x{}_{}", q.copies * static_cast<int64_t>(q.blocks.size()),
                             q.repeat, to_string(q.kind));
  network.bn_epsilon = 1e-3;
  network.initialisation = speech ? Initialisation::XavierUniform : Initialisation::PyTorch;
  network.masks_padding = speech;
  auto add = [&](const char* id, Stage stage) {
    network.blocks.push_back({id, {std::move(stage)}, {}});
  };
  int64_t channels = config.width * q.blocks.front().filters;
  const Stage dense =
      with_norm({ConvLayer{input.channels, channels, row_window(q.stem_kernel, q.stem_stride, 1)}});
  add("stem",
      speech ? separable_stage(input.channels, channels, q.stem_kernel, q.stem_stride) : dense);
  for (size_t s = 0; s < q.blocks.size(); ++s) {
    const int64_t filters = config.width * q.blocks[s].filters;
    for (int64_t b = 0; b < q.copies; ++b) {
      network.blocks.push_back(quartz_block(fmt::format("stage{}.block{}", s + 1, b), channels,
                                            filters, q.blocks[s].kernel, q.repeat));
      channels = filters;
    }
  }
  if (q.context_kernel > 0)
    add("context", separable_stage(channels, channels, q.context_kernel, 1, speech ? 2 : 1));
  const int64_t last = config.width * q.last_filters;
  add("top", with_norm({ConvLayer{channels, last, {}}}));
  network.head = {ConvLayer{last, classes, {}, 1, /*bias=*/true}};
  return network;
}

void verify_quartznet(const NetworkConfig& given, const std::string& source) {
  const NetworkConfig c = resolve_network_config(given);
  const QuartzNetConfig& q = *c.quartznet;
  auto odd = [&](const std::string& key, int64_t kernel) {
    if (kernel % 2 == 1 || kernel == 0) return;
    fail_config("/network/quartznet/" + key, "an odd number of frames", std::to_string(kernel),
                source);
  };
  odd("stem_kernel", q.stem_kernel);
  odd("context_kernel", q.context_kernel);
  for (size_t i = 0; i < q.blocks.size(); ++i)
    odd(fmt::format("blocks/{}/kernel", i), q.blocks[i].kernel);
}

std::vector<NetworkFamily::Named> quartznets() {
  std::vector<NetworkFamily::Named> named;
  NetworkConfig c;
  c.family = "quartznet";
  for (int64_t copies : {1, 2, 3}) {
    c.quartznet = QuartzNetConfig();
    c.quartznet->copies = copies;
    named.push_back({fmt::format("quartznet{}x5_speech", 5 * copies), c, {64, 1, 1600}, 29});
  }
  c.quartznet = QuartzNetConfig();
  c.quartznet->kind = QuartzKind::Dna;
  named.push_back({"quartznet5x5_dna", c, {1, 1, 3600}, 5});
  return named;
}

}  // namespace

const NetworkFamily& quartznet_family() {
  static const NetworkFamily family = {
      "quartznet",
      "quartznet the separable convolutions over time of Kriman et al. 2020, for speech and DNA",
      256,
      verify_quartznet,
      [](const NetworkConfig&) -> std::vector<NetworkFamily::Unread> {
        return {{"depth", "network.quartznet says blocks, copies and repeat"},
                {"stride_on", "only the bottlenecks of resnet_imagenet 50 and 101 have a choice"},
                {"shortcut", "the skips of the family quartznet are 1x1 convolutions"}};
      },
      make_quartznet,
      quartznets};
  return family;
}

}  // namespace tailor::net
