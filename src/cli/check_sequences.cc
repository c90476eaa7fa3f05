// tailor data check of speech and signal: how much there is, how long, what does not fit, and every
// file that cannot be read.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "cli/sequence_data.h"
#include "cli/table.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/speech.h"
#include "tailor/net/network.h"
#include "tailor/task/sequences.h"

namespace tailor::cli {
namespace {

/// Columns of the input for an answer: QuartzNet's, and its relative's for bases. Supposed where no
/// configuration names a network.
constexpr int64_t kSpeechStride = 2, kSignalStride = 3;
/// Normalised current beyond this is an outlier.
constexpr float kUsualCurrent = 8;
constexpr size_t kTextColumns = 100;
/// A sample this near to full scale may have been cut off there.
constexpr float kFullScale = 0.999F;

/// What is measured of one example; lengths of an unreadable one are 0.
struct MeasuredExample {
  std::string damage;  // why it cannot be read
  int64_t samples = 0, labels = 0;
  bool too_long = false, unanswerable = false;
  double sum = 0, squares = 0;
  float low = 0, high = 0;
  int64_t beyond = 0;  // samples beyond kUsualCurrent
  std::vector<int64_t> symbols;
};

struct Amounts {
  double least = 0, median = 0, mean = 0, most = 0;
};
Amounts amounts_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {values.front(), (values[(n - 1) / 2] + values[n / 2]) / 2,
          std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(n),
          values.back()};
}

struct SplitFindings {
  std::string name;
  int64_t examples = 0;  // that can be read
  int64_t samples = 0, labels = 0, too_long = 0, unanswerable = 0, beyond = 0;
  int64_t silent = 0, full_scale = 0;  // utterances
  Amounts lengths, labels_each;        // in samples; labels
  Amounts density;                     // of speech labels a second, of signal samples a label
  double mean = 0, deviation = 0;      // of all samples
  float low = 0, high = 0;
  std::vector<int64_t> symbols;
  std::set<std::string> speakers;  // empty: the names do not say
  std::vector<int64_t> readable;
  std::vector<std::pair<std::string, std::string>> damaged;  // example, what
};

class SequenceReader {
 public:
  SequenceReader(const DataConfig& config, int64_t classes, int64_t stride)
      : config_(config), classes_(classes), stride_(stride), features_(config, config.seed) {}

  MeasuredExample measure(const SequenceDataset& set, int64_t index) const {
    MeasuredExample m;
    std::vector<float> samples;
    std::vector<int64_t> labels;
    try {
      set.read_labels(index, labels);
      set.read(index, samples);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      m.damage = e.what();
      return m;
    }
    m.samples = static_cast<int64_t>(samples.size());
    m.labels = static_cast<int64_t>(labels.size());
    const bool speech = set.kind() == ExampleKind::Speech;
    m.too_long = speech && config_.speech.max_seconds > 0 &&
                 static_cast<double>(m.samples) >
                     config_.speech.max_seconds * static_cast<double>(features_rate());
    m.unanswerable = labels.empty() || answers_needed(labels) > answers(speech, m.samples);
    m.symbols.assign(static_cast<size_t>(classes_), 0);
    for (const int64_t label : labels) ++m.symbols.at(static_cast<size_t>(label));
    const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
    if (!samples.empty()) m.low = *low, m.high = *high;
    for (const float v : samples) {
      m.sum += v;
      m.squares += static_cast<double>(v) * v;
      m.beyond += std::abs(v) > kUsualCurrent ? 1 : 0;
    }
    return m;
  }

 private:
  static int64_t features_rate() { return data::FeatureConfig{}.rate_hz; }
  /// Where augmentation shortens the example most.
  int64_t answers(bool speech, int64_t samples) const {
    return ((speech ? features_.fewest_frames(samples) : samples) + stride_ - 1) / stride_;
  }

  const DataConfig& config_;
  int64_t classes_, stride_;
  data::SpeechFeatures features_;
};

/// "3005" of "3005-163389-0000", as LibriSpeech names its utterances; or "".
std::string speaker_of(const std::string& name) {
  const std::vector<std::string> parts = split(name, '-');
  const bool numbers = std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
    return !part.empty() &&
           std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
  });
  return parts.size() == 3 && numbers ? parts[0] : "";
}

