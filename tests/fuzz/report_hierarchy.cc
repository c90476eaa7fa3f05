// A report of the vendor's tools, report_utilization -hierarchical: it is read, or an error names
// the line.
#include "fuzz/fuzz.h"
#include "support/rooms.h"
#include "tailor/target/reports.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tailor::fuzz::read(data, size,
                            [](std::string_view bytes) { read_hierarchy(bytes, "input"); });
}
