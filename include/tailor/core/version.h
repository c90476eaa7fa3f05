// What this build is. The version goes into files; the commit only to `tailor version`, so that two
// builds of one version write the same bytes.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor::core {

const char* version();
const char* git_commit();
const char* build_type();
const char* compiler();

}  // namespace tailor::core
