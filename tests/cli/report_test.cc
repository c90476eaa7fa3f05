// tailor report: what it reads, what it writes, and what it refuses.
#include "cli/cli_fixture.h"

#include <chrono>
#include <thread>

#include "tailor/run/results.h"
#include "tailor/run/run_folder.h"

namespace tailor::test {
namespace {

constexpr const char* kEpoch =
    R"({"epoch":0,"lr":0.1,"train_loss":2.5,"train_accuracy":40.0,"validation_loss":1.5,)"
    R"("validation_accuracy":51.5,"skips":2,"seconds":10.0,"images_per_s":100.0})";
constexpr const char* kAlteration =
    R"x({"epoch":0,"text":"removed <s> & t (0 of 1 left)","kind":"remove","skip":"s","before":[{}],)x"
    R"("after":[],"erased":[],"added":[],"parameters":9,"validation_accuracy_before":60.0,)"
    R"("validation_accuracy_stale":20.0,"statistics_images":8,"validation_accuracy_after":44.25})";

struct ReportCli : public Cli {
  /// A run that is one epoch old, and writes its second line.
  void write_run(const std::string& name) {
    write_file(file(name + "/config.json"),
               R"({"network": {"depth": 8, "width": 2}, "data": {"name": "synthetic"},
                   "teacher": {"epochs": 3}, "surgery": {"kind": "remove", "alpha": 1},
                   "train": {"epochs": 5}})");
    write_file(file(name + "/metrics.jsonl"), std::string(kEpoch) + "\n" + R"({"epoch":1,"l)");
    write_file(file(name + "/alterations.jsonl"), std::string(kAlteration) + "\n");
  }
  std::string page(const std::string& name = "report.html") { return read_file(file(name)); }
};

TEST_F(ReportCli, ShowsARunThatGoesOn) {
  write_run("one");
  const ProcessResult r = run({"report", "one", "--markdown", "one.md"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"report.html: 1 run"});
  testing::expect_words(page(), {"Not finished: 1 of 5 epochs", "removed &lt;s&gt; &amp; t",
                                 "60.00 to 44.25 %, stale 20.00", "remove, cut, α 1"});
  testing::expect_words(read_file(file("one.md")), {"| one |", "1 of 5", "| -15.75 |"});
  // Nothing from outside: a name of a namespace is none.
  std::string html = page();
  const std::string space = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (size_t at; (at = html.find(space)) != std::string::npos;) html.erase(at, space.size());
  for (const char* const word : {"http:", "https:", "<script", "<link", "src=", "url("})
    EXPECT_EQ(html.find(word), std::string::npos) << word;
}

TEST_F(ReportCli, AnAlterationNewerThanTheCheckpointCounts) {
  write_run("one");
  write_checkpoint(file("one/last.ckpt"));
  std::string next = kAlteration;
  next.replace(next.find(":0"), 2, ":1");
  write_file(file("one/alterations.jsonl"), std::string(kAlteration) + "\n" + next + "\n");
  EXPECT_EQ(run({"report", "one"}).status, 0);
  testing::expect_words(page(), {"<td class=\"n\">3 → 1</td>"});
}

TEST_F(ReportCli, PhasesAreToldWithWhatEachDoes) {
  write_run("one");
  write_file(file("one/config.json"),
             R"({"network": {"depth": 8, "width": 2}, "data": {"name": "synthetic"},
                 "teacher": {"epochs": 3}, "surgery": {"kind": "remove", "alpha": 1},
                 "phases": [{"surgery": {"kind": "shorten"}}, {"repeat": 2}]})");
  RunSummary summary;
  summary.run = "one", summary.network = "resnet8", summary.epochs = 1, summary.seconds = 10;
  summary.earlier.phases = 2, summary.earlier.epochs = 6;
  summary.earlier.seconds = 30, summary.last.test.value = 77.5;
  write_file(file("one/summary.json"),
             write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
  EXPECT_EQ(run({"report", "one", "--markdown", "one.md"}).status, 0);
  testing::expect_words(read_file(file("one.md")),
                        {"| shorten, cut, α 1, then 2 times remove, cut, α 1 |", "| 7 |", "| 40 |",
                         "It has 3 phases", "Not all that went before its last phase is linked"});
}

TEST_F(ReportCli, OfARunOfPhasesAllAreShownAsFarAsTheyGot) {
  write_run("one");
  write_file(file("one/config.json"),
             R"({"network": {"depth": 8, "width": 2}, "data": {"name": "synthetic"},
                 "surgery": {"kind": "remove", "alpha": 1}, "teacher": {}, "phases": [
                   {"train": {"epochs": 3}},
                   {"repeat": 2, "start": "previous", "surgery": {"kind": "none"},
                    "train": {"epochs": 2}}]})");
  remove_all(file("one/metrics.jsonl")), remove_all(file("one/alterations.jsonl"));
  for (const char* const phase : {"teachers/a", "teachers/b"}) write_run(phase);
  RunFolder run_folder(file("one"), false);
  run_folder.link_phase(1, file("teachers/a"));
  EXPECT_EQ(run({"report", "one", "--markdown", "one.md"}).status, 0);
  testing::expect_words(read_file(file("one.md")),
                        {"Not finished: 1 of 7 epochs, in phase 1 of 3."});
  testing::expect_words(page(), {"before epoch 0"});
  run_folder.link_phase(2, file("teachers/b"));
  EXPECT_EQ(run({"report", "one", "--markdown", "one.md"}).status, 0);
  testing::expect_words(read_file(file("one.md")), {"Not finished: 2 of 7 epochs"});
  testing::expect_words(page(), {"<title>phase 2: trained on</title>",
                                 "<title>phase 3: trained on</title>", "before epoch 3"});
  RunSummary summary;
  summary.run = "one", summary.network = "resnet8", summary.epochs = 2, summary.seconds = 10;
  summary.earlier.phases = 2, summary.earlier.epochs = 5, summary.last.test.value = 77.5;
  write_file(file("one/summary.json"),
             write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
  EXPECT_EQ(run({"report", "one", "--markdown", "one.md"}).status, 0);
  testing::expect_words(read_file(file("one.md")), {"Finished after 7 epochs."});
  run_folder.clear();
  EXPECT_FALSE(path_exists(file("one/phase1")) || path_exists(file("one/phase2")));
  EXPECT_TRUE(path_exists(file("teachers/a/metrics.jsonl")));
}

TEST_F(ReportCli, PhasesAreToldWithTheirImagesAndTheirTeacher) {
  write_run("one");
  write_file(file("one/config.json"),
             R"({"network": {"depth": 8, "width": 2}, "data": {"name": "synthetic"},
                 "teacher": {"epochs": 3}, "phases": [
                   {"surgery": {"kind": "remove", "alpha": 1}},
                   {"start": "previous", "teacher": "/x/deep/best.ckpt",
                    "data": {"augment": ["flip", "mixup"]}},
                   {"start": "previous", "teacher": "original"},
                   {"teacher": "original"}]})");
  EXPECT_EQ(run({"report", "one", "--markdown", "one.md"}).status, 0);
  testing::expect_words(
      read_file(file("one.md")),
      {"remove, cut, α 1, then trained on with flip, mixup under deep, then trained on, then "
       "unaltered"});
}

