// tailor bench says how fast this machine is, by steps of the trainer itself.
#include <gtest/gtest.h>

#include "cli/torch/train_cli.h"

namespace tailor::test {
namespace {

struct BenchCli : public TrainCli {
  Json answer(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "bench");
    arguments.insert(arguments.end(), {"--batch-size", "4", "--seconds", "0.05", "--json"});
    const ProcessResult r = run(std::move(arguments));
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  }
};

TEST_F(BenchCli, TheFastestPrecisionIsSaidAndAllAreBeside) {
  for (const char* what : {"train", "forward"}) {
    const Json said = answer({what, "--network", "resnet8", "--device", "cpu"});
    EXPECT_EQ(said.at("what"), Json(what));
    const auto& rates = said.at("rates").as_array();
    ASSERT_GE(rates.size(), 1U);  // not every CPU has bfloat16
    double fastest = 0;
    for (const Json& rate : rates) {
      EXPECT_GT(rate.at("peak_fraction").as_number(), 0);
      EXPECT_GT(rate.at("control").as_number(), 0);
      EXPECT_NEAR(rate.at("peak_fraction").as_number() * said.at("peak_flops").as_number(),
                  rate.at("images_per_s").as_number() * said.at("flops_per_image").as_number(),
                  1e-6 * said.at("peak_flops").as_number());
      fastest = std::max(fastest, rate.at("images_per_s").as_number());
    }
    EXPECT_EQ(rates[0].at("precision"), Json("float32"));
    if (rates.size() > 1) {
      EXPECT_EQ(rates[1].at("precision"), Json("bfloat16"));
    }
    EXPECT_EQ(said.at("images_per_s").as_number(), fastest);
  }
}

TEST_F(BenchCli, AStepIsOfTheAlteredNetworkAndItsTeacher) {
  auto flops = [&](const char* what, const char* surgery) {
    return answer({what, "--network", "resnet8", "--surgery", surgery, "--device", "cpu",
                   "--precision", "float32"})
        .at("flops_per_image")
        .as_number();
  };
  const double whole = flops("forward", "none"), without = flops("forward", "remove");
  EXPECT_LT(without, whole);  // projections
  EXPECT_NEAR(flops("train", "remove"), 3 * without + whole, 1);
}

TEST_F(BenchCli, WhatIsNoBenchIsRefused) {
  expect_failure(2, {"backward"}, {"bench", "backward"});
  expect_failure(2, {"float16"}, {"bench", "train", "--precision", "float16"});
  expect_failure(3, {"cuda:97"}, {"bench", "train", "--network", "resnet8", "--device", "cuda:97"});
  expect_failure(5, {"expected a network on images"}, {"bench", "--network", "quartznet5x5_dna"});
}

}  // namespace
}  // namespace tailor::test
