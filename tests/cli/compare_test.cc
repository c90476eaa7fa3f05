// tailor compare: the numbers of its table again, from the summaries that it read.
#include "cli/cli_fixture.h"

#include <filesystem>

#include "tailor/run/results.h"

namespace tailor::test {
namespace {

struct CompareCli : public Cli {
  /// The folder of a run that ended with these figures.
  void write_run(const std::string& name, const std::string& settings, std::optional<double> test,
                 bool finished = true) {
    Json config = Json::parse(settings, name);
    config.set("network", Json::object({{"depth", 8}, {"width", 4}}));
    config.set("data", Json::object({{"name", "synthetic"}}));
    config.set("teacher", Json::object({{"epochs", 3},  // each run has its own
                                        {"weights_sha256", std::string(63, '0') + name.back()}}));
    write_file(file(name + "/config.json"), config.dump());
    Checkpoint checkpoint;
    NetworkConfig network;
    network.depth = 8, network.width = 4;
    checkpoint.network = make_network(network, {3, 32, 32}, 10);
    checkpoint.tensors = testing::random_tensors(checkpoint.network, 1);
    checkpoint.preprocessing = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
    checkpoint.config = config;
    save_checkpoint(file(name + "/last.ckpt"), checkpoint);
    if (!finished) return;
    RunSummary summary;
    summary.run = name, summary.network = "resnet8", summary.join = "before_activation";
    summary.skips_before = 3, summary.parameters = 1234, summary.epochs = 5, summary.seconds = 3600;
    summary.last.test.value = test;
    summary.teacher = Json::object({{"run", "t"}, {"test_accuracy", 90.5}});
    write_file(file(name + "/summary.json"),
               write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
  }
};

TEST_F(CompareCli, SeedsAreOneRowAndWhatDiffersIsAColumn) {
  const std::string cut = R"({"surgery": {"kind": "remove"}, "train": {"seed": SEED}})",
                    solve =
                        R"({"surgery": {"kind": "remove", "edit": "solve"}, "train": {"seed": 1}})";
  auto seeded = [&](int seed) {
    std::string text = cut;
    return text.replace(text.find("SEED"), 4, std::to_string(seed));
  };
  write_run("a1", seeded(1), 80);
  write_run("a2", seeded(2), 83);
  write_run("a3", seeded(3), 86);
  write_run("b", solve, 88.25);
  write_run("young", seeded(4), std::nullopt, /*finished=*/false);
  write_file(file("a.log"), "x");
  const ProcessResult text = run({"compare", "a1", "a2", "b", "a3", "young", "a.log", "./a1"});
  EXPECT_EQ(text.status, 0) << text.output;
  testing::expect_words(
      text.output, {"young: it is not finished", "a.log: it is no run", "surgery.edit", "a1 (+2)",
                    "83.00 ± 3.00", "90.50 ± 0.00", "88.25", "1,234"});
  EXPECT_EQ(text.output.find("seed"), std::string::npos) << text.output;
  const ProcessResult json = run({"compare", "a1", "a2", "a3", "b", "--json"});
  const auto rows = Json::parse(json.output, "answer").at("rows").as_array();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("runs").as_array().size(), 3U);
  EXPECT_NEAR(rows[0].at("last").at("mean").as_number(), 83, 1e-9);
  EXPECT_NEAR(rows[0].at("last").at("deviation").as_number(), 3, 1e-9);
  EXPECT_EQ(rows[0].at("settings").at("surgery.edit"), Json("cut"));
  EXPECT_EQ(rows[1].at("settings").at("surgery.edit"), Json("solve"));
  EXPECT_TRUE(rows[1].at("last").at("deviation").is_null());
  // ResNet-8 of width 4 at the defaults of an export: the design that estimate_network has.
  EXPECT_GT(rows[1].at("dsp").as_int(), 0);
  EXPECT_GE(rows[1].at("interval_cycles").as_int(), 32 * 32);
  const ProcessResult csv = run({"compare", "a1", "b", "--format", "csv", "--log", "off"});
  const std::string header =
      "run,network,surgery.edit,runs,teacher accuracy,teacher accuracy deviation,test accuracy,";
  EXPECT_EQ(csv.output.rfind(header, 0), 0U) << csv.output;
  EXPECT_NE(csv.output.find("\na1,resnet8,cut,1,90.50,,80.00,,"), std::string::npos) << csv.output;
  const ProcessResult page = run({"compare", "a1", "b", "--format", "markdown", "--log", "off"});
  EXPECT_EQ(page.output.rfind("| run | network | surgery.edit | runs |", 0), 0U) << page.output;
}

TEST_F(CompareCli, ManySettingsAreToldInWordsAndAFolderOfRunsStandsForThem) {
  const std::string cut = R"({"surgery": {"kind": "remove"}, "train": {"seed": 1}})";
  write_run("all/cut1", cut, 80);
  write_run("all/more2", R"({"surgery": {"kind": "remove"}, "train": {"seed": 1, "epochs": 7}})",
            81);
  write_run("all/solve3", R"({"surgery": {"kind": "remove", "edit": "solve", "at_once": 3},
      "train": {"seed": 1, "optimizer": {"kind": "muon", "lr": 0.5}}})",
            88);
  write_run("all/alone4", R"({"train": {"seed": 1}})", 70);
  Json config = Json::parse(read_file(file("all/alone4/config.json")), "");
  config.set("teacher", Json());
  write_file(file("all/alone4/config.json"), config.dump());
  write_file(file("all/x.log"), "x");
  const ProcessResult text = run({"compare", "all"});
  EXPECT_EQ(text.status, 0) << text.output;
  EXPECT_EQ(text.output.rfind("run     network  runs  teacher accuracy", 0), 0U) << text.output;
  testing::expect_words(
      text.output,
      {"\n\nmost have: surgery.at_once 1, surgery.edit cut, surgery.kind remove, teacher given,",
       "\nalone4: surgery.kind none, teacher null\n", "\ncut1: as most\n",
       "\nmore2: train.epochs 7\n",
       "\nsolve3: surgery.at_once 3, surgery.edit solve, train.optimizer.kind muon, "
       "train.optimizer.lr"});
  // Beside them one that is trained quantised, and one from elsewhere: of the others that is none.
  write_run("all/q5", R"({"surgery": {"kind": "remove"}, "quantization": {}, "train": {"seed": 1,
      "start": "/pre/best.ckpt"}})",
            60);
  testing::expect_words(run({"compare", "all"}).output,
                        {"quantization null, surgery", "train.start none", "\ncut1: as most\n",
                         "\nq5: quantization given, train.start /pre/best.ckpt\n"});
  remove_all(file("all/q5"));
  // A teacher's settings say nothing of a run without one.
  EXPECT_EQ(text.output.find("teacher.epochs"), std::string::npos) << text.output;
  const ProcessResult page = run({"compare", "all", "--format", "markdown"});
  testing::expect_words(page.output,
                        {"| run | network | runs |", "\n\n- most have: ", "\n- cut1: as most\n"});
  const ProcessResult csv = run({"compare", "all", "--format", "csv"});
  testing::expect_words(csv.output,
                        {"run,network,surgery.at_once,surgery.edit,surgery.kind,teacher,"});
  const ProcessResult json = run({"compare", "all", "--json"});
  const auto rows = Json::parse(json.output, "answer").at("rows").as_array();
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_TRUE(rows[0].at("settings").at("teacher").is_null());
  EXPECT_EQ(rows[1].at("settings").at("teacher"), Json("given"));
}