TEST_F(ReportCli, AFolderOfRunsAndProjectsStandsForThem) {
  write_run("all/one");
  write_run("all/two");
  write_file(file("all/one.log"), "x");
  const ProcessResult r = run({"report", "all"});
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output, "report.html: 2 runs\n");
}

TEST_F(ReportCli, ShowsProjectsAndAnswers) {
  write_checkpoint(file("a/last.ckpt"));
  ASSERT_EQ(
      run({"export", "--checkpoint", "a/last.ckpt", "--output", "p", "--precision", "12,5"}).status,
      0);
  const ProcessResult answer =
      run({"evaluate", "--checkpoint", "a/last.ckpt", "--backend", "emulator", "--precision",
           "12,5", "--limit", "5", "--json", "--log", "off"});
  ASSERT_EQ(answer.status, 0) << answer.output;
  write_file(file("e.json"), answer.output.substr(answer.output.find('{')));
  const ProcessResult r = run({"report", "p", "e.json", "--output", "out/x.html"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(page("out/x.html"),
                        {"Dataflow of resnet8", "stage1.block0.conv1", "integers, ap_fixed&lt;12,5",
                         "which class was taken for which"});
}

TEST_F(ReportCli, RefusesWhatItCannotRead) {
  expect_failure(2, {"gone", "no such file or folder"}, {"report", "gone"});
  write_file(file("text.txt"), "x");
  expect_failure(2, {"text.txt", "left out", "nothing to report"}, {"report", "text.txt"});
  write_file(file("other.json"), "{\"a\": 1}");
  expect_failure(4, {"other.json", "tailor evaluate --json"}, {"report", "other.json"});
  write_run("bad");
  write_file(file("bad/metrics.jsonl"), std::string(kEpoch) + "\n{\"epoch\":\"x\"}\n");
  expect_failure(3, {"bad/metrics.jsonl (line 2)"}, {"report", "bad"});
  write_file(file("bad/metrics.jsonl"), std::string(kEpoch) + "\nnonsense\n");
  expect_failure(4, {"bad/metrics.jsonl (line 2)"}, {"report", "bad"});
  write_file(file("bad/metrics.jsonl"), std::string(kEpoch) + "\n" + kEpoch + "\n");
  expect_failure(4, {"bad/metrics.jsonl (line 2)", "expected epoch 1, got 0"}, {"report", "bad"});
  write_file(file("bad/metrics.jsonl"), "");
  write_file(file("bad/summary.json"), "{\"run\": 3}");
  expect_failure(3, {"bad/summary.json"}, {"report", "bad"});
  EXPECT_FALSE(path_exists(file("report.html")));
  // Beside another run it costs a warning.
  write_run("good");
  const ProcessResult r = run({"report", "bad", "good"});
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"warning", "left out", "bad/summary.json"});
  testing::expect_words(page("report.html"), {"good"});
  // So does one whose network is described beside it, and gone.
  write_run("bare");
  write_file(file("bare/config.json"),
             R"({"network": {"family": "file", "file": "network.json"}})");
  const ProcessResult bare = run({"report", "bare", "good"});
  EXPECT_EQ(bare.status, 0) << bare.output;
  testing::expect_words(bare.output, {"warning", "left out", "bare/network.json"});
}

