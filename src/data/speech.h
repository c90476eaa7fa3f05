// What speech has of its own in a configuration, and utterances of files as a set.
#pragma once

#include <string>
#include <vector>

#include "tailor/data/config.h"
#include "tailor/data/examples.h"
#include "tailor/data/sequences.h"
#include "tailor/data/source.h"

namespace tailor::data {

constexpr int64_t kSpeechRate = 16000, kSpeechFilters = 64;

/// Keys of the augmentations of speech, and of data.speech.
void describe_speech_augmentation(RecordVisitor& v, DataConfig& c);
void describe_speech(RecordVisitor& v, DataConfig& c);
void verify_speech(const DataConfig& c, const std::string& source);
/// The names in data.augment when nobody gives any; what that is depends on what examples are.
std::vector<std::string> usual_augmentation(ExampleKind kind);

/// One utterance of a list, before its file is looked at.
struct Utterance {
  std::string name;  // of messages
  std::string path;
  double offset_s = 0;
  double duration_s = 0;  // as the list says; 0: it does not
  bool window = false;    // part of the file alone, from offset_s for duration_s
  std::string text;       // as the list has it
  std::string where;      // of the text: "FILE:LINE"
};
/// Signs that texts have and the alphabet lacks.
struct DroppedSigns {
  int64_t count = 0;
  std::vector<std::string> first;  // a few, each once
};

/// A text as labels know it: lower case, single blanks, none at the ends, ’ as '. Other signs are
/// an error or, by `other`, dropped and counted, where - and / become blanks.
std::string normalised_text(const std::string& text, const std::string& where, OtherSigns other,
                            DroppedSigns& dropped);

/// Reads every file's header, on several threads. Utterances of unreadable files are left out with
/// a warning, or an error (data.unreadable). Throws Data where nothing is left of `what`.
Sequences open_utterances(const std::vector<Utterance>& list, const DataConfig& config,
                          const std::string& what);
/// The examples of at most so many seconds (0: all); how many are left out is in the log. Throws
/// Data where none remain.
Sequences within_seconds(const Sequences& set, double max_seconds, const std::string& what);

/// "ID TEXT" lines of a .trans.txt file: (ID, text, line). Throws Data naming `path` and the line.
struct Transcript {
  std::string id, text;
  int64_t line = 0;
};
std::vector<Transcript> parse_transcripts(const std::string& bytes, const std::string& path);
/// A manifest's entries: NeMo's JSON lines, or NVIDIA DeepLearningExamples' array. Audio paths are
/// relative to the manifest's folder. Throws Data naming `path` and the entry.
std::vector<Utterance> parse_manifest(const std::string& bytes, const std::string& path);

/// Shape and rate of a speech set.
void fill_speech_splits(DataSplits& splits);
/// Makes the splits of `all`, a set without a test split: data.test_size examples drawn by the seed
/// are the test split, the rest trains, if that is asked for. Where whatever is there is wanted and
/// none is to be kept back, all of it trains. Throws Data where that is no number of examples.
void draw_test_split(const Sequences& all, const DataConfig& config, const OpenRequest& request,
                     const std::string& what, DataSplits& splits);

}  // namespace tailor::data
