// Image folders and archives in the layouts that users have; broken files among good ones.
#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <map>

#include "support/expect_error.h"
#include "support/pictures.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/data/batch.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::jpeg_picture;
using testing::png_picture;

using Files = std::map<std::string, std::string>;

void write_files(const std::string& root, const Files& files) {
  for (const auto& [name, bytes] : files) write_file(path_join(root, name), bytes);
}

void write_archive(const std::string& path,
                   const std::vector<std::pair<std::string, std::string>>& files, int format,
                   int filter = ARCHIVE_FILTER_NONE, const char* options = nullptr) {
  archive* a = archive_write_new();
  archive_write_set_format(a, format);
  archive_write_add_filter(a, filter);
  if (options) {
    ASSERT_EQ(archive_write_set_options(a, options), ARCHIVE_OK);
  }
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK) << archive_error_string(a);
  for (const auto& [name, bytes] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    ASSERT_EQ(archive_write_header(a, entry), ARCHIVE_OK);
    ASSERT_EQ(archive_write_data(a, bytes.data(), bytes.size()),
              static_cast<la_ssize_t>(bytes.size()));
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_close(a), ARCHIVE_OK);
  archive_write_free(a);
}

DataConfig folder_config(const std::string& root) {
  DataConfig config;
  config.name = "folder";
  config.root = root;
  config.image_size = 16;
  config.validation = 0;
  return config;
}

/// Three classes of 3, 2 and 4 pictures and one of each to test; blue tells them apart.
Files imagenet_files(const std::string& prefix = "") {
  Files files;
  int blue = 10;
  const std::pair<const char*, int> classes[] = {{"n01", 3}, {"n02", 2}, {"n03", 4}};
  for (const auto& [name, count] : classes) {
    for (int i = 0; i < count; ++i, blue += 10)
      files[prefix + "train/" + name + "/" + std::to_string(i) + ".JPEG"] =
          jpeg_picture({20 + i, 31}, blue);
    files[prefix + "val/" + name + "/v.JPEG"] = jpeg_picture({24, 19}, blue + 100);
  }
  return files;
}

std::vector<std::pair<std::string, int64_t>> listing(const Images& images) {
  std::vector<std::pair<std::string, int64_t>> out;
  for (int64_t i = 0; i < images->size(); ++i) {
    std::vector<uint8_t> pixels(3 * 16 * 16);
    const int64_t label = images->get(i, pixels);
    out.emplace_back(images->name(i), label);
  }
  return out;
}
using Listing = std::vector<std::pair<std::string, int64_t>>;

TEST(ImageFolder, ImageNetsLayoutTakesTurnsAmongTheClasses) {
  TemporaryDirectory folder;
  write_files(folder.path(), imagenet_files());
  write_file(path_join(folder.path(), "train/n01/notes.txt"), "not a picture");
  const DataSplits data = open_data(folder_config(folder.path()));
  EXPECT_EQ(data.classes, 3);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"n01", "n02", "n03"}));
  EXPECT_EQ(data.shape, (MapShape{3, 16, 16}));
  EXPECT_EQ(listing(as_images(data.train)), (Listing{{"train/n01/0.JPEG", 0},
                                                     {"train/n02/0.JPEG", 1},
                                                     {"train/n03/0.JPEG", 2},
                                                     {"train/n01/1.JPEG", 0},
                                                     {"train/n02/1.JPEG", 1},
                                                     {"train/n03/1.JPEG", 2},
                                                     {"train/n01/2.JPEG", 0},
                                                     {"train/n03/2.JPEG", 2},
                                                     {"train/n03/3.JPEG", 2}}));
  EXPECT_EQ(listing(as_images(data.test)),
            (Listing{{"val/n01/v.JPEG", 0}, {"val/n02/v.JPEG", 1}, {"val/n03/v.JPEG", 2}}));
  EXPECT_EQ(as_images(data.train)->report().jpeg, 9);
}

