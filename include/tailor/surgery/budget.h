// What altering single skips costs and saves, and which plan of all of them stays within a hardware
// budget at the least loss. Numbers in, a plan out: whoever measures and designs calls.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"
#include "tailor/surgery/config.h"

namespace tailor::surgery {

/// One skip, altered alone.
struct SkipEffect {
  std::string skip;
  AlterationKind kind = AlterationKind::Remove;  // or Shorten
  double lost = 0;                               // of accuracy, in points; negative: gained
  int64_t saved_bits = 0;                        // of FIFOs; 0 or less: nothing

  /// Infinite where nothing is saved.
  double lost_per_mbit() const;
};

/// By points lost per Mbit (10^6 bits) saved, then by points lost: the order in which plans list
/// skips.
bool is_cheaper(const SkipEffect& a, const SkipEffect& b);

/// Every skip of the effects by its cheaper kind, the cheapest skip first.
std::vector<SkipPlan> plan_of_all(std::vector<SkipEffect> effects);

/// FIFO bits of a design whose skips are altered so.
using BitsOf = std::function<int64_t(const std::vector<SkipPlan>& plan)>;

/// A plan of at most `budget` FIFO bits whose single losses have the least sum, found exactly, as
/// if single savings added up to `whole_bits` less the plan's. Where its design needs more bits
/// than that, so many more are asked for again. What is altered comes first, the cheapest ahead;
/// what is kept is named too. Throws Usage, saying the least bits of all, where no plan reaches the
/// budget.
std::vector<SkipPlan> plan_within(std::vector<SkipEffect> effects, int64_t whole_bits,
                                  int64_t budget, const BitsOf& bits_of);

}  // namespace tailor::surgery
