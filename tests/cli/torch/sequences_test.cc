// tailor evaluate, transcribe, basecall, export, check and inspect on networks on sequences.
#include "cli/torch/sequences_cli.h"

namespace tailor::test {
namespace {

TEST_F(SequenceCli, ARunOnCurrentIsEvaluatedAsItWasTrained) {
  ProcessResult r = run({"train", "--config", "current.json", "--output", "runs/a"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json last = summary("runs/a").at("last");
  const std::vector<std::string> evaluate = {"evaluate", "--checkpoint", "runs/a/last.ckpt"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), evaluate.begin(), evaluate.end());
    return more;
  };
  const Json test = json_of(with({"--predictions", "calls.csv"}));
  EXPECT_NEAR(test.at("mean_accuracy").as_number(), last.at("test_accuracy").as_number(), 1e-6);
  EXPECT_EQ(test.at("chunks").as_int(), 18);
  EXPECT_EQ(test.at("beam").as_int(), 5);
  EXPECT_EQ(test.at("backend").as_string(), "libtorch");
  EXPECT_EQ(test.at("split").as_string(), "test");
  EXPECT_NEAR(json_of(with({"--split", "validation"})).at("mean_accuracy").as_number(),
              last.at("validation_accuracy").as_number(), 1e-6);
  const Json path = json_of(with({"--set", "ctc.beam=1", "--limit", "5"}));
  EXPECT_EQ(path.at("beam").as_int(), 1);
  EXPECT_EQ(path.at("chunks").as_int(), 5);
  testing::expect_words(run(evaluate).output,
                        {"accuracy mean ", "median ", "on 18 test chunks of ", "beam 5"});
  const std::vector<std::string> lines = split(read_file(file("calls.csv")), '\n');
  ASSERT_EQ(lines.size(), 20U);  // and the empty one behind the last
  EXPECT_EQ(lines[0], "index,example,reference,call,accuracy");
  double sum = 0;
  for (size_t i = 1; i <= 18; ++i) {
    const std::vector<std::string> fields = split(lines[i], ',');
    ASSERT_EQ(fields.size(), 5U) << lines[i];
    EXPECT_EQ(fields[0], std::to_string(i - 1));
    sum += std::stod(fields[4]);
  }
  EXPECT_NEAR(100 * sum / 18, test.at("mean_accuracy").as_number(), 1e-3);
  expect_failure(2, {"calls.csv", "--force"}, with({"--predictions", "calls.csv"}));
  expect_failure(2, {"--predictions", ".csv"}, with({"--predictions", "calls.txt"}));
  expect_failure(2, {"--images", "tailor basecall"}, with({"--images", "current.json"}));
  expect_failure(2, {"--per-class"}, with({"--per-class"}));
  expect_failure(2, {"--confusion"}, with({"--confusion", "c.csv"}));
  expect_failure(2, {"train.epochs", "data.*", "ctc.*"}, with({"--set", "train.epochs=1"}));
  expect_failure(3, {"ctc/beam"}, with({"--set", "ctc.beam=0"}));
  expect_failure(2, {"speech", "basecall"}, {"transcribe", "x.wav", "--checkpoint", "runs/a"});
  expect_failure(
      2, {"--rules torchvision", "resnet_imagenet", "is a quartznet"},
      {"export", "--checkpoint", "runs/a", "--format", "safetensors", "--rules", "torchvision"});
  const ProcessResult narrow = run(with({"--backend", "emulator", "--precision", "6,2"}));
  EXPECT_EQ(narrow.status, 0) << narrow.output;
  testing::expect_words(narrow.output, {" outputs overflowed their type, ", " an example"});
}

TEST_F(SequenceCli, WeightsOfShortChunksBeginARunOnLongOnes) {
  const ProcessResult first = run(
      {"train", "--config", "current.json", "--output", "runs/a", "--set", "surgery.kind=none"});
  ASSERT_EQ(first.status, 0) << first.output;
  const std::string teacher = "runs/a/last.ckpt";
  for (const char* key : {"teacher.start=", "teacher.checkpoint="}) {
    const std::string where = std::string("runs/") + key[8];
    const ProcessResult r = run({"train", "--config", "current.json", "--output", where, "--set",
                                 key + teacher, "--set", "data.signal.chunk=180"});
    ASSERT_EQ(r.status, 0) << r.output;
    EXPECT_EQ(load_checkpoint(file(where + "/last.ckpt")).network.input.width, 180);
  }
}

TEST_F(SequenceCli, ANetworkLaidOutForTheOtherKindIsSaid) {
  const std::vector<std::string> train = {
      "train",          "--config", "current.json",      "--set",   "teacher=null", "--set",
      "train.epochs=1", "--set",    "surgery.kind=none", "--output"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), train.begin(), train.end());
    return run(more);
  };
  const char* const said = "network.quartznet.kind is speech";
  const ProcessResult usual = with({"runs/u"}),
                      other = with({"runs/o", "--set", "network.quartznet.kind=speech"});
  EXPECT_EQ(usual.status, 0) << usual.output;
  EXPECT_EQ(other.status, 0) << other.output;
  EXPECT_EQ(usual.output.find(said), std::string::npos) << usual.output;
  testing::expect_words(other.output, {said, "squiggle has "});
}

