// Audio files (libsndfile: FLAC, WAV and whatever else it knows) as one row of samples, and other
// rates of it. Integers of n bits are exactly value / 2^(n-1); several channels become their mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/span.h"

namespace tailor::data {

/// What is read at once is at most an hour, of at most this many channels.
constexpr int64_t kMostAudioSeconds = 3600;
constexpr int64_t kMostAudioChannels = 64;
constexpr int64_t kLowestAudioRate = 1000, kHighestAudioRate = 768'000;

struct AudioInfo {
  int64_t rate_hz = 0, channels = 0;
  int64_t samples = 0;  // of each channel, as the header has it
};

/// Samples of a file, at its own rate.
struct AudioWindow {
  int64_t first = 0, count = 0;
};

/// Reads a header. Throws Data naming the file: no audio, damaged, without samples, shorter than
/// its header says (WAV), or beyond the limits above.
AudioInfo probe_audio(const std::string& path);
/// Replaces `samples` by a window at rate_hz: resampled_length(window.count, ...) numbers. Throws
/// Data like probe_audio, and where the file ends or breaks before the window does or holds a
/// number that is none.
void read_audio(const std::string& path, AudioWindow window, int64_t rate_hz,
                std::vector<float>& samples);

/// Samples at to_hz of what has so many at from_hz: those whose time is before its end.
int64_t resampled_length(int64_t samples, double from_hz, double to_hz);
/// The sound at another rate, by a sinc of 24 zeros on each side under a Kaiser window: flat to 90
/// % of the lower rate's half, folded parts below -80 dB. `out` must not be `in`.
void resample_audio(Span<const float> in, double from_hz, double to_hz, std::vector<float>& out);

/// Writes samples in -1..1 as a mono FLAC file of 16 bits, rounded and clipped; whole or not at
/// all.
void write_flac(const std::string& path, Span<const float> samples, int64_t rate_hz);

}  // namespace tailor::data
