#include "tailor/data/images.h"

#include <algorithm>
#include <cstring>

#include "data/speech.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/codec.h"
#include "tailor/data/sequences.h"
#include "tailor/data/source.h"

namespace tailor::data {
namespace {

class Subset : public ImageDataset {
 public:
  Subset(Images base, std::vector<int64_t> indices)
      : base_(std::move(base)), indices_(std::move(indices)) {}
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    return base_->get(at(index), pixels_hwc);
  }
  PixelType pixel_type() const override { return base_->pixel_type(); }
  int64_t get_values(int64_t index, Span<float> values_hwc) const override {
    return base_->get_values(at(index), values_hwc);
  }
  int64_t read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                      Span<uint8_t> pixels_hwc) const override {
    return base_->read_window(at(index), choose, shape, pixels_hwc);
  }
  int64_t read_window_values(int64_t index, const WindowChooser& choose, MapShape shape,
                             Span<float> values_hwc) const override {
    return base_->read_window_values(at(index), choose, shape, values_hwc);
  }
  Extent extent(int64_t index) const override { return base_->extent(at(index)); }
  int64_t id(int64_t index) const override { return base_->id(at(index)); }
  std::string name(int64_t index) const override { return base_->name(at(index)); }
  bool decodes() const override { return base_->decodes(); }
  FileReport report() const override { return base_->report(); }

 private:
  int64_t at(int64_t index) const {
    TAILOR_CHECK(index >= 0 && index < size(), "image {} of {}", index, size());
    return indices_[static_cast<size_t>(index)];
  }
  Images base_;
  std::vector<int64_t> indices_;
};

/// The same images; label i of the base is labels[i].
class Relabelled : public ImageDataset {
 public:
  Relabelled(Images base, std::vector<int64_t> labels)
      : base_(std::move(base)), labels_(std::move(labels)) {}
  int64_t size() const override { return base_->size(); }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    return labels_.at(static_cast<size_t>(base_->get(index, pixels_hwc)));
  }
  int64_t read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                      Span<uint8_t> pixels_hwc) const override {
    return labels_.at(static_cast<size_t>(base_->read_window(index, choose, shape, pixels_hwc)));
  }
  PixelType pixel_type() const override { return base_->pixel_type(); }
  int64_t get_values(int64_t index, Span<float> values_hwc) const override {
    return labels_.at(static_cast<size_t>(base_->get_values(index, values_hwc)));
  }
  int64_t read_window_values(int64_t index, const WindowChooser& choose, MapShape shape,
                             Span<float> values_hwc) const override {
    return labels_.at(
        static_cast<size_t>(base_->read_window_values(index, choose, shape, values_hwc)));
  }
  Extent extent(int64_t index) const override { return base_->extent(index); }
  int64_t id(int64_t index) const override { return base_->id(index); }
  std::string name(int64_t index) const override { return base_->name(index); }
  bool decodes() const override { return base_->decodes(); }
  FileReport report() const override { return base_->report(); }

 private:
  Images base_;
  std::vector<int64_t> labels_;
};

template <class T>
class MemoryImages : public ImageDataset {
 public:
  MemoryImages(MapShape shape, std::shared_ptr<const T> pixels, std::vector<int64_t> labels)
      : shape_(shape), pixels_(std::move(pixels)), labels_(std::move(labels)) {}
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  PixelType pixel_type() const override {
    return sizeof(T) == 1 ? PixelType::U8 : sizeof(T) == 2 ? PixelType::U16 : PixelType::F32;
  }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    TAILOR_CHECK(sizeof(T) == 1, "pixels of {} bytes read as bytes", sizeof(T));
    std::memcpy(pixels_hwc.data(), image(index, pixels_hwc.size()), pixels_hwc.size());
    return labels_[static_cast<size_t>(index)];
  }
  int64_t get_values(int64_t index, Span<float> values_hwc) const override {
    constexpr float kUnit = sizeof(T) == 1 ? 255.F : sizeof(T) == 2 ? 65535.F : 1.F;
    const T* in = image(index, values_hwc.size());
    for (float& v : values_hwc) v = static_cast<float>(*in++) / kUnit;
    return labels_[static_cast<size_t>(index)];
  }
  Extent extent(int64_t /*index*/) const override { return {shape_.height, shape_.width}; }

 private:
  const T* image(int64_t index, size_t values) const {
    TAILOR_CHECK(index >= 0 && index < size() && values == static_cast<size_t>(shape_.size()),
                 "image {} of {}", index, size());
    return pixels_.get() + static_cast<size_t>(index) * values;
  }
  MapShape shape_;
  std::shared_ptr<const T> pixels_;
  std::vector<int64_t> labels_;
};

}  // namespace

