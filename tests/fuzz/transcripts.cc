// LibriSpeech's text files: whatever is read becomes labels, or is an error that names its line.
#include "data/speech.h"
#include "fuzz/fuzz.h"
#include "support/rooms.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    DroppedSigns dropped;
    for (const Transcript& line : parse_transcripts(std::string(bytes), "input")) {
      if (line.id.empty() || line.id.find('/') != std::string::npos) std::abort();
      labels_of(english_alphabet(), normalised_text(line.text, "input", OtherSigns::Drop, dropped),
                "input");
    }
  });
}
