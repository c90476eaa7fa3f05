// CIFAR's official files. Binary: one label byte (CIFAR-100: a coarse one before it) and 3,072
// bytes (1,024 red, green, blue, row-major) a record; Python: a dict of such rows and a list of
// labels. The images are turned to HWC once, at open.
#include "tailor/core/files.h"
#include "tailor/data/images.h"
#include "tailor/tensors/numpy_pickle.h"

namespace tailor::data {
namespace {

constexpr int64_t kPixels = 32 * 32;
constexpr int64_t kImage = 3 * kPixels;

/// The images of several files, one behind the other.
class CifarImages {
 public:
  CifarImages(const std::vector<CifarFile>& files, int64_t classes) : classes_(classes) {
    int64_t total = 0;
    for (const CifarFile& file : files) total += file.count;
    pixels_ = {new uint8_t[static_cast<size_t>(total * kImage)], std::default_delete<uint8_t[]>()};
  }
  void add(const uint8_t* planes, int64_t label, const std::string& path, int64_t record) {
    if (label < 0 || label >= classes_) {
      fail(ErrorKind::Data,
           "CIFAR file {}: record {}: expected a label 0..{}, got {}; the file is damaged", path,
           record, classes_ - 1, label);
    }
    uint8_t* out = pixels_.get() + static_cast<int64_t>(labels_.size()) * kImage;
    for (int64_t p = 0; p < kPixels; ++p) {
      for (int64_t c = 0; c < 3; ++c) out[3 * p + c] = planes[c * kPixels + p];
    }
    labels_.push_back(label);
  }
  Images images() {
    return make_memory_images({3, 32, 32}, std::shared_ptr<const uint8_t>(pixels_), labels_);
  }

 private:
  int64_t classes_;
  std::shared_ptr<uint8_t> pixels_;
  std::vector<int64_t> labels_;
};

}  // namespace

Images load_cifar(const std::vector<CifarFile>& files, int64_t label_bytes, int64_t classes) {
  CifarImages out(files, classes);
  const int64_t record = label_bytes + kImage;
  for (const CifarFile& file : files) {
    const std::string bytes = read_file(file.path, "CIFAR file");
    const auto size = static_cast<int64_t>(bytes.size());
    if (size != file.count * record) {
      fail(ErrorKind::Data,
           "CIFAR file {}: expected {} bytes ({} records of {}), got {}; the file is damaged or "
           "not the binary version",
           file.path, file.count * record, file.count, record, size);
    }
    const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
    for (int64_t i = 0; i < file.count; ++i, in += record)
      out.add(in + label_bytes, in[label_bytes - 1], file.path, i);
  }
  return out.images();
}

Images load_cifar_python(const std::vector<CifarFile>& files, const std::string& label_key,
                         int64_t classes) {
  CifarImages out(files, classes);
  for (const CifarFile& file : files) {
    const TensorMap arrays = load_numpy_pickle(file.path, {"data", label_key}, "CIFAR file");
    const std::string where = "CIFAR file " + file.path;
    const Tensor &data = find_tensor(arrays, "data", where),
                 &labels = find_tensor(arrays, label_key, where);
    const Shape images{file.count, kImage}, one_each{file.count};
    if (data.dtype() != DType::U8 || data.shape() != images || labels.dtype() != DType::I64 ||
        labels.shape() != one_each) {
      fail(ErrorKind::Data,
           "{}: expected data of U8 {} and {} whole numbers {}, got {} {} and {} {}", where,
           tensors::to_string(images), label_key, tensors::to_string(one_each),
           dtype_name(data.dtype()), tensors::to_string(data.shape()), dtype_name(labels.dtype()),
           tensors::to_string(labels.shape()));
    }
    const uint8_t* in = data.as<uint8_t>().data();
    for (int64_t i = 0; i < file.count; ++i, in += kImage)
      out.add(in, labels.as<int64_t>()[static_cast<size_t>(i)], file.path, i);
  }
  return out.images();
}

}  // namespace tailor::data
