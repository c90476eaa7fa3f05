#include "cli/derived.h"

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/run/run_config.h"
#include "tailor/run/shared_run.h"

namespace tailor::cli {

DerivedFiles derived_files(const std::string& output, const std::string& usual, bool force) {
  DerivedFiles files;
  files.folder = output.empty() ? usual : output;
  while (files.folder.size() > 1 && files.folder.back() == '/') files.folder.pop_back();
  files.checkpoint = path_join(files.folder, "model.ckpt");
  files.description = path_join(files.folder, kDescription);
  for (const std::string& file : {files.checkpoint, files.description})
    refuse_to_replace("--output", file, force);
  return files;
}

void save_derived(Checkpoint c, const DerivedFiles& files, const char* what, const Json& done) {
  c.slots.clear();
  c.run = file_name(files.folder);
  NetworkConfig own;
  own.family = "file", own.file = files.description;
  c.config.set("network", write_network_config(own));
  c.metrics.set(what, done);
  AtomicFile description(files.description);
  description.write(write_network(c.network).dump(2) + "\n");
  description.flush();
  description.commit();
  save_checkpoint(files.checkpoint, c);
}

std::string training_advice(const DerivedFiles& files, const std::string& teacher) {
  const std::string network =
      "--set surgery.kind=none --set network.family=file --set "
      "network.file=" +
      shell_quote(files.description);
  if (teacher.empty()) {
    return fmt::format(
        "or training goes on from it: {} --set teacher.checkpoint={}, or without a teacher "
        "train.start\n",
        network, shell_quote(files.checkpoint));
  }
  return fmt::format(
      "next: tailor train --config CONFIG {} --set train.start={} --set "
      "teacher.checkpoint={}\n",
      network, shell_quote(files.checkpoint), shell_quote(teacher));
}

}  // namespace tailor::cli