TEST(ImageFolder, TinyImageNetsValidationLabelsStandInAFile) {
  TemporaryDirectory folder;
  const Files files = {{"t/train/n05/images/n05_0.JPEG", jpeg_picture({12, 12})},
                       {"t/train/n05/n05_boxes.txt", "n05_0.JPEG\t0\t0\t9\t9\n"},
                       {"t/train/n07/images/n07_0.JPEG", jpeg_picture({12, 13})},
                       {"t/test/images/test_0.JPEG", jpeg_picture({12, 12})},
                       {"t/val/images/val_0.JPEG", jpeg_picture({12, 14})},
                       {"t/val/images/val_1.JPEG", jpeg_picture({12, 15})},
                       {"t/val/val_annotations.txt",
                        "val_0.JPEG\tn07\t0\t32\t44\t62\nval_1.JPEG\tn05\t2\t3\t4\t5\n"}};
  write_files(folder.path(), files);
  const DataSplits data = open_data(folder_config(folder.path()));
  EXPECT_EQ(listing(as_images(data.train)),
            (Listing{{"t/train/n05/images/n05_0.JPEG", 0}, {"t/train/n07/images/n07_0.JPEG", 1}}));
  EXPECT_EQ(listing(as_images(data.test)),
            (Listing{{"t/val/images/val_1.JPEG", 0}, {"t/val/images/val_0.JPEG", 1}}));
  write_file(path_join(folder.path(), "t/val/val_annotations.txt"), "val_0.JPEG\tn07\n");
  expect_error(ErrorKind::Data, {"val/images/val_1.JPEG is not named in val/val_annotations.txt"},
               [&] { open_test_data(folder_config(folder.path())); });
  write_file(path_join(folder.path(), "t/val/val_annotations.txt"), "\nval_0.JPEG n07\n");
  expect_error(ErrorKind::Data, {"val_annotations.txt: line 2: expected an image's name, a tab"},
               [&] { open_test_data(folder_config(folder.path())); });
}

TEST(ImageFolder, PlainClassFoldersAreSplitByTheSeed) {
  TemporaryDirectory folder;
  Files files;
  for (int i = 0; i < 6; ++i) {
    files["cat/" + std::to_string(i) + ".png"] = png_picture({18, 14 + i});
    files["dog/" + std::to_string(i) + ".jpg"] = jpeg_picture({18, 14 + i});
  }
  write_files(folder.path(), files);
  DataConfig config = folder_config(folder.path());
  expect_error(ErrorKind::Data,
               {"expected in data.test_size how many of its 12 images are kept back"},
               [&] { open_data(config); });
  config.test_size = 5;
  const DataSplits data = open_data(config);
  Listing all = listing(as_images(data.train));
  EXPECT_EQ(all.size(), 7U);
  const Listing test = listing(as_images(data.test));
  EXPECT_EQ(test.size(), 5U);
  all.insert(all.end(), test.begin(), test.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()) - all.begin(), 12);
  EXPECT_EQ(listing(as_images(open_test_data(config).test)), test);
  config.seed = 2;
  EXPECT_NE(listing(as_images(open_data(config).test)), test);
}

TEST(ImageFolder, FilesThatAreNoPicturesAreLeftOutByName) {
  TemporaryDirectory folder;
  Files files = imagenet_files();
  files["train/n01/empty.JPEG"] = "";
  files["train/n02/really_gif.jpg"] = "GIF89a-----";
  files["train/n03/really_png.JPEG"] = png_picture({21, 22});
  const std::string whole = jpeg_picture({90, 80});
  files["train/n02/cut.JPEG"] = whole.substr(0, whole.size() / 2);
  write_files(folder.path(), files);
  DataConfig config = folder_config(folder.path());
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.train->size(), 11);
  listing(as_images(data.train));  // reads them all
  const FileReport report = as_images(data.train)->report();
  using Findings = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(report.left_out, (Findings{{"train/n01/empty.JPEG", "it has zero bytes"},
                                       {"train/n02/really_gif.jpg",
                                        "it is no JPEG and no PNG (it begins with 47 49 46 38)"}}));
  ASSERT_EQ(report.damaged.size(), 1U);
  EXPECT_EQ(report.damaged[0].first, "train/n02/cut.JPEG");
  EXPECT_EQ(report.misnamed, 1);
  EXPECT_EQ(report.png, 1);
  EXPECT_EQ(report.jpeg, 10);
  config.unreadable = Unreadable::Error;
  expect_error(ErrorKind::Data,
               {"2 of 13 training files cannot be read (train/n01/empty.JPEG: it has zero bytes; "
                "train/n02/really_gif.jpg",
                "set data.unreadable to \"skip\""},
               [&] { open_data(config); });
}

