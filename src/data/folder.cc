#include "data/folder.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <set>

#include "data/files.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/codec.h"

namespace tailor {
namespace {

constexpr const char* kAnnotations = "val/val_annotations.txt";  // Tiny ImageNet
/// Nearly every header is in here; the others cost a second look.
constexpr size_t kHeaderBytes = size_t{1} << 16;
constexpr size_t kNamedFiles = 5;

bool is_image_name(const std::string& name) {
  const std::string extension = extension_of(name);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".jpe" || extension == ".png";
}

Span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Item {
  size_t file;
  int64_t label;
  Extent extent = {};  // once its header has been looked at
};

class FolderImages : public ImageDataset {
 public:
  FolderImages(std::shared_ptr<const FileSet> files, std::vector<Item> items, CentreView view)
      : files_(std::move(files)), items_(std::move(items)), view_(view) {}

  int64_t size() const override { return static_cast<int64_t>(items_.size()); }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    return read_window(
        index, [&](Extent e) { return centre_window(e, view_.shape, view_.resize); }, view_.shape,
        pixels_hwc);
  }
  int64_t read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                      Span<uint8_t> pixels_hwc) const override {
    const Item& item = at(index);
    std::string problem;
    try {
      problem = decode_window(as_bytes(files_->read(item.file)), choose, shape, pixels_hwc);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      fail(ErrorKind::Data, "image {}: {}; it was readable when the data set was opened",
           files_->title(item.file), e.what());
    }
    if (!problem.empty()) note_damage(item.file, problem);
    return item.label;
  }
  Extent extent(int64_t index) const override { return at(index).extent; }
  std::string name(int64_t index) const override { return files_->names()[at(index).file]; }
  bool decodes() const override { return true; }
  FileReport report() const override {
    FileReport report = report_;
    std::lock_guard lock(mutex_);
    for (const auto& [file, problem] : damaged_)
      report.damaged.emplace_back(files_->names()[file], problem);
    return report;
  }

  /// Looks at every header; leaves out what is no picture.
  void probe() {
    std::vector<ImageInfo> infos(items_.size());
    std::vector<std::string> problems(items_.size());
    parallel_for(size(), 0, [&](int64_t i) {
      const auto n = static_cast<size_t>(i);
      try {
        infos[n] = probe(items_[n].file);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::Data) throw;
        problems[n] = e.what();
      }
    });
    std::vector<Item> readable;
    for (size_t i = 0; i < items_.size(); ++i) {
      const std::string& name = files_->names()[items_[i].file];
      if (!problems[i].empty()) {
        report_.left_out.emplace_back(name, problems[i]);
        continue;
      }
      const bool png = infos[i].format == ImageFormat::Png;
      ++(png ? report_.png : report_.jpeg);
      report_.misnamed += png != (extension_of(name) == ".png") ? 1 : 0;
      report_.greyscale += infos[i].colour == ImageColour::Grey ? 1 : 0;
      report_.cmyk += infos[i].colour == ImageColour::Cmyk ? 1 : 0;
      readable.push_back({items_[i].file, items_[i].label, infos[i].extent});
    }
    items_ = std::move(readable);
  }

 private:
  const Item& at(int64_t index) const {
    TAILOR_CHECK(index >= 0 && index < size(), "image {} of {}", index, size());
    return items_[static_cast<size_t>(index)];
  }
  ImageInfo probe(size_t file) const {
    const std::string start = files_->read(file, kHeaderBytes);
    try {
      return probe_image(as_bytes(start));
    } catch (const Error&) {
      if (start.size() < kHeaderBytes) throw;
    }
    return probe_image(as_bytes(files_->read(file)));
  }
  void note_damage(size_t file, const std::string& problem) const {
    std::lock_guard lock(mutex_);
    if (damaged_.emplace(file, problem).second) {
      log_warn("data", "image {}: damaged ({}); used as far as it goes", files_->title(file),
               problem);
    }
  }

  std::shared_ptr<const FileSet> files_;
  std::vector<Item> items_;
  CentreView view_;
  FileReport report_;
  mutable std::mutex mutex_;
  mutable std::map<size_t, std::string> damaged_;
};

struct File {
  size_t file;
  std::string path, group;  // group: the class's name
};

/// "a/b/c" → "a".
std::string first_part(const std::string& path) {
  const size_t slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

/// The folders' own wrapping, as archives have it: "imagenette2-160/train/…" → "train/…".
size_t wrapping(const std::vector<std::string>& names) {
  size_t length = 0;
  for (;;) {
    std::set<std::string> firsts;
    for (const std::string& name : names) {
      firsts.insert(first_part(name.substr(length)));
      if (firsts.size() > 1) return length;
    }
    const std::string only = firsts.empty() ? "" : *firsts.begin();
    if (only.empty() || only == "train" || only == "val" || only == "test") return length;
    length += only.size() + 1;
  }
}

std::map<std::string, std::string> read_annotations(const FileSet& files, size_t file) {
  std::map<std::string, std::string> classes;
  int64_t line_number = 0;
  for (const std::string& line : split(files.read(file), '\n')) {
    ++line_number;
    if (trim(line).empty()) continue;
    const auto columns = split(line, '\t');
    if (columns.size() < 2 || columns[0].empty() || columns[1].empty()) {
      fail(ErrorKind::Data, "{}: line {}: expected an image's name, a tab and its class, got '{}'",
           files.title(file), line_number, line);
    }
    classes[columns[0]] = columns[1];
  }
  return classes;
}

/// The k-th file of every class before the next of any: the first N images are of all classes.
std::vector<Item> interleave(const std::vector<File>& files,
                             const std::vector<std::string>& classes, const std::string& part,
                             const std::string& root) {
  std::vector<std::pair<int64_t, Item>> ranked;
  std::vector<int64_t> counts(classes.size(), 0);
  for (const File& f : files) {
    const auto at = std::lower_bound(classes.begin(), classes.end(), f.group);
    if (at == classes.end() || *at != f.group) {
      fail(ErrorKind::Data,
           "{}: {} belongs to class '{}', which has no folder in train/; expected one of the {} "
           "there{}",
           root, f.path, f.group, classes.size(), did_you_mean(f.group, classes));
    }
    const auto label = static_cast<size_t>(at - classes.begin());
    ranked.push_back({counts[label]++, {f.file, static_cast<int64_t>(label)}});
  }
  if (ranked.empty())
    fail(ErrorKind::Data, "{}: there is no .jpg, .jpeg or .png file for {}", root, part);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.label) < std::pair(b.first, b.second.label);
  });
  std::vector<Item> items;
  items.reserve(ranked.size());
  for (const auto& r : ranked) items.push_back(r.second);
  return items;
}

