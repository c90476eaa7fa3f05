// Flags of every command, in CLI11, which app.cc and the files of flags alone include.
#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"
#include "tailor/net/network.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/run_config.h"
#include "tailor/target/target.h"

namespace tailor::cli {

/// CLI11's own range check prints 300 digits.
static CLI::Validator at_least_one() {
  return CLI::Validator(
      [](std::string& text) {
        auto n = parse_int(text);
        return n && *n >= 1 ? std::string()
                            : fmt::format("expected an integer of at least 1, got '{}'", text);
      },
      "");
}

CLI::Validator numbers_from(double least, double most) {
  return CLI::Validator(
      [=](std::string& text) {
        const auto value = parse_number(text);
        return value && *value >= least && *value <= most
                   ? std::string()
                   : fmt::format("expected a number from {} to {}, got '{}'", least, most, text);
      },
      fmt::format("FLOAT in [{} - {}]", least, most));
}

void add_json(CLI::App& app, CommonOptions& o) {
  app.add_flag("--json", o.json, "Print the answer as JSON");
}

static constexpr const char* kSetKey =
    "Override one key of the configuration: --set train.epochs=3 (repeatable)";

static void add_set(CLI::App& app, std::vector<std::string>& set,
                    const char* meaning =
                        "Override one key of the configuration: --set train.epochs=3; or those "
                        "of a file: --set plan.json (repeatable)") {
  // One value an occurrence, so that a positional argument can follow.
  app.add_option("--set", set, meaning)
      ->type_name("KEY=VALUE")
      ->take_all()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

static void add_precision(CLI::App& app, HardwareOptions& h) {
  app.add_option("--precision", h.precision,
                 "W,I of weights and activations: W bits, I before the point (default: those of "
                 "training, else 16,6); or a file of types (tailor calibrate)")
      ->type_name("W,I|FILE");
  app.add_option("--rounding", h.rounding,
                 "rnd (default), trn, trn_zero, rnd_zero, rnd_inf, rnd_min_inf, rnd_conv")
      ->type_name("MODE");
  app.add_option("--overflow", h.overflow, "sat (default), sat_zero, sat_sym, wrap, wrap_sm")
      ->type_name("MODE");
  app.add_option(
         "--layout", h.layout,
         "fused (default): pad, convolution, skip and ReLU in one stage; stock: hls4ml's stages")
      ->type_name("LAYOUT");
  app.add_option("--skips", h.skips,
                 "Of --layout fused. cloned: copies in FIFOs; window: added or handed on from the "
                 "window of a convolution; folded (default): and in its kernel where linear")
      ->type_name("FORM");
}

static void add_card(CLI::App& app, HardwareOptions& h) {
  app.add_option("--fpga", h.fpga, "Card: u200 (default), or the path of a device file")
      ->type_name("CARD");
  app.add_option("--reuse-factor", h.reuse_factor,
                 "Multiplications per multiplier for every layer, nearest valid (default: balanced "
                 "per layer); or a file with one for some layers")
      ->type_name("N|FILE");
  app.add_option("--card-share", h.card_share,
                 "Share of the card's DSPs, and of its LUTs, for balanced layers (default 0.7)")
      ->type_name("SHARE");
  app.add_flag("--dsp-packing", h.dsp_packing,
               "Two products of up to 8 bits share a DSP, and where DSPs run out some are built of "
               "LUTs (default: below 10 bits all are)");
  app.add_option("--backend", h.backend, "vitis (default) or vivado")->type_name("TOOL");
}

void add_checkpoint(CLI::App& app, std::string& checkpoint) {
  app.add_option("--checkpoint", checkpoint,
                 "Checkpoint or run folder (default: the newest finished run in ./runs)")
      ->type_name("F");
}

void setup_train(CLI::App& app, TrainOptions& o) {
  app.add_option("--config", o.config,
                 "Configuration: a file, or the name of an embedded one (tailor config list)")
      ->type_name("NAME|FILE");
  add_set(app, o.set);
  app.add_option("--output", o.output, "Run folder (default runs/NAME)")->type_name("DIR");
  app.add_option("--resume", o.resume, "Continue an interrupted run, bit for bit")
      ->type_name("RUN");
  app.add_flag("--auto-resume", o.auto_resume,
               "Begin the run, go on with it, or say that it is finished: for batch scripts, which "
               "repeat one command");
  app.add_flag("--force", o.force, "Replace the run in the folder; not one that is being trained");
  app.add_option(
         "--workers", o.workers,
         "Processes on this machine that train together, each on its share of every batch: "
         "on a GPU each where there are GPUs (runtime.device), else on the CPU. torchrun's, "
         "SLURM's and Open MPI's are known by their variables")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--gpus", o.gpus, "The same, and an error where there are not so many GPUs")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  add_json(app, o);
}

void setup_sweep(CLI::App& app, SweepOptions& o) {
  app.add_option("configurations", o.path,
                 "A matrix of configurations: a file, or the name of an embedded one "
                 "(cifar_matrix); or a folder of configurations and matrices (*.json)")
      ->required()
      ->type_name("FILE|DIR");
  app.add_option("--output", o.output,
                 "Folder of the run folders, and of what each run prints (NAME.log) (default runs)")
      ->type_name("DIR");
  add_set(app, o.set, "Override one key of every configuration (repeatable)");
  app.add_option("--only", o.only, "Those whose name fits a pattern of the shell: 'resnet20_*'")
      ->type_name("PATTERN");
  app.add_option("--jobs", o.jobs,
                 "Runs at a time, each with its part of the threads unless its configuration says "
                 "runtime.threads (default: one a thread; where there is a GPU, one)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  app.add_option("--task", o.task,
                 "Only the I-th of N parts of the list (default: a SLURM array's task has its own)")
      ->type_name("I/N");
  app.add_flag("--list", o.list,
               "Print the names, and whether each run is waiting, training, interrupted or "
               "finished; train nothing");
  app.add_flag("--fail-fast", o.fail_fast,
               "Begin no other run once one has failed (default: go on, and fail at the end)");
  add_json(app, o);
}

void setup_evaluate(CLI::App& app, EvaluateOptions& o) {
  add_checkpoint(app, o.checkpoint);
  app.add_option(
         "--graph", o.graph,
         "Graph file instead (with --backend emulator or float64); a project's is computed as the "
         "project computes it, unless --precision says otherwise")
      ->type_name("F");
  app.add_option("--data", o.data, "Folder of the data set (default: as in the run)")
      ->type_name("DIR");
  add_set(app, o.set, "Evaluate on other data: --set data.name=folder (data.* only; repeatable)");
  app.add_option("--backend", o.engine, "libtorch (default), emulator (fixed point) or float64")
      ->check(CLI::IsMember({"libtorch", "emulator", "float64"}));
  app.add_option("--images", o.images,
                 "What the network says about single pictures instead: JPEG, PNG or .npy")
      ->type_name("FILE")
      ->expected(1, -1);
  app.add_option("--split", o.split, "test (default) or validation")
      ->check(CLI::IsMember({"test", "validation"}));
  app.add_option("--limit", o.limit, "Only the first N examples")
      ->check(at_least_one())
      ->type_name("N");
  app.add_flag("--per-class", o.per_class, "Accuracy of every class, not only of the worst");
  app.add_option("--confusion", o.confusion,
                 "Write which class was taken for which: a table (.csv) or a picture (.svg)")
      ->type_name("FILE");
  app.add_option("--predictions", o.predictions,
                 "Write a line an image: label, prediction and the five likeliest (.csv)")
      ->type_name("FILE");
  app.add_flag("--force", o.force, "Replace these files if they exist");
  add_precision(app, o.hardware);
  add_json(app, o);
}

void setup_sensitivity(CLI::App& app, SensitivityOptions& o) {
  add_checkpoint(app, o.checkpoint);
  app.add_option("--data", o.data, "Folder of the data set (default: as in the run)")
      ->type_name("DIR");
  add_set(app, o.set,
          "Measure on other data: --set data.validation=1000 (data.* only; repeatable)");
  app.add_option("--kind", o.kind, "What is tried: remove, shorten or both (default)")
      ->check(CLI::IsMember({"remove", "shorten", "both"}))
      ->type_name("KIND");
  app.add_option("--images", o.images,
                 "Losses are measured on the first N of the validation split (default: all), or "
                 "where there is none of the training images (default 2000)")
      ->check(at_least_one())
      ->type_name("N");
  app.add_option("--statistics", o.statistics,
                 "Training images on which batch norms' statistics are estimated again (default "
                 "512); 0: they are left as they were")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}))
      ->type_name("N");
  app.add_option("--budget", o.budget,
                 "The plan of at most so many FIFO bits that loses least, by the single losses "
                 "(default: every skip is altered, in the order of the table)")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000'000}))
      ->type_name("BITS");
  app.add_option("--output", o.output, "Write the plan (.json), for tailor train --set FILE")
      ->type_name("FILE");
  app.add_flag("--force", o.force, "Replace this file if it exists");
  add_precision(app, o.hardware);
  add_card(app, o.hardware);
  add_json(app, o);
}

