// The program as a user meets it: its words, its exit codes, its pages and completions, and that
// nothing is lost when something is wrong.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

TEST_F(Cli, HelpOfEveryCommandIsTheDocumentedOne) {
  std::string page =
      "<!-- Generated from `tailor --help`; a test diffs it (TAILOR_UPDATE_GOLDENS=1 rewrites it). "
      "Do not edit. -->\n# Commands\n\nEvery flag of every command, as the program prints it.\n";
  ProcessResult top = run({"--help"});
  EXPECT_EQ(top.status, 0);
  page += "\n```text\n" + top.output + "```\n";
  const std::string key = "Subcommands:\n";
  ASSERT_NE(top.output.find(key), std::string::npos);
  for (const std::string& line :
       split(top.output.substr(top.output.find(key) + key.size()), '\n')) {
    if (line.compare(0, 2, "  ") != 0) break;
    const std::string command = split(trim(line), ' ')[0];
    ProcessResult r = run({command, "--help"});
    EXPECT_EQ(r.status, 0) << command;
    page += fmt::format("\n## tailor {}\n\n```text\n{}```\n", command, r.output);
  }
  testing::expect_golden("../docs/commands.md", page);
}

TEST_F(Cli, SchemaAndReferenceAreTheCommittedOnes) {
  testing::expect_golden("../docs/config.schema.json", run({"config", "schema"}).output);
  testing::expect_golden("../docs/configuration.md", run({"config", "reference"}).output);
}

