// @{banner}
// Runs the test vectors of tb_data/ through the design and compares every output bit with what the emulator computed. Exit status: 0 all equal,
// 1 a difference, 3 a file is missing or damaged. Options: --results FILE (raw outputs, one line a sample), --first N, --count N,
// --iterations FILE (how often the loop of each stage ran, a cycle each, in all samples together).
#include "test_bench.h"  // first: it says how wide the vendor's integers must be

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "firmware/tailor/host.h"

static std::vector<std::string> read_lines(const std::string& name) {
  std::ifstream in(tailor::project_file(name).c_str());
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(in, line)) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

// The tokens of a line of tb_data/inputs.dat.
static void write_tokens(const std::string& line, hls::stream<input_token>& in) {
  std::istringstream values(line);
  for (int p = 0; p < TAILOR_INPUT_PIXELS; ++p) {
    input_t pixel[TAILOR_INPUT_CHANNELS];
    for (int c = 0; c < TAILOR_INPUT_CHANNELS; ++c) {
      double value = 0;
      if (!(values >> value)) tailor::host_error("tb_data/inputs.dat: a line is too short");
      pixel[c] = input_t(value);
    }
    in.write(tailor::pack<TAILOR_INPUT_CHANNELS, TAILOR_INPUT_BITS, input_token>(pixel));
  }
}

static std::vector<output_token> read_tokens(hls::stream<output_token>& out) {
  std::vector<output_token> tokens;
  while (!out.empty()) tokens.push_back(out.read());
  return tokens;
}

// What the design answers to the lines first to last - 1, in tokens.
#ifndef TAILOR_KERNEL
static std::vector<std::vector<output_token> > run_design(const std::vector<std::string>& lines, long first, long last) {
  std::vector<std::vector<output_token> > answers;
  for (long n = first; n < last; ++n) {
    hls::stream<input_token> in("in");
    hls::stream<output_token> out("out");
    write_tokens(lines[static_cast<std::size_t>(n)], in);
    ::TAILOR_TOP(in, out);
    if (!in.empty()) tailor::host_error("the design left tokens of an image unread");
    answers.push_back(read_tokens(out));
  }
  return answers;
}
#else
// All of them in one call, as on the card: what a kernel keeps from an image is met by the next.
static std::vector<std::vector<output_token> > run_design(const std::vector<std::string>& lines, long first, long last) {
  std::vector<tailor_beat> memory, written;
  for (long n = first; n < last; ++n) {
    hls::stream<input_token> in("in");
    hls::stream<tailor_beat> beats("beats");
    write_tokens(lines[static_cast<std::size_t>(n)], in);
    tailor::tokens_to_beats<tailor_input_beats>(in, beats);
    while (!beats.empty()) memory.push_back(beats.read());
  }
  written.resize(static_cast<std::size_t>(last - first) * tailor_output_beats::count);
  // Co-simulation copies as many beats as the ports' depths say, whatever is called for.
  memory.resize(memory.size() < TAILOR_INPUT_DEPTH ? TAILOR_INPUT_DEPTH : memory.size());
  written.resize(written.size() < TAILOR_OUTPUT_DEPTH ? TAILOR_OUTPUT_DEPTH : written.size());
  TAILOR_KERNEL(memory.data(), written.data(), static_cast<int>(last - first));
  std::vector<std::vector<output_token> > answers;
  for (long n = first; n < last; ++n) {
    hls::stream<tailor_beat> beats("beats");
    hls::stream<output_token> out("out");
    for (int i = 0; i < tailor_output_beats::count; ++i)
      beats.write(written[static_cast<std::size_t>((n - first) * tailor_output_beats::count + i)]);
    tailor::beats_to_tokens<tailor_output_beats>(beats, out);
    answers.push_back(read_tokens(out));
  }
  return answers;
}
#endif

int main(int argc, char** argv) {
  std::string results = "csim_results.log", iterations;
  long first = 0, count = -1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--results") results = argv[i + 1];
    if (option == "--iterations") iterations = argv[i + 1];
    if (option == "--first") first = std::atol(argv[i + 1]);
    if (option == "--count") count = std::atol(argv[i + 1]);
  }
  const std::vector<std::string> inputs = read_lines("tb_data/inputs.dat");
  const std::vector<std::string> expected = read_lines("tb_data/expected.dat");
  if (inputs.empty() || inputs.size() != expected.size()) tailor::host_error("tb_data: inputs.dat and expected.dat must have the same number of lines, and at least one");
  long last = static_cast<long>(inputs.size());
  if (count >= 0 && first + count < last) last = first + count;
  std::FILE* log = std::fopen(results.c_str(), "w");
  if (!log) tailor::host_error("cannot write " + results);

  const std::vector<std::vector<output_token> > answers = run_design(inputs, first, last);
  long wrong = 0;
  for (long n = first; n < last; ++n) {
    const std::vector<output_token>& tokens = answers[static_cast<std::size_t>(n - first)];
    std::istringstream wanted(expected[static_cast<std::size_t>(n)]);
    bool equal = tokens.size() == TAILOR_OUTPUT_PIXELS;
    output_token token = 0;
    for (int k = 0; k < TAILOR_OUTPUT_PIXELS * TAILOR_OUTPUT_CHANNELS; ++k) {
      const int c = k % TAILOR_OUTPUT_CHANNELS;
      const std::size_t t = static_cast<std::size_t>(k / TAILOR_OUTPUT_CHANNELS);
      if (c == 0) token = t < tokens.size() ? tokens[t] : output_token(0);
      ap_int<TAILOR_OUTPUT_BITS> raw;
      raw.range(TAILOR_OUTPUT_BITS - 1, 0) = token.range((c + 1) * TAILOR_OUTPUT_BITS - 1, c * TAILOR_OUTPUT_BITS);
      const long long value = raw.to_int64();
      long long want = 0;
      if (!(wanted >> want)) tailor::host_error("tb_data/expected.dat: a line is too short");
      std::fprintf(log, k == 0 ? "%lld" : " %lld", value);
      if (value != want) {
        if (equal && wrong < 10) std::printf("sample %ld, output %d: expected %lld / 2^%d, got %lld / 2^%d\n", n, k, want, TAILOR_OUTPUT_FRACTION, value, TAILOR_OUTPUT_FRACTION);
        equal = false;
      }
    }
    std::fputc('\n', log);
    if (!equal) ++wrong;
  }
  if (std::fclose(log) != 0) tailor::host_error("cannot write " + results);
  if (!iterations.empty()) {
    std::ofstream counts(iterations.c_str());
    const std::map<std::string, long long>& all = tailor::stage_iterations();
    for (std::map<std::string, long long>::const_iterator i = all.begin(); i != all.end(); ++i) counts << i->first << ' ' << i->second << '\n';
    if (!counts.flush()) tailor::host_error("cannot write " + iterations);
  }
  std::printf("%ld of %ld samples differ\n", wrong, last - first);
  return wrong == 0 ? 0 : 1;
}