/// The third column of the predictions but the last.
Lines calls_of(const std::string& csv) {
  Lines calls;
  for (const std::string& line : split(csv, '\n')) {
    const std::vector<std::string> fields = split(line, ',');
    if (fields.size() == 5 && fields[0] != "index") calls.push_back(fields[3]);
  }
  return calls;
}

TEST_F(SequenceCli, TheEmulatorsCallWhatLibTorchCalls) {
  write_checkpoint("runs/r/last.ckpt", "current.json");
  auto calls = [&](std::vector<std::string> more, int status = 0) {
    std::vector<std::string> command = {"evaluate",      "--checkpoint", "runs/r/last.ckpt",
                                        "--predictions", "c.csv",        "--force"};
    command.insert(command.end(), more.begin(), more.end());
    const Json answer = json_of(command, status);
    return std::pair(calls_of(read_file(file("c.csv"))), answer);
  };
  const auto [torch, answer] = calls({});
  ASSERT_EQ(torch.size(), 18U);
  for (const std::string& call : torch) EXPECT_GT(call.size(), 3U);
  const auto [exact, exact_answer] = calls({"--backend", "float64"});
  EXPECT_EQ(exact, torch);
  EXPECT_EQ(exact_answer.at("mean_accuracy"), answer.at("mean_accuracy"));
  const auto [wide, wide_answer] = calls({"--backend", "emulator", "--precision", "26,12"});
  EXPECT_EQ(wide_answer.at("overflows").as_int(), 0);
  size_t equal = 0;
  for (size_t i = 0; i < torch.size(); ++i) equal += wide.at(i) == torch[i] ? 1 : 0;
  EXPECT_GE(equal, 14U);  // what is rounded may decide between two equal candidates
  // Shorter chunks are padded on the emulators' side alone, longer ones do not fit.
  expect_failure(2, {"120 columns", "150", "--backend libtorch"},
                 {"evaluate", "--checkpoint", "runs/r", "--backend", "float64", "--set",
                  "data.signal.chunk=150"});
  EXPECT_EQ(run({"evaluate", "--checkpoint", "runs/r", "--set", "data.signal.chunk=150"}).status,
            0);
}

struct FastqRecord {
  std::string id, bases, qualities;
};
std::vector<FastqRecord> fastq_records(const std::string& text) {
  std::vector<FastqRecord> records;
  const std::vector<std::string> lines = split(text, '\n');
  EXPECT_EQ(lines.size() % 4, 1U);
  for (size_t i = 0; i + 3 < lines.size(); i += 4) {
    EXPECT_EQ(lines[i].at(0), '@');
    EXPECT_EQ(lines[i + 2], "+");
    EXPECT_EQ(lines[i + 1].size(), lines[i + 3].size());
    EXPECT_EQ(lines[i + 1].find_first_not_of("ACGT"), std::string::npos) << lines[i + 1];
    for (const char q : lines[i + 3]) EXPECT_TRUE(q >= '!' && q <= 'I') << q;
    records.push_back({lines[i].substr(1), lines[i + 1], lines[i + 3]});
  }
  return records;
}

