// Utterances of audio files as a set: texts and headers are read when it is opened, samples when
// they are asked for.
#include "data/speech.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/audio.h"
#include "tailor/data/features.h"

namespace tailor::data {
namespace {

/// One utterance with what its file's header says.
struct Speech {
  std::string name, path;
  AudioWindow window;
  int64_t samples = 0;  // at kSpeechRate
  std::string text;
};

class SpeechFiles : public SequenceDataset {
 public:
  SpeechFiles(std::vector<Speech> items, std::vector<std::string> left_out)
      : items_(std::move(items)), left_out_(std::move(left_out)) {}
  ExampleKind kind() const override { return ExampleKind::Speech; }
  int64_t size() const override { return static_cast<int64_t>(items_.size()); }
  std::string name(int64_t index) const override { return at(index).name; }
  int64_t length(int64_t index) const override { return at(index).samples; }
  void read(int64_t index, std::vector<float>& samples) const override {
    const Speech& item = at(index);
    read_audio(item.path, item.window, kSpeechRate, samples);
    if (static_cast<int64_t>(samples.size()) != item.samples) {
      fail(ErrorKind::Data, "{}: expected {} samples as when the set was opened, got {}", item.path,
           item.samples, samples.size());
    }
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    labels = labels_of(english_alphabet(), at(index).text, at(index).name);
  }
  bool decodes() const override { return true; }
  std::vector<std::string> left_out() const override { return left_out_; }

 private:
  const Speech& at(int64_t index) const { return items_.at(static_cast<size_t>(index)); }
  std::vector<Speech> items_;
  std::vector<std::string> left_out_;
};

/// Samples of the file that the utterance is.
AudioWindow window_of(const Utterance& u, const AudioInfo& info) {
  const auto rate = static_cast<double>(info.rate_hz);
  const double seconds = static_cast<double>(info.samples) / rate;
  if (!u.window) {
    // Lists round; a file of another length is another file, or a part of one.
    if (u.duration_s > 0 && std::abs(seconds - u.duration_s) > 0.1 + 0.01 * u.duration_s) {
      fail(ErrorKind::Data, "{}: expected {:.2f} s as {} has it, got {:.2f} s", u.path,
           u.duration_s, u.where, seconds);
    }
    return {0, info.samples};
  }
  AudioWindow w;
  w.first = std::llround(u.offset_s * rate);
  const double end_s = u.duration_s > 0 ? u.offset_s + u.duration_s : seconds;
  if (w.first >= info.samples || end_s > seconds + 0.1) {
    fail(ErrorKind::Data, "{}: expected {:.2f} s to {:.2f} s as {} has it, it is {:.2f} s long",
         u.path, u.offset_s, end_s, u.where, seconds);
  }
  w.count = std::min(std::llround(end_s * rate), static_cast<long long>(info.samples)) - w.first;
  return w;
}

Speech open_one(const Utterance& u) {
  const AudioInfo info = probe_audio(u.path);
  Speech item{u.name, u.path, window_of(u, info), 0, ""};
  item.samples = resampled_length(item.window.count, static_cast<double>(info.rate_hz),
                                  static_cast<double>(kSpeechRate));
  static const int64_t fewest = LogMel().fewest_samples();
  if (item.samples < fewest) {
    fail(ErrorKind::Data, "{}: expected at least {} samples ({} ms), got {}", u.path, fewest,
         fewest * 1000 / kSpeechRate, item.samples);
  }
  if (item.samples > kMostAudioSeconds * kSpeechRate) {
    fail(ErrorKind::Data, "{}: expected at most {} s, got {}; cut it up", u.path, kMostAudioSeconds,
         item.samples / kSpeechRate);
  }
  return item;
}

/// Bytes of the UTF-8 sign that begins at `at`.
size_t sign_bytes(const std::string& text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t claimed = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  size_t bytes = 1;
  while (bytes < claimed && at + bytes < text.size() &&
         (static_cast<unsigned char>(text[at + bytes]) & 0xC0) == 0x80)
    ++bytes;
  return bytes;
}

}  // namespace

std::string normalised_text(const std::string& text, const std::string& where, OtherSigns other,
                            DroppedSigns& dropped) {
  std::string out;
  auto blank = [&] {
    if (!out.empty() && out.back() != ' ') out += ' ';
  };
  for (size_t i = 0; i < text.size();) {
    const std::string sign = text.substr(i, sign_bytes(text, i));
    i += sign.size();
    const char c = sign[0];
    if (sign == " " || sign == "\t" || sign == "\r" || sign == "\n") {
      blank();
    } else if (sign.size() == 1 && ((c >= 'a' && c <= 'z') || c == '\'')) {
      out += c;
    } else if (sign.size() == 1 && c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (sign == "\xE2\x80\x99") {
      out += '\'';
    } else if (other == OtherSigns::Drop) {
      ++dropped.count;
      if (dropped.first.size() < 20 &&
          std::find(dropped.first.begin(), dropped.first.end(), sign) == dropped.first.end())
        dropped.first.push_back(sign);
      if (sign == "-" || sign == "/") blank();
    } else {
      fail(ErrorKind::Data,
           "{}: expected letters, ' and blanks, got '{}' in \"{}\"; spell it out, or let such "
           "signs be dropped with data.speech.other_signs = drop",
           where, sign, text);
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Sequences open_utterances(const std::vector<Utterance>& list, const DataConfig& config,
                          const std::string& what) {
  if (list.empty()) fail(ErrorKind::Data, "{}: expected utterances, got none", what);
  std::vector<Speech> found(list.size());
  std::vector<std::string> problems(list.size());
  parallel_for(static_cast<int64_t>(list.size()), 0, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      found[at] = open_one(list[at]);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data || config.unreadable == Unreadable::Error) throw;
      problems[at] = e.what();
    }
  });
  DroppedSigns dropped;
  std::vector<Speech> items;
  std::vector<std::string> unreadable;
  for (size_t i = 0; i < list.size(); ++i) {
    // Of those that are left out too: a text is right or wrong whatever its audio is.
    std::string text =
        normalised_text(list[i].text, list[i].where, config.speech.other_signs, dropped);
    if (!problems[i].empty()) {
      unreadable.push_back(problems[i]);
      continue;
    }
    found[i].text = std::move(text);
    items.push_back(std::move(found[i]));
  }
  const size_t left_out = unreadable.size();
  const std::vector<std::string> some(
      unreadable.begin(),
      unreadable.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(left_out, 3)));
  if (items.empty()) {
    fail(ErrorKind::Data, "{}: none of its {} utterances can be read ({})", what, left_out,
         join(some, "; "));
  }
  if (left_out > 0) {
    log_warn("data", "{}: {} of {} utterances cannot be read ({}{}); they are left out", what,
             left_out, list.size(), join(some, "; "), left_out > some.size() ? "; …" : "");
  }
  if (dropped.count > 0) {
    log_warn("data", "{}: {} signs of its texts are dropped: {}", what, dropped.count,
             join(dropped.first, " "));
  }
  return std::make_shared<SpeechFiles>(std::move(items), std::move(unreadable));
}

Sequences within_seconds(const Sequences& set, double max_seconds, const std::string& what) {
  if (max_seconds <= 0) return set;
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < set->size(); ++i) {
    if (static_cast<double>(set->length(i)) <= max_seconds * static_cast<double>(kSpeechRate))
      kept.push_back(i);
  }
  const int64_t left_out = set->size() - static_cast<int64_t>(kept.size());
  if (left_out == 0) return set;
  if (kept.empty()) {
    fail(ErrorKind::Data,
         "{}: all of its {} training examples are longer than data.speech.max_seconds, {}", what,
         left_out, max_seconds);
  }
  log_info("data", "{}: {} of {} training examples are longer than {} s and left out", what,
           left_out, set->size(), max_seconds);
  return make_subset(set, std::move(kept));
}

