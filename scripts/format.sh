#!/usr/bin/env bash
# Formats every C++ file; with --check only says which ones would change, and fails if any would.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files -co --exclude-standard '*.h' '*.cc' '*.cpp' |
  grep -v '^src/target/hls/skeleton/')
if [ "${1:-}" = --check ]; then
  clang-format-14 --dry-run --Werror "${files[@]}"
  echo "format: ${#files[@]} files are formatted"
else
  clang-format-14 -i "${files[@]}"
fi
