#!/usr/bin/env bash
# Configures, compiles and links everything against a CUDA LibTorch, on a machine without a GPU.
# usage: scripts/cuda_check.sh [--download] [--build FOLDER]
#   --download  fetch torch 2.11.0 with CUDA 13.0 and nvcc from PyPI first (3 GB, 5 GB unpacked);
#               without it, what is not there is an error with exit code 77
#   --build     where to build (default: build/cuda)
# The download stays in $TAILOR_CUDA_ROOT (default: ~/.cache/tailor/cuda); delete it by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${TAILOR_CUDA_ROOT:-$HOME/.cache/tailor/cuda} build=build/cuda download=no
packages=(torch==2.11.0 nvidia-cuda-{nvcc,crt}==13.0.88 nvidia-nvvm==13.0.88
          nvidia-cuda-cccl==13.0.85)
while [ $# -gt 0 ]; do
  case "$1" in
    --download) download=yes; shift ;;
    --build) build=${2:?"cuda_check.sh: --build needs a folder"}; shift 2 ;;
    -h|--help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "cuda_check.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
  esac
done

mark=$root/torch-2.11.0-cuda-13.0  # written last
if [ ! -e "$mark" ]; then
  if [ $download = no ]; then
    echo "cuda_check.sh: no CUDA LibTorch in $root; --download fetches it (3 GB, 5 GB unpacked)" >&2
    exit 77
  fi
  mkdir -p "$root"
  free_kib=$(df --output=avail "$root" | tail -n 1)
  if [ "$free_kib" -lt $((9 * 1024 * 1024)) ]; then
    echo "cuda_check.sh: $root has $((free_kib / 1024 / 1024)) GB free, expected 9" >&2; exit 1
  fi
  echo "cuda: ${packages[*]} into $root"
  python3 -m venv --clear "$root/venv"
  "$root/venv/bin/pip" install -q --disable-pip-version-check --no-cache-dir "${packages[@]}"
  touch "$mark"
fi

# NVIDIA's wheels hold a toolkit, but for the names that compilers and linkers look for.
torch=$("$root/venv/bin/python" -c 'import torch; print(torch.__path__[0])')
toolkit=$(dirname "$torch")/nvidia/cu13
ln -sfn lib "$toolkit/lib64"
for library in "$toolkit"/lib/*.so.*; do
  ln -sf "$(basename "$library")" "${library%%.so.*}.so"
done

# As system headers, so that their warnings are not ours.
export CPLUS_INCLUDE_PATH=$toolkit/include:$toolkit/include/cccl
export LIBRARY_PATH=$toolkit/lib CUDACXX=$toolkit/bin/nvcc TORCH_CUDA_ARCH_LIST=9.0
# What LIBRARY_PATH names, CMake takes for the system's, and leaves it out of where programs look.
cmake --preset release -B "$build" -DCMAKE_PREFIX_PATH="$torch" -DCUDA_TOOLKIT_ROOT_DIR="$toolkit" \
  -DCUDAToolkit_ROOT="$toolkit" -DCMAKE_SHARED_LINKER_FLAGS="-Wl,-rpath,$toolkit/lib" \
  -DTAILOR_BUILD_TESTS=OFF -Wno-dev
cmake --build "$build"
ldd "$build/libtailor_torch.so" | grep -q libtorch_cuda.so ||
  { echo "cuda_check.sh: libtailor_torch.so is not linked to libtorch_cuda.so" >&2; exit 1; }
"$build/tailor" env
