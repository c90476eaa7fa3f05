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
#include "tailor/data/packed.h"

namespace tailor::data {
namespace {

constexpr const char* kAnnotations = "val/val_annotations.txt";  // Tiny ImageNet
/// Nearly every header is in here; the others cost a second look.
constexpr size_t kHeaderBytes = size_t{1} << 16;
constexpr size_t kNamedFiles = 5;

bool is_image_name(const std::string& name) {
  const std::string extension = extension_of(name);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".jpe" ||
         extension == ".jfif" || extension == ".png";
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
  FolderImages(std::shared_ptr<const FileSet> files, std::vector<Item> items, CentreView view,
               const PassedOverFiles& passed_over)
      : files_(std::move(files)), items_(std::move(items)), view_(view) {
    report_.passed_over = passed_over;
  }

  int64_t size() const override { return static_cast<int64_t>(items_.size()); }
  PixelType pixel_type() const override {
    return report_.sixteen_bits > 0 ? PixelType::U16 : PixelType::U8;
  }
  int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const override {
    return read_window(index, view_.centre(), view_.shape, pixels_hwc);
  }
  int64_t get_values(int64_t index, Span<float> values_hwc) const override {
    return read_window_values(index, view_.centre(), view_.shape, values_hwc);
  }
  int64_t read_window(int64_t index, const WindowChooser& choose, MapShape shape,
                      Span<uint8_t> pixels_hwc) const override {
    TAILOR_CHECK(pixel_type() == PixelType::U8, "pictures of 16 bits read as bytes");
    return decode(index, choose, shape, pixels_hwc);
  }
  int64_t read_window_values(int64_t index, const WindowChooser& choose, MapShape shape,
                             Span<float> values_hwc) const override {
    return decode(index, choose, shape, values_hwc);
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
      report_.sixteen_bits += infos[i].bits == 16 ? 1 : 0;
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
  template <class T>
  int64_t decode(int64_t index, const WindowChooser& choose, MapShape shape, Span<T> out) const {
    const Item& item = at(index);
    std::string problem;
    try {
      problem = decode_window(as_bytes(files_->read(item.file)), choose, shape, out);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      fail(ErrorKind::Data, "image {}: {}; it was readable when the data set was opened",
           files_->title(item.file), e.what());
    }
    if (!problem.empty()) note_damage(item.file, problem);
    return item.label;
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

enum class SplitPart { Train, Val, Test, None };
SplitPart split_part(const std::string& folder) {
  const std::string name = lower_case(folder);
  if (name == "train" || name == "training") return SplitPart::Train;
  if (name == "val" || name == "valid" || name == "validation") return SplitPart::Val;
  if (name == "test" || name == "testing") return SplitPart::Test;
  return SplitPart::None;
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
    if (only.empty()) return length;
    const size_t inner = length + only.size() + 1;
    // "train/cat/…" stays, "training/train/…" and "training/val/…" do not.
    const bool wraps_parts = std::all_of(names.begin(), names.end(), [&](const auto& name) {
      return split_part(first_part(name.substr(inner))) != SplitPart::None;
    });
    if (split_part(only) != SplitPart::None && !wraps_parts) return length;
    length = inner;
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
           "{}: {} belongs to class '{}', which has no picture to train with; expected one of the "
           "{} classes that have{}",
           root, f.path, f.group, classes.size(), did_you_mean(f.group, classes));
    }
    const auto label = static_cast<size_t>(at - classes.begin());
    ranked.push_back({counts[label]++, {f.file, static_cast<int64_t>(label)}});
  }
  if (ranked.empty())
    fail(ErrorKind::Data, "{}: there is no .jpg, .jpeg, .jfif or .png file for {}", root, part);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.label) < std::pair(b.first, b.second.label);
  });
  std::vector<Item> items;
  items.reserve(ranked.size());
  for (const auto& r : ranked) items.push_back(r.second);
  return items;
}

