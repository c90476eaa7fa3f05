// The commands of the program, and errors turned into messages and exit codes.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <sstream>
#include <utility>

#include "cli/flags.h"
#include "tailor/cli/commands.h"
#include "tailor/core/error.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"

namespace tailor::cli {
namespace {

struct AllOptions {
  std::string log;
  TrainOptions train;
  SweepOptions sweep;
  EvaluateOptions evaluate;
  SensitivityOptions sensitivity;
  BenchOptions bench;
  TranscribeOptions transcribe;
  BasecallOptions basecall;
  ExportOptions exporting;
  CalibrateOptions calibrate;
  WidenOptions widen;
  NarrowOptions narrow;
  CheckCommandOptions check;
  ImportReportsOptions import_reports;
  InspectOptions inspect;
  CompareOptions compare;
  ReportOptions report;
  ImportOptions import;
  ConfigOptions config;
  DataOptions data;
  CommonOptions version, env;
  std::string shell = "bash", help;
};

/// To stderr; where that cannot be written either, the exit code alone says it.
template <class... Args>
void complain(fmt::format_string<Args...> format, Args&&... args) {
  std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), stderr);
}

/// The same of an error: behind the program's name, and the process's where there are several.
template <class... Args>
void complain_of(fmt::format_string<Args...> format, Args&&... args) {
  const std::string& origin = error_origin();
  complain("tailor: {}{}{}", origin, origin.empty() ? "" : ": ",
           fmt::format(format, std::forward<Args>(args)...));
}

using Commands = std::vector<std::pair<const CLI::App*, std::function<int()>>>;

CLI::App& add_command(CLI::App& app, AllOptions& o, const char* name, const char* what) {
  CLI::App* command = app.add_subcommand(name, what);
  command
      ->add_option("--log", o.log,
                   "Log level: trace, debug, info, warn, error, off; per room: info,passes=debug "
                   "(default $TAILOR_LOG, else info)")
      ->type_name("LEVEL");
  return *command;
}

int print_text(const std::string& text) {
  fmt::print("{}", text);
  return 0;
}

using AddCommand =
    std::function<CLI::App&(const char* name, const char* what, std::function<int()> run)>;

/// Those about the program itself.
void add_own_commands(CLI::App& app, AllOptions& o, const AddCommand& add) {
  add_json(add("version", "Version, commit and compiler of this build",
               [&] { return run_version(o.version); }),
           o.version);
  add_json(add("env",
               "CPU, threads, LibTorch, BLAS, allocator, GPU: what is there, what is missing, what "
               "it costs",
               [&] { return run_env(o.env); }),
           o.env);
  setup_completion(
      add("completion", "Completion for a shell: bash, zsh or fish",
          [&] { return print_text(completion_script(describe_program(app), o.shell)); }),
      o.shell);
  add("man", "The manual page, tailor(1)", [&] {
    return print_text(manual_page(describe_program(app)));
  }).group("");
}

/// Those that train networks and ask them.
void add_training_commands(AllOptions& o, const AddCommand& add) {
  setup_train(add("train", "Train a teacher, then the student while its skips are altered",
                  [&] { return run_train(o.train); }),
              o.train);
  setup_sweep(add("sweep", "Train many configurations, several at once, and compare them",
                  [&] { return run_sweep(o.sweep); }),
              o.sweep);
  setup_evaluate(
      add("evaluate", "Accuracy of a checkpoint: float, or fixed point as the FPGA computes it",
          [&] { return run_evaluate(o.evaluate); }),
      o.evaluate);
  setup_sensitivity(
      add("sensitivity",
          "What each skip is worth, and a plan by that: accuracy lost and FIFOs saved",
          [&] { return run_sensitivity(o.sensitivity); }),
      o.sensitivity);
  setup_bench(add("bench", "Images a second that a network trains or answers on this machine",
                  [&] { return run_bench(o.bench); }),
              o.bench);
  setup_transcribe(add("transcribe", "What is said in audio files",
                       [&] { return run_transcribe(o.transcribe); }),
                   o.transcribe);
  setup_basecall(add("basecall", "The bases of a nanopore's raw reads, as FASTQ or FASTA",
                     [&] { return run_basecall(o.basecall); }),
                 o.basecall);
}

