// Kinds of data sets, as `data.name` has them: what is known of one before a file is read, and how
// it is opened. Whatever differs from kind to kind is asked here, never by comparing names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tailor/core/enumerators.h"
#include "tailor/data/examples.h"
#include "tailor/data/images.h"

namespace tailor::data {

struct SourceTraits {
  const char* name;                        // "cifar10"
  const char* title;                       // "CIFAR-10", of messages
  int64_t classes = 0;                     // 0: the files say
  Preprocessing preprocessing{};           // the usual one; empty where the files say
  std::vector<std::string> class_names{};  // official ones, in the order of the labels
  bool any_size = false;   // pictures of any size, of which image_size says what the network sees
  bool own = false;        // the user's files, which change, and no official set
  bool arrays = false;     // channels and range of the values are known once it is open
  bool pictures = false;   // picture files: some may be unreadable, test images may be drawn
  bool in_memory = false;  // made by the program of data.seed: there are no files
  bool extra = false;      // has more training images on demand (data.extra)
  bool packed = false;     // what tailor data pack made
  bool fetched = true;     // scripts/fetch_data.sh knows it, so that ./data may have it
  ExampleKind kind = ExampleKind::Images;
};

/// What is asked of a source.
struct OpenRequest {
  bool train = true;        // training images too
  bool test_alone = false;  // it is no fault if there are none
  /// What there is, be it training examples alone. Sources may refuse that all the same.
  bool whatever_is_there = false;
};

class DataSource {
 public:
  explicit DataSource(SourceTraits traits) : traits_(std::move(traits)) {}
  virtual ~DataSource() = default;
  const SourceTraits& traits() const { return traits_; }
  /// Whether files to train with are there.
  virtual bool has_training_files(const DataConfig& /*config*/) const { return true; }
  /// Test examples, and training examples where they are asked for; all of them. A set with a
  /// validation split of its own has it in `splits` too, and then none is drawn; one without test
  /// examples is tested on that. `splits` comes with what the traits say. Throws Data with path,
  /// expected and found; the message of a missing set names the command that fetches it.
  virtual void open(const DataConfig& config, const OpenRequest& request,
                    DataSplits& splits) const = 0;

 private:
  SourceTraits traits_;
};

/// Adds a kind; its name must be new.
void add_data_source(std::unique_ptr<DataSource> source);
/// In a sentence: "images", "speech", "a nanopore's current".
const char* words_of(ExampleKind kind);
/// The names of the data sets of a kind: "librispeech, manifest or flite".
std::string sets_of_kind(ExampleKind kind);
/// Throws Config listing the names.
const DataSource& data_source(const std::string& name);
const SourceTraits& traits_of(const DataConfig& config);
/// In the order of the documentation.
Names data_source_names();

}  // namespace tailor::data