void setup_bench(CLI::App& app, BenchOptions& o) {
  app.add_option("what", o.what,
                 "train (default): whole steps, with data, augmentation, teacher, student and SGD; "
                 "forward: answers of the network alone, batch norm folded")
      ->check(CLI::IsMember({"train", "forward"}))
      ->type_name("WHAT");
  app.add_option("--network", o.network,
                 "A network by name (default resnet20), or a .json file that describes one")
      ->type_name("NAME");
  app.add_option("--surgery", o.surgery,
                 "Its skips: none (default) altered, all shortened (shorten) or removed (remove)")
      ->check(CLI::IsMember({"none", "shorten", "remove"}))
      ->type_name("KIND");
  app.add_option("--batch-size", o.batch_size, "Images a step (default 128)")
      ->check(CLI::Range(int64_t{1}, int64_t{65536}))
      ->type_name("N");
  app.add_option("--precision", o.precision, "float32 or bfloat16 (default: both)")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->type_name("TYPE");
  app.add_option("--device", o.device, "As runtime.device: auto (default), cpu, cuda, cuda:N")
      ->type_name("NAME");
  app.add_option("--threads", o.threads, "As runtime.threads (default: all that there are)")
      ->check(CLI::Range(int64_t{0}, int64_t{1024}))
      ->type_name("N");
  app.add_option("--kernels", o.kernels, "As runtime.kernels: fast (default) or reference")
      ->check(CLI::IsMember({"fast", "reference"}))
      ->type_name("KIND");
  app.add_option("--seconds", o.seconds, "For each precision, once it is warm (default 5)")
      ->check(numbers_from(0.01, 3600))
      ->type_name("S");
  add_json(app, o);
}

