// Pictures in class folders, or in an archive of them.
#include "data/folder.h"

#include "data/sources/sources.h"

namespace tailor::data {
namespace {

class FolderSource : public DataSource {
 public:
  using DataSource::DataSource;
  void open(const DataConfig& config, const OpenRequest& request,
            DataSplits& splits) const override {
    FolderParts parts =
        open_image_folder(find_root(config).path, config, request.train, request.test_alone);
    splits.shape = centre_view(config).shape;
    if (splits.shape.channels == 1) splits.preprocessing = {{0.5}, {0.5}};
    splits.classes = static_cast<int64_t>(parts.classes.size());
    splits.class_names = std::move(parts.classes);
    splits.train = std::move(parts.train);
    splits.test = std::move(parts.test);
  }
};

}  // namespace

std::unique_ptr<DataSource> make_folder_source() {
  SourceTraits t{"folder", "the image folder"};
  t.preprocessing = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  t.any_size = t.own = t.pictures = true;
  t.fetched = false;
  return std::make_unique<FolderSource>(t);
}

}  // namespace tailor::data
