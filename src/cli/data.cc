// tailor data: check looks at a data set and draws a contact sheet of it, pack makes a cache of it.
#include <cmath>

#include "cli/source.h"
#include "cli/table.h"
#include "tailor/cli/commands.h"
#include "tailor/config/run_config.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/batch.h"
#include "tailor/data/codec.h"
#include "tailor/data/packed.h"

namespace tailor {
namespace {

constexpr int64_t kDefaultSide = 224;
/// Longer class tables show their ends.
constexpr size_t kClassRows = 20;
constexpr int64_t kSheetColumns = 8, kSheetRows = 8, kSheetGap = 4;

DataConfig data_config(const DataOptions& options) {
  RunConfig run;
  if (!options.config.empty()) {
    if (!options.name.empty()) {
      fail(ErrorKind::Usage, "--name {}: the configuration names its data set; leave --config out",
           options.name);
    }
    run = load_run_config(options.config, options.set).config;
  } else {
    const std::string name = options.name.empty() ? "folder" : options.name;
    Json data = Json::object({{"name", name}});
    if (name == "folder" || name == "packed") {
      data.set("image_size", kDefaultSide);
      data.set("augment", Json::array(std::vector<std::string>{"random_resized_crop", "flip"}));
    }
    Json json = Json::object({{"data", data}});
    for (const std::string& assignment : options.set) apply_override(json, assignment);
    run = read_run_config(json, "the command line (--name, --set)");
  }
  warn_of_unread_keys(options.set, "tailor data",
                      {{"data.validation", "it is a run's own affair"}});
  DataConfig c = run.data;
  if (!options.data.empty()) c.root = options.data;
  c.validation = 0;  // a run's own affair
  return c;
}

/// Before the work that ends in it.
void check_output(const DataOptions& options) {
  if (is_directory(options.output)) {
    fail(ErrorKind::Usage, "--output {}: it is a folder, expected the name of a file",
         options.output);
  }
  if (!options.force && path_exists(options.output)) {
    fail(ErrorKind::Usage,
         "--output {}: it exists already; name another file, or add --force to replace it",
         options.output);
  }
}

/// "a short side of 256 pixels", "short sides of 20 to 256 pixels"
std::string sides_text(int64_t smallest, int64_t largest) {
  return smallest == largest ? fmt::format("a short side of {} pixels", smallest)
                             : fmt::format("short sides of {} to {} pixels", smallest, largest);
}
std::string enlarged_text(int64_t smaller, int64_t all, int64_t image_size) {
  return fmt::format(
      "{} of {} images are smaller than the {} pixels of data.image_size: they are enlarged when "
      "they are seen",
      with_commas(smaller), with_commas(all), image_size);
}

/// Of the pictures as they are stored.
struct StoredSides {
  int64_t smallest = 0, largest = 0;
  int64_t below = 0;  // smaller than data.image_size
};
StoredSides stored_sides(const DataSplits& data, const DataConfig& config) {
  StoredSides s;
  for (const Images& images : {data.train, data.test}) {
    for (int64_t i = 0; images && i < images->size(); ++i) {
      const Extent e = images->extent(i);
      const int64_t side = std::min(e.height, e.width);
      s.smallest = s.smallest == 0 ? side : std::min(s.smallest, side);
      s.largest = std::max(s.largest, side);
      s.below += side < config.image_size ? 1 : 0;
    }
  }
  return s;
}

/// Exact sums of an image's bytes, so that their order cannot matter.
struct ImageSums {
  int64_t label = 0;
  int64_t sum[3] = {0, 0, 0}, squares[3] = {0, 0, 0};  // by channel, of which there are 1 or 3
};

std::vector<ImageSums> read_all(const ImageDataset& images, MapShape shape, Progress& progress,
                                const std::string& label) {
  TAILOR_CHECK(shape.channels == 3 || shape.channels == 1, "images of {}", to_string(shape));
  const auto channels = static_cast<size_t>(shape.channels);
  std::vector<ImageSums> sums(static_cast<size_t>(images.size()));
  constexpr int64_t kGroup = 256;
  progress.begin(label, images.size(), "image");
  for (int64_t first = 0; first < images.size(); first += kGroup) {
    throw_if_interrupted();
    const int64_t count = std::min(kGroup, images.size() - first);
    parallel_for(count, 0, [&](int64_t i) {
      std::vector<uint8_t> pixels(static_cast<size_t>(shape.size()));
      ImageSums& s = sums[static_cast<size_t>(first + i)];
      s.label = images.get(first + i, pixels);
      for (size_t at = 0; at < pixels.size(); ++at) {
        s.sum[at % channels] += pixels[at];
        s.squares[at % channels] += int64_t{pixels[at]} * pixels[at];
      }
    });
    progress.advance(count);
  }
  progress.end();
  return sums;
}

Preprocessing statistics(const std::vector<ImageSums>& sums, MapShape shape) {
  Preprocessing p;
  const double n = static_cast<double>(sums.size()) * static_cast<double>(shape.pixels());
  for (size_t c = 0; c < static_cast<size_t>(shape.channels); ++c) {
    double sum = 0, squares = 0;
    for (const ImageSums& s : sums) {
      sum += static_cast<double>(s.sum[c]);
      squares += static_cast<double>(s.squares[c]);
    }
    const double mean = sum / n;
    auto rounded = [](double v) { return std::round(v / 255 * 1e4) / 1e4; };
    p.mean.push_back(rounded(mean));
    p.deviation.push_back(rounded(std::sqrt(std::max(0.0, squares / n - mean * mean))));
  }
  return p;
}

std::vector<int64_t> class_counts(const std::vector<ImageSums>& sums, int64_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes), 0);
  for (const ImageSums& s : sums) ++counts.at(static_cast<size_t>(s.label));
  return counts;
}