TEST(ImageFolder, SaysWhatIsMissing) {
  TemporaryDirectory folder;
  const std::string root = folder.path();
  expect_error(ErrorKind::Data, {"data.root " + root + "/none: expected a folder or an archive"},
               [&] { open_data(folder_config(root + "/none")); });
  expect_error(ErrorKind::Data, {root + ": expected train/CLASS/*.jpg", "found 0 image files"},
               [&] { open_data(folder_config(root)); });
  write_files(root,
              {{"train/a/0.png", png_picture({5, 5})}, {"train/b/0.png", png_picture({5, 5})}});
  create_directories(root + "/val/a");
  expect_error(ErrorKind::Data,
               {"there is no .jpg, .jpeg, .jfif or .png file for testing in val/; put some there, "
                "or remove it and set data.test_size"},
               [&] { open_data(folder_config(root)); });
  write_files(root, {{"val/bb/0.png", png_picture({5, 5})}});
  expect_error(ErrorKind::Data,
               {"val/bb/0.png belongs to class 'bb', which has no picture to train with",
                "did you mean 'b'?"},
               [&] { open_data(folder_config(root)); });
}

/// What was passed over: kind → the first names.
std::map<std::string, std::vector<std::string>> passed_over(const DataSplits& data) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [kind, which] : as_images(data.test)->report().passed_over) {
    EXPECT_EQ(which.count, static_cast<int64_t>(which.first.size())) << kind;
    out[kind] = which.first;
  }
  return out;
}
using Kinds = std::map<std::string, std::vector<std::string>>;

TEST(ImageFolder, WhatIsHiddenIsNoPictureAndNoClass) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "mac.zip"), root = folder.path() + "/plain";
  Files files = imagenet_files("set/"), hidden = files;
  for (const char* name :
       {"set/train/.ipynb_checkpoints/a.JPEG", "set/train/.ipynb_checkpoints/b.JPEG",
        "set/val/n01/._v.JPEG", "__MACOSX/set/train/n01/._0.JPEG", "set/.DS_Store"})
    hidden[name] = jpeg_picture({9, 9});
  write_files(root, hidden);
  write_archive(path, {hidden.begin(), hidden.end()}, ARCHIVE_FORMAT_ZIP);
  for (const std::string& from : {root, path}) {
    const DataSplits data = open_data(folder_config(from));
    EXPECT_EQ(data.class_names, (std::vector<std::string>{"n01", "n02", "n03"})) << from;
    EXPECT_EQ(data.train->size(), 9);
    EXPECT_EQ(data.test->size(), 3);
    EXPECT_EQ(passed_over(data),
              (Kinds{{"hidden",
                      {"__MACOSX/", "set/.DS_Store", "set/train/.ipynb_checkpoints/",
                       "set/val/n01/._v.JPEG"}}}))
        << from;
  }
}

TEST(ImageFolder, ThePartsHaveSeveralNamesInAnyLetterCase) {
  const std::pair<const char*, const char*> names[] = {{"Train", "Val"},
                                                       {"training", "valid"},
                                                       {"TRAINING", "Validation"},
                                                       {"train", "TEST"},
                                                       {"Training", "testing"}};
  for (const auto& [train, test] : names) {
    TemporaryDirectory folder;
    Files files;
    for (const char* name : {"a/0.png", "a/1.png", "b/0.png"})
      files[fmt::format("training/{}/{}", train, name)] = png_picture({8, 9});
    for (const char* name : {"a/0.png", "b/0.png"})
      files[fmt::format("training/{}/{}", test, name)] = png_picture({8, 9});
    write_files(folder.path(), files);
    const DataSplits data = open_data(folder_config(folder.path()));
    EXPECT_EQ(data.train->size(), 3) << train;
    EXPECT_EQ(data.test->size(), 2) << test;
    EXPECT_EQ(data.class_names, (std::vector<std::string>{"a", "b"}));
    // The other test images are not part of it, and said so; two of one kind are an error.
    if (test[0] == 'v' || test[0] == 'V') {
      write_files(folder.path(), {{"training/test/a/0.png", png_picture({8, 9})}});
      EXPECT_EQ(
          passed_over(open_data(folder_config(folder.path()))),
          (Kinds{{fmt::format("beside {}/ and {}/", train, test), {"training/test/a/0.png"}}}));
      write_files(folder.path(), {{"training/val/a/0.png", png_picture({8, 9})},
                                  {"training/validation/a/0.png", png_picture({8, 9})}});
      expect_error(ErrorKind::Data, {"could be one part of the set; expected one"},
                   [&] { open_data(folder_config(folder.path())); });
    }
  }
}

