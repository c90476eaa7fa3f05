// What a sweep consists of, what is left of it, and whose part is which.
#include "tailor/run/sweep.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "support/expect_error.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::expect_words;
using testing::message_of;
using Lines = std::vector<std::string>;

struct SweepTest : public ::testing::Test {
  TemporaryDirectory folder{"tailor-sweep"};
  std::string file(const std::string& name) const { return path_join(folder.path(), name); }
  std::string write(const std::string& name, const std::string& text) const {
    write_file(file(name), text);
    return file(name);
  }
  std::vector<SweepRun> load(const std::string& path, const Lines& set = {},
                             const std::string& only = "") const {
    return load_sweep(path, set, file("out"), only);
  }
};

Lines names_of_runs(const std::vector<SweepRun>& runs) {
  Lines names;
  for (const SweepRun& run : runs) names.push_back(run.name);
  return names;
}

const char* const kMatrix = R"({
  "names": "{method}_{network.depth}_{data}_{train.seed}",
  "base": {"teacher": {"epochs": 2}, "train": {"epochs": 3}},
  "axes": {
    "method": {"cut": {"surgery": {"kind": "remove"}},
               "short": {"surgery": {"kind": "shorten"}}},
    "network.depth": [8, 20],
    "data": {"c10": {"data": {"name": "cifar10"}}, "c100": {"data": {"name": "cifar100"}}},
    "train.seed": [1, 2, 3]
  },
  "exceptions": [{"where": {"method": ["short"], "train.seed": ["2", "3"]}, "leave_out": true}]
})";

TEST_F(SweepTest, IsEveryMemberOfAMatrixOfSeveralAxes) {
  const std::string path = write("m.json", kMatrix);
  const std::vector<SweepRun> runs = load(path, {"train.epochs=5"});
  ASSERT_EQ(runs.size(), 2U * 2 * 3 + 2U * 2);
  const SweepRun& run = runs[10];
  EXPECT_EQ(run.name, "cut_8_c10_2");
  EXPECT_EQ(run.named, path + ":cut_8_c10_2");
  EXPECT_EQ(run.folder, file("out/cut_8_c10_2"));
  EXPECT_EQ(run.config.network.depth, 8);
  EXPECT_EQ(run.config.data.name, "cifar10");
  EXPECT_EQ(run.config.train.seed, 2);
  EXPECT_EQ(run.config.train.epochs, 5);
  EXPECT_EQ(run.config.teacher->train.epochs, 2);
  EXPECT_EQ(run.config.surgery.kind, SurgeryKind::Remove);
  EXPECT_EQ(names_of_runs(load(path, {}, "short_*")),
            (Lines{"short_20_c100_1", "short_20_c10_1", "short_8_c100_1", "short_8_c10_1"}));
  EXPECT_EQ(names_of_runs(load(path, {}, "cut_8_c10_[!2]")), (Lines{"cut_8_c10_1", "cut_8_c10_3"}));
  expect_error(ErrorKind::Usage, {"--only 'cut_9'", "there are cut_8"}, [&] {
    load(write("n.json", R"({"names": "cut_{network.depth}",
                                              "axes": {"network.depth": [8]}})"),
         {}, "cut_9");
  });
}

TEST_F(SweepTest, IsTheConfigurationsOfAFolderAndThoseOfItsMatrices) {
  const std::string path = file("all");
  write("all/b.json", R"({"train": {"epochs": 7}})");
  write("all/m.json", R"({"names": "a{train.seed}", "axes": {"train.seed": [1, 2]}})");
  write("all/notes.txt", "none");
  const std::vector<SweepRun> runs = load(path);
  EXPECT_EQ(names_of_runs(runs), (Lines{"a1", "a2", "b"}));
  EXPECT_EQ(runs[1].named, path + "/m.json:a2");
  EXPECT_EQ(runs[2].named, path + "/b.json");
  EXPECT_EQ(runs[2].config.train.epochs, 7);
  EXPECT_EQ(load("cifar_matrix", {}, "resnet20_remove")[0].named, "resnet20_remove");
  write("all/a1.json", "{}");
  expect_error(ErrorKind::Usage, {"all/a1.json and ", "all/m.json:a1", "got 'a1' twice"},
               [&] { load(path); });
  create_directories(file("none"));
  expect_error(ErrorKind::Usage, {"none: expected a folder of configurations"},
               [&] { load(file("none")); });
  expect_error(ErrorKind::Usage, {"one configuration", "tailor train --config"},
               [&] { load(path + "/b.json"); });
  expect_error(ErrorKind::Usage, {"'nowhere': there is no such file"}, [&] { load("nowhere"); });
  expect_error(ErrorKind::Config, {"/train/epochs", "all/c.json"}, [&] {
    write("all/c.json", R"({"train": {"epochs": 0}})");
    remove_all(file("all/a1.json"));
    load(path);
  });
}

