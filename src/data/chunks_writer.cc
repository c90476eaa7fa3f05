// A set of signal chunks as the folder that Bonito's trainer and the data set bonito read.
#include <algorithm>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/threads.h"
#include "tailor/data/sequences.h"
#include "tailor/data/signal.h"
#include "tailor/tensors/npy.h"

namespace tailor::data {
namespace {

/// Rows of different lengths one below the other, as wide as the longest, zeros behind the shorter.
template <class T, class Row>
Tensor stack_rows(const std::vector<std::vector<Row>>& rows) {
  size_t width = 0;
  for (const std::vector<Row>& row : rows) width = std::max(width, row.size());
  std::vector<T> values(rows.size() * width, T{0});
  for (size_t i = 0; i < rows.size(); ++i) {
    std::transform(rows[i].begin(), rows[i].end(),
                   values.begin() + static_cast<std::ptrdiff_t>(i * width),
                   [](Row v) { return static_cast<T>(v); });
  }
  return Tensor::from<T>({static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, values);
}

template <class Row>
std::vector<int32_t> lengths_of(const std::vector<std::vector<Row>>& rows) {
  std::vector<int32_t> lengths;
  lengths.reserve(rows.size());
  for (const std::vector<Row>& row : rows) lengths.push_back(static_cast<int32_t>(row.size()));
  return lengths;
}

Tensor as_array(const std::vector<int32_t>& numbers) {
  return Tensor::from<int32_t>({static_cast<int64_t>(numbers.size())}, numbers);
}

void write_chunks(const Sequences& set, const std::string& folder) {
  std::vector<std::vector<float>> chunks(static_cast<size_t>(set->size()));
  std::vector<std::vector<int64_t>> labels(chunks.size());
  parallel_for(set->size(), 0, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    set->read(i, chunks[at]);
    set->read_labels(i, labels[at]);
    if (chunks[at].empty() || labels[at].empty()) {
      fail(ErrorKind::Data, "{}: expected samples and bases, got {} and {}", set->name(i),
           chunks[at].size(), labels[at].size());
    }
  });
  const std::vector<int32_t> samples = lengths_of(chunks);
  save_npy(path_join(folder, "chunks.npy"), stack_rows<float>(chunks));
  save_npy(path_join(folder, "references.npy"), stack_rows<uint8_t>(labels));
  save_npy(path_join(folder, "reference_lengths.npy"), as_array(lengths_of(labels)));
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end());
  if (*least != *most) save_npy(path_join(folder, "chunk_lengths.npy"), as_array(samples));
}

}  // namespace

void write_bonito(const DataSplits& splits, const std::string& folder) {
  if (splits.kind != ExampleKind::Signal) {
    fail(ErrorKind::Unsupported, "{}: expected signal, got {}", splits.name,
         to_string(splits.kind));
  }
  const Sequences train = as_sequences(splits.train),
                  other = as_sequences(splits.validation ? splits.validation : splits.test);
  if (!train || train->size() == 0 || !other || other->size() == 0)
    fail(ErrorKind::Data, "{}: expected chunks to train and to validate with", splits.name);
  AtomicDirectory made(folder);
  write_chunks(train, made.temporary_path());
  create_directories(path_join(made.temporary_path(), "validation"));
  write_chunks(other, path_join(made.temporary_path(), "validation"));
  made.commit();
}

}  // namespace tailor::data
