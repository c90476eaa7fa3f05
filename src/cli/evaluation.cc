#include "cli/evaluation.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/pictures.h"
#include "tailor/task/classification.h"

namespace tailor {
namespace {

using Names = std::vector<std::string>;
constexpr size_t kWorstClasses = 3;

Images choose_images(const Evaluator& e, const EvaluateOptions& options, std::string& name,
                     Names& names) {
  if (!e.data) {
    fail(ErrorKind::Usage,
         "{}: it does not say which data set it belongs to; evaluate a checkpoint", e.title);
  }
  const DataConfig config = evaluation_data(*e.data, options);
  const bool test = options.split == "test";
  const DataSplits data = test ? open_test_data(config) : open_data(config);
  verify_data_fits(data, e.input, e.classes, e.title, e.class_names);
  name = data.name;
  if (names.empty()) names = data.class_names;
  if (test) return data.test;
  if (!data.validation) {
    fail(ErrorKind::Usage,
         "--split validation: the run has no validation split (data.validation is 0)");
  }
  return data.validation;
}

/// The checkpoint's names, else the data set's, else numbers; `named` says which.
Names name_classes(Names names, const std::string& data_name, int64_t classes, bool& named) {
  if (names.empty()) names = official_class_names(data_name);
  named = static_cast<int64_t>(names.size()) == classes;
  if (named) return names;
  names.clear();
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return names;
}

bool is_svg(const std::string& path) {
  return path.size() > 4 && path.compare(path.size() - 4, 4, ".svg") == 0;
}

/// Before the work that ends in them.
void check_outputs(const EvaluateOptions& options) {
  for (const auto& [flag, path] :
       {std::pair("--confusion", options.confusion), {"--predictions", options.predictions}}) {
    const bool csv = path.size() > 4 && path.compare(path.size() - 4, 4, ".csv") == 0;
    const bool confusion = flag == std::string("--confusion");
    if (path.empty()) continue;
    if (!csv && !(confusion && is_svg(path))) {
      fail(ErrorKind::Usage, "{} {}: expected a file name that ends in .csv{}", flag, path,
           confusion ? " or .svg" : "");
    }
    if (is_directory(path) || (!options.force && path_exists(path))) {
      fail(ErrorKind::Usage,
           "{} {}: it exists already; name another file, or add --force to replace it", flag, path);
    }
  }
}

/// A line an image, whole or not there.
class Predictions {
 public:
  Predictions(const std::string& path, const Names& names) : file_(path), names_(names) {
    std::string header = "index,image,label,label_name,prediction,prediction_name,probability";
    for (int64_t k = 2; k <= EvaluationMeter::kTop && k <= static_cast<int64_t>(names.size()); ++k)
      header += fmt::format(",class_{0},probability_{0}", k);
    file_.write(header + "\n");
  }
  void add(int64_t index, const std::string& image, int64_t label, Span<const double> logits) {
    const std::vector<RankedClass> top = top_classes(logits, EvaluationMeter::kTop);
    std::string line =
        fmt::format("{},{},{},{},{},{},{:.9g}", index, csv_field(image), label, name(label),
                    top[0].index, name(top[0].index), top[0].probability);
    for (size_t k = 1; k < top.size(); ++k)
      line += fmt::format(",{},{:.9g}", top[k].index, top[k].probability);
    file_.write(line + "\n");
  }
  void commit() { file_.commit(); }

