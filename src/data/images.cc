#include "tailor/data/images.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "data/arrays.h"
#include "data/folder.h"
#include "data/svhn.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"
#include "tailor/data/codec.h"
#include "tailor/data/packed.h"
#include "tailor/data/pictures.h"

namespace tailor {
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

struct Source {
  const char* name;
  const char* title;
  const char* folder;         // inside the root
  const char* python_folder;  // the same as Python's pickles
  int64_t classes;
  Preprocessing preprocessing;
};

const Source& source_of(const std::string& name) {
  static const Source sources[] = {
      {"cifar10",
       "CIFAR-10",
       "cifar-10-batches-bin",
       "cifar-10-batches-py",
       10,
       {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}}},
      {"cifar100",
       "CIFAR-100",
       "cifar-100-binary",
       "cifar-100-python",
       100,
       {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}}},
      {"svhn", "SVHN", "svhn", nullptr, 10, {{0.4377, 0.4438, 0.4728}, {0.1980, 0.2010, 0.1970}}},
      {"npy", "the .npy data set", "", nullptr, 0, {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}},
      {"mlperf_tiny",
       "MLPerf Tiny's image classification set",
       "mlcommons",
       nullptr,
       10,
       {{0, 0, 0}, {1 / 255.0, 1 / 255.0, 1 / 255.0}}},
      {"packed", "the packed cache", "", nullptr, 0, {}},
      {"folder",
       "the image folder",
       "",
       nullptr,
       0,
       {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}},
      {"synthetic", "the synthetic set", "", nullptr, 10, {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}},
  };
  for (const Source& source : sources) {
    if (name == source.name) return source;
  }
  fail(ErrorKind::Internal, "no data set {}", name);
}

struct Root {
  std::string path, origin;
};
Root find_root(const DataConfig& config) {
  if (!config.root.empty()) return {config.root, "data.root"};
  const char* environment = std::getenv("TAILOR_DATA");
  if (environment && *environment) return {environment, "$TAILOR_DATA"};
  return {"data", "the default ./data, because neither data.root nor $TAILOR_DATA is set"};
}

/// The folder with this file: the root or the set's own in it; "" if it is in none.
std::string folder_with(const DataConfig& config, const char* own, const std::string& file) {
  const std::string root = find_root(config).path;
  for (const std::string& folder : {root, path_join(root, own)}) {
    if (is_regular_file(path_join(folder, file))) return folder;
  }
  return "";
}

std::string find_folder(const DataConfig& config, const Source& source, const std::string& file) {
  if (std::string folder = folder_with(config, source.folder, file); !folder.empty()) return folder;
  const auto [root, origin] = find_root(config);
  const std::string name = source.name;
  if (name == "npy") {
    fail(ErrorKind::Data,
         "{} is not in {} ({}): expected test_images.npy and test_labels.npy, and to train "
         "train_images.npy and train_labels.npy; {} is missing",
         source.title, root, origin, file);
  }
  const std::string advice =
      name == "mlperf_tiny" ? "take them from MLPerf Tiny's repository (github.com/mlcommons/tiny)"
                            : fmt::format("fetch it with scripts/fetch_data.sh {} --output {}",
                                          name, shell_quote(root));
  fail(ErrorKind::Data, "{} is not in {} ({}): expected {}/{} or {}/{}; {}", source.title, root,
       origin, root, file, root, path_join(source.folder, file), advice);
}

