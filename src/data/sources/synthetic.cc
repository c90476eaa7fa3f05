// The procedural ten-class set: as many images as are asked for, made in memory.
#include "data/sources/sources.h"
#include "tailor/core/strings.h"

namespace tailor::data {
namespace {

constexpr int64_t kTestOffset = int64_t{1} << 32;
constexpr int64_t kTrainImages = 6000, kTestImages = 1000;

class SyntheticSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    auto count = [](int64_t asked, int64_t usual) { return asked > 0 ? asked : usual; };
    splits.test = make_synthetic(count(config.test_size, kTestImages), kTestOffset, config.seed);
    if (request.train)
      splits.train = make_synthetic(count(config.train_size, kTrainImages), 0, config.seed);
  }
};

}  // namespace

std::unique_ptr<DataSource> make_synthetic_source() {
  SourceTraits t{"synthetic", "the synthetic set", 10};
  t.preprocessing = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
  t.class_names = split("disc ring square frame triangle plus cross columns rows checks", ' ');
  t.in_memory = true;
  return std::make_unique<SyntheticSource>(t);
}

}  // namespace tailor::data
