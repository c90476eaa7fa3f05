// Runs the real binary on tiny networks that hear noises and read simulated current.
#pragma once

#include "cli/torch/train_cli.h"
#include "support/npy.h"
#include "support/sequences.h"
#include "support/sounds.h"
#include "tailor/design/lower.h"
#include "tailor/emulate/float64.h"
#include "tailor/task/word_errors.h"

namespace tailor::test {

struct SequenceCli : public TrainCli {
  SequenceCli() {
    write_file(file("current.json"), R"({
      "network": {"family": "quartznet", "width": 4, "quartznet": {
        "kind": "dna", "repeat": 2, "stem_kernel": 5, "context_kernel": 0, "last_filters": 1,
        "blocks": [{"kernel": 5}, {"kernel": 3, "filters": 2}]}},
      "data": {"name": "squiggle", "train_size": 40, "validation": 8, "test_size": 18,
               "signal": {"chunk": 120}},
      "ctc": {"beam": 5},
      "teacher": {"epochs": 1, "batch_size": 8, "optimizer": {"kind": "adamw", "lr": 0.01}},
      "surgery": {"kind": "remove", "alpha": 1},
      "train": {"epochs": 3, "batch_size": 8, "optimizer": {"kind": "adamw", "lr": 0.01}},
      "runtime": {"threads": 1, "device": "cpu"}
    })");
    write_file(file("speech.json"), R"({
      "network": {"family": "quartznet", "width": 4, "quartznet": {
        "kind": "speech", "repeat": 2, "stem_kernel": 5, "context_kernel": 5, "last_filters": 1,
        "blocks": [{"kernel": 5}, {"kernel": 3, "filters": 2}]}},
      "data": {"name": "manifest", "root": "sounds", "augment": ["speed"],
               "speech": {"train": ["train.json"], "validation": ["more.json"],
                          "test": ["test.json"]}},
      "ctc": {"beam": 4, "reduction": "batch"},
      "surgery": {"kind": "none"},
      "train": {"epochs": 2, "batch_size": 4, "optimizer": {"kind": "novograd", "lr": 0.01}},
      "runtime": {"threads": 1, "device": "cpu"}
    })");
  }

  void write_wav(const std::string& name, const std::vector<float>& samples, int rate_hz = 16000) {
    std::vector<int16_t> words;
    for (const float v : samples) words.push_back(static_cast<int16_t>(v * 20000));
    write_file(file(name), testing::wav_bytes(words, 1, rate_hz));
  }
  /// Noises of many lengths with texts, as train.json, more.json and test.json of ./sounds.
  void write_sounds() {
    const char* const texts[] = {"no", "a cat", "it's it", "oh", "so be it"};
    int64_t number = 0;
    for (const auto& [list, count] : {std::pair("train", 10), {"more", 5}, {"test", 6}}) {
      std::string lines;
      for (int i = 0; i < count; ++i, ++number) {
        const std::string name = fmt::format("{}.wav", number);
        write_wav("sounds/" + name, testing::noise_samples(4000 + 531 * (number % 7), number));
        lines += fmt::format("{{\"audio_filepath\": \"{}\", \"text\": \"{}\"}}\n", name,
                             texts[number % 5]);
      }
      write_file(file(fmt::format("sounds/{}.json", list)), lines);
    }
  }
  void write_read(const std::string& name, const std::vector<float>& samples) {
    write_file(file(name), testing::npy_bytes("<f4", fmt::format("({},)", samples.size()),
                                              testing::packed_bytes<float>(samples)));
  }

  /// Weights of the head such that each output's mean over these answers is 0 and its deviation 4:
  /// the likeliest one changes from answer to answer.
  static void spread_answers(TensorMap& tensors, const std::vector<double>& answers) {
    const Span<float> weight = tensors.at("head.conv.weight").as<float>(),
                      bias = tensors.at("head.conv.bias").as<float>();
    const size_t outputs = bias.size(), inputs = weight.size() / outputs;
    const double count = static_cast<double>(answers.size() / outputs);
    for (size_t o = 0; o < outputs; ++o) {
      double sum = 0, squares = 0;
      for (size_t i = o; i < answers.size(); i += outputs)
        sum += answers[i], squares += answers[i] * answers[i];
      const double mean = sum / count, scale = 4 / std::sqrt(squares / count - mean * mean);
      for (size_t i = o * inputs; i < (o + 1) * inputs; ++i)
        weight[i] = static_cast<float>(weight[i] * scale);
      bias[o] = static_cast<float>((bias[o] - mean) * scale);
    }
  }

  /// A finished run's checkpoint of a network with random weights, which calls much at random.
  void write_checkpoint(const std::string& path, const std::string& config_file) {
    const RunConfig config = load_run_config(file(config_file), {}).config;
    const bool speech = config_file == "speech.json";
    Checkpoint c;
    c.network = speech ? make_network(config.network, {64, 1, 100}, 29)
                       : make_network(config.network, {1, 1, config.data.signal.chunk}, 5);
    c.position.finished = true;
    c.config = write_run_config(config);
    c.run = "random";
    c.metrics = Json::object();
    c.class_names = (speech ? english_alphabet() : base_alphabet()).symbols;
    c.tensors = testing::random_tensors(c.network, 3);
    const MapShape& in = c.network.input;
    const std::vector<float> noise = testing::noise_samples(in.size(), 9, 1);
    const std::vector<double> x(noise.begin(), noise.end());
    auto answer = [&] { return Float64Emulator(lower(c.network, c.tensors, "test")).run(x); };
    spread_answers(c.tensors, answer());
    const std::vector<double> y = answer();
    const auto answers = static_cast<int64_t>(c.class_names.size());
    c.witness = CheckpointWitness{
        "noise", Tensor(DType::F32, {1, in.height, in.width, in.channels}),
        Tensor(DType::F32, {1, static_cast<int64_t>(y.size()) / answers, answers})};
    std::copy(x.begin(), x.end(), c.witness->inputs.as<float>().data());
    std::copy(y.begin(), y.end(), c.witness->outputs.as<float>().data());
    save_checkpoint(file(path), c);
  }
  Json json_of(std::vector<std::string> command, int status = 0) {
    command.insert(command.end(), {"--json", "--log", "off"});
    const ProcessResult r = run(command);
    EXPECT_EQ(r.status, status) << r.output;
    const size_t begin = std::min(r.output.find("{\n"), r.output.find("[\n"));
    if (begin == std::string::npos) return Json::object();
    return Json::parse(r.output.substr(begin), "answer");
  }
};

}  // namespace tailor::test