TEST_F(SequenceCli, ALongReadIsCalledAsInOneChunk) {
  write_checkpoint("runs/r/last.ckpt", "current.json");
  write_read("long.npy", testing::noise_samples(60 + 60 * 30, 1, 1));
  auto call = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"basecall", "long.npy", "--checkpoint", "runs/r",
                                        "--log",    "off",      "--normalised"};
    command.insert(command.end(), more.begin(), more.end());
    const ProcessResult r = run(command);
    EXPECT_EQ(r.status, 0) << r.output;
    const auto records = fastq_records(r.output);
    EXPECT_EQ(records.size(), 1U);
    return records.empty() ? FastqRecord() : records[0];
  };
  for (const char* beam : {"1", "5"}) {
    const FastqRecord whole = call({"--chunk", "1860", "--overlap", "0", "--beam", beam});
    EXPECT_EQ(whole.id, "long");
    EXPECT_GT(whole.bases.size(), 50U);
    // An overlap beyond what an answer hears: nothing is lost, nothing is twice.
    EXPECT_EQ(call({"--overlap", "60", "--beam", beam}).bases, whole.bases);
    // Chunks that begin between two answers of the whole: about as many bases.
    const double other =
        static_cast<double>(call({"--overlap", "50", "--beam", beam}).bases.size());
    EXPECT_NEAR(other / static_cast<double>(whole.bases.size()), 1, 0.2);
  }
  expect_failure(2, {"--overlap", "120 samples"},
                 {"basecall", "long.npy", "--checkpoint", "runs/r", "--overlap", "120"});
  expect_failure(
      2, {"--output", "one of the raw reads"},
      {"basecall", "long.npy", "--checkpoint", "runs/r", "--output", "./long.npy", "--force"});
}

TEST_F(SequenceCli, ReadsThatAreNoneAreNamedAndTheOthersCalled) {
  write_checkpoint("runs/r/last.ckpt", "current.json");
  write_read("one.npy", testing::noise_samples(700, 1, 12));
  std::vector<float> three;
  for (int64_t i = 0; i < 3; ++i) {
    const std::vector<float> row = testing::noise_samples(400, 10 + i, 12);
    three.insert(three.end(), row.begin(), row.end());
  }
  three[500] = std::numeric_limits<float>::quiet_NaN();
  write_file(file("three.npy"),
             testing::npy_bytes("<f4", "(3, 400)", testing::packed_bytes<float>(three)));
  write_file(file("junk.npy"), "no array");
  write_file(file("other.pod5"), "?");
  write_read("short.npy", {1, 2, 3});
  const std::vector<std::string> command = {
      "basecall", "junk.npy",     "nowhere.npy", "other.pod5", "runs", "short.npy", "three.npy",
      "one.npy",  "--checkpoint", "runs/r",      "--overlap",  "30",   "--output",  "calls.fastq"};
  for (const char* flag : {"", "--normalised"}) {
    std::vector<std::string> all = command;
    if (*flag) all.insert(all.end(), {flag, "--force", "--beam", "1"});
    const ProcessResult r = run(all);
    EXPECT_EQ(r.status, 4) << r.output;
    testing::expect_words(
        r.output, {"junk.npy", "nowhere.npy: No such file", "other.pod5",
                   "runs: it is a folder; expected raw signal files", "three.npy: read three_1",
                   *flag ? "5 reads or files" : "6 reads or files"});
    const auto records = fastq_records(read_file(file("calls.fastq")));
    std::vector<std::string> ids;
    for (const FastqRecord& record : records) ids.push_back(record.id);
    EXPECT_EQ(ids, *flag ? (std::vector<std::string>{"short", "three_0", "three_2", "one"})
                         : (std::vector<std::string>{"three_0", "three_2", "one"}));
  }
  std::vector<std::string> into_folder = command;
  into_folder.back() = "runs";
  expect_failure(2, {"--output runs: it is a folder", "name one in it"}, into_folder);
  const std::string before = read_file(file("calls.fastq"));
  expect_failure(2, {"calls.fastq", "--force"}, command);
  EXPECT_EQ(read_file(file("calls.fastq")), before);
  expect_failure(2, {"--json", "--output"},
                 {"basecall", "one.npy", "--checkpoint", "runs/r", "--json"});
  const Json counts = json_of({"basecall", "one.npy", "--checkpoint", "runs/r", "--overlap", "30",
                               "--format", "fasta", "--output", "calls.fasta"});
  EXPECT_EQ(counts.at("reads").as_int(), 1);
  EXPECT_EQ(counts.at("failed").as_int(), 0);
  EXPECT_EQ(counts.at("samples").as_int(), 700);
  const std::vector<std::string> fasta = split(read_file(file("calls.fasta")), '\n');
  ASSERT_EQ(fasta.size(), 3U);
  EXPECT_EQ(fasta[0], ">one");
  EXPECT_EQ(static_cast<int64_t>(fasta[1].size()), counts.at("bases").as_int());
}

