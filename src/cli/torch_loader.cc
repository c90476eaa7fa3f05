// Opens libtailor_torch.so beside libtailor.so. What LibTorch reads only once, at load, is set here
// first (docs/design/0004).
#include <dlfcn.h>
#include <sys/mman.h>

#include <cstdlib>
#include <utility>

#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace tailor::cli {
namespace {

/// What describe_process says once the process is prepared.
Json& made_settings() {
  static Json settings = Json::object({});
  return settings;
}

/// `by` whom a variable of the environment was set; none: it is not set.
void note_variable(const char* name, const char* by) {
  const char* value = ::getenv(name);
  if (value) made_settings().set(name, Json::object({{"value", value}, {"set_by", by}}));
}

void set_default(const char* name, const std::string& value) {
  const bool by_user = ::getenv(name) != nullptr;
  ::setenv(name, value.c_str(), /*overwrite=*/0);
  note_variable(name, by_user ? "user" : "tailor");
}

/// The file that malloc comes from: the C library's, unless another one is loaded before it.
std::string malloc_library() {
  Dl_info info{};
  return ::dladdr(::dlsym(RTLD_DEFAULT, "malloc"), &info) != 0 && info.dli_fname ? info.dli_fname
                                                                                 : "unknown";
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
  made_settings().set("huge_pages", Json::object({{"value", "madvise"}, {"set_by", "tailor"}}));
}
#endif

void set_allocator() {
#if defined(__GLIBC__)
  Dl_info info{};
  const bool is_glibc = ::dladdr(reinterpret_cast<void*>(&::mallopt), &info) != 0 &&
                        info.dli_fname && malloc_library() == info.dli_fname;
  if (!is_glibc) return;  // another allocator has settings of its own
  // Without these glibc returns every activation to the kernel and gets it back page by page: 1.6
  // times slower.
  constexpr int kThreshold = 1 << 30, kNever = -1, kPad = 64 << 20;
  const bool made = ::mallopt(M_MMAP_THRESHOLD, kThreshold) == 1 &&
                    ::mallopt(M_TRIM_THRESHOLD, kNever) == 1 && ::mallopt(M_TOP_PAD, kPad) == 1;
  if (!made) return;
  const std::pair<const char*, int> settings[] = {
      {"M_MMAP_THRESHOLD", kThreshold}, {"M_TRIM_THRESHOLD", kNever}, {"M_TOP_PAD", kPad}};
  for (const auto& [name, value] : settings) {
    made_settings().set(name,
                        Json::object({{"value", std::to_string(value)}, {"set_by", "tailor"}}));
  }
  ask_for_huge_pages();
#endif
}

void prepare_process() {
  set_allocator();
  const std::string threads = std::to_string(available_threads());
  set_default("OMP_NUM_THREADS", threads);
  set_default("OPENBLAS_NUM_THREADS", threads);
  // A waiting thread that spins takes the CPU from whoever it waits for (docs/design/0004). A
  // policy that the user has chosen is not overruled by a count.
  note_variable("OMP_WAIT_POLICY", "user");
  if (::getenv("OMP_WAIT_POLICY")) {
    note_variable("GOMP_SPINCOUNT", "user");
  } else {
    set_default("GOMP_SPINCOUNT", "1000");
  }
  for (const char* largest : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"})
    note_variable(largest, "user");
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

Json describe_process() {
  return Json::object({{"malloc", malloc_library()}, {"settings", made_settings()}});
}

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
