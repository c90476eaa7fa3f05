#include "tailor/data/images.h"

#include <algorithm>
#include <cstdlib>

#include "tailor/core/files.h"
#include "tailor/core/random.h"

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
  int64_t id(int64_t index) const override { return base_->id(at(index)); }

 private:
  int64_t at(int64_t index) const {
    TAILOR_CHECK(index >= 0 && index < size(), "image {} of {}", index, size());
    return indices_[static_cast<size_t>(index)];
  }
  Images base_;
  std::vector<int64_t> indices_;
};

struct Source {
  const char* name;
  const char* title;
  const char* folder;  // inside the root
  int64_t classes;
  Preprocessing preprocessing;
};

const Source& source_of(const std::string& name) {
  static const Source sources[] = {
      {"cifar10",
       "CIFAR-10",
       "cifar-10-batches-bin",
       10,
       {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}}},
      {"cifar100",
       "CIFAR-100",
       "cifar-100-binary",
       100,
       {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}}},
      {"synthetic", "the synthetic set", "", 10, {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}},
  };
  for (const Source& source : sources) {
    if (name == source.name) return source;
  }
  fail(ErrorKind::Internal, "no data set {}", name);
}

std::string find_folder(const DataConfig& config, const Source& source, const std::string& file) {
  std::string root = config.root;
  std::string origin = "data.root";
  if (root.empty()) {
    const char* environment = std::getenv("TAILOR_DATA");
    root = environment && *environment ? environment : "data";
    origin = environment && *environment
                 ? "$TAILOR_DATA"
                 : "the default ./data, because neither data.root nor $TAILOR_DATA is set";
  }
  for (const std::string& folder : {root, path_join(root, source.folder)}) {
    if (path_exists(path_join(folder, file))) return folder;
  }
  fail(ErrorKind::Data,
       "{} is not in {} ({}): expected {}/{} or {}/{}; fetch it with scripts/fetch_data.sh {} "
       "--output {}",
       source.title, root, origin, root, file, root, path_join(source.folder, file), source.name,
       root);
}

Images cifar_part(const DataConfig& config, const Source& source, bool train) {
  constexpr int64_t kBatch = 10000;
  bool hundred = source.classes == 100;
  std::string probe = hundred ? (train ? "train.bin" : "test.bin")
                              : (train ? "data_batch_1.bin" : "test_batch.bin");
  std::string folder = find_folder(config, source, probe);
  std::vector<CifarFile> files;
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

Images open_part(const DataConfig& config, const Source& source, bool train) {
  constexpr int64_t kSyntheticTestOffset = int64_t{1} << 32;
  if (config.name == "synthetic") {
    int64_t asked = train ? config.train_size : config.test_size;
    int64_t count = asked > 0 ? asked : train ? 6000 : 1000;
    return make_synthetic(count, train ? 0 : kSyntheticTestOffset, config.seed);
  }
  return first(cifar_part(config, source, train), train ? config.train_size : config.test_size,
               train ? "train_size" : "test_size");
}

DataSplits without_images(const DataConfig& config) {
  const Source& source = source_of(config.name);
  DataSplits splits;
  splits.name = config.name;
  splits.classes = source.classes;
  splits.preprocessing = source.preprocessing;
  if (!config.mean.empty()) splits.preprocessing = {config.mean, config.deviation};
  return splits;
}

}  // namespace

Images make_subset(Images base, std::vector<int64_t> indices) {
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

DataSplits open_test_data(const DataConfig& config) {
  DataSplits splits = without_images(config);
  splits.test = open_part(config, source_of(config.name), /*train=*/false);
  return splits;
}

DataSplits open_data(const DataConfig& config) {
  DataSplits splits = open_test_data(config);
  Images all = open_part(config, source_of(config.name), /*train=*/true);
  if (config.validation >= all->size()) {
    fail(ErrorKind::Data, "/data/validation: expected less than the {} training images, got {}",
         all->size(), config.validation);
  }
  if (config.validation == 0) {
    splits.train = all;
    return splits;
  }
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
