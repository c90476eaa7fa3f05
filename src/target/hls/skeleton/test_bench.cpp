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

  long wrong = 0;
  for (long n = first; n < last; ++n) {
    hls::stream<input_token> in("in");
    hls::stream<output_token> out("out");
    std::istringstream values(inputs[static_cast<std::size_t>(n)]);
    for (int p = 0; p < TAILOR_INPUT_PIXELS; ++p) {
      input_t pixel[TAILOR_INPUT_CHANNELS];
      for (int c = 0; c < TAILOR_INPUT_CHANNELS; ++c) {
        double value = 0;
        if (!(values >> value)) tailor::host_error("tb_data/inputs.dat: a line is too short");
        pixel[c] = input_t(value);
      }
      in.write(tailor::pack<TAILOR_INPUT_CHANNELS, TAILOR_INPUT_BITS, input_token>(pixel));
    }
    ::TAILOR_TOP(in, out);
    std::istringstream wanted(expected[static_cast<std::size_t>(n)]);
    bool equal = true;
    output_token token = 0;
    for (int k = 0; k < TAILOR_OUTPUT_PIXELS * TAILOR_OUTPUT_CHANNELS; ++k) {
      const int c = k % TAILOR_OUTPUT_CHANNELS;
      if (c == 0) token = out.read();
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
    if (!in.empty() || !out.empty()) equal = false;
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