TEST_F(ReportCli, ReplacesReportsAlone) {
  write_run("one");
  write_file(file("mine.html"), "<!doctype html>\nmine");
  expect_failure(2, {"--output", "mine.html"}, {"report", "one", "--output", "mine.html"});
  EXPECT_EQ(page("mine.html"), "<!doctype html>\nmine");
  EXPECT_EQ(run({"report", "one", "--output", "mine.html", "--force"}).status, 0);
  EXPECT_EQ(run({"report", "one", "--output", "mine.html"}).status, 0);
}

TEST_F(ReportCli, RefreshesWithWhatBeginsInAFolder) {
  auto finish = [&](const std::string& name) {
    RunSummary summary;
    summary.run = name, summary.network = "resnet8", summary.epochs = 1;
    summary.last.test.value = 77.5;
    write_file(file("all/" + name + "/summary.json"),
               write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
  };
  write_run("all/one");
  finish("one");
  std::thread next([&] {
    for (int i = 0; i < 2000 && !path_exists(file("report.html")); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    write_run("all/two");
    for (int i = 0; i < 2000 && page().find(">two<") == std::string::npos; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    finish("two");
  });
  const ProcessResult r = run({"report", "all", "--refresh", "1"});
  next.join();
  EXPECT_EQ(r.output, "report.html: 2 runs\n");
  testing::expect_words(page(), {"tailor report: 2 runs", ">two<"});
  write_file(file("all/two/metrics.jsonl"), "");
  testing::expect_words(run({"report", "all"}).output,
                        {"warning", "all/two/metrics.jsonl tells of 0 of the 1 epoch that"});
}

TEST_F(ReportCli, RefreshesUntilTheRunIsFinished) {
  write_run("one");
  std::thread finish([&] {
    // As soon as the page says that it will be loaded again, the run ends; if there is none, too.
    for (int i = 0; i < 2000 && !path_exists(file("report.html")); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_NE(page().find("http-equiv=\"refresh\" content=\"1\""), std::string::npos);
    RunSummary summary;
    summary.run = "one", summary.network = "resnet8", summary.epochs = 1;
    summary.last.test.value = 77.5;
    write_file(file("one/summary.json"),
               write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
  });
  const ProcessResult r = run({"report", "one", "--refresh", "1"});
  finish.join();
  EXPECT_EQ(r.status, 0) << r.output;
  testing::expect_words(page(), {"test: 77.50", "Finished after 1 epoch."});
  EXPECT_EQ(page().find("http-equiv"), std::string::npos);
}

}  // namespace
}  // namespace tailor::test
