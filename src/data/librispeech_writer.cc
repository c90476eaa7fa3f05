// A speech set as a LibriSpeech tree. Speakers and chapters are numbers, as the layout wants them.
#include <algorithm>

#include "data/speech.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/threads.h"
#include "tailor/data/audio.h"
#include "tailor/data/speech.h"

namespace tailor::data {
namespace {

constexpr int64_t kChapterUtterances = 1000;

std::string upper_case(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

void write_set(const Sequences& set, const std::string& folder, int64_t speaker) {
  if (!set) return;
  auto chapter_name = [&](int64_t index) {
    return fmt::format("{}-{}", speaker, index / kChapterUtterances + 1);
  };
  auto chapter_folder = [&](int64_t index) {
    return fmt::format("{}/{}/{}", folder, speaker, index / kChapterUtterances + 1);
  };
  auto id = [&](int64_t index) {
    return fmt::format("{}-{:04}", chapter_name(index), index % kChapterUtterances);
  };
  for (int64_t first = 0; first < set->size(); first += kChapterUtterances) {
    create_directories(chapter_folder(first));
    std::string lines;
    for (int64_t i = first; i < std::min(first + kChapterUtterances, set->size()); ++i) {
      std::vector<int64_t> labels;
      set->read_labels(i, labels);
      lines += id(i) + ' ' + upper_case(english_alphabet().text(labels)) + '\n';
    }
    write_file(fmt::format("{}/{}.trans.txt", chapter_folder(first), chapter_name(first)), lines);
  }
  parallel_for(set->size(), 0, [&](int64_t i) {
    std::vector<float> samples;
    set->read(i, samples);
    write_flac(fmt::format("{}/{}.flac", chapter_folder(i), id(i)), samples, kSpeechRate);
  });
}

}  // namespace

void write_librispeech(const DataSplits& splits, const std::string& folder) {
  if (splits.kind != ExampleKind::Speech) {
    fail(ErrorKind::Unsupported, "{}: expected speech, got {}", splits.name,
         to_string(splits.kind));
  }
  AtomicDirectory made(folder);
  const std::string root = path_join(made.temporary_path(), "LibriSpeech");
  write_set(as_sequences(splits.train), path_join(root, "train"), 1);
  write_set(as_sequences(splits.validation), path_join(root, "dev"), 2);
  // A set without a test split of its own is tested with dev, also when it is read again.
  if (splits.test != splits.validation)
    write_set(as_sequences(splits.test), path_join(root, "test"), 3);
  made.commit();
}

}  // namespace tailor::data
