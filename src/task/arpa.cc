// A reader of ARPA files, line by line, and look-up of n-grams as paths from their first word on.
#include "tailor/task/arpa.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::task {
namespace {

constexpr uint32_t kNoNgram = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMostOrder = 16;
/// KenLM's, of words that a model without <unk> does not have.
constexpr float kUnknownLog10 = -100;
constexpr size_t kLongestLine = 1 << 16, kBuffer = 1 << 18;

std::string lower_case(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

uint64_t key_of(uint32_t prefix, uint32_t word) {
  return static_cast<uint64_t>(prefix) << 32 | word;
}

/// Fills a buffer; 0 at the end.
using ReadBytes = std::function<size_t(char* buffer, size_t size)>;

/// Words of a line, in the same vector.
void split_blanks(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  for (size_t at = 0; (at = line.find_first_not_of(" \t", at)) != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
}

/// A gzipped file, or another as it is.
class GzipFile {
 public:
  explicit GzipFile(const std::string& path) : path_(path) {
    if (!is_regular_file(path)) {
      fail(ErrorKind::Data, "language model {}: expected an ARPA file, plain or .gz: there is none",
           path);
    }
    file_ = gzopen(path.c_str(), "rb");
    if (!file_) fail(ErrorKind::Data, "language model {}: it cannot be opened", path);
  }
  ~GzipFile() { gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;
  size_t read(char* buffer, size_t size) {
    const int got = gzread(file_, buffer, static_cast<unsigned>(size));
    int code = Z_OK;
    const char* message = gzerror(file_, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
      fail(ErrorKind::Data, "language model {}: it is damaged or not whole: {}", path_, message);
    return static_cast<size_t>(got);
  }

 private:
  std::string path_;
  gzFile file_ = nullptr;
};

}  // namespace

class ArpaLines {
 public:
  ArpaLines(ReadBytes read, std::string source)
      : read_(std::move(read)), source_(std::move(source)) {}
  /// The next line without blanks around it, valid until the one after it; nothing at the end.
  std::optional<std::string_view> next() {
    for (;;) {
      const size_t end = buffer_.find('\n', at_);
      if (end != std::string::npos) return take(end, end + 1);
      if (ended_) {
        if (at_ == buffer_.size()) return std::nullopt;
        return take(buffer_.size(), buffer_.size());
      }
      buffer_.erase(0, at_);
      at_ = 0;
      verify_length(buffer_.size());
      const size_t before = buffer_.size();
      buffer_.resize(before + kBuffer);
      const size_t got = read_(buffer_.data() + before, kBuffer);
      buffer_.resize(before + got);
      ended_ = got == 0;
    }
  }
  std::string where(int64_t ahead = 0) const {
    return fmt::format("{}, line {}", source_, number_ + ahead);
  }

 private:
  void verify_length(size_t bytes) const {
    if (bytes > kLongestLine) {
      fail(ErrorKind::Data, "{}: expected an ARPA file, got a line of more than {} bytes", where(1),
           kLongestLine);
    }
  }
  std::string_view take(size_t end, size_t next) {
    verify_length(end - at_);
    const std::string_view line = std::string_view(buffer_).substr(at_, end - at_);
    at_ = next;
    ++number_;
    return trim(line);
  }
  ReadBytes read_;
  std::string source_, buffer_;
  size_t at_ = 0;
  int64_t number_ = 0;
  bool ended_ = false;
};

class ArpaReader {
 public:
  ArpaReader(ReadBytes read, const std::string& source) : lines_(std::move(read), source) {}
  LanguageModel run() {
    read_counts();
    for (order_ = 1; order_ <= static_cast<int64_t>(counts_.size()); ++order_) read_section();
    expect(line_, "\\end\\");
    model_.order_ = static_cast<int64_t>(counts_.size());
    const auto [unknown, is_new] =
        model_.words_.emplace("<unk>", static_cast<uint32_t>(model_.entries_.size()));
    if (is_new) model_.entries_.push_back({kUnknownLog10, 0});
    model_.unknown_ = unknown->second;
    const auto start = model_.words_.find("<s>");
    model_.start_ = start == model_.words_.end() ? kNoNgram : start->second;
    return std::move(model_);
  }

 private:
  /// The next line that is not empty; what ends before \end\ is not whole.
  std::string_view next_line() {
    for (;;) {
      const auto line = lines_.next();
      if (!line) {
        fail(ErrorKind::Data,
             "{}: expected more of an ARPA file, which ends with \\end\\, got its "
             "end: it is another file, or not whole",
             lines_.where());
      }
      if (!line->empty()) return *line;
    }
  }
  void expect(std::string_view line, const std::string& expected) const {
    if (line != expected) {
      fail(ErrorKind::Data, "{}: expected {}, got \"{}\"", lines_.where(), expected,
           line.substr(0, 80));
    }
  }
  void read_counts() {
    while (next_line() != "\\data\\") continue;  // anything may stand in front
    for (;;) {
      const std::string_view line = next_line();
      if (line.substr(0, 6) != "ngram ") {
        line_ = line;
        break;
      }
      const size_t sign = std::min(line.find('='), line.size() - 1);
      const auto order = parse_int(trim(line.substr(6, sign - 6)));
      const auto count = parse_int(trim(line.substr(sign + 1)));
      const auto next = static_cast<int64_t>(counts_.size()) + 1;
      if (!order || *order != next || !count || *count < 0 || next > kMostOrder) {
        fail(ErrorKind::Data,
             "{}: expected \"ngram {}=\" and a count, of at most {}-grams, got "
             "\"{}\"",
             lines_.where(), next, kMostOrder, line.substr(0, 80));
      }
      counts_.push_back(*count);
    }
    if (counts_.empty()) {
      fail(ErrorKind::Data, "{}: expected \"ngram 1=\" and a count, got \"{}\"", lines_.where(),
           line_.substr(0, 80));
    }
  }
  void read_section() {
    expect(line_, fmt::format("\\{}-grams:", order_));
    int64_t count = 0;
    for (line_ = next_line(); line_[0] != '\\'; line_ = next_line()) {
      read_ngram();
      ++count;
    }
    const int64_t said = counts_[static_cast<size_t>(order_ - 1)];
    if (count != said) {
      fail(ErrorKind::Data, "{}: expected the {} {}-grams that \\data\\ says, got {}",
           lines_.where(), said, order_, count);
    }
  }
  float number(std::string_view text, double most) const {
    const auto value = parse_number(text);
    if (!value || *value > most || *value < -1e30) {
      fail(ErrorKind::Data, "{}: expected log10 of a {}, got \"{}\"", lines_.where(),
           most == 0 ? "probability" : "back-off weight", text.substr(0, 40));
    }
    return static_cast<float>(*value);
  }
  void read_ngram() {
    split_blanks(line_, fields_);
    const auto n = static_cast<size_t>(order_);
    if (fields_.size() != n + 1 && fields_.size() != n + 2) {
      fail(ErrorKind::Data,
           "{}: expected log10 p, {} word{} and perhaps a back-off weight, got "
           "\"{}\"",
           lines_.where(), n, n == 1 ? "" : "s", line_.substr(0, 80));
    }
    const LanguageModel::Entry entry{number(fields_[0], 0),
                                     fields_.size() == n + 2 ? number(fields_[n + 1], 1e30) : 0};
    if (model_.entries_.size() >= kNoNgram - 1)
      fail(ErrorKind::Data, "{}: expected at most {} n-grams", lines_.where(), kNoNgram - 1);
    const auto place = static_cast<uint32_t>(model_.entries_.size());
    const bool is_new =
        n == 1 ? model_.words_.emplace(lower_case(fields_[1]), place).second : add_child(place);
    if (!is_new) {
      fail(ErrorKind::Data, "{}: \"{}\" is there twice; words are read in lower case",
           lines_.where(), line_.substr(0, 80));
    }
    model_.entries_.push_back(entry);
  }
  bool add_child(uint32_t place) {
    uint32_t prefix = 0, word = 0;
    for (size_t i = 1; i <= static_cast<size_t>(order_); ++i) {
      const auto found = model_.words_.find(lower_case(fields_[i]));
      if (found == model_.words_.end()) {
        fail(ErrorKind::Data, "{}: expected words that are 1-grams, got \"{}\"", lines_.where(),
             fields_[i].substr(0, 40));
      }
      word = found->second;
      if (i == 1) prefix = word;
      if (i == 1 || i == static_cast<size_t>(order_)) continue;
      prefix = model_.child(prefix, word);
      if (prefix == kNoNgram) {
        fail(ErrorKind::Data, "{}: \"{}\" without the {}-gram of its first words", lines_.where(),
             line_.substr(0, 80), order_ - 1);
      }
    }
    return model_.children_.emplace(key_of(prefix, word), place).second;
  }

  ArpaLines lines_;
  LanguageModel model_;
  std::vector<int64_t> counts_;
  std::vector<std::string_view> fields_;
  std::string_view line_;
  int64_t order_ = 0;
};

LanguageModel LanguageModel::load(const std::string& path) {
  GzipFile file(path);
  return ArpaReader([&](char* buffer, size_t size) { return file.read(buffer, size); },
                    "language model " + path)
      .run();
}

LanguageModel LanguageModel::parse(std::string_view text, const std::string& source) {
  const auto read = [&](char* buffer, size_t size) {
    const size_t count = std::min(size, text.size());
    std::copy_n(text.data(), count, buffer);
    text.remove_prefix(count);
    return count;
  };
  return ArpaReader(read, source).run();
}

bool LanguageModel::knows(const std::string& word) const {
  return words_.count(lower_case(word)) > 0;
}

uint32_t LanguageModel::word(const std::string& word) const {
  const auto found = words_.find(lower_case(word));
  return found == words_.end() ? unknown_ : found->second;
}

WordHistory LanguageModel::begin() const {
  return start_ == kNoNgram || order_ == 1 ? WordHistory() : WordHistory{start_};
}

uint32_t LanguageModel::child(uint32_t prefix, uint32_t word) const {
  const auto found = children_.find(key_of(prefix, word));
  return found == children_.end() ? kNoNgram : found->second;
}

uint32_t LanguageModel::find(const uint32_t* begin, const uint32_t* end) const {
  uint32_t ngram = *begin;
  while (++begin != end && ngram != kNoNgram) ngram = child(ngram, *begin);
  return ngram;
}

double LanguageModel::score(WordHistory& history, uint32_t word) const {
  history.push_back(word);
  if (static_cast<int64_t>(history.size()) > order_)
    history.erase(history.begin(), history.end() - order_);
  double log10_p = 0;
  const uint32_t* end = history.data() + history.size();
  for (const uint32_t* from = history.data(); from != end; ++from) {
    if (const uint32_t ngram = find(from, end); ngram != kNoNgram) {
      log10_p += static_cast<double>(entries_[ngram].log10_p);
      break;
    }
    if (const uint32_t context = find(from, end - 1); context != kNoNgram)
      log10_p += static_cast<double>(entries_[context].log10_backoff);
  }
  if (static_cast<int64_t>(history.size()) == order_) history.erase(history.begin());
  return log10_p;
}

}  // namespace tailor::task
