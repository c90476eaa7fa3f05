// Files that travel inside the program: example configs, HLS library headers, project skeletons.
#pragma once

#include "tailor/core/span.h"

namespace tailor::core {

struct EmbeddedFile {
  const char* name;  // path relative to the embedded folder
  const char* text;
};

/// configs/*.json.
Span<const EmbeddedFile> embedded_configs();
/// configs/rules/*.json.
Span<const EmbeddedFile> embedded_weight_rules();
/// configs/devices/*.json.
Span<const EmbeddedFile> embedded_devices();
/// src/target/hls/library: the C++ headers copied into every project.
Span<const EmbeddedFile> embedded_hls_library();
/// src/target/hls/native: the vendor types for a host compiler.
Span<const EmbeddedFile> embedded_hls_native();
/// src/target/hls/skeleton: Tcl scripts and other texts with @{slots}.
Span<const EmbeddedFile> embedded_hls_skeleton();

}  // namespace tailor::core
