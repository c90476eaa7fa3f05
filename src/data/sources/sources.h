// The kinds of data sets that come with the program, one file each, and where their files are.
#pragma once

#include "tailor/data/source.h"

namespace tailor::data {

std::unique_ptr<DataSource> make_cifar10_source();
std::unique_ptr<DataSource> make_cifar100_source();
std::unique_ptr<DataSource> make_svhn_source();
std::unique_ptr<DataSource> make_folder_source();
std::unique_ptr<DataSource> make_packed_source();
std::unique_ptr<DataSource> make_npy_source();
std::unique_ptr<DataSource> make_mlperf_tiny_source();
std::unique_ptr<DataSource> make_synthetic_source();
std::unique_ptr<DataSource> make_librispeech_source();
std::unique_ptr<DataSource> make_manifest_source();
std::unique_ptr<DataSource> make_flite_source();
std::unique_ptr<DataSource> make_bonito_source();
std::unique_ptr<DataSource> make_taiyaki_source();
std::unique_ptr<DataSource> make_squiggle_source();

/// data.root, else $TAILOR_DATA, else ./data; and which of them, for messages.
struct DataRoot {
  std::string path, origin;
};
DataRoot find_root(const DataConfig& config);
/// The folder with this file: the root or the set's own in it; "" if it is in none.
std::string folder_with(const DataConfig& config, const char* own, const std::string& file);
/// The same; throws Data with `advice` where it is in none.
std::string required_folder(const DataConfig& config, const SourceTraits& traits, const char* own,
                            const std::string& file, const std::string& advice = "");

/// Class names of CIFAR-10, which MLPerf Tiny's set has too.
std::vector<std::string> cifar10_class_names();

}  // namespace tailor::data
