// What tailor data does with speech and with a nanopore's current.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tailor/cli/commands.h"
#include "tailor/data/sequences.h"
#include "tailor/net/config.h"

namespace tailor::cli {

/// tailor data check: reads every example and prints what it finds. Throws Data behind that where
/// an example cannot be read. `network`: whose stride says how many answers there are.
int check_sequences(const DataOptions& options, const DataConfig& config,
                    const NetworkConfig& network);

/// tailor data make: a speech set as a LibriSpeech tree, current as a folder of Bonito's.
int make_data(const DataOptions& options, const DataConfig& config);

/// Writes a PNG. Of speech: features of a few of the examples `readable`, as they are and as the
/// first epoch augments them, over what is said. Of signal: current over samples, and the bases.
void draw_sequences(const std::string& path, const SequenceDataset& set, const DataConfig& config,
                    const std::vector<int64_t>& readable);

}  // namespace tailor::cli
