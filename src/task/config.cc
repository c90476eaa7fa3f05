#include "tailor/task/config.h"

namespace tailor::task {

void verify_config(const CtcConfig& config, const std::string& source) {
  if (!config.language_model.empty() && config.beam < 2) {
    fail_config("/ctc/beam", "2 or more with a /ctc/language_model, which one path does not ask",
                std::to_string(config.beam), source);
  }
}

void describe(RecordVisitor& v, CtcConfig& c) {
  v.enumeration("reduction", c.reduction,
                "Of an example's loss: target, divided by its labels (Bonito, PyTorch's mean); "
                "batch, as it is (NeMo). Then the mean over the batch.");
  v.number("smoothing", c.smoothing, 0, 1,
           "Weight of the blank in -mean(w * ln p) over frames and outputs, which is added to the "
           "loss; the labels share a quarter of it (Bonito: 0.4, and 0.025 for each base). 0: "
           "nothing is added.");
  v.integer("beam", c.beam, 1, 1000,
            "Candidates that the decoder keeps in evaluation. 1: the most likely path.");
  v.number("beam_threshold", c.beam_threshold, 0, 0.999,
           "Labels less likely than this at a frame extend no candidate.");
  v.text("language_model", c.language_model,
         "speech: an ARPA file, which needs a beam of several. Empty: none.");
  v.number("lm_weight", c.lm_weight, 0, 100, "speech: weight of the language model's ln p.");
  v.number("word_bonus", c.word_bonus, -100, 100,
           "speech: added for every word that the language model is asked for.");
}

}  // namespace tailor::task
