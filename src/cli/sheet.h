// The contact sheet of tailor data check --output: pictures of each class under the class's name.
#pragma once

#include <string>

#include "tailor/data/images.h"

namespace tailor::cli {

/// Writes a PNG: for each of the first classes some pictures as they are, then the first of them as
/// the first epochs augment it. `labels`: of data.train, or of data.test where there is no train.
void draw_sheet(const std::string& path, const DataSplits& data, const DataConfig& config,
                const std::vector<int64_t>& labels);

}  // namespace tailor::cli
