#!/usr/bin/env bash
# Fetches a data set's official archive, checks it and unpacks it.
# usage: scripts/fetch_data.sh SET [--output DIR] [--archive FILE]
#   SET              cifar10, cifar100, svhn, tiny-imagenet, imagenette or librispeech
#   --output DIR     where to unpack (default: $TAILOR_DATA, else ./data)
#   --archive FILE   use a file that is here already instead of downloading (svhn: a folder with its
#                    .mat files)
# svhn takes train, test and, with SVHN_EXTRA=1, extra. librispeech takes the sets that
# LIBRISPEECH_SETS names (default "train-clean-100 dev-clean dev-other test-clean test-other"; also
# train-clean-360, train-other-500, and train-clean-5 and dev-clean-2 of the mini set), and
# --archive a folder with their .tar.gz files. ImageNet itself needs an account: see image-net.org.
set -euo pipefail
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 1 ] || usage
name=$1; shift
output=${TAILOR_DATA:-data} archive=
while [ $# -gt 0 ]; do
  case "$1" in
    --output) output=${2:?"--output needs a folder"}; shift 2 ;;
    --archive) archive=${2:?"--archive needs a file"}; shift 2 ;;
    *) echo "fetch_data.sh: unknown argument '$1'" >&2; usage ;;
  esac
done
toronto=https://www.cs.toronto.edu/~kriz
unpack="tar -xzf"
case "$name" in
  cifar10)
    url=$toronto/cifar-10-binary.tar.gz folder=cifar-10-batches-bin
    expected=c32a1d4ab5d03f1284b67883e8d87530 ;;
  cifar100)
    url=$toronto/cifar-100-binary.tar.gz folder=cifar-100-binary
    expected=03b5dce01913d631647c71ecec9e9cb8 ;;
  tiny-imagenet)
    url=http://cs231n.stanford.edu/tiny-imagenet-200.zip folder=tiny-imagenet-200
    expected=90528d7ca1a48142e341f4ef8d21d0de unpack="unzip -q" ;;
  imagenette)
    url=https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz folder=imagenette2-320
    expected=3df6f0d01a2c9592104656642f5e78a3 ;;
  svhn | librispeech) folder=$name ;;
  *) echo "fetch_data.sh: unknown data set '$name'" >&2; usage ;;
esac

download() {  # URL FILE
  echo "downloading $1"
  if command -v curl >/dev/null; then curl -fL --retry 3 -o "$2.part" "$1"
  elif command -v wget >/dev/null; then wget -O "$2.part" "$1"
  else
    echo "fetch_data.sh: neither curl nor wget is installed; download $1 and use --archive" >&2
    exit 1
  fi
  mv "$2.part" "$2"
}
verify() {  # FILE MD5
  local found; found=$(md5sum "$1" | cut -d' ' -f1)
  [ "$found" = "$2" ] && return
  echo "fetch_data.sh: $1: expected MD5 $2, got $found; the file is damaged or another one" >&2
  exit 4
}

[ "${unpack%% *}" = tar ] || command -v unzip >/dev/null || {
  echo "fetch_data.sh: unzip is not installed; tailor also reads the .zip in place:" \
    "download $url, then --set data.root=FILE" >&2
  exit 1
}

if [ "$name" = svhn ]; then
  mkdir -p "$output/svhn"
  parts="train:e26dedcc434d2e4c54c9b2d4a06d8373 test:eb5a983be6a315427106f1b164d9cef3"
  [ -z "${SVHN_EXTRA:-}" ] || parts="$parts extra:a93ce644f1a588dc4d68dda5feec44a7"
  for part in $parts; do
    file=${part%%:*}_32x32.mat
    if [ ! -e "$output/svhn/$file" ]; then
      if [ -n "$archive" ]; then
        cp "$archive/$file" "$output/svhn/$file.part"
        mv "$output/svhn/$file.part" "$output/svhn/$file"
      else download "http://ufldl.stanford.edu/housenumbers/$file" "$output/svhn/$file"; fi
    fi
    verify "$output/svhn/$file" "${part##*:}"
  done
  echo "$output/svhn: $(ls "$output/svhn" | wc -l) files"
  exit 0
fi

librispeech_md5() {  # SET; the mini sets have no published sum
  case "$1" in
    train-clean-100) echo 2a93770f6d5c6c964bc36631d331a522 ;;
    train-clean-360) echo c0e676e450a7ff2f54aeade5171606fa ;;
    train-other-500) echo d1a0fd59409feb2c614ce4d30c387708 ;;
    dev-clean) echo 42e2234ba48799c1f50f24a7926300a1 ;;
    dev-other) echo c8d0bcc9cca99d4f8b62fcc847357931 ;;
    test-clean) echo 32fa31d27d2e1cad72775fee3f4849a9 ;;
    test-other) echo fb5a50374b501bb3bac4815ee91d3135 ;;
    train-clean-5 | dev-clean-2) ;;
    *) echo "fetch_data.sh: LibriSpeech has no set '$1'" >&2; exit 2 ;;
  esac
}
if [ "$name" = librispeech ]; then
  mkdir -p "$output"
  for part in ${LIBRISPEECH_SETS:-train-clean-100 dev-clean dev-other test-clean test-other}; do
    expected=$(librispeech_md5 "$part")
    [ ! -d "$output/LibriSpeech/$part" ] || { echo "LibriSpeech/$part is there"; continue; }
    site=https://www.openslr.org/resources/12
    [ -n "$expected" ] || site=https://www.openslr.org/resources/31
    file=${archive:-$output}/$part.tar.gz
    [ -e "$file" ] || download "$site/$part.tar.gz" "$file"
    [ -z "$expected" ] || verify "$file" "$expected"
    rm -rf "$output/.unpack"; mkdir "$output/.unpack"
    tar -xzf "$file" -C "$output/.unpack"
    mkdir -p "$output/LibriSpeech"
    mv "$output/.unpack/LibriSpeech/$part" "$output/LibriSpeech/$part"; rm -rf "$output/.unpack"
  done
  echo "$output/LibriSpeech: $(ls "$output/LibriSpeech" | wc -l) entries"
  exit 0
fi

[ ! -d "$output/$folder" ] || { echo "$output/$folder is there already"; exit 0; }
mkdir -p "$output"
if [ -z "$archive" ]; then
  archive=$output/${url##*/}
  download "$url" "$archive"
fi
verify "$archive" "$expected"
rm -rf "$output/.unpack"; mkdir "$output/.unpack"
archive=$(realpath "$archive"); (cd "$output/.unpack" && $unpack "$archive")
mv "$output/.unpack/$folder" "$output/$folder"; rm -rf "$output/.unpack"
echo "$output/$folder: $(ls "$output/$folder" | wc -l) files"
