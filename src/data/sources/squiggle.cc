// Simulated current of a nanopore with its bases: as many chunks as are asked for, made in memory.
#include "data/squiggle.h"
#include "data/sources/sources.h"
#include "tailor/data/signal.h"

namespace tailor::data {
namespace {

constexpr int64_t kFirstTestStrand = int64_t{1} << 32;
constexpr int64_t kTrainChunks = 6000, kTestChunks = 500;

class SquiggleSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    auto make = [&](int64_t asked, int64_t usual, int64_t first) {
      return make_squiggle(config.signal, asked > 0 ? asked : usual, first, config.seed);
    };
    splits.shape = {1, 1, config.signal.chunk};
    splits.class_names = base_alphabet().symbols;
    splits.rate_hz = kPoreRateHz;
    splits.test = make(config.test_size, kTestChunks, kFirstTestStrand);
    if (request.train) splits.train = make(config.train_size, kTrainChunks, 0);
  }
};

}  // namespace

std::unique_ptr<DataSource> make_squiggle_source() {
  SourceTraits t{"squiggle", "the simulated current", base_alphabet().size()};
  t.kind = ExampleKind::Signal;
  t.in_memory = true;
  t.fetched = false;
  return std::make_unique<SquiggleSource>(t);
}

}  // namespace tailor::data