TEST_F(CompareCli, OneSeedTwiceIsTwoRowsAndDataOfOnesOwnIsWhereItLies) {
  const std::string same = R"({"surgery": {"kind": "remove"}, "train": {"seed": 1}})";
  write_run("a", same, 80);
  write_run("b", same, 82);
  const auto rows = [&] {
    const ProcessResult r = run({"compare", "a", "b", "--json"});
    return Json::parse(r.output, "answer").at("rows").as_array();
  };
  ASSERT_EQ(rows().size(), 2U);
  EXPECT_EQ(rows()[0].at("last").at("mean"), Json(80.0));
  for (const char* name : {"a", "b"}) {
    Json config = Json::parse(read_file(file(std::string(name) + "/config.json")), name);
    config.set("data", Json::object({{"name", "npy"}, {"root", std::string("/data/") + name}}));
    config.set("train", Json::object({{"seed", name[0] - 'a'}}));
    write_file(file(std::string(name) + "/config.json"), config.dump());
  }
  ASSERT_EQ(rows().size(), 2U);
  EXPECT_EQ(rows()[1].at("settings").at("data.root"), Json("/data/b"));
}

TEST_F(CompareCli, NetworksAndTeachersOfOneNameAreToldApart) {
  auto write = [&](const std::string& name, int seed, const Json& network, const Json& teacher) {
    write_run(name, fmt::format(R"({{"train": {{"seed": {}}}}})", seed), 80);
    Json config = Json::parse(read_file(file(name + "/config.json")), name);
    config.set("network", network), config.set("teacher", teacher);
    write_file(file(name + "/config.json"), config.dump());
  };
  auto rows = [&](const char* which) {
    const ProcessResult r = run({"compare", which, "--json"});
    return Json::parse(r.output, "answer").at("rows").as_array().size();
  };
  const Json described = Json::object({{"family", "file"}, {"file", "network.json"}});
  for (const char* name : {"n/a1", "n/b2", "n/c3"}) {
    write(name, name[3] - '0', described, Json());
    write_file(file(std::string(name) + "/network.json"), name[2] == 'c' ? "{\"c\": 1}" : "{}");
  }
  EXPECT_EQ(rows("n"), 2U);  // a and b are two seeds of one network
  const Json network = Json::object({{"depth", 8}, {"width", 4}});
  for (const char* name : {"t/a1", "t/b2", "t/c3"}) {
    const std::string weights(64, name[2] == 'c' ? 'c' : '1');
    write(name, name[3] - '0', network,
          Json::object({{"checkpoint", fmt::format("/{}/teach/best.ckpt", name)},
                        {"weights_sha256", weights}}));
  }
  EXPECT_EQ(rows("t"), 2U);  // wherever it lies
  // Of phases the last one's teacher is the one before, which the seed made.
  for (const char* name : {"p/a1", "p/b2"}) {
    write(name, name[3] - '0', network,
          Json::object(
              {{"checkpoint", "/x/model.ckpt"}, {"weights_sha256", std::string(64, name[2])}}));
    Json config = Json::parse(read_file(file(std::string(name) + "/config.json")), name);
    config.set("phases", Json::Array{Json::object(), Json::object()});
    write_file(file(std::string(name) + "/config.json"), config.dump());
  }
  EXPECT_EQ(rows("p"), 1U);
  std::filesystem::create_directory_symlink(file("p/a1"), file("p/teacher"));
  EXPECT_EQ(rows("p"), 1U);
}

