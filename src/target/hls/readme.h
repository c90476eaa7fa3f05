// The parts of a project's README that its network and options decide.
#pragma once

#include <map>
#include <string>

#include "tailor/target/target.h"

namespace tailor::target {

/// By the names of the skeleton's slots: description, first, ports, costs, origin, card_files.
std::map<std::string, std::string> readme_parts(const ProjectContents& contents,
                                                const Manifest& manifest);

}  // namespace tailor::target