/// A record without bases is none that FASTQ knows.
TEST_F(SequenceCli, AReadWithoutBasesHasNoRecord) {
  write_checkpoint("runs/r/last.ckpt", "current.json");
  Checkpoint c = load_checkpoint(file("runs/r/last.ckpt"));
  c.tensors.at("head.conv.bias").as<float>()[0] += 1000;  // of the blank
  save_checkpoint(file("runs/r/last.ckpt"), c);
  write_read("one.npy", testing::noise_samples(700, 1, 12));
  write_read("two.npy", testing::noise_samples(800, 2, 12));
  for (const char* format : {"fastq", "fasta"}) {
    const ProcessResult r = run({"basecall", "one.npy", "two.npy", "--checkpoint", "runs/r",
                                 "--format", format, "--output", "calls", "--force"});
    EXPECT_EQ(r.status, 0) << r.output;
    testing::expect_words(r.output, {"2 of 2 reads call to no bases", "one.npy: read one"});
    EXPECT_EQ(read_file(file("calls")), "");
  }
  const Json counts =
      json_of({"basecall", "one.npy", "--checkpoint", "runs/r", "--output", "calls", "--force"});
  EXPECT_EQ(counts.at("empty").as_int(), 1);
  EXPECT_EQ(counts.at("reads").as_int(), 1);
}

TEST_F(SequenceCli, ReadsThatWereCalledBeforeAnInterruptionAreKept) {
  write_checkpoint("runs/r/last.ckpt", "current.json");
  constexpr int64_t kReads = 4000, kSamples = 600;
  write_file(file("many reads.npy"),
             testing::npy_bytes(
                 "<f4", fmt::format("({}, {})", kReads, kSamples),
                 testing::packed_bytes<float>(testing::noise_samples(kReads * kSamples, 1, 1))));
  const ProcessResult r = run_until_written("INT", "calls.fastq*",
                                            {"basecall", "many reads.npy", "--checkpoint", "runs/r",
                                             "--normalised", "--output", "calls.fastq"});
  EXPECT_EQ(r.status, 130) << r.output;
  testing::expect_words(r.output, {"calls.fastq has the ", " reads that were called"});
  const auto records = fastq_records(read_file(file("calls.fastq")));
  ASSERT_GT(records.size(), 0U);
  EXPECT_LT(static_cast<int64_t>(records.size()), kReads);
  EXPECT_EQ(records[0].id, "many_reads_0");
  expect_failure(4, {"nowhere.npy"},
                 {"basecall", "nowhere.npy", "--checkpoint", "runs/r", "--output", "none.fastq"});
  EXPECT_FALSE(path_exists(file("none.fastq")));
  expect_failure(2, {"--chunk", "1000000"},
                 {"basecall", "many reads.npy", "--checkpoint", "runs/r", "--chunk", "100000000"});
}

TEST_F(SequenceCli, ARunOnSpeechIsEvaluatedAsItWasTrained) {
  write_sounds();
  ProcessResult r = run({"train", "--config", "speech.json", "--output", "runs/s"});
  ASSERT_EQ(r.status, 0) << r.output;
  const Json last = summary("runs/s").at("last");
  const std::vector<std::string> evaluate = {"evaluate", "--checkpoint", "runs/s/last.ckpt"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), evaluate.begin(), evaluate.end());
    return more;
  };
  const Json test = json_of(with({"--predictions", "heard.csv"}));
  EXPECT_NEAR(test.at("wer").as_number(), last.at("test_wer").as_number(), 1e-6);
  EXPECT_EQ(test.at("utterances").as_int(), 6);
  EXPECT_NEAR(json_of(with({"--split", "validation"})).at("wer").as_number(),
              last.at("validation_wer").as_number(), 1e-6);
  testing::expect_words(run(evaluate).output, {"WER ", "CER ", " words: ", "6 test utterances"});
  const std::vector<std::string> lines = split(read_file(file("heard.csv")), '\n');
  ASSERT_EQ(lines.size(), 8U);
  EXPECT_EQ(lines[0], "index,example,said,heard,word_edits,words");
  EXPECT_EQ(lines[1].rfind("0,15.wav,no,", 0), 0U) << lines[1];
  expect_failure(4, {"is a network on speech", "squiggle"},
                 with({"--set", "data.name=squiggle", "--set", "data.test_size=5"}));
  expect_failure(2, {"--images", "tailor transcribe"}, with({"--images", "sounds"}));
  expect_failure(2, {"current", "transcribe"}, {"basecall", "x.npy", "--checkpoint", "runs/s"});
  const ProcessResult inspected = run({"inspect", "runs/s/last.ckpt"});
  EXPECT_EQ(inspected.status, 0) << inspected.output;
}

