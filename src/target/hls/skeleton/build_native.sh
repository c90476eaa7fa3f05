#!/bin/sh
# @{banner}
# Compiles the project with the host's compiler and runs its test bench; exit status 0 when every bit is as expected.
set -e
cd "$(dirname "$0")"
"${CXX:-c++}" -std=c++11 -O2 -I. -Ifirmware -idirafter firmware/native @{sources} @{top}_test.cpp -o csim
exec ./csim "$@"
