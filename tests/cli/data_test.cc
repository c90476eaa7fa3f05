// tailor data, and the script that fetches sets.
#include "cli/cli_fixture.h"
#include "tailor/data/audio.h"

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

/// The answer of a command that may say more on stderr.
Json answer_of(const ProcessResult& r) {
  const size_t begin = r.output.find("{\n"), end = r.output.find("\n}\n", begin);
  EXPECT_NE(end, std::string::npos) << r.output;
  return Json::parse(r.output.substr(begin, end + 3 - begin), "answer");
}

Extent png_extent(const std::string& path) {
  const std::string png = read_file(path);
  return probe_image({reinterpret_cast<const uint8_t*>(png.data()), png.size()}).extent;
}

struct SpeechCli : Cli {
  /// Half seconds of a tone, as LibriSpeech has them.
  void utterance(const std::string& set, int speaker, int number, int half_seconds,
                 const std::string& text) {
    const std::string id = fmt::format("{}-1-{:04}", speaker, number);
    const std::string at = file(fmt::format("speech/{}/{}/1/", set, speaker));
    std::vector<float> samples(static_cast<size_t>(8000 * half_seconds));
    for (size_t i = 0; i < samples.size(); ++i)
      samples[i] = 0.3F * static_cast<float>(std::sin(0.05 * static_cast<double>(i)));
    create_directories(at);
    write_flac(at + id + ".flac", samples, 16000);
    const std::string list = at + fmt::format("{}-1.trans.txt", speaker);
    write_file(list, (path_exists(list) ? read_file(list) : "") + id + " " + text + "\n");
  }
  std::vector<std::string> check(std::vector<std::string> more) {
    more.insert(more.begin(), {"data", "check", "--name", "librispeech", "--data", "speech"});
    return more;
  }
};

TEST_F(SpeechCli, DataCheckMeasuresSpeechAndDrawsIt) {
  utterance("train", 7, 0, 2, "TEN");
  utterance("train", 7, 1, 4, "ALL GOOD");
  utterance("train", 8, 0, 40, "A LONG ONE");
  utterance("train", 8, 1, 1, "MORE LETTERS THAN HALF A SECOND HAS ANSWERS FOR");
  utterance("test", 8, 2, 2, "TEA");
  ProcessResult r = run(check({"--json", "--log", "off", "--output", "sheet.png"}));
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = answer_of(r), train = answer.at("training");
  EXPECT_EQ(answer.at("examples").as_string(), "speech");
  EXPECT_EQ(answer.at("validation"), Json());
  EXPECT_EQ(train.at("examples").as_int(), 4);
  EXPECT_EQ(train.at("samples").as_int(), 8000 * 47);
  EXPECT_EQ(train.at("seconds").dump(), R"({"least":0.5,"median":1.5,"mean":5.875,"most":20.0})");
  EXPECT_EQ(train.at("labels_each").dump(),
            R"({"least":3.0,"median":9.0,"mean":17.0,"most":47.0})");
  EXPECT_EQ(train.at("too_long").as_int(), 1);      // 20 s
  EXPECT_EQ(train.at("unanswerable").as_int(), 1);  // 47 letters, 51 frames, 26 answers
  EXPECT_EQ(train.at("speakers").as_int(), 2);
  EXPECT_EQ(train.at("symbols").at("o").as_int(), 7);
  EXPECT_EQ(answer.at("test").at("examples").as_int(), 1);
  const Extent drawn = png_extent(file("sheet.png"));
  EXPECT_GT(drawn.width, 1750);  // the longest utterance's beginning, a pixel a frame
  EXPECT_GT(drawn.height, 4 * 2 * 128);
  r = run(check({}));
  testing::expect_words(
      r.output, {"speech at 16,000 Hz", "speakers: 2 in training, 1 in test; warning: 1 of them",
                 "1 of 4 training utterances are longer than data.speech.max_seconds, 16.7",
                 "1 of 4 training utterances have no characters, or more than a network of stride "
                 "2 (supposed; --config names a network) gives answers",
                 "none of b i j k p q u v x y z '"});
  EXPECT_EQ(r.output.find("picture:"), std::string::npos);
  expect_failure(2, {"sheet.png: it exists already", "--force"}, check({"--output", "sheet.png"}));
  expect_failure(5, {"data pack: expected images, and librispeech has speech"},
                 {"data", "pack", "--name", "librispeech", "--data", "speech", "--output", "x"});
}

