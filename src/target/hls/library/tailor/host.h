// Part of tailor. You may use, copy and change this file without condition.
// What exists only off the FPGA: weights parsed from the very files that synthesis includes, and
// taps that write every stage's tokens.
#ifndef TAILOR_HOST_H_
#define TAILOR_HOST_H_

#ifndef __SYNTHESIS__

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
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

/// Fills an array from "NAME[…] = {…};" in weights/FILE. Anything but exactly SIZE integers ends
/// the program.
template <class T, int SIZE>
void load_weights(const char* file, const char* name, T (&array)[SIZE]) {
  std::string path = project_file(std::string("weights/") + file);
  std::ifstream in(path.c_str());
  std::stringstream buffer;
  buffer << in.rdbuf();
  const std::string text = buffer.str();
  std::size_t at = text.find(std::string(" ") + name + "[");
  if (at != std::string::npos) at = text.find('{', at);
  if (at == std::string::npos) host_error(path + ": there is no array " + name);
  const char* p = text.c_str() + at + 1;
  for (int i = 0; i < SIZE; ++i) {
    char* end = 0;
    const long long value = std::strtoll(p, &end, 10);
    if (end == p) host_error(path + ": " + name + " has fewer values than the design needs");
    array[i] = static_cast<T>(value);
    if (static_cast<long long>(array[i]) != value)
      host_error(path + ": " + name + " has a value that does not fit its type");
    p = end;
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == ',') ++p;
  }
  if (*p != '}') host_error(path + ": " + name + " has more values than the design needs");
}

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

#endif  // TAILOR_HOST_H_
