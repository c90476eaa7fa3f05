#include "tailor/data/images.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/data/pictures.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::message_of;

DataConfig synthetic(int64_t train, int64_t validation, int64_t test) {
  DataConfig config;
  config.name = "synthetic";
  config.train_size = train;
  config.validation = validation;
  config.test_size = test;
  return config;
}

std::vector<int64_t> ids(const Images& images) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < images->size(); ++i) out.push_back(images->id(i));
  return out;
}

std::vector<uint8_t> pixels_of(const Images& images, int64_t index) {
  std::vector<uint8_t> pixels(3072);
  images->get(index, pixels);
  return pixels;
}

TEST(OpenData, SplitIsDisjointCompleteAndInOrder) {
  const DataSplits splits = open_data(synthetic(50, 13, 5));
  EXPECT_EQ(splits.train->size(), 37);
  EXPECT_EQ(splits.validation->size(), 13);
  EXPECT_EQ(splits.test->size(), 5);
  const auto train = ids(as_images(splits.train)), validation = ids(as_images(splits.validation));
  EXPECT_TRUE(std::is_sorted(train.begin(), train.end()));
  EXPECT_TRUE(std::is_sorted(validation.begin(), validation.end()));
  std::vector<int64_t> all = train;
  all.insert(all.end(), validation.begin(), validation.end());
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(all.at(static_cast<size_t>(i)), i);
  EXPECT_NE(validation.back(), 12);  // drawn, not the first or last thirteen
  EXPECT_NE(validation.front(), 37);
}

TEST(OpenData, SplitDependsOnTheDatasSeedAlone) {
  DataConfig config = synthetic(50, 13, 1);
  const auto first = ids(as_images(open_data(config).validation));
  config.augment = {};
  config.test_size = 2;
  EXPECT_EQ(ids(as_images(open_data(config).validation)), first);
  config.seed = 2;
  EXPECT_NE(ids(as_images(open_data(config).validation)), first);
}

TEST(OpenData, WithoutValidationTheTrainingSetIsWhole) {
  const DataSplits splits = open_data(synthetic(9, 0, 1));
  EXPECT_EQ(splits.validation, nullptr);
  EXPECT_EQ(splits.train->size(), 9);
}

TEST(OpenData, SyntheticTrainAndTestShareNoIndex) {
  const DataSplits splits = open_data(synthetic(20, 0, 20));
  const Images test = make_synthetic(20, int64_t{1} << 32, 1), train = make_synthetic(20, 0, 1);
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(pixels_of(as_images(splits.test), i), pixels_of(test, i));
    EXPECT_EQ(pixels_of(as_images(splits.train), i), pixels_of(train, i));
    for (int64_t j = 0; j < 20; ++j)
      EXPECT_NE(pixels_of(as_images(splits.train), i), pixels_of(as_images(splits.test), j));
  }
  EXPECT_EQ(splits.classes, 10);
  EXPECT_EQ(splits.shape, (MapShape{3, 32, 32}));
}

TEST(OpenData, TestDataAloneIsTheSame) {
  const DataConfig config = synthetic(20, 5, 3);
  const DataSplits alone = open_test_data(config);
  EXPECT_EQ(alone.train, nullptr);
  EXPECT_EQ(pixels_of(as_images(alone.test), 2), pixels_of(as_images(open_data(config).test), 2));
}

TEST(OpenData, ValidationMustLeaveTrainingImages) {
  EXPECT_EQ(message_of(ErrorKind::Data, [] { open_data(synthetic(5, 5, 1)); }),
            "/data/validation: expected less than the 5 training examples, got 5");
}