Images cifar_part(const DataConfig& config, const Source& source, bool train) {
  constexpr int64_t kBatch = 10000;
  bool hundred = source.classes == 100;
  std::string probe = hundred ? (train ? "train.bin" : "test.bin")
                              : (train ? "data_batch_1.bin" : "test_batch.bin");
  const std::string stem = probe.substr(0, probe.find('.'));
  std::vector<CifarFile> files;
  if (folder_with(config, source.folder, probe).empty()) {
    const std::string python = folder_with(config, source.python_folder, stem);
    for (int i = 1; !python.empty() && i <= (train && !hundred ? 5 : 1); ++i) {
      const std::string name = train && !hundred ? fmt::format("data_batch_{}", i) : stem;
      files.push_back({path_join(python, name), train && hundred ? 5 * kBatch : kBatch});
    }
    if (!files.empty())
      return load_cifar_python(files, hundred ? "fine_labels" : "labels", source.classes);
  }
  const std::string folder = find_folder(config, source, probe);
  if (hundred) {
    files.push_back({path_join(folder, probe), train ? 5 * kBatch : kBatch});
  } else if (train) {
    for (int i = 1; i <= 5; ++i)
      files.push_back({path_join(folder, fmt::format("data_batch_{}.bin", i)), kBatch});
  } else {
    files.push_back({path_join(folder, probe), kBatch});
  }
  return load_cifar(files, hundred ? 2 : 1, source.classes);
}

Images first(Images images, int64_t count, const char* key) {
  if (count == 0 || count == images->size()) return images;
  if (count > images->size()) {
    fail(ErrorKind::Data, "/data/{}: expected at most the {} images there are, got {}", key,
         images->size(), count);
  }
  std::vector<int64_t> indices(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) indices[static_cast<size_t>(i)] = i;
  return make_subset(std::move(images), std::move(indices));
}

Images svhn_part(const DataConfig& config, const Source& source, bool train) {
  const std::string file = train ? "train_32x32.mat" : "test_32x32.mat";
  const std::string folder = find_folder(config, source, file);
  std::vector<std::string> paths = {path_join(folder, file)};
  if (train && config.extra) paths.push_back(path_join(folder, "extra_32x32.mat"));
  return load_svhn(paths);
}

Images fixed_part(const DataConfig& config, const Source& source, bool train) {
  constexpr int64_t kSyntheticTestOffset = int64_t{1} << 32;
  if (config.name == "synthetic") {
    int64_t asked = train ? config.train_size : config.test_size;
    int64_t count = asked > 0 ? asked : train ? 6000 : 1000;
    return make_synthetic(count, train ? 0 : kSyntheticTestOffset, config.seed);
  }
  return config.name == "svhn" ? svhn_part(config, source, train)
                               : cifar_part(config, source, train);
}

enum class Parts { Test, Any, Both };

/// Whether files to train with are there, of the sets that are single files.
bool has_training_files(const DataConfig& config, const Source& source) {
  if (config.name == "mlperf_tiny") return false;
  auto any = [&](std::initializer_list<std::pair<const char*, const char*>> files) {
    return std::any_of(files.begin(), files.end(), [&](const auto& f) {
      return !folder_with(config, f.first, f.second).empty();
    });
  };
  if (config.name == "npy") return any({{"", "train_images.npy"}});
  if (config.name == "svhn") return any({{source.folder, "train_32x32.mat"}});
  if (config.name == "cifar10") {
    return any({{source.folder, "data_batch_1.bin"}, {source.python_folder, "data_batch_1"}});
  }
  if (config.name == "cifar100")
    return any({{source.folder, "train.bin"}, {source.python_folder, "train"}});
  return true;
}

void open_npy(const DataConfig& config, const Source& source, bool with_train, DataSplits& splits) {
  const std::string folder = find_folder(config, source, "test_images.npy");
  // A class may be in one part only: both are looked at, whatever is asked for.
  std::optional<ArrayPart> train;
  if (with_train || has_training_files(config, source))
    train = load_npy_images(find_folder(config, source, "train_images.npy"), "train");
  ArrayPart test = load_npy_images(folder, "test");
  if (train && train->shape != test.shape) {
    fail(ErrorKind::Data, "{}: expected images of one shape, got {} to train and {} to test",
         folder, to_string(train->shape), to_string(test.shape));
  }
  if (train && train->type != test.type) {
    fail(ErrorKind::Data, "{}: expected images of one type, got {} to train and {} to test", folder,
         train->type, test.type);
  }
  splits.shape = test.shape;
  if (config.mean.empty()) {
    const auto channels = static_cast<size_t>(test.shape.channels);
    const bool floats = test.images->pixel_type() == PixelType::F32;
    splits.preprocessing = {std::vector<double>(channels, floats ? 0 : 0.5),
                            std::vector<double>(channels, floats ? 1 : 0.5)};
  }
  splits.preprocessing.low = train ? std::min(train->low, test.low) : test.low;
  splits.preprocessing.high = train ? std::max(train->high, test.high) : test.high;
  splits.classes = train ? std::max(train->classes, test.classes) : test.classes;
  splits.more_classes = !train;
  splits.test = std::move(test.images);
  if (with_train) splits.train = std::move(train->images);
}