TEST_F(Cli, WrongWordsExitWith2AndAHint) {
  expect_failure(2, {"--clock-ns: expected a number, got 'abc'\n"},
                 {"export", "--clock-ns", "abc"});
  expect_failure(2, {"tailor: usage:", "did you mean 'export'?", "see tailor --help"}, {"exprt"});
  expect_failure(2, {"--precison", "did you mean '--precision'?", "see tailor export --help"},
                 {"export", "--precison", "16,6"});
  expect_failure(2, {"--precision: expected W,I with 2 <= W <= 32", "got '16'"},
                 {"export", "--network", "resnet8", "--untrained", "--precision", "16"});
  expect_failure(2, {"--rounding: expected one of trn,", "got 'round'"},
                 {"export", "--network", "resnet8", "--untrained", "--rounding", "round"});
  expect_failure(2, {"--overflow: expected one of sat,", "did you mean 'wrap'?"},
                 {"export", "--network", "resnet8", "--untrained", "--overflow", "warp"});
  expect_failure(2, {"--layout: expected one of fused, stock; got 'flat'"},
                 {"export", "--network", "resnet8", "--untrained", "--layout", "flat"});
  expect_failure(
      2, {"--skips window: of --layout stock; expected cloned"},
      {"export", "--network", "resnet8", "--untrained", "--layout", "stock", "--skips", "window"});
  expect_failure(2, {"--backend: expected one of vitis, vivado; got 'quartus'"},
                 {"export", "--network", "resnet8", "--untrained", "--backend", "quartus"});
  expect_failure(2, {"--fpga: expected u200, got 'u250'"},
                 {"export", "--network", "resnet8", "--untrained", "--fpga", "u250"});
  expect_failure(2, {"--clock-ns: expected 0.5 to 1000"},
                 {"export", "--network", "resnet8", "--untrained", "--clock-ns", "0"});
  expect_failure(2, {"--reuse-factor: expected at least 1, got 0"},
                 {"export", "--network", "resnet8", "--untrained", "--reuse-factor", "0"});
  expect_failure(2, {"--reuse-factor: expected an integer or the path of a file", "got 'fast'"},
                 {"export", "--network", "resnet8", "--untrained", "--reuse-factor", "fast"});
  expect_failure(2, {"--card-share: expected 0.01 to 1, got 70"},
                 {"export", "--network", "resnet8", "--untrained", "--card-share", "70"});
  expect_failure(5, {"--dsp-packing: no stage of resnet8", "weights of 16 bits, at most 8 fit"},
                 {"export", "--network", "resnet8", "--untrained", "--dsp-packing"});
  expect_failure(2, {"--vectors: expected 1 to 10000, got 0"},
                 {"export", "--network", "resnet8", "--untrained", "--vectors", "0"});
  expect_failure(2, {"--network: unknown network 'resnet21'", "did you mean 'resnet20'?"},
                 {"export", "--network", "resnet21", "--untrained"});
  expect_failure(2, {"--network resnet8: it has no trained weights; add --untrained"},
                 {"export", "--network", "resnet8"});
  expect_failure(2, {"--untrained: expected --network NAME"}, {"export", "--untrained"});
  expect_failure(2, {"--checkpoint and --graph: each names a network; give one of them"},
                 {"export", "--checkpoint", "a", "--graph", "b"});
  // One multiplier a product: 77,360 DSPs of 6,840.
  expect_failure(
      5, {"resnet8 cannot be built so", "77360 DSP slices, the u200 has 6840", "--allow-oversize"},
      {"export", "--network", "resnet8", "--untrained", "--reuse-factor", "1"});
  const ProcessResult look =
      run({"inspect", "--network", "resnet8", "--reuse-factor", "1", "--precision", "8,3"});
  EXPECT_EQ(look.status, 0) << look.output;
  testing::expect_words(look.output,
                        {"cannot be built: the multipliers do not fit: below 10 bits"});
  for (const char* command : {"export", "evaluate"})
    expect_failure(2, {"there is no finished run in ./runs", "give --checkpoint F"}, {command});
  expect_failure(2, {"there is no finished run in ./runs"}, {"evaluate", "--backend", "emulator"});
  expect_failure(2, {"--limit: expected an integer of at least 1, got '-1'"},
                 {"evaluate", "--backend", "emulator", "--limit", "-1"});
  expect_failure(2, {"--vectors: expected an integer of at least 1, got 'many'"},
                 {"check", "p", "--vectors", "many"});
  expect_failure(2, {"--log or TAILOR_LOG: expected LEVEL or LEVEL,room=LEVEL"},
                 {"config", "list", "--log", "loud"});
  expect_failure(2,
                 {"--config: no file 'resnet20_remov' and no configuration of that name",
                  "did you mean 'resnet20_remove'?"},
                 {"config", "show", "--config", "resnet20_remov"});
  expect_failure(2, {"--set: expected key=value"},
                 {"config", "show", "--config", "quickstart", "--set", "epochs"});
  expect_failure(2, {"expected a file, or --network NAME"}, {"inspect"});
  expect_failure(2, {"--vectors"}, {"check", "x", "--vectors", "-1"});
  expect_failure(2, {"need --backend emulator"}, {"evaluate", "--precision", "8,3"});
  expect_failure(2, {"need --backend emulator", "float64 rounds nothing"},
                 {"evaluate", "--backend", "float64", "--precision", "3,1"});
  expect_failure(2, {"inspect has no flag --clock-ns; tailor export takes it\n"},
                 {"inspect", "--clock-ns", "3"});
  expect_failure(2, {"--dsp-packing: expected no value, got 'maybe'"},
                 {"export", "--network", "resnet8", "--untrained", "--dsp-packing=maybe"});
  expect_failure(2, {"--output is required"}, {"calibrate", "--bits", "4"});
  expect_failure(2, {"--output r.onnx: it is named as --format onnx is", "expected --format onnx"},
                 {"export", "--network", "resnet8", "--untrained", "--output", "r.onnx"});
  write_file(file("comment.json"), "{\n  // as in the paper\n  \"train\": {\"epochs\": 3}\n}\n");
  expect_failure(3,
                 {"comment.json: not valid JSON at line 2, column 3", "JSON has no comments",
                  "take a \"comment\""},
                 {"config", "show", "--config", "comment.json"});
  expect_failure(4, {"none.json", "No such file"},
                 {"export", "--network", "resnet8", "--untrained", "--fpga", "none.json"});
}