TEST_F(SequenceCli, TheEmulatorsHearUtterancesPaddedToTheirWidth) {
  write_sounds();
  write_checkpoint("runs/s/last.ckpt", "speech.json");
  const std::vector<std::string> evaluate = {"evaluate", "--checkpoint", "runs/s", "--backend"};
  auto heard = [&](std::vector<std::string> more) {
    std::vector<std::string> command = evaluate;
    command.insert(command.end(), more.begin(), more.end());
    command.insert(command.end(), {"--set", "ctc.beam=1", "--predictions", "h.csv", "--force"});
    const Json answer = json_of(command);
    EXPECT_EQ(answer.at("utterances").as_int(), 6);
    EXPECT_EQ(answer.at("backend").as_string(), more[0]);
    Lines texts;
    for (const std::string& line : split(read_file(file("h.csv")), '\n')) {
      const std::vector<std::string> fields = split(line, ',');
      if (fields.size() == 6 && fields[0] != "index") texts.push_back(fields[3]);
    }
    EXPECT_EQ(texts.size(), 6U);
    texts.resize(6);
    return texts;
  };
  const Lines torch = heard({"libtorch"}), exact = heard({"float64"}),
              wide = heard({"emulator", "--precision", "26,12"});
  for (size_t i = 0; i < 6; ++i) {
    // Hardware masks nothing: only what hears the padding behind an utterance is another answer,
    // and no answer to the padding itself is decoded.
    const size_t answers = (4000 + 531 * ((15 + i) % 7)) / 160 / 2 + 1;
    ASSERT_GT(torch[i].size(), 9U);
    EXPECT_LE(torch[i].size(), answers);
    EXPECT_LE(exact[i].size(), answers);
    EXPECT_EQ(exact[i].substr(0, 7), torch[i].substr(0, 7));
    EXPECT_EQ(wide[i].substr(0, 3), torch[i].substr(0, 3));
  }
  write_wav("sounds/15.wav", testing::noise_samples(20000, 1));
  expect_failure(2, {"100 columns", "the longest example has 126", "--backend libtorch"},
                 {"evaluate", "--checkpoint", "runs/s", "--backend", "float64"});
}

double distance(const std::string& a, const std::string& b) { return character_edits(a, b).rate(); }

