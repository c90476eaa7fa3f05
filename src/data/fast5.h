// fast5 files: HDF5 with a nanopore's raw reads, of one read or of many.
#pragma once

#include "tailor/data/reads.h"

namespace tailor::data {

/// Throws Data, and Unsupported where there is no HDF5 or a filter of the file is missing.
std::shared_ptr<const RawReads> open_fast5(const std::string& path);

}  // namespace tailor::data
