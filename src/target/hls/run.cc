// A written HLS project, opened: its vectors, the depths that its C++ states, and the C++ itself,
// compiled with the host's compiler and run on all cores.
#include <algorithm>
#include <cstdlib>

#include "tailor/core/files.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "target/hls/project.h"

namespace tailor::target {
namespace {

template <class Parse>
auto read_rows(const std::string& path, size_t width, Parse parse) {
  using Value = typename decltype(parse(std::string_view()))::value_type;
  std::vector<std::vector<Value>> rows;
  size_t number = 0;
  for (const std::string& line : split(read_file(path, "test vectors"), '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    std::vector<Value> row;
    for (const std::string& word : split(line, ' ')) {
      auto value = parse(word);
      if (!value) fail(ErrorKind::Data, "{}: line {}: '{}' is not a number", path, number, word);
      row.push_back(*value);
    }
    if (row.size() != width)
      fail(ErrorKind::Data, "{}: line {}: {} values, expected {}", path, number, row.size(), width);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> compiler_command(const RunOptions& options) {
  std::string compiler = options.compiler;
  if (compiler.empty()) {
    const char* cxx = std::getenv("CXX");
    compiler = cxx && *cxx ? cxx : "c++";
  }
  std::vector<std::string> words;
  for (std::string& word : split(compiler, ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  if (words.empty()) fail(ErrorKind::Usage, "--compiler: expected a command, got blanks");
  return words;
}

/// What the compiler says against it, or "". Throws ExternalTool where there is no such compiler.
std::string compile(const std::string& folder, const std::string& top, const RunOptions& options,
                    const std::string& binary, bool trace) {
  std::vector<std::string> command = compiler_command(options);
  const std::string root = absolute_path(folder);
  // Of a ResNet-20, -O2 takes 2.3 s more to compile and saves 6 ms a vector. The user's flags come
  // later and win.
  const auto flags = std::find_if(command.begin(), command.end(),
                                  [](const std::string& word) { return word[0] == '-'; });
  command.insert(flags, {"-std=c++11", "-O1"});
  for (const std::string& flag : {"-I" + root, "-I" + root + "/firmware", std::string("-idirafter"),
                                  root + "/firmware/native"})
    command.push_back(flag);
  if (trace) command.emplace_back("-DTAILOR_TRACE");
  command.push_back(root + "/firmware/" + top + ".cpp");
  command.push_back(root + "/" + top + "_test.cpp");
  command.emplace_back("-o");
  command.push_back(binary);
  ProcessResult result = run_process(command, root);
  if (result.status == 0) return "";
  const std::string tail =
      result.output.size() > 2000 ? result.output.substr(0, 2000) + "…" : result.output;
  return fmt::format("{} could not compile {} (exit status {}):\n{}", command[0], folder,
                     result.status, tail);
}

class HlsProject : public Project {
 public:
  HlsProject(std::string folder, std::string top)
      : folder_(std::move(folder)), top_(std::move(top)) {}

  std::vector<std::vector<double>> inputs(const MapShape& shape) const override {
    auto images =
        read_rows(file("tb_data/inputs.dat"), static_cast<size_t>(shape.size()), parse_number);
    if (images.empty()) fail(ErrorKind::Data, "{}: tb_data/inputs.dat has no vectors", folder_);
    return images;
  }

  /// As the generated C++ has them: TAILOR_FIFO(name, depth, storage).
  std::map<std::string, int64_t> stated_depths() const override {
    std::map<std::string, int64_t> depths;
    const std::string text = read_file(file("firmware/" + top_ + ".cpp"));
    constexpr std::string_view kMacro = "TAILOR_FIFO(";
    for (size_t at = text.find(kMacro); at != std::string::npos; at = text.find(kMacro, at + 1)) {
      const size_t start = at + kMacro.size(), end = text.find(')', start);
      if (end == std::string::npos) break;
      auto parts = split(std::string_view(text).substr(start, end - start), ',');
      auto depth = parts.size() == 3 ? parse_int(trim(parts[1])) : std::nullopt;
      if (depth) depths[std::string(trim(parts[0]))] = *depth;
    }
    return depths;
  }

  const char* what_runs() const override { return "compiled C++"; }

  ProjectRun run(const RunOptions& options, Progress& progress) override {
    ProjectRun result;
    const std::string binary = path_join(scratch_.path(), "csim");
    progress.begin("compiling", 1, "file");
    result.build_error = compile(folder_, top_, options, binary, /*trace=*/false);
    progress.advance(1);
    progress.end();
    if (!result.build_error.empty()) return result;
    progress.begin("running", options.vectors, "vector");
    const int threads = options.threads > 0 ? options.threads : available_threads();
    const int64_t count = options.vectors, parts = std::min<int64_t>(threads, count);
    std::vector<ProcessResult> results(static_cast<size_t>(parts));
    auto first_of = [&](int64_t part) { return count * part / parts; };
    parallel_for(parts, threads, [&](int64_t part) {
      results[static_cast<size_t>(part)] =
          run_bench(binary, log_of(part), first_of(part), first_of(part + 1) - first_of(part));
    });
    progress.advance(count);
    progress.end();
    for (int64_t part = 0; part < parts; ++part) {
      const ProcessResult& r = results[static_cast<size_t>(part)];
      if (r.status > 1) {
        result.run_error =
            fmt::format("the compiled project ended with status {}: {}", r.status, trim(r.output));
        return result;
      }
      if (r.status != 0) result.bench_error = "tb_data/expected.dat was changed";
      auto more = read_rows(log_of(part), static_cast<size_t>(options.outputs), parse_int);
      result.logits.insert(result.logits.end(), more.begin(), more.end());
    }
    return result;
  }

  std::string trace(const RunOptions& options, size_t vector) override {
    const std::string binary = path_join(scratch_.path(), "csim_trace");
    create_directories(traces());
    const std::string error = compile(folder_, top_, options, binary, /*trace=*/true);
    if (!error.empty()) return error;
    run_bench(binary, path_join(scratch_.path(), "trace.log"), static_cast<int64_t>(vector), 1,
              {{"TAILOR_TRACE_DIR", traces()}});
    return "";
  }

  std::vector<std::vector<int64_t>> traced(const Value& value) const override {
    const std::string path = path_join(traces(), value.identifier + ".txt");
    if (!path_exists(path)) return {};
    auto rows = read_rows(path, static_cast<size_t>(value.token_channels()), parse_int);
    if (value.fold == 1) return rows;
    std::vector<std::vector<int64_t>> pixels;
    for (size_t i = 0; i < rows.size(); ++i) {  // a pixel's tokens, one behind the other
      if (i % static_cast<size_t>(value.fold) == 0) pixels.emplace_back();
      pixels.back().insert(pixels.back().end(), rows[i].begin(), rows[i].end());
    }
    return pixels;
  }

 private:
  std::string file(const std::string& name) const { return path_join(folder_, name); }
  std::string traces() const { return path_join(scratch_.path(), "trace"); }
  std::string log_of(int64_t part) const {
    return path_join(scratch_.path(), fmt::format("results{}.log", part));
  }
  ProcessResult run_bench(const std::string& binary, const std::string& log, int64_t first,
                          int64_t count,
                          std::vector<std::pair<std::string, std::string>> environment = {}) const {
    environment.emplace_back("TAILOR_PROJECT", absolute_path(folder_));
    return run_process({binary, "--results", log, "--first", std::to_string(first), "--count",
                        std::to_string(count)},
                       scratch_.path(), environment);
  }

  std::string folder_, top_;
  TemporaryDirectory scratch_{"tailor-check"};
};

}  // namespace

std::unique_ptr<Project> open_hls_project(const std::string& folder, const std::string& top) {
  return std::make_unique<HlsProject>(folder, top);
}

}  // namespace tailor::target