void setup_calibrate(CLI::App& app, CalibrateOptions& o) {
  add_checkpoint(app, o.checkpoint);
  app.add_option("--data", o.data, "Folder of the data set (default: as in the run)")
      ->type_name("DIR");
  app.add_option("--bits", o.bits, "Of every type (default 8); the input has 8 at least")
      ->check(CLI::Range(int64_t{2}, int64_t{16}))
      ->type_name("W");
  app.add_option("--weight-bits", o.weight_bits,
                 "Of weights (default: as --bits); 1, binary, only with --scale-bits")
      ->check(CLI::Range(int64_t{1}, int64_t{16}))
      ->type_name("W");
  app.add_option("--scale-bits", o.scale_bits,
                 "Weights are in steps of a scale that each output channel has, of so many bits "
                 "(default: no channel has one)")
      ->check(CLI::Range(int64_t{2}, int64_t{16}))
      ->type_name("W");
  app.add_option("--training-images", o.images, "Images that are looked at (default 32)")
      ->check(at_least_one())
      ->type_name("N");
  app.add_option("--layout", o.layout, "fused (default) or stock: which stages there are")
      ->check(CLI::IsMember({"fused", "stock"}));
  app.add_option("--output", o.output, "File of the types (.json), for --precision")
      ->type_name("FILE")
      ->required();
  CLI::Option* loss =
      app.add_option(
             "--max-loss", o.max_loss,
             "The fewest bits of each stage, from --bits down to 2, that cost so many points of "
             "accuracy at most")
          ->check(numbers_from(0, 100))
          ->type_name("POINTS");
  app.add_option("--judged-images", o.judged,
                 "Images that --max-loss is measured by: validation images, or where there are "
                 "none other training images (default 2000)")
      ->needs(loss)
      ->check(at_least_one())
      ->type_name("N");
  app.add_option("--correct-biases", o.corrected,
                 "Write a checkpoint whose biases make up for what these types shift (.ckpt)")
      ->type_name("FILE");
  app.add_option("--plot", o.plot, "Draw each stage's range, type and what saturates (.svg)")
      ->type_name("FILE");
  app.add_flag("--force", o.force, "Replace these files if they exist");
  add_json(app, o);
}

