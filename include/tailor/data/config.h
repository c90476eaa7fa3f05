// What a configuration says of the data: which set, how it is split and augmented.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::data {

/// What happens to a set with image files that cannot be read.
enum class Unreadable { Skip, Error };
TAILOR_ENUMERATORS(Unreadable, "skip", "error")

struct RandomResizedCropConfig {
  double min_area = 0.08;  // of the picture's area
  double max_aspect = 4.0 / 3;
};
/// Largest relative change of each.
struct ColorJitterConfig {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4;
};
struct CutoutConfig {
  int64_t side = 16;  // pixels
};
struct MixupConfig {
  double alpha = 0.2;
};

/// Rectangles of the features set to 0, the mean (DeVries and Taylor 2017; NeMo 1.x).
struct SpecCutoutConfig {
  int64_t rectangles = 5;
  int64_t filters = 50, frames = 120;  // most of each
};
/// Whole filters and whole frames set to 0 (Park et al. 2019; the widths are NVIDIA's).
struct SpecAugmentConfig {
  int64_t filter_masks = 2, filters = 15;
  int64_t frame_masks = 2, frames = 55;
};
struct SpeedConfig {
  double change = 0.1;  // of the tempo and of the pitch with it
};
struct DitherConfig {
  double deviation = 1e-5;  // of samples in -1..1
};

/// What happens to signs of a text that the alphabet lacks.
enum class OtherSigns { Error, Drop };
TAILOR_ENUMERATORS(OtherSigns, "error", "drop")

/// Which speech is which split's.
struct SpeechConfig {
  /// librispeech: folders of sets; manifest: files. Empty: by their names.
  std::vector<std::string> train, validation, test;
  double max_seconds = 16.7;  // of training examples
  OtherSigns other_signs = OtherSigns::Error;
  /// flite's, of training and of test sentences.
  std::vector<std::string> voices = {"slt", "awb", "rms"}, test_voices = {"kal16"};
};

/// Current of a nanopore; dwell and noise of the simulated one.
struct SignalConfig {
  int64_t chunk = 3600;  // samples
  double dwell = 9;      // mean samples a base
  double noise = 0.15;   // deviation of a sample within a base, and of a base from its model
};

/// Of data.image_size.
constexpr int64_t kLargestImageSize = 4096;

struct DataConfig {
  std::string name = "cifar10";
  std::string root;
  int64_t validation = 5000;
  std::vector<std::string> augment = {"pad_crop", "flip"};
  int64_t train_size = 0;
  int64_t test_size = 0;
  int64_t seed = 1;
  std::vector<double> mean, deviation;  // empty: the data set's own
  int64_t image_size = 0;               // side of the network's input; 0: the data set's own
  int64_t resize = 0;                   // 0: 8/7 of image_size
  int64_t channels = 0;                 // of a folder's pictures as the network sees them; 0: 3
  bool extra = false;                   // SVHN's extra images too
  Unreadable unreadable = Unreadable::Skip;
  RandomResizedCropConfig random_resized_crop;
  ColorJitterConfig color_jitter;
  CutoutConfig cutout;
  MixupConfig mixup;
  SpecCutoutConfig spec_cutout;
  SpecAugmentConfig spec_augment;
  SpeedConfig speed;
  DitherConfig dither;
  SpeechConfig speech;
  SignalConfig signal;

  bool augments(const char* name) const;
  /// Pictures of any size, of which image_size says what the network sees.
  bool any_size() const;
  /// The user's own files, which change, and not an official set.
  bool is_own() const;
  int64_t resize_or_default() const { return resize > 0 ? resize : (image_size * 8 + 3) / 7; }
};

void describe(RecordVisitor& v, DataConfig& c);
/// The keys of `augment` and of its parameters alone, which phases of one run may differ in.
void describe_augmentation(RecordVisitor& v, DataConfig& c);
/// Throws Config, naming the key as /data/….
void verify_config(const DataConfig& c, const std::string& source);
/// The part of it about augmentation, with the keys below the JSON Pointer `at`.
void verify_augmentation(const DataConfig& c, const std::string& at, const std::string& source);

}  // namespace tailor::data
