// @{banner}
// Runs @{kernel} on the card: loads images, checks every bit of the answers, reports throughput and latency.
// Options: --xclbin FILE, --device N|BDF, --inputs FILE (a line an image, rows x columns x channels, as
// tb_data/inputs.dat) with --expected FILE, --results FILE (raw outputs), --batch N, --repeat N, --timeout S.
// Exit status: 0 all bits as expected, 1 a difference, 2 wrong options, 3 a file or the card.
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// A port: TOKENS tokens of an image, each of so many values of `width` bits.
struct Port {
  int tokens, channels, width, fraction, token_bits, beats;
  bool is_signed;
};
const Port input = {@{input_tokens}, @{input_channels}, @{input_width}, @{input_fraction}, @{input_token_bits}, @{input_beats}, @{input_signed}};
const Port output = {@{output_tokens}, @{output_channels}, @{output_width}, @{output_fraction}, @{output_token_bits}, @{output_beats}, @{output_signed}};
const int beat_bits = @{beat_bits};

struct Options {
  std::string xclbin = "@{kernel}.hw.xclbin", device = "0", inputs = "tb_data/inputs.dat", expected, results;
  long batch = 1024, repeat = 20, timeout_s = 60;
};

typedef std::vector<std::vector<std::int64_t> > Rows;

std::size_t image_bytes(const Port& port) { return static_cast<std::size_t>(port.beats) * beat_bits / 8; }
std::size_t values_of(const Port& port) { return static_cast<std::size_t>(port.tokens) * port.channels; }

/// The lowest bit of value i of an image: whole tokens in a beat from its lowest bit on, or a token in whole beats.
std::size_t bit_of(const Port& port, std::size_t i) {
  const std::size_t token = i / port.channels, channel = i % port.channels;
  const std::size_t per_beat = port.token_bits <= beat_bits ? beat_bits / port.token_bits : 1;
  const std::size_t per_token = (port.token_bits + beat_bits - 1) / beat_bits;
  const std::size_t first = token / per_beat * per_token * beat_bits + token % per_beat * port.token_bits;
  return first + channel * port.width;
}

void put(unsigned char* bytes, std::size_t bit, int width, std::uint64_t value) {
  for (int done = 0; done < width;) {
    const int at = static_cast<int>((bit + done) % 8), part = std::min(8 - at, width - done);
    const unsigned mask = ((1U << part) - 1U) << at;
    unsigned char& byte = bytes[(bit + done) / 8];
    byte = static_cast<unsigned char>((byte & ~mask) | ((static_cast<unsigned>(value >> done) << at) & mask));
    done += part;
  }
}

std::int64_t get(const unsigned char* bytes, std::size_t bit, int width, bool is_signed) {
  std::uint64_t value = 0;
  for (int done = 0; done < width;) {
    const int at = static_cast<int>((bit + done) % 8), part = std::min(8 - at, width - done);
    value |= static_cast<std::uint64_t>((bytes[(bit + done) / 8] >> at) & ((1U << part) - 1U)) << done;
    done += part;
  }
  if (is_signed && width < 64 && (value >> (width - 1) & 1U)) value |= ~std::uint64_t(0) << width;
  return static_cast<std::int64_t>(value);
}

/// The nearest value of the input's type, halves upwards; beyond its range the largest or smallest one.
std::int64_t quantise(double value) {
  const double most = std::ldexp(1.0, input.width - (input.is_signed ? 1 : 0)) - 1, least = input.is_signed ? -most - 1 : 0;
  const double raw = std::floor(std::ldexp(value, input.fraction) + 0.5);
  if (!(raw >= least)) return static_cast<std::int64_t>(least);
  return static_cast<std::int64_t>(raw > most ? most : raw);
}