/// Every command but help, in the order of the list, with what it runs.
Commands add_commands(CLI::App& app, AllOptions& o) {
  Commands commands;
  auto add = [&](const char* name, const char* what, std::function<int()> run) -> CLI::App& {
    CLI::App& command = add_command(app, o, name, what);
    commands.emplace_back(&command, std::move(run));
    return command;
  };
  add_training_commands(o, add);
  setup_export(add("export", "Write a network as an HLS C++ project",
                   [&] { return run_export(o.exporting); }),
               o.exporting);
  setup_calibrate(add("calibrate", "Types for every stage of a trained network, by its data",
                      [&] { return run_calibrate(o.calibrate); }),
                  o.calibrate);
  setup_widen(add("widen", "The equal network without skips: they ride on channels of their own",
                  [&] { return run_widen(o.widen); }),
              o.widen);
  setup_narrow(
      add("narrow", "Fewer filters, those first that bring least: back from what was widened",
          [&] { return run_narrow(o.narrow); }),
      o.narrow);
  setup_check(add("check", "Compile a project and prove that it computes what the network computes",
                  [&] { return run_check(o.check); }),
              o.check);
  setup_import_reports(add("import-reports", "What the vendor's tools measured, beside the model",
                           [&] { return run_import_reports(o.import_reports); }),
                       o.import_reports);
  setup_inspect(
      add("inspect", "Topology, skips, parameters and cost of a checkpoint, graph or named network",
          [&] { return run_inspect(o.inspect); }),
      o.inspect);
  setup_compare(add("compare", "Finished runs side by side; those of several seeds as one row",
                    [&] { return run_compare(o.compare); }),
                o.compare);
  setup_report(add("report", "One page of curves, tables and dataflow of runs and projects",
                   [&] { return run_report(o.report); }),
               o.report);
  setup_import(
      add("import", "Weights trained elsewhere, as a checkpoint of ours; no code in them is run",
          [&] { return run_import(o.import); }),
      o.import);
  setup_config(
      add("config", "List, show and document configurations", [&] { return run_config(o.config); }),
      o.config);
  setup_data(add("data", "Look at a data set, pack its images, or write sequences as files",
                 [&] { return run_data(o.data); }),
             o.data);
  add_own_commands(app, o, add);
  return commands;
}

/// The message of the exception that is being handled, and its exit code.
int explain_failure() {
  clear_progress_line();
  try {
    throw;
  } catch (const Interrupted& e) {
    return 128 + e.signal();
  } catch (const Error& e) {
    const std::string kind = std::string(error_kind_name(e.kind())) + ": ", message = e.what();
    complain_of("{}{}\n", starts_with(message, kind) ? "" : kind, message);
    return exit_code(e.kind());
  } catch (const std::bad_alloc&) {
    complain_of(
        "unsupported: out of memory; what was asked for needs more than this "
        "machine gives\n");
    return exit_code(ErrorKind::Unsupported);
  } catch (const std::exception& e) {
    if (std::ferror(stdout) != 0) return exit_code(ErrorKind::Data);  // run_cli says so
    complain_of("internal: {} (this is a bug in tailor, please report it)\n", e.what());
    return exit_code(ErrorKind::Internal);
  }
}

}  // namespace

static int run_command(int argc, const char* const* argv) {
  AllOptions o;
  CLI::App app(
      "tailor: residual networks for FPGAs. Retrains a ResNet while its skip connections are "
      "removed or shortened, writes it as an HLS project, and proves\nthat the project computes "
      "what the network computes.");
  app.name("tailor");
  app.set_version_flag("--version", std::string("tailor ") + version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(fmt::format("Exit codes: {}.", kExitCodes));
  const Commands commands = add_commands(app, o);
  std::vector<std::string> names;
  for (const auto& [command, run] : commands)
    if (!command->get_group().empty()) names.push_back(command->get_name());
  CLI::App& help = add_command(app, o, "help", "This list, or what a command takes");
  help.add_option("command", o.help, "The command")->check(CLI::IsMember(names));

  const std::string top_help = app.help();  // afterwards CLI11 gives the chosen command's

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    std::ostringstream text;
    const int status = app.exit(e, text, text);
    std::fputs(text.str().c_str(), stdout);
    return status;
  } catch (const CLI::ParseError& e) {
    complain("{}", explain_usage(describe_program(app), e.what(), {argv, argv + argc}));
    return exit_code(ErrorKind::Usage);
  }
  if (help) {
    fmt::print("{}", o.help.empty() ? top_help : app.get_subcommand(o.help)->help("tailor"));
    return 0;
  }

  install_interrupt_handlers();
  try {
    const char* from_environment = std::getenv("TAILOR_LOG");
    if (!o.log.empty()) {
      set_log_levels(o.log);
    } else if (from_environment && *from_environment) {
      set_log_levels(from_environment);
    }
    const auto chosen = std::find_if(commands.begin(), commands.end(),
                                     [](const auto& command) { return command.first->parsed(); });
    refuse_empty_values(*chosen->first);
    return chosen->second();  // one is required
  } catch (...) {
    return explain_failure();
  }
}

/// A closed standard descriptor would be given to the next file that is opened, and what is printed
/// would go into that file. It is taken here, by something that refuses to be written.
static void hold_standard_descriptors() {
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int held =
        ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int run_cli(int argc, const char* const* argv) {
  hold_standard_descriptors();
  const int status = run_command(argc, argv);
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (written) return status;
  std::fprintf(stderr, "tailor: data: cannot write to standard output%s%s\n",
               errno != 0 ? ": " : "", errno != 0 ? std::strerror(errno) : "");
  return status != 0 ? status : exit_code(ErrorKind::Data);
}

}  // namespace tailor::cli
