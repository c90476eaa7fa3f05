// tailor sensitivity: what it measures is what evaluate and export say, and a run takes its plan.
#include "cli/torch/train_cli.h"

namespace tailor::test {
namespace {

struct SensitivityCli : public TrainCli {
  /// A network with all of its skips.
  SensitivityCli() {
    const ProcessResult r = run({"train", "--config", "tiny.json", "--set", "surgery.kind=none",
                                 "--set", "train.epochs=2", "--output", "whole"});
    EXPECT_EQ(r.status, 0) << r.output;
  }
  Json answer(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const ProcessResult r = run(std::move(arguments));
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  }
  int64_t exported_bits(const std::string& run_name) {
    return answer({"export", "--checkpoint", run_name, "--output", run_name + "-project"})
        .at("cost")
        .at("fifo_bits")
        .as_int();
  }
};

TEST_F(SensitivityCli, MeasuresEverySkipAloneTheCheapestFirst) {
  const Json said = answer({"sensitivity", "--checkpoint", "whole", "--statistics", "64"});
  EXPECT_EQ(said.at("split"), Json("validation"));
  EXPECT_EQ(said.at("examples"), Json(40));
  EXPECT_EQ(said.at("statistics_examples"), Json(64));
  EXPECT_EQ(said.at("unaltered"),
            answer({"evaluate", "--checkpoint", "whole", "--split", "validation"}).at("accuracy"));
  EXPECT_EQ(said.at("fifo_bits").as_int(), exported_bits("whole"));
  const auto& rows = said.at("skips").as_array();
  ASSERT_EQ(rows.size(), 6U);
  std::set<std::pair<std::string, std::string>> seen;
  double before = -1e300;
  for (const Json& row : rows) {
    seen.insert({row.at("skip").as_string(), row.at("kind").as_string()});
    EXPECT_GT(row.at("fifo_bits_saved").as_int(), 0);
    EXPECT_NEAR(row.at("lost").as_number(),
                said.at("reference").as_number() - row.at("accuracy").as_number(), 1e-9);
    EXPECT_GE(row.at("lost_per_mbit").as_number(), before);
    before = row.at("lost_per_mbit").as_number();
  }
  EXPECT_EQ(seen.size(), 6U);
  // The plan names every skip by its cheaper kind, in the rows' order.
  const Json& surgery = said.at("surgery");
  EXPECT_EQ(surgery.at("order"), Json("plan"));
  EXPECT_EQ(surgery.at("plan").as_array().size(), 3U);
  EXPECT_EQ(surgery.at("plan").as_array()[0].at("skip"), rows[0].at("skip"));
  EXPECT_EQ(surgery.at("plan").as_array()[0].at("kind"), rows[0].at("kind"));
}

TEST_F(SensitivityCli, APlanWithinABudgetIsTrainedAndExportedAsItSays) {
  const int64_t whole =
      answer({"sensitivity", "--checkpoint", "whole", "--kind", "remove"}).at("fifo_bits").as_int();
  const int64_t budget = whole * 9 / 10;
  const Json said = answer({"sensitivity", "--checkpoint", "whole", "--budget",
                            std::to_string(budget), "--output", "plan.json"});
  const Json& plan = said.at("plan");
  EXPECT_LE(plan.at("fifo_bits").as_int(), budget);
  EXPECT_EQ(Json::parse(read_file(file("plan.json")), "plan").at("surgery"), said.at("surgery"));
  const ProcessResult r = run({"train", "--config", "tiny.json", "--set", "plan.json", "--set",
                               "train.epochs=4", "--output", "planned"});
  ASSERT_EQ(r.status, 0) << r.output;
  const auto alterations = records("planned/alterations.jsonl");
  size_t altered = 0;
  for (const Json& p : said.at("surgery").at("plan").as_array()) {
    if (p.at("kind") == Json("keep")) continue;
    ASSERT_LT(altered, alterations.size());
    const Json line = Json::parse(alterations[altered++], "line");
    EXPECT_EQ(line.at("skip"), p.at("skip"));
    EXPECT_EQ(line.at("kind"), p.at("kind"));
  }
  EXPECT_GT(altered, 0U);
  EXPECT_EQ(altered, alterations.size());
  EXPECT_EQ(exported_bits("planned"), plan.at("fifo_bits").as_int());

  expect_failure(2, {"--output plan.json", "--force"},
                 {"sensitivity", "--checkpoint", "whole", "--output", "plan.json"});
  expect_failure(2, {"a budget of 1 FIFO bits", "the least is"},
                 {"sensitivity", "--checkpoint", "whole", "--budget", "1", "--images", "8"});
}

TEST_F(SensitivityCli, WithoutAValidationSplitTrainingImagesAreTakenAndNamed) {
  const ProcessResult r = run({"sensitivity", "--checkpoint", "whole", "--kind", "shorten", "--set",
                               "data.validation=0", "--images", "16", "--layout", "stock"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"there is no validation split", "16 training images",
                                   "stock on u200", "points lost per Mbit"});
  EXPECT_EQ(r.output.find("remove"), std::string::npos) << r.output;
}

TEST_F(SensitivityCli, WithoutSkipsThereIsNothingToMeasure) {
  const ProcessResult r =
      run({"train", "--config", "tiny.json", "--set", "train.epochs=4", "--output", "bare"});
  ASSERT_EQ(r.status, 0) << r.output;
  expect_failure(2, {"bare/best.ckpt", "no skip that could be altered"},
                 {"sensitivity", "--checkpoint", "bare"});
}

}  // namespace
}  // namespace tailor::test
