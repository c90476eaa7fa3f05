#include "data/fast5.h"

#include "data/hdf5.h"
#include "tailor/core/error.h"
#include "tailor/data/signal.h"

#ifdef TAILOR_WITH_HDF5

namespace tailor::data {
namespace {

class Fast5 : public RawReads {
 public:
  explicit Fast5(const std::string& path) : file_(path, "fast5") {
    const Hdf5Library library;
    for (const std::string& name : names_in_group(file_.id(), "/")) {
      if (name.rfind("read_", 0) == 0)
        places_.push_back({name + "/Raw", name + "/channel_id", name.substr(5)});
    }
    if (hdf5_has(file_.id(), "Raw")) {
      for (const std::string& name : names_in_group(file_.id(), "/Raw/Reads"))
        places_.push_back({"Raw/Reads/" + name, "UniqueGlobalKey/channel_id", name});
    }
    if (places_.empty()) {
      fail(ErrorKind::Data,
           "fast5 {}: expected raw reads, /Raw/Reads/Read_N or /read_UUID/Raw, found neither{}",
           path, hdf5_has(file_.id(), "Analyses") ? "; it has events or calls alone" : "");
    }
  }
  int64_t size() const override { return static_cast<int64_t>(places_.size()); }
  RawRead read(int64_t index) const override {
    const Place& place = places_.at(static_cast<size_t>(index));
    const Hdf5Library library;
    const Hdf5Handle group(H5Gopen2(file_.id(), place.raw.c_str(), H5P_DEFAULT), H5Gclose);
    if (!group.open()) file_.bad(place.raw, "a group", "none");
    RawRead read;
    read.id = hdf5_text(group.id(), "read_id");
    if (read.id.empty()) read.id = visible(place.name);
    const Hdf5Handle channel(H5Gopen2(file_.id(), place.channel.c_str(), H5P_DEFAULT), H5Gclose);
    if (!channel.open())
      file_.bad(place.channel, "the channel's offset, range and digitisation", "no such group");
    auto number = [&](const char* name) {
      const auto value = hdf5_number(channel.id(), name);
      if (!value) file_.bad(place.channel, fmt::format("a number '{}'", name), "none");
      return *value;
    };
    const Calibration calibration = {number("offset"), number("range"), number("digitisation")};
    if (calibration.digitisation <= 0 || calibration.range_pa <= 0) {
      file_.bad(place.channel, "a range and a digitisation above 0",
                fmt::format("{} and {}", calibration.range_pa, calibration.digitisation));
    }
    read.rate_hz = number("sampling_rate");
    read.samples =
        to_picoampere(file_.read_row16(group.id(), "Signal", place.raw + "/Signal"), calibration);
    return read;
  }

 private:
  struct Place {
    std::string raw, channel, name;
  };
  Hdf5File file_;
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