TEST(ImageFolder, ValidAndInvalidAreClassesWhereNothingIsToTrain) {
  TemporaryDirectory folder;
  write_files(folder.path(), {{"valid/0.png", png_picture({8, 9})},
                              {"valid/1.png", png_picture({8, 9})},
                              {"invalid/0.png", png_picture({8, 9})},
                              {"test/0.png", png_picture({8, 9})}});
  DataConfig config = folder_config(folder.path());
  config.test_size = 1;
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"invalid", "valid"}));
  EXPECT_EQ(passed_over(data), (Kinds{{"in test/, without train/", {"test/0.png"}}}));
}

TEST(ImageFolder, TrainAloneIsSplitLikePlainClassFolders) {
  TemporaryDirectory folder;
  Files plain, train;
  for (int i = 0; i < 5; ++i) {
    for (const char* name : {"cat", "dog"}) {
      const std::string picture = png_picture({18, 14 + i});
      plain[fmt::format("plain/{}/{}.png", name, i)] = picture;
      train[fmt::format("set/train/{}/{}.png", name, i)] = picture;
    }
  }
  write_files(folder.path(), plain);
  write_files(folder.path(), train);
  DataConfig config = folder_config(path_join(folder.path(), "set"));
  expect_error(ErrorKind::Data,
               {"expected in data.test_size how many of its 10 images are kept back"},
               [&] { open_data(config); });
  config.test_size = 3;
  const Listing test = listing(as_images(open_data(config).test));
  EXPECT_EQ(open_data(config).train->size(), 7);
  config.root = path_join(folder.path(), "plain");
  Listing expected = listing(as_images(open_data(config).test));
  for (auto& [name, label] : expected) name = "train/" + name;
  EXPECT_EQ(test, expected);
}

TEST(ImageFolder, WhatIsPassedOverIsCountedByKind) {
  TemporaryDirectory folder;
  const std::string root = folder.path() + "/set";
  Files files = imagenet_files();
  files["train/n01/a.webp"] = files["train/n02/b.WEBP"] = files["train/n00/c.webp"] = "RIFF";
  files["train/n01/notes"] = files["v1.2/readme"] = "text";
  files["train/n03/more.jfif"] = jpeg_picture({9, 8});
  files["extra/n01/x.JPEG"] = jpeg_picture({9, 8});
  write_files(root, files);
  write_files(folder.path(), {{"shared/deep/4.JPEG", jpeg_picture({9, 8})}});
  create_directories(root + "/train/n04");
  // A class in another place, a way back, and two ways to nowhere.
  for (const auto& [target, link] :
       std::vector<std::pair<std::string, std::string>>{{folder.path() + "/shared", "train/n05"},
                                                        {root, "train/n05/deep/around"},
                                                        {"/nowhere/x.jpg", "train/n01/gone.jpg"},
                                                        {"/nowhere/n06", "train/n06"}})
    ASSERT_EQ(::symlink(target.c_str(), path_join(root, link).c_str()), 0) << link;
  const DataSplits data = open_data(folder_config(root));
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"n01", "n02", "n03", "n05"}));
  EXPECT_EQ(data.train->size(), 11);
  EXPECT_EQ(as_images(data.train)->report().left_out,
            (std::vector<std::pair<std::string, std::string>>{
                {"train/n01/gone.jpg", "it is a link to /nowhere/x.jpg, which is not there"}}));
  const Kinds expected = {{".webp", {"train/n00/c.webp", "train/n01/a.webp", "train/n02/b.WEBP"}},
                          {"beside train/ and val/", {"extra/n01/x.JPEG"}},
                          {"class folder without a picture", {"train/n00/", "train/n04/"}},
                          {"link to a folder around it", {"train/n05/deep/around/"}},
                          {"link to nothing", {"train/n06"}},
                          {"without an extension", {"train/n01/notes", "v1.2/readme"}}};
  EXPECT_EQ(passed_over(data), expected);
  DataConfig config = folder_config(root);
  config.unreadable = Unreadable::Error;
  expect_error(ErrorKind::Data, {"1 of 12 training files cannot be read (train/n01/gone.jpg"},
               [&] { open_data(config); });
  // An archive has no links; the rest is the same.
  const std::string path = path_join(folder.path(), "a.tar");
  write_archive(path, {files.begin(), files.end()}, ARCHIVE_FORMAT_TAR_USTAR);
  Kinds in_archive = expected;
  in_archive.erase("link to nothing"), in_archive.erase("link to a folder around it");
  in_archive["class folder without a picture"] = {"train/n00/"};
  EXPECT_EQ(passed_over(open_data(folder_config(path))), in_archive);
}

