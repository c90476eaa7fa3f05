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
  find_family(c.family).verify(c, source);
  if (c.family != "file" && !c.file.empty()) {
    fail_config("/network/file", "no file, or family \"file\"", fmt::format("\"{}\"", c.file),
                source);
  }
}

NetworkConfig resolve_network_config(NetworkConfig config) {
  if (config.width == 0) config.width = find_family(config.family).width;
  return config;
}

Json write_network_config(const NetworkConfig& config) {
  NetworkConfig copy = config;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

}  // namespace tailor::net
