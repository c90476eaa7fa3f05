#!/usr/bin/env bash
# Installs a build into a fresh prefix, moves that elsewhere, and uses it as a stranger would: the
# program, the manual page, the shells' completion, and docs/example built against the CMake
# package.
# usage: run.sh SOURCE BUILD CMAKE CXX CXX_FLAGS LIBTORCH(ON|OFF)
set -euo pipefail
source=$1 build=$2 cmake=$3 cxx=$4 flags=$5 libtorch=$6
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tailor-install.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
fail() { echo "install: $*" >&2; exit 1; }
fail_with() { cat "$1" >&2; fail "$2"; }  # FILE MESSAGE
# What is found must come from the prefix: neither the build folder's library nor the environment's.
unset LD_LIBRARY_PATH CMAKE_PREFIX_PATH

"$cmake" --install "$build" --prefix "$scratch/first" >"$scratch/log" ||
  fail_with "$scratch/log" "cmake --install failed"
prefix=$scratch/moved
mv "$scratch/first" "$prefix"
for file in bin/tailor share/man/man1/tailor.1 share/bash-completion/completions/tailor \
    share/zsh/site-functions/_tailor share/fish/vendor_completions.d/tailor.fish \
    include/tailor/net/network.h; do
  [ -s "$prefix/$file" ] || fail "$file is not there or empty"
done
[ ! -e "$prefix/include/tailor/nn" ] || fail "headers of the LibTorch rooms are installed"

cd "$scratch"
loaded=$(ldd "$prefix/bin/tailor" | sed -n 's/.*libtailor\.so => \([^ ]*\).*/\1/p')
above=$(realpath "$(dirname "$loaded")/..")
[ "$above" = "$(realpath "$prefix")" ] || [ "$(dirname "$above")" = "$(realpath "$prefix")" ] ||
  fail "bin/tailor loads $loaded, expected the prefix's own libtailor.so"
"$prefix/bin/tailor" export --network resnet8 --untrained --precision 8,3 --vectors 1 \
  --output project >/dev/null
[ -s project/manifest.json ] || fail "the installed program exported nothing"
if [ "$libtorch" = ON ]; then
  [ -e "$(dirname "$loaded")/libtailor_torch.so" ] ||
    fail "libtailor_torch.so is not beside libtailor.so"
  "$prefix/bin/tailor" env --json | grep -q '"libtorch": {' ||
    fail "the installed program does not find LibTorch"
fi

"$cmake" -S "$source/docs/example" -B example -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS="$flags" >log 2>&1 &&
  "$cmake" --build example >>log 2>&1 ||
  fail_with log "docs/example does not build against the package"
grep -q "tailor_DIR:PATH=$prefix/" example/CMakeCache.txt ||
  fail "the package of another prefix was found"
example/skip_cost resnet8 >answer
grep -q '^resnet8: 78042 parameters, .* multiply-accumulates, 3 skips$' answer ||
  fail_with answer "docs/example counts wrongly"
[ "$(grep -c ' FIFO of ' answer)" = 3 ] ||
  fail_with answer "docs/example does not show three FIFOs"
status=0
example/skip_cost resnet21 2>error || status=$?
[ "$status" = 2 ] && grep -q "did you mean 'resnet20'" error ||
  fail "an unknown network: exit status $status, $(cat error)"
echo "install: the program, its pages and docs/example work from $prefix"