/// A row an image: as it is, then as the first epochs see it.
void draw_sheet(const std::string& path, const DataSplits& data, const DataConfig& config) {
  const MapShape shape = data.shape;
  const ImageDataset& images = data.train ? *data.train : *data.test;
  const int64_t rows = std::min(kSheetRows, images.size());
  const Extent extent{rows * (shape.height + kSheetGap) - kSheetGap,
                      kSheetColumns * (shape.width + kSheetGap) - kSheetGap};
  std::vector<uint8_t> sheet(static_cast<size_t>(extent.height * extent.width * 3), 255);
  const BatchMaker maker(shape, data.preprocessing);
  const Augmentation augmentation = make_augmentation(config, config.seed);
  std::vector<int64_t> indices, labels(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) indices.push_back(i);
  std::vector<float> batch(static_cast<size_t>(rows * shape.size()));
  for (int64_t column = 0; column < kSheetColumns; ++column) {
    const auto how = column == 0 ? std::nullopt : std::optional(augmentation);
    maker.fill(images, indices, how, column - 1, batch, labels);
    const float* in = batch.data();
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t y = 0; y < shape.height; ++y) {
        uint8_t* out = sheet.data() + ((row * (shape.height + kSheetGap) + y) * extent.width +
                                       column * (shape.width + kSheetGap)) *
                                          3;
        for (int64_t x = 0; x < shape.width * shape.channels; ++x, ++in) {
          const auto c = static_cast<size_t>(x % shape.channels);
          const double v = *in * data.preprocessing.deviation[c] + data.preprocessing.mean[c];
          const auto byte = static_cast<uint8_t>(std::clamp(std::lround(v * 255), 0L, 255L));
          out = std::fill_n(out, shape.channels == 1 ? 3 : 1, byte);
        }
      }
    }
  }
  save_png(path, extent, sheet);
}