std::vector<MeasuredExample> measure_all(const SequenceDataset& set, const SequenceReader& reader,
                                         const std::string& label, const char* unit,
                                         Progress& progress) {
  std::vector<MeasuredExample> measured(static_cast<size_t>(set.size()));
  constexpr int64_t kAtOnce = 64;
  progress.begin(label, set.size(), unit);
  for (int64_t first = 0; first < set.size(); first += kAtOnce) {
    throw_if_interrupted();
    const int64_t count = std::min(kAtOnce, set.size() - first);
    parallel_for(count, 0, [&](int64_t i) {
      measured[static_cast<size_t>(first + i)] = reader.measure(set, first + i);
    });
    progress.advance(count);
  }
  progress.end();
  return measured;
}

void sum_up_values(const std::vector<MeasuredExample>& measured, SplitFindings& f) {
  double sum = 0, squares = 0;
  bool first = true;
  for (const MeasuredExample& m : measured) {
    if (!m.damage.empty()) continue;
    sum += m.sum, squares += m.squares;
    f.beyond += m.beyond;
    f.low = first ? m.low : std::min(f.low, m.low);
    f.high = first ? m.high : std::max(f.high, m.high);
    first = false;
    f.silent += m.low == m.high ? 1 : 0;
    f.full_scale += std::max(-m.low, m.high) >= kFullScale ? 1 : 0;
  }
  const double n = std::max<double>(1, static_cast<double>(f.samples));
  f.mean = sum / n;
  f.deviation = std::sqrt(std::max(0.0, squares / n - f.mean * f.mean));
}

SplitFindings sum_up(const SequenceDataset& set, const std::string& name,
                     const std::vector<MeasuredExample>& measured, int64_t classes,
                     int64_t rate_hz) {
  SplitFindings f;
  f.name = name;
  f.symbols.assign(static_cast<size_t>(classes), 0);
  std::vector<double> lengths, labels, density;
  bool speakers = set.kind() == ExampleKind::Speech;
  for (size_t i = 0; i < measured.size(); ++i) {
    const MeasuredExample& m = measured[i];
    const auto index = static_cast<int64_t>(i);
    const std::string example = set.name(index), speaker = speaker_of(example);
    speakers = speakers && !speaker.empty();
    if (speakers) f.speakers.insert(speaker);
    if (!m.damage.empty()) {
      f.damaged.emplace_back(example, m.damage);
      continue;
    }
    f.readable.push_back(index);
    ++f.examples;
    f.samples += m.samples, f.labels += m.labels;
    f.too_long += m.too_long ? 1 : 0, f.unanswerable += m.unanswerable ? 1 : 0;
    lengths.push_back(static_cast<double>(m.samples));
    labels.push_back(static_cast<double>(m.labels));
    const double samples = std::max(1.0, lengths.back()), said = std::max(1.0, labels.back());
    density.push_back(set.kind() == ExampleKind::Speech
                          ? labels.back() * static_cast<double>(rate_hz) / samples
                          : samples / said);
    for (size_t k = 0; k < f.symbols.size(); ++k) f.symbols[k] += m.symbols[k];
  }
  if (!speakers) f.speakers.clear();
  f.lengths = amounts_of(std::move(lengths));
  f.labels_each = amounts_of(std::move(labels));
  f.density = amounts_of(std::move(density));
  sum_up_values(measured, f);
  return f;
}

struct SequenceFindings {
  DataSplits data;
  DataConfig config;
  bool speech = false;
  int64_t stride = 1;                 // of the network that is to be trained
  bool supposed = true;               // nobody named the network
  std::vector<SplitFindings> splits;  // those that there are, the one to look at first in front
  std::vector<std::string> left_out;  // files with which the set could not be opened
  const SequenceDataset* shown = nullptr;

