// tailor narrow: from a widened checkpoint back to the widths of old, which training goes on from.
#include "cli/torch/train_cli.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

/// quickstart, tiny and without alterations, with these keys and flags.
std::vector<std::string> tiny_run(const std::vector<std::string>& keys, const std::string& output) {
  std::vector<std::string> command = {"train", "--config", "quickstart", "--output", output};
  for (const char* key : {"data.train_size=88", "data.validation=24", "data.test_size=24",
                          "surgery.kind=none", "train.epochs=1"}) {
    command.insert(command.end(), {"--set", key});
  }
  for (const std::string& key : keys) command.insert(command.end(), {"--set", key});
  return command;
}

TEST_F(TrainCli, NarrowTakesAWidenedNetworkBackAndTrainingGoesOn) {
  ASSERT_EQ(run(tiny_run({"network.depth=8", "network.width=4", "teacher=null"}, "runs/r")).status,
            0);
  ASSERT_EQ(run({"widen", "--checkpoint", "runs/r", "--training-images", "8"}).status, 0);
  const Checkpoint trained = load_checkpoint(file("runs/r/last.ckpt"));
  write_file(file("old.json"), write_network(trained.network).dump());
  ProcessResult r = run({"narrow", "--checkpoint", "widened/r", "--like", "old.json", "--step",
                         "0.5", "--output", "half", "--json", "--log", "off"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json half = Json::parse(r.output, "answer");
  EXPECT_EQ(half.at("filters").as_array().size(), 3U);
  EXPECT_LT(half.at("parameters").at("after").as_int(),
            half.at("parameters").at("before").as_int());
  EXPECT_TRUE(load_checkpoint(file("half/model.ckpt")).metrics.find("validation_accuracy") ==
              nullptr);
  // It evaluates and exports as any: its witness is its own.
  EXPECT_EQ(
      run({"evaluate", "--checkpoint", "half", "--backend", "float64", "--limit", "4"}).status, 0);
  EXPECT_EQ(run({"export", "--checkpoint", "half", "--vectors", "1", "--output", "p"}).status, 0);
  r = run(tiny_run({"network.family=file", "network.file=half/network.json",
                    "teacher.checkpoint=runs/r", "train.start=half/model.ckpt"},
                   "runs/half"));
  ASSERT_EQ(r.status, 0) << r.output;
  r = run({"narrow", "--checkpoint", "runs/half", "--like", "runs/r", "--output", "old"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output,
                        {"stage1.block0.conv1", "tailor evaluate --checkpoint old",
                         "--set train.start=old/model.ckpt", "teacher.checkpoint=runs/half/"});
  const Network plain = load_checkpoint(file("old/model.ckpt")).network;
  EXPECT_EQ(parameter_count(plain),
            parameter_count(alter_every_skip(trained.network, InitialSkips::Removed)));
  EXPECT_EQ(run({"export", "--checkpoint", "old", "--vectors", "1", "--output", "q"}).status, 0);
  EXPECT_EQ(run({"check", "q"}).status, 0);
  expect_failure(2, {"is no wider than old.json"},
                 {"narrow", "--checkpoint", "old", "--like", "old.json", "--output", "again"});
  expect_failure(2, {"--step", "nan"},
                 {"narrow", "--checkpoint", "half", "--like", "runs/r", "--step", "nan"});
  expect_failure(2, {"--like", "unknown network 'nope'"},
                 {"narrow", "--checkpoint", "half", "--like", "nope"});
  expect_failure(2, {"old/model.ckpt"},
                 {"narrow", "--checkpoint", "half", "--like", "old.json", "--output", "old"});
  expect_failure(3, {"cannot narrow", "other blocks"},
                 {"narrow", "--checkpoint", "half", "--like", "resnet20", "--output", "x"});
}

}  // namespace
}  // namespace tailor::test
