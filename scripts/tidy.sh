#!/usr/bin/env bash
# Runs clang-tidy 14, and the test of includes, on the C++ sources that changed, LibTorch's rooms
# included; without a branch to compare with, on all. Nothing is compiled: a configured build/tidy
# says how each file would be.
# usage: scripts/tidy.sh [BASE | --all]
#   BASE  a branch or commit (default: origin/main, else main; on that branch itself what was there
#         50 commits ago)
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  -h|--help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
  --all) candidates=() ;;
  -*) echo "tidy.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
  "") candidates=(origin/main main) ;;
  *) candidates=("$1")
     git rev-parse --verify -q "$1^{commit}" >/dev/null ||
       { echo "tidy.sh: '$1' is no commit of this clone" >&2; exit 2; } ;;
esac

# A shallow clone, or one with a single branch, has no merge base: then everything is looked at,
# never nothing.
base=
for candidate in "${candidates[@]}"; do
  base=$(git merge-base "$candidate" HEAD 2>/dev/null) && break || base=
done
changed() {
  git diff --name-only --diff-filter=d "$base" -- "$@"
  git ls-files -o --exclude-standard -- "$@"
}
sources=('src/*.cc' 'include/*.h' 'src/*.h'
         ':!src/target/hls/library' ':!src/target/hls/native' ':!src/target/hls/skeleton')
rules=(.clang-tidy scripts/tidy.sh)
if [ -n "$base" ] && [ "$(git rev-parse HEAD)" = "$base" ] && [ -z "$(changed .)" ]; then
  base=$(git rev-parse -q --verify 'HEAD~50' || true)  # main itself: more than a landing brings
  rules=(.clang-tidy)
fi
if [ -z "$base" ] || [ -n "$(changed "${rules[@]}")" ]; then
  mapfile -t files < <(git ls-files -co --exclude-standard 'src/*.cc' |
    grep -Ev '^src/target/hls/(library|native|skeleton)/')
  echo "tidy: all ${#files[@]} sources"
else
  # A header is seen through the sources that include it, or else through its room's.
  mapfile -t files < <(
    for file in $(changed "${sources[@]}"); do
      case "$file" in
        *.cc) echo "$file" ;;
        *) name=${file#include/}; room=$(dirname "${file#*include/tailor/}")
           git grep -lF "#include \"${name#src/}\"" -- 'src/*.cc' ||
             git ls-files "src/${room#src/}/*.cc" ;;
      esac
    done | sort -u)
  since=$(git log -1 --format='%h (%cs)' "$base")
  echo "tidy: ${#files[@]} sources changed, or with a changed header, since $since"
fi
python3 tests/tools/check_includes.py .
[ ${#files[@]} -gt 0 ] || exit 0

cmake --preset tidy --log-level=WARNING >/dev/null
cmake --build --preset tidy >/dev/null
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 --quiet -p build/tidy \
    2> >(grep -Ev '^[0-9]+ warnings? generated' >&2)
echo "tidy: nothing found"
