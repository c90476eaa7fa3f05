#!/usr/bin/env bash
# Runs the steps of the container recipes without a container: on a copy of exactly the files that
# they copy, as this machine's Debian 12 has set itself up. It says whether the copied files are
# enough; it does not say whether the base image is.
# usage: tests/tools/container_steps.sh [CMAKE_OPTION...]
# From the top folder; -DTAILOR_WITH_TORCH=OFF is quicker.
set -euo pipefail
source=$PWD
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tailor-container.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tree"
python3 tests/tools/check_containers.py "$source" --copy "$scratch/tree"
cd "$scratch/tree"
cmake --preset release -DTAILOR_BUILD_TESTS=OFF "$@" >/dev/null
cmake --build --preset release
cmake --install build/release --prefix "$scratch/usr/local" >/dev/null
rm -rf build
cd "$scratch"
PATH=$scratch/usr/local/bin:$PATH
tailor export --network resnet8 --untrained --vectors 1 --output project >/dev/null
tailor check project
