// tailor widen: the checkpoint that it writes is one like any other, and answers as the first.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

TEST_F(Cli, WidenWritesTheEqualPlainNetwork) {
  const Checkpoint before = load_checkpoint(write_checkpoint("tiny.ckpt"));
  auto answer = [&](std::vector<std::string> command) {
    command.insert(command.end(), {"--json", "--log", "off"});
    const ProcessResult r = run(command);
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output, "answer");
  };
  const std::vector<std::string> command = {"widen", "--checkpoint", "tiny.ckpt",
                                            "--training-images", "3"};
  const Json json = answer(command);
  EXPECT_EQ(json.at("checkpoint").as_string(), "widened/tiny/model.ckpt");
  EXPECT_EQ(json.at("skips").as_array().size(), 3);
  EXPECT_EQ(json.at("skips_left").as_int(), 0);
  EXPECT_LT(json.at("difference").as_number(), 1e-6);
  const Checkpoint after = load_checkpoint(file("widened/tiny/model.ckpt"));
  EXPECT_TRUE(skip_ids(after.network).empty());
  EXPECT_EQ(after.witness->outputs, before.witness->outputs);
  EXPECT_EQ(json.at("parameters").at("before").as_int(), parameter_count(before.network));
  EXPECT_EQ(json.at("parameters").at("after").as_int(), parameter_count(after.network));
  EXPECT_EQ(json.at("multiplications").at("after").as_int(), mac_count(after.network));
  EXPECT_EQ(write_network(after.network),
            Json::parse(read_file(file("widened/tiny/network.json")), "network"));

  auto evaluated = [&](const std::string& checkpoint) {
    return answer({"evaluate", "--backend", "float64", "--checkpoint", checkpoint});
  };
  const Json was = evaluated("tiny.ckpt"), is = evaluated("widened/tiny");
  EXPECT_EQ(is.at("accuracy"), was.at("accuracy"));
  EXPECT_NEAR(is.at("loss").as_number(), was.at("loss").as_number(), 1e-5);
  const ProcessResult exported =
      run({"export", "--checkpoint", "widened/tiny", "--vectors", "1", "--output", "p"});
  EXPECT_EQ(exported.status, 0) << exported.output;

  expect_failure(2, {"widened/tiny/model.ckpt"}, command);  // it is there already
  expect_failure(3, {"has no skips"},
                 {"widen", "--checkpoint", "widened/tiny", "--output", "again"});
}

TEST_F(Cli, WidenTakesSingleSkips) {
  write_checkpoint("tiny.ckpt");
  const ProcessResult r = run({"widen", "--checkpoint", "tiny.ckpt", "--skip", "stage2.block0.skip",
                               "--split-projections", "--training-images", "0", "--output", "w"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"stage2.block0.skip", "w/network.json", "2 skips left"});
  EXPECT_EQ(r.output.find("training goes on"), std::string::npos) << r.output;
  EXPECT_EQ(skip_ids(load_checkpoint(file("w/model.ckpt")).network).size(), 2);
  testing::expect_words(run({"evaluate", "--backend", "float64", "--checkpoint", "w"}).output,
                        {"assumed statistics", "--training-images"});
  expect_failure(
      3, {"stage2.block9.skip", "stage2.block0.skip"},
      {"widen", "--checkpoint", "tiny.ckpt", "--skip", "stage2.block9.skip", "--output", "v"});
  EXPECT_EQ(list_directory(folder.path()), (std::vector<std::string>{"tiny.ckpt", "w"}));
}

}  // namespace
}  // namespace tailor::test