TEST_F(CompareCli, PhasesThatDifferAreToldByTheirKeys) {
  // Of a phase's own teacher the weights say who it is, not the folder.
  auto write = [&](const std::string& name, int seed, const char* teacher, const char* distill,
                   double epochs) {
    const std::string phases = fmt::format(
        R"([{{"surgery": {{"kind": "remove"}}}}, {{"start": "previous",
            "teacher": "/{}/deep/best.ckpt", "weights_sha256": "{}", "distill": {{{}}},
            "train": {{"epochs": {}}}}}])",
        name, std::string(64, teacher[0]), distill, epochs);
    write_run(name, fmt::format(R"({{"train": {{"seed": {}}}, "phases": {}}})", seed, phases), 80);
  };
  write("g/a1", 1, "a", R"("beta": 0.5)", 3);
  write("g/a2", 2, "a", R"("beta": 0.5)", 3);
  write("g/b1", 1, "b", R"("beta": 0.5)", 3);
  write("g/c1", 1, "a", R"("features": "stages")", 3);
  const ProcessResult r = run({"compare", "g"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output, {"phases.1.teacher", "deep/best.ckpt (aaaaaaaa)", "deep/best.ckpt (bbbbbbbb)",
                 "phases.1.distill.features", "a1 (+1)"});
  // In words, where it is much: by the whole values.
  write("g/d1", 1, "a", R"("features": "blocks", "temperature": 2, "distance": "kl")", 4);
  const ProcessResult words = run({"compare", "g"});
  testing::expect_words(words.output, {"most have: ", "d1: ", "phases.1.distill.features blocks",
                                       "phases.1.train.epochs 4"});
}

TEST_F(CompareCli, WhatCannotBeComparedIsSaid) {
  write_run("young", R"({"surgery": {"kind": "remove"}})", std::nullopt, /*finished=*/false);
  expect_failure(2, {"none of the 1 run is finished"}, {"compare", "young"});
  expect_failure(2, {"nowhere: there is no such folder"}, {"compare", "nowhere"});
  expect_failure(2, {"runs is required"}, {"compare"});
  write_run("broken", R"({"surgery": {"kind": "remove"}})", 80);
  write_file(file("broken/summary.json"), "{}");
  expect_failure(4, {"broken/summary.json: expected the summary of a run"}, {"compare", "broken"});
  write_file(file("broken/summary.json"), "{\"last\": 3}");
  expect_failure(3, {"broken/summary.json"}, {"compare", "broken"});
  write_run("whole", R"({"surgery": {"kind": "remove"}})", 80);
  const ProcessResult r = run({"compare", "broken", "whole"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"warning", "left out", "broken/summary.json", "80.00"});
}

}  // namespace
}  // namespace tailor::test
