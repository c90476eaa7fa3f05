#!/usr/bin/env bash
# Fetches a data set's official archive, checks it and unpacks it.
# usage: scripts/fetch_data.sh SET [--output DIR] [--archive FILE]
#   SET              cifar10, cifar100, svhn, tiny-imagenet or imagenette
#   --output DIR     where to unpack (default: $TAILOR_DATA, else ./data)
#   --archive FILE   use a file that is here already instead of downloading (svhn: a folder with its
#                    .mat files)
# svhn takes train, test and, with SVHN_EXTRA=1, extra. ImageNet itself needs an account: see
# image-net.org.
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
  svhn) folder=svhn ;;
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
