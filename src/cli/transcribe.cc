// tailor transcribe: what is said in audio files, of any length.
#include <cmath>

#include "cli/sequences.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/audio.h"
#include "tailor/data/features.h"
#include "tailor/data/speech.h"

namespace tailor::cli {
namespace {

const int64_t kSpeechRateHz = FeatureConfig().rate_hz;

/// Samples of a file that are run at once, and which of the answers to them count.
struct AudioPart {
  int64_t first = 0, count = 0;
  int64_t begin = 0, end = 0;  // answers of this part: [begin, end)
};

/// Parts of at most `window` samples, at least `overlap` of them in the next part too: half of the
/// overlap is answered by each. The last part ends with the samples and is as long as the others,
/// so that its features are as well known. `answer_samples`: from one answer to the next.
std::vector<AudioPart> plan_parts(int64_t samples, int64_t window, int64_t overlap,
                                  int64_t answer_samples) {
  // Both sides of a seam are whole answers.
  window = std::max(window / answer_samples, int64_t{2}) * answer_samples;
  const int64_t seam = overlap / (2 * answer_samples);
  const int64_t last = (samples - window + answer_samples - 1) / answer_samples * answer_samples;
  std::vector<AudioPart> parts;
  int64_t first = 0, begin = 0;  // of the next part: a sample, and an answer of the whole
  for (; first + window < samples; first += window - 2 * seam * answer_samples) {
    const int64_t end = (first + window) / answer_samples - seam;
    parts.push_back({first, window, begin - first / answer_samples, end - first / answer_samples});
    begin = end;
  }
  first = parts.empty() ? 0 : last;
  parts.push_back({first, samples - first, begin - first / answer_samples, INT64_MAX});
  return parts;
}

struct Transcript {
  std::string text;
  std::vector<TimedWord> words;
  double seconds = 0;
};

class Transcriber {
 public:
  Transcriber(SequenceRunner& runner, const TranscribeOptions& options, const CtcConfig& ctc)
      : runner_(runner), features_(runner.data, 0), decoder_(english_alphabet(), ctc) {
    answer_samples_ = FeatureConfig().hop_samples * runner.stride;
    window_ = static_cast<int64_t>(options.window_s * kSpeechRateHz);
    overlap_ = static_cast<int64_t>(options.overlap_s * kSpeechRateHz);
  }
  double seconds_per_answer() const { return static_cast<double>(answer_samples_) / kSpeechRateHz; }

  Transcript transcribe(const std::string& file) const {
    const AudioInfo info = probe_audio(file);
    std::vector<float> outputs;
    const int64_t length = resampled_length(info.samples, static_cast<double>(info.rate_hz),
                                            static_cast<double>(kSpeechRateHz));
    for (const AudioPart& part : plan_parts(length, window_, overlap_, answer_samples_)) {
      throw_if_interrupted();
      append_answers(file, info, part, outputs);
    }
    const Labelling labelling = decoder_.decode(outputs);
    return {std::string(trim(decoder_.alphabet().text(labelling.labels))),
            timed_words(labelling, decoder_.alphabet()),
            static_cast<double>(length) / kSpeechRateHz};
  }

 private:
  /// A part alone, so that a file of hours takes no more memory than one.
  static void read_part(const std::string& file, const AudioInfo& info, const AudioPart& part,
                        std::vector<float>& samples) {
    const int64_t first = part.first * info.rate_hz / kSpeechRateHz;
    const int64_t wanted = (part.count * info.rate_hz + kSpeechRateHz - 1) / kSpeechRateHz;
    read_audio(file, {first, std::min(wanted, info.samples - first)}, kSpeechRateHz, samples);
    samples.resize(static_cast<size_t>(part.count));  // from another rate, one more or less
  }

