// Opens libtailor_torch.so beside libtailor.so. What LibTorch reads only once, at load, is set here
// first (docs/design/0004).
#include <dlfcn.h>
#include <sys/mman.h>

#include <cstdlib>

#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace tailor::cli {
namespace {

void set_default(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), /*overwrite=*/0);
}

#if defined(__GLIBC__)
/// So many bytes of the heap, as far as it grows, lie in huge pages: a map of 8 MB takes four of
/// them and not 2,000, which are slow to look up on a virtual machine.
void ask_for_huge_pages() {
  constexpr size_t kPiece = size_t{256} << 20, kPieces = 16, kPage = 4096;
  static_assert(kPiece < size_t{1} << 30, "below the threshold of mmap");
  void* pieces[kPieces] = {};
  for (void*& piece : pieces) {
    piece = std::malloc(kPiece);  // not touched: no memory yet
    if (!piece) break;
    const auto begin = (reinterpret_cast<uintptr_t>(piece) + kPage - 1) / kPage * kPage;
    ::madvise(reinterpret_cast<void*>(begin), kPiece - kPage, MADV_HUGEPAGE);
  }
  for (void* piece : pieces) std::free(piece);
}
#endif

void prepare_process() {
#if defined(__GLIBC__)
  // Without these glibc returns every activation to the kernel and gets it back page by page: 1.6
  // times slower.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
  ask_for_huge_pages();
#endif
  const std::string threads = std::to_string(available_threads());
  set_default("OMP_NUM_THREADS", threads);
  set_default("OPENBLAS_NUM_THREADS", threads);
  // A waiting thread that spins takes the CPU from whoever it waits for (docs/design/0004).
  set_default("GOMP_SPINCOUNT", "1000");
#if defined(__x86_64__)
  // Debian's OpenBLAS 0.3.21 takes newer CPUs for a Haswell and leaves half of AVX-512's speed
  // unused.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
    set_default("OPENBLAS_CORETYPE", "SkylakeX");
#endif
}

std::string library_path() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&open_torch), &info) != 0 && info.dli_fname)
    return path_join(parent_path(info.dli_fname), "libtailor_torch.so");
  return "libtailor_torch.so";
}

}  // namespace

bool torch_is_built() { return path_exists(library_path()); }

const TorchPlugin& open_torch() {
  static const TorchPlugin* plugin = nullptr;
  if (plugin) return *plugin;
  const std::string path = library_path();
  if (!path_exists(path)) {
    fail(
        ErrorKind::Unsupported,
        "this build of tailor has no LibTorch ({} is not there): train and evaluate with --backend "
        "libtorch need it; export, check, inspect and evaluate --backend emulator do not",
        path);
  }
  prepare_process();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!handle) {
    fail(ErrorKind::Unsupported,
         "cannot load {}: {}; install the LibTorch it was built with (scripts/setup.sh)", path,
         ::dlerror());
  }
  auto entry = reinterpret_cast<const TorchPlugin* (*)()>(::dlsym(handle, "tailor_torch_plugin"));
  if (!entry) fail(ErrorKind::Unsupported, "{} is not tailor's: {}", path, ::dlerror());
  plugin = entry();
  return *plugin;
}

}  // namespace tailor::cli
