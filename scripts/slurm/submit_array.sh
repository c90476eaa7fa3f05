#!/usr/bin/env bash
# Submits a directory of configurations as a SLURM array, a task for each that is not finished.
# The run of CONFIGS/NAME.json is OUTPUT/NAME. Safe to repeat: it then submits what is left.
# usage: scripts/slurm/submit_array.sh CONFIGS OUTPUT [SBATCH OPTION...]
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
[ -d "$1" ] || { echo "submit_array.sh: $1: no such folder of configurations" >&2; exit 2; }
mkdir -p "$2"
configs=$(cd "$1" && pwd) output=$(cd "$2" && pwd)
shift 2

# Tasks take lines of a list of their own, so that files may come and go while they wait.
list=$(mktemp "$output/array.XXXXXX")
tasks='' left=0 all=0
for config in "$configs"/*.json; do
  [ -e "$config" ] || continue
  all=$((all + 1))
  printf '%s\n' "$config" >>"$list"
  [ -e "$output/$(basename "$config" .json)/summary.json" ] ||
    { tasks+=${tasks:+,}$all; left=$((left + 1)); }
done
echo "submit_array.sh: $left of $all configurations in $configs are left to do" >&2
[ "$all" -gt 0 ] || { rm "$list"; echo "submit_array.sh: expected *.json files" >&2; exit 2; }
[ "$left" -gt 0 ] || { rm "$list"; exit 0; }
export TAILOR_SLURM=$here
exec sbatch --array="$tasks" "$@" "$here/array.sh" "$list" "$output"
