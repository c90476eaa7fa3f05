// NeMo's .nemo files: a tar archive, plain or gzipped, with model_weights.ckpt (torch.save's)
// beside its configuration. Read by libarchive, in memory; nothing of it is unpacked to the disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailor::tensors {

/// Whether the bytes begin as a tar archive or as a gzip stream, which may hold one.
bool may_be_nemo(std::string_view bytes);

struct NemoArchive {
  std::string weights;              // the bytes of model_weights.ckpt
  std::vector<std::string> others;  // names of the other files
};
/// Nothing if it is an archive without a model_weights.ckpt, or no archive. Throws Data on one that
/// is damaged, has two of them, or more files or bytes than any model.
std::optional<NemoArchive> open_nemo(std::string_view bytes, const std::string& path);

}  // namespace tailor::tensors
