// Class folders of JPEG and PNG files, in a folder or an archive: ImageNet's layout, Tiny
// ImageNet's own, train/ alone, or just one folder a class. Images keep their own sizes until a
// window is read.
#pragma once

#include "tailor/data/images.h"

namespace tailor::data {

/// How evaluation sees pictures of any size.
struct CentreView {
  MapShape shape;
  int64_t resize = 0;  // the short side before the centre is cut out
};
/// image_size, channels and resize of the config; resize is by default 8/7 of image_size (256 for
/// 224).
CentreView centre_view(const DataConfig& config);

struct FolderParts {
  std::vector<std::string> classes;
  Images train, test;       // train is null if it was not asked for or is not there
  bool drawn_test = false;  // there was no val/ or test/: test_size images drawn by the seed
};
/// Throws Data naming what is missing; files that cannot be read are left out and reported, or are
/// an error (data.unreadable). `test_alone`: a val/ or test/ need not have a train/ beside it.
FolderParts open_image_folder(const std::string& root, const DataConfig& config, bool with_train,
                              bool test_alone);

}  // namespace tailor::data
