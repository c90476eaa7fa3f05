// NumPy arrays: test_images.npy and test_labels.npy, and to train the same with train_.
#include <algorithm>

#include "data/arrays.h"
#include "data/sources/sources.h"

namespace tailor::data {
namespace {

class NpySource : public DataSource {
 public:
  using DataSource::DataSource;
  bool has_training_files(const DataConfig& config) const override {
    return !folder_with(config, "", "train_images.npy").empty();
  }
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    const std::string folder = folder_of(config, "test_images.npy");
    // A class may be in one part only: both are looked at, whatever is asked for.
    std::optional<ArrayPart> train;
    if (request.train || has_training_files(config))
      train = load_npy_images(folder_of(config, "train_images.npy"), "train");
    ArrayPart test = load_npy_images(folder, "test");
    if (train) verify_alike(*train, test, folder);
    splits.shape = test.shape;
    const auto channels = static_cast<size_t>(test.shape.channels);
    const bool floats = test.images->pixel_type() == PixelType::F32;
    splits.preprocessing = {std::vector<double>(channels, floats ? 0 : 0.5),
                            std::vector<double>(channels, floats ? 1 : 0.5)};
    splits.preprocessing.low = train ? std::min(train->low, test.low) : test.low;
    splits.preprocessing.high = train ? std::max(train->high, test.high) : test.high;
    splits.classes = train ? std::max(train->classes, test.classes) : test.classes;
    splits.more_classes = !train;
    splits.test = std::move(test.images);
    if (request.train) splits.train = std::move(train->images);
  }

 private:
  std::string folder_of(const DataConfig& config, const char* file) const {
    if (std::string folder = folder_with(config, "", file); !folder.empty()) return folder;
    const auto [root, origin] = find_root(config);
    fail(ErrorKind::Data,
         "{} is not in {} ({}): expected test_images.npy and test_labels.npy, and to train "
         "train_images.npy and train_labels.npy; {} is missing",
         traits().title, root, origin, file);
  }
  static void verify_alike(const ArrayPart& train, const ArrayPart& test,
                           const std::string& folder) {
    if (train.shape != test.shape) {
      fail(ErrorKind::Data, "{}: expected images of one shape, got {} to train and {} to test",
           folder, to_string(train.shape), to_string(test.shape));
    }
    if (train.type != test.type) {
      fail(ErrorKind::Data, "{}: expected images of one type, got {} to train and {} to test",
           folder, train.type, test.type);
    }
  }
};

}  // namespace

std::unique_ptr<DataSource> make_npy_source() {
  SourceTraits t{"npy", "the .npy data set"};
  t.preprocessing = {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
  t.own = t.arrays = true;
  t.fetched = false;
  return std::make_unique<NpySource>(t);
}

}  // namespace tailor::data
