// Archives of pictures, hard links in them too: whatever is listed can be read.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "data/files.h"
#include "fuzz/fuzz.h"

using namespace tailor::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = ::memfd_create("archive", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (::ftruncate(file, static_cast<off_t>(size)) != 0 ||
      ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  return tailor::fuzz::read(data, size, [](std::string_view) {
    const auto files = open_files(path, [](const std::string&) { return true; });
    for (size_t i = 0; i < files->names().size(); ++i) files->read(i);
  });
}
