// A target writes a design as a project, opens it again and runs it natively. The folder, the two
// graph files and the manifest are the same for all; what lies beside them is the target's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tailor/core/progress.h"
#include "tailor/target/manifest.h"

namespace tailor::target {

/// What a project is written from.
struct ProjectContents {
  Lowered lowered;
  SizedDesign design;
  TestVectors vectors;
  Quantisation quantisation;
  Json preprocessing;  // of the manifest: what a host does to pixels
  double clock_ns = 5;
  HlsBackend backend = HlsBackend::Vitis;
  HlsPackage package = HlsPackage::Ip;
};

/// The files of a project in the making.
class ProjectFiles {
 public:
  virtual ~ProjectFiles() = default;
  virtual void write(const std::string& name, std::string_view text) = 0;
  /// Of a file that was written and is to be run.
  virtual void make_executable(const std::string& name) = 0;
};

struct RunOptions {
  std::string compiler;  // empty: $CXX, else c++
  int64_t vectors = 0;   // the first so many
  int64_t outputs = 0;   // numbers in the answer to each, of all positions
  int threads = 0;       // 0: all
};
struct ProjectRun {
  std::vector<std::vector<int64_t>> logits;   // raw, of each vector
  std::map<std::string, int64_t> iterations;  // of each stage's loop, of all vectors together, by
                                              // its identifier; empty: it does not count them
  std::string build_error;                    // it could not be built, and why
  std::string run_error;                      // it was, and did not run to its end
  std::string bench_error;                    // it ran, and its own comparison fails
};

/// A project as its target opens it. Its files may have been changed since the export.
class Project {
 public:
  virtual ~Project() = default;
  /// Test vectors, HWC. Throws Data.
  virtual std::vector<std::vector<double>> inputs(const MapShape& shape) const = 0;
  /// Depths that the project itself states, by the identifier of the value.
  virtual std::map<std::string, int64_t> stated_depths() const { return {}; }
  /// "compiled C++": what runs, in messages.
  virtual const char* what_runs() const = 0;
  /// Builds and runs it. Throws ExternalTool where there is no such compiler.
  virtual ProjectRun run(const RunOptions& options, Progress& progress) = 0;
  /// Runs one vector so that every stage says what it writes; "" or what is wrong.
  virtual std::string trace(const RunOptions& options, size_t vector) = 0;
  /// After trace: the tokens that were written to a value; none: it wrote nothing.
  virtual std::vector<std::vector<int64_t>> traced(const Value& value) const = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  /// As `--format` and the manifest name it.
  virtual const char* name() const = 0;
  /// Writes its own files, and its own members of the manifest (ports).
  virtual void write(const ProjectContents& contents, Manifest& manifest,
                     ProjectFiles& files) const = 0;
  virtual std::unique_ptr<Project> open(const std::string& folder,
                                        const Manifest& manifest) const = 0;
};

/// Throws Usage naming those there are.
const Target& find_target(const std::string& name);
std::vector<std::string> target_names();
/// Before any thread looks for one.
void add_target(std::unique_ptr<Target> target);
/// The target of HLS C++ (docs/hls.md).
std::unique_ptr<Target> make_hls_target();

/// Writes a whole project into a temporary folder that is then renamed; the same input gives the
/// same bytes. Throws Usage when `output` exists and force is off or it is no project, Data when it
/// cannot be written; then nothing is left behind.
Manifest write_project(const Target& target, const ProjectContents& contents,
                       const std::string& output, bool force = false);

}  // namespace tailor::target