void PassedOver::add(const std::string& name) {
  constexpr size_t kNamed = 5;
  ++count;
  first.insert(std::upper_bound(first.begin(), first.end(), name), name);
  if (first.size() > kNamed) first.pop_back();
}

std::string to_string(const PassedOverFiles& files) {
  std::vector<std::string> parts;
  for (const auto& [kind, which] : files) parts.push_back(fmt::format("{} {}", which.count, kind));
  return join(parts, ", ");
}

const char* pixel_type_name(PixelType type) {
  return type == PixelType::U8 ? "U8" : type == PixelType::U16 ? "U16" : "F32";
}

Images as_images(const ExampleSet& set) {
  if (set && set->kind() != ExampleKind::Images) {
    fail(ErrorKind::Unsupported, "expected a set of images, got one of {}", to_string(set->kind()));
  }
  return std::static_pointer_cast<const ImageDataset>(set);
}

ExampleSet pick_examples(const ExampleSet& base, std::vector<int64_t> indices) {
  if (base->kind() == ExampleKind::Images) return make_subset(as_images(base), std::move(indices));
  return make_subset(as_sequences(base), std::move(indices));
}

Images make_subset(Images base, std::vector<int64_t> indices) {
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

Images make_memory_images(MapShape shape, std::shared_ptr<const uint8_t> pixels,
                          std::vector<int64_t> labels) {
  return std::make_shared<MemoryImages<uint8_t>>(shape, std::move(pixels), std::move(labels));
}
Images make_memory_images(MapShape shape, std::shared_ptr<const uint16_t> pixels,
                          std::vector<int64_t> labels) {
  return std::make_shared<MemoryImages<uint16_t>>(shape, std::move(pixels), std::move(labels));
}
Images make_memory_images(MapShape shape, std::shared_ptr<const float> pixels,
                          std::vector<int64_t> labels) {
  return std::make_shared<MemoryImages<float>>(shape, std::move(pixels), std::move(labels));
}

namespace {

/// The window of an image that `get` writes whole.
template <class T, class Get>
int64_t read_window_of_whole(Extent stored, const WindowChooser& choose, MapShape shape,
                             Span<T> out_hwc, const Get& get) {
  if (stored.height == 0) stored = {shape.height, shape.width};
  std::vector<T> whole(static_cast<size_t>(stored.height * stored.width * shape.channels));
  const int64_t label = get(whole);
  const CropWindow w = choose(stored);
  resample(whole.data(), stored, shape.channels, real_window(w), {shape.height, shape.width},
           out_hwc.data());
  return label;
}

}  // namespace

void bytes_to_values(Span<const uint8_t> bytes, Span<float> values) {
  for (size_t i = 0; i < bytes.size(); ++i) values[i] = static_cast<float>(bytes[i]) / 255;
}

int64_t ImageDataset::get_values(int64_t index, Span<float> values_hwc) const {
  std::vector<uint8_t> bytes(values_hwc.size());
  const int64_t label = get(index, bytes);
  bytes_to_values(bytes, values_hwc);
  return label;
}

int64_t ImageDataset::read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                                  Span<uint8_t> pixels_hwc) const {
  return read_window_of_whole(extent(index), choose, shape, pixels_hwc,
                              [&](std::vector<uint8_t>& whole) { return get(index, whole); });
}

int64_t ImageDataset::read_window_values(int64_t index, const WindowChooser& choose, MapShape shape,
                                         Span<float> values_hwc) const {
  return read_window_of_whole(extent(index), choose, shape, values_hwc,
                              [&](std::vector<float>& whole) { return get_values(index, whole); });
}

