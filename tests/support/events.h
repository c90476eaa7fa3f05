// Reads TensorBoard's event files by their formats alone: TFRecords with CRC-32C bit by bit, and
// protocol buffers by wire type. Nothing of the writer is used.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tailor/core/files.h"

namespace tailor::testing {

/// The division by the polynomial itself: a bit at a time, no table.
inline uint32_t slow_crc32c(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return crc ^ 0xffffffff;
}

/// The first n bytes as a little-endian number.
inline uint64_t little_endian(const std::string& bytes, size_t at, size_t n) {
  uint64_t value = 0;
  for (size_t i = 0; i < n; ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes.at(at + i))) << 8 * i;
  return value;
}

/// The contents of the records; `torn` is how many bytes at the end are none. Throws where a sum is
/// wrong.
inline std::vector<std::string> read_tf_records(const std::string& bytes, size_t* torn = nullptr) {
  auto verify = [](const std::string& part, uint64_t masked) {
    const uint32_t crc = slow_crc32c(part), turned = crc >> 15 | crc << 17;
    if (static_cast<uint32_t>(turned + 0xa282ead8) != masked)
      throw std::runtime_error("a record with a wrong sum");
  };
  std::vector<std::string> records;
  size_t at = 0;
  while (at + 12 <= bytes.size()) {
    const uint64_t size = little_endian(bytes, at, 8);
    verify(bytes.substr(at, 8), little_endian(bytes, at + 8, 4));
    if (at + 16 + size > bytes.size()) break;
    records.push_back(bytes.substr(at + 12, size));
    verify(records.back(), little_endian(bytes, at + 12 + size, 4));
    at += 16 + size;
  }
  if (torn) *torn = bytes.size() - at;
  return records;
}

/// A message's fields: numbers as they are on the wire, and bytes.
struct WireMessage {
  std::multimap<int, uint64_t> numbers;
  std::multimap<int, std::string> bytes;

  explicit WireMessage(const std::string& text) {
    size_t at = 0;
    auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(text.at(at++));
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < text.size()) {
      const uint64_t key = varint();
      const int field = static_cast<int>(key >> 3);
      switch (key & 7) {
        case 0:
          numbers.emplace(field, varint());
          break;
        case 1:
          numbers.emplace(field, little_endian(text, at, 8));
          at += 8;
          break;
        case 2: {
          const uint64_t size = varint();
          if (at + size > text.size()) throw std::runtime_error("a field beyond its message");
          bytes.emplace(field, text.substr(at, size));
          at += size;
          break;
        }
        case 5:
          numbers.emplace(field, little_endian(text, at, 4));
          at += 4;
          break;
        default:
          throw std::runtime_error("an unknown wire type");
      }
    }
  }
  uint64_t number(int field) const {
    const auto found = numbers.find(field);
    return found == numbers.end() ? 0 : found->second;
  }
  std::string text(int field) const {
    const auto found = bytes.find(field);
    return found == bytes.end() ? "" : found->second;
  }
  double float64(int field) const {
    const uint64_t bits = number(field);
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
};

struct TensorBoardEvent {
  double wall_time = 0;
  int64_t step = 0;
  std::string version;
  bool starts = false;  // SessionLog.START
  std::map<std::string, float> scalars;
  std::map<std::string, std::string> texts;
};

inline TensorBoardEvent read_event(const std::string& record) {
  const WireMessage message(record);
  TensorBoardEvent event;
  event.wall_time = message.float64(1);
  event.step = static_cast<int64_t>(message.number(2));
  event.version = message.text(3);
  event.starts = WireMessage(message.text(7)).number(1) == 1;
  const auto values = WireMessage(message.text(5)).bytes;
  for (const auto& [field, bytes] : values) {
    const WireMessage value(bytes);
    if (value.numbers.count(2) > 0) {
      const auto bits = static_cast<uint32_t>(value.number(2));
      std::memcpy(&event.scalars[value.text(1)], &bits, sizeof bits);
      continue;
    }
    const WireMessage plugin(WireMessage(value.text(9)).text(1)), tensor(value.text(8));
    const bool is_text = plugin.text(1) == "text" && tensor.number(1) == 7 &&  // DT_STRING
                         WireMessage(WireMessage(tensor.text(2)).text(2)).number(1) == 1;
    if (!is_text) throw std::runtime_error("neither a scalar nor a text");
    event.texts[value.text(1)] = tensor.text(8);
  }
  return event;
}

/// Of all event files of a folder, in the order of their names, as TensorBoard has them: what a
/// START voids is gone.
inline std::vector<TensorBoardEvent> read_events(const std::string& folder) {
  std::vector<TensorBoardEvent> events;
  for (const std::string& name : core::list_directory(folder)) {
    if (name.find("tfevents") == std::string::npos) continue;
    for (const std::string& record : read_tf_records(core::read_file(folder + "/" + name))) {
      const TensorBoardEvent event = read_event(record);
      while (event.starts && !events.empty() && events.back().step >= event.step) events.pop_back();
      if (event.version.empty() && !event.starts) events.push_back(event);
    }
  }
  return events;
}

}  // namespace tailor::testing