TEST(OpenData, PreprocessingIsTheDataSetsUnlessGiven) {
  DataConfig config = synthetic(1, 0, 1);
  EXPECT_EQ(open_test_data(config).preprocessing.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  config.mean = {0.1, 0.2, 0.3};
  config.deviation = {1, 2, 3};
  EXPECT_EQ(open_test_data(config).preprocessing.mean, config.mean);
  EXPECT_EQ(open_test_data(config).preprocessing.deviation, config.deviation);
}

TEST(OpenData, AMissingSetNamesTheScriptThatFetchesIt) {
  TemporaryDirectory folder;
  DataConfig config;
  config.root = folder.path();
  const std::string root = folder.path();
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { open_data(config); }),
            "CIFAR-10 is not in " + root + " (data.root): expected " + root +
                "/test_batch.bin or " + root +
                "/cifar-10-batches-bin/test_batch.bin; fetch it with scripts/fetch_data.sh cifar10 "
                "--output " +
                root);
  config.name = "cifar100";
  expect_error(ErrorKind::Data,
               {"CIFAR-100 is not in " + root, root + "/cifar-100-binary/test.bin",
                "scripts/fetch_data.sh cifar100 --output " + root},
               [&] { open_data(config); });
  config.root.clear();
  ASSERT_EQ(setenv("TAILOR_DATA", root.c_str(), 1), 0);
  expect_error(ErrorKind::Data, {"CIFAR-100 is not in " + root + " ($TAILOR_DATA)"},
               [&] { open_data(config); });
  ASSERT_EQ(unsetenv("TAILOR_DATA"), 0);
  expect_error(
      ErrorKind::Data,
      {"is not in data (the default ./data, because neither data.root nor $TAILOR_DATA is set)"},
      [&] { open_data(config); });
}

TEST(OpenData, OpensTheFilesInsideTheOfficialFolder) {
  TemporaryDirectory folder;
  DataConfig config;
  config.root = folder.path();
  const std::string path = path_join(folder.path(), "cifar-10-batches-bin/test_batch.bin");
  write_file(path, "short");
  expect_error(ErrorKind::Data,
               {"CIFAR file " + path + ": expected 30730000 bytes (10000 records of 3073), got 5"},
               [&] { open_test_data(config); });
  const std::string hundred = path_join(folder.path(), "test.bin");
  write_file(hundred, "short");
  config.name = "cifar100";
  expect_error(ErrorKind::Data, {hundred + ": expected 30740000 bytes (10000 records of 3074)"},
               [&] { open_test_data(config); });
}

TEST(Subset, KeepsIdsPixelsAndOrder) {
  const Images base = make_synthetic(9, 0, 1);
  const Images subset = make_subset(make_subset(base, {8, 3, 5}), {2, 0});
  EXPECT_EQ(ids(subset), (std::vector<int64_t>{5, 8}));
  EXPECT_EQ(pixels_of(subset, 0), pixels_of(base, 5));
  std::vector<uint8_t> pixels(3072);
  expect_error(ErrorKind::Internal, {"image 2 of 2"}, [&] { subset->get(2, pixels); });
  expect_error(ErrorKind::Internal, {"image -1 of 2"}, [&] { subset->id(-1); });
}

/// Folders are sorted as text (0, 1, 10, 2); weights may have been trained in another order.
TEST(Images, LabelsFollowTheOrderOfTheWeightsClasses) {
  DataSplits data;
  data.name = "folder";
  data.shape = {1, 1, 1};
  data.classes = 4;
  data.class_names = {"0", "1", "10", "2"};
  const std::vector<int64_t> labels = {3, 0, 2, 1};
  std::shared_ptr<uint8_t[]> four(new uint8_t[4]());
  data.test = make_memory_images(data.shape, {four, four.get()}, labels);
  TemporaryDirectory folder;
  const std::string log = path_join(folder.path(), "log");
  set_log_file(log);
  DataSplits ordered = data;
  order_classes(ordered, {"0", "1", "2", "10"});
  verify_data_fits(ordered, data.shape, 4, "net");
  set_log_file("");
  testing::expect_words(read_file(log),
                        {"in the order of the weights: class 2 is '2' and not '10'"});
  EXPECT_EQ(ordered.class_names, (std::vector<std::string>{"0", "1", "2", "10"}));
  uint8_t pixel = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const std::string name = data.class_names[static_cast<size_t>(labels[static_cast<size_t>(i)])];
    const auto label = static_cast<size_t>(as_images(ordered.test)->get(i, {&pixel, 1}));
    EXPECT_EQ(ordered.class_names[label], name) << i;
    const auto whole = [](Extent e) { return CropWindow{0, 0, e.height, e.width}; };
    EXPECT_EQ(static_cast<size_t>(
                  as_images(ordered.test)->read_window(i, whole, data.shape, {&pixel, 1})),
              label);
  }
  verify_data_fits(ordered, data.shape, 4, "net", {"0", "1", "2", "10"});
  // Other classes are not another order of these.
  DataSplits other = data;
  order_classes(other, {"0", "1", "2", "3"});
  EXPECT_EQ(other.class_names, data.class_names);
  EXPECT_EQ(other.test, data.test);
}

