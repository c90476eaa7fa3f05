// LibriSpeech (Panayotov et al. 2015): folders of sets, speakers and chapters with FLAC files, and
// a text file a chapter. Whatever has this layout is read, not only the official sets.
#include <algorithm>
#include <map>

#include "data/files.h"
#include "data/sources/sources.h"
#include "data/speech.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"

namespace tailor::data {
namespace {

std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> folders;
  for (const std::string& name : list_directory(path)) {
    if (name[0] != '.' && is_directory(path_join(path, name))) folders.push_back(name);
  }
  return folders;
}

bool has_transcripts(const std::string& set) {
  for (const std::string& speaker : folders_in(set)) {
    for (const std::string& chapter : folders_in(path_join(set, speaker))) {
      for (const std::string& file : list_directory(path_join(path_join(set, speaker), chapter))) {
        if (ends_with(file, ".trans.txt")) return true;
      }
    }
  }
  return false;
}

struct Tree {
  std::string root;               // with the sets' folders in it
  std::vector<std::string> sets;  // sorted
};

Tree find_tree(const DataConfig& config) {
  const auto [root, origin] = find_root(config);
  for (const std::string& folder : {path_join(root, "LibriSpeech"), root}) {
    if (!is_directory(folder)) continue;
    Tree tree{folder, {}};
    for (const std::string& set : folders_in(folder)) {
      if (has_transcripts(path_join(folder, set))) tree.sets.push_back(set);
    }
    if (!tree.sets.empty()) return tree;
  }
  fail(ErrorKind::Data,
       "LibriSpeech is not in {} ({}): expected {}/SET/SPEAKER/CHAPTER/*.trans.txt, also below "
       "{}/LibriSpeech; fetch it with scripts/fetch_data.sh librispeech --output {}",
       root, origin, root, root, shell_quote(root));
}

/// Which sets are which split's.
struct Roles {
  std::vector<std::string> train, validation, test;
  bool whole = false;  // `train` is all there is: a test split is drawn from it
};

std::vector<std::string> named(const Tree& tree, const std::vector<std::string>& wanted,
                               const char* key) {
  for (const std::string& set : wanted) {
    if (std::find(tree.sets.begin(), tree.sets.end(), set) != tree.sets.end()) continue;
    fail(ErrorKind::Data, "/data/speech/{}: there is no set '{}'{} in {}; there are {}", key, set,
         did_you_mean(set, tree.sets), tree.root, join(tree.sets, ", "));
  }
  return wanted;
}

/// The sets of these names, else those that begin so.
std::vector<std::string> usual(const Tree& tree, const std::vector<std::string>& names,
                               const char* start) {
  std::vector<std::string> found;
  for (const std::string& set : tree.sets) {
    if (std::find(names.begin(), names.end(), set) != names.end()) found.push_back(set);
  }
  if (!found.empty()) return found;
  for (const std::string& set : tree.sets) {
    if (starts_with(set, start)) found.push_back(set);
  }
  return found;
}

Roles roles_of(const Tree& tree, const DataConfig& config) {
  const SpeechConfig& c = config.speech;
  Roles roles;
  roles.train = c.train.empty() ? usual(tree, {}, "train") : named(tree, c.train, "train");
  roles.validation = c.validation.empty() ? usual(tree, {"dev-clean", "dev-clean-2"}, "dev")
                                          : named(tree, c.validation, "validation");
  roles.test = c.test.empty() ? usual(tree, {"test-clean"}, "test") : named(tree, c.test, "test");
  const bool chosen = !c.train.empty() || !c.validation.empty() || !c.test.empty();
  if (roles.train.empty() && roles.validation.empty() && roles.test.empty()) {
    roles.train = tree.sets;  // names that say nothing
  } else if (!chosen && tree.sets.size() == 1 && roles.train.empty() && config.test_size > 0) {
    roles = {tree.sets, {}, {}, true};  // one official test set with a part to be drawn
  }
  roles.whole = roles.validation.empty() && roles.test.empty();
  for (const std::string& set : roles.train) {
    for (const auto* others : {&roles.validation, &roles.test}) {
      if (std::find(others->begin(), others->end(), set) == others->end()) continue;
      fail(ErrorKind::Data, "/data/speech: {} is a training set and a {} set; take it out of one",
           set, others == &roles.test ? "test" : "validation");
    }
  }
  return roles;
}

/// The utterances of a chapter: lines of its text that have audio.
void list_chapter(const std::string& folder, std::vector<Utterance>& list, int64_t& without_text,
                  std::vector<std::string>& without_audio) {
  std::vector<std::string> audio;
  std::vector<std::pair<Transcript, std::string>> lines;  // and where each is
  std::map<std::string, std::string> place_of;
  for (const std::string& file : list_directory(folder)) {
    if (const std::string extension = extension_of(file);
        extension == ".flac" || extension == ".wav")
      audio.push_back(file);
    if (!ends_with(file, ".trans.txt")) continue;
    const std::string text_path = path_join(folder, file);
    for (const Transcript& line : parse_transcripts(read_file(text_path, "text"), text_path)) {
      const std::string where = fmt::format("{}:{}", text_path, line.line);
      const auto [first, once] = place_of.emplace(line.id, where);
      if (!once) {
        fail(ErrorKind::Data,
             "{}: the utterance '{}' has a text already, at {}; leave one of the lines out", where,
             line.id, first->second);
      }
      lines.emplace_back(line, where);
    }
  }
  size_t used = 0;
  for (const auto& [line, where] : lines) {
    const std::string& id = line.id;
    const auto file = std::find_if(audio.begin(), audio.end(), [&id](const std::string& name) {
      return without_extension(name, extension_of(name)) == id;
    });
    if (file == audio.end()) {
      without_audio.push_back(id);
      continue;
    }
    ++used;
    list.push_back({id, path_join(folder, *file), 0, 0, false, line.text, where});
  }
  without_text += static_cast<int64_t>(audio.size() - std::min(audio.size(), used));
}

std::vector<Utterance> list_set(const Tree& tree, const std::string& set,
                                const DataConfig& config) {
  const std::string folder = path_join(tree.root, set);
  std::vector<Utterance> list;
  int64_t without_text = 0;
  std::vector<std::string> without_audio;
  for (const std::string& speaker : folders_in(folder)) {
    const std::string own = path_join(folder, speaker);
    for (const std::string& chapter : folders_in(own))
      list_chapter(path_join(own, chapter), list, without_text, without_audio);
  }
  if (!without_audio.empty() && config.unreadable == Unreadable::Error) {
    fail(ErrorKind::Data, "{}: {} lines of text have no audio file, the first is {}", folder,
         without_audio.size(), without_audio[0]);
  }
  if (!without_audio.empty()) {
    log_warn("data", "{}: {} lines of text have no audio file ({}{}); they are left out", folder,
             without_audio.size(), without_audio[0], without_audio.size() > 1 ? ", …" : "");
  }
  if (without_text > 0)
    log_warn("data", "{}: {} audio files have no text; they are left out", folder, without_text);
  return list;
}

Sequences open_sets(const Tree& tree, const std::vector<std::string>& sets,
                    const DataConfig& config) {
  std::vector<Utterance> list;
  for (const std::string& set : sets) {
    std::vector<Utterance> more = list_set(tree, set, config);
    list.insert(list.end(), more.begin(), more.end());
  }
  return open_utterances(list, config, fmt::format("{} ({})", tree.root, join(sets, ", ")));
}

class LibriSpeechSource : public DataSource {
 public:
  using DataSource::DataSource;
  bool has_training_files(const DataConfig& config) const override {
    return !roles_of(find_tree(config), config).train.empty();
  }
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    fill_speech_splits(splits);
    const Tree tree = find_tree(config);
    const Roles roles = roles_of(tree, config);
    const double most = config.speech.max_seconds;
    if (roles.train.empty() && request.train) {
      fail(ErrorKind::Data,
           "{}: it has no training set, but {}; name one in data.speech.train, or fetch one with "
           "scripts/fetch_data.sh librispeech; of a single set, data.test_size utterances are "
           "kept back and the rest trains",
           tree.root, join(tree.sets, ", "));
    }
    if (roles.whole) {
      draw_test_split(open_sets(tree, roles.train, config), config, request, tree.root, splits);
      return;
    }
    if (!roles.test.empty()) splits.test = open_sets(tree, roles.test, config);
    if (!roles.validation.empty() && (request.train || roles.test.empty()))
      splits.validation = open_sets(tree, roles.validation, config);
    if (request.train)
      splits.train = within_seconds(open_sets(tree, roles.train, config), most, tree.root);
    auto or_none = [](const std::vector<std::string>& sets) {
      return sets.empty() ? std::string("none") : join(sets, " ");
    };
    log_info("data", "{}: training: {}; validation: {}; test: {}", tree.root, or_none(roles.train),
             or_none(roles.validation),
             or_none(roles.test.empty() ? roles.validation : roles.test));
  }
};

}  // namespace

std::vector<Transcript> parse_transcripts(const std::string& bytes, const std::string& path) {
  std::vector<Transcript> lines;
  int64_t number = 0;
  for (const std::string& line : split(bytes, '\n')) {
    ++number;
    const std::string_view content = trim(line);
    if (content.empty()) continue;
    const size_t blank = content.find_first_of(" \t");
    if (blank == std::string_view::npos) {
      fail(ErrorKind::Data, "{}:{}: expected \"ID TEXT\", got \"{}\"", path, number,
           content.substr(0, 80));
    }
    const std::string id(content.substr(0, blank));
    if (id.find('/') != std::string::npos || id.find('\0') != std::string::npos)
      fail(ErrorKind::Data, "{}:{}: expected an ID without /, got \"{}\"", path, number, id);
    lines.push_back({id, std::string(trim(content.substr(blank))), number});
  }
  return lines;
}

std::unique_ptr<DataSource> make_librispeech_source() {
  SourceTraits t{"librispeech", "LibriSpeech", english_alphabet().size()};
  t.class_names = english_alphabet().symbols;
  t.kind = ExampleKind::Speech;
  return std::make_unique<LibriSpeechSource>(t);
}

}  // namespace tailor::data
