// What a network is trained on: sets of examples, their splits, and how a set is opened. Every set
// is a view: reads go into the caller's buffer, are const and thread-safe; opening checks the
// files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tailor/data/config.h"
#include "tailor/tensors/map_shape.h"
#include "tailor/tensors/preprocessing.h"

namespace tailor::data {

/// What an example is. Images have a class, speech has a text, a pore's signal has bases.
enum class ExampleKind { Images, Speech, Signal };
TAILOR_ENUMERATORS(ExampleKind, "images", "speech", "signal")

class Examples {
 public:
  virtual ~Examples() = default;
  virtual ExampleKind kind() const = 0;
  virtual int64_t size() const = 0;
  /// A number that names the example whatever view it is seen through; the key of its augmentation.
  virtual int64_t id(int64_t index) const { return index; }
  /// Name of the example in a report.
  virtual std::string name(int64_t index) const = 0;
};
/// ImageDataset (images.h) or SequenceDataset (sequences.h), as its kind says.
using ExampleSet = std::shared_ptr<const Examples>;

/// More than this no set may tell apart: a label beyond is a damaged one.
constexpr int64_t kMostClasses = 1'000'000;

struct DataSplits {
  std::string name;
  ExampleKind kind = ExampleKind::Images;
  /// Of the network's input. Sequences have height 1 and any width: here the usual one.
  MapShape shape{3, 32, 32};
  /// What an answer tells apart: classes, or the labels of sequences and the blank.
  int64_t classes = 0;
  /// Of folders, or the order that order_classes gave the labels; empty where the labels are
  /// numbers or those of an official set. Of sequences always, the blank as "".
  std::vector<std::string> class_names;
  bool more_classes = false;  // `classes` is the largest label of test images alone, and one
  Preprocessing preprocessing;
  int64_t rate_hz = 0;  // of sequences: samples a second
  ExampleSet train;
  ExampleSet validation;  // null without a validation split
  ExampleSet test;
};

/// Opens a data set. Throws Data with path, expected and found; the message of a missing set names
/// the command that fetches it.
DataSplits open_data(const DataConfig& config);
/// Throws Config where only the opened set shows that an augmentation, whose keys are below the
/// JSON Pointer `at`, is none for its pixels; open_data has done it for its own configuration.
void verify_augmentation_fits(const DataConfig& config, const DataSplits& splits,
                              const std::string& at);
/// The test examples alone; there need not be others.
DataSplits open_test_data(const DataConfig& config);
/// What there is: `train` is null where there are test examples alone, which open_data refuses, and
/// `test` where a set of speech has training examples alone.
DataSplits open_any_data(const DataConfig& config);
/// Throws Data unless a network with this input and so many classes, of these names where both know
/// them, can be run on the data. A set without names has the official ones (official_class_names),
/// for which the network may have other words, but not at each other's places. Sequences may be of
/// any width.
void verify_data_fits(const DataSplits& data, MapShape input, int64_t classes,
                      const std::string& network, const std::vector<std::string>& class_names = {});
/// The names of the labels: the set's own, else the official ones. Empty where nothing names them.
std::vector<std::string> label_names(const DataSplits& data);
/// Where the set has the classes of `class_names` in another order, be they its own or the official
/// ones, its labels become places in that one, with a warning. Images only.
void order_classes(DataSplits& data, const std::vector<std::string>& class_names);
/// Mean and deviation of a data set by name; empty where the files say them (packed).
Preprocessing usual_preprocessing(const std::string& data_name);
/// In the order of the labels; empty for sets that name none, and for no set ("").
std::vector<std::string> official_class_names(const std::string& data_name);
/// sha256 over the names of classes and training examples: tells a user's own set from what it was
/// before examples or classes came or went.
std::string names_digest(const DataSplits& data);
/// The examples `indices` of another set, in that order.
ExampleSet pick_examples(const ExampleSet& base, std::vector<int64_t> indices);

}  // namespace tailor::data
