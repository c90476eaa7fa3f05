#include "tailor/data/reads.h"

#include "data/fast5.h"
#include "data/files.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/tensors/npy.h"

namespace tailor::data {
namespace {

constexpr size_t kMostSamplesOfRow = size_t{1} << 28;

class NpyReads : public RawReads {
 public:
  explicit NpyReads(const std::string& path)
      : name_(file_name(path).substr(0, file_name(path).size() - 4)),
        one_(false),
        rows_(path, kWhat) {
    const tensors::Shape& shape = rows_.shape();
    const auto samples = static_cast<size_t>(shape.size() == 1 ? shape[0] : rows_.row_size());
    if (shape.size() > 2 || shape[0] == 0 || samples == 0 || samples > kMostSamplesOfRow) {
      fail(ErrorKind::Data,
           "{} {}: expected the samples of a read, [samples], or of several, [reads, samples], got "
           "shape {}",
           kWhat, path, tensors::to_string(shape));
    }
    one_ = shape.size() == 1;
  }
  int64_t size() const override { return one_ ? 1 : rows_.rows(); }
  RawRead read(int64_t index) const override {
    TAILOR_CHECK(index >= 0 && index < size(), "read {} of {}", index, size());
    RawRead read;
    read.id = one_ ? name_ : fmt::format("{}_{}", name_, index);
    if (!one_) {
      rows_.read(index, read.samples);
      return read;
    }
    for (const double v : load_npy(rows_.path(), kWhat).to_doubles())
      read.samples.push_back(static_cast<float>(v));
    return read;
  }

 private:
  static constexpr const char* kWhat = "raw signal";
  std::string name_;
  bool one_;
  NpyRows rows_;
};

}  // namespace

std::shared_ptr<const RawReads> open_reads(const std::string& path) {
  require_file(path, "raw signal file");
  const std::string extension = extension_of(path);
  if (extension == ".npy") return std::make_shared<NpyReads>(path);
  if (extension == ".fast5" || extension == ".h5" || extension == ".hdf5") return open_fast5(path);
  fail(ErrorKind::Unsupported,
       "raw signal {}: expected .npy, .fast5, .h5 or .hdf5; write other formats (pod5, slow5) as "
       ".npy of int16 or float32, one file a read",
       path);
}

}  // namespace tailor::data
