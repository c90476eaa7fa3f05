#include "tailor/net/config.h"

#include "tailor/core/strings.h"
#include "tailor/net/family.h"

namespace tailor::net {

std::vector<const char*> family_names() {
  std::vector<const char*> names;
  for (const NetworkFamily* family : network_families()) names.push_back(family->name);
  return names;
}

void describe(RecordVisitor& v, NetworkConfig& c) {
  std::vector<std::string> abouts;
  for (const NetworkFamily* family : network_families()) abouts.emplace_back(family->about);
  const std::string about = "Network family: " + join(abouts, "; ") + ".";
  const std::vector<const char*> names = family_names();
  v.text_choice("family", c.family, {names.data(), names.size()}, about.c_str());
  v.text("file", c.file,
         "family file: the JSON description of the network (tailor inspect --as-json prints one); "
         "depth, width, stride_on, shortcut and join are not used.");
  v.integer("depth", c.depth, 8, 1202,
            "Layers with weights on the main path. resnet_cifar: 6n + 2 (8, 20, 32, 44, 56, 110); "
            "resnet_imagenet: 18, 34, 50 or 101; the others do not read it.");
  v.integer("width", c.width, 0, 1024,
            "Filters of the first stage; each later one has twice as many. 0: the family's own, 16 "
            "(resnet_imagenet: 64; quartznet: 256, of which its blocks are multiples).");
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
  bool is_quartznet = c.quartznet.has_value();
  if (!v.wants(is_quartznet)) return;
  QuartzNetConfig quartznet = c.quartznet.value_or(QuartzNetConfig());
  v.optional_record(
      "quartznet", is_quartznet, [&](RecordVisitor& r) { describe(r, quartznet); },
      "family quartznet: which. Absent there: QuartzNet-5x5 for speech.");
  c.quartznet = is_quartznet ? std::optional(quartznet) : std::nullopt;
}

void describe(RecordVisitor& v, QuartzNetConfig& c) {
  v.enumeration("kind", c.kind,
                "speech: a separable first layer of stride 2, dilation 2 in the layer behind the "
                "blocks, masked frames, Xavier's initial weights (NeMo). dna: a dense first layer "
                "of stride 3, neither dilation nor masks, PyTorch's initial weights (Bonito).");
  v.list(
      "blocks", c.blocks.size(), [&](size_t n) { c.blocks.resize(n); },
      [&](RecordVisitor& r, size_t i) {
        r.integer("kernel", c.blocks[i].kernel, 1, 255, "Frames of the kernels; odd.");
        r.integer("filters", c.blocks[i].filters, 1, 64, "Filters, times network.width.");
      },
      "Kinds of blocks, in order. Empty: the five of the paper, kernels 33 and 39 with width, 51, "
      "63 and 75 with twice as many filters.");
  v.integer("copies", c.copies, 1, 16,
            "Blocks of each kind, one behind the other: 1 is QuartzNet-5x5, 2 10x5, 3 15x5.");
  v.integer("repeat", c.repeat, 1, 16,
            "Separable convolutions of a block; its skip spans them all.");
  v.integer("stem_kernel", c.stem_kernel, 1, 255, "Kernel of the first layer; odd.");
  v.integer("stem_stride", c.stem_stride, 0, 16, "Stride of the first layer. 0: the kind's.");
  v.integer("context_kernel", c.context_kernel, 0, 255,
            "Kernel of the separable layer behind the blocks; odd. 0: no such layer.");
  v.integer("last_filters", c.last_filters, 1, 64,
            "Filters of the last 1x1 layer before the answers, times network.width.");
}

void verify_config(const NetworkConfig& c, const std::string& source) {
  find_family(c.family).verify(c, source);
  if (c.family != "file" && !c.file.empty()) {
    fail_config("/network/file", "no file, or family \"file\"", fmt::format("\"{}\"", c.file),
                source);
  }
  if (c.family != "quartznet" && c.quartznet) {
    fail_config("/network/quartznet", "null, or family \"quartznet\"",
                fmt::format("an object of the family \"{}\"", c.family), source);
  }
}

NetworkConfig resolve_network_config(NetworkConfig config) {
  if (config.width == 0) config.width = find_family(config.family).width;
  if (config.family == "quartznet") {
    if (!config.quartznet) config.quartznet = QuartzNetConfig();
    QuartzNetConfig& q = *config.quartznet;
    if (q.blocks.empty()) q.blocks = {{33, 1}, {39, 1}, {51, 2}, {63, 2}, {75, 2}};
    if (q.stem_stride == 0) q.stem_stride = q.kind == QuartzKind::Dna ? 3 : 2;
  }
  return config;
}

Json write_network_config(const NetworkConfig& config) {
  NetworkConfig copy = config;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

}  // namespace tailor::net
