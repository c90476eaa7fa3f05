// What counts is what is on the disk when something goes wrong: the old file, and nothing else.
#include "tailor/core/files.h"
#include "support/rooms.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

using Names = std::vector<std::string>;
using testing::expect_error;
using testing::message_of;

TEST(ReadFile, GivesEveryByte) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  std::string bytes;
  for (int i = 0; i < 70001; ++i) bytes += static_cast<char>(i * i);
  write_file(path, bytes);
  EXPECT_EQ(read_file(path), bytes);
  write_file(path, "");
  EXPECT_EQ(read_file(path), "");
  EXPECT_NE(read_file("/proc/self/status").find("Pid:"), std::string::npos);  // size 0 on the disk
}

TEST(Files, AreReplacedOnlyWhereThatWasAskedFor) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  EXPECT_NO_THROW(refuse_to_replace("--output", path, false));
  write_file(path, "kept");
  EXPECT_NO_THROW(refuse_to_replace("--output", path, true));
  expect_error(ErrorKind::Usage,
               {"--output " + path + ": it exists already; name another file, or add --force"},
               [&] { refuse_to_replace("--output", path, false); });
  expect_error(ErrorKind::Usage, {"--table " + path, "name another folder"},
               [&] { refuse_to_replace("--table", path, false, "folder"); });
  for (const bool force : {false, true}) {
    expect_error(ErrorKind::Usage,
                 {"--output " + folder.path() + ": it is a folder", "name one in it"},
                 [&] { refuse_to_replace("--output", folder.path(), force); });
  }
}

TEST(ReadFile, SaysWhatIsNotThere) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "none.ckpt");
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { read_file(path, "checkpoint"); }),
            "cannot read checkpoint " + path + ": No such file or directory");
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { read_file(folder.path()); }),
            "cannot read file " + folder.path() + ": it is a folder, expected a file");
}

TEST(AtomicFile, CommitReplacesTheOldFile) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  write_file(path, "old");
  AtomicFile file(path);
  file.write("new, ");
  file.write(std::string_view("in two pieces"));
  EXPECT_EQ(read_file(path), "old");
  file.commit();
  EXPECT_EQ(read_file(path), "new, in two pieces");
  EXPECT_EQ(list_directory(folder.path()), Names{"x"});
}

TEST(AtomicFile, WhatIsNoFileIsNotReplaced) {
  TemporaryDirectory folder("tailor-files");
  const std::string pipe = path_join(folder.path(), "pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(AtomicFile file(pipe), Error);
  struct stat there {};
  ASSERT_EQ(::stat(pipe.c_str(), &there), 0);
  EXPECT_TRUE(S_ISFIFO(there.st_mode));
}

TEST(AtomicFile, WithoutCommitTheOldFileStaysAndNothingElse) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("half of the n");
    EXPECT_EQ(list_directory(folder.path()).size(), 2U);
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(list_directory(folder.path()), Names{"x"});
}

TEST(AtomicFile, CreatesTheParentFolders) {
  TemporaryDirectory folder;
  write_file(path_join(folder.path(), "a/b/c"), "x");
  EXPECT_EQ(list_files_recursively(folder.path()), Names{"a/b/c"});
}

TEST(AtomicFile, WithoutCommitTheFoldersThatItMadeAreGoneAndOthersStay) {
  TemporaryDirectory folder;
  const std::string there = path_join(folder.path(), "there");
  create_directories(there);
  { AtomicFile(path_join(there, "a/b/x")).write("lost"); }
  { AtomicFile(path_join(there, "x")).write("lost"); }
  EXPECT_TRUE(is_empty_directory(there));
  {
    AtomicFile file(path_join(there, "a/b/x"));
    write_file(path_join(there, "a/mine"), "kept");
  }
  EXPECT_EQ(list_files_recursively(there), Names{"a/mine"});
  EXPECT_FALSE(path_exists(path_join(there, "a/b")));
  { AtomicDirectory(path_join(there, "c/d")).write("x", "lost"); }
  EXPECT_FALSE(path_exists(path_join(there, "c")));
}

TEST(AtomicFile, WhatIsFlushedIsThereOnceItIsCommitted) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  AtomicFile file(path);
  file.write("all");
  file.flush();
  EXPECT_FALSE(path_exists(path));
  file.commit();
  EXPECT_EQ(read_file(path), "all");
}

