#include "tailor/surgery/surgery.h"

#include <algorithm>
#include <limits>
#include <set>

#include "surgery/places.h"
#include "tailor/core/strings.h"
#include "tailor/net/batch_norm.h"

namespace tailor::surgery {
namespace {

std::string ids_text(const std::string& id, const std::vector<std::string>& ids) {
  return list_names(id, ids, "tailor inspect");
}

Json skips_json(const Block& block) {
  Json::Array skips;
  for (const Skip& skip : block.skips) {
    skips.push_back(Json::object(
        {{"id", skip.id}, {"from", skip.from}, {"to", skip.to}, {"kind", kind_of(skip)}}));
  }
  return skips;
}

/// Whether the long skip's layers turn `from` into `to` as they stand.
bool layers_fit(const Skip& skip, const MapShape& skip_from, const MapShape& skip_to,
                const MapShape& from, const MapShape& to) {
  return !skip.layers.empty() && from.channels == skip_from.channels &&
         to.channels == skip_to.channels && output_of(skip.layers, from) == to;
}

bool spans_one_stage(const Network& network, const std::string& id) {
  for (const Block& block : network.blocks) {
    for (const Skip& skip : block.skips) {
      if (skip.id == id) return skip.to - skip.from == 1;
    }
  }
  return false;
}

/// What begins and ends alpha epochs later; of one epoch, what ends comes first.
std::vector<PlannedEdit> in_two_parts(const std::vector<PlannedEdit>& edits, int64_t alpha) {
  std::vector<PlannedEdit> parts;
  parts.reserve(2 * edits.size());
  for (const PlannedEdit& e : edits) {
    parts.push_back({e.epoch, e.skip_id, e.kind, EditPart::Begin});
    parts.push_back({e.epoch + alpha, e.skip_id, e.kind, EditPart::End});
  }
  std::stable_sort(parts.begin(), parts.end(), [](const PlannedEdit& a, const PlannedEdit& b) {
    const bool ends = a.part == EditPart::End, other = b.part == EditPart::End;
    return a.epoch != b.epoch ? a.epoch < b.epoch : ends && !other;
  });
  return parts;
}

/// Each entry names a skip that exists, and no skip is named twice.
void verify_plan(const SurgeryConfig& policy, const std::vector<std::string>& ids,
                 const std::string& source, const std::string& at) {
  for (size_t i = 0; i < policy.plan.size(); ++i) {
    const std::string& id = policy.plan[i].skip;
    std::string pointer = fmt::format("{}/surgery/plan/{}/skip", at, i);
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
      fail_config(pointer, "the id of a skip (" + ids_text(id, ids) + ")",
                  fmt::format("\"{}\"{}", id, did_you_mean(id, ids)), source);
    }
    for (size_t j = 0; j < i; ++j) {
      if (policy.plan[j].skip == id)
        fail_config(pointer, "each skip once", fmt::format("\"{}\" again", id), source);
    }
  }
}

/// What happens to every skip that is altered, in their order.
std::vector<SkipPlan> altered_skips(const SurgeryConfig& policy, const Network& network,
                                    std::vector<std::string> ids, const std::string& source,
                                    const std::string& at) {
  if (policy.order == EditOrder::OutputFirst) std::reverse(ids.begin(), ids.end());
  auto place = [&](const std::string& id) {
    return std::find_if(policy.plan.begin(), policy.plan.end(),
                        [&](const SkipPlan& p) { return p.skip == id; });
  };
  if (policy.order == EditOrder::Plan) {
    std::stable_sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
      return place(a) < place(b);
    });
  }
  std::vector<SkipPlan> altered;
  std::vector<std::string> unnamed;
  for (const std::string& id : ids) {
    AlterationKind kind = AlterationKind::Remove;
    if (policy.kind == SurgeryKind::Shorten)
      kind = spans_one_stage(network, id) ? AlterationKind::Keep : AlterationKind::Shorten;
    const bool named = place(id) != policy.plan.end();
    if (named) kind = place(id)->kind;
    if (kind == AlterationKind::Keep) continue;
    altered.push_back({id, kind});
    if (!named) unnamed.push_back(id);
  }
  if (policy.order != EditOrder::Plan || unnamed.empty()) return altered;
  fail_config(at + "/surgery/plan",
              "every skip that is altered, because /surgery/order is \"plan\" (of kind \"keep\" "
              "those that stay)",
              "none of " + join(unnamed, ", "), source);
}

}  // namespace

