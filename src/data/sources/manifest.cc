// Lists of audio files with their texts: NeMo's (a JSON object a line) and NVIDIA
// DeepLearningExamples' (one JSON array).
#include <cmath>
#include <map>
#include <tuple>

#include "data/sources/sources.h"
#include "data/speech.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/core/strings.h"
#include "tailor/data/audio.h"

namespace tailor::data {
namespace {

/// A member that is a number of seconds, or 0 where there is none.
double seconds_of(const Json& entry, const char* key, const std::string& where) {
  const Json* value = entry.find(key);
  if (!value || value->is_null()) return 0;
  const double seconds = value->is_number() ? value->as_number() : -1;
  if (!(seconds >= 0 && seconds <= 1e6)) {
    fail(ErrorKind::Data, "{}: expected in \"{}\" seconds from 0 to 1,000,000, got {}", where, key,
         value->dump());
  }
  return seconds;
}

const std::string& text_of(const Json& entry, const char* key, const std::string& where) {
  const Json* value = entry.find(key);
  if (!value || !value->is_string()) {
    fail(ErrorKind::Data, "{}: expected a text in \"{}\", got {}", where, key,
         value ? value->type_name() : "nothing");
  }
  return value->as_string();
}

/// An absolute path, or one that is relative to the manifest.
std::string audio_path(const std::string& path, const std::string& manifest,
                       const std::string& where) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(ErrorKind::Data, "{}: expected the path of an audio file, got \"{}\"", where, path);
  return path[0] == '/' ? path : path_join(parent_path(manifest), path);
}

Utterance nemo_entry(const Json& entry, const std::string& manifest, const std::string& where) {
  if (!entry.is_object())
    fail(ErrorKind::Data, "{}: expected an object, got {}", where, entry.type_name());
  const std::string& file = text_of(entry, "audio_filepath", where);
  const Json* offset = entry.find("offset");
  Utterance u;
  u.path = audio_path(file, manifest, where);
  u.offset_s = seconds_of(entry, "offset", where);
  u.duration_s = seconds_of(entry, "duration", where);
  u.window = offset && !offset->is_null();
  u.text = text_of(entry, "text", where);
  u.name = u.window ? fmt::format("{} at {} s", file, u.offset_s) : file;
  u.where = where;
  return u;
}

/// Of a recording at several speeds the one as it was spoken.
Utterance dle_entry(const Json& entry, const std::string& manifest, const std::string& where) {
  if (!entry.is_object())
    fail(ErrorKind::Data, "{}: expected an object, got {}", where, entry.type_name());
  const Json* files = entry.find("files");
  if (!files || !files->is_array())
    fail(ErrorKind::Data, "{}: expected a list of files in \"files\"", where);
  for (const Json& file : files->as_array()) {
    if (!file.is_object())
      fail(ErrorKind::Data, "{}: expected objects in \"files\", got {}", where, file.type_name());
    const Json* speed = file.find("speed");
    if (speed && !(speed->is_number() && speed->as_number() == 1)) continue;
    Utterance u;
    u.name = text_of(file, "fname", where);
    u.path = audio_path(u.name, manifest, where);
    u.duration_s = file.find("duration") ? seconds_of(file, "duration", where)
                                         : seconds_of(entry, "original_duration", where);
    u.text = text_of(entry, "transcript", where);
    u.where = where;
    return u;
  }
  fail(ErrorKind::Data, "{}: expected among its \"files\" one of speed 1, got {}", where,
       files->as_array().size());
}

/// An entry may stand twice, so that it is seen more often, but what was said is one text.
void refuse_contradictions(const std::vector<Utterance>& list) {
  std::map<std::tuple<std::string, double, double>, const Utterance*> known;
  for (const Utterance& u : list) {
    const auto [first, once] = known.emplace(std::tuple(u.path, u.offset_s, u.duration_s), &u);
    if (once || first->second->text == u.text) continue;
    fail(ErrorKind::Data, "{}: {} has another text already, at {}; leave one of the entries out",
         u.where, u.name, first->second->where);
  }
}

Sequences open_manifests(const std::vector<std::string>& files, const DataConfig& config) {
  const std::string root = find_root(config).path;
  std::vector<Utterance> list;
  for (const std::string& file : files) {
    const std::string path = file[0] == '/' ? file : path_join(root, file);
    std::vector<Utterance> more = parse_manifest(read_file(path, "manifest"), path);
    list.insert(list.end(), more.begin(), more.end());
  }
  refuse_contradictions(list);
  return open_utterances(list, config, join(files, ", "));
}

class ManifestSource : public DataSource {
 public:
  using DataSource::DataSource;
  bool has_training_files(const DataConfig& config) const override {
    return !config.speech.train.empty();
  }
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    fill_speech_splits(splits);
    const SpeechConfig& c = config.speech;
    for (const auto* files : {&c.train, &c.validation, &c.test}) {
      for (const std::string& file : *files) {
        if (file.empty()) fail(ErrorKind::Data, "/data/speech: expected files, got an empty name");
      }
    }
    const bool tests = !c.test.empty() || !c.validation.empty();
    if (c.train.empty() && (request.train || !tests)) {
      fail(ErrorKind::Data,
           "data.name is manifest and data.speech.{} names no file; expected manifests as NeMo or "
           "DeepLearningExamples write them, in {}",
           request.train ? "train" : "test", find_root(config).path);
    }
    if (!tests) {
      draw_test_split(open_manifests(c.train, config), config, request, join(c.train, ", "),
                      splits);
      return;
    }
    if (!c.test.empty()) splits.test = open_manifests(c.test, config);
    if (!c.validation.empty() && (request.train || c.test.empty()))
      splits.validation = open_manifests(c.validation, config);
    if (request.train) {
      splits.train =
          within_seconds(open_manifests(c.train, config), c.max_seconds, join(c.train, ", "));
    }
  }
};

}  // namespace

std::vector<Utterance> parse_manifest(const std::string& bytes, const std::string& path) {
  std::vector<Utterance> list;
  const std::string_view content = trim(bytes);
  if (!content.empty() && content[0] == '[') {
    const Json document = Json::parse(bytes, path);
    for (const Json& entry : document.as_array()) {
      list.push_back(dle_entry(entry, path, fmt::format("{}, entry {}", path, list.size() + 1)));
    }
    return list;
  }
  int64_t number = 0;
  for (const std::string& line : split(bytes, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const std::string where = fmt::format("{}:{}", path, number);
    list.push_back(nemo_entry(Json::parse(line, where), path, where));
  }
  return list;
}

std::unique_ptr<DataSource> make_manifest_source() {
  SourceTraits t{"manifest", "the speech manifest", english_alphabet().size()};
  t.class_names = english_alphabet().symbols;
  t.kind = ExampleKind::Speech;
  t.own = true;
  t.fetched = false;
  return std::make_unique<ManifestSource>(t);
}

}  // namespace tailor::data