TEST(AtomicFile, FailsWithoutATraceWhereAFolderStands) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  create_directories(path_join(path, "full"));
  expect_error(ErrorKind::Data, {"cannot write " + path + ":"}, [&] { write_file(path, "y"); });
  EXPECT_EQ(list_directory(folder.path()), Names{"x"});
  EXPECT_TRUE(is_directory(path));
}

TEST(AtomicFile, FailsWhereTheParentIsAFile) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "x");
  write_file(path, "a file");
  expect_error(ErrorKind::Data, {"cannot create folder " + path + ":"},
               [&] { write_file(path_join(path, "y"), "z"); });
  EXPECT_EQ(read_file(path), "a file");
}

TEST(AtomicDirectory, CommitReplacesTheOldFolderAsAWhole) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "project");
  write_file(path_join(path, "stale.h"), "old");
  AtomicDirectory directory(path + "/");
  write_file(path_join(directory.temporary_path(), "src/fresh.h"), "new");
  EXPECT_EQ(list_files_recursively(path), Names{"stale.h"});
  directory.commit();
  EXPECT_EQ(list_files_recursively(path), Names{"src/fresh.h"});
  EXPECT_EQ(list_directory(folder.path()), Names{"project"});
}

TEST(AtomicDirectory, WithoutCommitTheOldFolderStaysAndNothingElse) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "project");
  write_file(path_join(path, "kept.h"), "old");
  {
    AtomicDirectory directory(path);
    write_file(path_join(directory.temporary_path(), "fresh.h"), "new");
  }
  EXPECT_EQ(list_files_recursively(folder.path()), Names{"project/kept.h"});
}

TEST(AtomicDirectory, CreatesTheParentFolders) {
  TemporaryDirectory folder;
  AtomicDirectory directory(path_join(folder.path(), "a/b"));
  directory.commit();
  EXPECT_TRUE(is_empty_directory(path_join(folder.path(), "a/b")));
  EXPECT_EQ(list_directory(path_join(folder.path(), "a")), Names{"b"});
}

TEST(TemporaryDirectory, IsFreshAndGoneAfterwards) {
  std::optional<TemporaryDirectory> a(std::in_place, "prefix"), b(std::in_place, "prefix");
  const std::string path = a->path();
  EXPECT_NE(path, b->path());
  EXPECT_EQ(file_name(path).substr(0, 7), "prefix.");
  EXPECT_TRUE(is_empty_directory(path));
  write_file(path_join(path, "sub/x"), "y");
  EXPECT_FALSE(is_empty_directory(path));
  a.reset();
  EXPECT_FALSE(path_exists(path));
}

TEST(Folders, AreListedInOrder) {
  TemporaryDirectory folder;
  for (const char* name : {"b", "a/z", "a/y/x", "c"})
    write_file(path_join(folder.path(), name), "");
  EXPECT_EQ(list_directory(folder.path()), (Names{"a", "b", "c"}));
  EXPECT_EQ(list_files_recursively(folder.path()), (Names{"a/y/x", "a/z", "b", "c"}));
  remove_all(path_join(folder.path(), "a"));
  EXPECT_EQ(list_directory(folder.path()), (Names{"b", "c"}));
  const std::string none = path_join(folder.path(), "none");
  expect_error(ErrorKind::Data, {"cannot list folder " + none}, [&] { list_directory(none); });
  expect_error(ErrorKind::Data, {"cannot list folder " + none},
               [&] { list_files_recursively(none); });
}

TEST(Paths, JoinAndTakeApart) {
  EXPECT_EQ(path_join("a/b", "c"), "a/b/c");
  EXPECT_EQ(path_join("a/", "c"), "a/c");
  EXPECT_EQ(path_join("a", "/c"), "/c");
  EXPECT_EQ(file_name("a/b.json"), "b.json");
  EXPECT_EQ(parent_path("a/b.json"), "a");
  EXPECT_EQ(parent_path("b.json"), "");
  TemporaryDirectory folder;
  const std::string real = absolute_path(folder.path());
  EXPECT_EQ(absolute_path(folder.path() + "/x/../y/"), real + "/y");
  EXPECT_EQ(absolute_path("not-there/x"), absolute_path(".") + "/not-there/x");
  EXPECT_EQ(absolute_path(""), "");
}

}  // namespace
}  // namespace tailor::test
