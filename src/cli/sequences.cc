#include "cli/sequences.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "cli/table.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/source.h"
#include "tailor/report/confusion.h"
#include "tailor/run/origin.h"
#include "tailor/task/alignment.h"

namespace tailor::cli {
namespace {

/// Examples of a set that are run at once.
constexpr int64_t kSequencesAtOnce = 16;

class TorchSequences : public SequenceRunner {
 public:
  TorchSequences(const std::string& path, const Checkpoint& c)
      : network_(c.network),
        runner_(open_torch().open_network(c.network, c.tensors,
                                          read_run_config(c.config, path).runtime)) {
    const RunConfig config = read_run_config(c.config, path);
    title = path;
    backend = "libtorch", how = "LibTorch, float32";
    kind = traits_of(config.data).kind;
    input = network_.input;
    classes = network_.classes();
    stride = time_stride(network_);
    data = config.data;
    ctc = config.ctc;
    warn_of_assumptions(c, path);
  }
  Tensor run(const Tensor& inputs, const std::vector<int64_t>& lengths) override {
    return runner_->run(inputs, lengths);
  }
  int64_t positions(int64_t columns) const override { return output_length(network_, columns); }

 private:
  Network network_;
  std::unique_ptr<NetworkRunner> runner_;
};

/// What was found about each example of a split.
struct SequenceScores {
  EditCounts words, characters;    // of speech
  std::vector<double> accuracies;  // of current

  double mean() const {
    return std::accumulate(accuracies.begin(), accuracies.end(), 0.0) /
           std::max(1.0, static_cast<double>(accuracies.size()));
  }
  double median() const {
    std::vector<double> sorted = accuracies;
    std::sort(sorted.begin(), sorted.end());
    const size_t n = sorted.size();
    return n == 0 ? 0 : (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  }
};

/// A line an example, whole or not there.
class Transcripts {
 public:
  Transcripts(const std::string& path, ExampleKind kind)
      : file_(path), speech_(kind == ExampleKind::Speech) {
    file_.write(speech_ ? "index,example,said,heard,word_edits,words\n"
                        : "index,example,reference,call,accuracy\n");
  }
  void add(int64_t index, const std::string& name, const std::string& said,
           const std::string& heard, const EditCounts& words, double accuracy) {
    file_.write(fmt::format("{},{},{},{},{}\n", index, csv_field(name), csv_field(said),
                            csv_field(heard),
                            speech_ ? fmt::format("{},{}", words.edits(), words.reference)
                                    : fmt::format("{:.6f}", accuracy)));
  }
  void commit() { file_.commit(); }

