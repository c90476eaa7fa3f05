// PyTorch files written byte by byte, so that tests can write what PyTorch would not.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/rooms.h"

namespace tailor::testing {

template <size_t N>
std::string raw(const char (&text)[N]) {
  return std::string(text, N - 1);
}

inline std::string little(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i, value >>= 8) bytes += static_cast<char>(value);
  return bytes;
}

// Pickles: every function gives the opcodes that push its value.
inline std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
inline std::string number(int64_t value) {
  return raw("\x8a\x08") + little(static_cast<uint64_t>(value), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
inline std::string sizes(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t v : values) items.push_back(number(v));
  return tuple(items);
}
inline std::string call(const std::string& callable, const std::vector<std::string>& arguments) {
  return callable + tuple(arguments) + "R";
}
/// An object made without arguments, as Python pickles those of its own classes.
inline std::string made(const std::string& class_) { return class_ + ")\x81"; }
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "}(";
  for (const auto& [key, value] : entries) out += text(key) + value;
  return out + "u";
}
/// Python 2's strings, which are bytes.
inline std::string old_text(const std::string& value) {
  return value.size() < 256 ? "U" + little(value.size(), 1) + value
                            : "T" + little(value.size(), 4) + value;
}
/// A NumPy array as Python 2 pickles it.
inline std::string numpy_array(const std::string& type, const std::string& order,
                               const std::vector<int64_t>& shape, bool fortran_order,
                               const std::string& bytes) {
  const std::string dtype =
      call(global("numpy", "dtype"), {old_text(type), number(0), number(1)}) +
      tuple({number(3), old_text(order), "N", "N", "N", number(-1), number(-1), number(0)}) + "b";
  return call(global("numpy.core.multiarray", "_reconstruct"),
              {global("numpy", "ndarray"), tuple({number(0)}), old_text("b")}) +
         tuple({number(1), sizes(shape), dtype, fortran_order ? "\x88" : "\x89", old_text(bytes)}) +
         "b";
}
/// A dict with Python 2's keys, in a whole pickle.
inline std::string old_dict_pickle(
    const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = raw("\x80\x02") + "}(";
  for (const auto& [key, value] : entries) out += old_text(key) + value;
  return out + "u.";
}
inline std::string list(const std::vector<int64_t>& values) {
  std::string out = "](";
  for (int64_t v : values) out += number(v);
  return out + "e";
}
inline std::string storage(const std::string& type, const std::string& key, int64_t elements,
                           const std::string& view = "") {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), number(elements),
                view}) +
         "Q";
}
inline std::string tensor(const std::string& from, int64_t offset,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {from, number(offset), sizes(shape), sizes(strides), "\x89",
               call(global("collections", "OrderedDict"), {})});
}
inline std::string pickle(const std::string& value) { return raw("\x80\x02") + value + "."; }

inline uint32_t crc32_bitwise(const std::string& bytes) {
  uint32_t c = ~uint32_t{0};
  for (char byte : bytes) {
    c ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~c;
}

/// A zip archive as APPNOTE 4.3 describes it; the fields can be set wrong.
struct ZipWriter {
  struct Member {
    std::string name, bytes;
    int64_t offset = -1;  // -1: where it is
    uint64_t size = ~uint64_t{0};
    uint16_t method = 0, flags = 0;
    bool bad_crc = false;
  };
  std::vector<Member> members;
  bool zip64 = false;

  std::string bytes() const {
    std::string out, directory;
    for (const Member& m : members) {
      const uint64_t offset = m.offset < 0 ? out.size() : static_cast<uint64_t>(m.offset);
      const uint64_t size = m.size == ~uint64_t{0} ? m.bytes.size() : m.size;
      const std::string common = little(m.flags, 2) + little(m.method, 2) + little(0, 4) +
                                 little(crc32_bitwise(m.bytes) ^ (m.bad_crc ? 1U : 0U), 4);
      const std::string none = little(0xFFFFFFFF, 4);
      const std::string extra = zip64 ? little(1, 2) + little(24, 2) + little(size, 8) +
                                            little(size, 8) + little(offset, 8)
                                      : "";
      const std::string both = zip64 ? none + none : little(size, 4) + little(size, 4);
      out += raw("PK\x03\x04") + little(20, 2) + common + both + little(m.name.size(), 2) +
             little(0, 2) + m.name + m.bytes;
      directory += raw("PK\x01\x02") + little(20, 2) + little(20, 2) + common + both +
                   little(m.name.size(), 2) + little(extra.size(), 2) + little(0, 10) +
                   (zip64 ? none : little(offset, 4)) + m.name + extra;
    }
    const uint64_t begin = out.size(), count = members.size();
    out += directory;
    if (zip64) {
      const uint64_t end64 = out.size();
      out += raw("PK\x06\x06") + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
             little(count, 8) + little(count, 8) + little(directory.size(), 8) + little(begin, 8);
      out += raw("PK\x06\x07") + little(0, 4) + little(end64, 8) + little(1, 4);
    }
    return out + raw("PK\x05\x06") + little(0, 4) + little(zip64 ? 0xFFFF : count, 2) +
           little(zip64 ? 0xFFFF : count, 2) + little(zip64 ? 0xFFFFFFFF : directory.size(), 4) +
           little(zip64 ? 0xFFFFFFFF : begin, 4) + little(0, 2);
  }
};

/// torch.save's zip format with this pickled value and these storages.
inline ZipWriter torch_zip(const std::string& value,
                           const std::vector<std::pair<std::string, std::string>>& storages = {}) {
  ZipWriter zip;
  zip.members.push_back({"a/data.pkl", pickle(value)});
  for (const auto& [key, bytes] : storages) zip.members.push_back({"a/data/" + key, bytes});
  return zip;
}

/// The older format: storages are (key, count of elements as it says, bytes).
struct OldStorage {
  std::string key;
  uint64_t elements;
  std::string bytes;
};
inline std::string torch_old(const std::string& value, const std::vector<OldStorage>& storages,
                             int64_t version = 1001) {
  std::string keys = "](", data;
  for (const OldStorage& s : storages) {
    keys += text(s.key);
    data += little(s.elements, 8) + s.bytes;
  }
  return pickle(raw("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")) + pickle(number(version)) +
         pickle("}") + pickle(value) + pickle(keys + "e") + data;
}

}  // namespace tailor::testing
