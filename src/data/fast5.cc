#include "data/fast5.h"

#include "tailor/core/error.h"

#ifdef TAILOR_WITH_HDF5
#include <dlfcn.h>
#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "tailor/core/files.h"
#include "tailor/data/signal.h"

namespace tailor::data {
namespace {

constexpr H5Z_filter_t kVbzFilter = 32020;
constexpr int64_t kMostSamples = int64_t{1} << 28;  // 18 hours at 4 kHz
constexpr size_t kLongestText = 4096;

/// Debian's HDF5 is not thread-safe, and prints what goes wrong unless it is told not to.
class Library {
 public:
  Library() : lock_(mutex()) {
    H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::lock_guard<std::mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

/// An object of HDF5, closed at the end of its scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  hid_t id() const { return id_; }
  bool open() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

bool has(hid_t place, const std::string& name) {
  return H5Lexists(place, name.c_str(), H5P_DEFAULT) > 0;
}

/// Names in a group, sorted; of no group none.
std::vector<std::string> names_in(hid_t place, const char* group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const auto*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  H5Literate_by_name(place, group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names, H5P_DEFAULT);
  return names;
}

/// A text attribute; "" if there is none.
std::string text_attribute(hid_t object, const char* name) {
  const Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.open()) return "";
  const Handle type(H5Aget_type(attribute.id()), H5Tclose);
  const Handle space(H5Aget_space(attribute.id()), H5Sclose);
  if (!type.open() || H5Tget_class(type.id()) != H5T_STRING ||
      H5Sget_simple_extent_npoints(space.id()) != 1)
    return "";
  if (H5Tis_variable_str(type.id()) > 0) {
    char* text = nullptr;
    if (H5Aread(attribute.id(), type.id(), &text) < 0 || text == nullptr) return "";
    std::string copy(text);
    H5free_memory(text);
    return copy;
  }
  const size_t size = H5Tget_size(type.id());
  if (size == 0 || size > kLongestText) return "";
  std::string text(size, '\0');
  if (H5Aread(attribute.id(), type.id(), text.data()) < 0) return "";
  return text.substr(0, text.find('\0'));
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

class Fast5 : public RawReads {
 public:
  explicit Fast5(const std::string& path) : path_(path), file_(open(path), close_file) {
    const Library library;
    for (const std::string& name : names_in(file_.id(), "/")) {
      if (name.rfind("read_", 0) == 0)
        places_.push_back({name + "/Raw", name + "/channel_id", name.substr(5)});
    }
    if (has(file_.id(), "Raw")) {
      for (const std::string& name : names_in(file_.id(), "/Raw/Reads"))
        places_.push_back({"Raw/Reads/" + name, "UniqueGlobalKey/channel_id", name});
    }
    if (places_.empty()) {
      fail(ErrorKind::Data,
           "fast5 {}: expected raw reads, /Raw/Reads/Read_N or /read_UUID/Raw, found neither{}",
           path, has(file_.id(), "Analyses") ? "; it has events or calls alone" : "");
    }
  }
  int64_t size() const override { return static_cast<int64_t>(places_.size()); }
  RawRead read(int64_t index) const override {
    const Library library;
    const Place& place = places_.at(static_cast<size_t>(index));
    const Handle group(H5Gopen2(file_.id(), place.raw.c_str(), H5P_DEFAULT), H5Gclose);
    if (!group.open()) bad(place.raw, "a group", "none");
    RawRead read;
    read.id = text_attribute(group.id(), "read_id");
    if (read.id.empty()) read.id = place.name;
    const Handle channel(H5Gopen2(file_.id(), place.channel.c_str(), H5P_DEFAULT), H5Gclose);
    if (!channel.open())
      bad(place.channel, "the channel's offset, range and digitisation", "no such group");
    const Calibration calibration = {number(channel.id(), place, "offset"),
                                     number(channel.id(), place, "range"),
                                     number(channel.id(), place, "digitisation")};
    if (calibration.digitisation <= 0 || calibration.range_pa <= 0) {
      bad(place.channel, "a range and a digitisation above 0",
          fmt::format("{} and {}", calibration.range_pa, calibration.digitisation));
    }
    read.rate_hz = number(channel.id(), place, "sampling_rate");
    read.samples = to_picoampere(samples(group.id(), place.raw + "/Signal"), calibration);
    return read;
  }

 private:
  struct Place {
    std::string raw, channel, name;
  };

  static hid_t open(const std::string& path) {
    const std::string beginning = read_beginning(path, 1, "fast5");  // says why it cannot
    const Library library;
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    if (beginning.empty() || file < 0) {
      fail(ErrorKind::Data, "fast5 {}: expected an HDF5 file, got {}", path,
           beginning.empty() ? "an empty one" : "something else, or a damaged one");
    }
    return file;
  }
  static herr_t close_file(hid_t file) {
    const Library library;
    return H5Fclose(file);
  }
  [[noreturn]] void bad(const std::string& where, const std::string& expected,
                        const std::string& got) const {
    fail(ErrorKind::Data, "fast5 {}: /{}: expected {}, got {}", path_, where, expected, got);
  }
  double number(hid_t object, const Place& place, const char* name) const {
    const Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
    double value = std::nan("");
    if (attribute.open()) {
      const Handle type(H5Aget_type(attribute.id()), H5Tclose);
      const Handle space(H5Aget_space(attribute.id()), H5Sclose);
      const H5T_class_t kind = H5Tget_class(type.id());
      const bool numeric = kind == H5T_FLOAT || kind == H5T_INTEGER;
      if (!numeric || H5Sget_simple_extent_npoints(space.id()) != 1 ||
          H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &value) < 0)
        value = std::nan("");
    }
    if (!std::isfinite(value)) bad(place.channel, fmt::format("a number '{}'", name), "none");
    return value;
  }
  std::vector<int16_t> samples(hid_t group, const std::string& where) const {
    const Handle data(H5Dopen2(group, "Signal", H5P_DEFAULT), H5Dclose);
    if (!data.open()) bad(where, "the samples", "no such dataset");
    const Handle space(H5Dget_space(data.id()), H5Sclose);
    const Handle type(H5Dget_type(data.id()), H5Tclose);
    if (H5Tget_class(type.id()) != H5T_INTEGER || H5Tget_size(type.id()) > sizeof(int16_t) ||
        H5Sget_simple_extent_ndims(space.id()) != 1)
      bad(where, "one row of 16-bit whole numbers", "something else");
    const auto count = static_cast<int64_t>(H5Sget_simple_extent_npoints(space.id()));
    if (count < 0 || count > kMostSamples)
      bad(where, fmt::format("at most {} samples", kMostSamples), std::to_string(count));
    verify_filters(data.id(), where);
    std::vector<int16_t> out(static_cast<size_t>(count));
    if (H5Dread(data.id(), H5T_NATIVE_SHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0)
      bad(where, fmt::format("{} samples", count), "what cannot be read; the file is damaged");
    return out;
  }
  void verify_filters(hid_t data, const std::string& where) const {
    const Handle properties(H5Dget_create_plist(data), H5Pclose);
    const int count = H5Pget_nfilters(properties.id());
    for (int i = 0; i < count; ++i) {
      unsigned flags = 0, config = 0;
      size_t values = 0;
      const H5Z_filter_t filter = H5Pget_filter2(properties.id(), static_cast<unsigned>(i), &flags,
                                                 &values, nullptr, 0, nullptr, &config);
      if (H5Zfilter_avail(filter) > 0 || (filter == kVbzFilter && load_vbz())) continue;
      fail(ErrorKind::Unsupported, "fast5 {}: /{}: it is compressed {}", path_, where,
           filter == kVbzFilter
               ? "by VBZ, whose plug-in is not there: apt-get install libvbz-hdf-plugin0, or name "
                 "its folder in $HDF5_PLUGIN_PATH"
               : fmt::format("by filter {}, which this HDF5 does not have: name the folder of its "
                             "plug-in in $HDF5_PLUGIN_PATH",
                             filter));
    }
  }

  std::string path_;
  Handle file_;
  std::vector<Place> places_;
};

}  // namespace

std::shared_ptr<const RawReads> open_fast5(const std::string& path) {
  return std::make_shared<Fast5>(path);
}
bool reads_fast5() { return true; }

}  // namespace tailor::data

#else

namespace tailor::data {

std::shared_ptr<const RawReads> open_fast5(const std::string& path) {
  fail(ErrorKind::Unsupported,
       "fast5 {}: this program was built without HDF5: install libhdf5-dev and build it again, or "
       "save the raw signal as .npy",
       path);
}
bool reads_fast5() { return false; }

}  // namespace tailor::data

#endif
