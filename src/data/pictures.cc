#include "tailor/data/pictures.h"

#include <algorithm>
#include <mutex>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/codec.h"
#include "tailor/tensors/npy.h"

namespace tailor {
namespace {

Span<const uint8_t> picture_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class PictureFiles : public ImageDataset {
 public:
  PictureFiles(std::vector<std::string> paths, MapShape shape, int64_t resize)
      : paths_(std::move(paths)), shape_(shape), resize_(resize), problems_(paths_.size()) {}

  int64_t size() const override { return static_cast<int64_t>(paths_.size()); }
  std::string name(int64_t index) const override { return paths_.at(static_cast<size_t>(index)); }
  bool decodes() const override { return true; }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    Problem problem;
    try {
      if (!path_exists(name(index))) fail(ErrorKind::Data, "there is no such file");
      if (is_directory(name(index))) fail(ErrorKind::Data, "it is a folder, expected a picture");
      const std::string bytes = read_file(name(index), "picture");
      if (bytes.compare(0, 6, "\x93NUMPY") == 0) {
        read_array(bytes, name(index), pixels_hwc);
      } else {
        problem.damage = read_picture(picture_bytes(bytes), pixels_hwc);
      }
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Unsupported) throw;
      problem.unreadable = e.what();
      std::fill(pixels_hwc.begin(), pixels_hwc.end(), uint8_t{0});
    }
    std::lock_guard lock(mutex_);
    problems_[static_cast<size_t>(index)] = std::move(problem);
    return 0;
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

  std::string read_picture(Span<const uint8_t> bytes, Span<uint8_t> out) const {
    const ImageInfo info = probe_image(bytes);
    const bool grey = info.colour == ImageColour::Grey;
    if (shape_.channels != 3 && !(shape_.channels == 1 && grey)) {
      fail(ErrorKind::Data, "it is a {} picture, the network takes {} channel{}; give it as .npy",
           grey ? "grey" : "colour", shape_.channels, shape_.channels == 1 ? "" : "s");
    }
    const MapShape rgb{3, shape_.height, shape_.width};
    std::vector<uint8_t> pixels(static_cast<size_t>(rgb.size()));
    const std::string damage = decode_window(
        bytes, [&](Extent e) { return centre_window(e, rgb, resize_); }, rgb, pixels);
    const auto step = static_cast<size_t>(3 / shape_.channels);
    for (size_t i = 0; i < out.size(); ++i) out[i] = pixels[i * step];
    return damage;
  }

  void read_array(const std::string& bytes, const std::string& path, Span<uint8_t> out) const {
    const Tensor t = parse_npy(bytes, path, "picture");
    const Shape& s = t.shape();
    const bool grey = s.size() == 2;
    if (t.dtype() != DType::U8 || element_count(s) == 0 ||
        !((grey && (shape_.channels == 3 || shape_.channels == 1)) ||
          (s.size() == 3 && s[2] == shape_.channels))) {
      fail(ErrorKind::Data, "expected U8 of shape [rows, columns, {}]{}, got {} of shape {}",
           shape_.channels, shape_.channels <= 3 ? " or [rows, columns]" : "",
           dtype_name(t.dtype()), to_string(s));
    }
    const Extent extent{s[0], s[1]};
    if (extent.height > kMaxPixels / extent.width) {
      fail(ErrorKind::Data, "expected at most {} pixels, got {} x {}", kMaxPixels, extent.width,
           extent.height);
    }
    const Window w = centre_window(extent, shape_, resize_);
    const int64_t channels = grey ? 1 : shape_.channels;
    std::vector<uint8_t> seen(static_cast<size_t>(shape_.pixels() * channels));
    resample(t.as<uint8_t>().data(), extent, channels,
             {static_cast<double>(w.top), static_cast<double>(w.left),
              static_cast<double>(w.height), static_cast<double>(w.width)},
             {shape_.height, shape_.width}, seen.data());
    const size_t repeat = out.size() / seen.size();
    for (size_t i = 0; i < out.size(); ++i) out[i] = seen[i / repeat];
  }

  std::vector<std::string> paths_;
  MapShape shape_;
  int64_t resize_;
  mutable std::mutex mutex_;
  mutable std::vector<Problem> problems_;
};

}  // namespace

Images open_pictures(std::vector<std::string> paths, MapShape shape, int64_t resize) {
  return std::make_shared<PictureFiles>(std::move(paths), shape, resize);
}

std::vector<std::string> official_class_names(const std::string& data_name) {
  // batches.meta.txt of CIFAR-10, fine_label_names.txt of CIFAR-100 (sorted, as the labels are).
  if (data_name == "cifar10" || data_name == "mlperf_tiny")
    return split("airplane automobile bird cat deer dog frog horse ship truck", ' ');
  if (data_name == "cifar100") {
    return split(
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
        "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach "
        "couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house "
        "kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle "
        "mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
        "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal "
        "shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper "
        "table tank telephone television tiger tractor train trout tulip turtle wardrobe whale "
        "willow_tree wolf woman worm",
        ' ');
  }
  if (data_name == "synthetic")
    return split("disc ring square frame triangle plus cross columns rows checks", ' ');
  return {};
}

}  // namespace tailor
