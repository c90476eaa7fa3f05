// @{banner}
// The kernel: `count` images from the card's memory through @{top}, their answers back to it.
#ifndef TAILOR_PROJECT_KERNEL_H_
#define TAILOR_PROJECT_KERNEL_H_

#include "@{top}.h"
#include "tailor/kernel.h"

typedef ap_uint<@{beat_bits}> tailor_beat;
typedef tailor::Beats<@{beat_bits}, @{input_token_bits}, @{input_tokens}> tailor_input_beats;
typedef tailor::Beats<@{beat_bits}, @{output_token_bits}, @{output_tokens}> tailor_output_beats;

extern "C" void @{top}_kernel(const tailor_beat* inputs, tailor_beat* outputs, int count);

#endif  // TAILOR_PROJECT_KERNEL_H_