namespace {

/// What a network with this input is on, as far as its shape says.
ExampleKind kind_of_input(const MapShape& input) {
  if (input.height != 1) return ExampleKind::Images;
  return input.channels == kSpeechFilters ? ExampleKind::Speech
         : input.channels == 1            ? ExampleKind::Signal
                                          : ExampleKind::Images;
}

}  // namespace

void verify_data_fits(const DataSplits& data, MapShape input, int64_t classes,
                      const std::string& network, const std::vector<std::string>& class_names) {
  if (data.kind != ExampleKind::Images) input.width = data.shape.width;
  const ExampleKind kind = kind_of_input(input);
  if (data.shape != input && data.kind != kind) {
    fail(ErrorKind::Data,
         "{}: it is a network on {}, and the data set {} has {}; data sets that fit it: {}",
         network, words_of(kind), data.name, words_of(data.kind), sets_of_kind(kind));
  }
  if (data.shape != input) {
    fail(ErrorKind::Data, "{}: it takes inputs of {}, the data set {} has {}{}", network,
         to_string(input), data.name, to_string(data.shape),
         data.kind != ExampleKind::Images || data.class_names.empty() ? ""
                                                                      : "; set data.image_size");
  }
  if (data.more_classes ? data.classes > classes : data.classes != classes) {
    std::vector<std::string> lacking;
    for (const std::string& name : class_names) {
      const auto& there = data.class_names;
      if (!there.empty() && std::find(there.begin(), there.end(), name) == there.end())
        lacking.push_back(name);
    }
    fail(ErrorKind::Data, "{}: it tells {} classes apart, the data set {} has {}{}", network,
         classes, data.name, data.classes,
         lacking.empty() ? "" : ", without a picture of " + join(lacking, ", "));
  }
  const std::vector<std::string> there = label_names(data);
  if (there.empty()) return;
  for (size_t i = 0; i < class_names.size(); ++i) {
    const std::string& name = class_names[i];
    if (name == there.at(i)) continue;
    const char* remedy =
        "the classes are the folders' names, which must be those that it was trained with";
    if (data.class_names.empty()) {
      // Another word for an official class ("plane") contradicts nothing, unless it is another's.
      if (std::find(there.begin(), there.end(), name) == there.end()) continue;
      remedy = "import its weights again with a --class-names that has each of the set's names";
    }
    fail(ErrorKind::Data, "{}: its class {} is '{}', in the data set {} it is '{}'; {}", network, i,
         name, data.name, there[i], remedy);
  }
}

std::vector<std::string> label_names(const DataSplits& data) {
  if (!data.class_names.empty()) return data.class_names;
  std::vector<std::string> names = official_class_names(data.name);
  if (static_cast<int64_t>(names.size()) != data.classes) names.clear();
  return names;
}

void order_classes(DataSplits& data, const std::vector<std::string>& class_names) {
  const std::vector<std::string> old = label_names(data);
  if (data.kind != ExampleKind::Images || old == class_names ||
      !std::is_permutation(old.begin(), old.end(), class_names.begin(), class_names.end()))
    return;
  std::vector<int64_t> labels(old.size());
  std::transform(old.begin(), old.end(), labels.begin(), [&](const std::string& name) {
    return std::find(class_names.begin(), class_names.end(), name) - class_names.begin();
  });
  for (ExampleSet* part : {&data.train, &data.validation, &data.test})
    if (*part) *part = std::make_shared<Relabelled>(as_images(*part), labels);
  const auto differs = std::mismatch(old.begin(), old.end(), class_names.begin());
  log_warn("data",
           "the classes of {} are taken in the order of the weights: class {} is '{}' and not '{}'",
           data.name, differs.first - old.begin(), *differs.second, *differs.first);
  data.class_names = class_names;
}

std::string names_digest(const DataSplits& data) {
  std::string text = join(data.class_names, "/");
  for (int64_t i = 0; i < data.train->size(); ++i) text += "\n" + data.train->name(i);
  return sha256(text);
}

}  // namespace tailor::data