 private:
  std::string name(int64_t c) const { return csv_field(names_[static_cast<size_t>(c)]); }
  AtomicFile file_;
  const Names& names_;
};

double class_percent(const ConfusionMatrix& m, int64_t c) {
  return to_percent(static_cast<double>(m.correct(c)) / static_cast<double>(m.images(c)));
}

/// Classes that have images and were not always right, the worst first.
std::vector<int64_t> worst_classes(const ConfusionMatrix& m) {
  std::vector<int64_t> worst;
  for (int64_t c = 0; c < m.classes(); ++c) {
    if (m.correct(c) < m.images(c)) worst.push_back(c);
  }
  std::stable_sort(worst.begin(), worst.end(), [&](int64_t a, int64_t b) {
    return m.correct(a) * m.images(b) < m.correct(b) * m.images(a);
  });
  if (worst.size() > kWorstClasses) worst.resize(kWorstClasses);
  return worst;
}

std::string class_rows(const ConfusionMatrix& m, const Names& names, bool named,
                       const std::vector<int64_t>& classes) {
  Names header = {"class", "images", "right", "most often taken for"};
  if (named) header.insert(header.begin() + 1, "name");
  Table table(header);
  for (int64_t c : classes) {
    const auto [other, times] = m.most_taken_for(c);
    Names row = {
        std::to_string(c), with_commas(m.images(c)),
        m.images(c) == 0 ? "" : fmt::format("{:.2f}%", class_percent(m, c)),
        times == 0
            ? ""
            : fmt::format("{} ({})", (named ? "" : "class ") + names[static_cast<size_t>(other)],
                          with_commas(times))};
    if (named) row.insert(row.begin() + 1, names[static_cast<size_t>(c)]);
    table.add(row);
  }
  return table.text();
}

Json per_class_json(const ConfusionMatrix& m, const Names& names) {
  Json out = Json::Array();
  for (int64_t c = 0; c < m.classes(); ++c) {
    out.push_back(
        Json::object({{"class", c},
                      {"name", names[static_cast<size_t>(c)]},
                      {"images", m.images(c)},
                      {"correct", m.correct(c)},
                      {"predicted", m.predicted(c)},
                      {"accuracy", m.images(c) == 0 ? Json() : Json(class_percent(m, c))}}));
  }
  return out;
}

Json confusion_json(const ConfusionMatrix& m) {
  Json rows = Json::Array();
  for (int64_t label = 0; label < m.classes(); ++label) {
    Json row = Json::Array();
    for (int64_t c = 0; c < m.classes(); ++c) row.push_back(m.count(label, c));
    rows.push_back(std::move(row));
  }
  return rows;
}

int evaluate_set(Evaluator& e, const EvaluateOptions& options) {
  check_outputs(options);
  std::string data_name;
  bool named = false;
  Names names = e.class_names;
  const Images images = choose_images(e, options, data_name, names);
  names = name_classes(names, data_name, e.classes, named);
  const int64_t count =
      options.limit > 0 ? std::min(options.limit, images->size()) : images->size();
  EvaluationMeter meter(e.classes);
  std::optional<Predictions> predictions;
  if (!options.predictions.empty()) predictions.emplace(options.predictions, names);

  const auto progress = make_stderr_progress();
  const auto start = std::chrono::steady_clock::now();
  e.run(*images, count, *progress, [&](Span<const double> logits, Span<const int64_t> labels) {
    const auto row = static_cast<size_t>(e.classes);
    TAILOR_CHECK(logits.size() == labels.size() * row, "{} logits", logits.size());
    for (size_t i = 0; i < labels.size(); ++i) {
      const int64_t index = meter.images();
      const auto one = logits.subspan(i * row, row);
      try {
        meter.add(one, labels[i]);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::Data) throw;
        fail(ErrorKind::Data, "{}: {}: {}", e.title, images->name(index), error.what());
      }
      if (predictions) predictions->add(index, images->name(index), labels[i], one);
    }
    progress->note(fmt::format("accuracy {:.2f} %", 100 * meter.accuracy_frac()));
  });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const ConfusionMatrix& confusion = meter.confusion();
  if (predictions) predictions->commit();
  const std::string on =
      fmt::format("{} {} images of {}", meter.images(), options.split, data_name);
  if (!options.confusion.empty()) {
    const std::string caption = fmt::format("{} on {} ({}): accuracy {:.2f} %", e.title, on, e.how,
                                            100 * meter.accuracy_frac());
    write_file(options.confusion, is_svg(options.confusion)
                                      ? emit_confusion_svg(confusion, names, caption)
                                      : emit_confusion_csv(confusion, names));
  }

