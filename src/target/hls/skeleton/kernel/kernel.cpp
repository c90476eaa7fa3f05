// @{banner}
// A loader, @{top} and a storer, all at once, and an image behind the other.
#include "@{top}_kernel.h"

// The loop is the only statement, so that the tool takes it as a dataflow region and begins an image
// while it still computes on those before.
static void every_image(const tailor_beat* inputs, tailor_beat* outputs, int count) {
  TAILOR_LOOP(images)
  for (int image = 0; image < count; ++image) {
    TAILOR_DATAFLOW
    hls::stream<tailor_beat> input_beats("input_beats");
    TAILOR_STREAM_DEPTH(input_beats, 64)
    hls::stream<@{input_token}> pixels("pixels");
    TAILOR_STREAM_DEPTH(pixels, 2)
    hls::stream<@{output_token}> answers("answers");
    TAILOR_STREAM_DEPTH(answers, 2)
    hls::stream<tailor_beat> output_beats("output_beats");
    TAILOR_STREAM_DEPTH(output_beats, 2)
    tailor::read_beats<tailor_input_beats>(inputs, image, input_beats);
    tailor::beats_to_tokens<tailor_input_beats>(input_beats, pixels);
    ::@{top}(pixels, answers);
    tailor::tokens_to_beats<tailor_output_beats>(answers, output_beats);
    tailor::write_beats<tailor_output_beats>(output_beats, outputs, image);
  }
}

extern "C" void @{top}_kernel(const tailor_beat* inputs, tailor_beat* outputs, int count) {
  // The depths are those of the test vectors, for co-simulation.
  TAILOR_MEMORY_PORT(inputs, @{input_depth}, gmem_in)
  TAILOR_MEMORY_PORT(outputs, @{output_depth}, gmem_out)
  TAILOR_REGISTER_PORT(count)
  TAILOR_REGISTER_PORT(return)
  every_image(inputs, outputs, count);
}
