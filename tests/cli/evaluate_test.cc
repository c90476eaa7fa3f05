// tailor evaluate: what it counts, draws and writes, and what it refuses.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

TEST_F(Cli, EvaluateRefusesAnAnswerAtEveryPosition) {
  const Network network = testing::random_network(0);
  ASSERT_TRUE(network.answers_per_position());
  Graph graph = lower(network, testing::random_tensors(network, 1), "test").take();
  graph.provenance = Json::object({{"untrained", "random weights"}});
  save_graph(file("g.safetensors"), graph);
  expect_failure(5, {"g.safetensors: it answers at", "one label an image", "global_avg_pool"},
                 {"evaluate", "--backend", "float64", "--graph", "g.safetensors"});
}

TEST_F(Cli, ASetOfTestImagesAloneIsCheckedAndEvaluatedOn) {
  write_checkpoint("tiny.ckpt");
  write_file(file("ic01/y_labels.csv"), "emu.bin,10,2\ntaxi.bin,10,1\n");
  write_file(file("ic01/emu.bin"), std::string(3072, '\0'));
  write_file(file("ic01/taxi.bin"), std::string(3072, '\xff'));
  ProcessResult r = run({"data", "check", "--name", "mlperf_tiny", "--data", "ic01", "--output",
                         "sheet.png", "--json", "--log", "off"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json answer = Json::parse(r.output.substr(r.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("training").as_int(), 0);
  EXPECT_EQ(answer.at("test_of_class").dump(), "[0,1,1,0,0,0,0,0,0,0]");
  EXPECT_EQ(answer.at("mean").dump(), "[0.5,0.5,0.5]");
  EXPECT_TRUE(path_exists(file("sheet.png")));
  r = run({"data", "check", "--name", "mlperf_tiny", "--data", "ic01"});
  testing::expect_words(r.output, {"0 training and 2 test images in 10 classes",
                                   "classes of the test images: 0 to 1 images"});
  const std::vector<std::string> evaluate = {"evaluate",  "--checkpoint", "tiny.ckpt",
                                             "--backend", "float64",      "--set"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.begin(), evaluate.begin(), evaluate.end());
    return words;
  };
  r = run(with({"data.name=mlperf_tiny", "--set", "data.test_size=0", "--data", "ic01"}));
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"on 2 test images of mlperf_tiny (float64"});
  r = run(with({"data.name=mlperf_tiny", "--set", "data.test_size=1", "--data", "ic01"}));
  testing::expect_words(r.output,
                        {"on 1 test images of mlperf_tiny that data.test_size lets in ("});
  expect_failure(2, {"--set train.epochs=3: tailor evaluate takes keys of data.* only"},
                 with({"train.epochs=3"}));
}