Images open_items(const std::shared_ptr<const FileSet>& files, std::vector<Item> items,
                  const DataConfig& config, const std::string& root, const std::string& part) {
  auto images = std::make_shared<FolderImages>(files, std::move(items), centre_view(config));
  images->probe();
  const FileReport report = images->report();
  if (report.left_out.empty()) return images;
  std::vector<std::string> some;
  for (const auto& [name, problem] : report.left_out) {
    if (some.size() < kNamedFiles) some.push_back(name + ": " + problem);
  }
  if (report.left_out.size() > some.size()) some.emplace_back("…");
  const std::string text = fmt::format(
      "{}: {} of {} {} files cannot be read ({})", root, report.left_out.size(),
      static_cast<size_t>(images->size()) + report.left_out.size(), part, join(some, "; "));
  if (config.unreadable == Unreadable::Error || images->size() == 0) {
    fail(ErrorKind::Data, "{}; tailor data check lists them; remove them{}", text,
         images->size() == 0 ? "" : ", or set data.unreadable to \"skip\"");
  }
  log_warn("data", "{}; they are left out", text);
  return images;
}

}  // namespace

CentreView centre_view(const DataConfig& config) {
  const int64_t side = config.image_size;
  return {{3, side, side}, config.resize_or_default()};
}

FolderParts open_image_folder(const std::string& root, const DataConfig& config, bool with_train) {
  if (!path_exists(root)) {
    fail(ErrorKind::Data, "data.root {}: expected a folder or an archive of images, found nothing",
         root);
  }
  const auto files = open_files(root, [](const std::string& name) {
    return is_image_name(name) || file_name(name) == file_name(kAnnotations);
  });
  const size_t skip = wrapping(files->names());
  std::map<std::string, std::string> annotations;
  std::vector<File> train, test, plain;
  std::string test_folder = "test";
  for (size_t i = 0; i < files->names().size(); ++i) {
    const std::string name = files->names()[i].substr(skip);
    if (name == kAnnotations) annotations = read_annotations(*files, i);
    if (first_part(name) == "val") test_folder = "val";
  }
  for (size_t i = 0; i < files->names().size(); ++i) {
    const std::string name = files->names()[i].substr(skip), part = first_part(name);
    if (!is_image_name(name)) continue;
    const std::string below = part.empty() ? name : name.substr(part.size() + 1);
    const File file{i, name, first_part(below)};
    if (part == "train") {
      train.push_back(file);
    } else if (part == test_folder) {
      test.push_back(file);
      if (annotations.empty()) continue;
      const auto found = annotations.find(file_name(name));
      if (found == annotations.end())
        fail(ErrorKind::Data, "{}: {} is not named in {}", root, name, kAnnotations);
      test.back().group = found->second;
    } else if (part != "test") {
      plain.push_back({i, name, part});
    }
  }
  const bool split = train.empty();  // one folder a class and nothing else: the split is ours
  if (split) train = std::move(plain);
  std::set<std::string> groups;
  for (const File& f : train) groups.insert(f.group);
  if (groups.count("") != 0 || groups.size() < 2) {
    fail(ErrorKind::Data,
         "{}: expected train/CLASS/*.jpg and val/CLASS/*.jpg, Tiny ImageNet's layout, or "
         "CLASS/*.jpg, with two classes or more; found {} image files in {} classes{}",
         root, train.size(), groups.size(),
         groups.count("") != 0 ? ", some of them in no class's folder" : "");
  }
  FolderParts parts;
  parts.drawn_test = split;
  parts.classes.assign(groups.begin(), groups.end());
  std::vector<Item> train_items = interleave(train, parts.classes, "training", root), test_items;
  if (split) {
    const auto count = static_cast<int64_t>(train_items.size());
    if (config.test_size < 1 || config.test_size >= count) {
      fail(ErrorKind::Data,
           "{}: it has no val/ and no test/; expected in data.test_size how many of its {} images "
           "are kept back for testing, got {}",
           root, count, config.test_size);
    }
    const auto order = random_permutation(
        count, CounterRandom(static_cast<uint64_t>(config.seed), RandomStream::Split, 1));
    std::vector<bool> kept(train_items.size(), false);
    for (int64_t i = 0; i < config.test_size; ++i)
      kept[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
    std::vector<Item> rest;
    for (size_t i = 0; i < train_items.size(); ++i)
      (kept[i] ? test_items : rest).push_back(train_items[i]);
    train_items = std::move(rest);
  } else {
    test_items = interleave(test, parts.classes, "testing (val/ or test/)", root);
  }
  parts.test = open_items(files, std::move(test_items), config, root, "test");
  if (with_train) parts.train = open_items(files, std::move(train_items), config, root, "training");
  return parts;
}

}  // namespace tailor