void setup_transcribe(CLI::App& app, TranscribeOptions& o) {
  app.add_option("files", o.files, "Audio files: FLAC, WAV and others, of any rate and length")
      ->required()
      ->type_name("FILE");
  add_checkpoint(app, o.checkpoint);
  app.add_flag("--times", o.times, "A line a word, with its begin and end in seconds");
  app.add_option("--beam", o.beam, "Candidates of the decoder (default: the run's ctc.beam)")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->type_name("N");
  app.add_option("--language-model", o.language_model, "ARPA file, plain or gzipped")
      ->type_name("FILE");
  app.add_option("--window", o.window_s, "Longer audio is heard in parts of so many seconds (30)")
      ->type_name("S");
  app.add_option("--overlap", o.overlap_s, "Of two parts, in seconds (4)")->type_name("S");
  add_json(app, o);
}

void setup_basecall(CLI::App& app, BasecallOptions& o) {
  app.add_option("files", o.files, "Raw reads: .npy, one read or a read a row, or .fast5")
      ->required()
      ->type_name("FILE");
  add_checkpoint(app, o.checkpoint);
  app.add_option("--output", o.output, "File to write (default: standard output)")
      ->type_name("FILE");
  app.add_flag("--force", o.force, "Replace the output file if it exists");
  app.add_option("--format", o.format, "fastq (default, with qualities) or fasta")
      ->check(CLI::IsMember({"fastq", "fasta"}));
  app.add_option("--beam", o.beam, "Candidates of the decoder (default: the run's ctc.beam)")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->type_name("N");
  app.add_option("--chunk", o.chunk, "Samples that are read at once (default: the network's)")
      ->check(at_least_one())
      ->type_name("N");
  app.add_option("--overlap", o.overlap,
                 "Of two chunks, in samples (default 500, or a quarter of a short chunk)")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}))
      ->type_name("N");
  app.add_flag("--normalised", o.normalised,
               "The samples are neither to be trimmed nor to be normalised");
  add_json(app, o);
}

void setup_export(CLI::App& app, ExportOptions& o) {
  add_checkpoint(app, o.checkpoint);
  app.add_option("--graph", o.graph, "Graph file instead (graph.safetensors of a project)")
      ->type_name("F");
  app.add_option("--network", o.network,
                 "A network by name or .json file, with --untrained, to look at its shape")
      ->type_name("NAME");
  app.add_flag("--untrained", o.untrained,
               "With --network: initial weights, batch norm statistics from noise");
  std::vector<std::string> formats = target_names();
  formats.emplace_back("safetensors");
  formats.emplace_back("onnx");
  app.add_option(
         "--format", o.format,
         "hls (default); safetensors: the weights alone, for PyTorch; onnx: the network, in "
         "float32, or quantised by QONNX where --precision or the training says the types")
      ->check(CLI::IsMember(formats));
  app.add_option("--rules", o.rules,
                 "With --format safetensors: whose names (torchvision, cifar_pad; default ours)")
      ->type_name("NAME");
  app.add_flag(
      "--zero-biases", o.zero_biases,
      "With --format safetensors: biases of 0 too, for modules whose convolutions have one "
      "in front of a batch norm");
  app.add_option("--output", o.output,
                 "Project folder (default projects/RUN-wWiI-LAYOUT), RUN.safetensors or RUN.onnx")
      ->type_name("DIR");
  app.add_flag("--force", o.force, "Replace the project folder if it exists");
  app.add_option("--target", o.hardware.target,
                 "ip (default): a core with two AXI streams; kernel: that core between a loader "
                 "and a storer, with what links it for the card and a host program")
      ->type_name("KIND");
  app.add_flag("--allow-oversize", o.allow_oversize,
               "Write a project that the card or its tool cannot build");
  add_precision(app, o.hardware);
  add_card(app, o.hardware);
  app.add_option("--clock-ns", o.hardware.clock_ns, "Clock period (default 5)")->type_name("NS");
  app.add_option("--vectors", o.hardware.vectors, "Test vectors (default 16)")->type_name("N");
  app.add_option("--frames", o.hardware.frames,
                 "Of a network of frames: a project that takes the first N (default: all)")
      ->type_name("N");
  app.add_option("--token-bits", o.hardware.token_bits,
                 "Of a network of frames: about the most bits of a token (default 512)")
      ->type_name("N");
  app.add_option("--data", o.data,
                 "Folder of the data set for the vectors (default: as in the run)")
      ->type_name("DIR");
  app.add_option("--config", o.config, "Take the \"export\" section from this configuration")
      ->type_name("NAME|FILE");
  add_set(app, o.set);
  add_json(app, o);
}