template <class Value, class Convert>
Rows read_rows(const std::string& path, std::size_t width, Convert convert) {
  std::ifstream in(path.c_str());
  if (!in) throw std::runtime_error("cannot read " + path + "; run in the project's folder");
  Rows rows;
  std::string line;
  for (long number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::vector<std::int64_t> row;
    for (Value value; words >> value;) row.push_back(convert(value));
    if (row.size() != width || !words.eof()) {
      std::ostringstream what;
      what << path << ": line " << number << ": expected " << width << " numbers, got " << row.size();
      throw std::runtime_error(what.str());
    }
    rows.push_back(row);
  }
  if (rows.empty()) throw std::runtime_error(path + ": no line holds an image");
  return rows;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Buffers for a batch, and a run of the kernel on them.
struct Slot {
  xrt::bo in, out;
  xrt::run run;
  Slot(const xrt::device& device, const xrt::kernel& kernel, long images)
      : in(device, image_bytes(input) * images, kernel.group_id(0)), out(device, image_bytes(output) * images, kernel.group_id(1)), run(kernel) {
    run.set_arg(0, in);
    run.set_arg(1, out);
  }
  void start(long images) {
    in.sync(XCL_BO_SYNC_BO_TO_DEVICE);
    launch(images);
  }
  void launch(long images) {
    run.set_arg(2, static_cast<int>(images));
    run.start();
  }
  void wait(long timeout_s) {
    const ert_cmd_state state = run.wait(std::chrono::milliseconds(1000 * timeout_s));
    if (state != ERT_CMD_STATE_COMPLETED) {
      std::ostringstream what;
      what << "the kernel did not finish within " << timeout_s << " s (state " << static_cast<int>(state) << "); reset the card: xbutil reset -d BDF";
      throw std::runtime_error(what.str());
    }
  }
  void finish(long timeout_s) {
    wait(timeout_s);
    out.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
  }
};

class Runner {
 public:
  Runner(const Options& options, const Rows& images, const Rows& expected) : options_(options), images_(images), expected_(expected) {
    // A number is an index, anything else a PCIe address.
    const bool index = options.device.find_first_not_of("0123456789") == std::string::npos;
    device_ = index ? xrt::device(static_cast<unsigned>(std::atoi(options.device.c_str()))) : xrt::device(options.device);
    kernel_ = xrt::kernel(device_, device_.load_xclbin(options.xclbin), "@{kernel}");
  }

  /// Images in groups, from one of them on and then from the first again. How many answers differ.
  long check(std::FILE* results) {
    const long count = static_cast<long>(images_.size());
    Slot slot(device_, kernel_, std::min(options_.batch, count));
    long wrong = 0;
    for (long first = 0; first < count; first += options_.batch) {
      const long here = std::min(options_.batch, count - first);
      fill(slot, first, here);
      slot.start(here);
      slot.finish(options_.timeout_s);
      wrong += compare(slot, first, here, results);
    }
    return wrong;
  }

  /// Seconds of a batch: of the kernel alone, and with the copies that it overlaps with.
  long measure() {
    const long batch = options_.batch;
    Slot a(device_, kernel_, batch), b(device_, kernel_, batch);
    Slot* slots[2] = {&a, &b};
    fill(a, 0, batch);
    fill(b, batch, batch);
    a.start(batch);
    a.finish(options_.timeout_s);
    double alone = 0;
    for (long r = 0; r < options_.repeat; ++r) {
      const auto begin = std::chrono::steady_clock::now();
      a.launch(batch);
      a.wait(options_.timeout_s);
      const double s = seconds_since(begin);
      if (r == 0 || s < alone) alone = s;
    }
    const auto begin = std::chrono::steady_clock::now();
    for (long r = 0; r <= options_.repeat; ++r) {
      if (r < options_.repeat) slots[r % 2]->start(batch);
      if (r > 0) slots[(r - 1) % 2]->finish(options_.timeout_s);
    }
    const double all = seconds_since(begin) / static_cast<double>(options_.repeat);
    report("kernel alone", batch, alone);
    report("with copies ", batch, all);
    a.launch(1);
    a.wait(options_.timeout_s);
    const auto one = std::chrono::steady_clock::now();
    a.launch(1);
    a.wait(options_.timeout_s);
    std::printf("one image: %.1f us from the call to its end\n", 1e6 * seconds_since(one));
    long wrong = 0;
    if (!expected_.empty()) {  // the last answers, which came while copies were under way
      if (options_.repeat % 2 == 1) wrong = compare(a, 0, batch, nullptr);
      if (options_.repeat % 2 == 0) wrong = compare(b, batch, batch, nullptr);
    }
    return wrong;
  }

 private:
  static void report(const char* what, long images, double s) {
    std::printf("%s: %ld images in %.3f ms, %.0f images/s, %.1f cycles an image at @{mhz} MHz\n", what, images, 1e3 * s, static_cast<double>(images) / s, s * @{mhz}e6 / static_cast<double>(images));
  }
  std::size_t which(long i) const { return static_cast<std::size_t>(i) % images_.size(); }
  void fill(Slot& slot, long first, long count) {
    std::vector<unsigned char> bytes(image_bytes(input) * static_cast<std::size_t>(count));
    for (long n = 0; n < count; ++n) {
      const std::vector<std::int64_t>& values = images_[which(first + n)];
      for (std::size_t i = 0; i < values.size(); ++i)
        put(&bytes[image_bytes(input) * static_cast<std::size_t>(n)], bit_of(input, i), input.width, static_cast<std::uint64_t>(values[i]));
    }
    slot.in.write(bytes.data(), bytes.size(), 0);
    const std::vector<unsigned char> none(image_bytes(output) * static_cast<std::size_t>(count), 0xa5);
    slot.out.write(none.data(), none.size(), 0);
    slot.out.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  }
  long compare(Slot& slot, long first, long count, std::FILE* results) {
    std::vector<unsigned char> bytes(image_bytes(output) * static_cast<std::size_t>(count));
    slot.out.read(bytes.data(), bytes.size(), 0);
    long wrong = 0;
    for (long n = 0; n < count; ++n) {
      bool equal = true;
      for (std::size_t i = 0; i < values_of(output); ++i) {
        const std::int64_t value = get(&bytes[image_bytes(output) * static_cast<std::size_t>(n)], bit_of(output, i), output.width, output.is_signed);
        if (results) std::fprintf(results, i == 0 ? "%lld" : " %lld", static_cast<long long>(value));
        if (!expected_.empty() && value != expected_[which(first + n)][i]) {
          if (equal && wrong < 10) std::printf("image %ld, output %zu: expected %lld / 2^%d, got %lld / 2^%d\n", first + n, i, static_cast<long long>(expected_[which(first + n)][i]), output.fraction, static_cast<long long>(value), output.fraction);
          equal = false;
        }
      }
      if (results) std::fputc('\n', results);
      if (!equal) ++wrong;
    }
    return wrong;
  }

  const Options& options_;
  const Rows &images_, &expected_;
  xrt::device device_;
  xrt::kernel kernel_;
};

long positive(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end || value < 1 || value > 1000000000) throw std::invalid_argument(option + ": expected a positive integer, got '" + text + "'");
  return value;
}