TEST_F(Cli, EvaluateSaysWhichClassesAreTakenForWhich) {
  write_checkpoint("tiny.ckpt");
  auto evaluate = [&](const std::string& backend, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", backend, "--log", "off"});
    ProcessResult r = run(more);
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  const Json answer = Json::parse(evaluate("float64", {"--json"}), "answer");
  // Every number again, from the predictions and the labels.
  evaluate("float64", {"--predictions", "p.csv", "--confusion", "c.csv"});
  std::vector<std::string> lines = split(read_file(file("p.csv")), '\n');
  EXPECT_EQ(lines[0].find("index,image,label,label_name,prediction,prediction_name,probability,"
                          "class_2,probability_2,class_3,"),
            0U);
  EXPECT_EQ(lines.back(), "");
  ASSERT_EQ(lines.size(), 42U);
  std::vector<std::vector<int64_t>> confusion(10, std::vector<int64_t>(10));
  int64_t correct = 0, top = 0;
  double loss_of_right = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const std::vector<std::string> row = split(lines[static_cast<size_t>(i) + 1], ',');
    ASSERT_EQ(row.size(), 15U);
    EXPECT_EQ(row[0], std::to_string(i));
    EXPECT_EQ(row[1], fmt::format("image {}", i));
    const int64_t label = parse_int(row[2]).value(), predicted = parse_int(row[4]).value();
    ++confusion[static_cast<size_t>(label)][static_cast<size_t>(predicted)];
    correct += label == predicted ? 1 : 0;
    for (size_t k : {4, 7, 9, 11, 13}) top += row[k] == row[2] ? 1 : 0;
    for (size_t k : {9, 11, 13}) EXPECT_LE(parse_number(row[k + 1]), parse_number(row[k - 1]));
    loss_of_right += label == predicted ? std::log(parse_number(row[6]).value()) : 0;
  }
  EXPECT_GT(correct, 0);
  EXPECT_LT(correct, 40);
  EXPECT_EQ(answer.at("images").as_int(), 40);
  EXPECT_DOUBLE_EQ(answer.at("accuracy").as_number(), 2.5 * static_cast<double>(correct));
  EXPECT_DOUBLE_EQ(answer.at("top5_accuracy").as_number(), 2.5 * static_cast<double>(top));
  EXPECT_GT(40 * answer.at("loss").as_number(), -loss_of_right);
  Json cells = Json::Array();  // without zeros
  for (int64_t c = 0; c < 10; ++c) {
    for (int64_t k = 0; k < 10; ++k) {
      const int64_t count = confusion[static_cast<size_t>(c)][static_cast<size_t>(k)];
      if (count > 0) cells.push_back(Json::array(std::vector<int64_t>{c, k, count}));
    }
  }
  EXPECT_EQ(answer.at("confusion").dump(), cells.dump());
  const std::vector<std::string> table = split(read_file(file("c.csv")), '\n');
  EXPECT_EQ(table[0],
            "label \\ prediction,disc,ring,square,frame,triangle,plus,cross,columns,rows,"
            "checks");
  for (size_t c = 0; c < 10; ++c) {
    const Json& one = answer.at("per_class").as_array()[c];
    int64_t images = 0, predicted = 0;
    std::string line = one.at("name").as_string();
    for (size_t k = 0; k < 10; ++k) {
      images += confusion[c][k], predicted += confusion[k][c];
      line += fmt::format(",{}", confusion[c][k]);
    }
    EXPECT_EQ(table[c + 1], line);
    EXPECT_EQ(one.at("class").as_int(), static_cast<int64_t>(c));
    EXPECT_EQ(one.at("images").as_int(), images);
    EXPECT_EQ(one.at("correct").as_int(), confusion[c][c]);
    EXPECT_EQ(one.at("predicted").as_int(), predicted);
    EXPECT_EQ(one.at("accuracy").is_null(), images == 0);
  }
  // A wide type answers the same.
  const Json wide = Json::parse(evaluate("emulator", {"--json", "--precision", "24,10"}), "wide");
  EXPECT_EQ(wide.at("confusion"), answer.at("confusion"));
  EXPECT_EQ(wide.at("top5_accuracy"), answer.at("top5_accuracy"));
  EXPECT_NEAR(wide.at("loss").as_number(), answer.at("loss").as_number(), 1e-3);

  std::string text = evaluate("float64", {"--confusion", "c.svg"});
  testing::expect_words(text, {"accuracy ", " on 40 test images of synthetic (float64", "top-5 ",
                               ", loss ", "worst classes (all: --per-class):",
                               "most often taken for", "confusion matrix: c.svg"});
  EXPECT_LT(split(text, '\n').size(), 12U);
  EXPECT_EQ(read_file(file("c.svg")).find("<svg xmlns"), 0U);
  text = evaluate("float64", {"--per-class"});
  for (const char* name : {"disc", "triangle", "columns", "checks"})
    testing::expect_words(text, {name});

  expect_failure(
      2, {"--confusion c.svg: it exists already", "--force"},
      {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--confusion", "c.svg"});
  evaluate("float64", {"--confusion", "c.svg", "--force"});
  expect_failure(
      2, {"--confusion c.png: expected a file name that ends in .csv or .svg"},
      {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--confusion", "c.png"});
  expect_failure(
      2, {"--predictions p.json: expected a file name that ends in .csv"},
      {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--predictions", "p.json"});
}

TEST_F(Cli, EvaluateFindsOutThatItCannotWriteBeforeItEvaluates) {
  write_checkpoint("tiny.ckpt");
  write_file(file("plain"), "a file");
  auto expect_refused = [&](int status, std::initializer_list<std::string> words,
                            std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64"});
    const ProcessResult r = run(more);
    EXPECT_EQ(r.status, status) << r.output;
    testing::expect_words(r.output, words);
    EXPECT_EQ(r.output.find("accuracy"), std::string::npos);
  };
  expect_refused(4, {"cannot create folder plain: Not a directory"},
                 {"--confusion", "plain/c.svg"});
  expect_refused(4, {"cannot create folder plain: Not a directory"},
                 {"--predictions", "plain/p.csv"});
  expect_refused(2, {"--predictions a.csv: it is --confusion's file too"},
                 {"--confusion", "a.csv", "--predictions", "a.csv"});
  EXPECT_EQ(list_directory(folder.path()), (std::vector<std::string>{"plain", "tiny.ckpt"}));
}

/// The printed command is the one that works: with the folder that was given.
TEST_F(Cli, CalibrateSaysWhereTheDataLieInTheCommandThatComesNext) {
  Checkpoint c = load_checkpoint(write_checkpoint("tiny.ckpt"));
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 40 * 32 * 32 * 3; ++i) pixels.push_back(static_cast<uint8_t>(i * 7 % 251));
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 40; ++i) labels.push_back(i % 10);
  for (const char* part : {"train", "test"}) {
    save_npy(file(fmt::format("some data/{}_images.npy", part)),
             Tensor::from({40, 32, 32, 3}, pixels));
    save_npy(file(fmt::format("some data/{}_labels.npy", part)),
             Tensor::from<int64_t>({40}, labels));
  }
  c.config.find("data")->set("name", "npy");
  c.config.find("data")->set("root", "elsewhere");
  c.config.find("data")->set("validation", 0);
  save_checkpoint(file("tiny.ckpt"), c);
  const ProcessResult r = run({"calibrate", "--checkpoint", "tiny.ckpt", "--data", "some data",
                               "--output", "types.json", "--training-images", "1"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"by 1 training image of npy"});
  const std::string next = r.output.substr(r.output.find("next: tailor ") + 13);
  const ProcessResult then = run_process({"sh", "-c", "\"$0\" " + next, TAILOR_BINARY},
                                         folder.path(), {{"TAILOR_LOG", "info"}});
  EXPECT_EQ(then.status, 0) << next << then.output;
}

/// The README of a project says so: its own types, layout and skips, not the defaults.
TEST_F(Cli, TheGraphOfAProjectIsEvaluatedAsTheProjectComputes) {
  write_checkpoint("tiny.ckpt");
  write_file(file("types.json"), R"({"weights": "5,1", "activations": "u4,2",
      "stages": [{"stage": "stem.conv1", "weights": "6,0"}]})");
  const std::vector<std::vector<std::string>> variants = {
      {"--precision", "5,2"},
      {"--precision", "types.json"},
      {"--precision", "6,2", "--layout", "stock", "--rounding", "trn"},
      {"--precision", "6,2", "--skips", "cloned"}};
  auto evaluate = [&](std::vector<std::string> of, const std::vector<std::string>& more) {
    of.insert(of.begin(), {"evaluate", "--backend", "emulator", "--json", "--log", "off"});
    of.insert(of.end(), more.begin(), more.end());
    const ProcessResult r = run(of);
    EXPECT_EQ(r.status, 0) << r.output;
    return Json::parse(r.output, "answer");
  };
  const Json usual = evaluate({"--checkpoint", "tiny.ckpt"}, {});
  for (const std::vector<std::string>& flags : variants) {
    std::vector<std::string> exporting = {"export", "--checkpoint", "tiny.ckpt", "--vectors",
                                          "1",      "--output",     "p",         "--force"};
    exporting.insert(exporting.end(), flags.begin(), flags.end());
    ASSERT_EQ(run(exporting).status, 0);
    const Json of_checkpoint = evaluate({"--checkpoint", "tiny.ckpt"}, flags),
               of_project = evaluate({"--graph", "p/graph.safetensors"}, {});
    for (const char* key : {"type", "layout", "accuracy", "loss", "confusion", "overflows"})
      EXPECT_EQ(of_project.at(key), of_checkpoint.at(key)) << key << join(flags, " ");
    EXPECT_NE(of_project.at("loss"), usual.at("loss"));
    EXPECT_EQ(evaluate({"--graph", "p/graph.safetensors"}, {"--precision", "16,6"}).at("loss"),
              usual.at("loss"));
  }
  testing::expect_words(
      run({"export", "--graph", "p/graph.safetensors", "--vectors", "1", "--output", "q"}).output,
      {"its project has ap_fixed<6,2,AP_RND,AP_SAT>; without --precision this one has "
       "ap_fixed<16,6,"});
  const std::vector<std::string> command = {"evaluate", "--backend", "emulator", "--graph",
                                            "p/graph.safetensors"};
  std::vector<std::string> stock = command;
  stock.insert(stock.end(), {"--layout", "stock"});
  expect_failure(2, {"p/graph.safetensors is of a project", "expected --precision with them"},
                 stock);
  write_file(file("p/design.safetensors"), read_file(file("p/graph.safetensors")));
  expect_failure(6, {"p/design.safetensors as the project was exported, it was changed since"},
                 command);
}

TEST_F(Cli, EvaluateSaysWhatSinglePicturesAre) {
  write_checkpoint("tiny.ckpt");
  // A folder of the ten classes' names, as a set and picture by picture: the answers are the same.
  for (int i = 0; i < 10; ++i) {
    for (const char* part : {"train", "test"}) {
      std::vector<uint8_t> pixels;
      for (int k = 0; k < 50 * 40 * 3; ++k)
        pixels.push_back(static_cast<uint8_t>((k * (2 * i + 1) / 7 + 40 * i) % 256));
      create_directories(file(fmt::format("set/{}/c{}", part, i)));
      save_png(file(fmt::format("set/{}/c{}/x.png", part, i)), {50, 40}, pixels);
    }
  }
  const std::vector<std::string> data = {"--set", "data.name=folder",   "--set", "data.root=set",
                                         "--set", "data.image_size=32", "--set", "data.resize=36",
                                         "--set", "data.test_size=0"};
  auto evaluate = [&](int status, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--log", "off"});
    ProcessResult r = run(more);
    EXPECT_EQ(r.status, status) << r.output;
    return r.output;
  };
  std::vector<std::string> words = {"--predictions", "p.csv"};
  words.insert(words.end(), data.begin(), data.end());
  evaluate(0, words);
  words = {"--json", "--images"};
  for (int i = 0; i < 10; ++i) words.push_back(fmt::format("set/test/c{}/x.png", i));
  words.insert(words.end(), data.begin(), data.end());
  const Json answer = Json::parse(evaluate(0, words), "answer");
  EXPECT_EQ(answer.at("resize").as_int(), 36);
  const std::vector<std::string> lines = split(read_file(file("p.csv")), '\n');
  const auto& pictures = answer.at("pictures").as_array();
  ASSERT_EQ(pictures.size(), 10U);
  std::set<double> answers;
  for (size_t i = 0; i < 10; ++i) {
    const std::vector<std::string> row = split(lines[i + 1], ',');
    EXPECT_EQ("set/" + row[1], pictures[i].at("file").as_string());
    const auto& top = pictures[i].at("top").as_array();
    ASSERT_EQ(top.size(), 5U);
    for (size_t k = 0; k < 5; ++k) {
      const size_t at = k == 0 ? 4 : 5 + 2 * k;
      EXPECT_EQ(row[at], std::to_string(top[k].at("class").as_int()));
      EXPECT_EQ(row[k == 0 ? 6 : at + 1],
                fmt::format("{:.9g}", top[k].at("probability").as_number()));
    }
    answers.insert(top[0].at("logit").as_number());
  }
  EXPECT_EQ(answers.size(), 10U);

  // By the run's own set: the whole short side, and that set's names.
  write_file(file("text.jpg"), "hello");
  std::string text = evaluate(4, {"--images", "set/test/c0/x.png", "text.jpg", "no.png"});
  testing::expect_words(
      text, {"set/test/c0/x.png: ", " %, ", "text.jpg: cannot be read: it is no JPEG and no PNG",
             "no.png: cannot be read: there is no such file",
             "tailor: data: 2 of 3 files could not be read"});
  bool named = false;
  for (const char* name : {"disc ", "ring ", "square ", "frame ", "triangle ", "plus ", "cross ",
                           "columns ", "rows ", "checks "})
    named |= text.find(std::string("x.png: ") + name) != std::string::npos;
  EXPECT_TRUE(named) << text;
  text = evaluate(4, {"--json", "--images", "no.png", "set/test/c0/x.png"});
  testing::expect_words(text, {"\"error\": \"there is no such file\"", "\"probability\""});

  for (const std::vector<std::string>& flag :
       std::vector<std::vector<std::string>>{{"--limit", "3"},
                                             {"--split", "test"},
                                             {"--per-class"},
                                             {"--confusion", "c.svg"},
                                             {"--predictions", "p.csv"},
                                             {"--data", "set"}}) {
    std::vector<std::string> all = {"evaluate", "--checkpoint", "tiny.ckpt",        "--backend",
                                    "float64",  "--images",     "set/test/c0/x.png"};
    all.insert(all.end(), flag.begin(), flag.end());
    expect_failure(2, {"--images: single pictures have no label", "leave out " + flag[0]}, all);
  }
  expect_failure(2, {"data.image_size: expected 32, which tiny.ckpt takes, got 48"},
                 {"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--images",
                  "x.png", "--set", "data.name=folder", "--set", "data.image_size=48"});
}

}  // namespace
}  // namespace tailor::test
