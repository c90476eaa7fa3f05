// The HLS target's two halves: writing a project, and running one that was written.
#pragma once

#include <memory>
#include <string>

#include "tailor/target/target.h"

namespace tailor::target {

void write_hls_project(const ProjectContents& contents, Manifest& manifest, ProjectFiles& files);
std::unique_ptr<Project> open_hls_project(const std::string& folder, const Manifest& manifest);

/// What a host's compiler makes the test bench of, by paths in the project.
std::vector<std::string> native_sources(const std::string& top, bool kernel);

}  // namespace tailor::target
