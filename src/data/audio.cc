#include "tailor/data/audio.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>

#include "data/files.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"

namespace tailor::data {
namespace {

struct CloseSound {
  void operator()(SNDFILE* file) const { ::sf_close(file); }
};
using Sound = std::unique_ptr<SNDFILE, CloseSound>;

/// libsndfile keeps the reason of a failed opening in a static, which other threads write too: what
/// is said here comes from the file.
std::string opening_fault(const std::string& path) {
  const std::string start = read_beginning(path, 12, "audio file");
  if (start.empty()) return "it has zero bytes";
  const bool known = start.substr(0, 4) == "fLaC" || start.substr(0, 4) == "RIFF";
  return known ? "its header is damaged or cut off" : "expected audio (FLAC or WAV), got none";
}

uint64_t little_endian(const char* bytes, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// A RIFF or RF64 file whose samples end before its header says: libsndfile takes what there is. So
/// its chunks (name, size, content, a byte behind an odd size) are walked up to the samples'. 0 and
/// 2^32-1 are what programs write that do not know the length beforehand.
void verify_whole(const std::string& path) {
  constexpr uint64_t kUnknown = 0xFFFFFFFF;
  std::ifstream file(path, std::ios::binary);
  file.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(std::max<std::streamoff>(file.tellg(), 0));
  char bytes[16] = {};
  const auto read = [&](uint64_t at, int count) {
    if (at + static_cast<uint64_t>(count) > size) return false;
    file.seekg(static_cast<std::streamoff>(at));
    return static_cast<bool>(file.read(bytes, count));
  };
  if (!read(0, 12)) return;
  const std::string form(bytes, 4);
  if ((form != "RIFF" && form != "RF64") || std::string(bytes + 8, 4) != "WAVE") return;
  uint64_t of_ds64 = kUnknown;
  for (uint64_t at = 12; read(at, 8);) {
    const std::string chunk(bytes, 4);
    uint64_t content = little_endian(bytes + 4, 4);
    at += 8;
    if (chunk == "ds64" && read(at, 16)) of_ds64 = little_endian(bytes + 8, 8);
    if (chunk != "data") {
      at += content + content % 2;
      continue;
    }
    if (content == kUnknown && form == "RF64") content = of_ds64;
    if (content == 0 || content == kUnknown || content <= size - at) return;
    fail(ErrorKind::Data,
         "{}: its header announces {} bytes of samples and there are {}: the file is cut off; get "
         "it again",
         path, content, size - at);
  }
}

Sound open_sound(const std::string& path, AudioInfo& info) {
  require_file(path, "audio file");
  SF_INFO found{};
  Sound sound(::sf_open(path.c_str(), SFM_READ, &found));
  if (!sound) fail(ErrorKind::Data, "{}: {}", path, opening_fault(path));
  info = {found.samplerate, found.channels, found.frames};
  if (info.samples == 0) fail(ErrorKind::Data, "{}: it holds no samples", path);
  if (info.samples < 0 || info.samples > int64_t{1} << 40) {
    fail(ErrorKind::Data,
         "{}: its header does not say how many samples there are; write it again with a program "
         "that does (flac, sox)",
         path);
  }
  if (info.channels < 1 || info.channels > kMostAudioChannels) {
    fail(ErrorKind::Data, "{}: expected 1 to {} channels, got {}", path, kMostAudioChannels,
         info.channels);
  }
  if (info.rate_hz < kLowestAudioRate || info.rate_hz > kHighestAudioRate) {
    fail(ErrorKind::Data, "{}: expected {} to {} samples a second, got {}", path, kLowestAudioRate,
         kHighestAudioRate, info.rate_hz);
  }
  verify_whole(path);
  return sound;
}

/// The window's frames, mixed down.
void read_frames(SNDFILE* sound, const std::string& path, const AudioInfo& info, AudioWindow window,
                 std::vector<float>& samples) {
  constexpr int64_t kBlock = 16384;
  if (window.first > 0 && ::sf_seek(sound, window.first, SEEK_SET) != window.first) {
    fail(ErrorKind::Data, "{}: cannot go to sample {}: the file is damaged before it", path,
         window.first);
  }
  samples.resize(static_cast<size_t>(window.count));
  std::vector<float> block(info.channels == 1 ? 0 : static_cast<size_t>(kBlock * info.channels));
  for (int64_t done = 0; done < window.count;) {
    const int64_t wanted = std::min(kBlock, window.count - done);
    float* out = samples.data() + done;
    const int64_t got = ::sf_readf_float(sound, info.channels == 1 ? out : block.data(), wanted);
    if (got <= 0) {
      fail(ErrorKind::Data, "{}: expected {} samples, it ends or breaks after {}: get it again",
           path, info.samples, window.first + done);
    }
    for (int64_t i = 0; i < got && info.channels > 1; ++i) {
      const float* frame = block.data() + i * info.channels;
      double sum = 0;
      for (int64_t c = 0; c < info.channels; ++c) sum += static_cast<double>(frame[c]);
      out[i] = static_cast<float>(sum / static_cast<double>(info.channels));
    }
    done += got;
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i])) {
      fail(ErrorKind::Data, "{}: sample {} is {}, expected a number", path,
           window.first + static_cast<int64_t>(i), samples[i]);
    }
  }
}

