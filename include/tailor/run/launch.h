// Who trains a run: this process alone, or several, each of which knows by its environment which
// one it is and where they find each other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::run {

struct Launch {
  int64_t rank = 0, size = 1;              // of all machines; rank 0 leads
  int64_t local_rank = 0, local_size = 1;  // of this machine
  std::string by;                          // "torchrun", "SLURM", …; empty: nobody, one process
  std::string file;                        // where they find each other: a file (tailor's own), or
  std::string host;                        // a host
  int64_t port = 0;                        // and a port of it
  bool is_served = false;                  // the launcher listens there, else rank 0 does
  bool shares_cpus = false;  // the CPUs that this process sees are those of the whole machine's

  bool is_own() const { return !file.empty(); }
};

/// What a variable holds, or null.
using Environment = std::function<const char*(const char* name)>;

/// In this order, the first that is there: RANK and WORLD_SIZE (torchrun, tailor's own), those of a
/// SLURM step, those of Open MPI. The host and port are MASTER_ADDR's and MASTER_PORT's, of SLURM
/// else the first host of the step and a port by the number of the job. Throws Usage for what does
/// not fit together.
Launch read_launch(const Environment& environment);

/// "node[03-05,7],login" is node03, node04, node05, node7, login. Throws Usage for what is no such
/// list.
std::vector<std::string> expand_hosts(const std::string& list);

/// What a process that tailor itself starts is to find, beside RANK, WORLD_SIZE and LOCAL_RANK.
constexpr const char* kStoreVariable = "TAILOR_WORKERS_STORE";

}  // namespace tailor::run