void setup_check(CLI::App& app, CheckCommandOptions& o) {
  app.add_option("project", o.project, "Project folder that tailor export wrote")
      ->required()
      ->type_name("DIR");
  app.add_option("--compiler", o.compiler, "Host compiler (default $CXX, else c++)")
      ->type_name("CMD");
  app.add_option("--vectors", o.vectors, "Only the first N vectors")
      ->check(at_least_one())
      ->type_name("N");
  add_json(app, o);
}

void setup_import_reports(CLI::App& app, ImportReportsOptions& o) {
  app.add_option("project", o.project,
                 "Project folder in which its scripts have run the vendor's tools")
      ->required()
      ->type_name("DIR");
  add_json(app, o);
}

void setup_inspect(CLI::App& app, InspectOptions& o) {
  app.add_option("file", o.file, "Checkpoint, run folder, graph file or project folder")
      ->type_name("F");
  app.add_option("--network", o.network,
                 "A network by name (resnet20, resnet50) or a .json file that describes one")
      ->type_name("NAME");
  app.add_flag("--as-json", o.as_json,
               "Print the network's description, to edit and use as --network FILE.json");
  add_precision(app, o.hardware);
  add_card(app, o.hardware);
  add_json(app, o);
}

void setup_compare(CLI::App& app, CompareOptions& o) {
  app.add_option("runs", o.runs,
                 "Folders of finished runs, or of several in one folder, as a sweep has them")
      ->required()
      ->type_name("RUN");
  app.add_option("--format", o.format, "How the table is printed: text (default), markdown or csv")
      ->check(CLI::IsMember({"text", "markdown", "csv"}))
      ->type_name("FORMAT");
  add_json(app, o);
}

void setup_report(CLI::App& app, ReportOptions& o) {
  app.add_option("paths", o.paths,
                 "Run folders, finished or not; projects of tailor export; folders of these; files "
                 "with what tailor evaluate --json or tailor check --json printed")
      ->required()
      ->type_name("RUN|PROJECT|FILE");
  app.add_option("--output", o.output, "The page (default report.html)")->type_name("FILE");
  app.add_option("--markdown", o.markdown, "Write its tables as Markdown, too (.md)")
      ->type_name("FILE");
  app.add_option("--refresh", o.refresh_s,
                 "Write the page anew every S seconds, and have it loaded again, until every run "
                 "is finished")
      ->check(at_least_one())
      ->type_name("S");
  app.add_flag("--force", o.force, "Replace these files even if they are no reports");
  add_json(app, o);
}

void setup_import(CLI::App& app, ImportOptions& o) {
  app.add_option("file", o.file,
                 "Weights: PyTorch, TorchScript or safetensors; or a model: ONNX, QONNX")
      ->required()
      ->type_name("F");
  app.add_option("--network", o.network,
                 "The network they belong to, by name (resnet20, resnet50) or as a .json file; an "
                 "ONNX model says it itself")
      ->type_name("NAME");
  app.add_option("--rules", o.rules,
                 "How their names map to ours: a rule set's name or .json file (default: the one "
                 "that fits)")
      ->type_name("NAME");
  app.add_option("--prefix", o.prefix,
                 "Take the tensors whose names begin so (default: the prefix that fits)")
      ->type_name("TEXT");
  app.add_option("--output", o.output, "Folder for model.ckpt (default imports/NAME)")
      ->type_name("DIR");
  app.add_flag("--force", o.force, "Replace model.ckpt if it exists");
  app.add_option("--classes", o.classes, "Classes, if not the network's usual number")
      ->check(at_least_one())
      ->type_name("N");
  app.add_flag("--new-head", o.new_head,
               "Keep the body and begin a new last layer of --classes outputs, to train on other "
               "classes (train.start, teacher.start)");
  app.add_option("--class-names", o.class_names,
                 "A text file, one class a line, in the order of the weights' outputs")
      ->type_name("FILE");
  app.add_option("--shortcut", o.shortcut,
                 "projection, pad or pad_end, which differs from pad in no tensor (default: the "
                 "rules')")
      ->check(CLI::IsMember({"projection", "pad", "pad_end"}))
      ->type_name("KIND");
  app.add_option("--image-size", o.image_size, "Rows and columns of the images, if not the usual")
      ->check(at_least_one())
      ->type_name("N");
  app.add_option("--scale-bits", o.scale_bits,
                 "Of QONNX: bits of the constants that stand for scales of channels which are no "
                 "powers of two (default 16)")
      ->check(CLI::Range(int64_t{2}, int64_t{16}))
      ->type_name("W");
  app.add_option("--mean", o.mean, "Mean of the pixels in 0..1, by channel (default: the rules')")
      ->delimiter(',')
      ->type_name("R,G,B");
  app.add_option("--std", o.deviation, "Standard deviation of the pixels (default: the rules')")
      ->delimiter(',')
      ->type_name("R,G,B");
  add_set(app, o.set, kSetKey);
  add_json(app, o);
}

