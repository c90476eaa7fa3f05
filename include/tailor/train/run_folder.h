// A run's folder: config.json, last.ckpt, best.ckpt, teacher (a link), metrics.jsonl,
// alterations.jsonl, summary.json, train.log. One process at a time may write to it; the JSON-lines
// files never hold more than the checkpoint's position, once the run has been resumed.
#pragma once

#include <string>

#include "tailor/core/json.h"
#include "tailor/net/checkpoint.h"

namespace tailor {

class RunFolder {
 public:
  /// Creates the folder if need be and locks it. Waits for another process that holds the lock when
  /// `wait` is set, else throws Usage.
  RunFolder(std::string path, bool wait);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const char* name) const;
  std::string last() const { return file("last.ckpt"); }
  std::string best() const { return file("best.ckpt"); }
  bool finished() const;

  void append(const char* name, const Json& line);
  /// Keeps the first `lines` lines. Throws Data if there are fewer.
  void truncate(const char* name, int64_t lines);
  void write(const char* name, const Json& json);
  /// Makes `teacher` a relative link to another run's folder, or to a checkpoint file.
  void link_teacher(const std::string& target);

 private:
  std::string path_;
  int lock_ = -1;
};

}  // namespace tailor