  const char* unit() const { return speech ? "utterance" : "chunk"; }
  const char* label_unit() const { return speech ? "character" : "base"; }
  int64_t damaged() const {
    auto count = static_cast<int64_t>(left_out.size());
    for (const SplitFindings& s : splits) count += static_cast<int64_t>(s.damaged.size());
    return count;
  }
  int64_t examples() const {
    int64_t count = 0;
    for (const SplitFindings& s : splits) count += s.examples;
    return count;
  }
};

/// The network's; of a configuration that names none on sequences, the usual one.
void find_stride(const NetworkConfig& network, SequenceFindings& f) {
  f.supposed = !network.quartznet && network.file.empty();
  f.stride = f.supposed ? (f.speech ? kSpeechStride : kSignalStride)
                        : time_stride(make_network(network, f.data.shape, f.data.classes));
}

SequenceFindings look_at(const DataConfig& config, const NetworkConfig& network) {
  SequenceFindings f;
  f.config = config;
  // All of it is looked at, and all that is wrong is named.
  DataConfig all = config;
  all.speech.max_seconds = 0;
  all.unreadable = data::Unreadable::Skip;
  f.data = open_any_data(all);
  f.speech = f.data.kind == ExampleKind::Speech;
  f.data.classes = static_cast<int64_t>(f.data.class_names.size());
  find_stride(network, f);
  const SequenceReader reader(config, f.data.classes, f.stride);
  auto progress = make_stderr_progress();
  std::set<std::string> left_out;
  std::vector<const data::Examples*> seen;
  for (const auto& [name, set] :
       {std::pair{"training", f.data.train}, std::pair{"validation", f.data.validation},
        std::pair{"test", f.data.test}}) {
    // A set without a test split is tested on its validation split.
    if (!set || std::find(seen.begin(), seen.end(), set.get()) != seen.end()) continue;
    seen.push_back(set.get());
    const Sequences sequences = as_sequences(set);
    const auto measured = measure_all(
        *sequences, reader, fmt::format("reading {} {}s", name, f.unit()), f.unit(), *progress);
    f.splits.push_back(sum_up(*sequences, name, measured, f.data.classes, f.data.rate_hz));
    if (!f.shown) f.shown = sequences.get();
    for (const std::string& what : sequences->left_out()) {
      if (left_out.insert(what).second) f.left_out.push_back(what);
    }
  }
  TAILOR_CHECK(!f.splits.empty(), "{} has no split", f.data.name);
  return f;
}

double to_four_digits(double v) { return std::round(v * 1e4) / 1e4; }

Json amounts_json(const Amounts& a, double unit) {
  return Json::object({{"least", to_four_digits(a.least / unit)},
                       {"median", to_four_digits(a.median / unit)},
                       {"mean", to_four_digits(a.mean / unit)},
                       {"most", to_four_digits(a.most / unit)}});
}

double share_of(int64_t part, int64_t whole) {
  return static_cast<double>(part) / std::max<double>(1, static_cast<double>(whole));
}

Json split_json(const SequenceFindings& f, const SplitFindings& s) {
  const double rate = static_cast<double>(f.data.rate_hz);
  Json symbols = Json::Object();
  for (size_t k = 0; k < s.symbols.size(); ++k) {
    if (!f.data.class_names[k].empty()) symbols.set(f.data.class_names[k], s.symbols[k]);
  }
  Json json = Json::object({{"examples", s.examples},
                            {"samples", s.samples},
                            {"labels", s.labels},
                            {"labels_each", amounts_json(s.labels_each, 1)},
                            {"symbols", symbols},
                            {"unanswerable", s.unanswerable}});
  if (f.speech) {
    json.set("hours", to_four_digits(static_cast<double>(s.samples) / rate / 3600));
    json.set("seconds", amounts_json(s.lengths, rate));
    json.set("labels_a_second", amounts_json(s.density, 1));
    json.set("too_long", s.too_long);
    json.set("silent", s.silent);
    json.set("full_scale", s.full_scale);
    json.set("speakers",
             s.speakers.empty() ? Json() : Json(static_cast<int64_t>(s.speakers.size())));
  } else {
    json.set("samples_each", amounts_json(s.lengths, 1));
    json.set("samples_a_label", amounts_json(s.density, 1));
    json.set("mean", to_four_digits(s.mean));
    json.set("deviation", to_four_digits(s.deviation));
    json.set("least", to_four_digits(s.low));
    json.set("most", to_four_digits(s.high));
    json.set("beyond_8", s.beyond);
  }
  return json;
}

