#!/usr/bin/env bash
# Runs a fuzz target on one core: tests/fuzz/run.sh TARGET [SECONDS] [BUILD]. The corpus is kept in BUILD/corpus/TARGET and begins with the fixtures of
# tests/tensors and the pickles in them, or pictures and a packed cache made here and the files of $TAILOR_CORPUS; a finding is written to BUILD/findings/TARGET and ends the run with an error.
set -euo pipefail
target=${1:?"run.sh: name a target: npy, safetensors, torch_file, packed or picture"}
seconds=${2:-600}
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "${3:-$source/build/fuzz}")
mkdir -p "$build/corpus/$target" "$build/findings/$target"
case $target in
  npy) cp "$source"/tests/tensors/fixtures/*.npy "$build/corpus/$target" ;;
  safetensors) cp "$source"/tests/tensors/fixtures/*.safetensors "$build/corpus/$target" ;;
  packed | picture)  # a few pictures of our own, and a cache of them
    python3 - "$build/corpus/picture" "$build/corpus/packed" <<'PYTHON'
import pathlib, struct, sys, zlib
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for depth, colour, channels in [(8, 2, 3), (8, 0, 1), (16, 6, 4), (1, 0, 1)]:
    width, height = 19, 13
    row = b"\0" + bytes(i * 7 % 256 for i in range((width * channels * depth + 7) // 8))
    (folder / f"{depth}-{colour}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))
# A packed cache of three pictures (docs/formats.md); the target checks no sums, so they are 0.
shapes, records, offset = [(4, 5), (1, 7), (3, 3)], b"", 64
pixels = b"".join(bytes(i * 5 % 256 for i in range(3 * h * w)) for h, w in shapes)
for label, (h, w) in enumerate(shapes):
    records += struct.pack("<QIIII", offset, h, w, label, 0)
    offset += 3 * h * w
json = b'{"name":"own","short_side":4,"classes":3,"class_names":["a","b","c"],"preprocessing":{"mean":[0.5,0.5,0.5],"deviation":[0.25,0.25,0.25]},"train":2,"test":1}'
caches = pathlib.Path(sys.argv[2])
caches.mkdir(parents=True, exist_ok=True)
(caches / "three").write_bytes(b"tailor packed images\n".ljust(32, b"\0") + struct.pack("<I28x", 1) + pixels + records + json
    + b"end of tailor packed images\n".ljust(32, b"\0") + struct.pack("<QQQII", offset, len(records), len(json), 0, 0))
PYTHON
    if [ -n "${TAILOR_CORPUS:-}" ]; then cp "$TAILOR_CORPUS"/* "$build/corpus/$target"; fi ;;
  torch_file)
    cp "$source"/tests/tensors/fixtures/*.pt "$build/corpus/$target"
    python3 - "$source/tests/tensors/fixtures" "$build/corpus/$target" <<'PYTHON'
import pathlib, sys, zipfile
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pt")):
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        # Not through archive.read: one fixture has no checksums.
        info = archive.getinfo(name)
        with open(path, "rb") as file:
            file.seek(info.header_offset + 26)
            lengths = file.read(4)
            file.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), 1)
            (pathlib.Path(sys.argv[2]) / (path.name + ".pkl")).write_bytes(file.read(info.file_size))
PYTHON
    ;;
esac
dictionary=()
[ ! -f "$source/tests/fuzz/$target.dict" ] || dictionary=(-dict="$source/tests/fuzz/$target.dict")
exec nice -n 19 "$build/fuzz_$target" -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10 \
  -print_final_stats=1 -artifact_prefix="$build/findings/$target/" "${dictionary[@]}" "$build/corpus/$target"
