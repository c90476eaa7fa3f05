#include "tailor/surgery/surgery.h"

#include <algorithm>
#include <set>

#include "tailor/core/strings.h"

namespace tailor {
namespace {

std::string ids_text(const std::string& id, const std::vector<std::string>& ids) {
  return list_names(id, ids, "tailor inspect");
}

Json skips_json(const Block& block) {
  Json::Array skips;
  for (const Skip& skip : block.skips) {
    skips.push_back(Json::object(
        {{"id", skip.id}, {"from", skip.from}, {"to", skip.to}, {"kind", to_string(skip.kind)}}));
  }
  return skips;
}

int64_t parameters_of(const std::vector<TensorSpec>& specs) {
  int64_t count = 0;
  for (const TensorSpec& spec : specs) {
    if (is_parameter(spec.role)) count += element_count(spec.shape);
  }
  return count;
}

/// Whether the long skip's operation turns `from` into `to` as it stands.
bool operation_fits(const Skip& skip, const MapShape& skip_from, const MapShape& skip_to,
                    const MapShape& from, const MapShape& to) {
  if (skip.kind == SkipKind::Identity) return false;
  return from.channels == skip_from.channels && to.channels == skip_to.channels &&
         (from.height + skip.stride - 1) / skip.stride == to.height &&
         (from.width + skip.stride - 1) / skip.stride == to.width;
}

bool spans_one_stage(const Network& network, const std::string& id) {
  for (const Block& block : network.blocks) {
    for (const Skip& skip : block.skips) {
      if (skip.id == id) return skip.to - skip.from == 1;
    }
  }
  return false;
}

}  // namespace

std::vector<PlannedEdit> plan_edits(const SurgeryConfig& policy, const Network& network,
                                    int64_t epochs, const std::string& source) {
  const std::vector<std::string> ids = skip_ids(network);
  for (size_t i = 0; i < policy.plan.size(); ++i) {
    const std::string& id = policy.plan[i].skip;
    std::string pointer = fmt::format("/surgery/plan/{}/skip", i);
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
      fail_config(pointer, "the id of a skip (" + ids_text(id, ids) + ")",
                  fmt::format("\"{}\"{}", id, did_you_mean(id, ids)), source);
    }
    for (size_t j = 0; j < i; ++j) {
      if (policy.plan[j].skip == id)
        fail_config(pointer, "each skip once", fmt::format("\"{}\" again", id), source);
    }
  }
  std::vector<PlannedEdit> edits;
  if (policy.kind == SurgeryKind::None) return edits;
  std::vector<std::string> order = ids;
  if (policy.order == EditOrder::OutputFirst) std::reverse(order.begin(), order.end());
  const int64_t first = policy.first_epoch.value_or(policy.alpha);
  for (const std::string& id : order) {
    AlterationKind kind = AlterationKind::Remove;
    if (policy.kind == SurgeryKind::Shorten)
      kind = spans_one_stage(network, id) ? AlterationKind::Keep : AlterationKind::Shorten;
    for (const SkipPlan& exception : policy.plan) {
      if (exception.skip == id) kind = exception.kind;
    }
    if (kind == AlterationKind::Keep) continue;
    int64_t turn = static_cast<int64_t>(edits.size()) / policy.at_once;
    edits.push_back({first + turn * policy.alpha, id, kind});
  }
  auto reached = static_cast<size_t>(std::count_if(
      edits.begin(), edits.end(), [&](const PlannedEdit& e) { return e.epoch < epochs; }));
  if (reached < edits.size()) {
    if (!policy.allow_partial) {
      fail_config(
          "/train/epochs",
          fmt::format(
              "at least {} (the last of {} alterations is due before epoch {}), or allow_partial",
              edits.back().epoch + 1, edits.size(), edits.back().epoch),
          std::to_string(epochs), source);
    }
    edits.resize(reached);
  }
  Network rehearsal = network;
  for (const PlannedEdit& edit : edits) {
    try {
      apply_alteration(rehearsal, edit.skip_id, edit.kind);
    } catch (const Error& e) {
      fail(e.kind(),
           "{}: /surgery: the alteration due before epoch {}: {}; give this skip \"kind\": "
           "\"keep\" in /surgery/plan",
           source, edit.epoch, e.what());
    }
  }
  return edits;
}

int64_t settled_epoch(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits) {
  return edits.empty() ? 0 : edits.back().epoch + policy.alpha;
}