  const bool top = e.classes > EvaluationMeter::kTop;
  if (options.json) {
    Json answer = Json::object({{"checkpoint", e.title},
                                {"data", data_name},
                                {"split", options.split},
                                {"images", meter.images()},
                                {"accuracy", to_percent(meter.accuracy_frac())}});
    if (top) answer.set("top5_accuracy", to_percent(meter.top_accuracy_frac()));
    answer.set("loss", meter.mean_loss());
    answer.set("backend", e.backend);
    answer.set("seconds", seconds);
    e.describe(answer);
    answer.set("per_class", per_class_json(confusion, names));
    answer.set("confusion", confusion_json(confusion));
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  fmt::print("accuracy {:.2f} % on {} ({}; {:.1f} s)\n", 100 * meter.accuracy_frac(), on, e.how,
             seconds);
  fmt::print("{}loss {:.4f}\n",
             top ? fmt::format("top-5 {:.2f} %, ", 100 * meter.top_accuracy_frac()) : "",
             meter.mean_loss());
  if (const std::string remark = e.remark(meter.images()); !remark.empty())
    fmt::print("{}\n", remark);
  std::vector<int64_t> shown = worst_classes(confusion);
  if (options.per_class) {
    shown.resize(static_cast<size_t>(e.classes));
    std::iota(shown.begin(), shown.end(), int64_t{0});
  }
  if (!shown.empty()) {
    fmt::print("\n{}\n{}", options.per_class ? "every class:" : "worst classes (all: --per-class):",
               class_rows(confusion, names, named, shown));
  }
  if (!options.confusion.empty() || predictions) fmt::print("\n");
  if (!options.confusion.empty()) {
    fmt::print("confusion matrix: {} (a row a class, a column what it was taken for)\n",
               options.confusion);
  }
  if (predictions) fmt::print("predictions: {} (a line an image)\n", options.predictions);
  return 0;
}

/// The short side that a run's pictures are scaled to before their centre is taken. Sets of one
/// size have no such rule: then the whole short side is seen.
int64_t resize_rule(const Evaluator& e, const std::optional<DataConfig>& data) {
  const int64_t side = std::min(e.input.height, e.input.width);
  if (!data || !data->any_size()) return side;
  if (data->image_size != side) {
    fail(ErrorKind::Usage, "data.image_size: expected {}, which {} takes, got {}", side, e.title,
         data->image_size);
  }
  return data->resize_or_default();
}

Json picture_json(const std::vector<RankedClass>& top, const Names& names) {
  Json out = Json::Array();
  for (const RankedClass& c : top) {
    out.push_back(Json::object({{"class", c.index},
                                {"name", names[static_cast<size_t>(c.index)]},
                                {"probability", c.probability},
                                {"logit", c.logit}}));
  }
  return out;
}

std::string picture_text(const std::vector<RankedClass>& top, const Names& names, bool named) {
  Names parts;
  for (const RankedClass& c : top) {
    parts.push_back(fmt::format("{}{} {:.2f} %", named ? "" : "class ",
                                names[static_cast<size_t>(c.index)], 100 * c.probability));
  }
  return join(parts, ", ");
}

int evaluate_pictures(Evaluator& e, const EvaluateOptions& options) {
  std::optional<DataConfig> data;
  if (e.data) data = evaluation_data(*e.data, options);
  const int64_t resize = resize_rule(e, data);
  bool named = false;
  const Names names = name_classes(e.class_names, data ? data->name : "", e.classes, named);
  log_info("cli", "{} ({}): pictures' short side scaled to {}, centre {} x {}; {}", e.title, e.how,
           resize, e.input.width, e.input.height, write_preprocessing(e.preprocessing).dump());
  const Images pictures = open_pictures(options.images, e.input, resize);
  std::vector<std::vector<double>> rows;
  const auto progress = make_stderr_progress();
  e.run(*pictures, pictures->size(), *progress,
        [&](Span<const double> logits, Span<const int64_t> labels) {
          const size_t row = logits.size() / labels.size();
          for (size_t i = 0; i < labels.size(); ++i) {
            const auto one = logits.subspan(i * row, row);
            rows.emplace_back(one.begin(), one.end());
          }
        });

  const FileReport report = pictures->report();
  const std::map<std::string, std::string> unreadable(report.left_out.begin(),
                                                      report.left_out.end()),
      damaged(report.damaged.begin(), report.damaged.end());
  Json answers = Json::Array();
  std::string text;
  int64_t bad = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string& file = options.images[i];
    Json answer = Json::object({{"file", file}});
    if (const auto why = unreadable.find(file); why != unreadable.end()) {
      ++bad;
      text += fmt::format("{}: cannot be read: {}\n", file, why->second);
      answer.set("error", why->second);
      answers.push_back(std::move(answer));
      continue;
    }
    std::vector<RankedClass> top;
    try {
      top = top_classes(rows[i], EvaluationMeter::kTop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
      fail(ErrorKind::Data, "{}: {}: {}", e.title, file, error.what());
    }
    const auto damage = damaged.find(file);
    if (damage != damaged.end()) {
      ++bad;
      answer.set("damaged", damage->second);
    }
    text +=
        fmt::format("{}: {}{}\n", file, picture_text(top, names, named),
                    damage == damaged.end() ? "" : fmt::format(" (damaged: {})", damage->second));
    answer.set("top", picture_json(top, names));
    answers.push_back(std::move(answer));
  }
  if (options.json) {
    Json answer = Json::object({{"checkpoint", e.title},
                                {"backend", e.backend},
                                {"input", to_string(e.input)},
                                {"resize", resize},
                                {"preprocessing", write_preprocessing(e.preprocessing)}});
    e.describe(answer);
    answer.set("pictures", std::move(answers));
    text = answer.dump(2) + "\n";
  }
  fmt::print("{}", text);
  if (bad > 0) {
    fail(ErrorKind::Data,
         "{} of {} files could not be read as they should be; the answer names them", bad,
         rows.size());
  }
  return 0;
}

}  // namespace

int evaluate_images(Evaluator& evaluator, const EvaluateOptions& options) {
  return options.images.empty() ? evaluate_set(evaluator, options)
                                : evaluate_pictures(evaluator, options);
}

}  // namespace tailor