/// Modified Bessel function of the first kind and order 0, by its series.
double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > 1e-12 * sum; ++k) {
    term *= x / (2 * k) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

/// The kernel at kPhases + 1 places between two samples of the input, each `taps` numbers in a row
/// whose sum is 1, so that a constant stays one.
class SincTable {
 public:
  static constexpr int64_t kPhases = 256, kZeros = 24;
  explicit SincTable(double cutoff)
      : half_(static_cast<int64_t>(std::ceil(static_cast<double>(kZeros) / cutoff))),
        taps_((2 * half_ + 7) / 8 * 8),
        table_(static_cast<size_t>((kPhases + 1) * taps_)) {
    constexpr double kPi = 3.14159265358979323846, kBeta = 8.6;
    const double support = static_cast<double>(kZeros) / cutoff;
    for (int64_t phase = 0; phase <= kPhases; ++phase) {
      float* row = table_.data() + phase * taps_;
      double sum = 0;
      std::vector<double> values(static_cast<size_t>(taps_));
      for (int64_t tap = 0; tap < 2 * half_; ++tap) {
        const double x = static_cast<double>(tap - half_ + 1) -
                         static_cast<double>(phase) / static_cast<double>(kPhases);
        const double u = x / support;
        if (std::abs(u) >= 1) continue;
        const double t = kPi * cutoff * x;
        values[static_cast<size_t>(tap)] =
            (std::abs(t) < 1e-9 ? 1 : std::sin(t) / t) * bessel_i0(kBeta * std::sqrt(1 - u * u));
        sum += values[static_cast<size_t>(tap)];
      }
      for (int64_t tap = 0; tap < taps_; ++tap)
        row[tap] = static_cast<float>(values[static_cast<size_t>(tap)] / sum);
    }
  }
  int64_t half() const { return half_; }
  int64_t taps() const { return taps_; }
  /// Around a place: `in` begins half() - 1 samples before the one at or before it.
  float at(const float* in, double fraction) const {
    const double place = fraction * static_cast<double>(kPhases);
    const auto phase = std::min(static_cast<int64_t>(place), kPhases - 1);
    const float* a = table_.data() + phase * taps_;
    const float* b = a + taps_;
    float low[8] = {}, high[8] = {};
    for (int64_t i = 0; i < taps_; i += 8) {
      for (int64_t lane = 0; lane < 8; ++lane) {
        low[lane] += in[i + lane] * a[i + lane];
        high[lane] += in[i + lane] * b[i + lane];
      }
    }
    float first = 0, second = 0;
    for (int64_t lane = 0; lane < 8; ++lane) first += low[lane], second += high[lane];
    const auto share = static_cast<float>(place - static_cast<double>(phase));
    return first + (second - first) * share;
  }

 private:
  int64_t half_, taps_;
  std::vector<float> table_;
};

}  // namespace

AudioInfo probe_audio(const std::string& path) {
  AudioInfo info;
  open_sound(path, info);
  return info;
}

void read_audio(const std::string& path, AudioWindow window, int64_t rate_hz,
                std::vector<float>& samples) {
  AudioInfo info;
  const Sound sound = open_sound(path, info);
  if (window.first < 0 || window.count < 1 || window.first > info.samples ||
      window.count > info.samples - window.first) {
    fail(ErrorKind::Data, "{}: expected samples {} to {}, it has {}", path, window.first,
         window.first + window.count, info.samples);
  }
  if (window.count > kMostAudioSeconds * info.rate_hz) {
    fail(ErrorKind::Data, "{}: expected at most {} s at once, got {} s; cut it up", path,
         kMostAudioSeconds, window.count / info.rate_hz);
  }
  if (info.rate_hz == rate_hz) {
    read_frames(sound.get(), path, info, window, samples);
    return;
  }
  std::vector<float> own;
  read_frames(sound.get(), path, info, window, own);
  resample_audio(own, static_cast<double>(info.rate_hz), static_cast<double>(rate_hz), samples);
}

int64_t resampled_length(int64_t samples, double from_hz, double to_hz) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(samples) * to_hz / from_hz));
}

void resample_audio(Span<const float> in, double from_hz, double to_hz, std::vector<float>& out) {
  TAILOR_CHECK(from_hz > 0 && to_hz > 0, "{} and {} samples a second", from_hz, to_hz);
  constexpr double kRolloff = 0.95;
  const SincTable table(kRolloff * std::min(1.0, to_hz / from_hz));
  // Silence on both sides, so that the kernel never leaves the samples.
  std::vector<float> padded(in.size() + static_cast<size_t>(2 * table.half() + 8));
  std::copy(in.begin(), in.end(), padded.begin() + table.half());
  out.resize(
      static_cast<size_t>(resampled_length(static_cast<int64_t>(in.size()), from_hz, to_hz)));
  const double step = from_hz / to_hz;
  const auto last = static_cast<int64_t>(in.size()) - 1;
  for (size_t i = 0; i < out.size(); ++i) {
    const double place = static_cast<double>(i) * step;
    const auto before = std::min(static_cast<int64_t>(place), last);
    out[i] =
        table.at(padded.data() + before + 1, std::min(place - static_cast<double>(before), 1.0));
  }
}

void write_flac(const std::string& path, Span<const float> samples, int64_t rate_hz) {
  std::vector<short> words(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    words[i] = static_cast<short>(
        std::lrint(std::clamp(static_cast<double>(samples[i]) * 32768, -32768.0, 32767.0)));
  }
  TemporaryDirectory folder;
  const std::string made = path_join(folder.path(), "sound.flac");
  SF_INFO info{};
  info.samplerate = static_cast<int>(rate_hz);
  info.channels = 1;
  info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
  Sound sound(::sf_open(made.c_str(), SFM_WRITE, &info));
  const auto count = static_cast<sf_count_t>(words.size());
  if (!sound || ::sf_write_short(sound.get(), words.data(), count) != count ||
      ::sf_close(sound.release()) != 0)
    fail(ErrorKind::Data, "{}: cannot write {} samples as FLAC ({})", path, count, made);
  write_file(path, read_file(made, "FLAC file"));
}

}  // namespace tailor::data
