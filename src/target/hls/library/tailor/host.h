// Part of tailor. You may use, copy and change this file without condition.
// What exists only off the FPGA: weights parsed from the very files that synthesis includes, taps
// that write every stage's tokens, and the counts of every stage's iterations.
#ifndef TAILOR_HOST_H_
#define TAILOR_HOST_H_

#ifndef __SYNTHESIS__

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tokens.h"

namespace tailor {

inline void host_error(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(3);
}

/// A file of the project, wherever the tool has put it: $TAILOR_PROJECT, the working directory, or
/// beside the sources.
inline std::string project_file(const std::string& name) {
  std::vector<std::string> roots;
  if (const char* root = std::getenv("TAILOR_PROJECT")) {
    roots.push_back(std::string(root) + "/");
    roots.push_back(std::string(root) + "/firmware/");
  }
  roots.push_back("");
  roots.push_back("firmware/");
  for (std::size_t i = 0; i < roots.size(); ++i) {
    if (std::ifstream((roots[i] + name).c_str())) return roots[i] + name;
  }
  host_error("cannot find " + name + "; run in the project's folder or set TAILOR_PROJECT to it");
  return "";
}

/// Integers of "NAME[…] = {…};" in weights/FILE, one after another; rows have braces of their own.
/// Anything but exactly so many ends the program.
class WeightReader {
 public:
  WeightReader(const char* file, const char* name)
      : name_(name), path_(project_file(std::string("weights/") + file)) {
    std::ifstream in(path_.c_str());
    std::stringstream buffer;
    buffer << in.rdbuf();
    text_ = buffer.str();
    std::size_t at = text_.find(" " + name_ + "[");
    if (at != std::string::npos) at = text_.find('{', at);
    if (at == std::string::npos) host_error(path_ + ": there is no array " + name_);
    next_ = text_.c_str() + at;
    skip();
  }
  template <class T>
  void read(T& value) {
    char* end = 0;
    const long long number = std::strtoll(next_, &end, 10);
    if (end == next_) host_error(path_ + ": " + name_ + " has fewer values than the design needs");
    value = static_cast<T>(number);
    if (static_cast<long long>(value) != number)
      host_error(path_ + ": " + name_ + " has a value that does not fit its type");
    next_ = end;
    skip();
  }
  void end() const {
    if (*next_ != ';') host_error(path_ + ": " + name_ + " has more values than the design needs");
  }

 private:
  void skip() {
    while (*next_ != 0 && std::strchr(" \n\r,{}", *next_)) ++next_;
  }

  std::string name_, path_, text_;
  const char* next_;
};

template <class T, int SIZE>
void load_weights(const char* file, const char* name, T (&array)[SIZE]) {
  WeightReader reader(file, name);
  for (int i = 0; i < SIZE; ++i) reader.read(array[i]);
  reader.end();
}
template <class T, int ROWS, int COLUMNS>
void load_weights(const char* file, const char* name, T (&array)[ROWS][COLUMNS]) {
  WeightReader reader(file, name);
  for (int r = 0; r < ROWS; ++r) {
    for (int c = 0; c < COLUMNS; ++c) reader.read(array[r][c]);
  }
  reader.end();
}

/// Iterations of every stage's loop so far, by the stage's name.
inline std::map<std::string, long long>& stage_iterations() {
  static std::map<std::string, long long> all;
  return all;
}
#define TAILOR_ITERATIONS(name, stage) \
  ::tailor::stage_iterations()[name] = ::tailor::Iterations<stage>::count;

#ifdef TAILOR_TRACE
/// Appends every token of a stream as a line of raw integers to $TAILOR_TRACE_DIR/NAME.txt, and
/// puts the tokens back.
template <int CHANNELS, int BITS, class T, class Token>
void tap(const char* name, hls::stream<Token>& stream) {
  const char* folder = std::getenv("TAILOR_TRACE_DIR");
  std::FILE* file =
      std::fopen((std::string(folder ? folder : ".") + "/" + name + ".txt").c_str(), "a");
  if (!file) host_error(std::string("cannot write the trace of ") + name);
  std::vector<Token> tokens;
  while (!stream.empty()) tokens.push_back(stream.read());
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (int c = 0; c < CHANNELS; ++c) {
      ap_int<BITS> raw;
      raw.range(BITS - 1, 0) = tokens[t].range((c + 1) * BITS - 1, c * BITS);
      std::fprintf(file, c == 0 ? "%lld" : " %lld", static_cast<long long>(raw.to_int64()));
    }
    std::fputc('\n', file);
    stream.write(tokens[t]);
  }
  std::fclose(file);
}
#define TAILOR_TAP(name, stream, channels, bits, type) \
  ::tailor::tap<channels, bits, type>(name, stream);
#endif

}  // namespace tailor

#endif  // __SYNTHESIS__

#ifndef TAILOR_TAP
#define TAILOR_TAP(name, stream, channels, bits, type)
#endif
#ifndef TAILOR_ITERATIONS
#define TAILOR_ITERATIONS(name, stage)
#endif

#endif  // TAILOR_HOST_H_