TEST(ImageFolder, NoPictureAtAllSaysWhatIsThere) {
  TemporaryDirectory folder;
  for (int i = 0; i < 7; ++i) write_file(fmt::format("{}/a/{}.gif", folder.path(), i), "GIF89a");
  expect_error(ErrorKind::Data,
               {"found 0 image files in 0 classes; passed over: 7 .gif, 1 class folder without"},
               [&] { open_data(folder_config(folder.path())); });
}

TEST(ImageFolder, ATestSetAloneIsEnoughToEvaluate) {
  for (const char* part : {"val/", "test/", "set/valid/"}) {
    TemporaryDirectory folder;
    Files files;
    for (const auto& [name, bytes] : imagenet_files()) {
      if (name.rfind("val/", 0) == 0) files[part + name.substr(4)] = bytes;
    }
    ASSERT_FALSE(files.empty());
    write_files(folder.path(), files);
    const DataConfig config = folder_config(folder.path());
    const DataSplits data = open_test_data(config);
    EXPECT_EQ(data.test->size(), static_cast<int64_t>(files.size())) << part;
    EXPECT_EQ(data.class_names.front(), "n01");
    EXPECT_EQ(open_any_data(config).train, nullptr);
    expect_error(ErrorKind::Data,
                 {"it tells 4 classes apart, the data set folder has 3, without a picture of n02b"},
                 [&] {
                   verify_data_fits(data, data.shape, 4, "x", {"n01", "n02", "n02b", "n03"});
                 });
    expect_error(ErrorKind::Data, {"it has pictures to test only", "expected train/ beside it"},
                 [&] { open_data(config); });
    const std::string tar = path_join(folder.path(), "a.tar");
    write_archive(tar, {files.begin(), files.end()}, ARCHIVE_FORMAT_TAR_USTAR);
    EXPECT_EQ(open_test_data(folder_config(tar)).test->size(), data.test->size());
  }
}

TEST(ImageFolder, SixteenBitsAndOneChannelStay) {
  TemporaryDirectory folder;
  for (const char* part : {"train", "val"}) {
    for (const char* group : {"a", "b"}) {
      write_file(fmt::format("{}/{}/{}/0.png", folder.path(), part, group),
                 testing::raw_png({2, 2}, 16, 0, std::string("\x12\x34\0\1\xFF\xFF\0\2", 8),
                                  {{"gAMA", std::string("\0\1\x86\xA0", 4)}}));
    }
  }
  write_file(folder.path() + "/train/a/1.png", png_picture({2, 2}, 255));
  DataConfig config = folder_config(folder.path());
  config.image_size = config.resize = 2, config.channels = 1;
  const DataSplits data = open_data(config);
  EXPECT_EQ(data.shape, (MapShape{1, 2, 2}));
  EXPECT_EQ(as_images(data.train)->pixel_type(), PixelType::U16);
  EXPECT_EQ(as_images(data.train)->report().sixteen_bits, 2);
  EXPECT_EQ(data.preprocessing, (Preprocessing{{0.5}, {0.5}}));
  std::vector<float> got(4);
  for (const Images& images : {as_images(data.train), as_images(data.test)}) {
    EXPECT_EQ(images->get_values(1, got), 1);
    EXPECT_EQ(got, (std::vector<float>{0x1234 / 65535.F, 1 / 65535.F, 1, 2 / 65535.F}));
  }
  as_images(data.train)->get_values(2, got);
  // Luma of (20, 20, 255), then of (20, 120, 255): PIL's convert("L").
  EXPECT_EQ(got[0], 47 / 255.F);
  EXPECT_EQ(got[1], 105 / 255.F);
}

