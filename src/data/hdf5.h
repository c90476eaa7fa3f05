// HDF5's C library for files that are not trusted: handles that close, one thread at a time, names
// and attributes, filters. There only where the program is built with HDF5 (TAILOR_WITH_HDF5).
#pragma once

#ifdef TAILOR_WITH_HDF5
#include <hdf5.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::data {

/// Debian's HDF5 is not thread-safe, and prints what goes wrong unless it is told not to: every use
/// of it stands in the scope of one of these.
class Hdf5Library {
 public:
  Hdf5Library();
  Hdf5Library(const Hdf5Library&) = delete;
  Hdf5Library& operator=(const Hdf5Library&) = delete;
  ~Hdf5Library();

 private:
  std::unique_lock<std::mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

/// An object of HDF5, closed at the end of its scope.
class Hdf5Handle {
 public:
  Hdf5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(const Hdf5Handle&) = delete;
  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }
  hid_t id() const { return id_; }
  bool open() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// A file to be read; it locks the library itself. Throws Data with `what` ("fast5") and the path.
class Hdf5File {
 public:
  Hdf5File(const std::string& path, std::string what);
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;
  ~Hdf5File();
  hid_t id() const { return id_; }
  const std::string& path() const { return path_; }
  /// Throws Data: what the file has at `where` is not `expected` but `got`.
  [[noreturn]] void bad(const std::string& where, const std::string& expected,
                        const std::string& got) const;
  /// A one-dimensional dataset of whole numbers of at most 16 or 32 bits. Throws Data, and
  /// Unsupported naming a filter that is missing.
  int64_t row_size(hid_t group, const char* name, const std::string& where) const;
  std::vector<int16_t> read_row16(hid_t group, const char* name, const std::string& where) const;
  std::vector<int32_t> read_row32(hid_t group, const char* name, const std::string& where) const;
  /// `count` of them from `first` on.
  std::vector<int16_t> read_part16(hid_t group, const char* name, const std::string& where,
                                   int64_t first, int64_t count) const;

 private:
  template <class T>
  std::vector<T> read_row(hid_t group, const char* name, const std::string& where, int64_t first,
                          int64_t wanted) const;
  void verify_filters(hid_t data, const std::string& where) const;
  std::string path_, what_;
  hid_t id_ = -1;
};

bool hdf5_has(hid_t place, const std::string& name);
/// Names in a group, sorted; of no group none.
std::vector<std::string> names_in_group(hid_t place, const char* group);
/// Bytes that are no visible ASCII become '?': names and texts of a file that may be damaged.
std::string visible(std::string text);
/// A text attribute, visible; "" if there is none.
std::string hdf5_text(hid_t object, const char* name);
/// An attribute that is one finite number.
std::optional<double> hdf5_number(hid_t object, const char* name);

}  // namespace tailor::data
#endif
