// The 200 images on which MLPerf Tiny's image classification is measured: a test set alone.
#include "data/arrays.h"
#include "data/sources/sources.h"

namespace tailor::data {
namespace {

class MlperfTinySource : public DataSource {
 public:
  using DataSource::DataSource;
  bool has_training_files(const DataConfig& /*config*/) const override { return false; }
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    const std::string folder =
        required_folder(config, traits(), "mlcommons", "y_labels.csv",
                        "take them from MLPerf Tiny's repository (github.com/mlcommons/tiny)");
    if (request.train) {
      fail(ErrorKind::Data,
           "{}: MLPerf Tiny's files are a test set; expected tailor evaluate or data check, or "
           "data.name cifar10 to train",
           folder);
    }
    splits.test = load_mlperf_tiny(folder);
  }
};

}  // namespace

std::unique_ptr<DataSource> make_mlperf_tiny_source() {
  SourceTraits t{"mlperf_tiny", "MLPerf Tiny's image classification set", 10};
  t.preprocessing = {{0, 0, 0}, {1 / 255.0, 1 / 255.0, 1 / 255.0}};
  t.class_names = cifar10_class_names();
  t.fetched = false;
  return std::make_unique<MlperfTinySource>(t);
}

}  // namespace tailor::data
