// WAV files byte by byte, and sounds.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace tailor::testing {

inline void append_number(std::string& bytes, uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
}

/// A WAV file of 16 bits, or of 32-bit floats where `floats` is not empty; channels interleaved.
inline std::string wav_bytes(const std::vector<int16_t>& words, int channels, int rate_hz,
                             const std::vector<float>& floats = {}) {
  std::string data;
  for (const int16_t word : words) append_number(data, static_cast<uint16_t>(word), 2);
  data.append(reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float));
  const int bytes = floats.empty() ? 2 : 4;
  std::string out = "RIFF";
  append_number(out, 36 + data.size(), 4);
  out += "WAVEfmt ";
  append_number(out, 16, 4);
  append_number(out, floats.empty() ? 1 : 3, 2);
  append_number(out, static_cast<uint64_t>(channels), 2);
  append_number(out, static_cast<uint64_t>(rate_hz), 4);
  append_number(out, static_cast<uint64_t>(rate_hz * channels * bytes), 4);
  append_number(out, static_cast<uint64_t>(channels * bytes), 2);
  append_number(out, static_cast<uint64_t>(8 * bytes), 2);
  out += "data";
  append_number(out, data.size(), 4);
  return out + data;
}

inline std::vector<float> sine(int64_t count, double hz, double rate_hz, double height = 0.5) {
  std::vector<float> samples;
  for (int64_t i = 0; i < count; ++i) {
    samples.push_back(static_cast<float>(
        height * std::sin(2 * 3.14159265358979323846 * hz * static_cast<double>(i) / rate_hz)));
  }
  return samples;
}

}  // namespace tailor::testing