/// What only the opened set shows: as many means as channels, transforms that its pixels have.
void verify_config_fits(const DataConfig& config, const DataSplits& splits) {
  const size_t wanted = static_cast<size_t>(splits.shape.channels),
               got = splits.preprocessing.mean.size();
  if (got != wanted) {
    fail(ErrorKind::Data,
         "/data/mean and /data/deviation: expected {} in each, because the images of {} are {}, "
         "got {}",
         wanted == 1   ? "one number"
         : wanted == 3 ? "three numbers"
                       : fmt::format("{} numbers", wanted),
         find_root(config).path, to_string(splits.shape), got);
  }
  if (!config.augments("color_jitter") || !splits.train) return;
  if (wanted != 1 && wanted != 3) {
    fail(ErrorKind::Config,
         "/data/augment: color_jitter needs images of one channel or of three (RGB), those of {} "
         "are {}; leave it out",
         config.name, to_string(splits.shape));
  }
  if (splits.train->pixel_type() == PixelType::F32) {
    fail(ErrorKind::Config,
         "/data/augment: color_jitter needs pixels with a black and a white, those of {} are "
         "floats as they are; leave it out, or save the images as u1 or u2",
         config.name);
  }
}

/// Everything but the validation split.
DataSplits open_parts(const DataConfig& config, Parts parts_wanted) {
  const Source& source = source_of(config.name);
  bool with_train = parts_wanted == Parts::Both ||
                    (parts_wanted == Parts::Any && has_training_files(config, source));
  DataSplits splits;
  splits.name = config.name;
  splits.classes = source.classes;
  splits.preprocessing = source.preprocessing;
  if (!config.mean.empty()) splits.preprocessing = {config.mean, config.deviation};
  bool drawn = false;  // the test images, as many as test_size says
  if (config.name == "packed") {
    splits = open_packed(find_root(config).path, config);
    if (!with_train) splits.train = nullptr;
    if (!config.mean.empty())
      splits.preprocessing.mean = config.mean, splits.preprocessing.deviation = config.deviation;
  } else if (config.name == "folder") {
    FolderParts parts = open_image_folder(find_root(config).path, config, with_train,
                                          /*test_alone=*/parts_wanted != Parts::Both);
    with_train = parts.train != nullptr;
    splits.shape = centre_view(config).shape;
    if (splits.shape.channels == 1 && config.mean.empty()) splits.preprocessing = {{0.5}, {0.5}};
    splits.classes = static_cast<int64_t>(parts.classes.size());
    splits.class_names = std::move(parts.classes);
    splits.train = std::move(parts.train);
    splits.test = std::move(parts.test);
    drawn = parts.drawn_test;
  } else if (config.name == "npy") {
    open_npy(config, source, with_train, splits);
  } else if (config.name == "mlperf_tiny") {
    const std::string folder = find_folder(config, source, "y_labels.csv");
    if (with_train) {
      fail(ErrorKind::Data,
           "{}: MLPerf Tiny's files are a test set; expected tailor evaluate or data check, or "
           "data.name cifar10 to train",
           folder);
    }
    splits.test = load_mlperf_tiny(folder);
  } else {
    splits.test = fixed_part(config, source, /*train=*/false);
    if (with_train) splits.train = fixed_part(config, source, /*train=*/true);
  }
  verify_config_fits(config, splits);
  if (config.name == "synthetic") return splits;  // it made as many as it was asked for
  if (!drawn) splits.test = first(splits.test, config.test_size, "test_size");
  if (with_train) splits.train = first(splits.train, config.train_size, "train_size");
  return splits;
}

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
  resample(whole.data(), stored, shape.channels,
           {static_cast<double>(w.top), static_cast<double>(w.left), static_cast<double>(w.height),
            static_cast<double>(w.width)},
           {shape.height, shape.width}, out_hwc.data());
  return label;
}

}  // namespace

