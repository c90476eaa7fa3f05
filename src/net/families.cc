// The network families as tables. CIFAR ResNet (He et al. 2015, section 4.2): stem conv3x3, three
// stages of (depth - 2) / 6 blocks with 16, 32, 64 filters, stride 2 at the start of the second and
// third; 3n skips.
#include "tailor/core/strings.h"
#include "tailor/net/network.h"

namespace tailor {
namespace {

struct ResnetStage {
  const char* id;
  int64_t width_factor;
  int64_t stride;
};
constexpr ResnetStage kCifarStages[] = {{"stage1", 1, 1}, {"stage2", 2, 2}, {"stage3", 4, 2}};
constexpr int64_t kCifarDepths[] = {8, 20, 32, 44, 56, 110};

Network make_resnet_cifar(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  Network network;
  network.name = fmt::format("resnet{}", config.depth);
  network.input = input;
  network.classes = classes;
  network.join = config.join;
  network.blocks.push_back({"stem", {{input.channels, config.width, 3, 1, 1, true}}, {}});
  int64_t channels = config.width;
  for (const ResnetStage& row : kCifarStages) {
    for (int64_t b = 0; b < (config.depth - 2) / 6; ++b) {
      int64_t stride = b == 0 ? row.stride : 1;
      int64_t filters = config.width * row.width_factor;
      Block block{fmt::format("{}.block{}", row.id, b),
                  {{channels, filters, 3, stride, 1, true}, {filters, filters, 3, 1, 1, true}},
                  {}};
      Skip skip;
      skip.id = block.id + ".skip";
      skip.from = 0;
      skip.to = 2;
      skip.stride = stride;
      if (stride != 1 || channels != filters) {
        if (config.shortcut == Shortcut::Projection) {
          skip.kind = SkipKind::Projection;
          skip.tensors = skip.id;
        } else {
          // Half of the new channels before the old ones, half behind (the common option A).
          skip.kind = SkipKind::Pad;
          skip.channel_offset = (filters - channels) / 2;
        }
      }
      block.skips.push_back(skip);
      network.blocks.push_back(std::move(block));
      channels = filters;
    }
  }
  return network;
}

}  // namespace

Network make_network(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  TAILOR_CHECK(config.family == "resnet_cifar", "family {}", config.family);
  Network network = make_resnet_cifar(config, input, classes);
  auto findings = verify_network(network);
  TAILOR_CHECK(findings.empty(), "{}", join(findings, "; "));
  return network;
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (int64_t depth : kCifarDepths) names.push_back(fmt::format("resnet{}", depth));
  return names;
}

NetworkConfig network_config_by_name(const std::string& name) {
  for (int64_t depth : kCifarDepths) {
    if (name == fmt::format("resnet{}", depth)) {
      NetworkConfig config;
      config.depth = depth;
      return config;
    }
  }
  fail(ErrorKind::Usage, "--network: unknown network '{}'{}; there are {}", name,
       did_you_mean(name, network_names()), join(network_names(), ", "));
}

}  // namespace tailor