Options parse(int argc, char** argv) {
  Options o;
  bool own = false;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      std::printf("usage: %s [--xclbin FILE] [--device INDEX|BDF] [--inputs FILE] [--expected FILE] [--results FILE]\n"
                  "       [--batch N] [--repeat N] [--timeout SECONDS]\n", argv[0]);
      std::exit(0);
    }
    if (i + 1 >= argc) throw std::invalid_argument(name + ": expected a value behind it");
    const std::string value = argv[i + 1];
    if (name == "--xclbin") o.xclbin = value;
    else if (name == "--device") o.device = value;
    else if (name == "--inputs") o.inputs = value, own = true;
    else if (name == "--expected") o.expected = value;
    else if (name == "--results") o.results = value;
    else if (name == "--batch") o.batch = positive(name, value);
    else if (name == "--repeat") o.repeat = positive(name, value);
    else if (name == "--timeout") o.timeout_s = positive(name, value);
    else throw std::invalid_argument(name + ": expected --xclbin, --device, --inputs, --expected, --results, --batch, --repeat or --timeout");
  }
  if (!own && o.expected.empty()) o.expected = "tb_data/expected.dat";
  return o;
}

int run(const Options& options) {
  const Rows images = read_rows<double>(options.inputs, values_of(input), quantise);
  Rows expected;
  if (!options.expected.empty()) {
    expected = read_rows<std::int64_t>(options.expected, values_of(output), [](std::int64_t v) { return v; });
    if (expected.size() != images.size()) throw std::runtime_error(options.expected + ": expected a line for each of " + options.inputs);
  }
  std::FILE* results = options.results.empty() ? nullptr : std::fopen(options.results.c_str(), "w");
  if (!results && !options.results.empty()) throw std::runtime_error("cannot write " + options.results);
  Runner runner(options, images, expected);
  long wrong = runner.check(results);
  if (results && std::fclose(results) != 0) throw std::runtime_error("cannot write " + options.results);
  if (expected.empty()) std::printf("%zu images; nothing to compare with\n", images.size());
  else std::printf("%ld of %zu images differ\n", wrong, images.size());
  const long later = runner.measure();
  if (later > 0) std::printf("%ld of %ld images differ when batches follow each other\n", later, options.batch);
  return wrong + later == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 3;
  }
}
