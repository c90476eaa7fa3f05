// Event files as a reader of our own has them that knows the formats and not the writer.
#include "tailor/run/event_file.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/events.h"
#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/run/run_folder.h"

namespace tailor::test {
namespace {

TEST(EventFile, HasTheSumsThatArePublished) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46dd794eU);
  EXPECT_EQ(crc32c(rising), testing::slow_crc32c(rising));
}

TEST(EventFile, BeginsWithItsVersionAndIsReadBackAsItWasWritten) {
  TemporaryDirectory folder("tailor-events");
  EventFile file(folder.path(), 3);
  file.append(3, {{"accuracy/train", 61.5}, {"loss/train", 1.0 / 3}});
  file.append(300, {{"alteration", std::string(200, 'x')}, {"skips", -2.0}});
  const auto records = testing::read_tf_records(read_file(file.path()));
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(testing::read_event(records[0]).version, "brain.Event:2");
  EXPECT_EQ(testing::read_event(records[0]).step, 0);
  EXPECT_GT(testing::read_event(records[0]).wall_time, 1.7e9);  // a run is as old as this says
  EXPECT_TRUE(testing::read_event(records[1]).starts);
  EXPECT_EQ(testing::read_event(records[1]).step, 3);
  const auto first = testing::read_event(records[2]), second = testing::read_event(records[3]);
  EXPECT_EQ(first.step, 3);
  EXPECT_EQ(first.scalars,
            (std::map<std::string, float>{{"accuracy/train", 61.5F}, {"loss/train", 1.0F / 3}}));
  EXPECT_GT(first.wall_time, 1.7e9);  // seconds since 1970, and not later ones first
  EXPECT_GE(second.wall_time, first.wall_time);
  EXPECT_EQ(second.step, 300);
  EXPECT_EQ(second.texts.at("alteration"), std::string(200, 'x'));
  EXPECT_EQ(second.scalars.at("skips"), -2.0F);
}

TEST(EventFile, ComesBehindTheOthersAndVoidsWhatTheyHaveOfItsStepAndLater) {
  TemporaryDirectory folder("tailor-events");
  // Of a machine whose clock is ahead; and one that is none of ours.
  write_file(folder.path() + "/events.out.tfevents.9000000000.elsewhere.1", "");
  write_file(folder.path() + "/events.out.tfevents.other", "");
  EventFile first(folder.path(), 0);
  for (int64_t step = 0; step < 3; ++step) first.append(step, {{"x", 1.0}});
  const std::string before = read_file(first.path());
  EventFile second(folder.path(), 2);
  second.append(2, {{"x", 2.0}});
  EXPECT_EQ(file_name(first.path()), "events.out.tfevents.9000000001.tailor");
  EXPECT_EQ(file_name(second.path()), "events.out.tfevents.9000000002.tailor");
  EXPECT_EQ(read_file(first.path()), before);  // what is written is never touched again
  std::vector<float> values;
  for (const auto& event : testing::read_events(folder.path()))
    values.push_back(event.scalars.at("x"));
  EXPECT_EQ(values, (std::vector<float>{1, 1, 2}));
}

TEST(EventFile, IsReadUpToARecordThatIsTorn) {
  TemporaryDirectory folder("tailor-events");
  EventFile file(folder.path(), 0);
  file.append(0, {{"x", 1.0}});
  const std::string whole = read_file(file.path());
  file.append(1, {{"x", 2.0}});
  const std::string all = read_file(file.path());
  for (size_t size = whole.size(); size < all.size(); ++size) {
    size_t torn = 0;
    EXPECT_EQ(testing::read_tf_records(all.substr(0, size), &torn).size(), 3U);
    EXPECT_EQ(torn, size - whole.size());
  }
}

TEST(EventFile, ThatCannotBeWrittenSaysSo) {
  TemporaryDirectory folder("tailor-events");
  EventFile file(folder.path(), 0);
  remove_all(file.path());
  testing::expect_words(testing::message_of(ErrorKind::Data,
                                            [&] {
                                              file.append(0, {{"x", 1.0}});
                                            }),
                        {"cannot write " + file.path(), "runtime.tensorboard=false"});
}

TEST(EventFile, GoesWithTheRunThatForceReplaces) {
  TemporaryDirectory folder("tailor-events");
  RunFolder run(folder.path() + "/run", false);
  EventFile file(run.path(), 0);
  write_file(run.file("notes.txt"), "mine");
  run.clear();
  EXPECT_EQ(list_directory(run.path()), (std::vector<std::string>{".lock", "notes.txt"}));
}

}  // namespace
}  // namespace tailor::test
