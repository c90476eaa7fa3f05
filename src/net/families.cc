// The register of families, and networks by configuration or by name. Surgery, training and export
// never ask which family a network is of.
#include <algorithm>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/net/family.h"

namespace tailor::net {

const NetworkFamily& resnet_cifar_family();
const NetworkFamily& resnet_imagenet_family();
const NetworkFamily& resnet_mlperf_tiny_family();
const NetworkFamily& residual_block_family();
const NetworkFamily& quartznet_family();
const NetworkFamily& file_family();

namespace {

std::vector<const NetworkFamily*>& families() {
  static std::vector<const NetworkFamily*> all = {
      &resnet_cifar_family(),   &resnet_imagenet_family(), &resnet_mlperf_tiny_family(),
      &residual_block_family(), &quartznet_family(),       &file_family()};
  return all;
}

std::vector<NetworkFamily::Named> named_networks() {
  std::vector<NetworkFamily::Named> all;
  for (const NetworkFamily* family : families()) {
    for (NetworkFamily::Named& named : family->named()) all.push_back(std::move(named));
  }
  return all;
}

}  // namespace

std::vector<const NetworkFamily*> network_families() { return families(); }

void register_family(const NetworkFamily& family) {
  for (const NetworkFamily* known : families())
    TAILOR_CHECK(std::string(known->name) != family.name, "two families {}", family.name);
  families().push_back(&family);
}

const NetworkFamily& find_family(const std::string& name) {
  for (const NetworkFamily* family : families()) {
    if (family->name == name) return *family;
  }
  fail(ErrorKind::Internal, "there is no network family {}", name);
}

Network empty_network(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  Network network;
  network.input = input;
  network.head = linear_head(classes);
  network.join = config.join;
  return network;
}

void add_block_skip(Block& block, Shortcut shortcut, bool batch_norm) {
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

Network make_network(const NetworkConfig& given, const MapShape& input, int64_t classes) {
  const NetworkConfig config = resolve_network_config(given);
  Network network = find_family(config.family).make(config, input, classes);
  const auto findings = verify_network(network);
  if (!findings.empty()) {
    fail(ErrorKind::Config, "{} cannot be built for inputs of {}: {}", network.name,
         to_string(input), join(findings, "; "));
  }
  return network;
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const NetworkFamily::Named& named : named_networks()) names.push_back(named.name);
  return names;
}

NamedNetwork network_by_name(const std::string& name_or_file, const std::string& flag) {
  for (const NetworkFamily::Named& named : named_networks()) {
    if (named.name != name_or_file) continue;
    const NetworkConfig config = resolve_network_config(named.config);
    return {config, make_network(config, named.input, named.classes)};
  }
  const std::string& file = name_or_file;
  if (has_extension(file, ".json")) {
    if (!path_exists(file)) fail(ErrorKind::Usage, "{} {}: there is no such file", flag, file);
    NetworkConfig config;
    config.family = "file";
    config.file = absolute_path(file);
    Network network = read_network(Json::parse(read_file(file), file), file);
    config.join = network.join;
    return {config, std::move(network)};
  }
  fail(ErrorKind::Usage, "{}: unknown network '{}'{}, or give a description in a .json file", flag,
       name_or_file, offer_names(name_or_file, network_names(), "tailor config networks"));
}

}  // namespace tailor::net