TEST_F(Cli, AnEmptyValueIsNotTakenForNone) {
  write_checkpoint("runs/tiny/last.ckpt");
  write_file(file("runs/tiny/summary.json"), "{}");
  for (const char* flag : {"--checkpoint", "--output", "--precision", "--config", "--network"}) {
    expect_failure(2, {std::string(flag) + ": expected ", "got an empty text (an unset variable?)"},
                   {"export", flag, ""});
  }
  expect_failure(2, {"project: expected DIR, got an empty text"}, {"check", ""});
  EXPECT_FALSE(path_exists(file("projects")));
}

TEST_F(Cli, AFlagThatAFormatHasNoUseForIsRefused) {
  write_checkpoint("tiny.ckpt");
  auto refused = [&](const char* format, const char* with, std::vector<std::string> flag) {
    const std::string name = flag[0];
    flag.insert(flag.begin(),
                {"export", "--checkpoint", "tiny.ckpt", "--output", "x", "--format", format});
    expect_failure(
        2, {fmt::format("{}: it goes with --format {}, not with {}", name, with, format)}, flag);
  };
  for (const char* flag : {"--precision", "--rounding", "--layout", "--data", "--set"})
    refused("safetensors", "hls or onnx", {flag, "x"});
  for (const char* format : {"safetensors", "onnx"}) {
    refused(format, "hls", {"--dsp-packing"});
    refused(format, "hls", {"--card-share", "0.5"});
    refused(format, "hls", {"--vectors", "2"});
  }
  refused("hls", "safetensors", {"--zero-biases"});
  refused("onnx", "safetensors", {"--rules", "torchvision"});
}

TEST_F(Cli, NoCommandAndAnUnknownOneListAllCommands) {
  const std::vector<std::string> commands = {"\n  train   ", "\n  evaluate   ", "\n  import   ",
                                             "\n  completion   ", "\n  help   "};
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {}, {"frobnicate"}, {"exprt"}, {"--frobnicate"}, {"help", "frobnicate"}}) {
    ProcessResult r = run(words);
    EXPECT_EQ(r.status, 2) << r.output;
    for (const std::string& command : commands)
      EXPECT_NE(r.output.find(command), std::string::npos) << command << " in: " << r.output;
    EXPECT_EQ(r.output.find("\n  man   "), std::string::npos);
  }
  testing::expect_words(run({"exprt"}).output, {"there is no command exprt", "mean 'export'?"});
  testing::expect_words(run({"help", "chekc"}).output, {"mean 'check'?"});
  EXPECT_EQ(run({"help"}).output, run({"--help"}).output);
  EXPECT_EQ(run({"help"}).status, 0);
  EXPECT_EQ(run({"help", "export"}).output, run({"export", "--help"}).output);
  EXPECT_EQ(run({"help", "export"}).status, 0);
}

TEST_F(Cli, AKeyOfTheConfigurationGivenAsAFlagPointsToSet) {
  expect_failure(2, {"train has no flag --epochs", "--set train.epochs=3 (or teacher.epochs)"},
                 {"train", "--config", "quickstart", "--epochs", "3"});
  expect_failure(2, {"--set train.batch_size=64"}, {"train", "--batch-size=64"});
  expect_failure(2, {"--set surgery.alpha=VALUE"}, {"train", "--alpha"});
  expect_failure(2, {"--set network.family=VALUE"}, {"train", "--network.family"});
  expect_failure(2, {"--set data.test_size=9"}, {"evaluate", "--test-size", "9"});
  // Only what the command's own --set takes.
  for (const char* command : {"evaluate", "check"}) {
    ProcessResult r = run({command, "--epochs", "3"});
    EXPECT_EQ(r.status, 2);
    EXPECT_EQ(r.output.find("--set"), std::string::npos) << r.output;
  }
}

