#!/usr/bin/env bash
# Installs what tailor needs to build, run and test on Debian 12, by package name. Safe to run
# twice: what is there is left alone.
# usage: scripts/setup.sh [--torch debian|wheel|none] [--prefix DIR]
#   debian  Debian's LibTorch 1.13.1 (default)
#   wheel   also a virtual environment in .venv-torch with torch 2.13.0
#   none    no LibTorch: export, check and everything else that does not train
#   DIR     without root: what building and running needs is unpacked there, compiler included, and
#           nothing else changes (default: $TAILOR_PREFIX; empty: install as root)
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

torch=debian prefix=${TAILOR_PREFIX:-}
while [ $# -gt 0 ]; do
  case "$1" in
    --torch) torch=${2:?"setup.sh: --torch needs a value: debian, wheel or none"}; shift 2 ;;
    --prefix) prefix=${2:?"setup.sh: --prefix needs a folder"}; shift 2 ;;
    -h|--help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
  esac
done
case "$torch" in
  debian|wheel|none) ;;
  *) echo "setup.sh: --torch takes debian, wheel or none, got '$torch'" >&2; exit 2 ;;
esac

packages=(g++ cmake ninja-build pkg-config
          libcli11-dev libspdlog-dev nlohmann-json3-dev libpugixml-dev libgtest-dev
          libarchive-dev libjpeg62-turbo-dev libturbojpeg0-dev libpng-dev libmatio-dev
          libsndfile1-dev libkissfft-dev flite1-dev libparasail-dev libhdf5-dev libvbz-hdf-plugin0)
torch_packages=(libtorch-dev libopenblas0-pthread libgloo-dev)
for_developers=(git ccache lld clang-format clang-tidy clang-14 libclang-rt-14-dev
                libbenchmark-dev libsystemc-dev python3 python3-venv tcl make)
for_developers+=(sctk)        # sclite: an oracle of word errors
for_developers+=(python3-onnx)  # checks the models that export writes
for_developers+=(libxrt-dev)  # what the host programs of cards compile against

install_as_root() {  # PACKAGE...
  local missing=() package status as_root=()
  for package in "$@"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "setup: all $# packages are there"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "setup.sh: not root and no sudo: --prefix DIR does without; as root, run:" \
        "apt-get install ${missing[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
if [ -z "$prefix" ]; then
  [ "$torch" = none ] || packages+=("${torch_packages[@]}")
  install_as_root "${packages[@]}" "${for_developers[@]}"
else
  [[ "$prefix" = /* ]] || prefix=$here/$prefix
  # Beside a wheel no other LibTorch: the two would be mixed.
  [ "$torch" != debian ] || packages+=("${torch_packages[@]}")
  scripts/prefix.sh "$prefix" "${packages[@]}"
  prefix=$(cd "$prefix" && pwd)
fi

if [ "$torch" = wheel ]; then
  version=$(.venv-torch/bin/python -c 'import torch; print(torch.__version__)' 2>/dev/null || true)
  if [[ "$version" != 2.13.0* ]]; then
    echo "setup: torch 2.13.0 into .venv-torch"
    python3 -m venv .venv-torch
    .venv-torch/bin/pip install -q --disable-pip-version-check torch==2.13.0 safetensors numpy
  fi
  folder=$(.venv-torch/bin/python -c 'import torch; print(torch.__path__[0])')
  [ -n "$prefix" ] || echo "setup: configure with -DCMAKE_PREFIX_PATH=$folder"
fi
if [ -n "$prefix" ]; then
  search=${folder:+$folder:}$prefix/root/usr option= known=
  [ "$torch" != none ] || option=' -DTAILOR_WITH_TORCH=OFF'
  [ "$torch" != debian ] || known="TAILOR_PREFIX=$prefix "  # for quickstart.sh and test.sh
  echo "setup: go on with these two commands, here:"
  echo "  export ${known}PATH=$prefix/bin:\$PATH CXX=$prefix/bin/g++ CMAKE_PREFIX_PATH=$search"
  echo "  cmake --preset release$option && cmake --build --preset release"
fi
