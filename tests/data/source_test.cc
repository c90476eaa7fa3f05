// A kind of data set is one object: what a test adds here is configured, opened and split like
// those that come with the program, and no other file knows of it.
#include "tailor/data/source.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/record.h"

namespace tailor::test::source_test {
namespace {

using testing::expect_error;

/// Grey 4 × 5 images of one value, which is their number; label: odd or even.
class RampSource : public DataSource {
 public:
  RampSource() : DataSource(make_traits()) {}
  void open(const DataConfig& /*config*/, const OpenRequest& request,
            DataSplits& splits) const override {
    splits.shape = {1, 4, 5};
    splits.test = images(6);
    if (request.train) splits.train = images(20);
  }

 private:
  static SourceTraits make_traits() {
    SourceTraits t{"ramp", "the ramp", 2};
    t.preprocessing = {{0.25}, {0.5}};
    t.class_names = {"even", "odd"};
    t.in_memory = true;
    return t;
  }
  static Images images(int64_t count) {
    std::shared_ptr<uint8_t> pixels(new uint8_t[static_cast<size_t>(count) * 20],
                                    std::default_delete<uint8_t[]>());
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < count; ++i) {
      std::fill_n(pixels.get() + i * 20, 20, static_cast<uint8_t>(i));
      labels.push_back(i % 2);
    }
    return make_memory_images({1, 4, 5}, std::shared_ptr<const uint8_t>(pixels), labels);
  }
};

DataConfig read_config(const char* json) {
  DataConfig config;
  read_record(Json::parse(json, "test"), "test", [&](RecordVisitor& v) { describe(v, config); });
  verify_config(config, "test");
  return config;
}

TEST(DataSource, OfAUserIsConfiguredOpenedAndSplitLikeAnyOther) {
  expect_error(ErrorKind::Config, {"\"synthetic\""}, [] { read_config(R"({"name": "ramp"})"); });
  add_data_source(std::make_unique<RampSource>());
  const DataConfig config =
      read_config(R"({"name": "ramp", "validation": 3, "test_size": 4, "augment": ["flip"]})");
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.shape, (MapShape{1, 4, 5}));
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.train->size(), 17);
  EXPECT_EQ(data.validation->size(), 3);
  EXPECT_EQ(data.test->size(), 4);
  EXPECT_EQ(data.preprocessing.mean, std::vector<double>{0.25});
  EXPECT_EQ(official_class_names("ramp")[1], "odd");
  std::vector<uint8_t> pixels(20);
  EXPECT_EQ(as_images(data.test)->get(3, pixels), 1);
  EXPECT_EQ(pixels[7], 3);
  expect_error(ErrorKind::Internal, {"two data sources are named ramp"},
               [] { add_data_source(std::make_unique<RampSource>()); });
}

TEST(DataSource, OfAnUnknownNameIsAnErrorWithTheNames) {
  expect_error(ErrorKind::Config, {"'cifar1'", "cifar10"}, [] { data_source("cifar1"); });
}

}  // namespace
}  // namespace tailor::test::source_test
