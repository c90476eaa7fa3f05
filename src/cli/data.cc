// tailor data: check looks at a data set and draws a picture of it, pack makes a cache of images,
// make writes sequences as a folder that others know.
#include <cmath>

#include "cli/sequence_data.h"
#include "cli/sheet.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/cli/commands.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/packed.h"
#include "tailor/data/pictures.h"
#include "tailor/data/source.h"
#include "tailor/run/run_config.h"

namespace tailor::cli {
namespace {

constexpr int64_t kDefaultSide = 224;
/// Longer class tables show their ends.
constexpr size_t kClassRows = 20;

/// Its network is the configuration's, if one is given.
RunConfig data_run(const DataOptions& options) {
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
    if (data_source(name).traits().any_size) {
      data.set("image_size", kDefaultSide);
      data.set("augment", Json::array(std::vector<std::string>{"random_resized_crop", "flip"}));
    }
    Json json = Json::object({{"data", data}});
    for (const std::string& assignment : options.set) apply_override(json, assignment);
    run = read_run_config(json, "the command line (--name, --set)");
  }
  warn_of_unread_keys(options.set, "tailor data",
                      {{"data.validation", "it is a run's own affair"}});
  if (!options.data.empty()) run.data.root = options.data;
  run.data.validation = 0;  // a run's own affair
  return run;
}
DataConfig data_config(const DataOptions& options) { return data_run(options).data; }

/// Before the work that ends in it.
void check_output(const DataOptions& options) {
  refuse_to_replace("--output", options.output, options.force);
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
  for (const Images& images : {as_images(data.train), as_images(data.test)}) {
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

/// Sums over an image's values by channel; of bytes they are exact, so that order cannot matter.
struct ImageSums {
  int64_t label = 0;
  std::vector<double> sum, squares;
  float low = 0, high = 0;
};

template <class T>
ImageSums sum_image(int64_t label, const std::vector<T>& pixels, size_t channels) {
  const auto [low, high] = std::minmax_element(pixels.begin(), pixels.end());
  ImageSums s{label, std::vector<double>(channels, 0), std::vector<double>(channels, 0),
              static_cast<float>(*low), static_cast<float>(*high)};
  for (size_t at = 0; at < pixels.size(); at += channels) {
    for (size_t c = 0; c < channels; ++c) {
      const auto v = static_cast<double>(pixels[at + c]);
      s.sum[c] += v;
      s.squares[c] += v * v;
    }
  }
  return s;
}

std::vector<ImageSums> read_all(const ImageDataset& images, MapShape shape, Progress& progress,
                                const std::string& label) {
  const auto channels = static_cast<size_t>(shape.channels),
             values = static_cast<size_t>(shape.size());
  std::vector<ImageSums> sums(static_cast<size_t>(images.size()));
  constexpr int64_t kGroup = 256;
  progress.begin(label, images.size(), "image");
  for (int64_t first = 0; first < images.size(); first += kGroup) {
    throw_if_interrupted();
    const int64_t count = std::min(kGroup, images.size() - first);
    parallel_for(count, 0, [&](int64_t i) {
      ImageSums& s = sums[static_cast<size_t>(first + i)];
      if (images.pixel_type() == PixelType::U8) {
        std::vector<uint8_t> pixels(values);
        const int64_t of = images.get(first + i, pixels);
        s = sum_image(of, pixels, channels);
      } else {
        std::vector<float> pixels(values);
        const int64_t of = images.get_values(first + i, pixels);
        s = sum_image(of, pixels, channels);
      }
    });
    progress.advance(count);
  }
  progress.end();
  return sums;
}

/// To four digits behind the point; of other than bytes small numbers to four digits.
double rounded(double v, PixelType type) {
  double unit = 1e4;
  for (double size = std::abs(v); type != PixelType::U8 && size > 0 && size < 0.1 && unit < 1e12;
       size *= 10)
    unit *= 10;
  return std::round(v * unit) / unit;
}

Preprocessing statistics(const std::vector<ImageSums>& sums, MapShape shape, PixelType type) {
  Preprocessing p;
  const double n = static_cast<double>(sums.size()) * static_cast<double>(shape.pixels());
  const double unit = type == PixelType::U8 ? 255 : 1;
  for (size_t c = 0; c < static_cast<size_t>(shape.channels); ++c) {
    double sum = 0, squares = 0;
    for (const ImageSums& s : sums) sum += s.sum[c], squares += s.squares[c];
    const double mean = sum / n;
    p.mean.push_back(rounded(mean / unit, type));
    p.deviation.push_back(
        rounded(std::sqrt(std::max(0.0, squares / n - mean * mean)) / unit, type));
  }
  return p;
}

/// ", 1 channel of 16 bits", or "" of the usual RGB bytes.
std::string seen_text(MapShape shape, PixelType type) {
  if (shape.channels == 3 && type == PixelType::U8) return "";
  return fmt::format(", {} channel{} of {}", shape.channels, shape.channels == 1 ? "" : "s",
                     type == PixelType::U8    ? "8 bits"
                     : type == PixelType::U16 ? "16 bits"
                                              : "float32");
}

/// "in 0..1", or what numbers there are.
std::string range_text(const std::vector<ImageSums>& sums, PixelType type) {
  if (type == PixelType::U8) return "in 0..1";
  float low = sums[0].low, high = sums[0].high;
  for (const ImageSums& s : sums) low = std::min(low, s.low), high = std::max(high, s.high);
  return fmt::format("{}, which are {:.6g} to {:.6g}",
                     type == PixelType::U16 ? "in 0..1 (of 65,535)" : "as they are", low, high);
}

std::vector<int64_t> class_counts(const std::vector<ImageSums>& sums, int64_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes), 0);
  for (const ImageSums& s : sums) ++counts.at(static_cast<size_t>(s.label));
  return counts;
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

/// What data check finds.
struct DataFindings {
  std::vector<ImageSums> looked_at;  // the images that are measured: a set to test alone as it is
  const char* part = "";             // which those are
  PixelType type = PixelType::U8;
  int64_t training = 0;
  std::vector<int64_t> train, test;  // by class
  Preprocessing measured;
  FileReport files;
  StoredSides sides;
};

/// Of both parts; what was passed over is the same for both.
FileReport file_report(const DataSplits& data) {
  FileReport report = data.train ? as_images(data.train)->report() : FileReport{};
  const FileReport other = as_images(data.test)->report();
  report.jpeg += other.jpeg, report.png += other.png, report.greyscale += other.greyscale;
  report.sixteen_bits += other.sixteen_bits;
  report.cmyk += other.cmyk, report.misnamed += other.misnamed;
  for (const auto& f : other.left_out) report.left_out.push_back(f);
  for (const auto& f : other.damaged) report.damaged.push_back(f);
  report.passed_over = other.passed_over;
  return report;
}

DataFindings find_out(const DataSplits& data, const DataConfig& config) {
  auto progress = make_stderr_progress();
  std::vector<ImageSums> train;
  if (data.train)
    train = read_all(*as_images(data.train), data.shape, *progress, "reading training images");
  std::vector<ImageSums> test =
      read_all(*as_images(data.test), data.shape, *progress, "reading test images");
  DataFindings f;
  f.part = data.train ? "training" : "test";
  f.type = as_images(data.train ? data.train : data.test)->pixel_type();
  f.training = data.train ? data.train->size() : 0;
  f.train = class_counts(train, data.classes);
  f.test = class_counts(test, data.classes);
  f.looked_at = std::move(data.train ? train : test);
  f.measured = statistics(f.looked_at, data.shape, f.type);
  f.files = file_report(data);
  if (config.any_size()) f.sides = stored_sides(data, config);
  return f;
}

Json findings_of_data(const DataSplits& data, const DataConfig& config, const DataFindings& f) {
  Json answer = Json::object({{"data", data.name},
                              {"training", f.training},
                              {"test", data.test->size()},
                              {"classes", data.classes},
                              {"class_names", Json::array(data.class_names)},
                              {"training_of_class", Json::array(f.train)},
                              {"test_of_class", Json::array(f.test)},
                              {"channels", data.shape.channels},
                              {"pixels", pixel_type_name(f.type)},
                              {"mean", Json::array(f.measured.mean)},
                              {"deviation", Json::array(f.measured.deviation)},
                              {"files", Json::object({{"jpeg", f.files.jpeg},
                                                      {"png", f.files.png},
                                                      {"greyscale", f.files.greyscale},
                                                      {"cmyk", f.files.cmyk},
                                                      {"sixteen_bits", f.files.sixteen_bits},
                                                      {"misnamed", f.files.misnamed}})},
                              {"left_out", findings_json(f.files.left_out)},
                              {"damaged", findings_json(f.files.damaged)},
                              {"passed_over", passed_over_json(f.files.passed_over)}});
  if (config.any_size()) {
    answer.set("short_side", Json::object({{"smallest", f.sides.smallest},
                                           {"largest", f.sides.largest},
                                           {"below_image_size", f.sides.below}}));
  }
  return answer;
}

void print_files(const FileReport& files) {
  if (files.jpeg + files.png > 0) {
    fmt::print(
        "files: {} JPEG, {} PNG; {} greyscale, {} CMYK, {} of 16 bits, {} with the other "
        "one's name\n",
        with_commas(files.jpeg), with_commas(files.png), with_commas(files.greyscale),
        with_commas(files.cmyk), with_commas(files.sixteen_bits), with_commas(files.misnamed));
  }
}

void print_findings(const DataSplits& data, const DataConfig& config, const DataFindings& f) {
  const std::vector<int64_t>& counts = data.train ? f.train : f.test;
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  fmt::print("{}: {} training and {} test images in {} classes, seen as {} x {}{}\n\n{}\n",
             data.name, with_commas(f.training), with_commas(data.test->size()), data.classes,
             data.shape.width, data.shape.height, seen_text(data.shape, f.type),
             class_table(data, f.train, f.test));
  fmt::print("classes of the {} images: {} to {} images{}\n", f.part, with_commas(*least),
             with_commas(*most),
             *least == 0 || *most > 2 * *least ? " (unbalanced: accuracy alone will mislead)" : "");
  fmt::print("mean {}  deviation {} of the {} images {}\n", Json::array(f.measured.mean).dump(),
             Json::array(f.measured.deviation).dump(), f.part, range_text(f.looked_at, f.type));
  print_files(f.files);
  if (config.any_size())
    fmt::print("pictures with {}\n", sides_text(f.sides.smallest, f.sides.largest));
  if (f.sides.below > 0) {
    fmt::print("warning: {}\n",
               enlarged_text(f.sides.below, f.training + data.test->size(), config.image_size));
  }
  for (const auto& [kind, which] : f.files.passed_over) {
    const bool all = which.count == static_cast<int64_t>(which.first.size());
    fmt::print("passed over, {}: {} ({}{})\n", kind, with_commas(which.count),
               join(which.first, ", "), all ? "" : ", …");
  }
  for (const auto& [file, what] : f.files.left_out) fmt::print("left out: {}: {}\n", file, what);
  for (const auto& [file, what] : f.files.damaged) fmt::print("damaged: {}: {}\n", file, what);
}

int check_data(const DataOptions& options) {
  if (!options.output.empty()) check_output(options);
  const RunConfig run = data_run(options);
  const DataConfig& config = run.data;
  if (traits_of(config).kind != ExampleKind::Images)
    return check_sequences(options, config, run.network);
  DataSplits data = open_any_data(config);
  if (data.class_names.empty()) data.class_names = official_class_names(data.name);
  const DataFindings found = find_out(data, config);
  if (!options.output.empty()) {
    std::vector<int64_t> labels;
    labels.reserve(found.looked_at.size());
    for (const ImageSums& s : found.looked_at) labels.push_back(s.label);
    draw_sheet(options.output, data, config, labels);
  }
  if (options.json) {
    fmt::print("{}\n", findings_of_data(data, config, found).dump(2));
    return 0;
  }
  print_findings(data, config, found);
  if (!options.output.empty()) {
    fmt::print(
        "contact sheet: {} (a row a class: pictures as they are, then one of them "
        "augmented: {})\n",
        options.output, config.augment.empty() ? "not at all" : join(config.augment, ", "));
  }
  return 0;
}

int pack_data(const DataOptions& options) {
  if (options.output.empty()) fail(ErrorKind::Usage, "data pack: expected --output FILE");
  check_output(options);
  const DataConfig config = data_config(options);
  if (const ExampleKind kind = traits_of(config).kind; kind != ExampleKind::Images) {
    fail(ErrorKind::Unsupported,
         "data pack: expected images, and {} has {}, which is read from its files fast enough; "
         "what the program makes or converts is written by data make",
         config.name, to_string(kind));
  }
  if (traits_of(config).packed)
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
  if (options.action == "make") return make_data(options, data_config(options));
  return options.action == "pack" ? pack_data(options) : check_data(options);
}

}  // namespace tailor::cli
