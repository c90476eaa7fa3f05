// The network families as tables. A family is blocks of a few stages with one skip each; what
// differs is written in its rows, so that surgery, training and export never ask which one it is.
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/net/network.h"

namespace tailor {
namespace {

constexpr int64_t kCifarDepths[] = {8, 20, 32, 44, 56, 110};
constexpr int64_t kBlockWidths[] = {16, 32, 64};

/// The skip around a whole block: identity where the shapes agree, else the family's shortcut.
void add_block_skip(Block& block, Shortcut shortcut, bool batch_norm = true) {
  const int64_t in = std::get<ConvLayer>(block.stages.front().layers.front()).in,
                out = std::get<ConvLayer>(block.stages.back().layers.front()).out;
  Skip skip;
  skip.id = block.id + ".skip";
  skip.to = static_cast<int64_t>(block.stages.size());
  Layers all;
  for (const Stage& stage : block.stages)
    all.insert(all.end(), stage.layers.begin(), stage.layers.end());
  const Size2 stride = stride_of(all);
  if (stride.size() != 1 || in != out) {
    if (shortcut == Shortcut::Projection) {
      skip.layers = projection(in, out, stride, batch_norm);
      skip.tensors = skip.id;
    } else {
      // Half of the new channels before the old ones, half behind (the common option A), or all
      // behind.
      skip.layers = {PickLayer{out, stride, shortcut == Shortcut::Pad ? (out - in) / 2 : 0}};
    }
  }
  block.skips.push_back(skip);
}

/// He et al. 2015, section 4.2: stem conv3x3, three stages of (depth - 2) / 6 basic blocks with
/// width, 2 width, 4 width filters, stride 2 at the start of the second and third; 3n skips.
void add_resnet_cifar(Network& network, const NetworkConfig& config) {
  network.name = fmt::format("resnet{}", config.depth);
  network.blocks.push_back({"stem", {conv_stage(network.input.channels, config.width, 3, 1)}, {}});
  int64_t channels = config.width;
  for (int64_t s = 0; s < 3; ++s) {
    const int64_t filters = config.width << s;
    for (int64_t b = 0; b < (config.depth - 2) / 6; ++b) {
      const int64_t stride = s > 0 && b == 0 ? 2 : 1;
      Block block{fmt::format("stage{}.block{}", s + 1, b),
                  {conv_stage(channels, filters, 3, stride), conv_stage(filters, filters, 3, 1)},
                  {}};
      add_block_skip(block, config.shortcut);
      network.blocks.push_back(std::move(block));
      channels = filters;
    }
  }
}

struct ImagenetDepth {
  int64_t depth, blocks[4];
  bool bottleneck;
};
constexpr ImagenetDepth kImagenetDepths[] = {{18, {2, 2, 2, 2}, false},
                                             {34, {3, 4, 6, 3}, false},
                                             {50, {3, 4, 6, 3}, true},
                                             {101, {3, 4, 23, 3}, true}};

std::string imagenet_name(int64_t depth, StrideOn stride_on) {
  return fmt::format("resnet{}{}", depth, stride_on == StrideOn::First1x1 ? "_v1" : "");
}

/// He et al. 2015, table 1: stem conv7x7 s2 and max pooling, four stages. A bottleneck (expansion
/// 4) has its stride on the 3x3 convolution (v1.5, torchvision's) or on the first 1x1 (v1, the
/// paper's).
void add_resnet_imagenet(Network& network, const NetworkConfig& config) {
  network.name = imagenet_name(config.depth, config.stride_on);
  Block stem{"stem", {conv_stage(network.input.channels, config.width, 7, 2)}, {}};
  stem.stages.push_back(max_pool_stage(3, 2, 1));
  network.blocks.push_back(std::move(stem));
  int64_t channels = config.width;
  for (const ImagenetDepth& row : kImagenetDepths) {
    if (row.depth != config.depth) continue;
    for (int64_t s = 0; s < 4; ++s) {
      const int64_t filters = config.width << s, out = row.bottleneck ? 4 * filters : filters;
      for (int64_t b = 0; b < row.blocks[s]; ++b) {
        const int64_t stride = s > 0 && b == 0 ? 2 : 1;
        Block block{fmt::format("stage{}.block{}", s + 1, b), {}, {}};
        if (row.bottleneck) {
          const bool on_first = config.stride_on == StrideOn::First1x1;
          block.stages = {conv_stage(channels, filters, 1, on_first ? stride : 1),
                          conv_stage(filters, filters, 3, on_first ? 1 : stride),
                          conv_stage(filters, out, 1, 1)};
        } else {
          block.stages = {conv_stage(channels, filters, 3, stride),
                          conv_stage(filters, filters, 3, 1)};
        }
        add_block_skip(block, config.shortcut);
        network.blocks.push_back(std::move(block));
        channels = out;
      }
    }
  }
}

/// MLPerf Tiny's image classification network, as Keras has it: ResNet-8 whose strided convolutions
/// pad below and right only, whose shortcuts have a bias and no batch norm, and with epsilon 1e-3.
void add_resnet_mlperf_tiny(Network& network, const NetworkConfig& config) {
  network.name = "resnet8_mlperf_tiny";
  network.bn_epsilon = 1e-3;
  network.bn_momentum = 0.01;
  network.blocks.push_back({"stem", {conv_stage(network.input.channels, config.width, 3, 1)}, {}});
  int64_t channels = config.width;
  for (int64_t s = 0; s < 3; ++s) {
    const int64_t filters = config.width << s;
    Block block{
        fmt::format("stage{}.block0", s + 1),
        {conv_stage(channels, filters, 3, s > 0 ? 2 : 1), conv_stage(filters, filters, 3, 1)},
        {}};
    if (s > 0) {
      Pads& pads = std::get<ConvLayer>(block.stages[0].layers[0]).window.pads;
      pads.top = pads.left = 0;
    }
    add_block_skip(block, config.shortcut, /*batch_norm=*/false);
    network.blocks.push_back(std::move(block));
    channels = filters;
  }
}

/// The paper's block study (tables 4 to 7): a conv3x3 and a basic block, of as many filters as the
/// input has channels. The DSP counts (12, 48, 192 at reuse factor 576) say three convolutions, the
/// FIFO of 69 tokens a skip over two of them (reference, 8.3).
void add_residual_block(Network& network, const NetworkConfig& config) {
  network.name = fmt::format("residual_block{}", config.width);
  const Stage stage = conv_stage(config.width, config.width, 3, 1);
  network.blocks.push_back({"stem", {stage}, {}});
  Block block{"block", {stage, stage}, {}};
  add_block_skip(block, config.shortcut);
  network.blocks.push_back(std::move(block));
}

Network read_network_file(const std::string& path) {
  return read_network(Json::parse(read_file(path), path), path);
}

/// Every name with what it stands for.
std::vector<std::pair<std::string, NetworkConfig>> named_configs() {
  std::vector<std::pair<std::string, NetworkConfig>> named;
  for (int64_t depth : kCifarDepths) {
    NetworkConfig c;
    c.depth = depth;
    named.emplace_back(fmt::format("resnet{}", depth), c);
  }
  NetworkConfig tiny;
  tiny.family = "resnet_mlperf_tiny";
  tiny.depth = 8;
  named.emplace_back("resnet8_mlperf_tiny", tiny);
  for (StrideOn stride_on : {StrideOn::Conv3x3, StrideOn::First1x1}) {
    for (const ImagenetDepth& row : kImagenetDepths) {
      if (stride_on == StrideOn::First1x1 && !row.bottleneck) continue;
      NetworkConfig c;
      c.family = "resnet_imagenet";
      c.depth = row.depth;
      c.stride_on = stride_on;
      named.emplace_back(imagenet_name(row.depth, stride_on), c);
    }
  }
  for (int64_t width : kBlockWidths) {
    NetworkConfig c;
    c.family = "residual_block";
    c.width = width;
    named.emplace_back(fmt::format("residual_block{}", width), c);
  }
  return named;
}

}  // namespace

Network make_network(const NetworkConfig& given, const MapShape& input, int64_t classes) {
  const NetworkConfig config = resolve_network_config(given);
  Network network;
  network.input = input;
  network.head = linear_head(classes);
  network.join = config.join;
  if (config.family == "file") {
    network = read_network_file(config.file);
    if (network.input != input || network.classes() != classes) {
      fail(ErrorKind::Config,
           "the network in {} takes {} and has {} classes, the data are {} with {}", config.file,
           to_string(network.input), network.classes(), to_string(input), classes);
    }
    return network;
  }
  if (config.family == "resnet_cifar") {
    add_resnet_cifar(network, config);
  } else if (config.family == "resnet_imagenet") {
    add_resnet_imagenet(network, config);
  } else if (config.family == "resnet_mlperf_tiny") {
    add_resnet_mlperf_tiny(network, config);
  } else {
    TAILOR_CHECK(config.family == "residual_block", "family {}", config.family);
    add_residual_block(network, config);
  }
  auto findings = verify_network(network);
  if (!findings.empty()) {
    fail(ErrorKind::Config, "{} cannot be built for {} images: {}", network.name, to_string(input),
         join(findings, "; "));
  }
  return network;
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& [name, config] : named_configs()) names.push_back(name);
  return names;
}

NamedNetwork network_by_name(const std::string& name_or_file) {
  for (const auto& [name, given] : named_configs()) {
    if (name != name_or_file) continue;
    const NetworkConfig config = resolve_network_config(given);
    MapShape input{3, 32, 32};
    if (config.family == "resnet_imagenet") input = {3, 224, 224};
    if (config.family == "residual_block") input = {config.width, 32, 32};
    return {config, make_network(config, input, config.family == "resnet_imagenet" ? 1000 : 10)};
  }
  const std::string& file = name_or_file;
  if (file.size() > 5 && file.compare(file.size() - 5, 5, ".json") == 0) {
    if (!path_exists(file)) fail(ErrorKind::Usage, "--network {}: there is no such file", file);
    NetworkConfig config;
    config.family = "file";
    config.file = absolute_path(file);
    Network network = read_network_file(file);
    config.join = network.join;
    return {config, std::move(network)};
  }
  fail(ErrorKind::Usage, "--network: unknown network '{}'{}, or give a description in a .json file",
       name_or_file, offer_names(name_or_file, network_names(), "tailor config networks"));
}

}  // namespace tailor
