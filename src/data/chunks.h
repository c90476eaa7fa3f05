// A folder of signal chunks with the bases they say, as Bonito's trainer reads it: chunks.npy,
// references.npy and reference_lengths.npy, perhaps chunk_lengths.npy and indices.npy.
#pragma once

#include <string>

#include "tailor/data/sequences.h"

namespace tailor::data {

/// Chunks [N, samples] of f2, f4 or f8 are normalised current as it is; of i2 each is normalised
/// by its own median and MAD. References [N, width] and lengths [N] are whole numbers of any type:
/// 1 to 4 for A, C, G, T, and what is behind a reference's length is not looked at. chunk_lengths
/// says how many samples of a chunk are its own; indices which rows are used, in which order, those
/// beyond the last row being passed over. Chunks stay in the file until they are read.
/// Throws Data with file, row, expected and got.
Sequences open_chunks(const std::string& folder);
/// Samples of a row.
int64_t chunk_width(const std::string& folder);

}  // namespace tailor::data
