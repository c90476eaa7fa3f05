// Reads mapped to their references, as Taiyaki's trainer reads them (HDF5), cut into chunks as
// Bonito's converter does.
#pragma once

#include <string>

#include "tailor/data/sequences.h"

namespace tailor::data {

struct MappedReads {
  Sequences train, validation;
};

/// Reads/ID with Dacs, Ref_to_signal, Reference and the attributes range, digitisation, offset,
/// shift_frompA and scale_frompA. A read is as many chunks of `chunk` samples as it holds, from its
/// middle; a chunk's labels are the bases that begin in it. Chunks whose number of bases is beyond
/// 2.5 standard deviations of the mean are left out. Validation is whole reads, drawn by `seed`:
/// 1,000, or a tenth of fewer than 10,000. Samples stay in the file until they are read. Throws
/// Data, and Unsupported in a program that was built without HDF5.
MappedReads open_mapped_reads(const std::string& path, int64_t chunk, int64_t seed);

}  // namespace tailor::data