TEST_F(SweepTest, KnowsByTheFoldersWhatIsLeft) {
  const std::string path = write("m.json", kMatrix);
  const SweepRun run = load(path, {}, "cut_8_c10_1")[0];
  EXPECT_EQ(state_of(run), RunState::Waiting);
  create_directories(run.folder);
  EXPECT_EQ(state_of(run), RunState::Waiting);
  check_as_begun(run);
  RunConfig stored = run.config;
  stored.runtime.threads = 3, stored.data.root = "/elsewhere";
  stored.teacher->weights_sha256 = std::string(64, 'a');
  write_file(run.folder + "/config.json", write_run_config(stored).dump());
  EXPECT_EQ(state_of(run), RunState::Interrupted);
  check_as_begun(run);
  write_file(run.folder + "/summary.json", "{}");
  EXPECT_EQ(state_of(run), RunState::Finished);
  check_as_begun(run);
  const SweepRun other = load(path, {"train.optimizer.lr=0.5"}, "cut_8_c10_1")[0];
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { check_as_begun(other); }),
            fmt::format("config: /train/optimizer/lr: expected 0.1, as the run {} was begun with, "
                        "got 0.5 in {}:cut_8_c10_1 with --set (name another --output, or move the "
                        "run away and it is begun again)",
                        run.folder, path));
  // Nor may it have had a section that the configuration lacks.
  stored.quantization = QuantizationConfig();
  write_file(run.folder + "/config.json", write_run_config(stored).dump());
  testing::expect_error(ErrorKind::Config, {"/quantization", "got null"},
                        [&] { check_as_begun(run); });
}

TEST_F(SweepTest, IsSharedAmongTasksEachRunOnce) {
  const std::vector<SweepRun> runs = load(write("m.json", kMatrix));
  Lines taken;
  for (int64_t i = 1; i <= 3; ++i) {
    const Lines part = names_of_runs(take_share(runs, parse_share(fmt::format("{}/3", i))));
    EXPECT_GE(part.size(), runs.size() / 3);
    taken.insert(taken.end(), part.begin(), part.end());
  }
  std::sort(taken.begin(), taken.end());
  EXPECT_EQ(taken, names_of_runs(runs));
  EXPECT_EQ(names_of_runs(take_share(runs, {1, 5})),
            (Lines{runs[1].name, runs[6].name, runs[11].name}));
  EXPECT_TRUE(take_share(runs, {20, 21}).empty());
  for (const char* wrong : {"", "2", "0/3", "4/3", "1/0", "a/3", "1/3/2", "-1/3"})
    expect_error(ErrorKind::Usage, {"--task: expected I/N", wrong}, [&] { parse_share(wrong); });
}

std::optional<SweepShare> share_in(std::map<std::string, std::string> variables) {
  return share_of_task([&](const char* name) {
    const auto found = variables.find(name + std::strlen("SLURM_ARRAY_TASK_"));
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(SweepShare, IsThatOfATaskOfAnArray) {
  EXPECT_FALSE(share_in({}));
  const auto share = share_in({{"ID", "3"}, {"COUNT", "4"}, {"MIN", "1"}, {"STEP", "1"}});
  ASSERT_TRUE(share);
  EXPECT_EQ(share->index, 2);
  EXPECT_EQ(share->count, 4);
  EXPECT_EQ(share_in({{"ID", "3"}, {"COUNT", "4"}})->index, 3);  // --array=0-3
  EXPECT_EQ(share_in({{"ID", "7"}, {"COUNT", "3"}, {"MIN", "3"}, {"STEP", "2"}})->index, 2);
  // --array=2,5,9: whose is the third?
  expect_words(message_of(ErrorKind::Usage,
                          [&] {
                            share_in({{"ID", "9"}, {"COUNT", "3"}, {"MIN", "2"}, {"STEP", "1"}});
                          }),
               {"task 9 of a SLURM array of 3", "such as 1-3", "--task I/N"});
}

TEST_F(SweepTest, KnowsWhichRunsMayShareATeacher) {
  const std::vector<SweepRun> runs = load(write("m.json", kMatrix));
  auto key = [&](const std::string& name) {
    for (const SweepRun& run : runs) {
      if (run.name == name) return teacher_key(run.config);
    }
    return std::string("none");
  };
  EXPECT_EQ(key("cut_8_c10_1"), key("cut_8_c10_2"));
  EXPECT_EQ(key("cut_8_c10_1"), key("short_8_c10_1"));
  EXPECT_NE(key("cut_8_c10_1"), key("cut_20_c10_1"));
  EXPECT_NE(key("cut_8_c10_1"), key("cut_8_c100_1"));
  RunConfig config = runs[0].config;
  EXPECT_NE(teacher_key(config), "");
  config.teacher->checkpoint = "best.ckpt";
  EXPECT_EQ(teacher_key(config), "");
  config.teacher.reset();
  EXPECT_EQ(teacher_key(config), "");
}

}  // namespace
}  // namespace tailor::test
