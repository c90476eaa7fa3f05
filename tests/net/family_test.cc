// A family is a record: registered here, it is known to configurations, names and errors without a
// line in any other file.
#include "tailor/net/family.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

/// QuartzNet in small: separable stages on one row, a projection around them, an answer for each
/// position.
const NetworkFamily kTinyQuartz = {
    "tiny_quartz",
    "tiny_quartz a test's",
    5,
    [](const NetworkConfig& c, const std::string& source) {
      if (c.depth > 9) fail_config("/network/depth", "8 or 9", std::to_string(c.depth), source);
    },
    [](const NetworkConfig&) -> std::vector<NetworkFamily::Unread> {
      return {{"stride_on", "a test's family has no strides"}};
    },
    [](const NetworkConfig& config, const MapShape& input, int64_t classes) {
      Network n = empty_network(config, input, classes);
      n.name = "tiny_quartz";
      const int64_t in = input.channels, width = config.width;
      const Window depthwise{{1, 3}, {1, 1}, {1, 1}, {0, 1, 0, 1}}, pointwise;
      n.blocks = {{"b",
                   {{{ConvLayer{in, in, depthwise, in}, ConvLayer{in, width, pointwise},
                      BatchNormLayer{}, ReluLayer{}}}},
                   {{"b.skip", 0, 1, projection(in, width, {1, 1}), "b.skip"}}}};
      n.head = {ConvLayer{width, classes, pointwise, 1, /*bias=*/true}};
      return n;
    },
    []() -> std::vector<NetworkFamily::Named> {
      NetworkConfig c;
      c.family = "tiny_quartz";
      c.depth = 8;
      return {{"tiny_quartz8", c, {2, 1, 11}, 3}};
    }};

struct OwnFamily : public ::testing::Test {
  static void SetUpTestSuite() { register_family(kTinyQuartz); }
};

TEST_F(OwnFamily, IsBuiltByNameAndByConfiguration) {
  const NamedNetwork named = network_by_name("tiny_quartz8");
  EXPECT_EQ(named.config.width, 5);
  EXPECT_EQ(output_shape(named.network), (MapShape{3, 1, 11}));
  EXPECT_TRUE(named.network.answers_per_position());
  EXPECT_EQ(parameter_count(named.network), 2 * 3 + 2 * 5 + 2 * 5 + (2 * 5 + 2 * 5) + 5 * 3 + 3);
  std::vector<std::string> names;
  for (const TensorSpec& spec : tensor_specs(named.network)) names.push_back(spec.name);
  EXPECT_EQ(names[0], "b.conv1.weight");
  EXPECT_EQ(names[1], "b.conv1b.weight");
  EXPECT_EQ(names[2], "b.bn1.weight");
  EXPECT_EQ(names.back(), "head.conv.bias");
}

TEST_F(OwnFamily, IsAChoiceOfTheConfigurationAndItsReference) {
  NetworkConfig config;
  read_record(Json::parse(R"({"family": "tiny_quartz", "depth": 9})", "x"), "x",
              [&](RecordVisitor& v) { describe(v, config); });
  EXPECT_EQ(config.family, "tiny_quartz");
  EXPECT_NO_THROW(verify_config(config, "x"));
  const std::string schema = record_schema([&](RecordVisitor& v) { describe(v, config); }).dump();
  EXPECT_NE(schema.find("tiny_quartz a test's"), std::string::npos);
  config.depth = 20;
  testing::expect_error(ErrorKind::Config, {"config: /network/depth: expected 8 or 9, got 20 in x"},
                        [&] { verify_config(config, "x"); });
  testing::expect_error(ErrorKind::Internal, {"two families tiny_quartz"},
                        [] { register_family(kTinyQuartz); });
}

}  // namespace
}  // namespace tailor::test
