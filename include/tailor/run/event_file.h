// Scalars and texts by step as TensorBoard reads them: TFRecords (length, masked CRC-32C of it,
// bytes, masked CRC-32C of them) around `Event` messages of tensorflow/core/util/event.proto.
// A file is only ever appended to, by the one process that made it, in whole records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::run {

/// CRC-32C (Castagnoli; RFC 3720, B.4).
uint32_t crc32c(std::string_view bytes);

/// What the names of such files begin with; TensorBoard reads those of a folder by name.
constexpr const char* kEventFiles = "events.out.tfevents.";

struct EventValue {
  std::string tag;  // "accuracy/train"
  std::variant<double, std::string> value;
};

class EventFile {
 public:
  /// Makes a file in `folder` whose name comes behind those that are there. What they have of
  /// `step` and later is void: TensorBoard drops it when it reads this one's beginning.
  EventFile(const std::string& folder, int64_t step);
  const std::string& path() const { return path_; }
  /// Values of one step, as one record. Throws Data where it cannot be written.
  void append(int64_t step, const std::vector<EventValue>& values);

 private:
  std::string path_;
};

}  // namespace tailor::run