/// Weights of elsewhere may have an official set's classes in another order.
TEST(Images, LabelsOfAnOfficialSetFollowTheOrderOfTheWeightsClasses) {
  DataConfig config;
  config.name = "synthetic";
  config.test_size = 40;
  const DataSplits data = open_test_data(config);
  EXPECT_TRUE(data.class_names.empty());
  const std::vector<std::string> official = official_class_names("synthetic");
  const std::vector<std::string> reversed(official.rbegin(), official.rend());
  expect_error(ErrorKind::Data,
               {"its class 0 is 'checks', in the data set synthetic it is 'disc'", "--class-names"},
               [&] { verify_data_fits(data, data.shape, 10, "net", reversed); });
  DataSplits ordered = data;
  order_classes(ordered, reversed);
  verify_data_fits(ordered, data.shape, 10, "net", reversed);
  EXPECT_EQ(ordered.class_names, reversed);
  std::vector<uint8_t> pixels(3072);
  for (int64_t i = 0; i < 40; ++i)
    EXPECT_EQ(as_images(ordered.test)->get(i, pixels), 9 - as_images(data.test)->get(i, pixels))
        << i;
  // The official order is none that a checkpoint needs to write down.
  DataSplits same = data;
  order_classes(same, official);
  verify_data_fits(same, data.shape, 10, "net", official);
  EXPECT_TRUE(same.class_names.empty());
  EXPECT_EQ(same.test, data.test);
  // Other words are no other order; one name of the set at another's place is.
  std::vector<std::string> words = official;
  words[0] = "dot";
  verify_data_fits(data, data.shape, 10, "net", words);
  words[1] = "disc";
  expect_error(ErrorKind::Data, {"its class 1 is 'disc'", "it is 'ring'"},
               [&] { verify_data_fits(data, data.shape, 10, "net", words); });
}

TEST(Data, OfAnotherKindThanTheNetworkIsNamedInWords) {
  const auto refuse = [](const char* name, ExampleKind kind, MapShape shape, MapShape input,
                         std::initializer_list<std::string> words) {
    DataSplits data;
    data.name = name;
    data.kind = kind;
    data.shape = shape;
    expect_error(ErrorKind::Data, words, [&] { verify_data_fits(data, input, 29, "net"); });
  };
  const MapShape speech{64, 1, 1600}, current{1, 1, 3600}, image{3, 32, 32};
  refuse("bonito", ExampleKind::Signal, current, speech,
         {"net: it is a network on speech, and the data set bonito has a nanopore's current; data "
          "sets that fit it: librispeech, manifest or flite"});
  refuse("flite", ExampleKind::Speech, speech, current,
         {"a network on a nanopore's current", "flite has speech", "bonito, taiyaki or squiggle"});
  refuse("cifar10", ExampleKind::Images, image, speech, {"on speech", "cifar10 has images"});
  refuse("flite", ExampleKind::Speech, speech, image, {"a network on images", "cifar10"});
  refuse("cifar10", ExampleKind::Images, image, {3, 64, 64}, {"inputs of 3x64x64"});
}

}  // namespace
}  // namespace tailor::test
