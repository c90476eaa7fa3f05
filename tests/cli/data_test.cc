// tailor data, and the script that fetches sets.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

TEST_F(Cli, FetchDataChecksTheArchive) {
  write_file(file("wrong.tar.gz"), "not it");
  const std::string script = path_join(TAILOR_TEST_SOURCE, "../scripts/fetch_data.sh");
  ProcessResult wrong = run_process(
      {"bash", script, "cifar10", "--archive", "wrong.tar.gz", "--output", "data"}, folder.path());
  EXPECT_EQ(wrong.status, 4);
  testing::expect_words(wrong.output, {"expected MD5 c32a1d4ab5d03f1284b67883e8d87530"});
  EXPECT_EQ(run_process({"bash", script, "mnist"}, folder.path()).status, 2);
}

TEST_F(Cli, DataCheckAndPackOfAFolder) {
  int blue = 0;
  for (const char* name : {"train/a/0.png", "train/a/1.png", "train/a/2.png", "train/b/0.png",
                           "val/a/0.png", "val/b/0.png"}) {
    const Extent extent{20, 26};
    std::vector<uint8_t> rgb(static_cast<size_t>(extent.height * extent.width * 3), 51);
    for (size_t i = 2; i < rgb.size(); i += 3) rgb[i] = static_cast<uint8_t>(blue);
    save_png(file(std::string("pictures/") + name), extent, rgb);
    blue += 20;
  }
  write_file(file("pictures/train/b/1.png"), "");
  const std::vector<std::string> common = {"--data", file("pictures"), "--set",
                                           "data.image_size=16"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), common.begin(), common.end());
    return words;
  };
  ProcessResult r = run(with({"data", "check", "--json", "--output", file("sheet.png")}));
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("training_of_class").dump(), "[3,1]");
  EXPECT_EQ(answer.at("test_of_class").dump(), "[1,1]");
  EXPECT_EQ(answer.at("left_out").as_array().at(0).at("file").as_string(), "train/b/1.png");
  // Red and green are 51 of 255; the training pictures' blue is 0, 20, 40 and 60.
  EXPECT_EQ(answer.at("mean").dump(), "[0.2,0.2,0.1176]");
  EXPECT_EQ(answer.at("deviation").dump(), "[0.0,0.0,0.0877]");
  const std::string png = read_file(file("sheet.png"));
  EXPECT_EQ(probe_image({reinterpret_cast<const uint8_t*>(png.data()), png.size()}).extent,
            // Two classes: a line with the name over eight pictures four times their size.
            (Extent{2 * (22 + 68) + 22 + 16, 8 * 68 + 4 + 16}));
  r = run(with({"data", "check"}));
  testing::expect_words(r.output,
                        {"4 training and 2 test images in 2 classes", "1 to 3 images (unbalanced",
                         "left out: train/b/1.png: it has "
                         "zero bytes"});
  r = run(with({"data", "pack", "--output", file("cache"), "--short-side", "18"}));
  ASSERT_EQ(r.status, 0) << r.output;
  r = run({"data", "check", "--json", "--name", "packed", "--data", file("cache"), "--set",
           "data.image_size=16"});
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(Json::parse(r.output.substr(r.output.find("{\n")), "answer").at("mean").dump(),
            "[0.2,0.2,0.1176]");
  // An output that is there stays, unless one insists.
  expect_failure(2, {"--output " + file("cache") + ": it exists already", "--force"},
                 with({"data", "pack", "--output", file("cache")}));
  expect_failure(2, {"--output " + file("sheet.png") + ": it exists already", "--force"},
                 with({"data", "check", "--output", file("sheet.png")}));
  EXPECT_EQ(read_file(file("sheet.png")), png);
  expect_failure(2, {"it is a folder, expected the name of a file"},
                 with({"data", "check", "--force", "--output", file("pictures")}));
  r = run(with({"data", "check", "--force", "--output", file("sheet.png")}));
  EXPECT_EQ(r.status, 0) << r.output;
  r = run(with({"data", "pack", "--force", "--output", file("cache"), "--short-side", "256"}));
  testing::expect_words(r.output, {"4 training and 2 test images with a short side of 20 pixels",
                                   "data.image_size=16\n"});
  expect_failure(4, {"it is a packed cache", "--name packed"},
                 {"data", "check", "--data", file("cache")});
  expect_failure(2, {"data pack: expected --output FILE"}, with({"data", "pack"}));
  expect_failure(4, {"expected a folder or an archive of images"},
                 {"data", "check", "--data", file("nowhere")});
}

