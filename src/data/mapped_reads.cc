#include "data/mapped_reads.h"

#include "data/hdf5.h"
#include "tailor/core/error.h"

#ifdef TAILOR_WITH_HDF5
#include <algorithm>
#include <cmath>
#include <set>

#include "tailor/core/random.h"
#include "tailor/data/signal.h"

namespace tailor::data {
namespace {

constexpr double kTypical = 2.5;  // standard deviations of a chunk's number of bases
constexpr int64_t kValidationReads = 1000, kLeastShare = 10;
constexpr int16_t kReadBases = 4;

struct MappedRead {
  std::string name;
  double offset = 0, scale = 1, shift = 0;  // sample = (raw + offset) · scale - shift
};
struct MappedChunk {
  size_t read = 0;
  int64_t first = 0;          // sample of the read
  size_t begin = 0, end = 0;  // of its labels among all
};
struct MappedFile {
  Hdf5File file;
  int64_t chunk;
  std::vector<MappedRead> reads;
  std::vector<MappedChunk> chunks;
  std::vector<uint8_t> labels;

  MappedFile(const std::string& path, int64_t size) : file(path, "mapped reads"), chunk(size) {
    const Hdf5Library library;
    for (const std::string& name : names_in_group(file.id(), "/Reads")) add_read(name);
    if (reads.empty()) file.bad("Reads", "groups of Dacs, Ref_to_signal and Reference", "none");
  }

 private:
  void add_read(const std::string& name) {
    const std::string where = "Reads/" + name;
    const Hdf5Handle group(H5Gopen2(file.id(), where.c_str(), H5P_DEFAULT), H5Gclose);
    if (!group.open()) file.bad(where, "a group", "something else");
    auto number = [&](const char* key) {
      const auto value = hdf5_number(group.id(), key);
      if (!value) file.bad(where, fmt::format("a number '{}'", key), "none");
      return *value;
    };
    const double range = number("range"), digitisation = number("digitisation"),
                 scale = number("scale_frompA");
    if (range <= 0 || digitisation <= 0 || scale <= 0) {
      file.bad(where, "a range, a digitisation and a scale_frompA above 0",
               fmt::format("{}, {} and {}", range, digitisation, scale));
    }
    reads.push_back(
        {where, number("offset"), range / digitisation / scale, number("shift_frompA") / scale});
    const int64_t samples = file.row_size(group.id(), "Dacs", where + "/Dacs");
    add_chunks(file.read_row32(group.id(), "Ref_to_signal", where + "/Ref_to_signal"),
               file.read_row16(group.id(), "Reference", where + "/Reference"), samples);
  }
  void add_chunks(const std::vector<int32_t>& starts, const std::vector<int16_t>& bases,
                  int64_t samples) {
    const std::string& where = reads.back().name;
    if (starts.size() != bases.size() + 1 || !std::is_sorted(starts.begin(), starts.end())) {
      file.bad(where + "/Ref_to_signal",
               fmt::format("{} ascending samples, one more than bases", bases.size() + 1),
               fmt::format("{}", starts.size()));
    }
    for (size_t i = 0; i < bases.size(); ++i) {
      if (bases[i] < 0 || bases[i] >= kReadBases) {
        file.bad(where + "/Reference", "0 to 3 (A, C, G, T)",
                 fmt::format("{} at base {}", bases[i], i));
      }
    }
    const auto base_at = [&](int64_t sample) {
      const auto end = starts.end() - 1;
      return static_cast<size_t>(std::lower_bound(starts.begin(), end, sample) - starts.begin());
    };
    for (int64_t first = samples % chunk / 2; first + chunk <= samples; first += chunk) {
      const size_t from = base_at(first), to = base_at(first + chunk);
      if (from == to) continue;
      chunks.push_back({reads.size() - 1, first, labels.size(), labels.size() + to - from});
      for (size_t i = from; i < to; ++i) labels.push_back(static_cast<uint8_t>(bases[i] + 1));
    }
  }
};

class MappedSet : public SequenceDataset {
 public:
  /// The chunks of `all` of a typical number of bases.
  MappedSet(std::shared_ptr<const MappedFile> file, const std::vector<size_t>& all)
      : file_(std::move(file)) {
    double sum = 0, squares = 0;
    const auto bases = [&](size_t i) {
      return static_cast<double>(file_->chunks[i].end - file_->chunks[i].begin);
    };
    for (const size_t i : all) sum += bases(i);
    const double mean = sum / static_cast<double>(all.size());
    for (const size_t i : all) squares += (bases(i) - mean) * (bases(i) - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(all.size()));
    for (const size_t i : all) {
      if (deviation == 0 || std::abs(bases(i) - mean) < kTypical * deviation) chosen_.push_back(i);
    }
  }
  ExampleKind kind() const override { return ExampleKind::Signal; }
  int64_t size() const override { return static_cast<int64_t>(chosen_.size()); }
  int64_t id(int64_t index) const override {
    return static_cast<int64_t>(chosen_.at(static_cast<size_t>(index)));
  }
  std::string name(int64_t index) const override {
    const MappedChunk& chunk = at(index);
    return fmt::format("{} from sample {}", visible(file_->reads[chunk.read].name), chunk.first);
  }
  int64_t length(int64_t) const override { return file_->chunk; }
  void read(int64_t index, std::vector<float>& samples) const override {
    const MappedChunk& chunk = at(index);
    const MappedRead& read = file_->reads[chunk.read];
    std::vector<int16_t> raw;
    {
      const Hdf5Library library;
      const Hdf5Handle group(H5Gopen2(file_->file.id(), read.name.c_str(), H5P_DEFAULT), H5Gclose);
      raw = file_->file.read_part16(group.id(), "Dacs", read.name + "/Dacs", chunk.first,
                                    file_->chunk);
    }
    samples.resize(raw.size());
    for (size_t i = 0; i < raw.size(); ++i) {
      samples[i] = static_cast<float>((raw[i] + read.offset) * read.scale - read.shift);
      if (!std::isfinite(samples[i])) {
        file_->file.bad(
            read.name, "samples that its range, digitisation, offset and scale make numbers",
            fmt::format("{} of sample {}", samples[i], chunk.first + static_cast<int64_t>(i)));
      }
    }
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    const MappedChunk& chunk = at(index);
    labels.assign(file_->labels.begin() + static_cast<std::ptrdiff_t>(chunk.begin),
                  file_->labels.begin() + static_cast<std::ptrdiff_t>(chunk.end));
  }