TEST_F(SequenceCli, AudioOfAnyLengthIsTranscribedInParts) {
  write_checkpoint("runs/s/last.ckpt", "speech.json");
  // The same 0.4 s again and again: parts have the means and deviations of the whole.
  const std::vector<float> period = testing::noise_samples(6400, 3);
  std::vector<float> samples;
  for (int i = 0; i < 20; ++i) samples.insert(samples.end(), period.begin(), period.end());
  write_wav("long.wav", samples);
  auto transcript = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"transcribe", "long.wav", "--checkpoint", "runs/s"};
    command.insert(command.end(), more.begin(), more.end());
    const Json all = json_of(command);
    EXPECT_EQ(all.as_array().size(), 1U);
    return all.as_array().at(0);
  };
  const Json whole = transcript({});
  const std::string text = whole.at("text").as_string();
  EXPECT_GT(text.size(), 100U);
  EXPECT_NEAR(whole.at("seconds").as_number(), 8, 1e-9);
  const Json parts = transcript({"--window", "2", "--overlap", "0.8"});
  EXPECT_LT(distance(text, parts.at("text").as_string()), 0.1);
  EXPECT_LT(distance(text, transcript({"--window", "2", "--overlap", "0"}).at("text").as_string()),
            0.2);
  for (const Json& t : {whole, parts}) {
    double end = 0;
    std::string joined;
    for (const Json& word : t.at("words").as_array()) {
      EXPECT_GE(word.at("begin_s").as_number(), end);
      EXPECT_GT(word.at("end_s").as_number(), word.at("begin_s").as_number());
      end = word.at("end_s").as_number();
      joined += word.at("word").as_string();
    }
    EXPECT_LE(end, 8.03);
    EXPECT_GT(end, 7);
    std::string letters = t.at("text").as_string();
    letters.erase(std::remove(letters.begin(), letters.end(), ' '), letters.end());
    EXPECT_EQ(joined, letters);
  }
  // Whatever is left behind the last whole part is heard, be it five samples.
  samples.resize(2 * 16000 + 5);
  write_wav("long.wav", samples);
  EXPECT_NEAR(transcript({"--window", "1", "--overlap", "0"}).at("seconds").as_number(), 2, 1e-3);
  expect_failure(2, {"--window", "1 to 600"},
                 {"transcribe", "long.wav", "--checkpoint", "runs/s", "--window", "0.5"});
  expect_failure(2, {"--overlap", "half"},
                 {"transcribe", "long.wav", "--checkpoint", "runs/s", "--overlap", "16"});
}

TEST_F(SequenceCli, SoundsThatAreNoneAreNamedAndTheOthersHeard) {
  write_checkpoint("runs/s/last.ckpt", "speech.json");
  write_wav("a.wav", testing::noise_samples(9000, 1));
  write_wav("b.wav", testing::noise_samples(9000, 2), 8000);
  write_wav("short.wav", testing::noise_samples(20, 2));
  write_file(file("junk.wav"), "no sound");
  write_file(file("empty.wav"), "");
  const std::vector<std::string> command = {"transcribe",   "junk.wav",  "a.wav", "nowhere.wav",
                                            "empty.wav",    "short.wav", "b.wav", "runs",
                                            "--checkpoint", "runs/s"};
  const ProcessResult r = run(command);
  EXPECT_EQ(r.status, 4) << r.output;
  testing::expect_words(
      r.output, {"\na.wav: ", "\nb.wav: ", "junk.wav", "nowhere.wav: No such file", "empty.wav",
                 "short.wav", "runs: it is a folder; expected audio files", "5 of 7 files"});
  const Json all = json_of(command, 4);
  ASSERT_EQ(all.as_array().size(), 7U);
  for (const size_t bad : {0U, 2U, 3U, 4U, 6U}) {
    EXPECT_NE(all.as_array()[bad].find("error"), nullptr) << bad;
    EXPECT_EQ(all.as_array()[bad].find("text"), nullptr) << bad;
  }
  EXPECT_NEAR(all.as_array()[5].at("seconds").as_number(), 9.0 / 8, 1e-2);  // as 16 kHz
  const ProcessResult times = run({"transcribe", "a.wav", "--checkpoint", "runs/s", "--times"});
  EXPECT_EQ(times.status, 0) << times.output;
  testing::expect_words(times.output, {"a.wav\n"});
}

TEST_F(SequenceCli, EveryDesignOfARunIsExportedAndAgrees) {
  for (const char* surgery : {"none", "remove", "shorten"}) {
    const std::string run_folder = std::string("runs/") + surgery,
                      project = std::string("p-") + surgery;
    ProcessResult r = run({"train", "--config", "current.json", "--output", run_folder, "--set",
                           std::string("surgery.kind=") + surgery, "--set", "data.signal.chunk=66",
                           "--log", "warn"});
    ASSERT_EQ(r.status, 0) << r.output;
    r = run({"export", "--checkpoint", run_folder, "--output", project, "--vectors", "3",
             "--precision", "16,6"});
    ASSERT_EQ(r.status, 0) << r.output;
    r = run({"check", project, "--compiler", "c++ -O0"});
    EXPECT_EQ(r.status, 0) << r.output;
    EXPECT_EQ(r.output.find("FAIL"), std::string::npos) << r.output;
    EXPECT_EQ(run({"inspect", run_folder + "/last.ckpt"}).status, 0);
  }
}

}  // namespace
}  // namespace tailor::test