std::vector<PlannedEdit> plan_edits(const SurgeryConfig& policy, const Network& network,
                                    int64_t epochs, const std::string& source,
                                    const std::string& at) {
  const std::vector<std::string> ids = skip_ids(network);
  verify_plan(policy, ids, source, at);
  std::vector<PlannedEdit> edits;
  if (policy.kind == SurgeryKind::None) return edits;
  const int64_t first = policy.first_epoch.value_or(policy.alpha);
  for (const SkipPlan& skip : altered_skips(policy, network, ids, source, at)) {
    int64_t turn = static_cast<int64_t>(edits.size()) / policy.at_once;
    edits.push_back({first + turn * policy.alpha, skip.skip, skip.kind});
  }
  const bool fades = policy.edit == EditKind::Fade;
  const int64_t until_done = fades ? policy.alpha : 0;
  auto reached =
      static_cast<size_t>(std::count_if(edits.begin(), edits.end(), [&](const PlannedEdit& e) {
        return e.epoch <= std::numeric_limits<int64_t>::max() - until_done &&
               e.epoch + until_done < epochs;
      }));
  if (reached < edits.size()) {
    if (!policy.allow_partial) {
      fail_config(
          at + "/train/epochs",
          fmt::format(
              "at least {} (the last of {} alterations is {} before epoch {}), or allow_partial",
              edits.back().epoch + until_done + 1, edits.size(), fades ? "over" : "due",
              edits.back().epoch + until_done),
          std::to_string(epochs), source);
    }
    edits.resize(reached);
  }
  if (fades) edits = in_two_parts(edits, policy.alpha);
  Network rehearsal = network;
  for (const PlannedEdit& edit : edits) {
    try {
      if (policy.edit == EditKind::Solve && edit.kind == AlterationKind::Remove)
        solvable_block(rehearsal, edit.skip_id);
      apply_alteration(rehearsal, edit.skip_id, edit.kind, edit.part);
    } catch (const Error& e) {
      fail(e.kind(),
           "{}: {}/surgery: the alteration due before epoch {}: {}; give this skip \"kind\": "
           "\"keep\" in {}/surgery/plan",
           source, at, edit.epoch, e.what(), at);
    }
  }
  return edits;
}

int64_t settled_epoch(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits) {
  if (edits.empty()) return 0;
  return edits.back().epoch + (edits.back().part == EditPart::End ? 0 : policy.alpha);
}

SkipWeights fading_weights(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits,
                           const Network& network, int64_t epoch, int64_t step,
                           int64_t steps_an_epoch) {
  SkipWeights weights;
  const auto whole = static_cast<double>(policy.alpha * steps_an_epoch);
  for (const PlannedEdit& edit : edits) {
    const int64_t since = (epoch - edit.epoch) * steps_an_epoch + step;
    if (edit.part != EditPart::Begin || since < 0 || epoch >= edit.epoch + policy.alpha) continue;
    const double gone = static_cast<double>(since + 1) / whole;
    weights[edit.skip_id] = 1 - gone;
    if (edit.kind != AlterationKind::Shorten) continue;
    for (const std::string& id : skip_ids(network)) {
      if (id.rfind(edit.skip_id + ".", 0) == 0) weights[id] = gone;
    }
  }
  return weights;
}

double warmup_factor(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits,
                     int64_t epoch, int64_t step, int64_t steps_an_epoch) {
  double factor = 1;
  for (const PlannedEdit& edit : edits) {
    const int64_t since = (epoch - edit.epoch) * steps_an_epoch + step;
    if (since < 0 || since + 1 >= policy.warmup_steps) continue;
    factor =
        std::min(factor, static_cast<double>(since + 1) / static_cast<double>(policy.warmup_steps));
  }
  return factor;
}