Json sequences_json(const SequenceFindings& f) {
  Json answer = Json::object({{"data", f.data.name},
                              {"examples", to_string(f.data.kind)},
                              {"rate_hz", f.data.rate_hz},
                              {"stride", f.stride},
                              {"stride_supposed", f.supposed}});
  if (f.speech) answer.set("max_seconds", f.config.speech.max_seconds);
  for (const char* name : {"training", "validation", "test"}) answer.set(name, Json());
  Json damaged = Json::Array();
  for (const SplitFindings& s : f.splits) {
    answer.set(s.name, split_json(f, s));
    for (const auto& [example, what] : s.damaged)
      damaged.push_back(Json::object({{"example", example}, {"what", what}}));
  }
  answer.set("left_out", Json::array(f.left_out));
  answer.set("damaged", damaged);
  return answer;
}

std::string number_text(double v, int digits) { return fmt::format("{:.{}f}", v, digits); }

std::string length_table(const SequenceFindings& f) {
  const double unit = f.speech ? static_cast<double>(f.data.rate_hz) : 1;
  const int digits = f.speech ? 2 : 0;
  Table table({"split", fmt::format("{}s", f.unit()), f.speech ? "hours" : "Msamples",
               f.speech ? "seconds: least" : "samples: least", "median", "mean", "most"});
  for (const SplitFindings& s : f.splits) {
    const double samples = static_cast<double>(s.samples);
    table.add(
        {s.name, with_commas(s.examples),
         number_text(f.speech ? samples / unit / 3600 : samples / 1e6, 3),
         number_text(s.lengths.least / unit, digits), number_text(s.lengths.median / unit, digits),
         number_text(s.lengths.mean / unit, digits), number_text(s.lengths.most / unit, digits)});
  }
  return table.text();
}

std::string label_table(const SequenceFindings& f) {
  Table table({"split", fmt::format("{}s", f.label_unit()), "each: least", "median", "mean", "most",
               f.speech ? "a second: least" : "samples a base: least", "median", "most"});
  for (const SplitFindings& s : f.splits) {
    table.add({s.name, with_commas(s.labels), number_text(s.labels_each.least, 0),
               number_text(s.labels_each.median, 0), number_text(s.labels_each.mean, 1),
               number_text(s.labels_each.most, 0), number_text(s.density.least, 1),
               number_text(s.density.median, 1), number_text(s.density.most, 1)});
  }
  return table.text();
}

/// "A 25.1 %, C 24.8 %, ...", the most frequent first, and what there is none of.
std::string symbol_text(const SequenceFindings& f, const SplitFindings& s) {
  std::vector<size_t> order;
  for (size_t k = 0; k < s.symbols.size(); ++k) {
    if (!f.data.class_names[k].empty()) order.push_back(k);
  }
  if (f.speech) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return s.symbols[a] > s.symbols[b]; });
  }
  std::vector<std::string> parts, none;
  for (const size_t k : order) {
    const std::string symbol = f.data.class_names[k] == " " ? "space" : f.data.class_names[k];
    if (s.symbols[k] == 0) {
      none.push_back(symbol);
    } else {
      parts.push_back(fmt::format("{} {:.1f} %", symbol, 100 * share_of(s.symbols[k], s.labels)));
    }
  }
  // A symbol and its share stay on one line.
  constexpr char kNoBreak = '\1';
  std::string shares = join(parts, ", ");
  for (size_t i = 1; i < shares.size(); ++i) {
    if (shares[i] == ' ' && shares[i - 1] != ',') shares[i] = kNoBreak;
  }
  shares = wrap(fmt::format("{}s of the {} {}s: {}", f.label_unit(), s.name, f.unit(), shares),
                kTextColumns);
  std::replace(shares.begin(), shares.end(), kNoBreak, ' ');
  return shares + (none.empty() ? "" : "\n  none of " + join(none, " "));
}

