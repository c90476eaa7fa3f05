// ARPA files: whatever is read answers for known and unknown words.
#include "tailor/task/arpa.h"
#include "support/rooms.h"

#include <cmath>

#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size, [](std::string_view bytes) {
    const tailor::task::LanguageModel model = tailor::task::LanguageModel::parse(bytes, "input");
    tailor::task::WordHistory history = model.begin();
    for (const char* word : {"a", "b", "c", "a", "</s>", "a"}) {
      const double score = model.score(history, model.word(word));
      const auto words = static_cast<int64_t>(history.size());
      if (std::isnan(score) || words >= model.order()) std::abort();
    }
  });
}
