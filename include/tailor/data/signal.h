// Current of a nanopore: a raw read is scaled to picoampere, trimmed, normalised and cut into
// overlapping chunks; where a network's answers to them belong in the read's (Bonito 0.5.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/span.h"
#include "tailor/data/examples.h"

namespace tailor::data {

/// Samples a second of R9.4 chemistry.
constexpr int64_t kPoreRateHz = 4000;

/// From the converter's number: (raw + offset) · range / digitisation picoampere.
struct Calibration {
  double offset = 0, range_pa = 1, digitisation = 1;
};
std::vector<float> to_picoampere(Span<const int16_t> raw, const Calibration& calibration);

struct MedianMad {
  float median = 0, mad = 1;  // mad: 1.4826 · the median distance from the median, and an epsilon
};
/// Of at least one sample; the median of an even number is the mean of the two in the middle.
MedianMad median_mad(Span<const float> samples);
/// (x - median) / mad.
void normalise(std::vector<float>& samples, const MedianMad& by);

/// Samples at a read's begin that are the adapter's: the peak above median + 2.4 MAD of the first
/// 8,000 samples is left behind, and 10 samples without one.
int64_t adapter_samples(Span<const float> samples);
/// Trims the adapter and normalises: by median and MAD (at least 1) of all; of 8,000 samples and
/// less by those of the longest noisy stretch. Returns the samples trimmed. Throws Data of a read
/// of which nothing is left.
int64_t normalise_read(std::vector<float>& samples, const std::string& read);

/// A chunk of a read, and its frames (answers) that are the read's: [begin, end) of the chunk's.
struct SignalChunk {
  int64_t first = 0;  // sample of the read
  int64_t begin_frame = 0, end_frame = 0;
};
/// Chunks of `size` samples, each `overlap` into the next, for a network that answers every
/// `stride` samples. The first alone overlaps more, so that the last ends with the read. Of an
/// overlap the later chunk leaves out its first floor(overlap / 2 / stride) answers, and the
/// earlier one answers up to there: nothing is answered twice. Where `stride` divides size -
/// overlap, answers follow each other without a gap; else, and behind the first chunk, which the
/// next one may leave at any sample, up to stride - 1 samples at a seam have none. A read shorter
/// than a chunk is one chunk. Throws Config unless 0 <= overlap < size and stride >= 1.
std::vector<SignalChunk> plan_chunks(int64_t samples, int64_t size, int64_t overlap,
                                     int64_t stride);
/// The chunk's samples; a read shorter than `out` is repeated.
void cut_chunk(Span<const float> samples, const SignalChunk& chunk, Span<float> out);

/// Writes a set of chunks as the folder that the data set bonito reads: training chunks, and in
/// validation/ those of the validation split or, without one, of the test split; float32. Whole or
/// not at all; the folder is replaced.
void write_bonito(const DataSplits& splits, const std::string& folder);

}  // namespace tailor::data
