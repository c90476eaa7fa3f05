#include "tailor/data/config.h"

#include <algorithm>
#include <string_view>

#include "data/speech.h"
#include "tailor/data/source.h"

namespace tailor::data {
namespace {

/// Those of images, then those of speech.
constexpr const char* kAugmentations[] = {"pad_crop",    "random_crop",  "random_resized_crop",
                                          "flip",        "color_jitter", "cutout",
                                          "mixup",       "dither",       "speed",
                                          "spec_cutout", "spec_augment"};
constexpr std::ptrdiff_t kImageAugmentations = 7;
static_assert(std::string_view(kAugmentations[kImageAugmentations]) == "dither");

void describe_image_augmentation(RecordVisitor& v, DataConfig& c) {
  v.choices("augment", c.augment, {kAugmentations, std::size(kAugmentations)},
            "Training augmentation: pad_crop pads 4 zero pixels and crops at random; random_crop "
            "scales the short side to `resize` and crops at random; random_resized_crop takes a "
            "random part in a random aspect ratio; flip mirrors half of the images; color_jitter, "
            "cutout and mixup as below. Of speech (by default dither and spec_cutout): dither, "
            "speed, spec_cutout and spec_augment as below. What a set's examples cannot have is an "
            "error.");
  v.record(
      "random_resized_crop",
      [&](RecordVisitor& r) {
        r.number("min_area", c.random_resized_crop.min_area, 0.001, 1,
                 "Smallest part of the picture's area; the largest is 1.");
        r.number("max_aspect", c.random_resized_crop.max_aspect, 1, 10,
                 "Width by height is between 1/max_aspect and max_aspect.");
      },
      "Parameters of random_resized_crop (Szegedy et al. 2015; the defaults are torchvision's).");
  v.record(
      "color_jitter",
      [&](RecordVisitor& r) {
        r.number("brightness", c.color_jitter.brightness, 0, 1, "Factor within 1 ± this.");
        r.number("contrast", c.color_jitter.contrast, 0, 1,
                 "Factor within 1 ± this, around the mean grey.");
        r.number("saturation", c.color_jitter.saturation, 0, 1,
                 "Factor within 1 ± this, around each pixel's grey; not of images of one channel.");
      },
      "Parameters of color_jitter, in the order in which they are applied.");
  v.record(
      "cutout",
      [&](RecordVisitor& r) {
        r.integer("side", c.cutout.side, 1, 4096,
                  "Side of the square in pixels; its centre is anywhere in the image.");
      },
      "Parameter of cutout, which sets a square to the mean colour (DeVries and Taylor 2017).");
  v.record(
      "mixup",
      [&](RecordVisitor& r) {
        r.number("alpha", c.mixup.alpha, 0.01, 1, "The share is drawn from Beta(alpha, alpha).");
      },
      "Parameter of mixup, which blends each image of a batch and its label with another of the "
      "batch (Zhang et al. 2018).");
}

void describe_pictures(RecordVisitor& v, DataConfig& c) {
  v.integer(
      "image_size", c.image_size, 0, kLargestImageSize,
      "folder, packed: side of the square that the network sees, in pixels, at least 1. The other "
      "data sets have images of one size, and 0 here.");
  v.integer("resize", c.resize, 0, 8192,
            "folder, packed: evaluation scales the short side to this, then cuts out the centre. "
            "0: 8/7 of "
            "image_size (256 for 224).");
  v.integer(
      "channels", c.channels, 0, 3,
      "folder: channels that the network sees: 3, RGB (grey is repeated), or 1, grey (colours "
      "become their ITU-R 601 luma). 0: 3. packed: 0, or as many as the cache has. The other "
      "data sets have channels of their own.");
  v.boolean("extra", c.extra, "svhn: train on extra_32x32.mat too.");
  v.enumeration("unreadable", c.unreadable,
                "folder, librispeech, manifest: files that cannot be read are left out and named "
                "in the log (skip), or are an error.");
}

void describe_signal(RecordVisitor& v, SignalConfig& c) {
  v.record(
      "signal",
      [&](RecordVisitor& r) {
        r.integer("chunk", c.chunk, 64, 1'000'000, "squiggle, taiyaki: samples of an example.");
        r.number(
            "dwell", c.dwell, 2, 100,
            "squiggle: mean samples that a base stays in the pore; log-normal, of which 0.7 is the "
            "deviation of the logarithm.");
        r.number("noise", c.noise, 0, 2,
                 "squiggle: standard deviation of a sample within a base, and of a base's level "
                 "around its "
                 "6-mer's; normalised current, in which the levels' own is about 0.85.");
      },
      "Current of a nanopore.");
}

/// Arrays show how many channels and which range they have when they are opened.
void verify_statistics(const DataConfig& c, const std::string& source) {
  const SourceTraits& traits = traits_of(c);
  const bool arrays = traits.arrays;
  const size_t channels = traits.pictures && c.channels == 1 ? 1 : 3;
  if (c.mean.size() != c.deviation.size() ||
      (!arrays && !c.mean.empty() && c.mean.size() != channels)) {
    fail_config("/data/mean",
                arrays ? "one number a channel, and as many in /data/deviation (or both empty)"
                : channels == 1 ? "one number, and one in /data/deviation (or both empty)"
                                : "three numbers, and three in /data/deviation (or both empty)",
                fmt::format("{} and {}", c.mean.size(), c.deviation.size()), source);
  }
  for (size_t i = 0; i < c.mean.size() && !arrays; ++i) {
    const std::string at = fmt::format("/{}", i);
    if (c.mean[i] < 0 || c.mean[i] > 1) {
      fail_config("/data/mean" + at, "0 to 1, because pixels are", fmt::format("{}", c.mean[i]),
                  source);
    }
    if (c.deviation[i] > 10) {
      fail_config("/data/deviation" + at, "at most 10, of pixels in 0..1",
                  fmt::format("{}", c.deviation[i]), source);
    }
  }
}

void verify_sizes(const DataConfig& c, const std::string& source) {
  auto number = [](int64_t n) { return std::to_string(n); };
  if (c.channels != 0 && (!c.any_size() || c.channels == 2)) {
    fail_config("/data/channels",
                c.any_size() ? "3 (RGB) or 1 (grey)"
                             : fmt::format("0, because {}'s images have their own", c.name),
                number(c.channels), source);
  }
  if (c.any_size()) {
    if (c.image_size < 1) {
      fail_config("/data/image_size",
                  "the side of the network's input, because this data set's images have sizes of "
                  "their own",
                  number(c.image_size), source);
    }
    if (c.resize > 0 && c.resize < c.image_size) {
      fail_config("/data/resize", fmt::format("at least /data/image_size, {}", c.image_size),
                  number(c.resize), source);
    }
  } else {
    if (c.image_size != 0) {
      fail_config("/data/image_size", fmt::format("0, {}'s own size", c.name), number(c.image_size),
                  source);
    }
    if (c.resize != 0) {
      fail_config("/data/resize", "0, because all images of " + c.name + " have one size",
                  number(c.resize), source);
    }
  }
}

/// Each of the kind of the set's examples.
void verify_augmentation_kind(const DataConfig& c, const std::string& at,
                              const std::string& source) {
  const ExampleKind kind = traits_of(c).kind;
  for (size_t i = 0; i < c.augment.size(); ++i) {
    const auto* place =
        std::find(std::begin(kAugmentations), std::end(kAugmentations), c.augment[i]);
    const bool of_images = place - std::begin(kAugmentations) < kImageAugmentations;
    if (kind == (of_images ? ExampleKind::Images : ExampleKind::Speech)) continue;
    fail_config(fmt::format("{}/augment/{}", at, i),
                kind == ExampleKind::Images
                    ? fmt::format("an augmentation of images, which {} has", c.name)
                : kind == ExampleKind::Speech
                    ? fmt::format("an augmentation of speech, which {} has: dither, speed, "
                                  "spec_cutout or spec_augment",
                                  c.name)
                    : fmt::format("none, because {} has signals, which are not augmented", c.name),
                fmt::format("\"{}\"", c.augment[i]), source);
  }
}

}  // namespace

bool DataConfig::augments(const char* wanted) const {
  return std::find(augment.begin(), augment.end(), wanted) != augment.end();
}
bool DataConfig::is_own() const { return traits_of(*this).own; }
bool DataConfig::any_size() const { return traits_of(*this).any_size; }

void describe(RecordVisitor& v, DataConfig& c) {
  v.text_choice(
      "name", c.name, data_source_names(),
      "Data set: the official files of CIFAR-10, CIFAR-100 (binary or Python) or SVHN (.mat); "
      "folder, any JPEG and PNG files in class folders (ImageNet's layout, Tiny ImageNet's, or one "
      "folder a class); packed, what tailor data pack made; npy, NumPy arrays of 8 bits, 16 bits "
      "or floats with any number of channels; or the procedural ten-class set made in memory. "
      "Speech: librispeech, FLAC files and texts in LibriSpeech's folders; manifest, lists as "
      "NeMo and NVIDIA's DeepLearningExamples have them; flite, sentences spoken in memory. "
      "A nanopore's current: bonito, a folder of chunks.npy, references.npy and "
      "reference_lengths.npy; taiyaki, a mapped_reads.hdf5; or squiggle, simulated in memory.");
  // Each kind has a usual augmentation; what is in the file replaces it.
  if (c.augment == usual_augmentation(ExampleKind::Images))
    c.augment = usual_augmentation(traits_of(c).kind);
  v.text(
      "root", c.root,
      "Folder with the data set's files (cifar-10-batches-bin is also looked for inside it); for "
      "folder also an archive (.tar, .tar.gz, .zip), for taiyaki also the HDF5 file. Empty: "
      "$TAILOR_DATA, else ./data.");
  describe_pictures(v, c);
  v.integer(
      "validation", c.validation, 0, 1000000,
      "Training examples kept back for validation, drawn once by `seed`. 0: no validation "
      "split, and so no best.ckpt. Sets with a split of their own (bonito: validation/ or the "
      "last 3 %; taiyaki: whole reads; librispeech: dev; manifest's) keep that one.");
  describe_augmentation(v, c);
  describe_speech(v, c);
  describe_signal(v, c.signal);
  v.integer("train_size", c.train_size, 0, 100000000,
            "Use only the first N training examples, before the validation split (synthetic, flite "
            "and squiggle: make N). 0: all (synthetic and squiggle: 6000, flite: 1000).");
  v.integer(
      "test_size", c.test_size, 0, 100000000,
      "Use only the first N test examples (synthetic, flite and squiggle: make N). 0: all "
      "(synthetic: 1000, flite: 100, squiggle: 500). A folder without test images, or a single "
      "set of speech, needs it: N examples are drawn by `seed` and kept back.");
  v.integer(
      "seed", c.seed, 0, INT32_MAX,
      "Seed of the validation split and of what is made in memory. Runs to be compared share it.");
  v.numbers("mean", c.mean, -1e9, 1e9,
            "Mean of the pixels in 0..1 (npy's floats: of the numbers as they are), one number a "
            "channel. Empty: the data set's.");
  v.numbers("deviation", c.deviation, 1e-6, 1e9,
            "Per-channel standard deviation. Empty: the data set's.");
}

void describe_augmentation(RecordVisitor& v, DataConfig& c) {
  describe_image_augmentation(v, c);
  describe_speech_augmentation(v, c);
}

void verify_augmentation(const DataConfig& c, const std::string& at, const std::string& source) {
  verify_augmentation_kind(c, at, source);
  if (!c.any_size() && c.augments("random_crop")) {
    fail_config(at + "/augment",
                "pad_crop or random_resized_crop, because all images of " + c.name +
                    " have the network's size",
                "\"random_crop\"", source);
  }
  std::string crops;
  for (const char* name : {"pad_crop", "random_crop", "random_resized_crop"}) {
    if (!c.augments(name)) continue;
    if (!crops.empty())
      fail_config(at + "/augment", "one kind of crop", crops + " and " + name, source);
    crops = name;
  }
  const int64_t side = c.any_size() ? c.image_size : 32;
  if ((!traits_of(c).arrays || c.any_size()) && c.augments("cutout") && c.cutout.side > 2 * side) {
    fail_config(at + "/cutout/side", fmt::format("at most twice the image's {} pixels", side),
                std::to_string(c.cutout.side), source);
  }
}

void verify_config(const DataConfig& c, const std::string& source) {
  verify_statistics(c, source);
  verify_sizes(c, source);
  if (c.extra && !traits_of(c).extra)
    fail_config("/data/extra", "false, because only svhn has extra images", "true", source);
  verify_augmentation(c, "/data", source);
  verify_speech(c, source);
}

}  // namespace tailor::data