TEST(ImageFolder, ClassesNamedByNumbersAreSortedAsTextAndItIsSaid) {
  TemporaryDirectory folder;
  for (const char* group : {"0", "1", "2", "10"}) {
    for (const char* part : {"train", "val"})
      write_file(fmt::format("{}/{}/{}/x.png", folder.path(), part, group), png_picture({4, 4}));
  }
  std::string said;
  const auto warned = [&](const std::string& root) {
    const std::string log = path_join(folder.path(), "log");
    set_log_levels("warn");
    set_log_file(log);
    const auto names = open_data(folder_config(root)).class_names;
    set_log_file("");
    set_log_levels("off");
    said = read_file(log);
    return names;
  };
  EXPECT_EQ(warned(folder.path()), (std::vector<std::string>{"0", "1", "10", "2"}));
  testing::expect_words(said,
                        {"is 0, 1, 10, 2; in the order of their numbers it would be 0, 1, 2, 10"});
}

/// A .tar whose `links` are hard links to members before them.
void write_linked(const std::string& path, const Files& files,
                  const std::vector<std::pair<std::string, std::string>>& links, int filter) {
  archive* a = archive_write_new();
  archive_write_set_format_ustar(a);
  archive_write_add_filter(a, filter);
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK);
  std::vector<std::tuple<std::string, std::string, bool>> entries;
  for (const auto& [name, bytes] : files) entries.emplace_back(name, bytes, false);
  for (const auto& [name, target] : links) entries.emplace_back(name, target, true);
  for (const auto& [name, content, link] : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, link ? 0 : static_cast<la_int64_t>(content.size()));
    if (link) archive_entry_set_hardlink(entry, content.c_str());
    ASSERT_EQ(archive_write_header(a, entry), ARCHIVE_OK);
    if (!link) archive_write_data(a, content.data(), content.size());
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_close(a), ARCHIVE_OK);
  archive_write_free(a);
}

TEST(ImageArchive, HardLinksAreTheFilesBeforeThem) {
  TemporaryDirectory folder;
  const Files files = imagenet_files();
  const std::string first = files.begin()->first;
  for (int filter : {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP}) {
    const std::string path = path_join(folder.path(), "a.tar");
    write_linked(path, files,
                 {{"train/n01/zz.jpg", first},
                  {"train/n02/zz.jpg", "./train/n01/zz.jpg"},
                  {"train/n02/lost.jpg", "train/n09/nothing.jpg"}},
                 filter);
    const DataSplits data = open_data(folder_config(path));
    std::map<std::string, std::vector<uint8_t>> pixels;
    for (int64_t i = 0; i < data.train->size(); ++i) {
      std::vector<uint8_t>& out = pixels[data.train->name(i)];
      out.resize(3 * 16 * 16);
      as_images(data.train)->get(i, out);
    }
    ASSERT_EQ(pixels.count(first), 1U) << first;
    EXPECT_EQ(pixels.at("train/n01/zz.jpg"), pixels.at(first));
    EXPECT_EQ(pixels.at("train/n02/zz.jpg"), pixels.at(first));
    EXPECT_EQ(pixels.count("train/n02/lost.jpg"), 0U);
    const PassedOverFiles passed = as_images(data.train)->report().passed_over;
    EXPECT_EQ(passed.at("hard link to no picture in front of it").first,
              (std::vector<std::string>{"train/n02/lost.jpg"}));
  }
}