void fill_speech_splits(DataSplits& splits) {
  splits.shape = {kSpeechFilters, 1, 1600};
  splits.rate_hz = kSpeechRate;
  splits.classes = english_alphabet().size();
  splits.class_names = english_alphabet().symbols;
}

void draw_test_split(const Sequences& all, const DataConfig& config, const OpenRequest& request,
                     const std::string& what, DataSplits& splits) {
  if (config.test_size == 0 && request.train && request.whatever_is_there) {
    splits.train = within_seconds(all, config.speech.max_seconds, what);
    return;
  }
  if (config.test_size < 1 || config.test_size >= all->size()) {
    fail(ErrorKind::Data,
         "{}: it has no test set; expected in data.test_size how many of its {} utterances are "
         "kept back for testing (--set data.test_size={}), got {}",
         what, all->size(), std::max<int64_t>(all->size() / 10, 1), config.test_size);
  }
  const auto order = random_permutation(
      all->size(), CounterRandom(static_cast<uint64_t>(config.seed), RandomStream::Split, 1));
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(config.test_size);
  std::vector<int64_t> test(order.begin(), middle), train(middle, order.end());
  std::sort(test.begin(), test.end());
  std::sort(train.begin(), train.end());
  splits.test = make_subset(all, std::move(test));
  if (!request.train) return;
  splits.train =
      within_seconds(make_subset(all, std::move(train)), config.speech.max_seconds, what);
}

}  // namespace tailor::data
