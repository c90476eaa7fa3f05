// Foreign weights under our names: a rule set is data (configs/rules/*.json), every tensor of a
// file and of the network is accounted for, and nothing is guessed from shapes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/tensors/preprocessing.h"

namespace tailor::net {

/// `from` is a whole foreign name in which {x} stands for a number and {*}, last, for the rest;
/// `to` our name with the same words, {x+1} and {x-1} included. {block x} is the id of the
/// network's block number x, from 0; {block x=top} the same where that is "top". An empty `to`
/// drops the tensor.
struct WeightRule {
  std::string from, to;
  /// Theirs is a linear layer where ours is a convolution over its whole map: exported as [out,
  /// in].
  bool linear = false;
};

/// How kernels lie in the file: [out, in, rows, columns], or Keras' [rows, columns, in, out].
enum class WeightLayout { Torch, Keras };
TAILOR_ENUMERATORS(WeightLayout, "torch", "keras")

struct WeightRules {
  std::string name, title;
  std::vector<std::string> families;  // of networks that these weights can be
  std::string shortcut;               // of such networks: "projection" or "pad"; empty: as asked
  std::string join;                   // likewise
  std::string data;                   // the data set of `preprocessing`; empty: any
  WeightLayout layout = WeightLayout::Torch;
  bool one_dimensional = false;   // exported kernels are [out, in, columns]
  std::vector<WeightRule> rules;  // the first that fits and leads to a tensor of the network
  Preprocessing preprocessing;    // with which such weights were trained
};

std::vector<std::string> weight_rule_names();
/// A built-in rule set by name, or one from a .json file. Throws Usage or Config.
WeightRules load_weight_rules(const std::string& name_or_file);

/// The names of `rules`, and for what those lack the names of `others`: stem, shortcut and head are
/// often called as in two programs. Their layouts must be equal.
WeightRules combined(const WeightRules& rules, const WeightRules& others);

/// The rules with {block x} said, a rule for each block of the network.
WeightRules for_network(const WeightRules& rules, const Network& network);

/// Seed of a head that is begun anew.
constexpr int64_t kNewHeadSeed = 1;

/// Where every tensor went.
struct WeightMatch {
  std::string prefix;                // of the foreign names, "state_dict.module."
  TensorMap tensors;                 // those of the network that were found, F32, in our layout
  std::vector<std::string> folded;   // biases of convolutions before a batch norm: into its mean
  std::vector<std::string> neutral;  // not in the file: biases of 0, batch norms' scales of 1
  std::vector<std::string> begun;    // of a new head: initial values
  std::vector<std::string> dropped;
  std::vector<std::string> outside;  // without the prefix: optimisers, counters
  std::vector<std::string> left_over, missing, misshapen;
  std::vector<std::string> rivals;  // other prefixes under which the network is complete too
  bool complete() const { return left_over.empty() && missing.empty() && misshapen.empty(); }
};

/// Without a `prefix`, the one under which most names match. A linear layer fits into a convolution
/// over its whole map; Keras' paths (conv2d_1/kernel:0) are read as the dotted names of rules.
/// `may_lack_neutral`: a layer without bias and a batch norm without scale and shift are the same
/// as neutral ones, which then need not be in the file. `new_head`: the file's last layer is
/// dropped and the network's has initial values. A kernel of one row may lack that dimension.
WeightMatch match_weights(const TensorMap& file, const WeightRules& rules, const Network& network,
                          const std::optional<std::string>& prefix = std::nullopt,
                          bool may_lack_neutral = false, bool new_head = false);

/// What such files call our tensor, by rules for its network; "" if no rule leads there.
std::string foreign_name(const WeightRules& rules, const std::string& ours);
/// Our tensor in the shape that such files give it.
Tensor foreign_tensor(const WeightRules& rules, const std::string& ours, const Tensor& tensor);

/// "97 of 97 tensors … matched" and every finding, a line a kind; eight names of a kind unless
/// `whole`.
std::string describe_match(const WeightMatch& match, const Network& network, bool whole = false);

}  // namespace tailor::net
