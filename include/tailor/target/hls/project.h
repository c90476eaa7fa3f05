// Writes a design as a complete HLS project, into a temporary folder that is renamed when it is
// whole. The same input gives the same bytes.
#pragma once

#include <string>
#include <vector>

#include "tailor/design/config.h"
#include "tailor/ir/graph.h"

namespace tailor {

/// Vectors for the test bench, with the emulator's answers.
struct TestVectors {
  std::string source;                          // "16 test images of cifar10"
  std::vector<std::vector<double>> inputs;     // HWC, after preprocessing
  std::vector<std::vector<int64_t>> expected;  // raw logits
};

struct ProjectOptions {
  std::string top;   // C++ name of the top function: make_identifier(design.name)
  std::string part;  // FPGA part
  double clock_ns = 5;
  HlsBackend backend = HlsBackend::Vitis;
  bool force = false;    // replace an existing project
  Json manifest_extras;  // members that the caller adds to manifest.json
};

/// Throws Usage when `output` exists and force is off or it is no project, Data when it cannot be
/// written; then nothing is left behind.
void write_project(const Graph& lowered, const Graph& design, const TestVectors& vectors,
                   const ProjectOptions& options, const std::string& output);

/// Whether a folder holds a project that write_project wrote.
bool is_project(const std::string& folder);

constexpr int kManifestVersion = 1;

}  // namespace tailor
