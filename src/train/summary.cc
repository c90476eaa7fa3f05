#include <algorithm>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/design/export.h"
#include "tailor/run/results.h"
#include "train/session.h"

namespace tailor::train {
namespace {

/// To six digits, as files have what is measured; nothing where the network is not quantised.
std::optional<double> bits_of(const Model& model) {
  const std::optional<double> bits = model.mean_bits();
  return bits ? std::optional(six_digits(*bits)) : std::nullopt;
}

/// The price of bits steers towards the budget and does not hold it.
void say_bits(const std::string& checkpoint, const std::optional<double>& bits,
              const std::optional<double>& budget) {
  constexpr double kTolerance = 1.02;
  if (!budget || !bits || *bits <= *budget * kTolerance) return;
  log_warn(
      "train",
      "{}: its products have {:.2f} x {:.2f} bits on average, quantization.mean_bits asked for "
      "{:g}: train more epochs, or begin with fewer bits (quantization.precision)",
      checkpoint, *bits, *bits, *budget);
}

/// Of the last network and of the best.
struct ReachedBits {
  std::optional<double> last, best;
};

RunSummary summary_of(Session& run, const RunResult& result, const Json& teacher,
                      const ReachedBits& bits) {
  const Network& network = run.model().network();
  RunSummary summary;
  summary.run = run.spec.name, summary.network = network.name;
  summary.join = to_string(network.join);
  summary.alterations = run.alterations_left().total;
  summary.skips = static_cast<int64_t>(skip_ids(network).size());
  summary.skips_before = run.total_skips;
  summary.parameters = run.model().parameters().count();
  summary.epochs = run.config.epochs;
  summary.earlier = run.spec.earlier;
  summary.alterations += summary.earlier.alterations;
  if (summary.earlier.phases > 0) summary.skips_before = summary.earlier.skips_before;
  summary.last = {recorded(result.validation, result.test), recorded(result.test), bits.last};
  if (result.best_test) {
    summary.best = RunSummary::Best{};
    summary.best->epoch = run.position.best_epoch;
    summary.best->validation = recorded(result.best_validation, result.test);
    summary.best->test = recorded(*result.best_test);
    summary.best->mean_bits = bits.best;
  }
  summary.teacher = teacher;
  summary.seconds = result.seconds;
  summary.examples_per_s = static_cast<double>(run.task->size(Split::Train) * run.config.epochs) /
                           std::max(result.seconds, 1e-9);
  summary.unit = run.task->unit();
  summary.weights_sha256 = weights_digest(result.last.tensors);
  return summary;
}

}  // namespace

/// The leader's alone: the followers are done, and wait for what comes next.
RunResult summarise(Session& run, Saver& saver) {
  run.stamp();
  RunResult result;
  auto test = [&](Model& model) {
    return judged_by(evaluate_split(model, *run.task, Split::Test, 0, run.progress, "test"));
  };
  auto load = [&](const Checkpoint& c) {
    Model model(c.network, c.tensors, run.device);
    if (c.precision) model.quantise(*c.precision);
    return model;
  };
  result.test = test(run.model());
  if (!run.validation && run.task->size(Split::Validation) > 0) {
    run.validation = judged_by(
        evaluate_split(run.model(), *run.task, Split::Validation, 0, run.progress, "validation"));
  }
  result.validation = run.validation;
  const std::optional<double> last_bits = bits_of(run.model());
  std::optional<double> best_bits;
  if (path_exists(run.folder->best())) {
    Model model = load(load_checkpoint(run.folder->best()));
    best_bits = bits_of(model);
    result.best_test = test(model);
    result.best_validation = result.test;
    result.best_validation->value = run.position.best;
  }
  const std::string of_test = "test_" + result.test.name;
  Json teacher;
  if (run.spec.teacher) {
    teacher = run.spec.teacher->metrics;
    if (!teacher.find(of_test)) {  // imported weights were never tested here
      Model model = load(*run.spec.teacher);
      teacher.set(of_test, test(model).recorded());
    }
  }
  run.position.finished = true;
  result.last = saver.checkpoint();
  result.last.metrics.set(of_test, result.test.recorded());
  save_checkpoint(run.folder->last(), result.last);
  result.seconds = run.position.seconds;
  RunSummary summary = summary_of(run, result, teacher, {last_bits, best_bits});
  if (const auto& q = run.spec.config.quantization) {
    say_bits(run.folder->last(), last_bits, q->mean_bits);
    if (result.best_test) say_bits(run.folder->best(), best_bits, q->mean_bits);
  }
  run.folder->write("summary.json", write_record([&](RecordVisitor& v) { summary.describe(v); }));
  return result;
}

}  // namespace tailor::train