void setup_config(CLI::App& app, ConfigOptions& o) {
  app.add_option("action", o.action,
                 "list (embedded configurations), show (a resolved one), networks (names for "
                 "--network), rules (names for --rules), schema (JSON Schema), reference "
                 "(docs/configuration.md)")
      ->required()
      ->check(CLI::IsMember({"list", "show", "networks", "rules", "schema", "reference"}));
  app.add_option("--config", o.name, "With show: a file or the name of an embedded one")
      ->type_name("NAME|FILE");
  add_set(app, o.set);
  add_json(app, o);
}

void setup_data(CLI::App& app, DataOptions& o) {
  app.add_option(
         "action", o.action,
         "check (counts, lengths, balance, unreadable files, mean and deviation, a picture), "
         "pack (a memory-mapped cache of decoded images) or make (speech as LibriSpeech's "
         "folders, current as a folder of Bonito's)")
      ->required()
      ->check(CLI::IsMember({"check", "pack", "make"}));
  app.add_option("--data", o.data, "Folder or archive of the data set")->type_name("DIR|FILE");
  app.add_option("--name", o.name,
                 "Kind of data set, as data.name (default folder: class folders of JPEG and PNG)")
      ->type_name("NAME");
  app.add_option("--config", o.config, "Take the \"data\" section from this configuration")
      ->type_name("NAME|FILE");
  add_set(app, o.set);
  app.add_option(
         "--output", o.output,
         "check: a picture (PNG): images of each class under its name, spectrograms over their "
         "text, or current with its bases; pack: the cache; make: the folder")
      ->type_name("FILE|DIR");
  app.add_flag("--force", o.force, "Replace the output if it exists");
  app.add_option("--short-side", o.short_side,
                 "pack: scale the images' short side down to this (default data.resize)")
      ->check(at_least_one())
      ->type_name("N");
  add_json(app, o);
}

void refuse_empty_values(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_type_name() == "TEXT") continue;  // a prefix may be empty
    for (const std::string& value : option->results()) {
      if (!value.empty()) continue;
      fail(ErrorKind::Usage, "{}: expected {}, got an empty text (an unset variable?)",
           option->get_name(), option->get_type_name());
    }
  }
}

ProgramDescription describe_program(const CLI::App& app) {
  ProgramDescription program{app.get_description(), kExitCodes, {}};
  std::replace(program.about.begin(), program.about.end(), '\n', ' ');
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    ProgramCommand command{sub->get_name(), sub->get_description(), {}, sub->get_group().empty()};
    for (const CLI::Option* option : sub->get_options()) {
      ProgramFlag flag;
      flag.positional = option->nonpositional() ? false : option->get_positional();
      flag.name = flag.positional ? option->get_name() : "--" + option->get_lnames().front();
      flag.about = option->get_description();
      flag.required = option->get_required();
      if (option->get_expected_max() > 0) {
        const std::string type = option->get_type_name();
        flag.value = type.substr(0, type.find(':'));
        if (flag.value == "TEXT") flag.value = "VALUE";
        flag.values = flag_values(flag.name, type);
        flag.paths = flag_paths(flag.name, type);
      }
      command.flags.push_back(std::move(flag));
    }
    program.commands.push_back(std::move(command));
  }
  return program;
}

void setup_completion(CLI::App& app, std::string& shell) {
  app.add_option("shell", shell, "bash (default), zsh, fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace tailor::cli
