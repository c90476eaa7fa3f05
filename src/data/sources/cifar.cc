// CIFAR-10 and CIFAR-100: the official binary files, else Python's pickles.
#include "data/sources/sources.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::data {
namespace {

constexpr int64_t kBatch = 10000;

/// Files of one part, in two forms. CIFAR-10 trains on five, each with as many images as a part of
/// the others.
struct CifarNames {
  const char *binary_folder, *python_folder;
  std::vector<std::string> train, test;  // ".bin" behind them in the binary form
  int64_t train_count, test_count;       // images of one file
  int64_t label_bytes;
  const char* label_key;
};

class CifarSource : public DataSource {
 public:
  CifarSource(SourceTraits traits, CifarNames names)
      : DataSource(std::move(traits)), names_(std::move(names)) {}

  bool has_training_files(const DataConfig& config) const override {
    return !folder_with(config, names_.binary_folder, names_.train[0] + ".bin").empty() ||
           !folder_with(config, names_.python_folder, names_.train[0]).empty();
  }
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    splits.test = part(config, names_.test, names_.test_count);
    if (request.train) splits.train = part(config, names_.train, names_.train_count);
  }

 private:
  Images part(const DataConfig& config, const std::vector<std::string>& stems,
              int64_t count) const {
    const std::string probe = stems[0] + ".bin";
    std::vector<CifarFile> files;
    if (folder_with(config, names_.binary_folder, probe).empty()) {
      const std::string python = folder_with(config, names_.python_folder, stems[0]);
      if (!python.empty()) {
        for (const std::string& stem : stems) files.push_back({path_join(python, stem), count});
        return load_cifar_python(files, names_.label_key, traits().classes);
      }
    }
    const std::string folder = required_folder(config, traits(), names_.binary_folder, probe);
    for (const std::string& stem : stems)
      files.push_back({path_join(folder, stem + ".bin"), count});
    return load_cifar(files, names_.label_bytes, traits().classes);
  }

  CifarNames names_;
};

}  // namespace

// batches.meta.txt of CIFAR-10, fine_label_names.txt of CIFAR-100 (sorted, as the labels are).
std::vector<std::string> cifar10_class_names() {
  return split("airplane automobile bird cat deer dog frog horse ship truck", ' ');
}

std::unique_ptr<DataSource> make_cifar10_source() {
  SourceTraits t{"cifar10", "CIFAR-10", 10};
  t.preprocessing = {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  t.class_names = cifar10_class_names();
  return std::make_unique<CifarSource>(
      t, CifarNames{"cifar-10-batches-bin",
                    "cifar-10-batches-py",
                    split("data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5", ' '),
                    {"test_batch"},
                    kBatch,
                    kBatch,
                    1,
                    "labels"});
}

std::unique_ptr<DataSource> make_cifar100_source() {
  SourceTraits t{"cifar100", "CIFAR-100", 100};
  t.preprocessing = {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}};
  t.class_names = split(
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
  return std::make_unique<CifarSource>(t, CifarNames{"cifar-100-binary",
                                                     "cifar-100-python",
                                                     {"train"},
                                                     {"test"},
                                                     5 * kBatch,
                                                     kBatch,
                                                     2,
                                                     "fine_labels"});
}

}  // namespace tailor::data