int64_t ImageDataset::get_values(int64_t index, Span<float> values_hwc) const {
  std::vector<uint8_t> bytes(values_hwc.size());
  const int64_t label = get(index, bytes);
  for (size_t i = 0; i < bytes.size(); ++i) values_hwc[i] = static_cast<float>(bytes[i]) / 255;
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

/// The names of the labels: the set's own, else the official ones. Empty where nothing names them.
std::vector<std::string> label_names(const DataSplits& data) {
  if (!data.class_names.empty()) return data.class_names;
  std::vector<std::string> names = official_class_names(data.name);
  if (static_cast<int64_t>(names.size()) != data.classes) names.clear();
  return names;
}

}  // namespace

void verify_data_fits(const DataSplits& data, MapShape input, int64_t classes,
                      const std::string& network, const std::vector<std::string>& class_names) {
  if (data.shape != input) {
    fail(ErrorKind::Data, "{}: it takes images of {}, the data set {} has {}{}", network,
         to_string(input), data.name, to_string(data.shape),
         data.class_names.empty() ? "" : "; set data.image_size");
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

void order_classes(DataSplits& data, const std::vector<std::string>& class_names) {
  const std::vector<std::string> old = label_names(data);
  if (old == class_names ||
      !std::is_permutation(old.begin(), old.end(), class_names.begin(), class_names.end()))
    return;
  std::vector<int64_t> labels(old.size());
  std::transform(old.begin(), old.end(), labels.begin(), [&](const std::string& name) {
    return std::find(class_names.begin(), class_names.end(), name) - class_names.begin();
  });
  for (Images* part : {&data.train, &data.validation, &data.test})
    if (*part) *part = std::make_shared<Relabelled>(*part, labels);
  const auto differs = std::mismatch(old.begin(), old.end(), class_names.begin());
  log_warn("data",
           "the classes of {} are taken in the order of the weights: class {} is '{}' and not '{}'",
           data.name, differs.first - old.begin(), *differs.second, *differs.first);
  data.class_names = class_names;
}

Preprocessing usual_preprocessing(const std::string& data_name) {
  return source_of(data_name).preprocessing;
}

std::string names_digest(const DataSplits& data) {
  std::string text = join(data.class_names, "/");
  for (int64_t i = 0; i < data.train->size(); ++i) text += "\n" + data.train->name(i);
  return sha256(text);
}

DataSplits open_test_data(const DataConfig& config) { return open_parts(config, Parts::Test); }
DataSplits open_any_data(const DataConfig& config) { return open_parts(config, Parts::Any); }

DataSplits open_data(const DataConfig& config) {
  DataSplits splits = open_parts(config, Parts::Both);
  const Images all = splits.train;
  if (config.validation >= all->size()) {
    fail(ErrorKind::Data, "/data/validation: expected less than the {} training images, got {}",
         all->size(), config.validation);
  }
  if (config.validation == 0) return splits;
  // The split is drawn once by the data's seed, so that every run on these data shares it; each
  // part keeps the files' order.
  auto order = random_permutation(
      all->size(), CounterRandom(static_cast<uint64_t>(config.seed), RandomStream::Split, 0));
  auto middle = order.begin() + static_cast<std::ptrdiff_t>(config.validation);
  std::vector<int64_t> validation(order.begin(), middle), train(middle, order.end());
  std::sort(validation.begin(), validation.end());
  std::sort(train.begin(), train.end());
  splits.validation = make_subset(all, std::move(validation));
  splits.train = make_subset(all, std::move(train));
  return splits;
}

}  // namespace tailor
