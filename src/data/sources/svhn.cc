// SVHN, format 2: train_32x32.mat, test_32x32.mat and, on demand, extra_32x32.mat.
#include "data/svhn.h"
#include "data/sources/sources.h"
#include "tailor/core/files.h"

namespace tailor::data {
namespace {

constexpr const char* kSvhnFolder = "svhn";

class SvhnSource : public DataSource {
 public:
  using DataSource::DataSource;
  bool has_training_files(const DataConfig& config) const override {
    return !folder_with(config, kSvhnFolder, "train_32x32.mat").empty();
  }
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    splits.test = load_svhn({path(config, "test_32x32.mat")});
    if (!request.train) return;
    std::vector<std::string> paths = {path(config, "train_32x32.mat")};
    if (config.extra) paths.push_back(path_join(parent_path(paths[0]), "extra_32x32.mat"));
    splits.train = load_svhn(paths);
  }

 private:
  std::string path(const DataConfig& config, const char* file) const {
    return path_join(required_folder(config, traits(), kSvhnFolder, file), file);
  }
};

}  // namespace

std::unique_ptr<DataSource> make_svhn_source() {
  SourceTraits t{"svhn", "SVHN", 10};
  t.preprocessing = {{0.4377, 0.4438, 0.4728}, {0.1980, 0.2010, 0.1970}};
  t.extra = true;
  return std::make_unique<SvhnSource>(t);
}

}  // namespace tailor::data