TEST_F(Cli, AFlagForWhatIsGivenWithoutOneIsAnsweredWithItsPlace) {
  expect_failure(2,
                 {"import has no flag --weights; its file is given without a flag: tailor import "
                  "theirs.pth\n"},
                 {"import", "--network", "resnet20", "--weights", "theirs.pth"});
  expect_failure(2, {"its project is given without a flag: tailor check p\n"},
                 {"check", "--project=p", "--json"});
  expect_failure(2, {"its action is given without a flag: tailor data check\n"},
                 {"data", "--action", "check"});
  // Not where it is given, where the value is no path and the key is one, or where a flag is meant.
  expect_failure(2, {"--set train.epochs=3"}, {"import", "--epochs", "3", "theirs.pth"});
  expect_failure(2, {"--set train.epochs=3"}, {"import", "--epochs", "3"});
  expect_failure(2, {"(did you mean '--compiler'?)"}, {"check", "--compilr", "g++"});
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"check", "p", "--folder", "q"}, {"data", "--action", "chekc"}}) {
    const ProcessResult r = run(words);
    EXPECT_EQ(r.status, 2);
    EXPECT_EQ(r.output.find("without a flag"), std::string::npos) << r.output;
  }
}

TEST_F(Cli, AnUnknownNameIsAnsweredWithTheNearestAndWhereAllAre) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"config", "show", "--config", "nosuch"}, {"inspect", "--network", "nosuch"}}) {
    ProcessResult r = run(words);
    EXPECT_EQ(r.status, 2);
    EXPECT_LT(r.output.size(), 250u) << r.output;
    const std::string listing =
        r.output.find("config list") != std::string::npos ? "list" : "networks";
    testing::expect_words(r.output, {"the nearest of ", "(tailor config " + listing + " prints"});
    EXPECT_GT(split(run({"config", listing}).output, '\n').size(), 15u);
  }
  testing::expect_words(run({"config", "rules"}).output, {"cifar_pad\n", "torchvision\n"});
}

TEST_F(Cli, BadConfigurationsExitWith3) {
  expect_failure(3,
                 {"config: /train/epoch: unknown key (did you mean 'epochs'?) in "
                  "embedded:quickstart.json with --set"},
                 {"config", "show", "--config", "quickstart", "--set", "train.epoch=3"});
  write_file(file("bad.json"), "{\"train\": {\"epochs\": }}");
  expect_failure(3, {"config: bad.json: not valid JSON"},
                 {"config", "show", "--config", "bad.json"});
}

TEST_F(Cli, MissingAndDamagedFilesExitWith4) {
  expect_failure(4, {"cannot read checkpoint no.ckpt: No such file or directory"},
                 {"export", "--checkpoint", "no.ckpt"});
  expect_failure(4, {"cannot read graph file no.graph"}, {"export", "--graph", "no.graph"});
  expect_failure(4, {"no manifest.json: not a project that tailor export wrote"}, {"check", "."});
  write_file(file("x.ckpt"), "not a checkpoint");
  expect_failure(4, {"checkpoint x.ckpt", "damaged or not a safetensors file"},
                 {"export", "--checkpoint", "x.ckpt"});
  write_checkpoint("whole.ckpt");
  write_file(file("cut.ckpt"), read_file(file("whole.ckpt")).substr(0, 5000));
  expect_failure(4, {"cut.ckpt: its header claims", "the file is damaged"},
                 {"inspect", "cut.ckpt"});
  write_checkpoint("nowitness.ckpt", /*witness=*/false);
  expect_failure(4, {"it has no witness"}, {"export", "--checkpoint", "nowitness.ckpt"});
  create_directories(file("empty"));
  expect_failure(4, {"the folder has no best.ckpt, last.ckpt or model.ckpt"},
                 {"export", "--checkpoint", "empty"});
  expect_failure(4, {"inspect empty: the folder has no best.ckpt"}, {"inspect", "empty"});
  expect_failure(4, {"x.ckpt: expected the folder of a project, got a file"}, {"check", "x.ckpt"});
}

