// The files of a run of version 1 are records: read and written again they are the same bytes.
#include "tailor/run/results.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

template <class Record>
std::string again(const std::string& text, const std::string& source, int indent) {
  Record record;
  auto fields = [&](RecordVisitor& v) { record.describe(v); };
  read_record(Json::parse(text, source), source, fields);
  return write_record(fields).dump(indent);
}

class Results : public ::testing::Test {
 protected:
  Results() {
    const std::string archive = TAILOR_TEST_SOURCE "/frozen/v1/runs.tar.xz";
    EXPECT_EQ(run_process({"tar", "xJf", archive}, folder_.path()).status, 0);
  }
  std::string file(const std::string& name) const {
    return read_file(path_join(folder_.path(), "runs/" + name));
  }
  template <class Record>
  void expect_lines_kept(const std::string& name) const {
    size_t lines = 0;
    for (const std::string& line : split(file(name), '\n')) {
      if (line.empty()) continue;
      ++lines;
      EXPECT_EQ(again<Record>(line, name, -1), line);
    }
    EXPECT_GT(lines, 0U) << name;
  }
  TemporaryDirectory folder_{"tailor-results"};
};

TEST_F(Results, LinesOfEpochsAndAlterationsAreKept) {
  for (const char* run : {"finished", "stopped"}) {
    expect_lines_kept<EpochMetrics>(std::string(run) + "/metrics.jsonl");
    expect_lines_kept<AlterationLine>(std::string(run) + "/alterations.jsonl");
  }
}

TEST_F(Results, SummariesAreKeptWithAndWithoutATeacher) {
  const std::string teacher = "teachers/frozen-synthetic-teacher-6a89a1e097/summary.json";
  for (const std::string& name : {std::string("finished/summary.json"), teacher})
    EXPECT_EQ(again<RunSummary>(file(name), name, 2), trim(file(name))) << name;
}

TEST_F(Results, KeysAreNamedAfterTheFiguresOfTheTask) {
  EpochMetrics line;
  line.train = {recorded(Figure{"loss", 1.5}), recorded(Figure{"word_error", 0.25, false, true})};
  line.validation = {recorded(std::nullopt, Figure{"loss"}),
                     recorded(std::nullopt, Figure{"word_error", 0, false, true})};
  line.unit = "recording";
  EXPECT_EQ(write_record([&](RecordVisitor& v) { line.describe(v); }).dump(),
            R"({"epoch":0,"lr":0.0,"train_loss":1.5,"train_word_error":25.0,)"
            R"("validation_loss":null,"validation_word_error":null,"skips":0,"seconds":0.0,)"
            R"("recordings_per_s":0.0})");
}

TEST_F(Results, ASummaryOfAnyTaskIsRead) {
  for (const auto& [unit, name] : {std::pair("image", "accuracy"), {"utterance", "wer"}}) {
    RunSummary summary;
    summary.run = "a", summary.network = "resnet8";
    summary.unit = unit;
    summary.examples_per_s = 12.5;
    summary.last.test = recorded(Figure{name, 0.25, false, true});
    summary.last.validation = recorded(std::nullopt, Figure{name, 0, false, true});
    const std::string path = path_join(folder_.path(), unit);
    write_file(path, write_record([&](RecordVisitor& v) { summary.describe(v); }).dump());
    const RunSummary found = read_summary(path);
    EXPECT_EQ(found.unit, unit);
    EXPECT_EQ(found.examples_per_s, 12.5);
    EXPECT_EQ(found.last.test.name, name);
    EXPECT_EQ(found.last.test.value, 25);
    EXPECT_FALSE(found.best.has_value());
  }
}

TEST_F(Results, LinesAreReadBackOfAnyTask) {
  const std::string frozen = path_join(folder_.path(), "runs/finished/");
  const std::vector<AlterationLine> alterations = read_alterations(frozen + "alterations.jsonl");
  ASSERT_FALSE(alterations.empty());
  EXPECT_EQ(
      alterations[0].kind,
      Json::parse(split(file("finished/alterations.jsonl"), '\n')[0], "").at("kind").as_string());
  const std::string path = path_join(folder_.path(), "metrics.jsonl");
  const std::string line =
      R"({"epoch":0,"lr":0.5,"train_loss":1.5,"train_wer":25.0,"validation_loss":2.5,)"
      R"("validation_wer":130.0,"train_objective":1.0,"skips":3,"utterances_per_s":7.0})";
  write_file(path, line + "\n" + line.substr(0, 30));  // the second is being written
  const std::vector<EpochMetrics> epochs = read_metrics(path);
  ASSERT_EQ(epochs.size(), 1U);
  EXPECT_EQ(epochs[0].unit, "utterance");
  ASSERT_EQ(epochs[0].train.size(), 2U);
  EXPECT_EQ(epochs[0].validation[1].name, "wer");
  EXPECT_EQ(epochs[0].validation[1].value, 130.0);
  EXPECT_EQ(epochs[0].objective, 1.0);
  EXPECT_TRUE(read_metrics(path + ".gone").empty());
}

TEST_F(Results, WhatHasFadedIsOneAlterationFromItsBeginning) {
  const std::string path = path_join(folder_.path(), "alterations.jsonl");
  std::string text;
  auto write = [&](const char* skip, int64_t epoch, double accuracy) {
    AlterationLine line;
    line.epoch = epoch, line.skip = skip, line.kind = "remove", line.edit = "fade";
    for (RecordedFigure* f :
         {&line.validation_before, &line.validation_stale, &line.validation_after})
      f->name = "accuracy", f->value = accuracy;
    text += write_record([&](RecordVisitor& v) { line.describe(v); }).dump() + "\n";
  };
  write("a", 0, 90), write("a", 2, 80), write("b", 2, 80);  // b is still fading
  write_file(path, text);
  const std::vector<AlterationLine> read = read_alterations(path);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].skip, "a");
  EXPECT_EQ(read[0].epoch, 2);
  EXPECT_EQ(read[0].validation_before.value, 90);
  EXPECT_EQ(read[0].validation_after.value, 80);
  EXPECT_EQ(read[1].skip, "b");
}

TEST_F(Results, ALineThatStandsTwiceIsSaid) {
  const std::string path = path_join(folder_.path(), "metrics.jsonl");
  write_file(path, "{\"epoch\":0}\n{\"epoch\":0}\n");
  testing::expect_error(ErrorKind::Data, {"(line 2)", "expected epoch 1, got 0"},
                        [&] { read_metrics(path); });
}

TEST_F(Results, AnUnknownKeyIsSaid) {
  testing::expect_error(ErrorKind::Config, {"/losss: unknown key", "line 1"},
                        [] { again<EpochMetrics>(R"({"losss": 1})", "line 1", -1); });
}

}  // namespace
}  // namespace tailor::test
