#include "tailor/data/pictures.h"

#include <algorithm>
#include <mutex>
#include <type_traits>

#include "data/arrays.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/codec.h"
#include "tailor/tensors/npy.h"

namespace tailor::data {
namespace {

Span<const uint8_t> picture_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

bool is_npy(const std::string& bytes) { return bytes.compare(0, 6, "\x93NUMPY") == 0; }

/// Whether bytes cannot hold the file's values: an array of other than u1, a PNG of 16 bits. Its
/// beginning says so; what cannot be read is found again when it is asked for.
bool needs_floats(const std::string& path) {
  // The first chunk of a PNG, behind eight bytes of signature: length, name, width, height, bits.
  constexpr size_t kPngBits = 24;
  try {
    const std::string start = read_beginning(path, kPngBits + 1, "picture");
    if (is_npy(start)) return load_npy_type(path, "picture") != "u1";
    return start.compare(0, 4, "\x89PNG") == 0 && start.size() > kPngBits && start[kPngBits] == 16;
  } catch (const Error&) {
    return false;
  }
}

class PictureFiles : public ImageDataset {
 public:
  PictureFiles(std::vector<std::string> paths, MapShape shape, int64_t resize)
      : paths_(std::move(paths)),
        shape_(shape),
        resize_(resize),
        floats_(std::any_of(paths_.begin(), paths_.end(), needs_floats)),
        problems_(paths_.size()) {}

  int64_t size() const override { return static_cast<int64_t>(paths_.size()); }
  PixelType pixel_type() const override { return floats_ ? PixelType::F32 : PixelType::U8; }
  std::string name(int64_t index) const override { return paths_.at(static_cast<size_t>(index)); }
  bool decodes() const override { return true; }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    TAILOR_CHECK(!floats_, "values read as bytes");
    return read(index, pixels_hwc);
  }
  int64_t get_values(int64_t index, Span<float> values_hwc) const override {
    return floats_ ? read(index, values_hwc) : ImageDataset::get_values(index, values_hwc);
  }
  FileReport report() const override {
    FileReport report;
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < problems_.size(); ++i) {
      const auto& [unreadable, damage] = problems_[i];
      if (!unreadable.empty()) report.left_out.emplace_back(paths_[i], unreadable);
      if (!damage.empty()) report.damaged.emplace_back(paths_[i], damage);
    }
    return report;
  }

 private:
  struct Problem {
    std::string unreadable, damage;
  };

  template <class T>
  int64_t read(int64_t index, Span<T> out) const {
    Problem problem;
    try {
      if (!path_exists(name(index))) fail(ErrorKind::Data, "there is no such file");
      if (is_directory(name(index))) fail(ErrorKind::Data, "it is a folder, expected a picture");
      const std::string bytes = read_file(name(index), "picture");
      if (is_npy(bytes)) {
        read_array(bytes, name(index), out);
      } else {
        problem.damage = read_picture(picture_bytes(bytes), out);
      }
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Unsupported) throw;
      problem.unreadable = e.what();
      std::fill(out.begin(), out.end(), T{0});
    }
    std::lock_guard lock(mutex_);
    problems_[static_cast<size_t>(index)] = std::move(problem);
    return 0;
  }

  template <class T>
  std::string read_picture(Span<const uint8_t> bytes, Span<T> out) const {
    if (shape_.channels != 3 && shape_.channels != 1) {
      probe_image(bytes);  // says what is no picture at all
      fail(ErrorKind::Data, "a picture has 3 channels or 1, the network takes {}; give it as .npy",
           shape_.channels);
    }
    return decode_window(
        bytes, [&](Extent e) { return centre_window(e, shape_, resize_); }, shape_, out);
  }

  /// A set of one example, so that its values are those of the sets that networks train on.
  template <class T>
  void read_array(const std::string& bytes, const std::string& path, Span<T> out) const {
    std::string type;
    const Tensor array = parse_npy(bytes, path, "picture", &type);
    Shape s = array.shape();
    const bool grey = s.size() == 2;
    if (grey) s.push_back(1);
    const size_t copies = grey && shape_.channels == 3 ? 3 : 1;
    if (s.size() != 3 || s[2] * static_cast<int64_t>(copies) != shape_.channels) {
      fail(ErrorKind::Data, "expected the shape [rows, columns, {}]{}, got {}", shape_.channels,
           shape_.channels == 3 || shape_.channels == 1 ? " or [rows, columns]" : "",
           tensors::to_string(array.shape()));
    }
    if (element_count(s) > 0 && s[0] > kMaxPixels / s[1]) {
      fail(ErrorKind::Data, "expected at most {} pixels, got {} x {}", kMaxPixels, s[1], s[0]);
    }
    s.insert(s.begin(), 1);
    Tensor example(array.dtype(), s);
    std::copy(array.bytes().begin(), array.bytes().end(), example.bytes().begin());
    const Images one = make_array_images(example, type, copies, "the array", {0}).images;
    const auto centre = [&](Extent e) { return centre_window(e, shape_, resize_); };
    if constexpr (std::is_same_v<T, float>) {
      one->read_window_values(0, centre, shape_, out);
    } else {
      one->read_window(0, centre, shape_, out);
    }
  }

  std::vector<std::string> paths_;
  MapShape shape_;
  int64_t resize_;
  bool floats_;
  mutable std::mutex mutex_;
  mutable std::vector<Problem> problems_;
};

}  // namespace

Images open_pictures(std::vector<std::string> paths, MapShape shape, int64_t resize) {
  return std::make_shared<PictureFiles>(std::move(paths), shape, resize);
}

}  // namespace tailor::data