TEST_F(Cli, AFullDiskIsAnErrorAndLeavesNothingHalfWritten) {
  write_checkpoint("x.ckpt");
  const std::string disk = file("disk");
  create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=100k") != 0)
    GTEST_SKIP() << "mounting a tmpfs needs root";
  write_file(disk + "/mine", "kept");
  ProcessResult r =
      run({"export", "--checkpoint", "x.ckpt", "--output", "disk/p", "--vectors", "1"});
  EXPECT_EQ(r.status, 4) << r.output;
  testing::expect_words(
      r.output, {"No space left on device", "free some space and try again; nothing was changed"});
  EXPECT_EQ(list_directory(disk), std::vector<std::string>{"mine"});
  ::umount(disk.c_str());
}

TEST_F(Cli, AnAnswerThatCannotBeWrittenIsAnErrorOfEveryCommand) {
  write_checkpoint("tiny.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--vectors", "1", "--output", "p"}).status,
            0);
  const std::string tailor = shell_quote(TAILOR_BINARY);
  auto shell = [&](const std::string& command) {
    return run_process({"bash", "-c", command}, folder.path(),
                       {{"TAILOR_LOG", "info"}, {"CXX", "c++ -O0"}});
  };
  for (const std::string command :
       {"--help", "--version", "train --help", "version", "version --json", "env", "config list",
        "config show --config resnet20_remove", "config schema", "config reference",
        "completion bash", "inspect tiny.ckpt", "inspect tiny.ckpt --json",
        "export --checkpoint tiny.ckpt --vectors 1 --output q --force", "check p",
        "export --checkpoint tiny.ckpt --format safetensors --output w --force",
        "evaluate --checkpoint tiny.ckpt --backend float64 --limit 1",
        "data check --name synthetic --set data.train_size=50 --set data.test_size=20"}) {
    ProcessResult r = shell(fmt::format("{} {} > /dev/full", tailor, command));
    EXPECT_EQ(r.status, 4) << command << ": " << r.output;
    testing::expect_words(r.output, {"tailor: data: cannot write to standard output"});
    EXPECT_EQ(r.output.find("internal"), std::string::npos) << r.output;
  }
  // A closed descriptor is not the next file's: nothing is printed into what the command writes.
  ProcessResult r = shell(tailor +
                          " export --checkpoint tiny.ckpt --format safetensors --output c "
                          "1>&- 2>errors; echo $?; cat errors");
  testing::expect_words(r.output, {"4\n", "cannot write to standard output: Bad file descriptor"});
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--format", "safetensors", "--output", "d"})
                .status,
            0);
  EXPECT_EQ(read_file(file("c")), read_file(file("d")));
  // Nor does a message that nobody can read end it otherwise.
  EXPECT_EQ(shell(tailor + " frobnicate 2>/dev/full").status, 2);
  EXPECT_EQ(shell(tailor + " check nowhere 2>&-").status, 4);
}