Place find_skip(Network& network, const std::string& id) {
  const std::vector<MapShape> inputs = block_inputs(network);
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    Block& block = network.blocks[b];
    for (size_t s = 0; s < block.skips.size(); ++s) {
      if (block.skips[s].id == id) return {&block, s, point_shapes(block, inputs[b])};
    }
  }
  fail(ErrorKind::Config, "cannot alter the skip '{}': the network has no such skip; {}", id,
       ids_text(id, skip_ids(network)));
}

bool is_conv_norm(const std::vector<NamedLayer>& stage) {
  const auto* conv = stage.empty() ? nullptr : stage[0].as<ConvLayer>();
  return conv && conv->groups == 1 && stage.size() >= 2 && stage.size() <= 3 &&
         stage[1].as<BatchNormLayer>() && (stage.size() == 2 || stage[2].as<ReluLayer>());
}

bool is_linear(const Skip& skip) {
  if (skip.layers.empty()) return true;
  if (std::holds_alternative<PickLayer>(skip.layers[0])) return skip.layers.size() == 1;
  const auto* conv = std::get_if<ConvLayer>(&skip.layers[0]);
  return conv && conv->groups == 1 && conv->window.taps() == 1 && !conv->window.pads.any() &&
         (skip.layers.size() == 1 ||
          (skip.layers.size() == 2 && std::holds_alternative<BatchNormLayer>(skip.layers[1])));
}

namespace {

/// Why the skip's block cannot be solved; empty: it can.
std::string why_not_solvable(const Network& network, const Place& place,
                             const SolvableBlock& solvable) {
  const Skip& skip = solvable.skip;
  if (place.block->skips.size() > 1) return "its block has other skips";
  if (!is_linear(skip)) return "it is neither an identity, a pad nor a projection";
  if (skip.from != 0 || skip.to > 2) return "it is not over the block's first stage or two";
  if (!is_conv_norm(solvable.first) || !is_conv_norm(solvable.last)) {
    return "its stages are not a convolution without groups, a batch norm and at most a ReLU each";
  }
  const bool behind = network.join == Join::AfterActivation && solvable.last.size() == 3;
  if (skip.to == 1 && behind) return "it is added behind the ReLU of the only stage";
  const auto* conv = solvable.first[0].as<ConvLayer>();
  if (conv->dirac || solvable.last[0].as<ConvLayer>()->dirac)
    return "its convolutions are dirac, whose kernels are not their weights";
  if (conv->out != place.at(skip.to).channels) {
    return fmt::format("{} channels do not ride through a convolution with {}",
                       place.at(skip.to).channels, conv->out);
  }
  const Size2 stride = skip.layers.empty() ? Size2{1, 1} : stride_of(skip.layers);
  if (conv->window.stride != stride || !has_centre_tap(conv->window))
    return "no tap of the first convolution reads its pixel";
  return "";
}

/// Every name that a new skip must not have.
std::set<std::string> names_beside(const Network& network, const Skip& old) {
  std::set<std::string> names = {old.tensors};
  for (const Block& block : network.blocks) {
    names.insert(block.id);
    for (const Skip& s : block.skips) {
      if (s.id != old.id) names.insert({s.id, s.tensors});
    }
  }
  return names;
}

/// A new 1×1 convolution and batch norm over stage p + 1.
void add_projection(Skip& step, const Place& place, const std::string& old_id) {
  const MapShape &from = place.at(step.from), &to = place.at(step.to);
  const Size2 stride = stride_of(place.block->stages[static_cast<size_t>(step.from)].layers);
  step.layers = projection(from.channels, to.channels, stride);
  step.tensors = step.id;
  if (output_of(step.layers, from) == to) return;
  fail(ErrorKind::Unsupported,
       "cannot shorten the skip '{}': no strided 1x1 projection turns {} into {} at stage {}",
       old_id, to_string(from), to_string(to), step.to);
}

struct Steps {
  std::vector<Skip> skips;
  std::vector<TensorSpec> added;
  bool have_old_layers = false;
};

/// Steps beside the skip that they are to replace: none has weight yet, and the one with the old
/// layers has tensors of its own, copies of the old ones.
void stand_beside(Steps& steps, const Place& place, std::map<std::string, std::string>& copies) {
  const Skip& old = place.block->skips[place.index];
  for (Skip& step : steps.skips) {
    step.weight = 0;
    if (step.tensors.empty() || step.tensors != old.tensors) continue;
    const auto theirs = skip_specs(old, place.at(old.from));
    step.tensors = step.id;
    const auto own = skip_specs(step, place.at(step.from));
    for (size_t i = 0; i < own.size(); ++i) copies[own[i].name] = theirs[i].name;
    steps.added.insert(steps.added.end(), own.begin(), own.end());
  }
}

/// The single steps in the place of a skip.
Steps short_steps(const Network& network, const Place& place) {
  const Skip& old = place.block->skips[place.index];
  if (old.to - old.from == 1)
    fail(ErrorKind::Config, "cannot shorten the skip '{}': it spans one stage only", old.id);
  std::set<std::string> names = names_beside(network, old);
  Steps steps;
  for (int64_t p = old.from; p < old.to; ++p) {
    const auto& skips = place.block->skips;
    const bool exists = std::any_of(skips.begin(), skips.end(),
                                    [&](const Skip& s) { return s.from == p && s.to == p + 1; });
    if (exists) continue;
    Skip step;
    for (int64_t n = p - old.from;; ++n) {
      step.id = fmt::format("{}.{}", old.id, n);
      if (names.insert(step.id).second) break;
    }
    step.from = p;
    step.to = p + 1;
    const bool fit =
        layers_fit(old, place.at(old.from), place.at(old.to), place.at(p), place.at(p + 1));
    if (place.at(p) == place.at(p + 1)) {
      // the identity
    } else if (!steps.have_old_layers && fit) {
      step.layers = old.layers;
      step.tensors = old.tensors;
      steps.have_old_layers = true;
    } else {
      add_projection(step, place, old.id);
      const auto specs = skip_specs(step, place.at(p));
      steps.added.insert(steps.added.end(), specs.begin(), specs.end());
    }
    steps.skips.push_back(std::move(step));
  }
  return steps;
}

}  // namespace