TEST_F(SpeechCli, DataCheckCountsByTheConfigurationsStride) {
  utterance("train", 7, 0, 1, "TWELVE SIGNS");  // 51 frames: 26 answers by 2, 9 by 6
  utterance("test", 8, 0, 4, "TEA");
  for (const int stride : {2, 6}) {
    write_file(file("net.json"), fmt::format(R"({{
      "network": {{"family": "quartznet", "quartznet": {{"stem_stride": {}}}}},
      "data": {{"name": "librispeech", "root": "speech", "augment": []}}}})",
                                             stride));
    const Json answer =
        answer_of(run({"data", "check", "--config", "net.json", "--json", "--log", "off"}));
    EXPECT_EQ(answer.at("stride").as_int(), stride);
    EXPECT_FALSE(answer.at("stride_supposed").as_bool());
    EXPECT_EQ(answer.at("training").at("unanswerable").as_int(), stride == 6 ? 1 : 0);
  }
  EXPECT_TRUE(answer_of(run(check({"--json", "--log", "off"}))).at("stride_supposed").as_bool());
}

TEST_F(SpeechCli, DataCheckLooksAtATrainingSetAlone) {
  for (int i = 0; i < 6; ++i) utterance("train-clean-5", 7, i, 2, "TEN");
  const ProcessResult r = run(check({"--json", "--log", "off"}));
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = answer_of(r);
  EXPECT_EQ(answer.at("training").at("examples").as_int(), 6);
  EXPECT_EQ(answer.at("test"), Json());
  const Json split = answer_of(run(check({"--json", "--log", "off", "--set", "data.test_size=2"})));
  EXPECT_EQ(split.at("training").at("examples").as_int(), 4);
  EXPECT_EQ(split.at("test").at("examples").as_int(), 2);
}

TEST_F(SpeechCli, DataCheckNamesEveryDamagedFile) {
  for (int i = 0; i < 6; ++i) utterance("train", 7, i, 2, "TEN");
  utterance("test", 8, 0, 2, "TEA");
  // No header, in five files, which is more than a log names; and a file that breaks off.
  for (int i = 0; i < 5; ++i)
    write_file(file(fmt::format("speech/train/7/1/7-1-{:04}.flac", i)), "none");
  const std::string broken = file("speech/test/8/1/8-1-0000.flac");
  const std::string whole = read_file(broken);
  write_file(broken, whole.substr(0, whole.size() / 2));
  for (const char* unreadable : {"skip", "error"}) {
    const std::string set = fmt::format("data.unreadable={}", unreadable);
    ProcessResult r = run(check({"--json", "--log", "off", "--set", set}));
    EXPECT_EQ(r.status, 4) << r.output;
    testing::expect_words(r.output, {"6 of 7 utterances of librispeech cannot be read"});
    const Json answer = answer_of(r);
    EXPECT_EQ(answer.at("left_out").as_array().size(), 5U);
    EXPECT_EQ(answer.at("damaged").as_array().at(0).at("example").as_string(), "8-1-0000");
    EXPECT_EQ(answer.at("test").at("examples").as_int(), 0);
    r = run(check({"--set", set}));
    EXPECT_EQ(r.status, 4);
    for (int i = 0; i < 5; ++i) testing::expect_words(r.output, {fmt::format("7-1-{:04}.flac", i)});
    testing::expect_words(r.output, {"cannot be read: 8-1-0000: "});
  }
}

