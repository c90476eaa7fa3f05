#include "tailor/net/config.h"

namespace tailor {
namespace {

constexpr const char* kFamilies[] = {"resnet_cifar", "resnet_imagenet", "resnet_mlperf_tiny",
                                     "residual_block", "file"};

}  // namespace

Names family_names() { return {kFamilies, std::size(kFamilies)}; }

void describe(RecordVisitor& v, NetworkConfig& c) {
  v.text_choice("family", c.family, family_names(),
                "Network family: resnet_cifar is the ResNet for 32x32 images of He et al. 2015, "
                "section 4.2; resnet_imagenet the one of its table 1; resnet_mlperf_tiny MLPerf "
                "Tiny's ResNet-8; residual_block the paper's block study; file your own.");
  v.text("file", c.file,
         "family file: the JSON description of the network (tailor inspect --as-json prints one); "
         "depth, width, stride_on, shortcut and join are not used.");
  v.integer("depth", c.depth, 8, 1202,
            "Layers with weights on the main path. resnet_cifar: 6n + 2 (8, 20, 32, 44, 56, 110); "
            "resnet_imagenet: 18, 34, 50 or 101; the others have one.");
  v.integer("width", c.width, 0, 1024,
            "Filters of the first stage; each later one has twice as many. 0: the family's own, 16 "
            "(resnet_imagenet: 64).");
  v.enumeration("stride_on", c.stride_on,
                "Which convolution of a bottleneck has the stride: 3x3 (v1.5) or the first 1x1 "
                "(v1).");
  v.enumeration(
      "shortcut", c.shortcut,
      "Skip where the shape changes: projection is a strided 1x1 convolution with batch norm "
      "(option B), pad a strided slice with zero channels, half before and half behind (option A, "
      "no parameters), pad_end the same with all of them behind.");
  v.enumeration("join", c.join,
                "Where a skip is added: before_activation is relu(F(x) + x), after_activation is "
                "relu(F(x)) + x (paper, Eq. 2).");
}

void verify_config(const NetworkConfig& c, const std::string& source) {
  const std::string depth = std::to_string(c.depth);
  if (c.family == "resnet_cifar" && (c.depth - 2) % 6 != 0)
    fail_config("/network/depth", "6n + 2 (8, 20, 32, 44, 56, 110, …)", depth, source);
  if (c.family == "resnet_imagenet" && c.depth != 18 && c.depth != 34 && c.depth != 50 &&
      c.depth != 101)
    fail_config("/network/depth", "18, 34, 50 or 101 (family resnet_imagenet)", depth, source);
  if (c.family == "resnet_imagenet" && c.stride_on == StrideOn::First1x1 && c.depth < 50) {
    fail_config("/network/stride_on", "\"3x3\": ResNet-18 and 34 have no bottlenecks", "\"1x1\"",
                source);
  }
  if ((c.family == "file") == c.file.empty()) {
    fail_config("/network/file",
                c.file.empty() ? "the description of the network (family file)"
                               : "no file, or family \"file\"",
                fmt::format("\"{}\"", c.file), source);
  }
}

NetworkConfig resolve_network_config(NetworkConfig config) {
  if (config.width == 0) config.width = config.family == "resnet_imagenet" ? 64 : 16;
  return config;
}

Json write_network_config(const NetworkConfig& config) {
  NetworkConfig copy = config;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

}  // namespace tailor
