#include "tailor/tensors/preprocessing.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace tailor::test::preprocessing_test {
namespace {

TEST(Preprocessing, RoundTripsExactly) {
  const Preprocessing p{{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  const Json json = write_preprocessing(p);
  EXPECT_EQ(json.dump(), R"({"mean":[0.4914,0.4822,0.4465],"deviation":[0.247,0.2435,0.2616]})");
  EXPECT_EQ(read_preprocessing(Json::parse(json.dump(), "")), p);
}

TEST(Preprocessing, MagnitudeIsTheLargestInputOfEitherSign) {
  EXPECT_DOUBLE_EQ((Preprocessing{{0.25, 0.5}, {0.5, 0.5}}.magnitude()),
                   1.5);  // white, (1 - 0.25) / 0.5
  EXPECT_DOUBLE_EQ((Preprocessing{{0.5, 0.75}, {0.5, 0.25}}.magnitude()), 3);  // black, 0.75 / 0.25
  EXPECT_EQ(Preprocessing{}.magnitude(), 0);
}

TEST(Preprocessing, RefusesMeansWithoutPositiveDeviations) {
  for (const char* bad : {R"({"mean":[0.5],"deviation":[]})", R"({"mean":[0.5],"deviation":[0]})",
                          R"({"mean":[0.5],"deviation":[-1]})"})
    testing::expect_error(ErrorKind::Data,
                          {"preprocessing: expected one positive deviation a mean, got 1 and "},
                          [&] { read_preprocessing(Json::parse(bad, "")); });
  testing::expect_error(ErrorKind::Data, {"expected the key \"deviation\""},
                        [] { read_preprocessing(Json::parse(R"({"mean":[0.5]})", "")); });
}

}  // namespace
}  // namespace tailor::test::preprocessing_test
