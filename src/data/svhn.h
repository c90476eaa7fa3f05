// SVHN's cropped digits: MATLAB 5 files (libmatio) with X uint8 32×32×3×N and y N×1, where the
// digit 0 is stored as 10. Column-major: the byte of a sample is row + 32·(column + 32·(channel +
// 3·n)).
#pragma once

#include "tailor/data/images.h"

namespace tailor::data {

/// The files one after another, as 32×32 RGB with labels 0..9. Throws Data with path, expected and
/// found.
Images load_svhn(const std::vector<std::string>& paths);

}  // namespace tailor::data
