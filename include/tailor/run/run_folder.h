// A run's folder: config.json, last.ckpt, best.ckpt, teacher (a link), metrics.jsonl,
// alterations.jsonl, summary.json, train.log, events.out.tfevents.*, .lock. One process at a time
// may write to it; JSON-lines files never hold more than the position of a resumed checkpoint.
#pragma once

#include <string>

#include "tailor/core/json.h"
#include "tailor/run/checkpoint.h"

namespace tailor::run {

/// What the order of a run's sums depends on beside its configuration: another one changes the last
/// bits.
struct SumOrder {
  int64_t threads = 1, workers = 1;
  std::string kernels;  // "fast kernels (AVX-512)"
};

class RunFolder {
 public:
  /// Creates the folder if need be and locks it; nothing else is touched. Waits for another process
  /// that holds the lock when `wait` is set, else throws Usage.
  RunFolder(std::string path, bool wait);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const char* name) const;
  std::string last() const { return file("last.ckpt"); }
  std::string best() const { return file("best.ckpt"); }
  bool finished() const;

  /// Writes into the lock who trains here and how, and warns when a run goes on otherwise than
  /// before.
  void sign(const SumOrder& now);
  /// Removes the run's files, so that another can begin; what else is in the folder stays.
  void clear();
  /// A folder without config.json is no run.
  static bool is_run(const std::string& path);
  /// Nothing is there, or a folder with nothing but what a process leaves that was killed before it
  /// began.
  static bool is_free(const std::string& path);
  /// A process is training there right now, on a file system with locks.
  static bool is_held(const std::string& path);

  void append(const char* name, const Json& line);
  /// Keeps the first `lines` lines. Throws Data if there are fewer.
  void truncate(const char* name, int64_t lines);
  void write(const char* name, const Json& json);
  /// Makes `teacher` a relative link to another run's folder, or to a checkpoint file.
  void link_teacher(const std::string& target);
  /// What it links to, whether or not that is there; empty without a link.
  std::string linked_teacher() const;
  /// Makes phase(number) a relative link to the run of that phase, of those before this last one.
  void link_phase(int64_t number, const std::string& target);
  /// The link's path in the run `path`, from 1 on: "RUN/phase1".
  static std::string phase(const std::string& path, int64_t number);

 private:
  std::string path_;
  int lock_ = -1;
};

}  // namespace tailor::run
