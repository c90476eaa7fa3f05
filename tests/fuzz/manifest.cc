// Manifests of speech, of both kinds: entries have a path, and times that are none below 0.
#include "data/speech.h"
#include "fuzz/fuzz.h"
#include "support/rooms.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    DroppedSigns dropped;
    for (const Utterance& u : parse_manifest(std::string(bytes), "folder/input")) {
      if (u.path.empty() || !(u.offset_s >= 0) || !(u.duration_s >= 0)) std::abort();
      labels_of(english_alphabet(), normalised_text(u.text, u.where, OtherSigns::Drop, dropped),
                "input");
    }
  });
}
