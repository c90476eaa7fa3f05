// The flags of every command.
#pragma once

#include "cli/program.h"
#include "tailor/cli/commands.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace tailor::cli {

constexpr const char* kExitCodes =
    "0 done, 1 internal, 2 usage, 3 configuration, 4 data or file, 5 unsupported, 6 mismatch, 7 "
    "external tool, 8 lost worker, 130 Ctrl-C, 138 SIGUSR1, 143 SIGTERM";

/// CLI11's own range check takes nan. Both ends are in it.
CLI::Validator numbers_from(double least, double most);
void add_json(CLI::App& app, CommonOptions& o);
void add_checkpoint(CLI::App& app, std::string& checkpoint);
void setup_train(CLI::App& app, TrainOptions& o);
void setup_sweep(CLI::App& app, SweepOptions& o);
void setup_evaluate(CLI::App& app, EvaluateOptions& o);
void setup_sensitivity(CLI::App& app, SensitivityOptions& o);
void setup_bench(CLI::App& app, BenchOptions& o);
void setup_calibrate(CLI::App& app, CalibrateOptions& o);
void setup_widen(CLI::App& app, WidenOptions& o);
void setup_narrow(CLI::App& app, NarrowOptions& o);
void setup_transcribe(CLI::App& app, TranscribeOptions& o);
void setup_basecall(CLI::App& app, BasecallOptions& o);
void setup_export(CLI::App& app, ExportOptions& o);
void setup_check(CLI::App& app, CheckCommandOptions& o);
void setup_import_reports(CLI::App& app, ImportReportsOptions& o);
void setup_inspect(CLI::App& app, InspectOptions& o);
void setup_compare(CLI::App& app, CompareOptions& o);
void setup_report(CLI::App& app, ReportOptions& o);
void setup_import(CLI::App& app, ImportOptions& o);
void setup_config(CLI::App& app, ConfigOptions& o);
void setup_data(CLI::App& app, DataOptions& o);
void setup_completion(CLI::App& app, std::string& shell);
/// Throws Usage where a flag or place of a parsed command was given "", which most would take for
/// not given.
void refuse_empty_values(const CLI::App& command);
/// What has been set up, as plain data.
ProgramDescription describe_program(const CLI::App& app);

}  // namespace tailor::cli