TEST_F(Cli, AKeyThatACommandDoesNotReadIsSaid) {
  write_checkpoint("tiny.ckpt");
  ProcessResult r = run({"evaluate", "--checkpoint", "tiny.ckpt", "--backend", "float64", "--limit",
                         "1", "--set", "data.mean=[0.1,0.1,0.1]", "--set", "data.deviation=[1,1,1]",
                         "--set", "data.cutout.side=3", "--set", "data.seed=2"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output,
                        {"--set data.mean has no effect on tailor evaluate: the network's own "
                         "preprocessing is applied",
                         "--set data.deviation has no effect",
                         "--set data.cutout.side has no "
                         "effect on tailor evaluate: evaluation augments nothing"});
  EXPECT_EQ(r.output.find("data.seed has no"), std::string::npos);
  r = run({"data", "check", "--name", "synthetic", "--set", "data.train_size=60", "--set",
           "data.test_size=20", "--set", "train.epochs=2", "--set", "data.validation=5"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"--set train.epochs has no effect on tailor data: it reads keys "
                                   "of data.* only",
                                   "--set data.validation has no effect on tailor data"});
  EXPECT_EQ(r.output.find("data.train_size has no"), std::string::npos);
  r = run({"config", "show", "--config", "resnet20_remove", "--set", "network.stride_on=1x1"});
  testing::expect_words(r.output, {"warning config: network.stride_on has no effect: only the"});
}

TEST_F(Cli, VersionAndEnv) {
  EXPECT_NE(run({"version"}).output.find(std::string("tailor ") + version()), std::string::npos);
  EXPECT_EQ(run({"--version"}).output, std::string("tailor ") + version() + "\n");
  ProcessResult env = run({"env", "--json"});
  ASSERT_EQ(env.status, 0) << env.output;
  EXPECT_GE(Json::parse(env.output.substr(env.output.find("{\n")), "env").at("threads").as_int(),
            1);
}

TEST_F(Cli, BashCompletesFlagsNamesKeysAndValues) {
  write_file(file("tailor.bash"), run({"completion", "bash"}).output);
  write_file(file("my net.json"), "{}");
  create_directories(file("folder"));
  EXPECT_EQ(run_process({"bash", "-n", "tailor.bash"}, folder.path()).output, "");
  auto completed = [&](const std::string& words) {
    ProcessResult r = run_process({"bash", "-c",
                                   "source ./tailor.bash; COMP_WORDS=(" + words +
                                       "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tailor; IFS=,; "
                                       "echo -n \"${COMPREPLY[*]}\""},
                                  folder.path());
    return r.output;
  };
  EXPECT_EQ(completed("tailor ex"), "export");
  EXPECT_EQ(completed("tailor export --lay"), "--layout");
  EXPECT_EQ(completed("tailor export --layout ''"), "fused,stock");
  EXPECT_EQ(completed("tailor export --layout = s"), "stock");
  EXPECT_EQ(completed("tailor export --format ''"), "hls,safetensors,onnx");
  EXPECT_EQ(completed("tailor export --backend v"), "vitis,vivado");
  EXPECT_EQ(completed("tailor evaluate --backend ''"), "libtorch,emulator,float64");
  EXPECT_EQ(completed("tailor import --rules cifar_p"), "cifar_pad,cifar_projection");
  EXPECT_EQ(completed("tailor train --set train.ep"), "train.epochs=");
  EXPECT_EQ(completed("tailor train --set network.family = residual"), "residual_block");
  EXPECT_EQ(completed("tailor evaluate --set train"), "");  // takes data.* only
  EXPECT_EQ(completed("tailor data check --name s"), "svhn,synthetic,squiggle");
  EXPECT_EQ(completed("tailor completion ''"), "bash,zsh,fish");
  EXPECT_EQ(completed("tailor help insp"), "inspect");
  EXPECT_EQ(completed("tailor check fol"), "folder");
  EXPECT_EQ(completed("tailor inspect --network my"), "my net.json");
  for (const std::string& name : split(std::string(trim(run({"config", "networks"}).output)), '\n'))
    EXPECT_NE(("," + completed("tailor inspect --network ''") + ",").find("," + name + ","),
              std::string::npos)
        << name;
}

TEST_F(Cli, ZshAndFishScriptsAreWellFormedAndKnowEveryFlag) {
  const std::string zsh = run({"completion", "zsh"}).output,
                    fish = run({"completion", "fish"}).output;
  write_file(file("_tailor"), zsh);
  write_file(file("tailor.fish"), fish);
  for (const std::string& command :
       split("train,evaluate,export,check,inspect,import,config,data", ',')) {
    for (const std::string& line : split(run({command, "--help"}).output, '\n')) {
      const std::string flag(trim(line.substr(0, line.find(' ', 2))));
      if (flag.compare(0, 2, "--") != 0) continue;
      EXPECT_NE(zsh.find(flag), std::string::npos) << command << " " << flag;
      EXPECT_NE(fish.find("'__tailor_command " + command + "' -l " + flag.substr(2) + " "),
                std::string::npos)
          << command << " " << flag;
    }
  }
  // Without the shells at least: quotes close on every line of fish, and in the whole of zsh.
  for (const std::string& line : split(fish, '\n')) {
    size_t quotes = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\'' && (i == 0 || line[i - 1] != '\\')) ++quotes;
    }
    EXPECT_EQ(quotes % 2, 0u) << line;
  }
  if (is_installed("zsh")) {
    EXPECT_EQ(run_process({"zsh", "-n", "_tailor"}, folder.path()).output, "");
    // zsh's own functions in the places of its completion system's: what they are called with.
    auto called = [&](const std::string& words) {
      return run_process(
                 {"zsh", "-f", "-c",
                  "compdef() { }; _alternative() { print -rl -- $@ }; compset() { PREFIX=${PREFIX#"
                  "$~2} }; compadd() { shift; print -r -- $@ }; source ./_tailor; " +
                      words},
                 folder.path())
          .output;
    };
    EXPECT_EQ(called("_tailor_names_or_files a b"), "names:name:(a b)\nfiles:file:_files\n");
    EXPECT_EQ(called("PREFIX=network.join=b; _tailor_set_train"),
              "before_activation after_activation\n");
    testing::expect_words(called("_arguments() { print -rl -- $@ }; words=(tailor inspect ''); "
                                 "CURRENT=3; _tailor"),
                          {"NAME: _tailor_names_or_files resnet8 resnet20 ", "\n::file:_files\n"});
  }
  if (is_installed("fish")) {
    EXPECT_EQ(run_process({"fish", "-n", "tailor.fish"}, folder.path()).output, "");
    const std::string completed =
        run_process({"fish", "--no-config", "-c",
                     "source tailor.fish; complete -C 'tailor ex'; complete -C 'tailor export "
                     "--layout '; complete -C 'tailor train --set network.join=b'"},
                    folder.path())
            .output;
    testing::expect_words(completed,
                          {"export\t", "fused\t", "stock\t", "network.join=before_activation\t"});
  }
}