Images open_items(const std::shared_ptr<const FileSet>& files, std::vector<Item> items,
                  const DataConfig& config, const std::string& root, const std::string& part,
                  const PassedOverFiles& passed_over) {
  auto images =
      std::make_shared<FolderImages>(files, std::move(items), centre_view(config), passed_over);
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

/// What is at the top, inside the wrapping, and which folder holds which part.
struct FolderLayout {
  std::string wrapper;          // "imagenette2-160/"
  std::string train, test;      // names of their folders; "" without one
  std::string without_picture;  // a val/ or test/ that is there in vain
  bool test_alone = false;      // there is nothing but val/ or test/

  /// Whether a folder at the top is for classes, if there is no folder to train.
  static bool is_class(const std::string& top) {
    // "valid" and "invalid" are classes, unless there is a "train".
    return split_part(top) == SplitPart::None || lower_case(top) == "valid";
  }
};

FolderLayout find_layout(const FileSet& files, const std::string& root) {
  FolderLayout layout;
  if (!files.names().empty()) layout.wrapper = files.names()[0].substr(0, wrapping(files.names()));
  std::string held[3];
  auto hold = [&](const std::string& top, bool pictures) {
    const SplitPart part = split_part(top);
    if (part == SplitPart::None || (part == SplitPart::Train && !pictures)) return;
    std::string& name = held[static_cast<size_t>(part)];
    if (pictures && !name.empty() && name != top) {
      fail(ErrorKind::Data, "{}: both {}/ and {}/ could be one part of the set; expected one", root,
           name, top);
    }
    if (pictures) name = top;
    if (!pictures && name != top) layout.without_picture = top;
  };
  for (const std::string& name : files.names())
    hold(first_part(name.substr(layout.wrapper.size())), true);
  for (const std::string& name : files.folders()) {
    if (starts_with(name, layout.wrapper))
      hold(first_part(name.substr(layout.wrapper.size()) + "/"), false);
  }
  layout.train = held[0];
  layout.test_alone =
      layout.train.empty() && !files.names().empty() &&
      std::all_of(files.names().begin(), files.names().end(), [&](const auto& name) {
        const std::string top = first_part(name.substr(layout.wrapper.size()));
        return split_part(top) != SplitPart::None || top.empty();
      });
  if (!layout.train.empty() || layout.test_alone) layout.test = held[held[1].empty() ? 2 : 1];
  layout.test_alone = layout.test_alone && !layout.test.empty();
  if (!layout.test.empty()) layout.without_picture.clear();
  return layout;
}

/// Class folders in which there is no picture; `seen`: "train/CLASS" or "CLASS" of those with one.
void pass_over_empty_classes(const FileSet& files, const FolderLayout& layout,
                             const std::set<std::string>& seen, PassedOverFiles& passed_over) {
  for (const std::string& folder : files.folders()) {
    if (!starts_with(folder, layout.wrapper)) continue;
    const std::string name = folder.substr(layout.wrapper.size()), top = first_part(name);
    const bool is_class_folder = layout.train.empty() && !layout.test_alone
                                     ? top.empty() && FolderLayout::is_class(name)
                                     : !top.empty() &&
                                           (top == layout.train || top == layout.test) &&
                                           name.find('/', top.size() + 1) == std::string::npos;
    if (is_class_folder && seen.count(name) == 0)
      passed_over["class folder without a picture"].add(folder + "/");
  }
}

/// Classes named by numbers are sorted as text: who numbered them may have meant another order.
void warn_of_number_names(const std::vector<std::string>& classes, const std::string& root) {
  std::vector<std::pair<int64_t, std::string>> by_number;
  for (const std::string& name : classes) {
    const size_t digits = name.find_last_not_of("0123456789") + 1;  // "class_10" too
    const auto number = parse_int(name.substr(digits));
    if (!number || name.substr(0, digits) != classes[0].substr(0, digits)) return;
    by_number.emplace_back(*number, name);
  }
  std::stable_sort(by_number.begin(), by_number.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> numeric;
  numeric.reserve(by_number.size());
  for (const auto& n : by_number) numeric.push_back(n.second);
  if (numeric == classes) return;
  auto start = [](const std::vector<std::string>& names) {
    constexpr size_t kShown = 12;
    const bool all = names.size() <= kShown;
    return join({names.begin(), all ? names.end() : names.begin() + kShown}, ", ") +
           (all ? "" : ", …");
  };
  log_warn("data",
           "{}: the classes' names are numbers, which are sorted as text, as torchvision does: "
           "output 0, 1, 2 … is {}; in the order of their numbers it would be {}; weights from "
           "elsewhere may have that order (then import them with --class-names FILE; to change the "
           "order, rename the folders 00, 01, …)",
           root, start(classes), start(numeric));
}

/// The pictures of each part, and what is passed over.
struct Pictures {
  std::vector<File> train, test;
  PassedOverFiles passed_over;
};
Pictures list_pictures(const FileSet& files, const FolderLayout& layout, const std::string& root) {
  Pictures out;
  out.passed_over = files.passed_over();
  std::map<std::string, std::string> annotations;
  std::set<std::string> seen;
  for (size_t i = 0; i < files.names().size(); ++i) {
    if (files.names()[i].substr(layout.wrapper.size()) == kAnnotations)
      annotations = read_annotations(files, i);
  }
  for (size_t i = 0; i < files.names().size(); ++i) {
    const std::string name = files.names()[i].substr(layout.wrapper.size()), top = first_part(name);
    if (!is_image_name(name)) {
      if (name != kAnnotations) out.passed_over[extension_of(name)].add(files.names()[i]);
      continue;
    }
    const std::string group = first_part(top.empty() ? name : name.substr(top.size() + 1));
    if (layout.train.empty() && !layout.test_alone) {
      if (FolderLayout::is_class(top)) {
        out.train.push_back({i, name, top});
        seen.insert(top);
      } else {
        out.passed_over["in " + top + "/, without train/"].add(files.names()[i]);
      }
    } else if (!layout.train.empty() && top == layout.train) {
      out.train.push_back({i, name, group});
      seen.insert(top + "/" + group);
    } else if (top == layout.test && !top.empty()) {
      out.test.push_back({i, name, group});
      seen.insert(top + "/" + group);
      if (annotations.empty()) continue;
      const auto found = annotations.find(file_name(name));
      if (found == annotations.end())
        fail(ErrorKind::Data, "{}: {} is not named in {}", root, name, kAnnotations);
      out.test.back().group = found->second;
    } else {
      const std::string beside =
          layout.test_alone
              ? layout.test + "/"
              : layout.train + "/" + (layout.test.empty() ? "" : " and " + layout.test + "/");
      out.passed_over["beside " + beside].add(files.names()[i]);
    }
  }
  pass_over_empty_classes(files, layout, seen, out.passed_over);
  return out;
}

/// The classes' names: of the images to train with, or of those to test alone. Throws Data where
/// there are too few of them, or no images for what is wanted.
std::vector<std::string> verified_classes(const Pictures& p, const FolderLayout& layout,
                                          bool test_alone, const std::string& root) {
  const std::string others =
      p.passed_over.empty() ? "" : "; passed over: " + to_string(p.passed_over);
  std::set<std::string> groups;
  for (const File& f : layout.test_alone ? p.test : p.train) groups.insert(f.group);
  if (layout.test_alone && !test_alone) {
    fail(ErrorKind::Data,
         "{}: it has pictures to test only, in {}/; expected train/ beside it to train with; "
         "tailor evaluate and tailor data check take it as it is",
         root, layout.test);
  }
  if (groups.count("") != 0 || groups.size() < 2) {
    fail(ErrorKind::Data,
         "{}: expected train/CLASS/*.jpg and val/CLASS/*.jpg, Tiny ImageNet's layout, or "
         "CLASS/*.jpg, with two classes or more; found {} image files in {} classes{}{}",
         root, p.train.size() + (layout.test_alone ? p.test.size() : 0), groups.size(),
         groups.count("") != 0 ? ", some of them in no class's folder" : "", others);
  }
  if (!layout.train.empty() && !layout.without_picture.empty()) {
    fail(ErrorKind::Data,
         "{}: there is no .jpg, .jpeg, .jfif or .png file for testing in {}/; put some there, or "
         "remove it and set data.test_size{}",
         root, layout.without_picture, others);
  }
  if (!p.passed_over.empty()) {
    log_info("data", "{}: passed over: {}; tailor data check names them", root,
             to_string(p.passed_over));
  }
  return {groups.begin(), groups.end()};
}

/// Takes data.test_size images, drawn by the seed, out of those to train with.
std::vector<Item> draw_test(std::vector<Item>& train, const DataConfig& config,
                            const std::string& root) {
  const auto count = static_cast<int64_t>(train.size());
  if (config.test_size < 1 || config.test_size >= count) {
    fail(ErrorKind::Data,
         "{}: it has no val/ and no test/; expected in data.test_size how many of its {} images "
         "are kept back for testing (--set data.test_size={}), got {}",
         root, count, std::max<int64_t>(count / 10, 1), config.test_size);
  }
  const auto order = random_permutation(
      count, CounterRandom(static_cast<uint64_t>(config.seed), RandomStream::Split, 1));
  std::vector<bool> kept(train.size(), false);
  for (int64_t i = 0; i < config.test_size; ++i)
    kept[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
  std::vector<Item> rest, test;
  for (size_t i = 0; i < train.size(); ++i) (kept[i] ? test : rest).push_back(train[i]);
  train = std::move(rest);
  return test;
}

}  // namespace

CentreView centre_view(const DataConfig& config) {
  const int64_t side = config.image_size, channels = config.channels == 0 ? 3 : config.channels;
  return {{channels, side, side}, config.resize_or_default()};
}

FolderParts open_image_folder(const std::string& root, const DataConfig& config, bool with_train,
                              bool test_alone) {
  if (!path_exists(root)) {
    fail(ErrorKind::Data, "data.root {}: expected a folder or an archive of images, found nothing",
         root);
  }
  if (is_packed(root)) {
    fail(ErrorKind::Data,
         "data.root {}: it is a packed cache, expected a folder or an archive of images; set "
         "data.name to \"packed\" (tailor data check --name packed)",
         root);
  }
  const auto files = open_files(root, [](const std::string& name) {
    return is_image_name(name) || file_name(name) == file_name(kAnnotations);
  });
  const FolderLayout layout = find_layout(*files, root);
  const Pictures pictures = list_pictures(*files, layout, root);
  FolderParts parts;
  parts.classes = verified_classes(pictures, layout, test_alone, root);
  warn_of_number_names(parts.classes, root);
  // Without images to test it is one folder a class, or train/ alone: the split is ours.
  parts.drawn_test = layout.test.empty();
  std::vector<Item> train_items, test_items;
  if (!layout.test_alone) train_items = interleave(pictures.train, parts.classes, "training", root);
  if (parts.drawn_test) {
    test_items = draw_test(train_items, config, root);
  } else {
    test_items = interleave(pictures.test, parts.classes, "testing (val/ or test/)", root);
  }
  parts.test = open_items(files, std::move(test_items), config, root, "test", pictures.passed_over);
  if (with_train && !layout.test_alone) {
    parts.train =
        open_items(files, std::move(train_items), config, root, "training", pictures.passed_over);
  }
  return parts;
}

}  // namespace tailor::data
