// Chunks of nanopore reads as Bonito's trainer has them, with its validation split: the folder
// validation/ where there is one, else the last 3 % in the order of the files.
#include <numeric>

#include "data/chunks.h"
#include "data/sources/sources.h"
#include "tailor/core/files.h"
#include "tailor/data/signal.h"

namespace tailor::data {
namespace {

constexpr const char* kBonitoFolder = "bonito";
constexpr int64_t kTrainPerCent = 97;

class BonitoSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    const std::string folder = required_folder(
        config, traits(), kBonitoFolder, "chunks.npy",
        "it is what bonito convert writes: chunks.npy, references.npy, reference_lengths.npy and "
        "perhaps validation/ with the same files");
    const std::string own = path_join(folder, "validation");
    const bool has_own = path_exists(path_join(own, "chunks.npy"));
    splits.shape = {1, 1, chunk_width(folder)};
    splits.class_names = base_alphabet().symbols;
    splits.rate_hz = kPoreRateHz;
    if (request.train || !has_own) splits.train = open_chunks(folder);
    if (has_own) {
      splits.validation = open_chunks(own);
      return;
    }
    const int64_t size = splits.train->size(), train = size * kTrainPerCent / 100;
    if (train == 0) {
      fail(ErrorKind::Data,
           "{}: expected a folder validation, or chunks enough to keep back the last 3 %; got {}",
           folder, size);
    }
    splits.validation = range(splits.train, train, size);
    splits.train = request.train ? range(splits.train, 0, train) : nullptr;
  }

 private:
  static ExampleSet range(const ExampleSet& all, int64_t begin, int64_t end) {
    std::vector<int64_t> indices(static_cast<size_t>(end - begin));
    std::iota(indices.begin(), indices.end(), begin);
    return pick_examples(all, std::move(indices));
  }
};

}  // namespace

std::unique_ptr<DataSource> make_bonito_source() {
  SourceTraits t{"bonito", "the set of signal chunks", base_alphabet().size()};
  t.kind = ExampleKind::Signal;
  t.own = true;
  t.fetched = false;
  return std::make_unique<BonitoSource>(t);
}

}  // namespace tailor::data
