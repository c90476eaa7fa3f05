// Alteration of skip connections (paper, section 3): which edits are due is a pure function of
// policy, skips and epoch; an edit changes the description and says which tensors go and come.
// Weights are the trainer's business.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/surgery/config.h"

namespace tailor::surgery {

/// An edit is made at once, or begins and, alpha epochs later, ends (EditKind::Fade).
enum class EditPart { Whole, Begin, End };

/// One skip's turn.
struct PlannedEdit {
  int64_t epoch = 0;  // applied before this epoch (from 0) trains
  std::string skip_id;
  AlterationKind kind = AlterationKind::Remove;
  EditPart part = EditPart::Whole;
};

/// Every edit of a run, in order. With first_epoch f (default alpha), edits are due before epoch i
/// when i >= f and (i - f) mod alpha = 0; f = alpha is the paper's Algorithm 1. Kept skips take no
/// turn, nor do skips over one stage where all are shortened. Throws Config if the plan names a
/// skip that does not exist (listing those that do) or, where it is the order, does not name one
/// that is altered, the run is too short and allow_partial is off, or an edit cannot be made: all
/// are rehearsed on a copy of the network. `at`: where in `source` the training stands, a JSON
/// Pointer.
std::vector<PlannedEdit> plan_edits(const SurgeryConfig& policy, const Network& network,
                                    int64_t epochs, const std::string& source,
                                    const std::string& at = "");

/// First epoch that the last edit no longer disturbs: alpha epochs after it, or where it ends; 0
/// without edits.
int64_t settled_epoch(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits);

/// What the schedule's rate is multiplied by at a step of an epoch: it rises to 1 in warmup_steps
/// equal pieces behind each edit.
double warmup_factor(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits,
                     int64_t epoch, int64_t step, int64_t steps_an_epoch);

/// At a step of an epoch: weights of the skips that are fading out (from 1 to 0, which the last
/// step before their end has) and of the short ones that take their place (1 less those).
SkipWeights fading_weights(const SurgeryConfig& policy, const std::vector<PlannedEdit>& edits,
                           const Network& network, int64_t epoch, int64_t step,
                           int64_t steps_an_epoch);

/// Of a removal that solves: where the skip and its convolutions are.
struct SolvableBlock {
  size_t block = 0;
  Skip skip;
  std::vector<NamedLayer> first, last;  // of the one or two stages: convolution, batch norm, ReLU?
};
/// Throws Config where the block is none: one skip over one stage or two, each a convolution
/// without groups, a batch norm, and a ReLU or none (none before a skip that is added behind it);
/// the first convolution has the skip's channels and stride, and reads its pixel.
SolvableBlock solvable_block(const Network& network, const std::string& skip_id);

/// What a linear skip (an identity, a pad or a projection) does at each of its pixels:
/// out[o] = Σ weights[o · in + i] · in[i] + shift[o].
struct SkipMap {
  int64_t in = 0;
  std::vector<double> weights, shift;
  double weight(int64_t o, int64_t i) const { return weights[static_cast<size_t>(o * in + i)]; }
};
SkipMap skip_map(const TensorMap& tensors, const Skip& skip, int64_t in, int64_t out,
                 double epsilon);

/// What an edit did.
struct Alteration {
  AlterationKind kind;
  EditPart part;
  std::string skip_id;
  Json before, after;               // the block's skips
  std::vector<std::string> erased;  // names of tensors that went
  std::vector<TensorSpec> added;    // tensors that came; a new projection starts with gamma = 0
  /// Of those that came, copies of what is there: by name, whose. They begin with its values.
  std::map<std::string, std::string> copies;
  int64_t erased_parameters = 0, added_parameters = 0;
};

/// Remove erases the edge and its projection. Shorten replaces from→to by single steps: an identity
/// where the shapes agree, else the old projection (or pad) if it fits, else a new 1×1 conv – BN
/// with gamma = 0; a step that exists already is not added twice. To begin either only adds the
/// steps, with weight 0 (where one is to have the old projection, a copy of it), and to end it only
/// erases the edge. Throws Config if there is no such skip (listing those that there are) or it
/// cannot be shortened.
Alteration apply_alteration(Network& network, const std::string& skip_id, AlterationKind kind,
                            EditPart part = EditPart::Whole);

/// With RepVGG's branches (Ding et al. 2021, section 3.2): beside each convolution wider than a
/// pixel, with a batch norm behind it, a 1x1 one and, where shapes agree, the identity, each with a
/// batch norm of its own and added before the activation. Throws Config where a network has no such
/// convolution, or adds behind activations.
Network with_branches(Network network);
/// The same convolutions, where they have no groups, are DiracNet's (Zagoruyko and Komodakis 2017).
/// Throws Config where a network has no such convolution.
Network with_dirac_kernels(Network network);

/// The network that the alteration of every skip ends with, then with branches or Dirac kernels
/// where it is to have them; skips over one stage stay where all are shortened, so that doing it
/// again changes nothing. Throws as both do.
Network alter_every_skip(Network network, InitialSkips skips);

/// Values of the tensors an alteration added: copies of those in `tensors`, else initial weights,
/// but gamma = 0, so that a new projection starts as nothing.
TensorMap added_tensors(const Alteration& alteration, const Network& network,
                        const TensorMap& tensors, int64_t seed);

/// "removed stage2.block0.skip (5 of 9 left)": the words of log and alterations.jsonl.
std::string alteration_text(const Alteration& alteration, int64_t left, int64_t total);

}  // namespace tailor::surgery