SolvableBlock solvable_block(const Network& network, const std::string& skip_id) {
  Network copy = network;
  const Place place = find_skip(copy, skip_id);
  SolvableBlock result;
  result.block = static_cast<size_t>(place.block - copy.blocks.data());
  result.skip = place.block->skips[place.index];
  const Block& block = network.blocks[result.block];
  result.first = stage_layers(block, 1);
  result.last =
      stage_layers(block, std::min(block.stages.size(), static_cast<size_t>(result.skip.to)));
  if (const std::string why = why_not_solvable(network, place, result); !why.empty()) {
    fail(ErrorKind::Config,
         "cannot solve a block for the skip '{}': {} (surgery.edit \"cut\" removes any)", skip_id,
         why);
  }
  return result;
}

namespace {

/// Of the skip at its whole weight.
SkipMap whole_map(const TensorMap& tensors, const Skip& skip, int64_t in, int64_t out,
                  double epsilon) {
  SkipMap map{in, std::vector<double>(static_cast<size_t>(out * in)),
              std::vector<double>(static_cast<size_t>(out))};
  const std::vector<NamedLayer> layers = skip_layers(skip);
  const auto* pick = layers.empty() ? nullptr : layers[0].as<PickLayer>();
  if (layers.empty() || pick) {
    for (int64_t c = 0; c < in; ++c)
      map.weights[static_cast<size_t>((c + (pick ? pick->channel_offset : 0)) * in + c)] = 1;
    return map;
  }
  map.weights = tensors.at(layers[0].name + ".weight").to_doubles();
  if (layers[0].as<ConvLayer>()->bias)
    map.shift = tensors.at(layers[0].name + ".bias").to_doubles();
  if (layers.size() == 1) return map;
  const ScaleShift norm = scale_and_shift(tensors, layers[1].name, epsilon);
  for (int64_t o = 0; o < out; ++o) {
    const auto at = static_cast<size_t>(o);
    map.shift[at] = map.shift[at] * norm.scale[at] + norm.shift[at];
    for (int64_t i = 0; i < in; ++i) map.weights[static_cast<size_t>(o * in + i)] *= norm.scale[at];
  }
  return map;
}

}  // namespace

