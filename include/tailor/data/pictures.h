// Single pictures without labels, and the names of the official sets' classes: what a network's
// answer about a picture is read with.
#pragma once

#include <string>
#include <vector>

#include "tailor/data/images.h"

namespace tailor::data {

/// JPEG, PNG (by content) and .npy files ([rows, columns, channels] or [rows, columns], of the
/// types and with the values of an npy set's images) as evaluation sees a folder's pictures: short
/// side scaled to `resize` pixels, then the centre of `shape`. Files are read when they are got;
/// one that cannot be is black and stands in report().left_out with its path and the reason, one
/// that breaks off in report().damaged.
Images open_pictures(std::vector<std::string> paths, MapShape shape, int64_t resize);

}  // namespace tailor::data
