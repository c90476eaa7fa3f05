// The registry of data sources, and what all of them have in common: where their files are, how
// many images of them are used, and the validation split.
#include "tailor/data/source.h"

#include <algorithm>
#include <cstdlib>

#include "data/sources/sources.h"
#include "tailor/core/files.h"
#include "tailor/core/random.h"
#include "tailor/core/record.h"
#include "tailor/core/strings.h"

namespace tailor::data {
namespace {

struct Registry {
  std::vector<std::unique_ptr<DataSource>> sources;
  std::vector<const char*> names;
  void add(std::unique_ptr<DataSource> source) {
    const char* name = source->traits().name;
    for (const char* known : names)
      TAILOR_CHECK(std::string(known) != name, "two data sources are named {}", name);
    names.push_back(name);
    sources.push_back(std::move(source));
  }
  Registry() {
    for (auto make :
         {make_cifar10_source, make_cifar100_source, make_svhn_source, make_folder_source,
          make_packed_source, make_npy_source, make_mlperf_tiny_source, make_synthetic_source,
          make_librispeech_source, make_manifest_source, make_flite_source, make_bonito_source,
          make_taiyaki_source, make_squiggle_source})
      add(make());
  }
};
Registry& registry() {
  static Registry all;
  return all;
}

ExampleSet first(const ExampleSet& set, int64_t count, const char* key) {
  if (count == 0 || count == set->size()) return set;
  if (count > set->size()) {
    fail(ErrorKind::Data, "/data/{}: expected at most the {} examples there are, got {}", key,
         set->size(), count);
  }
  std::vector<int64_t> indices(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) indices[static_cast<size_t>(i)] = i;
  return pick_examples(set, std::move(indices));
}

/// What only the opened set shows: as many means as channels, transforms that its pixels have.
void verify_config_fits(const DataConfig& config, const DataSplits& splits) {
  if (splits.kind != ExampleKind::Images) return;
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
  verify_augmentation_fits(config, splits, "/data");
}

enum class Parts { Test, Any, Both };

/// Everything but the validation split.
DataSplits open_parts(const DataConfig& config, Parts wanted) {
  const DataSource& source = data_source(config.name);
  const bool with_train =
      wanted == Parts::Both || (wanted == Parts::Any && source.has_training_files(config));
  DataSplits splits;
  splits.name = config.name;
  splits.kind = source.traits().kind;
  splits.classes = source.traits().classes;
  splits.preprocessing = source.traits().preprocessing;
  source.open(config, {with_train, /*test_alone=*/wanted != Parts::Both, wanted == Parts::Any},
              splits);
  if (!config.mean.empty())
    splits.preprocessing.mean = config.mean, splits.preprocessing.deviation = config.deviation;
  verify_config_fits(config, splits);
  if (!splits.test) splits.test = splits.validation;
  if (splits.test) splits.test = first(splits.test, config.test_size, "test_size");
  if (splits.train) splits.train = first(splits.train, config.train_size, "train_size");
  return splits;
}

}  // namespace

void add_data_source(std::unique_ptr<DataSource> source) { registry().add(std::move(source)); }

const DataSource& data_source(const std::string& name) {
  for (const auto& source : registry().sources) {
    if (name == source->traits().name) return *source;
  }
  const std::vector<std::string> names = texts(data_source_names());
  fail(ErrorKind::Config, "there is no data set '{}'{}; there are {}", name,
       did_you_mean(name, names), join(names, ", "));
}

const SourceTraits& traits_of(const DataConfig& config) {
  return data_source(config.name).traits();
}

Names data_source_names() { return registry().names; }

const char* words_of(ExampleKind kind) {
  return kind == ExampleKind::Images   ? "images"
         : kind == ExampleKind::Speech ? "speech"
                                       : "a nanopore's current";
}

std::string sets_of_kind(ExampleKind kind) {
  std::vector<std::string> names;
  for (const auto& source : registry().sources) {
    if (source->traits().kind == kind) names.emplace_back(source->traits().name);
  }
  const std::string last = names.back();
  names.pop_back();
  return names.empty() ? last : join(names, ", ") + " or " + last;
}

Preprocessing usual_preprocessing(const std::string& data_name) {
  return data_source(data_name).traits().preprocessing;
}

void verify_augmentation_fits(const DataConfig& config, const DataSplits& splits,
                              const std::string& at) {
  const int64_t channels = splits.shape.channels;
  if (splits.kind != ExampleKind::Images || !config.augments("color_jitter") || !splits.train)
    return;
  if (channels != 1 && channels != 3) {
    fail(ErrorKind::Config,
         "{}/augment: color_jitter needs images of one channel or of three (RGB), those of {} "
         "are {}; leave it out",
         at, config.name, to_string(splits.shape));
  }
  if (as_images(splits.train)->pixel_type() == PixelType::F32) {
    fail(ErrorKind::Config,
         "{}/augment: color_jitter needs pixels with a black and a white, those of {} are "
         "floats as they are; leave it out, or save the images as u1 or u2",
         at, config.name);
  }
}

std::vector<std::string> official_class_names(const std::string& data_name) {
  if (data_name.empty()) return {};
  return data_source(data_name).traits().class_names;
}

DataRoot find_root(const DataConfig& config) {
  if (!config.root.empty()) return {config.root, "data.root"};
  const char* environment = std::getenv("TAILOR_DATA");
  if (environment && *environment) return {environment, "$TAILOR_DATA"};
  return {"data", "the default ./data, because neither data.root nor $TAILOR_DATA is set"};
}

std::string folder_with(const DataConfig& config, const char* own, const std::string& file) {
  const std::string root = find_root(config).path;
  for (const std::string& folder : {root, path_join(root, own)}) {
    if (is_regular_file(path_join(folder, file))) return folder;
  }
  return "";
}

std::string required_folder(const DataConfig& config, const SourceTraits& traits, const char* own,
                            const std::string& file, const std::string& advice) {
  if (std::string folder = folder_with(config, own, file); !folder.empty()) return folder;
  const auto [root, origin] = find_root(config);
  fail(ErrorKind::Data, "{} is not in {} ({}): expected {}/{} or {}/{}; {}", traits.title, root,
       origin, root, file, root, path_join(own, file),
       advice.empty() ? fmt::format("fetch it with scripts/fetch_data.sh {} --output {}",
                                    traits.name, shell_quote(root))
                      : advice);
}

DataSplits open_test_data(const DataConfig& config) { return open_parts(config, Parts::Test); }
DataSplits open_any_data(const DataConfig& config) { return open_parts(config, Parts::Any); }

DataSplits open_data(const DataConfig& config) {
  DataSplits splits = open_parts(config, Parts::Both);
  if (splits.validation) return splits;
  const ExampleSet all = splits.train;
  if (config.validation >= all->size()) {
    fail(ErrorKind::Data, "/data/validation: expected less than the {} training examples, got {}",
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
  splits.validation = pick_examples(all, std::move(validation));
  splits.train = pick_examples(all, std::move(train));
  return splits;
}

}  // namespace tailor::data
