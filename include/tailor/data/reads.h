// Raw reads of a nanopore out of users' files: .npy arrays and fast5 (HDF5).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::data {

struct RawRead {
  std::string id;
  std::vector<float> samples;  // picoampere where the file says how, else its numbers as they are
  double rate_hz = 0;          // 0: the file does not say
};

/// The reads of a file, one in memory at a time.
class RawReads {
 public:
  virtual ~RawReads() = default;
  virtual int64_t size() const = 0;
  /// Thread-safe. Throws Data naming the file and the read.
  virtual RawRead read(int64_t index) const = 0;
};

/// By the file's extension. .npy: one read of any number of samples, or a read a row; named after
/// the file, and the row from 0. .fast5, .h5, .hdf5: one read (/Raw/Reads/Read_N) or many
/// (/read_UUID), named by their read_id. Throws Data, and Unsupported for other files and for fast5
/// in a program that was built without HDF5.
std::shared_ptr<const RawReads> open_reads(const std::string& path);
/// Whether the program was built with HDF5.
bool reads_fast5();

}  // namespace tailor::data