SkipMap skip_map(const TensorMap& tensors, const Skip& skip, int64_t in, int64_t out,
                 double epsilon) {
  SkipMap map = whole_map(tensors, skip, in, out, epsilon);
  for (double& w : map.weights) w *= skip.weight;
  for (double& s : map.shift) s *= skip.weight;
  return map;
}

Alteration apply_alteration(Network& network, const std::string& skip_id, AlterationKind kind,
                            EditPart part) {
  const Place place = find_skip(network, skip_id);
  TAILOR_CHECK(kind != AlterationKind::Keep, "keeping a skip is no alteration");
  std::vector<Skip>& skips = place.block->skips;
  Alteration alteration{kind, part, skip_id, skips_json(*place.block), {}, {}, {}, {}, 0, 0};
  Steps steps;
  if (kind == AlterationKind::Shorten && part != EditPart::End) steps = short_steps(network, place);
  if (part == EditPart::Begin) stand_beside(steps, place, alteration.copies);
  auto at = skips.begin() + static_cast<std::ptrdiff_t>(place.index);
  if (part != EditPart::Begin) {
    if (!steps.have_old_layers) {
      const auto specs = skip_specs(*at, place.at(at->from));
      for (const TensorSpec& spec : specs) alteration.erased.push_back(spec.name);
      alteration.erased_parameters = parameter_count(specs);
    }
    at = skips.erase(at);
    // What has taken its place is whole.
    for (Skip& skip : skips) {
      if (kind == AlterationKind::Shorten && part == EditPart::End &&
          skip.id.rfind(skip_id + ".", 0) == 0)
        skip.weight = 1;
    }
  }
  skips.insert(at, steps.skips.begin(), steps.skips.end());
  alteration.added = std::move(steps.added);
  alteration.added_parameters = parameter_count(alteration.added);
  alteration.after = skips_json(*place.block);
  const auto findings = verify_network(network);
  TAILOR_CHECK(findings.empty(), "after the alteration of {}: {}", skip_id, join(findings, "; "));
  return alteration;
}

Network alter_every_skip(Network network, InitialSkips skips) {
  if (skips == InitialSkips::Kept) return network;
  const bool shorten = skips == InitialSkips::Shortened;
  for (const std::string& id : skip_ids(network)) {
    if (shorten && spans_one_stage(network, id)) continue;
    apply_alteration(network, id, shorten ? AlterationKind::Shorten : AlterationKind::Remove);
  }
  if (skips == InitialSkips::Repvgg) return with_branches(std::move(network));
  if (skips == InitialSkips::Dirac) return with_dirac_kernels(std::move(network));
  return network;
}

TensorMap added_tensors(const Alteration& alteration, const Network& network,
                        const TensorMap& tensors, int64_t seed) {
  TensorMap added;
  for (const TensorSpec& spec : alteration.added) {
    const auto copied = alteration.copies.find(spec.name);
    added.emplace(spec.name, copied != alteration.copies.end() ? tensors.at(copied->second)
                             : spec.role == TensorRole::BnWeight
                                 ? Tensor(DType::F32, spec.shape)
                                 : initial_tensor(spec, seed, network.initialisation));
  }
  return added;
}

std::string alteration_text(const Alteration& alteration, int64_t left, int64_t total) {
  const bool removes = alteration.kind == AlterationKind::Remove;
  if (alteration.part == EditPart::Begin)
    return fmt::format("{} {} begins", removes ? "removing" : "shortening", alteration.skip_id);
  return fmt::format("{} {} ({} of {} left)", removes ? "removed" : "shortened", alteration.skip_id,
                     left, total);
}

}  // namespace tailor::surgery
