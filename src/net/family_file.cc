// The user's own network: a description in a file, made for its data.
#include "tailor/core/files.h"
#include "tailor/net/family.h"

namespace tailor::net {
namespace {

void verify_file(const NetworkConfig& c, const std::string& source) {
  if (!c.file.empty()) return;
  fail_config("/network/file", "the description of the network (family file)",
              fmt::format("\"{}\"", c.file), source);
}

Network make_from_file(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  const std::string& file = config.file;
  Network network = read_network(Json::parse(read_file(file), file), file);
  if (network.input == input && network.classes() == classes) return network;
  fail(ErrorKind::Config, "the network in {} takes {} and has {} classes, the data are {} with {}",
       file, to_string(network.input), network.classes(), to_string(input), classes);
}

}  // namespace

const NetworkFamily& file_family() {
  static const NetworkFamily family = {
      "file",
      "file your own",
      16,
      verify_file,
      [](const NetworkConfig&) -> std::vector<NetworkFamily::Unread> {
        return {{"depth width stride_on shortcut join",
                 "the description in network.file says it (network.family is file)"}};
      },
      make_from_file,
      [] { return std::vector<NetworkFamily::Named>(); }};
  return family;
}

}  // namespace tailor::net