 private:
  AtomicFile file_;
  bool speech_;
};

void refuse_picture_flags(const EvaluateOptions& o, const SequenceRunner& runner) {
  for (const auto& [given, flag] : {std::pair(!o.images.empty(), "--images"),
                                    {o.per_class, "--per-class"},
                                    {!o.confusion.empty(), "--confusion"}}) {
    if (!given) continue;
    fail(ErrorKind::Usage, "{}: it is of images, and {} is a network on {}; leave it out{}", flag,
         runner.title, to_string(runner.kind),
         flag == std::string("--images")
             ? fmt::format(" (single files: tailor {})",
                           runner.kind == ExampleKind::Speech ? "transcribe" : "basecall")
             : "");
  }
  if (o.predictions.empty()) return;
  if (!has_extension(o.predictions, ".csv")) {
    fail(ErrorKind::Usage, "--predictions {}: expected a file name that ends in .csv",
         o.predictions);
  }
  refuse_to_replace("--predictions", o.predictions, o.force);
}

/// Runs the first `count` examples of a split and says what each was heard as.
void for_each_example(SequenceRunner& runner, const SequenceTask& task, Split split, int64_t count,
                      Progress& progress,
                      const std::function<void(int64_t index, const std::string& said,
                                               const std::string& heard)>& use) {
  progress.begin("evaluating", count, task.unit());
  Batch batch;
  for (int64_t first = 0; first < count; first += kSequencesAtOnce) {
    throw_if_interrupted();
    std::vector<int64_t> indices(static_cast<size_t>(std::min(kSequencesAtOnce, count - first)));
    std::iota(indices.begin(), indices.end(), first);
    task.collate(split, indices, std::nullopt, batch);
    const Tensor outputs = runner.run(batch.inputs, batch.lengths);
    Answers answers{outputs.as<float>(), {}, split};
    for (int64_t length : batch.lengths) answers.positions.push_back(runner.positions(length));
    std::vector<std::string> heard(indices.size());
    parallel_for(batch.count, 0, [&](int64_t row) {
      throw_if_interrupted();  // a wide beam takes seconds
      heard[static_cast<size_t>(row)] =
          task.decode(own_outputs(answers, batch.count, row, runner.classes));
    });
    for (size_t i = 0; i < indices.size(); ++i)
      use(indices[i], task.truth(split, indices[i]), heard[i]);
    progress.advance(batch.count);
  }
  progress.end();
}

Json scores_json(const SequenceRunner& runner, const SequenceScores& s) {
  if (runner.kind == ExampleKind::Speech) {
    return Json::object({{"wer", to_percent(s.words.rate())},
                         {"cer", to_percent(s.characters.rate())},
                         {"words", s.words.reference},
                         {"substitutions", s.words.substitutions},
                         {"deletions", s.words.deletions},
                         {"insertions", s.words.insertions}});
  }
  return Json::object({{"mean_accuracy", to_percent(s.mean())},
                       {"median_accuracy", to_percent(s.median())},
                       {"alignment", alignment_library()}});
}

std::string scores_text(const SequenceRunner& runner, const SequenceScores& s) {
  if (runner.kind == ExampleKind::Speech) {
    return fmt::format(
        "WER {:.2f} %, CER {:.2f} %\n{} words: {} substituted, {} deleted, {} inserted\n",
        100 * s.words.rate(), 100 * s.characters.rate(), with_commas(s.words.reference),
        with_commas(s.words.substitutions), with_commas(s.words.deletions),
        with_commas(s.words.insertions));
  }
  return fmt::format("accuracy mean {:.3f} %, median {:.3f} % (alignment by {})\n", 100 * s.mean(),
                     100 * s.median(), alignment_library());
}

}  // namespace

ExampleKind kind_of_checkpoint(const std::string& file) {
  return traits_of(read_run_config(load_checkpoint(file).config, file).data).kind;
}

std::unique_ptr<SequenceRunner> open_sequence_network(const std::string& checkpoint) {
  const std::string path =
      checkpoint.empty() ? newest_finished_checkpoint("runs") : resolve_checkpoint(checkpoint);
  auto runner = std::make_unique<TorchSequences>(path, load_checkpoint(path));
  if (runner->kind == ExampleKind::Images) {
    fail(ErrorKind::Unsupported,
         "{}: it is a network on images: expected one on speech or on current; tailor evaluate "
         "--images says what it sees in pictures",
         path);
  }
  return runner;
}

int evaluate_sequences(SequenceRunner& runner, const EvaluateOptions& options) {
  refuse_picture_flags(options, runner);
  const EvaluationConfig config = evaluation_config(runner.data, runner.ctc, options);
  const std::string split_name = options.split.empty() ? "test" : options.split;
  const bool test = split_name == "test";
  const DataSplits data = test ? open_test_data(config.data) : open_data(config.data);
  verify_data_fits(data, runner.input, runner.classes, runner.title);
  const auto task = std::static_pointer_cast<const SequenceTask>(
      make_task(data, {}, config.data, config.ctc, config.data.seed));
  const Split split = test ? Split::Test : Split::Validation;
  const int64_t size = task->size(split);
  if (size == 0) fail(ErrorKind::Usage, "--split {}: the data set has none", split_name);
  const int64_t count = options.limit > 0 ? std::min(options.limit, size) : size;
  std::optional<Transcripts> transcripts;
  if (!options.predictions.empty()) transcripts.emplace(options.predictions, data.kind);

  SequenceScores scores;
  const auto start = std::chrono::steady_clock::now();
  for_each_example(runner, *task, split, count, *make_stderr_progress(),
                   [&](int64_t index, const std::string& said, const std::string& heard) {
                     EditCounts words;
                     double accuracy = 0;
                     if (data.kind == ExampleKind::Speech) {
                       scores.words += words = word_edits(said, heard);
                       scores.characters += character_edits(said, heard);
                     } else {
                       accuracy = alignment_accuracy(heard, said);
                       scores.accuracies.push_back(accuracy);
                     }
                     if (transcripts) {
                       transcripts->add(index, task->name(split, index), said, heard, words,
                                        accuracy);
                     }
                   });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (transcripts) transcripts->commit();
  if (options.json) {
    Json answer = Json::object({{"checkpoint", runner.title},
                                {"data", data.name},
                                {"split", split_name},
                                {fmt::format("{}s", task->unit()), count}});
    const Json found = scores_json(runner, scores);
    for (const auto& [key, value] : found.as_object()) answer.set(key, value);
    answer.set("beam", config.ctc.beam);
    answer.set("backend", runner.backend);
    answer.set("seconds", seconds);
    runner.describe(answer);
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  fmt::print("{}on {} {} {}s of {}{} ({}, beam {}; {:.1f} s)\n", scores_text(runner, scores), count,
             split_name, task->unit(), data.name, test ? test_limit_text(config.data, count) : "",
             runner.how, config.ctc.beam, seconds);
  if (const std::string remark = runner.remark(count); !remark.empty()) fmt::print("{}\n", remark);
  if (transcripts) fmt::print("predictions: {} (a line an example)\n", options.predictions);
  return 0;
}

}  // namespace tailor::cli
