#include "tailor/core/version.h"

#include "tailor/core/git_commit.h"  // generated

namespace tailor::core {

const char* version() { return TAILOR_VERSION; }
const char* git_commit() { return TAILOR_GIT_COMMIT; }
const char* build_type() { return TAILOR_BUILD_TYPE; }
const char* compiler() { return TAILOR_COMPILER; }

}  // namespace tailor::core
