// tailor export --format safetensors: a network's weights for other programs, under their names
// when a rule set is given. The header also says topology and preprocessing, so that nothing is
// lost.
#include <algorithm>
#include <tuple>

#include "cli/source.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/net/dirac.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/origin.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::cli {
namespace {

void refuse_other_family(const WeightRules& rules, const Checkpoint& c, const std::string& path) {
  const std::string family = read_run_config(c.config, path).network.family;
  const auto& families = rules.families;
  if (family == "file" || std::find(families.begin(), families.end(), family) != families.end())
    return;
  fail(ErrorKind::Usage,
       "--rules {}: they name the weights of {}, and {} is a {}; leave --rules out, or give rules "
       "of its own (tailor config rules)",
       rules.name, join(families, ", "), path, family);
}

/// To convolutions that have none.
void add_zero_biases(TensorMap& tensors, const Network& network) {
  for (const TensorSpec& spec : tensor_specs(network)) {
    if (spec.role != TensorRole::ConvWeight) continue;
    const std::string bias = spec.name.substr(0, spec.name.rfind('.')) + ".bias";
    tensors.emplace(bias, Tensor(DType::F32, {spec.shape[0]}));
  }
}

}  // namespace

int export_weights(const ExportOptions& options) {
  if (!options.graph.empty() || !options.network.empty())
    fail(ErrorKind::Usage, "--format safetensors: expected --checkpoint F, the weights' own file");
  const std::string checkpoint = resolve_checkpoint(
      options.checkpoint.empty() ? newest_finished_checkpoint("runs") : options.checkpoint);
  Checkpoint c = load_checkpoint(checkpoint);
  const std::string path = options.output.empty() ? c.run + ".safetensors" : options.output;
  refuse_to_replace("--output", path, options.force);

  const std::string digest = weights_digest(c.tensors);
  // Other programs know no Dirac kernels: they get the kernels.
  if (!options.rules.empty())
    std::tie(c.network, c.tensors) = merge_dirac(std::move(c.network), std::move(c.tensors));
  TensorMap tensors = c.tensors;
  if (options.zero_biases) add_zero_biases(tensors, c.network);
  TensorFile file;
  std::vector<std::string> own;  // what the rules have no name for: projections of shortened skips
  if (options.rules.empty()) {
    file.tensors = std::move(tensors);
  } else {
    const WeightRules rules = for_network(load_weight_rules(options.rules), c.network);
    refuse_other_family(rules, c, checkpoint);
    if (rules.layout != WeightLayout::Torch) {
      fail(ErrorKind::Unsupported,
           "--rules {}: its kernels are Keras'; expected rules of a PyTorch network", rules.name);
    }
    for (const auto& [name, tensor] : tensors) {
      std::string theirs = foreign_name(rules, name);
      if (theirs.empty() && c.tensors.count(name) == 0) continue;  // a bias that they lack too
      if (theirs.empty()) own.push_back(theirs = name);
      if (!file.tensors.emplace(theirs, foreign_tensor(rules, name, tensor)).second)
        fail(ErrorKind::Config, "rules {}: two tensors would be {}", rules.name, theirs);
    }
  }
  file.metadata = {{"format", "pt"},
                   {"tailor.network", write_network(c.network).dump()},
                   {"tailor.preprocessing", write_preprocessing(c.preprocessing).dump()}};
  save_safetensors(path, file);
  if (options.json) {
    fmt::print("{}\n", Json::object({{"file", path},
                                     {"source", checkpoint},
                                     {"tensors", file.tensors.size()},
                                     {"without_a_foreign_name", Json::array(own)},
                                     {"weights_sha256", digest}})
                           .dump(2));
    return 0;
  }
  fmt::print("{}: {} tensors of {}{}\n", path, file.tensors.size(), checkpoint,
             options.rules.empty() ? "" : " under the names of " + options.rules);
  if (!own.empty())
    fmt::print("{} have no such name and keep ours: {}\n", own.size(), join(own, ", "));
  fmt::print("in Python: network.load_state_dict(safetensors.torch.load_file({}))\n",
             Json(path).dump());
  return 0;
}

}  // namespace tailor::cli