void print_speech(const SequenceFindings& f) {
  std::vector<std::string> counts;
  std::set<std::string> heard;
  int64_t together = 0, all = 0, silent = 0, full_scale = 0;
  for (const SplitFindings& s : f.splits) {
    silent += s.silent, full_scale += s.full_scale;
    if (s.speakers.empty()) continue;
    counts.push_back(fmt::format("{} in {}", s.speakers.size(), s.name));
    all += static_cast<int64_t>(s.speakers.size());
    heard.insert(s.speakers.begin(), s.speakers.end());
    together = static_cast<int64_t>(heard.size());
  }
  if (!counts.empty()) {
    fmt::print("speakers: {}{}\n", join(counts, ", "),
               all > together
                   ? fmt::format("; warning: {} of them in more than one", all - together)
                   : "");
  }
  if (silent > 0) fmt::print("warning: {} utterances are silent\n", with_commas(silent));
  if (full_scale > 0) {
    fmt::print("{} utterances reach full scale: they may be cut off there\n",
               with_commas(full_scale));
  }
}

void print_signal(const SplitFindings& s) {
  fmt::print(
      "current of the {} chunks: mean {:.4f}, deviation {:.4f}, {:.2f} to {:.2f}; beyond ±{}: "
      "{:.4f} % of the samples\n",
      s.name, s.mean, s.deviation, s.low, s.high, kUsualCurrent,
      100 * share_of(s.beyond, s.samples));
}

/// What training leaves out, or would not get right.
void print_unfit(const SequenceFindings& f) {
  for (const SplitFindings& s : f.splits) {
    const bool training = s.name == "training";
    if (training && s.too_long > 0) {
      fmt::print(
          "{} of {} training utterances are longer than data.speech.max_seconds, {}: "
          "training leaves them out\n",
          with_commas(s.too_long), with_commas(s.examples), f.config.speech.max_seconds);
    }
    if (s.unanswerable > 0) {
      fmt::print(
          "{} of {} {} {}s have no {}s, or more than a network of stride {}{} gives answers: {}\n",
          with_commas(s.unanswerable), with_commas(s.examples), s.name, f.unit(), f.label_unit(),
          f.stride, f.supposed ? " (supposed; --config names a network)" : "",
          training ? "training leaves them out"
                   : "it gets them wrong, but for silence without a text");
    }
  }
}

void print_sequences(const SequenceFindings& f) {
  fmt::print("{}: {} at {} Hz\n\n{}\n{}\n", f.data.name, f.speech ? "speech" : "signal",
             with_commas(f.data.rate_hz), length_table(f), label_table(f));
  const SplitFindings& first = f.splits.front();
  fmt::print("{}\n", symbol_text(f, first));
  if (f.speech) print_speech(f);
  if (!f.speech) print_signal(first);
  print_unfit(f);
  for (const std::string& what : f.left_out) fmt::print("cannot be read: {}\n", what);
  for (const SplitFindings& s : f.splits) {
    for (const auto& [example, what] : s.damaged)
      fmt::print("cannot be read: {}: {}\n", example, what);
  }
}

}  // namespace

int check_sequences(const DataOptions& options, const DataConfig& config,
                    const NetworkConfig& network) {
  const SequenceFindings found = look_at(config, network);
  const SplitFindings& first = found.splits.front();
  const bool drawn = !options.output.empty() && !first.readable.empty();
  if (drawn) draw_sequences(options.output, *found.shown, config, first.readable);
  if (options.json) {
    fmt::print("{}\n", sequences_json(found).dump(2));
  } else {
    print_sequences(found);
    if (drawn)
      fmt::print("picture: {} (of the {} {}s)\n", options.output, first.name, found.unit());
  }
  if (const int64_t damaged = found.damaged(); damaged > 0) {
    std::fflush(stdout);
    fail(ErrorKind::Data,
         "{} of {} {}s of {} cannot be read; replace their files, or take them out of the set",
         damaged, found.examples() + damaged, found.unit(), found.data.name);
  }
  return 0;
}

}  // namespace tailor::cli
