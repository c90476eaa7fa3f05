// Bases out of a network's answers to a pore's current: the most likely path, or the best of a beam
// of candidates; where each base was seen and how sure it is (fast-ctc-decode's semantics).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/span.h"

namespace tailor::task {

struct BaseCall {
  std::vector<int64_t> labels;  // outputs, never the blank
  std::vector<int64_t> frames;  // of each label: the frame where it was first seen, ascending
  std::vector<double> shares;   // of each label: its mean probability over its run of frames
};

/// Answers are log-probabilities, `outputs` a frame, the blank first; any number of frames.
struct FrameAnswers {
  Span<const float> log_probabilities;
  int64_t outputs = 5;
  int64_t frames() const { return static_cast<int64_t>(log_probabilities.size()) / outputs; }
};

/// The most likely output of each frame (of equal ones the first); runs are one label, blanks none.
BaseCall decode_path(const FrameAnswers& answers);
/// The most likely of `beam` label sequences, whose probabilities sum over paths; labels below
/// `threshold` at a frame extend none, blanks at or below it neither, but for a frame's likeliest
/// output. A label's run is the frames from its own on in which it is the likeliest output. Throws
/// Data of answers that are no probabilities (NaN).
BaseCall decode_beam(const FrameAnswers& answers, int64_t beam, double threshold);

/// Of a quality: -10 log10(1 - share), 40 at most, times scale, and bias; rounded, as a letter
/// from '!' on (Phred 33).
struct QualityScale {
  double scale = 1, bias = 0;
};
char quality_letter(double share, const QualityScale& scale = {});
/// One letter a base.
std::string quality_text(const BaseCall& call, const QualityScale& scale = {});

}  // namespace tailor::task
