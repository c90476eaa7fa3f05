#!/usr/bin/env bash
# Fetches a data set's official archive, checks it and unpacks it.
# usage: scripts/fetch_data.sh cifar10|cifar100 [--output DIR] [--archive FILE]
#   --output DIR     where to unpack (default: $TAILOR_DATA, else ./data)
#   --archive FILE   use a file that is here already instead of downloading
set -euo pipefail
usage() { sed -n '3,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
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
case "$name" in
  cifar10) file=cifar-10-binary.tar.gz md5=c32a1d4ab5d03f1284b67883e8d87530 folder=cifar-10-batches-bin ;;
  cifar100) file=cifar-100-binary.tar.gz md5=03b5dce01913d631647c71ecec9e9cb8 folder=cifar-100-binary ;;
  *) echo "fetch_data.sh: unknown data set '$name'" >&2; usage ;;
esac
url=https://www.cs.toronto.edu/~kriz/$file

[ ! -d "$output/$folder" ] || { echo "$output/$folder is there already"; exit 0; }
mkdir -p "$output"
if [ -z "$archive" ]; then
  archive=$output/$file
  echo "downloading $url"
  if command -v curl >/dev/null; then curl -fL --retry 3 -o "$archive.part" "$url"
  elif command -v wget >/dev/null; then wget -O "$archive.part" "$url"
  else echo "fetch_data.sh: neither curl nor wget is installed; download $url and use --archive" >&2; exit 1; fi
  mv "$archive.part" "$archive"
fi
found=$(md5sum "$archive" | cut -d' ' -f1)
[ "$found" = "$md5" ] || { echo "fetch_data.sh: $archive: expected MD5 $md5, got $found; the file is damaged or another one" >&2; exit 4; }
rm -rf "$output/.unpack"; mkdir "$output/.unpack"
tar -xzf "$archive" -C "$output/.unpack"
mv "$output/.unpack/$folder" "$output/$folder"; rm -rf "$output/.unpack"
echo "$output/$folder: $(ls "$output/$folder" | wc -l) files"