TEST_F(Cli, TheManualPageRendersAndSaysWhatHelpSays) {
  const std::string page = run({"man"}).output;
  EXPECT_EQ(page.compare(0, 3, ".\\\""), 0);
  write_file(file("tailor.1"), page);
  if (!is_installed("groff")) GTEST_SKIP() << "groff is not there";
  for (const char* device : {"-Tascii", "-Tutf8", "-Tps"})
    EXPECT_EQ(run_process({"groff", "-man", device, "-ww", "-z", "tailor.1"}, folder.path()).output,
              "");
  ProcessResult r =
      run_process({"groff", "-man", "-Tascii", "-P-cbou", "-rLL=100n", "tailor.1"}, folder.path());
  EXPECT_EQ(r.status, 0);
  testing::expect_words(
      r.output,
      {"NAME", "COMMANDS", "tailor export [flags]", "--reuse-factor N", "tailor check [flags] DIR",
       "CONFIGURATION", "train.optimizer.lr", "EXIT STATUS", "143    SIGTERM", "TAILOR_DATA"});
  for (const char* command : {"train", "export", "inspect", "import"}) {
    for (const std::string& line : split(run({command, "--help"}).output, '\n')) {
      const std::string flag(trim(line.substr(0, line.find(' ', 2))));
      if (flag.compare(0, 2, "--") != 0) continue;
      EXPECT_NE(r.output.find("       " + flag), std::string::npos) << flag;
    }
  }
}

}  // namespace
}  // namespace tailor::test