Alteration apply_alteration(Network& network, const std::string& skip_id, AlterationKind kind) {
  Block* block = nullptr;
  size_t block_index = 0, skip_index = 0;
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    for (size_t s = 0; s < network.blocks[b].skips.size(); ++s) {
      if (network.blocks[b].skips[s].id == skip_id) {
        block = &network.blocks[b];
        block_index = b;
        skip_index = s;
      }
    }
  }
  if (!block) {
    fail(ErrorKind::Config, "cannot alter the skip '{}': the network has no such skip; {}", skip_id,
         ids_text(skip_id, skip_ids(network)));
  }
  TAILOR_CHECK(kind != AlterationKind::Keep, "keeping a skip is no alteration");

  Alteration alteration{kind, skip_id, skips_json(*block), {}, {}, {}, 0, 0};
  const Skip old = block->skips[skip_index];
  std::vector<MapShape> points = point_shapes(*block, block_inputs(network)[block_index]);
  auto at = [&](int64_t point) -> const MapShape& { return points[static_cast<size_t>(point)]; };
  bool operation_used = false;
  block->skips.erase(block->skips.begin() + static_cast<std::ptrdiff_t>(skip_index));

  if (kind == AlterationKind::Shorten) {
    if (old.to - old.from == 1) {
      block->skips.insert(block->skips.begin() + static_cast<std::ptrdiff_t>(skip_index), old);
      fail(ErrorKind::Config, "cannot shorten the skip '{}': it spans one stage only", skip_id);
    }
    std::set<std::string> names;
    for (const Block& b : network.blocks) {
      names.insert(b.id);
      for (const Skip& s : b.skips) names.insert({s.id, s.tensors});
    }
    names.insert(old.tensors);
    std::vector<Skip> steps;
    for (int64_t p = old.from; p < old.to; ++p) {
      bool exists = std::any_of(block->skips.begin(), block->skips.end(),
                                [&](const Skip& s) { return s.from == p && s.to == p + 1; });
      if (exists) continue;
      Skip step;
      for (int64_t n = p - old.from;; ++n) {
        step.id = fmt::format("{}.{}", old.id, n);
        if (names.insert(step.id).second) break;
      }
      step.from = p;
      step.to = p + 1;
      if (at(p) == at(p + 1)) {
        step.kind = SkipKind::Identity;
      } else if (!operation_used &&
                 operation_fits(old, at(old.from), at(old.to), at(p), at(p + 1))) {
        step.kind = old.kind;
        step.stride = old.stride;
        step.channel_offset = old.channel_offset;
        step.tensors = old.tensors;
        step.batch_norm = old.batch_norm;
        operation_used = true;
      } else {
        step.kind = SkipKind::Projection;
        step.stride = block->stages[static_cast<size_t>(p)].stride;
        step.tensors = step.id;
        MapShape reached{at(p + 1).channels, (at(p).height + step.stride - 1) / step.stride,
                         (at(p).width + step.stride - 1) / step.stride};
        if (reached != at(p + 1)) {
          block->skips.insert(block->skips.begin() + static_cast<std::ptrdiff_t>(skip_index), old);
          fail(ErrorKind::Unsupported,
               "cannot shorten the skip '{}': no strided 1x1 projection turns {} into {} at stage "
               "{}",
               skip_id, to_string(at(p)), to_string(at(p + 1)), p + 1);
        }
        auto specs = projection_specs(step, at(p).channels, at(p + 1).channels);
        alteration.added.insert(alteration.added.end(), specs.begin(), specs.end());
      }
      steps.push_back(step);
    }
    block->skips.insert(block->skips.begin() + static_cast<std::ptrdiff_t>(skip_index),
                        steps.begin(), steps.end());
  }

  if (old.kind == SkipKind::Projection && !operation_used) {
    auto specs = projection_specs(old, at(old.from).channels, at(old.to).channels);
    for (const TensorSpec& spec : specs) alteration.erased.push_back(spec.name);
    alteration.erased_parameters = parameters_of(specs);
  }
  alteration.added_parameters = parameters_of(alteration.added);
  alteration.after = skips_json(*block);
  const auto findings = verify_network(network);
  TAILOR_CHECK(findings.empty(), "after the alteration of {}: {}", skip_id, join(findings, "; "));
  return alteration;
}

TensorMap added_tensors(const Alteration& alteration, int64_t seed) {
  TensorMap tensors;
  for (const TensorSpec& spec : alteration.added) {
    tensors.emplace(spec.name, spec.role == TensorRole::BnWeight ? Tensor(DType::F32, spec.shape)
                                                                 : initial_tensor(spec, seed));
  }
  return tensors;
}

std::string alteration_text(const Alteration& alteration, int64_t left, int64_t total) {
  return fmt::format("{} {} ({} of {} left)",
                     alteration.kind == AlterationKind::Remove ? "removed" : "shortened",
                     alteration.skip_id, left, total);
}

}  // namespace tailor