TEST(ImageArchive, TarTarGzAndZipHoldTheSameImagesAsTheFolder) {
  TemporaryDirectory folder;
  const Files files = imagenet_files("set-160/");
  write_files(path_join(folder.path(), "plain"), files);
  const std::vector<std::pair<std::string, std::string>> list(files.begin(), files.end());
  const std::string tar = path_join(folder.path(), "a.tar"),
                    gz = path_join(folder.path(), "a.tar.gz"),
                    zip = path_join(folder.path(), "a.zip"),
                    stored = path_join(folder.path(), "b.zip"),
                    pax = path_join(folder.path(), "c.tar");
  write_archive(tar, list, ARCHIVE_FORMAT_TAR_USTAR);
  write_archive(pax, list, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
  write_archive(gz, list, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_GZIP);
  write_archive(zip, list, ARCHIVE_FORMAT_ZIP);
  write_archive(stored, list, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "compression=store");
  const DataSplits expected = open_data(folder_config(path_join(folder.path(), "plain")));
  std::vector<int64_t> all = {4, 0, 8, 3, 1, 2, 7, 5, 6}, labels(9);
  auto batch = [&](const DataSplits& data) {
    std::vector<float> out(9 * 3 * 16 * 16);
    BatchMaker(data.shape, data.preprocessing)
        .fill(*as_images(data.train), all, std::nullopt, 0, out, labels);
    return out;
  };
  const auto pixels = batch(expected);
  for (const std::string& path : {tar, pax, gz, zip, stored}) {
    const DataSplits data = open_data(folder_config(path));
    EXPECT_EQ(listing(as_images(data.train)), listing(as_images(expected.train))) << path;
    EXPECT_EQ(batch(data), pixels) << path;
  }
}

TEST(ImageArchive, APathThatLeavesTheArchiveIsRefusedByName) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "evil.tar"), picture = png_picture({5, 5});
  for (const char* name : {"../../etc/x.png", "/etc/x.png", "train/a/../../../x.png"}) {
    write_archive(path, {{"train/a/0.png", picture}, {name, picture}}, ARCHIVE_FORMAT_TAR_USTAR);
    expect_error(
        ErrorKind::Data,
        {"archive " + path, std::string("the path '") + name + "' leads out of the archive"},
        [&] { open_data(folder_config(path)); });
  }
}

TEST(ImageArchive, CutShortOrNoArchiveIsAnError) {
  TemporaryDirectory folder;
  const Files files = imagenet_files();
  const std::string path = path_join(folder.path(), "a.tar");
  for (int filter : {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP}) {
    write_archive(path, {files.begin(), files.end()}, ARCHIVE_FORMAT_TAR_USTAR, filter);
    const std::string whole = read_file(path);
    for (double part : {0.1, 0.37, 0.6, 0.83}) {
      const auto cut = static_cast<size_t>(part * static_cast<double>(whole.size()));
      write_file(path, std::string_view(whole).substr(0, cut));
      expect_error(ErrorKind::Data, {"archive " + path, "expected a whole .tar"},
                   [&] { open_data(folder_config(path)); });
    }
  }
  write_file(path, "no archive at all");
  expect_error(ErrorKind::Data, {"archive " + path, "expected a whole .tar, .tar.gz or .zip"},
               [&] { open_data(folder_config(path)); });
  const std::string picture = png_picture({5, 5});
  write_archive(path, {{"train/a/0.png", picture}, {"train/a/./0.png", picture}},
                ARCHIVE_FORMAT_TAR_USTAR);
  expect_error(ErrorKind::Data, {"'train/a/0.png' is in it twice"},
               [&] { open_data(folder_config(path)); });
}

TEST(BatchMaker, DecodedImagesDoNotDependOnTheThreads) {
  TemporaryDirectory folder;
  write_files(folder.path(), imagenet_files());
  DataConfig config = folder_config(folder.path());
  config.augment = {"random_resized_crop", "flip", "color_jitter", "cutout", "mixup"};
  const DataSplits data = open_data(config);
  const Augmentation a = make_augmentation(config, 5);
  std::vector<int64_t> order = {4, 0, 8, 3, 1, 2, 7}, labels(7);
  std::vector<std::vector<float>> batches;
  for (int threads : {1, 2, 5}) {
    batches.emplace_back(7 * 3 * 16 * 16);
    BatchMaker(data.shape, data.preprocessing)
        .fill(*as_images(data.train), order, a, 3, batches.back(), labels, threads);
    EXPECT_EQ(labels, (std::vector<int64_t>{1, 0, 2, 0, 1, 2, 2}));
  }
  EXPECT_EQ(batches[1], batches[0]);
  EXPECT_EQ(batches[2], batches[0]);
}

}  // namespace
}  // namespace tailor::test