TEST_F(Cli, DataCheckNamesWhatIsPassedOverAndWhatIsEnlarged) {
  int side = 30;
  for (const char* name : {"a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png"}) {
    const Extent extent{side, 90};
    save_png(file(std::string("pictures/train/") + name), extent,
             std::vector<uint8_t>(static_cast<size_t>(extent.height * extent.width * 3), 51));
    side += 10;
  }
  for (int i = 0; i < 6; ++i) write_file(file(fmt::format("pictures/train/b/{}.webp", i)), "RIFF");
  write_file(file("pictures/train/.ipynb_checkpoints/0.png"), "");
  create_directories(file("pictures/train/c"));
  const std::vector<std::string> common = {"--data", "pictures", "--set", "data.test_size=2"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), common.begin(), common.end());
    return words;
  };
  ProcessResult r = run(with({"data", "check"}));
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"3 training and 2 test images in 2 classes", "pictures with short sides of 30 to 70 pixels",
       "warning: 5 of 5 images are smaller than the 224 pixels of data.image_size",
       "passed over, .webp: 6 (train/b/0.webp, train/b/1.webp, train/b/2.webp, "
       "train/b/3.webp, train/b/4.webp, …)\n",
       "passed over, hidden: 1 (train/.ipynb_checkpoints/)\n",
       "passed over, class folder without a picture: 1 (train/c/)\n"});
  r = run(with({"data", "check", "--json", "--log", "off"}));
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("passed_over").as_array().size(), 3U);
  EXPECT_EQ(answer.at("passed_over").as_array().at(0).at("count").as_int(), 6);
  EXPECT_EQ(answer.at("short_side").dump(), R"({"smallest":30,"largest":70,"below_image_size":5})");
  // The cache is no larger than its pictures, and what is recommended is what it has.
  r = run(with({"data", "pack", "--output", "cache"}));
  testing::expect_words(r.output, {"3 training and 2 test images with short sides of 30 to 70",
                                   "warning: 5 of 5 images are smaller than the 224 pixels",
                                   "--set data.root=cache --set data.image_size=50\n"});
  r = run(with({"data", "pack", "--output", "small", "--short-side", "40", "--set",
                "data.image_size=35", "--json", "--log", "off"}));
  const Json packed = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(packed.at("smallest").as_int(), 30);
  EXPECT_EQ(packed.at("largest").as_int(), 40);
  EXPECT_EQ(packed.at("below_image_size").as_int(), 1);
  EXPECT_EQ(packed.at("image_size").as_int(), 35);
}

TEST_F(Cli, ImagesOfOneChannelAreCheckedAndDrawnGrey) {
  for (const char* part : {"train", "test"}) {
    std::vector<uint8_t> bytes(4 * 5 * 6, 51);
    std::fill_n(bytes.begin(), 60, uint8_t{204});
    save_npy(file(fmt::format("{}_images.npy", part)), Tensor::from({4, 5, 6, 1}, bytes));
    save_npy(file(fmt::format("{}_labels.npy", part)), Tensor::from<int64_t>({4}, {0, 1, 1, 0}));
  }
  ProcessResult r = run({"data", "check", "--name", "npy", "--data", ".", "--set",
                         "data.augment=[]", "--output", "sheet.png", "--json", "--log", "off"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("mean").dump(), "[0.5]");
  EXPECT_EQ(answer.at("deviation").dump(), "[0.3]");
  const std::string png = read_file(file("sheet.png"));
  std::vector<uint8_t> rgb(3);
  decode_window(
      {reinterpret_cast<const uint8_t*>(png.data()), png.size()},
      [](Extent) {
        return CropWindow{53, 9, 1, 1};
      },
      {3, 1, 1}, rgb);
  EXPECT_EQ(rgb, (std::vector<uint8_t>{204, 204, 204}));
  r = run({"data", "pack", "--name", "npy", "--data", ".", "--output", "cache"});
  ASSERT_EQ(r.status, 0) << r.output;
  r = run({"data", "check", "--name", "packed", "--data", "cache", "--set", "data.image_size=5",
           "--set", "data.resize=5"});
  testing::expect_words(r.output, {"seen as 5 x 5, 1 channel of 8 bits", "mean [0.5]"});
  expect_failure(4, {"/data/mean and /data/deviation: expected one number in each"},
                 {"data", "check", "--name", "npy", "--data", ".", "--set",
                  "data.mean=[0.5,0.5,0.5]", "--set", "data.deviation=[1,1,1]"});
}

}  // namespace
}  // namespace tailor::test
