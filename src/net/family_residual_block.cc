// The paper's block study (tables 4 to 7): a conv3x3 and a basic block, of as many filters as the
// input has channels. The DSP counts (12, 48, 192 at reuse factor 576) say three convolutions, the
// FIFO of 69 tokens a skip over two of them (reference, 8.3).
#include "tailor/net/family.h"

namespace tailor::net {
namespace {

Network make_residual_block(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  Network network = empty_network(config, input, classes);
  network.name = fmt::format("residual_block{}", config.width);
  const Stage stage = conv_stage(config.width, config.width, 3, 1);
  network.blocks.push_back({"stem", {stage}, {}});
  Block block{"block", {stage, stage}, {}};
  add_block_skip(block, config.shortcut);
  network.blocks.push_back(std::move(block));
  return network;
}

std::vector<NetworkFamily::Named> residual_blocks() {
  std::vector<NetworkFamily::Named> named;
  for (int64_t width : {16, 32, 64}) {
    NetworkConfig c;
    c.family = "residual_block";
    c.width = width;
    named.push_back({fmt::format("residual_block{}", width), c, {width, 32, 32}, 10});
  }
  return named;
}

}  // namespace

const NetworkFamily& residual_block_family() {
  static const NetworkFamily family = {
      "residual_block",
      "residual_block the paper's block study",
      16,
      [](const NetworkConfig&, const std::string&) {},
      [](const NetworkConfig&) -> std::vector<NetworkFamily::Unread> {
        return {{"depth", "the family residual_block has one depth"},
                {"stride_on", "only the bottlenecks of resnet_imagenet 50 and 101 have a choice"},
                {"shortcut", "the shape does not change in the family residual_block"}};
      },
      make_residual_block,
      residual_blocks};
  return family;
}

}  // namespace tailor::net