  void append_answers(const std::string& file, const AudioInfo& info, const AudioPart& part,
                      std::vector<float>& outputs) const {
    std::vector<float> samples, frames;
    read_part(file, info, part, samples);
    features_.make(samples, file, frames);
    const int64_t columns = static_cast<int64_t>(frames.size()) / features_.filters();
    Tensor inputs(DType::F32, {1, 1, columns, features_.filters()});
    std::copy(frames.begin(), frames.end(), inputs.as<float>().data());
    const Tensor answer = runner_.run(inputs, {columns});
    const int64_t end = std::min(part.end, runner_.positions(columns));
    const float* rows = answer.as<float>().data();
    if (end > part.begin) {
      outputs.insert(outputs.end(), rows + part.begin * runner_.classes,
                     rows + end * runner_.classes);
    }
  }

  SequenceRunner& runner_;
  SpeechFeatures features_;
  TextDecoder decoder_;
  int64_t answer_samples_ = 0, window_ = 0, overlap_ = 0;
};

Json transcript_json(const std::string& file, const Transcript& t, double seconds_per_answer) {
  Json words = Json::Array();
  for (const TimedWord& w : t.words) {
    auto milliseconds = [&](int64_t answer) {
      return std::round(1000 * static_cast<double>(answer) * seconds_per_answer) / 1000;
    };
    words.push_back(Json::object(
        {{"word", w.text}, {"begin_s", milliseconds(w.first)}, {"end_s", milliseconds(w.end)}}));
  }
  return Json::object(
      {{"file", file}, {"text", t.text}, {"seconds", t.seconds}, {"words", std::move(words)}});
}

void print_transcript(const std::string& file, const Transcript& t, double seconds_per_answer,
                      bool times) {
  if (!times) {
    fmt::print("{}: {}\n", file, t.text);
    return;
  }
  fmt::print("{}\n", file);
  for (const TimedWord& w : t.words) {
    fmt::print("{:8.2f} {:8.2f}  {}\n", static_cast<double>(w.first) * seconds_per_answer,
               static_cast<double>(w.end) * seconds_per_answer, w.text);
  }
}

void verify_windows(const TranscribeOptions& o) {
  if (!(o.window_s >= 1 && o.window_s <= 600))
    fail(ErrorKind::Usage, "--window: expected 1 to 600 seconds, got {}", o.window_s);
  if (!(o.overlap_s >= 0 && 2 * o.overlap_s <= o.window_s)) {
    fail(ErrorKind::Usage, "--overlap: expected 0 to half of the window of {} seconds, got {}",
         o.window_s, o.overlap_s);
  }
}

}  // namespace

int run_transcribe(const TranscribeOptions& options) {
  verify_windows(options);
  const auto runner = open_sequence_network(options.checkpoint);
  if (runner->kind != ExampleKind::Speech) {
    fail(ErrorKind::Usage, "{}: it is a network on {}, not on speech; use tailor basecall",
         runner->title, to_string(runner->kind));
  }
  CtcConfig ctc = runner->ctc;
  if (options.beam) ctc.beam = *options.beam;
  if (!options.language_model.empty()) ctc.language_model = options.language_model;
  if (!ctc.language_model.empty() && ctc.beam < 2) {
    fail(ErrorKind::Usage,
         "--language-model {}: it chooses among candidates, and the beam is 1; add --beam 16",
         ctc.language_model);
  }
  const Transcriber transcriber(*runner, options, ctc);
  Json answers = Json::Array();
  int64_t bad = 0;
  for (const std::string& file : options.files) {
    try {
      const Transcript t = transcriber.transcribe(file);
      if (options.json) {
        answers.push_back(transcript_json(file, t, transcriber.seconds_per_answer()));
      } else {
        print_transcript(file, t, transcriber.seconds_per_answer(), options.times);
      }
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      ++bad;
      const std::string fault = with_file(file, e.what());
      log_warn("cli", "{}", fault);
      if (options.json) answers.push_back(Json::object({{"file", file}, {"error", fault}}));
    }
  }
  if (options.json) fmt::print("{}\n", answers.dump(2));
  if (bad > 0) fail(ErrorKind::Data, "{} of {} files could not be read", bad, options.files.size());
  return 0;
}

}  // namespace tailor::cli
