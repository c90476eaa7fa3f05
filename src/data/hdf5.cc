#include "data/hdf5.h"

#ifdef TAILOR_WITH_HDF5
#include <dlfcn.h>

#include <cmath>
#include <type_traits>

#include "tailor/core/error.h"
#include "tailor/core/files.h"

namespace tailor::data {
namespace {

constexpr H5Z_filter_t kVbzFilter = 32020;
constexpr int64_t kMostNumbers = int64_t{1} << 28;  // samples: 18 hours at 4 kHz
constexpr size_t kLongestText = 4096;

std::mutex& library_mutex() {
  static std::mutex one;
  return one;
}

/// The plug-in as its package installs it: with the libraries, where HDF5 does not look.
bool load_vbz() {
  static const bool loaded = [] {
    for (const char* name : {"libvbz_hdf_plugin.so", "libvbz_hdf_plugin.so.0"}) {
      void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      const auto info =
          reinterpret_cast<const void* (*)()>(::dlsym(library, "H5PLget_plugin_info"));
      if (info != nullptr && H5Zregister(info()) >= 0) return true;
    }
    return false;
  }();
  return loaded;
}

}  // namespace

Hdf5Library::Hdf5Library() : lock_(library_mutex()) {
  H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}
Hdf5Library::~Hdf5Library() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }

Hdf5File::Hdf5File(const std::string& path, std::string what)
    : path_(path), what_(std::move(what)) {
  const std::string beginning = read_beginning(path, 1, what_);  // says why it cannot
  const Hdf5Library library;
  if (!beginning.empty()) id_ = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id_ < 0) {
    fail(ErrorKind::Data, "{} {}: expected an HDF5 file, got {}", what_, path,
         beginning.empty() ? "an empty one" : "something else, or a damaged one");
  }
}
Hdf5File::~Hdf5File() {
  const Hdf5Library library;
  H5Fclose(id_);
}

void Hdf5File::bad(const std::string& where, const std::string& expected,
                   const std::string& got) const {
  fail(ErrorKind::Data, "{} {}: /{}: expected {}, got {}", what_, path_, visible(where), expected,
       got);
}

template <class T>
std::vector<T> Hdf5File::read_row(hid_t group, const char* name, const std::string& where,
                                  int64_t first, int64_t wanted) const {
  const Hdf5Handle data(H5Dopen2(group, name, H5P_DEFAULT), H5Dclose);
  if (!data.open()) bad(where, "numbers", "no such dataset");
  const Hdf5Handle space(H5Dget_space(data.id()), H5Sclose);
  const Hdf5Handle type(H5Dget_type(data.id()), H5Tclose);
  if (H5Tget_class(type.id()) != H5T_INTEGER || H5Tget_size(type.id()) > sizeof(T) ||
      H5Sget_simple_extent_ndims(space.id()) != 1)
    bad(where, fmt::format("one row of {}-bit whole numbers", 8 * sizeof(T)), "something else");
  const auto size = static_cast<int64_t>(H5Sget_simple_extent_npoints(space.id()));
  if (size < 0 || size > kMostNumbers)
    bad(where, fmt::format("at most {} numbers", kMostNumbers), std::to_string(size));
  const int64_t count = wanted < 0 ? size : wanted;
  if (first < 0 || first > size - count)
    bad(where, fmt::format("numbers {} to {}", first, first + count), fmt::format("{}", size));
  verify_filters(data.id(), where);
  std::vector<T> out(static_cast<size_t>(count));
  if (count == 0) return out;
  const auto start = static_cast<hsize_t>(first), block = static_cast<hsize_t>(count);
  const Hdf5Handle memory(H5Screate_simple(1, &block, nullptr), H5Sclose);
  const hid_t native = std::is_same_v<T, int16_t> ? H5T_NATIVE_INT16 : H5T_NATIVE_INT32;
  if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, &start, nullptr, &block, nullptr) < 0 ||
      H5Dread(data.id(), native, memory.id(), space.id(), H5P_DEFAULT, out.data()) < 0)
    bad(where, fmt::format("{} numbers", count), "what cannot be read; the file is damaged");
  return out;
}