Json findings_json(const std::vector<std::pair<std::string, std::string>>& findings) {
  Json out = Json::Array();
  for (const auto& [file, what] : findings)
    out.push_back(Json::object({{"file", file}, {"what", what}}));
  return out;
}

Json passed_over_json(const PassedOverFiles& files) {
  Json out = Json::Array();
  for (const auto& [kind, which] : files) {
    out.push_back(Json::object(
        {{"kind", kind}, {"count", which.count}, {"first", Json::array(which.first)}}));
  }
  return out;
}

std::string class_table(const DataSplits& data, const std::vector<int64_t>& train,
                        const std::vector<int64_t>& test) {
  Table table({"class", "name", "training", "test"});
  for (size_t k = 0; k < train.size(); ++k) {
    if (train.size() > kClassRows && k == kClassRows / 2) {
      table.add({"…", "", "", ""});
      k = train.size() - kClassRows / 2;
    }
    table.add({std::to_string(k), k < data.class_names.size() ? data.class_names[k] : "",
               with_commas(train[k]), with_commas(test[k])});
  }
  return table.text();
}

int check_data(const DataOptions& options) {
  if (!options.output.empty()) check_output(options);
  const DataConfig config = data_config(options);
  const DataSplits data = has_training_images(config) ? open_data(config) : open_test_data(config);
  auto progress = make_stderr_progress();
  std::vector<ImageSums> train_sums;
  if (data.train)
    train_sums = read_all(*data.train, data.shape, *progress, "reading training images");
  const auto test_sums = read_all(*data.test, data.shape, *progress, "reading test images");
  const auto train = class_counts(train_sums, data.classes),
             test = class_counts(test_sums, data.classes);
  // A set of test images alone is looked at as they are.
  const char* part = data.train ? "training" : "test";
  const int64_t training = data.train ? data.train->size() : 0;
  const Preprocessing measured = statistics(data.train ? train_sums : test_sums, data.shape);
  FileReport report = data.train ? data.train->report() : FileReport{};
  const FileReport other = data.test->report();
  report.jpeg += other.jpeg, report.png += other.png, report.greyscale += other.greyscale;
  report.cmyk += other.cmyk, report.misnamed += other.misnamed;
  for (const auto& f : other.left_out) report.left_out.push_back(f);
  for (const auto& f : other.damaged) report.damaged.push_back(f);
  report.passed_over = other.passed_over;
  const StoredSides sides = config.any_size() ? stored_sides(data, config) : StoredSides{};
  if (!options.output.empty()) draw_sheet(options.output, data, config);
  const std::vector<int64_t>& counts = data.train ? train : test;
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());

  if (options.json) {
    Json answer = Json::object({{"data", data.name},
                                {"training", training},
                                {"test", data.test->size()},
                                {"classes", data.classes},
                                {"class_names", Json::array(data.class_names)},
                                {"training_of_class", Json::array(train)},
                                {"test_of_class", Json::array(test)},
                                {"mean", Json::array(measured.mean)},
                                {"deviation", Json::array(measured.deviation)},
                                {"files", Json::object({{"jpeg", report.jpeg},
                                                        {"png", report.png},
                                                        {"greyscale", report.greyscale},
                                                        {"cmyk", report.cmyk},
                                                        {"misnamed", report.misnamed}})},
                                {"left_out", findings_json(report.left_out)},
                                {"damaged", findings_json(report.damaged)},
                                {"passed_over", passed_over_json(report.passed_over)}});
    if (config.any_size()) {
      answer.set("short_side", Json::object({{"smallest", sides.smallest},
                                             {"largest", sides.largest},
                                             {"below_image_size", sides.below}}));
    }
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  fmt::print("{}: {} training and {} test images in {} classes, seen as {} x {}\n\n{}\n", data.name,
             with_commas(training), with_commas(data.test->size()), data.classes, data.shape.width,
             data.shape.height, class_table(data, train, test));
  fmt::print("classes of the {} images: {} to {} images{}\n", part, with_commas(*least),
             with_commas(*most),
             *least == 0 || *most > 2 * *least ? " (unbalanced: accuracy alone will mislead)" : "");
  fmt::print("mean {}  deviation {} of the {} images in 0..1\n", Json::array(measured.mean).dump(),
             Json::array(measured.deviation).dump(), part);
  if (report.jpeg + report.png > 0) {
    fmt::print("files: {} JPEG, {} PNG; {} greyscale, {} CMYK, {} with the other one's name\n",
               with_commas(report.jpeg), with_commas(report.png), with_commas(report.greyscale),
               with_commas(report.cmyk), with_commas(report.misnamed));
  }
  if (config.any_size())
    fmt::print("pictures with {}\n", sides_text(sides.smallest, sides.largest));
  if (sides.below > 0) {
    fmt::print("warning: {}\n",
               enlarged_text(sides.below, training + data.test->size(), config.image_size));
  }
  for (const auto& [kind, which] : report.passed_over) {
    const bool all = which.count == static_cast<int64_t>(which.first.size());
    fmt::print("passed over, {}: {} ({}{})\n", kind, with_commas(which.count),
               join(which.first, ", "), all ? "" : ", …");
  }
  for (const auto& [file, what] : report.left_out) fmt::print("left out: {}: {}\n", file, what);
  for (const auto& [file, what] : report.damaged) fmt::print("damaged: {}: {}\n", file, what);
  if (!options.output.empty()) {
    fmt::print("contact sheet: {} (a row an image: as it is, then augmented: {})\n", options.output,
               config.augment.empty() ? "not at all" : join(config.augment, ", "));
  }
  return 0;
}

