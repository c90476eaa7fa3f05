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
#include "tailor/report/confusion.h"
#include "tailor/task/classification.h"

namespace tailor::cli {
namespace {

using Texts = std::vector<std::string>;
constexpr size_t kWorstClasses = 3;

/// Names of the classes, which are their numbers where nothing names them.
struct ClassNames {
  Texts names;
  bool named = false;
  const std::string& operator[](int64_t c) const { return names.at(static_cast<size_t>(c)); }
};

/// The examples that are asked for, and what is said of them.
struct ChosenImages {
  Images images;
  std::string data, limit;
};
ChosenImages choose_images(const Evaluator& e, const EvaluateOptions& options, Texts& names) {
  if (!e.data) {
    fail(ErrorKind::Usage,
         "{}: it does not say which data set it belongs to; evaluate a checkpoint", e.title);
  }
  const DataConfig config = evaluation_data(*e.data, options);
  const bool test = options.split != "validation";
  DataSplits data = test ? open_test_data(config) : open_data(config);
  order_classes(data, e.class_names);
  verify_data_fits(data, e.input, e.classes, e.title, e.class_names);
  if (names.empty()) names = data.class_names;
  if (test) return {as_images(data.test), data.name, test_limit_text(config, data.test->size())};
  if (!data.validation) {
    fail(ErrorKind::Usage,
         "--split validation: the run has no validation split (data.validation is 0)");
  }
  return {as_images(data.validation), data.name, ""};
}

/// `known`: the checkpoint's or the data set's own.
ClassNames name_classes(Texts known, const std::string& data_name, int64_t classes) {
  if (known.empty()) known = official_class_names(data_name);
  if (static_cast<int64_t>(known.size()) == classes) return {std::move(known), true};
  ClassNames numbers;
  for (int64_t c = 0; c < classes; ++c) numbers.names.push_back(std::to_string(c));
  return numbers;
}

/// Calls `use` with every image's logits and label, in order; a Data error in it gets the image's
/// name.
void for_each_image(
    Evaluator& e, const ImageDataset& images, int64_t count, Progress& progress,
    const std::function<void(int64_t index, Span<const double> logits, int64_t label)>& use) {
  const auto row = static_cast<size_t>(e.classes);
  int64_t index = 0;
  e.run(images, count, progress, [&](Span<const double> logits, Span<const int64_t> labels) {
    TAILOR_CHECK(logits.size() == labels.size() * row, "{} logits", logits.size());
    for (size_t i = 0; i < labels.size(); ++i, ++index) {
      try {
        use(index, logits.subspan(i * row, row), labels[i]);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::Data) throw;
        fail(ErrorKind::Data, "{}: {}: {}", e.title, images.name(index), error.what());
      }
    }
  });
}

bool is_svg(const std::string& path) { return has_extension(path, ".svg"); }

/// Before the work that ends in them.
void check_outputs(const EvaluateOptions& options) {
  for (const auto& [flag, path] :
       {std::pair("--confusion", options.confusion), {"--predictions", options.predictions}}) {
    const bool csv = has_extension(path, ".csv");
    const bool confusion = flag == std::string("--confusion");
    if (path.empty()) continue;
    if (!csv && !(confusion && is_svg(path))) {
      fail(ErrorKind::Usage, "{} {}: expected a file name that ends in .csv{}", flag, path,
           confusion ? " or .svg" : "");
    }
    refuse_to_replace(flag, path, options.force);
  }
  if (!options.predictions.empty() && options.predictions == options.confusion) {
    fail(ErrorKind::Usage, "--predictions {}: it is --confusion's file too; name another",
         options.predictions);
  }
}

/// A line an image, whole or not there.
class Predictions {
 public:
  Predictions(const std::string& path, const ClassNames& names) : file_(path), names_(names) {
    std::string header = "index,image,label,label_name,prediction,prediction_name,probability";
    for (int64_t k = 2; k <= EvaluationMeter::kTop && k <= static_cast<int64_t>(names.names.size());
         ++k)
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
  std::string name(int64_t c) const { return csv_field(names_[c]); }
  AtomicFile file_;
  const ClassNames& names_;
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

std::string class_rows(const ConfusionMatrix& m, const ClassNames& names,
                       const std::vector<int64_t>& classes) {
  Texts header = {"class", "images", "right", "most often taken for"};
  if (names.named) header.insert(header.begin() + 1, "name");
  Table table(header);
  for (int64_t c : classes) {
    const auto [other, times] = m.most_taken_for(c);
    Texts row = {std::to_string(c), with_commas(m.images(c)),
                 m.images(c) == 0 ? "" : fmt::format("{:.2f}%", class_percent(m, c)),
                 times == 0 ? ""
                            : fmt::format("{}{} ({})", names.named ? "" : "class ", names[other],
                                          with_commas(times))};
    if (names.named) row.insert(row.begin() + 1, names[c]);
    table.add(row);
  }
  return table.text();
}

Json per_class_json(const ConfusionMatrix& m, const ClassNames& names) {
  Json out = Json::Array();
  for (int64_t c = 0; c < m.classes(); ++c) {
    out.push_back(
        Json::object({{"class", c},
                      {"name", names[c]},
                      {"images", m.images(c)},
                      {"correct", m.correct(c)},
                      {"predicted", m.predicted(c)},
                      {"accuracy", m.images(c) == 0 ? Json() : Json(class_percent(m, c))}}));
  }
  return out;
}

/// [label, prediction, images] in order; what never occurred is not there.
Json confusion_json(const ConfusionMatrix& m) {
  Json cells = Json::Array();
  for (const auto& [where, count] : m.cells())
    cells.push_back(Json::array(std::vector<int64_t>{where.first, where.second, count}));
  return cells;
}

/// What an evaluation on a data set found.
struct SetAnswer {
  EvaluationMeter meter;
  ClassNames names;
  std::string data, split;
  double seconds = 0;
  std::string limit{};  // what keeps other images out, or ""
  bool has_top() const { return meter.confusion().classes() > EvaluationMeter::kTop; }
  /// "1000 test images of cifar10"
  std::string on() const {
    return fmt::format("{} {} images of {}{}", meter.images(), split, data, limit);
  }
};

Json set_json(const Evaluator& e, const SetAnswer& a) {
  Json answer = Json::object({{"checkpoint", e.title},
                              {"data", a.data},
                              {"split", a.split},
                              {"images", a.meter.images()},
                              {"accuracy", to_percent(a.meter.accuracy_frac())}});
  if (a.has_top()) answer.set("top5_accuracy", to_percent(a.meter.top_accuracy_frac()));
  answer.set("loss", a.meter.mean_loss());
  answer.set("backend", e.backend);
  answer.set("seconds", a.seconds);
  if (!e.assumptions.empty()) answer.set("assumptions", Json::array(e.assumptions));
  e.describe(answer);
  answer.set("per_class", per_class_json(a.meter.confusion(), a.names));
  answer.set("confusion", confusion_json(a.meter.confusion()));
  return answer;
}

std::string set_text(const Evaluator& e, const SetAnswer& a, bool per_class) {
  const EvaluationMeter& m = a.meter;
  std::string text = fmt::format("accuracy {:.2f} % on {} ({}; {:.1f} s)\n",
                                 100 * m.accuracy_frac(), a.on(), e.how, a.seconds);
  if (a.has_top()) text += fmt::format("top-5 {:.2f} %, ", 100 * m.top_accuracy_frac());
  text += fmt::format("loss {:.4f}\n", m.mean_loss());
  if (const std::string remark = e.remark(m.images()); !remark.empty()) text += remark + "\n";
  std::vector<int64_t> shown = worst_classes(m.confusion());
  if (per_class) {
    shown.resize(static_cast<size_t>(e.classes));
    std::iota(shown.begin(), shown.end(), int64_t{0});
  }
  if (shown.empty()) return text;
  return text + (per_class ? "\nevery class:\n" : "\nworst classes (all: --per-class):\n") +
         class_rows(m.confusion(), a.names, shown);
}

int evaluate_set(Evaluator& e, const EvaluateOptions& options) {
  check_outputs(options);
  SetAnswer a{EvaluationMeter(e.classes), {}, "", options.split.empty() ? "test" : options.split};
  Texts known = e.class_names;
  const ChosenImages chosen = choose_images(e, options, known);
  const Images& images = chosen.images;
  a.data = chosen.data;
  a.names = name_classes(std::move(known), a.data, e.classes);
  const int64_t count =
      options.limit > 0 ? std::min(options.limit, images->size()) : images->size();
  if (count == images->size()) a.limit = chosen.limit;
  std::optional<Predictions> predictions;
  std::optional<AtomicFile> confusion;
  if (!options.predictions.empty()) predictions.emplace(options.predictions, a.names);
  if (!options.confusion.empty()) confusion.emplace(options.confusion);

  const auto progress = make_stderr_progress();
  const auto start = std::chrono::steady_clock::now();
  for_each_image(e, *images, count, *progress,
                 [&](int64_t index, Span<const double> logits, int64_t label) {
                   a.meter.add(logits, label);
                   if (predictions) predictions->add(index, images->name(index), label, logits);
                   progress->note(fmt::format("accuracy {:.2f} %", 100 * a.meter.accuracy_frac()));
                 });
  a.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (predictions) predictions->commit();
  if (confusion) {
    const ConfusionMatrix& m = a.meter.confusion();
    const std::string caption = fmt::format("{} on {} ({}): accuracy {:.2f} %", e.title, a.on(),
                                            e.how, 100 * a.meter.accuracy_frac());
    confusion->write(is_svg(options.confusion) ? emit_confusion_svg(m, a.names.names, caption)
                                               : emit_confusion_csv(m, a.names.names));
    confusion->commit();
  }
  if (options.json) {
    fmt::print("{}\n", set_json(e, a).dump(2));
    return 0;
  }
  fmt::print("{}{}", set_text(e, a, options.per_class), confusion || predictions ? "\n" : "");
  if (confusion) {
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

Json picture_json(const std::vector<RankedClass>& top, const ClassNames& names) {
  Json out = Json::Array();
  for (const RankedClass& c : top) {
    out.push_back(Json::object({{"class", c.index},
                                {"name", names[c.index]},
                                {"probability", c.probability},
                                {"logit", c.logit}}));
  }
  return out;
}

std::string picture_text(const std::vector<RankedClass>& top, const ClassNames& names) {
  Texts parts;
  for (const RankedClass& c : top) {
    parts.push_back(fmt::format("{}{} {:.2f} %", names.named ? "" : "class ", names[c.index],
                                100 * c.probability));
  }
  return join(parts, ", ");
}

/// Flags of a data set with labels.
void refuse_set_flags(const EvaluateOptions& o) {
  for (const auto& [given, flag] : {std::pair(!o.split.empty(), "--split"),
                                    {o.limit > 0, "--limit"},
                                    {o.per_class, "--per-class"},
                                    {!o.confusion.empty(), "--confusion"},
                                    {!o.predictions.empty(), "--predictions"},
                                    {!o.data.empty(), "--data"}}) {
    if (given) {
      fail(ErrorKind::Usage,
           "--images: single pictures have no label and no data set; leave out {}", flag);
    }
  }
}

/// What is said of single pictures, and how many were not read as they should be.
struct PictureAnswers {
  Json json = Json::Array();
  std::string text;
  int64_t bad = 0;
};
PictureAnswers answer_pictures(const Texts& files, const FileReport& report,
                               const std::vector<std::vector<RankedClass>>& tops,
                               const ClassNames& names) {
  using Reasons = std::map<std::string, std::string>;
  const Reasons unreadable(report.left_out.begin(), report.left_out.end()),
      damaged(report.damaged.begin(), report.damaged.end());
  PictureAnswers out;
  for (size_t i = 0; i < tops.size(); ++i) {
    const std::string& file = files[i];
    Json answer = Json::object({{"file", file}});
    if (const auto why = unreadable.find(file); why != unreadable.end()) {
      ++out.bad;
      out.text += fmt::format("{}: cannot be read: {}\n", file, why->second);
      answer.set("error", why->second);
    } else {
      out.text += fmt::format("{}: {}", file, picture_text(tops[i], names));
      if (const auto what = damaged.find(file); what != damaged.end()) {
        ++out.bad;
        out.text += fmt::format(" (damaged: {})", what->second);
        answer.set("damaged", what->second);
      }
      out.text += "\n";
      answer.set("top", picture_json(tops[i], names));
    }
    out.json.push_back(std::move(answer));
  }
  return out;
}

int evaluate_pictures(Evaluator& e, const EvaluateOptions& options) {
  refuse_set_flags(options);
  std::optional<DataConfig> data;
  if (e.data) data = evaluation_data(*e.data, options);
  const int64_t resize = resize_rule(e, data);
  const ClassNames names = name_classes(e.class_names, data ? data->name : "", e.classes);
  log_info("cli", "{} ({}): pictures' short side scaled to {}, centre {} x {}; {}", e.title, e.how,
           resize, e.input.width, e.input.height, write_preprocessing(e.preprocessing).dump());
  const Images pictures = open_pictures(options.images, e.input, resize);
  std::vector<std::vector<RankedClass>> tops;
  for_each_image(e, *pictures, pictures->size(), *make_stderr_progress(),
                 [&](int64_t, Span<const double> logits, int64_t) {
                   tops.push_back(top_classes(logits, EvaluationMeter::kTop));
                 });

  PictureAnswers answers = answer_pictures(options.images, pictures->report(), tops, names);
  std::string& text = answers.text;
  if (options.json) {
    Json answer = Json::object({{"checkpoint", e.title},
                                {"backend", e.backend},
                                {"input", to_string(e.input)},
                                {"resize", resize},
                                {"preprocessing", write_preprocessing(e.preprocessing)}});
    if (!e.assumptions.empty()) answer.set("assumptions", Json::array(e.assumptions));
    e.describe(answer);
    answer.set("pictures", std::move(answers.json));
    text = answer.dump(2) + "\n";
  } else if (const std::string remark = e.remark(pictures->size()); !remark.empty()) {
    text += remark + "\n";
  }
  fmt::print("{}", text);
  if (answers.bad > 0) {
    fail(ErrorKind::Data,
         "{} of {} files could not be read as they should be; the answer names them", answers.bad,
         tops.size());
  }
  return 0;
}

}  // namespace

int evaluate_images(Evaluator& evaluator, const EvaluateOptions& options) {
  return options.images.empty() ? evaluate_set(evaluator, options)
                                : evaluate_pictures(evaluator, options);
}

}  // namespace tailor::cli