int64_t Hdf5File::row_size(hid_t group, const char* name, const std::string& where) const {
  const Hdf5Handle data(H5Dopen2(group, name, H5P_DEFAULT), H5Dclose);
  if (!data.open()) bad(where, "numbers", "no such dataset");
  const Hdf5Handle space(H5Dget_space(data.id()), H5Sclose);
  const int dimensions = H5Sget_simple_extent_ndims(space.id());
  if (dimensions != 1) bad(where, "one row", fmt::format("{} dimensions", dimensions));
  return static_cast<int64_t>(H5Sget_simple_extent_npoints(space.id()));
}
std::vector<int16_t> Hdf5File::read_row16(hid_t group, const char* name,
                                          const std::string& where) const {
  return read_row<int16_t>(group, name, where, 0, -1);
}
std::vector<int32_t> Hdf5File::read_row32(hid_t group, const char* name,
                                          const std::string& where) const {
  return read_row<int32_t>(group, name, where, 0, -1);
}
std::vector<int16_t> Hdf5File::read_part16(hid_t group, const char* name, const std::string& where,
                                           int64_t first, int64_t count) const {
  return read_row<int16_t>(group, name, where, first, count);
}

void Hdf5File::verify_filters(hid_t data, const std::string& where) const {
  const Hdf5Handle properties(H5Dget_create_plist(data), H5Pclose);
  const int count = H5Pget_nfilters(properties.id());
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties.id(), static_cast<unsigned>(i), &flags,
                                               &values, nullptr, 0, nullptr, &config);
    if (H5Zfilter_avail(filter) > 0 || (filter == kVbzFilter && load_vbz())) continue;
    fail(ErrorKind::Unsupported, "{} {}: /{}: it is compressed {}", what_, path_, visible(where),
         filter == kVbzFilter
             ? "by VBZ, whose plug-in is not there: apt-get install libvbz-hdf-plugin0, or name "
               "its folder in $HDF5_PLUGIN_PATH"
             : fmt::format("by filter {}, which this HDF5 does not have: name the folder of its "
                           "plug-in in $HDF5_PLUGIN_PATH",
                           filter));
  }
}

bool hdf5_has(hid_t place, const std::string& name) {
  return H5Lexists(place, name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> names_in_group(hid_t place, const char* group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const auto*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  H5Literate_by_name(place, group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names, H5P_DEFAULT);
  return names;
}

std::string visible(std::string text) {
  for (char& c : text) {
    if (c <= ' ' || c > '~') c = '?';
  }
  return text;
}

std::string hdf5_text(hid_t object, const char* name) {
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.open()) return "";
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose);
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose);
  if (!type.open() || H5Tget_class(type.id()) != H5T_STRING ||
      H5Sget_simple_extent_npoints(space.id()) != 1)
    return "";
  if (H5Tis_variable_str(type.id()) > 0) {
    char* text = nullptr;
    if (H5Aread(attribute.id(), type.id(), &text) < 0 || text == nullptr) return "";
    std::string copy(text);
    H5free_memory(text);
    return visible(copy);
  }
  const size_t size = H5Tget_size(type.id());
  if (size == 0 || size > kLongestText) return "";
  std::string text(size, '\0');
  if (H5Aread(attribute.id(), type.id(), text.data()) < 0) return "";
  return visible(text.substr(0, text.find('\0')));
}

std::optional<double> hdf5_number(hid_t object, const char* name) {
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.open()) return std::nullopt;
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose);
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose);
  const H5T_class_t kind = H5Tget_class(type.id());
  double value = 0;
  if ((kind != H5T_FLOAT && kind != H5T_INTEGER) || H5Sget_simple_extent_npoints(space.id()) != 1 ||
      H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &value) < 0 || !std::isfinite(value))
    return std::nullopt;
  return value;
}

}  // namespace tailor::data
#endif
