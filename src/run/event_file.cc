// Protocol buffers by hand: a field is its number and wire type, then a varint, 4 or 8 bytes, or a
// length and bytes. Numbers of fields are those of event.proto, summary.proto and tensor.proto.
#include "tailor/run/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::run {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t remainder = i;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82f63b78U : 0);
    table[i] = remainder;
  }
  return table;
}

template <typename T>
void append_bytes(std::string& to, T value) {  // little-endian, as the formats are
  for (size_t i = 0; i < sizeof value; ++i)
    to += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

/// A message under way.
class Message {
 public:
  Message& integer(int field, int64_t value) {
    key(field, 0);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    text_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.text_); }
  Message& float64(int field, double value) { return fixed<uint64_t>(field, 1, value); }
  Message& float32(int field, float value) { return fixed<uint32_t>(field, 5, value); }
  const std::string& text() const { return text_; }

 private:
  template <typename Bits, typename Value>
  Message& fixed(int field, int wire_type, Value value) {
    static_assert(sizeof(Bits) == sizeof(Value));
    key(field, wire_type);
    Bits bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    append_bytes(text_, bits);
    return *this;
  }
  void key(int field, int wire_type) { varint(static_cast<uint64_t>(field << 3 | wire_type)); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(0x80 | (value & 0x7f));
    text_ += static_cast<char>(value);
  }

  std::string text_;
};

Message event_now() {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  return Message().float64(1, now.count());  // Event.wall_time
}

Message event_at(int64_t step) { return event_now().integer(2, step); }  // Event.step

/// A text is a tensor of one string that the plugin "text" shows.
Message value_message(const EventValue& value) {
  Message message;
  message.bytes(1, value.tag);  // Summary.Value.tag
  if (const double* number = std::get_if<double>(&value.value))
    return message.float32(2, static_cast<float>(*number));  // simple_value
  constexpr int64_t kString = 7;
  Message plugin, metadata, dimension, shape, tensor;
  plugin.bytes(1, "text");
  metadata.message(1, plugin);  // SummaryMetadata.plugin_data
  dimension.integer(1, 1);
  shape.message(2, dimension);
  tensor.integer(1, kString).message(2, shape).bytes(8, std::get<std::string>(value.value));
  return message.message(9, metadata).message(8, tensor);
}

uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

std::string record_of(const Message& event) {
  std::string record;
  append_bytes(record, uint64_t{event.text().size()});
  append_bytes(record, masked_crc(record));
  record += event.text();
  append_bytes(record, masked_crc(event.text()));
  return record;
}

/// In one write, so that a process that is killed leaves whole records.
void append_record(const std::string& path, const std::string& record) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const bool written = descriptor >= 0 && ::write(descriptor, record.data(), record.size()) ==
                                              static_cast<ssize_t>(record.size());
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!written) {
    fail(ErrorKind::Data, "cannot write {}: {} (runtime.tensorboard=false does without)", path,
         std::strerror(error));
  }
}

/// "events.out.tfevents.1700000000.tailor": the seconds of now, but behind all that are there.
std::string name_behind(const std::string& folder) {
  int64_t number = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const std::string begin = kEventFiles;
  for (const std::string& name : list_directory(folder)) {
    if (!starts_with(name, begin)) continue;
    const auto there =
        parse_int(name.substr(begin.size(), name.find('.', begin.size()) - begin.size()));
    number = std::max(number, there.value_or(0) + 1);
  }
  return fmt::format("{}{:010}.tailor", begin, number);
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~0U;
  for (const char c : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

EventFile::EventFile(const std::string& folder, int64_t step)
    : path_(path_join(folder, name_behind(folder))) {
  Message version = event_now(), start = event_at(step);
  version.bytes(3, "brain.Event:2");          // Event.file_version
  start.message(7, Message().integer(1, 1));  // Event.session_log: SessionLog.START
  write_file(path_, record_of(version) + record_of(start));
}

void EventFile::append(int64_t step, const std::vector<EventValue>& values) {
  Message summary, event = event_at(step);
  for (const EventValue& value : values) summary.message(1, value_message(value));
  append_record(path_, record_of(event.message(5, summary)));
}

}  // namespace tailor::run
