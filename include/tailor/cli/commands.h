// The sub-commands as functions of plain option records: flags are parsed elsewhere, so that tests
// and the LibTorch half call these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailor::cli {

struct CommonOptions {
  bool json = false;
};

struct TrainOptions : CommonOptions {
  std::string config;
  std::vector<std::string> set;
  std::string output, resume;
  bool force = false;
  bool auto_resume = false;              // begin, go on, or say that the run is finished
  std::optional<int64_t> workers, gpus;  // processes that train together, on CPUs or on GPUs
};

/// Values of the config's "export" section; what is not given comes from the run, and then from the
/// defaults.
struct HardwareOptions {
  std::optional<std::string> precision, fpga, rounding, overflow, backend, target, layout, skips,
      reuse_factor;
  std::optional<double> clock_ns, card_share;
  std::optional<int64_t> vectors, frames, token_bits;
  bool dsp_packing = false;
};

struct EvaluateOptions : CommonOptions {
  std::string checkpoint, graph, data;
  std::vector<std::string> set;     // of data.* only
  std::string engine = "libtorch";  // or emulator, float64
  std::string split;                // test (also if empty) or validation
  int64_t limit = 0;
  std::vector<std::string> images;     // single pictures instead of a data set
  std::string confusion, predictions;  // files: .csv or .svg, .csv
  bool per_class = false, force = false;
  HardwareOptions hardware;
};

struct BenchOptions : CommonOptions {
  std::string what = "train";  // or forward
  std::string network = "resnet20", surgery = "none", precision, device = "auto";
  std::string kernels = "fast";
  int64_t batch_size = 128, threads = 0;
  double seconds = 5;
};

struct CompareOptions : CommonOptions {
  std::vector<std::string> runs;  // folders
  std::string format = "text";    // or markdown, csv
};

struct SweepOptions : CommonOptions {
  std::string path, output = "runs", only, task;  // a matrix or a folder; a pattern; "I/N"
  std::vector<std::string> set;
  std::optional<int64_t> jobs;
  bool list = false, fail_fast = false;
};

struct ReportOptions : CommonOptions {
  std::vector<std::string> paths;  // runs, projects, answers of --json
  std::string output = "report.html";
  std::string markdown;  // empty: none
  std::optional<int64_t> refresh_s;
  bool force = false;
};

struct CalibrateOptions : CommonOptions {
  std::string checkpoint, data, output;
  std::string corrected, plot;  // files to write: a checkpoint, an .svg
  std::string layout = "fused";
  int64_t bits = 8, images = 32;
  int64_t judged = 2000;  // images that a loss is measured by
  std::optional<int64_t> weight_bits, scale_bits;
  std::optional<double> max_loss;  // points of accuracy
  bool force = false;
};

struct WidenOptions : CommonOptions {
  std::string checkpoint, data, output;
  std::vector<std::string> skips;  // ids; empty: all
  int64_t images = 32;
  bool split_projections = false, force = false;
};

struct NarrowOptions : CommonOptions {
  std::string checkpoint, like, output;
  double step = 1;
  bool force = false;
};

struct SensitivityOptions : CommonOptions {
  std::string checkpoint, data, output;
  std::vector<std::string> set;   // of data.* only
  std::string kind = "both";      // remove, shorten
  int64_t images = 0;             // 0: the validation split, or as many training images as usual
  int64_t statistics = 512;       // images that statistics are estimated on
  std::optional<int64_t> budget;  // FIFO bits
  bool force = false;
  HardwareOptions hardware;
};

struct TranscribeOptions : CommonOptions {
  std::string checkpoint;
  std::vector<std::string> files;
  std::string language_model;  // an ARPA file
  std::optional<int64_t> beam;
  double window_s = 30, overlap_s = 4;
  bool times = false;
};

struct BasecallOptions : CommonOptions {
  std::string checkpoint, output;
  std::vector<std::string> files;
  std::string format = "fastq";  // or fasta
  std::optional<int64_t> beam;
  int64_t chunk = 0;  // samples; 0: the network's
  std::optional<int64_t> overlap;
  bool normalised = false;  // the samples are not to be trimmed and normalised
  bool force = false;
};

struct ExportOptions : CommonOptions {
  std::string checkpoint, graph, network, config, data, output;
  std::string format = "hls";  // a target, or "safetensors": the weights alone, named by `rules`
  std::string rules;
  bool zero_biases = false;  // of convolutions in front of a batch norm, too
  std::vector<std::string> set;
  bool untrained = false, force = false, allow_oversize = false;
  HardwareOptions hardware;
};

struct CheckCommandOptions : CommonOptions {
  std::string project, compiler;
  int64_t vectors = 0;
};

struct ImportReportsOptions : CommonOptions {
  std::string project;
};

struct InspectOptions : CommonOptions {
  std::string file, network;
  bool as_json = false;  // the description alone
  HardwareOptions hardware;
};

struct ImportOptions : CommonOptions {
  std::string file, network, rules, output;
  std::string shortcut;               // projection, pad, pad_end; empty: as the rules say
  std::string class_names;            // a file, one name a line
  std::optional<std::string> prefix;  // of the foreign names
  std::optional<int64_t> classes, image_size, scale_bits;
  std::vector<double> mean, deviation;
  std::vector<std::string> set;
  bool new_head = false;
  bool force = false;
};

struct ConfigOptions : CommonOptions {
  std::string action, name;  // list, show, networks, rules, schema, reference
  std::vector<std::string> set;
};

struct DataOptions : CommonOptions {
  std::string action, config, name, data, output;  // check, pack
  std::vector<std::string> set;
  int64_t short_side = 0;
  bool force = false;
};

/// Each prints its answer to stdout and returns the exit code; errors are thrown.
int run_train(const TrainOptions& options);
int run_evaluate(const EvaluateOptions& options);
int run_sensitivity(const SensitivityOptions& options);
int run_bench(const BenchOptions& options);
int run_transcribe(const TranscribeOptions& options);
int run_basecall(const BasecallOptions& options);
int run_export(const ExportOptions& options);
int run_calibrate(const CalibrateOptions& options);
int run_widen(const WidenOptions& options);
int run_narrow(const NarrowOptions& options);
int run_check(const CheckCommandOptions& options);
int run_import_reports(const ImportReportsOptions& options);
int run_import(const ImportOptions& options);
int run_inspect(const InspectOptions& options);
int run_compare(const CompareOptions& options);
int run_sweep(const SweepOptions& options);
int run_report(const ReportOptions& options);
int run_config(const ConfigOptions& options);
int run_data(const DataOptions& options);
int run_version(const CommonOptions& options);
int run_env(const CommonOptions& options);

/// The program: parses, runs, turns errors into messages and exit codes (DESIGN.md, "Errors").
int run_cli(int argc, const char* const* argv);

}  // namespace tailor::cli
