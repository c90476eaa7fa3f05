// What every target does with its input: read it. An Error is an answer, unless it calls itself a
// bug of ours; anything else that happens is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "support/rooms.h"
#include "tailor/core/error.h"

namespace tailor::fuzz {

template <class Read>
int read(const uint8_t* data, size_t size, Read read_bytes) {
  try {
    read_bytes(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Internal) return 0;
    std::fprintf(stderr, "internal error: %s\n", e.what());
    std::abort();
  }
  return 0;
}

}  // namespace tailor::fuzz
