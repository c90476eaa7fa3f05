// Reads mapped to their references, one HDF5 file: what Bonito's training set is before bonito
// convert.
#include "data/mapped_reads.h"
#include "data/sources/sources.h"
#include "tailor/core/files.h"
#include "tailor/data/signal.h"

namespace tailor::data {
namespace {

class TaiyakiSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    MappedReads reads = open_mapped_reads(file_of(config), config.signal.chunk, config.seed);
    splits.shape = {1, 1, config.signal.chunk};
    splits.class_names = base_alphabet().symbols;
    splits.rate_hz = kPoreRateHz;
    splits.validation = std::move(reads.validation);
    if (request.train) splits.train = std::move(reads.train);
  }

 private:
  std::string file_of(const DataConfig& config) const {
    const auto [root, origin] = find_root(config);
    if (is_regular_file(root)) return root;
    for (const char* name : {"mapped_reads.hdf5", "dna_r9.4.1.hdf5"}) {
      if (is_regular_file(path_join(root, name))) return path_join(root, name);
    }
    fail(ErrorKind::Data,
         "{} is not {} ({}): expected data.root to be the HDF5 file, or a folder with "
         "mapped_reads.hdf5 or dna_r9.4.1.hdf5",
         traits().title, root, origin);
  }
};

}  // namespace

std::unique_ptr<DataSource> make_taiyaki_source() {
  SourceTraits t{"taiyaki", "the set of mapped reads", base_alphabet().size()};
  t.kind = ExampleKind::Signal;
  t.own = true;
  t.fetched = false;
  return std::make_unique<TaiyakiSource>(t);
}

}  // namespace tailor::data
