#include "data/chunks.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/files.h"
#include "tailor/core/threads.h"
#include "tailor/data/signal.h"
#include "tailor/tensors/npy.h"

namespace tailor::data {
namespace {

constexpr int64_t kBases = 4;

[[noreturn]] void bad_row(const NpyRows& file, int64_t row, const std::string& expected,
                          const std::string& got) {
  fail(ErrorKind::Data, "{}: row {}: expected {}, got {}", file.path(), row, expected, got);
}

/// Whole numbers [rows], each from `low` to `high`.
std::vector<int64_t> read_lengths(const std::string& path, const char* what, int64_t rows,
                                  int64_t low, int64_t high) {
  const Tensor t = load_npy(path, what);
  const bool whole = t.dtype() != DType::F32 && t.dtype() != DType::F64;
  if (!whole || t.shape().size() != 1 || (rows >= 0 && t.size() != rows)) {
    fail(ErrorKind::Data, "{} {}: expected {} whole numbers of shape [{}], got {} of shape {}",
         what, path, rows >= 0 ? "one a chunk," : "", rows >= 0 ? std::to_string(rows) : "any",
         dtype_name(t.dtype()), tensors::to_string(t.shape()));
  }
  std::vector<int64_t> lengths;
  lengths.reserve(static_cast<size_t>(t.size()));
  for (const double v : t.to_doubles()) {
    const auto value = static_cast<int64_t>(v);
    if (value < low || value > high) {
      fail(ErrorKind::Data, "{} {}: row {}: expected {} to {}, got {}", what, path, lengths.size(),
           low, high, value);
    }
    lengths.push_back(value);
  }
  return lengths;
}

NpyRows open_rows(const std::string& path, const char* what, bool floats) {
  NpyRows rows(path, what);
  const bool whole = rows.type()[0] == 'u' || rows.type()[0] == 'i';
  if (rows.shape().size() != 2 || rows.rows() == 0 || rows.row_size() == 0 ||
      !(floats ? rows.is_float() || rows.type() == "i2" : whole)) {
    fail(ErrorKind::Data, "{} {}: expected {} of shape [{}], got {} of shape {}", what, path,
         floats ? "f2, f4, f8 or i2" : "whole numbers",
         floats ? "chunks, samples" : "chunks, bases", rows.type(),
         tensors::to_string(rows.shape()));
  }
  return rows;
}

class Chunks : public SequenceDataset {
 public:
  explicit Chunks(const std::string& folder)
      : chunks_(open_rows(path_join(folder, "chunks.npy"), "chunks", true)),
        references_(open_rows(path_join(folder, "references.npy"), "references", false)),
        raw_(!chunks_.is_float()) {
    const int64_t rows = chunks_.rows(), samples = chunks_.row_size();
    if (references_.rows() != rows) {
      fail(ErrorKind::Data, "{}: expected as many rows as {}, which has {}, got {}",
           references_.path(), chunks_.path(), rows, references_.rows());
    }
    const std::string own = path_join(folder, "chunk_lengths.npy");
    if (path_exists(own)) samples_ = read_lengths(own, "chunk lengths", rows, 1, samples);
    bases_ = read_lengths(path_join(folder, "reference_lengths.npy"), "reference lengths", rows, 1,
                          references_.row_size());
    read_indices(path_join(folder, "indices.npy"));
    verify_references();
  }
  ExampleKind kind() const override { return ExampleKind::Signal; }
  int64_t size() const override {
    return indexed_ ? static_cast<int64_t>(rows_.size()) : chunks_.rows();
  }
  int64_t id(int64_t index) const override { return row_of(index); }
  std::string name(int64_t index) const override { return fmt::format("chunk {}", row_of(index)); }
  int64_t length(int64_t index) const override { return length_of(row_of(index)); }
  void read(int64_t index, std::vector<float>& samples) const override {
    const int64_t row = row_of(index);
    chunks_.read(row, samples);
    samples.resize(static_cast<size_t>(length_of(row)));
    for (size_t i = 0; i < samples.size(); ++i) {
      if (!std::isfinite(samples[i])) {
        bad_row(chunks_, row, "finite numbers", fmt::format("{} at sample {}", samples[i], i));
      }
    }
    if (raw_) normalise(samples, median_mad(samples));
  }
  void read_labels(int64_t index, std::vector<int64_t>& labels) const override {
    read_reference(row_of(index), labels);
  }

 private:
  int64_t row_of(int64_t index) const {
    TAILOR_CHECK(index >= 0 && index < size(), "chunk {} of {}", index, size());
    return indexed_ ? rows_[static_cast<size_t>(index)] : index;
  }
  int64_t length_of(int64_t row) const {
    return samples_.empty() ? chunks_.row_size() : samples_[static_cast<size_t>(row)];
  }
  void read_indices(const std::string& path) {
    indexed_ = path_exists(path);
    if (!indexed_) return;
    constexpr int64_t kAnyRow = int64_t{1} << 48;
    for (const int64_t row : read_lengths(path, "indices", -1, 0, kAnyRow)) {
      if (row < chunks_.rows()) rows_.push_back(row);
    }
    if (rows_.empty()) {
      fail(ErrorKind::Data, "indices {}: none is a row of {}, which has {}", path, chunks_.path(),
           chunks_.rows());
    }
  }
  void read_reference(int64_t row, std::vector<int64_t>& labels) const {
    references_.read(row, labels);
    labels.resize(static_cast<size_t>(bases_[static_cast<size_t>(row)]));
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 1 || labels[i] > kBases) {
        bad_row(references_, row, "1 to 4 (A, C, G, T)",
                fmt::format("{} at base {} of {}", labels[i], i, labels.size()));
      }
    }
  }
  void verify_references() const {
    constexpr int64_t kBlock = 4096;
    const int64_t count = size();
    parallel_for((count + kBlock - 1) / kBlock, 0, [&](int64_t block) {
      std::vector<int64_t> labels;
      for (int64_t i = block * kBlock; i < std::min(count, (block + 1) * kBlock); ++i) {
        const int64_t row = row_of(i);
        read_reference(row, labels);
        if (static_cast<int64_t>(labels.size()) > length_of(row)) {
          bad_row(references_, row, fmt::format("no more bases than samples, {}", length_of(row)),
                  std::to_string(labels.size()));
        }
      }
    });
  }

  NpyRows chunks_, references_;
  bool raw_;
  std::vector<int64_t> samples_, bases_;  // by row; no samples_: all of a row
  bool indexed_ = false;
  std::vector<int64_t> rows_;
};

}  // namespace

Sequences open_chunks(const std::string& folder) { return std::make_shared<Chunks>(folder); }

int64_t chunk_width(const std::string& folder) {
  return NpyRows(path_join(folder, "chunks.npy"), "chunks").row_size();
}

}  // namespace tailor::data
