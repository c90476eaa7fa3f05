// What a card has. A device is a data file: configs/devices/*.json are embedded, and a user's own
// is opened by its path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::design {

/// Resources of a whole card, before a shell takes its share.
struct Device {
  std::string name;
  std::string part;              // as the vendor's tools name the FPGA
  std::string platform, memory;  // of a card: its shell, and the memory bank that a kernel uses
  int64_t dsp = 0, ramb18 = 0, lut = 0, ff = 0, uram = 0;
  void describe(RecordVisitor& v);
};

/// An embedded device by its name, else the file of that path. Throws Usage where there is neither,
/// Config where the file is no device.
Device find_device(const std::string& name_or_path);
std::vector<std::string> device_names();

}  // namespace tailor::design
