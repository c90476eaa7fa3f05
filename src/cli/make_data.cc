// tailor data make: sequences, as the program makes or reads them, as the folders that others know.
#include <algorithm>
#include <set>

#include "cli/sequence_data.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/signal.h"
#include "tailor/data/source.h"
#include "tailor/data/speech.h"

namespace tailor::cli {
namespace {

/// What stands in a folder that make writes; --force replaces no other.
const std::set<std::string>& made_names(bool speech) {
  static const std::set<std::string> of_speech = {"LibriSpeech"},
                                     of_signal = {"chunks.npy", "chunk_lengths.npy",
                                                  "references.npy", "reference_lengths.npy",
                                                  "validation"};
  return speech ? of_speech : of_signal;
}

void check_folder(const DataOptions& options, bool speech) {
  if (options.output.empty()) fail(ErrorKind::Usage, "data make: expected --output DIR");
  if (is_empty_directory(options.output)) return;
  refuse_to_replace("--output", options.output, options.force, "folder");
  if (!path_exists(options.output)) return;
  if (!is_directory(options.output)) {
    fail(ErrorKind::Usage, "--output {}: it is a file, expected the name of a folder",
         options.output);
  }
  for (const std::string& name : list_directory(options.output)) {
    if (made_names(speech).count(name) > 0) continue;
    fail(ErrorKind::Usage,
         "--output {}: --force replaces what data make wrote, and {} in it is something else; name "
         "another folder",
         options.output, name);
  }
}

}  // namespace

int make_data(const DataOptions& options, const DataConfig& config) {
  const ExampleKind kind = traits_of(config).kind;
  if (kind == ExampleKind::Images) {
    fail(ErrorKind::Unsupported,
         "data make writes speech and signal (--name flite, --name squiggle), and {} has images; "
         "data pack writes those",
         config.name);
  }
  const bool speech = kind == ExampleKind::Speech;
  check_folder(options, speech);
  const DataSplits splits = open_data(config);
  if (speech) {
    data::write_librispeech(splits, options.output);
  } else {
    data::write_bonito(splits, options.output);
  }
  auto size = [](const ExampleSet& set) { return set ? set->size() : 0; };
  const char* name = speech ? "librispeech" : "bonito";
  if (options.json) {
    fmt::print("{}\n", Json::object({{"output", options.output},
                                     {"name", name},
                                     {"training", size(splits.train)},
                                     {"validation", size(splits.validation)},
                                     {"test", size(splits.test)}})
                           .dump(2));
    return 0;
  }
  fmt::print("{}: {} training and {} test {}, as {}\n", options.output,
             with_commas(size(splits.train)), with_commas(size(splits.test)),
             speech ? "utterances" : "chunks",
             speech ? "LibriSpeech's folders (FLAC, 16 bits)"
                    : "a folder of Bonito's (float32), the test chunks in validation/");
  fmt::print("next: tailor data check --name {} --data {}\n", name, shell_quote(options.output));
  return 0;
}

}  // namespace tailor::cli