int pack_data(const DataOptions& options) {
  if (options.output.empty()) fail(ErrorKind::Usage, "data pack: expected --output FILE");
  check_output(options);
  const DataConfig config = data_config(options);
  if (config.name == "packed")
    fail(ErrorKind::Usage, "data pack: {} is a packed cache already", config.root);
  const DataSplits data = open_data(config);
  const int64_t side = options.short_side > 0 ? options.short_side
                       : config.any_size()    ? config.resize_or_default()
                                              : data.shape.height;
  auto progress = make_stderr_progress();
  const PackSummary s = write_packed(options.output, data, side, *progress);
  const std::vector<int64_t>& sides = s.short_sides;
  const int64_t smallest = sides.front(), largest = sides.back(), median = sides[sides.size() / 2];
  // What the run asked for, as far as half of the images have it; images of one size are whole.
  const int64_t image_size = config.any_size() ? std::min(config.image_size, median) : median;
  const int64_t below =
      std::lower_bound(sides.begin(), sides.end(), config.image_size) - sides.begin();
  if (options.json) {
    fmt::print("{}\n", Json::object({{"output", options.output},
                                     {"training", s.train},
                                     {"test", s.test},
                                     {"short_side", side},
                                     {"smallest", smallest},
                                     {"largest", largest},
                                     {"below_image_size", below},
                                     {"image_size", image_size},
                                     {"bytes", s.bytes}})
                           .dump(2));
    return 0;
  }
  fmt::print("{}: {} training and {} test images with {}, {:.1f} MB\n", options.output,
             with_commas(s.train), with_commas(s.test), sides_text(smallest, largest),
             static_cast<double>(s.bytes) / 1e6);
  if (below > 0)
    fmt::print("warning: {}\n", enlarged_text(below, s.train + s.test, config.image_size));
  fmt::print("next: --set data.name=packed --set {} --set data.image_size={}{}\n",
             shell_quote("data.root=" + options.output), image_size,
             config.any_size() ? "" : fmt::format(" --set data.resize={}", image_size));
  return 0;
}

}  // namespace

int run_data(const DataOptions& options) {
  return options.action == "pack" ? pack_data(options) : check_data(options);
}

}  // namespace tailor
