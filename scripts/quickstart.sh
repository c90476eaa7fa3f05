#!/usr/bin/env bash
# The whole way on the embedded data set, from nothing: sets up, builds, trains a teacher, retrains
# it without skips and with shortened ones, writes both as HLS projects for the Alveo U200, and
# proves that each computes what its network computes. Results stay in build/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cmake --workflow --preset release
mkdir -p build/quickstart
cd build/quickstart
PATH="$PWD/../release:$PATH"

step() { printf '\n== %s\n' "$*"; "$@"; }
train() {  # NAME, then the arguments of tailor train; a run that was interrupted goes on
  if [ -e "runs/$1/config.json" ]; then
    step tailor train --resume "runs/$1"
  else
    step tailor train --output "runs/$1" "${@:2}"
  fi
}
train removed   --config quickstart
train shortened --config quickstart_shorten
for run in removed shortened; do
  step tailor export --precision 16,6 --fpga u200 --checkpoint "runs/$run" \
    --output "projects/$run" --force
  step tailor check "projects/$run"
  step tailor evaluate --checkpoint "runs/$run"
  step tailor evaluate --checkpoint "runs/$run" --backend emulator --precision 16,6
done
printf '\nruns and projects are in %s\n' "$PWD"
