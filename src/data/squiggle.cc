#include "data/squiggle.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/random.h"
#include "tailor/core/threads.h"
#include "tailor/data/signal.h"

namespace tailor::data {
namespace {

constexpr int64_t kChunksPerStrand = 4;
/// Of the logarithm of a dwell: the quartiles of the real reads are 5, 8 and 13 samples.
constexpr double kDwellSpread = 0.7;

/// By the place of a pair in the 6-mer and its two bases. Least squares over the real reads' levels
/// (median 0, MAD 1); their sum is the level.
constexpr double kPairs[kPoreBases - 1][4][4] = {{{0.05, 0.07, -0.09, 0.15},
                                                  {-0.04, 0.09, -0.05, 0.07},
                                                  {-0.04, 0.01, -0.25, 0.01},
                                                  {0.05, 0.01, -0.15, 0.01}},
                                                 {{-0.38, 0.35, -0.62, 0.68},
                                                  {-0.09, 0.11, -0.33, 0.48},
                                                  {-0.66, 0.34, -0.73, 0.52},
                                                  {0.02, 0.13, -0.11, 0.19}},
                                                 {{-0.30, -0.10, -0.36, -0.35},
                                                  {0.36, 0.30, 0.20, 0.07},
                                                  {-0.64, -0.15, -0.42, -0.58},
                                                  {0.47, 0.79, 0.41, 0.20}},
                                                 {{0.15, -0.18, 0.07, -0.16},
                                                  {0.24, 0.22, 0.20, 0.19},
                                                  {-0.06, -0.06, 0.02, -0.07},
                                                  {0.05, -0.17, -0.09, -0.45}},
                                                 {{0.21, -0.02, 0.14, 0.06},
                                                  {-0.02, -0.11, -0.03, -0.03},
                                                  {0.15, -0.05, 0.09, 0.01},
                                                  {-0.07, -0.20, -0.10, -0.11}}};

/// Standard normal numbers, both of each pair (Box and Muller).
class Normals {
 public:
  explicit Normals(CounterRandom& random) : random_(random) {}
  double next() {
    has_spare_ = !has_spare_;
    if (!has_spare_) return spare_;
    const double u = (random_.next_u32() + 0.5) * 0x1p-32;
    const double angle = 2 * 3.14159265358979323846 * random_.uniform();
    const double radius = std::sqrt(-2 * std::log(u));
    spare_ = radius * std::sin(angle);
    return radius * std::cos(angle);
  }

 private:
  CounterRandom& random_;
  double spare_ = 0;
  bool has_spare_ = false;
};

struct Strand {
  std::vector<float> samples;   // normalised, at least as many as asked for
  std::vector<uint8_t> labels;  // 1 to 4
  std::vector<int64_t> starts;  // of each base, a sample
};

Strand simulate_strand(const SignalConfig& config, int64_t samples, uint64_t number, int64_t seed) {
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Synthetic, number, 1);
  Normals normals(random);
  const double log_median = std::log(config.dwell) - kDwellSpread * kDwellSpread / 2;
  std::array<uint8_t, kPoreBases> pore{};
  auto draw_base = [&] { return static_cast<uint8_t>(random.below(4)); };
  std::generate(pore.begin(), pore.end(), draw_base);
  Strand strand;
  strand.samples.reserve(static_cast<size_t>(samples) + 256);
  while (static_cast<int64_t>(strand.samples.size()) < samples) {
    strand.starts.push_back(static_cast<int64_t>(strand.samples.size()));
    strand.labels.push_back(static_cast<uint8_t>(pore[2] + 1));
    const double level = pore_level(pore) + config.noise * normals.next();
    const auto dwell = std::clamp<int64_t>(
        std::lround(std::exp(log_median + kDwellSpread * normals.next())), 1, 1000);
    for (int64_t i = 0; i < dwell; ++i)
      strand.samples.push_back(static_cast<float>(level + config.noise * normals.next()));
    std::rotate(pore.begin(), pore.begin() + 1, pore.end());
    pore.back() = draw_base();
  }
  normalise(strand.samples, median_mad(strand.samples));
  return strand;
}

class Squiggles : public SequenceDataset {
 public:
  Squiggles(const SignalConfig& config, int64_t count, int64_t first, int64_t seed)
      : chunk_(config.chunk), first_(first) {
    samples_.resize(static_cast<size_t>(count * chunk_));
    labels_.resize(static_cast<size_t>(count));
    const int64_t strands = (count + kChunksPerStrand - 1) / kChunksPerStrand;
    parallel_for(strands, 0, [&](int64_t s) {
      const Strand strand = simulate_strand(config, kChunksPerStrand * chunk_,
                                            static_cast<uint64_t>(first + s), seed);
      for (int64_t c = 0; c < kChunksPerStrand && s * kChunksPerStrand + c < count; ++c)
        cut(strand, c * chunk_, s * kChunksPerStrand + c);
    });
  }
  ExampleKind kind() const override { return ExampleKind::Signal; }
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  int64_t id(int64_t index) const override { return first_ + index; }
  std::string name(int64_t index) const override {
    return fmt::format("simulated chunk {}", first_ + index);
  }
  int64_t length(int64_t) const override { return chunk_; }
  void read(int64_t index, std::vector<float>& samples) const override {
    TAILOR_CHECK(index >= 0 && index < size(), "chunk {} of {}", index, size());
    const float* begin = samples_.data() + index * chunk_;
    samples.assign(begin, begin + chunk_);
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    const std::vector<uint8_t>& own = labels_.at(static_cast<size_t>(index));
    labels.assign(own.begin(), own.end());
  }

 private:
  void cut(const Strand& strand, int64_t begin, int64_t index) {
    const auto from = strand.samples.begin() + begin;
    std::copy(from, from + chunk_, samples_.begin() + index * chunk_);
    const auto base = [&](int64_t sample) {
      return std::lower_bound(strand.starts.begin(), strand.starts.end(), sample) -
             strand.starts.begin();
    };
    labels_[static_cast<size_t>(index)].assign(strand.labels.begin() + base(begin),
                                               strand.labels.begin() + base(begin + chunk_));
  }

  int64_t chunk_, first_;
  std::vector<float> samples_;
  std::vector<std::vector<uint8_t>> labels_;
};

}  // namespace

double pore_level(const std::array<uint8_t, kPoreBases>& bases) {
  double level = 0;
  for (size_t i = 0; i + 1 < kPoreBases; ++i) level += kPairs[i][bases[i]][bases[i + 1]];
  return level;
}

Sequences make_squiggle(const SignalConfig& config, int64_t count, int64_t first, int64_t seed) {
  return std::make_shared<Squiggles>(config, count, first, seed);
}

}  // namespace tailor::data