 private:
  const MappedChunk& at(int64_t index) const {
    return file_->chunks[chosen_.at(static_cast<size_t>(index))];
  }
  std::shared_ptr<const MappedFile> file_;
  std::vector<size_t> chosen_;
};

}  // namespace

MappedReads open_mapped_reads(const std::string& path, int64_t chunk, int64_t seed) {
  const auto file = std::make_shared<const MappedFile>(path, chunk);
  const auto reads = static_cast<int64_t>(file->reads.size());
  const int64_t kept_back = std::min(kValidationReads, (reads + kLeastShare - 1) / kLeastShare);
  const std::vector<int64_t> order =
      random_permutation(reads, CounterRandom(static_cast<uint64_t>(seed), RandomStream::Split, 0));
  const std::set<int64_t> validation(order.begin(), order.begin() + kept_back);
  std::vector<size_t> parts[2];
  for (size_t i = 0; i < file->chunks.size(); ++i)
    parts[validation.count(static_cast<int64_t>(file->chunks[i].read))].push_back(i);
  if (parts[0].empty() || parts[1].empty()) {
    fail(ErrorKind::Data,
         "mapped reads {}: expected chunks of {} samples to train with and to validate, got {} of "
         "{} reads and {} of {}",
         path, chunk, parts[0].size(), reads - kept_back, parts[1].size(), kept_back);
  }
  return {std::make_shared<MappedSet>(file, parts[0]), std::make_shared<MappedSet>(file, parts[1])};
}

}  // namespace tailor::data

#else

namespace tailor::data {

MappedReads open_mapped_reads(const std::string& path, int64_t, int64_t) {
  fail(ErrorKind::Unsupported,
       "mapped reads {}: this program was built without HDF5: install libhdf5-dev and build it "
       "again, or convert them with bonito convert and take data.name bonito",
       path);
}

}  // namespace tailor::data

#endif
