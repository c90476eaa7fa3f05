// tailor sensitivity, the half that measures: each skip is altered alone, on a copy.
#include "tailor/train/sensitivity.h"

#include <algorithm>

#include "cli/sensitivity.h"
#include "cli/torch/plugin.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/run/origin.h"
#include "tailor/surgery/surgery.h"
#include "tailor/train/trainer.h"

namespace tailor::cli {
namespace {

/// Where there is no validation split.
constexpr int64_t kTrainingExamples = 2000;

std::vector<AlterationKind> kinds_of(const std::string& text) {
  std::vector<AlterationKind> kinds;
  if (text != "shorten") kinds.push_back(AlterationKind::Remove);
  if (text != "remove") kinds.push_back(AlterationKind::Shorten);
  return kinds;
}

/// Every alteration of one skip that can be made.
std::vector<SkipPlan> alterations_of(const Network& network,
                                     const std::vector<AlterationKind>& kinds,
                                     const std::string& title) {
  std::vector<SkipPlan> alterations;
  for (const std::string& id : skip_ids(network)) {
    for (const AlterationKind kind : kinds) {
      Network copy = network;
      try {
        apply_alteration(copy, id, kind);
        alterations.push_back({id, kind});
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::Config && e.kind() != ErrorKind::Unsupported) throw;
        log_info("cli", "{}", e.what());
      }
    }
  }
  if (!alterations.empty()) return alterations;
  fail(ErrorKind::Usage,
       "{}: it has no skip that could be altered so; expected a checkpoint from before the "
       "alterations, such as the teacher's",
       title);
}

/// A network, what it is judged on, and its designs.
class Measurement {
 public:
  Measurement(const SensitivityOptions& options, GraphSource& source, Checkpoint checkpoint)
      : checkpoint_(std::move(checkpoint)),
        progress_(make_stderr_progress()),
        run_(read_run_config(checkpoint_.config, source.title)) {
    EvaluateOptions asked;
    asked.data = options.data, asked.set = options.set;
    const EvaluationConfig config =
        evaluation_config(run_.data, run_.ctc, asked, "tailor sensitivity");
    DataSplits data = open_data(config.data);
    const Network& network = checkpoint_.network;
    order_classes(data, checkpoint_.class_names);
    verify_data_fits(data, network.input, network.classes(), source.title, checkpoint_.class_names);
    verify_answers(data.kind, network.answers_per_position(), output_shape(network), source.title);
    widen_value_range(source, config.data);
    fifos_.emplace(source, apply_hardware(source.exporting, options.hardware));
    task_ = make_task(data, checkpoint_.preprocessing, config.data, config.ctc, run_.train.seed,
                      [&](int64_t n) { return output_length(network, n); });
    answer_.title = source.title, answer_.data = data.name;
    set_torch_threads(run_.runtime.threads);
    choose_examples(options);
  }

  Sensitivity measure(const SensitivityOptions& options) {
    const auto alterations =
        alterations_of(checkpoint_.network, kinds_of(options.kind), answer_.title);
    answer_.unaltered = judge({}, 0).figure;
    const AlteredNetwork reference = judge({}, options.statistics);
    answer_.reference = reference.figure;
    answer_.fifo_bits = bits_of(reference);
    answer_.design = fifos_->text();
    for (const SkipPlan& one : alterations) {
      const AlteredNetwork altered = judge({one}, options.statistics);
      answer_.rows.push_back({{one.skip, one.kind, loss_of(altered.figure, answer_.reference),
                               answer_.fifo_bits - bits_of(altered)},
                              altered.figure});
    }
    std::stable_sort(answer_.rows.begin(), answer_.rows.end(),
                     [](const auto& a, const auto& b) { return is_cheaper(a.effect, b.effect); });
    if (options.budget) {
      plan_budget(*options.budget, options.statistics);
    } else {
      answer_.plan = plan_of_all(answer_.effects());
    }
    return std::move(answer_);
  }

 private:
  void choose_examples(const SensitivityOptions& options) {
    const int64_t validation = task_->size(Split::Validation);
    split_ = validation > 0 ? Split::Validation : Split::Train;
    int64_t all = validation;
    if (validation == 0) {
      all = std::min(task_->size(Split::Train),
                     options.images > 0 ? options.images : kTrainingExamples);
      log_warn("cli",
               "there is no validation split (data.validation is 0): losses are measured on {} "
               "training {}s, which the network has seen",
               with_commas(all), task_->unit());
    }
    Sensitivity& a = answer_;
    a.count = options.images > 0 ? std::min(options.images, all) : all;
    a.split = validation > 0 ? "validation" : "training";
    a.examples = fmt::format("{} {} {}s", with_commas(a.count), a.split, task_->unit());
    // As estimate_statistics: a single example has none.
    a.statistics = std::min(options.statistics, task_->size(Split::Train));
    if (a.statistics < 2) a.statistics = 0;
  }

  AlteredNetwork judge(const std::vector<SkipPlan>& plan, int64_t statistics) {
    const std::string label = plan.empty() ? "unaltered"
                              : plan.size() == 1
                                  ? fmt::format("{} {}", to_string(plan[0].kind), plan[0].skip)
                                  : "the plan";
    return judge_altered(
        checkpoint_.network, checkpoint_.tensors, plan,
        {*task_, split_, answer_.count, statistics, run_.train.seed, run_.runtime.device},
        *progress_, label);
  }

  int64_t bits_of(const AlteredNetwork& n) {
    return (*fifos_)(lower(n.network, n.tensors, answer_.title));
  }

  void plan_budget(int64_t budget, int64_t statistics) {
    std::optional<AlteredNetwork> last;
    Sensitivity::Budgeted b;
    b.budget_bits = budget;
    answer_.plan = plan_within(answer_.effects(), answer_.fifo_bits, budget, [&](const auto& plan) {
      last = judge(plan, statistics);
      b.fifo_bits = bits_of(*last);
      return b.fifo_bits;
    });
    b.figure = last->figure;
    for (const SkipEffect& e : answer_.effects()) {
      const bool chosen =
          std::any_of(answer_.plan.begin(), answer_.plan.end(),
                      [&](const SkipPlan& p) { return p.skip == e.skip && p.kind == e.kind; });
      if (chosen) b.lost += e.lost;
    }
    answer_.budgeted = b;
  }

  Checkpoint checkpoint_;
  std::unique_ptr<Progress> progress_;
  RunConfig run_;
  std::optional<FifoBits> fifos_;
  std::shared_ptr<const Task> task_;
  Split split_ = Split::Validation;
  Sensitivity answer_;
};

}  // namespace

int torch_sensitivity(const SensitivityOptions& options) {
  GraphSource source = open_graph_source(options.checkpoint, "", "", false);
  Checkpoint checkpoint =
      load_unquantised(source, "sensitivity", "its types are for the skips that it has");
  Measurement measurement(options, source, std::move(checkpoint));
  answer_sensitivity(measurement.measure(options), options);
  return 0;
}

}  // namespace tailor::cli
