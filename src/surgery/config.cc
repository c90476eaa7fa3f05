#include "tailor/surgery/config.h"

namespace tailor::surgery {

namespace {

void describe(RecordVisitor& v, SkipPlan& c) {
  v.text("skip", c.skip, "Id of a skip (tailor inspect lists them), such as stage2.block0.skip.");
  v.enumeration("kind", c.kind, "What happens to it: remove, shorten or keep.");
}

void describe(RecordVisitor& v, SolveConfig& c) {
  v.integer("images", c.images, 2, 1000000, "Training examples that a block is solved on.");
  v.integer("positions", c.positions, 1, 100000000,
            "Positions of their maps, spread evenly over them, of which each is an equation.");
  v.number("ridge", c.ridge, 0, 1e6,
           "Ridge of the regression, in means of its matrix's diagonal: larger ones keep weights "
           "smaller.");
  v.integer("steps", c.steps, 0, 1000000,
            "Steps of AdamW on the block alone behind that, by its distance to the teacher's "
            "block.");
}

}  // namespace

void describe(RecordVisitor& v, SurgeryConfig& c) {
  v.enumeration(
      "kind", c.kind,
      "What happens to the skips: none, remove (SkipRemover) or shorten (SkipShortener).");
  v.integer("alpha", c.alpha, 1, 1000000, "Epochs between two alterations (paper, Algorithm 1).");
  v.enumeration(
      "order", c.order,
      "Which skip goes first: the one nearest the input, or nearest the output. plan: they go "
      "as plan lists them, and every skip that is altered is named there (tailor "
      "sensitivity writes such a list).");
  v.integer("at_once", c.at_once, 1, 1000000, "Skips altered at each due epoch.");
  v.optional_integer("first_epoch", c.first_epoch, 0, 1000000,
                     "First epoch before which an alteration is due. null: alpha (Algorithm 1); "
                     "alpha + 1 is the authors' release; 0 alters before training.");
  v.enumeration("edit", c.edit,
                "How a skip is removed: cut (the paper's) takes it away; solve puts its identity "
                "into the first convolution and solves the last one for what the teacher's block "
                "gives, in closed form; fade lets its weight fall from 1 to 0 over alpha epochs. "
                "Shortening with fade lets the short skips' weights rise meanwhile; cut and solve "
                "shorten alike.");
  v.record(
      "solve", [&](RecordVisitor& r) { describe(r, c.solve); },
      "How a block is solved where edit is solve.");
  v.list(
      "plan", c.plan.size(), [&](size_t n) { c.plan.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, c.plan[i]); },
      "Exceptions to kind, skip by skip; skips that are not named follow kind. Where order is plan "
      "it is their order too.");
  v.enumeration("optimizer", c.optimizer,
                "What becomes of the optimiser's memory at an alteration. keep: one optimiser for "
                "the whole run (the paper's); reset: it begins with 0 again, as one that is "
                "started anew. The schedule goes on with both.");
  v.integer(
      "statistics_images", c.statistics_images, 0, 1000000,
      "Training examples on which the batch norms' running statistics are estimated again after "
      "an alteration; those of the network before it say nothing about the one after it. 0: "
      "they are left as they were.");
  v.integer(
      "warmup_steps", c.warmup_steps, 0, 1000000,
      "Steps behind each alteration over which the learning rate rises to what the schedule "
      "says, evenly from nearly 0; an altered block's first gradients are large. 0: at once.");
  v.boolean("allow_partial", c.allow_partial,
            "Accept a run too short to reach every skip; otherwise that is an error.");
}

}  // namespace tailor::surgery