TEST_F(SpeechCli, DataMakeWritesFlitesSpeechAsLibriSpeech) {
  const std::vector<std::string> make = {"data",     "make",
                                         "--name",   "flite",
                                         "--output", "speech",
                                         "--set",    "data.train_size=3",
                                         "--set",    "data.test_size=2"};
  ProcessResult r = run(make);
  if (r.status == 5) GTEST_SKIP() << "flite is not installed: " << r.output;
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"3 training and 2 test utterances, as LibriSpeech's folders",
                                   "next: tailor data check --name librispeech --data speech"});
  const Json spoken = answer_of(run({"data", "check", "--name", "flite", "--set",
                                     "data.train_size=3", "--set", "data.test_size=2", "--json"})),
             read = answer_of(run(check({"--json"})));
  for (const char* split : {"training", "test"}) {
    for (const char* key : {"examples", "samples", "labels", "symbols", "seconds"})
      EXPECT_EQ(read.at(split).at(key), spoken.at(split).at(key)) << split << " " << key;
  }
  expect_failure(2, {"--output speech: it exists already", "--force"}, make);
  write_file(file("speech/mine.txt"), "");
  std::vector<std::string> forced = make;
  forced.emplace_back("--force");
  expect_failure(2, {"mine.txt in it is something else"}, forced);
  remove_all(file("speech/mine.txt"));
  EXPECT_EQ(run(forced).status, 0);
}

TEST_F(Cli, DataMakeAndCheckOfCurrent) {
  const std::vector<std::string> some = {
      "--set", "data.train_size=6", "--set", "data.test_size=3", "--set", "data.signal.chunk=900"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), some.begin(), some.end());
    return words;
  };
  ProcessResult r =
      run(with({"data", "make", "--name", "squiggle", "--output", "dna/set", "--json"}));
  ASSERT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(answer_of(r).at("training").as_int(), 6);
  const Tensor chunks = load_npy(file("dna/set/chunks.npy"));
  EXPECT_EQ(chunks.shape(), (Shape{6, 900}));
  EXPECT_EQ(chunks.dtype(), DType::F32);
  EXPECT_EQ(load_npy(file("dna/set/references.npy")).dtype(), DType::U8);
  EXPECT_EQ(load_npy(file("dna/set/validation/reference_lengths.npy")).shape(), (Shape{3}));
  const std::vector<std::string> check = {"data", "check", "--name", "bonito", "--data", "dna/set"};
  auto checked = [&](std::vector<std::string> more) {
    more.insert(more.begin(), check.begin(), check.end());
    return more;
  };
  const Json made = answer_of(run(with({"data", "check", "--name", "squiggle", "--json"}))),
             read = answer_of(run(checked({"--json", "--output", "signal.png"})));
  EXPECT_EQ(read.at("training"), made.at("training"));
  EXPECT_EQ(read.at("validation"), made.at("test"));
  EXPECT_EQ(read.at("test"), Json());  // which is the validation split
  EXPECT_EQ(read.at("training").at("samples").as_int(), 5400);
  EXPECT_EQ(read.at("stride").as_int(), 3);
  const Extent drawn = png_extent(file("signal.png"));
  EXPECT_GT(drawn.height, 4 * 2 * 120);
  r = run(checked({}));
  testing::expect_words(r.output, {"signal at 4,000 Hz", "samples a base", "A ", "beyond ±8"});

  std::vector<float> values(chunks.as<float>().begin(), chunks.as<float>().end());
  values[4 * 900 + 7] = std::nanf(""), values[5 * 900] = 9;
  save_npy(file("dna/set/chunks.npy"), Tensor::from<float>({6, 900}, values));
  r = run(checked({"--json", "--log", "off"}));
  EXPECT_EQ(r.status, 4) << r.output;
  testing::expect_words(r.output, {"1 of 9 chunks of bonito cannot be read", "nan at sample 7"});
  EXPECT_EQ(answer_of(r).at("training").at("beyond_8").as_int(), 1);

  expect_failure(5, {"data make writes speech and signal", "synthetic has images", "data pack"},
                 {"data", "make", "--name", "synthetic", "--output", "x"});
  expect_failure(2, {"data make: expected --output DIR"}, {"data", "make", "--name", "squiggle"});
  expect_failure(5, {"data pack: expected images, and squiggle has signal", "data make"},
                 {"data", "pack", "--name", "squiggle", "--output", "x"});
}

}  // namespace
}  // namespace tailor::test
