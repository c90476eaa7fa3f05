// The cache that tailor data pack makes of another set.
#include "tailor/data/packed.h"

#include "data/sources/sources.h"

namespace tailor::data {
namespace {

class PackedSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    splits = open_packed(find_root(config).path, config);
    if (!request.train) splits.train = nullptr;
  }
};

}  // namespace

std::unique_ptr<DataSource> make_packed_source() {
  SourceTraits t{"packed", "the packed cache"};
  t.any_size = t.own = t.arrays = t.packed = true;
  t.fetched = false;
  return std::make_unique<PackedSource>(t);
}

}  // namespace tailor::data
