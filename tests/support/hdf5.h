// HDF5 files for tests, written by the library itself. There only with HDF5.
#pragma once

#include <gtest/gtest.h>
#include <hdf5.h>

#include <string>
#include <type_traits>
#include <vector>

namespace tailor::testing {

/// A group, a dataset or the like, closed at the end.
template <herr_t (*Close)(hid_t)>
struct Closed {
  hid_t id;
  Closed(hid_t i) : id(i) { EXPECT_GE(id, 0); }  // NOLINT
  Closed(const Closed&) = delete;
  Closed& operator=(const Closed&) = delete;
  ~Closed() { Close(id); }
  operator hid_t() const { return id; }  // NOLINT
};
using File = Closed<H5Fclose>;
using Group = Closed<H5Gclose>;
using Space = Closed<H5Sclose>;

inline hid_t make_group(hid_t place, const std::string& name) {
  const Closed<H5Pclose> parents(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(parents, 1);
  return H5Gcreate2(place, name.c_str(), parents, H5P_DEFAULT, H5P_DEFAULT);
}
inline void set_number(hid_t group, const char* name, double value) {
  const Space space(H5Screate(H5S_SCALAR));
  const Closed<H5Aclose> a(
      H5Acreate2(group, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT));
  H5Awrite(a, H5T_NATIVE_DOUBLE, &value);
}
inline void set_text(hid_t group, const char* name, const std::string& text, bool variable) {
  const Space space(H5Screate(H5S_SCALAR));
  const Closed<H5Tclose> type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type, variable ? H5T_VARIABLE : text.size());
  const Closed<H5Aclose> a(H5Acreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
  const char* pointer = text.c_str();
  H5Awrite(a, type, variable ? static_cast<const void*>(&pointer) : pointer);
}
/// A row of numbers named `name`; `filter` 0: in one piece, else chunked and through it.
template <class T>
herr_t set_row(hid_t group, const char* name, const std::vector<T>& numbers,
               H5Z_filter_t filter = 0, const std::vector<unsigned>& values = {}) {
  const hid_t native = std::is_same_v<T, int16_t>   ? H5T_NATIVE_INT16
                       : std::is_same_v<T, int32_t> ? H5T_NATIVE_INT32
                                                    : H5T_NATIVE_FLOAT;
  const hsize_t size = numbers.size();
  const Space space(H5Screate_simple(1, &size, nullptr));
  const Closed<H5Pclose> properties(H5Pcreate(H5P_DATASET_CREATE));
  if (filter != 0) {
    H5Pset_chunk(properties, 1, &size);
    H5Pset_filter(properties, filter, H5Z_FLAG_MANDATORY, values.size(), values.data());
  }
  const Closed<H5Dclose> data(
      H5Dcreate2(group, name, native, space, H5P_DEFAULT, properties, H5P_DEFAULT));
  return H5Dwrite(data, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data());
}
inline hid_t make_file(const std::string& path) {
  return H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

}  // namespace tailor::testing
