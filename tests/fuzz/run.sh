#!/usr/bin/env bash
# Runs a fuzz target on one core: tests/fuzz/run.sh TARGET [SECONDS] [BUILD]. The corpus is kept in
# BUILD/corpus/TARGET and begins with the fixtures of tests/tensors and the pickles in them, or
# pictures, archives and packed caches made here and the files of $TAILOR_CORPUS, or graphs that the
# target makes; a finding is written to BUILD/findings/TARGET and ends the run with an error.
set -euo pipefail
names="npy, safetensors, torch_file, numpy_pickle, nemo, onnx, graph, packed, picture, archive,"
names+=" arrays, chunks, arpa, transcripts, manifest, report_xml, report_text, report_cosim,"
names+=" report_utilisation, report_hierarchy or report_timing"
target=${1:?"run.sh: name a target: $names"}
seconds=${2:-600}
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "${3:-$source/build/fuzz}")
mkdir -p "$build/corpus/$target" "$build/findings/$target"
case $target in
  arpa)  # three words of our own
    printf '%s\n' 'x' '\data\' 'ngram 1=4' 'ngram 2=2' 'ngram 3=1' '\1-grams:' '-99 <s> -0.5' \
      '-1 </s>' '-0.5 a -0.25' '-0.75 b' '\2-grams:' '-0.5 <s> a -1' '-0.25 a b' '\3-grams:' \
      '-0.125 <s> a b' '\end\' > "$build/corpus/arpa/three" ;;
  chunks)
    [ ! -w /dev/shm ] || export TMPDIR=/dev/shm  # a disk would be waited for
    for own in 0 1 2; do
      for file in "$source"/tests/tensors/fixtures/*.npy; do
        { printf "\\00$own"; cat "$file"; } >"$build/corpus/chunks/$own-$(basename "$file")"
      done
    done ;;
  npy | arrays) cp "$source"/tests/tensors/fixtures/*.npy "$build/corpus/$target" ;;
  transcripts)
    printf '1-2-0001 ONE TWO\n1-2-0002 THREE  FOUR\xe2\x80\x99S\r\n' >"$build/corpus/$target/a" ;;
  manifest)
    printf '{"audio_filepath": "a.flac", "offset": 1.5, "duration": 2, "text": "one"}\n' \
      >"$build/corpus/$target/nemo"
    printf '[{"transcript": "one", "original_duration": 2.5, "files": [%s, %s]}]' \
      '{"fname": "a.flac", "speed": 0.9}' '{"fname": "a.flac", "speed": 1, "duration": 2}' \
      >"$build/corpus/$target/dle" ;;
  report_*)  # files in the tools' form, written by hand
    cp "$source"/tests/target/hls/reports/* "$build/corpus/$target" ;;
  onnx) cp "$source"/tests/net/fixtures/*.onnx "$build/corpus/$target" ;;
  safetensors) cp "$source"/tests/tensors/fixtures/*.safetensors "$build/corpus/$target" ;;
  packed | picture)  # a few pictures of our own, and a cache of them
    python3 - "$build/corpus/picture" "$build/corpus/packed" <<'PYTHON'
import pathlib, struct, sys, zlib
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for depth, colour, channels in [(8, 2, 3), (8, 0, 1), (16, 6, 4), (16, 0, 1), (1, 0, 1)]:
    width, height = 19, 13
    row = b"\0" + bytes(i * 7 % 256 for i in range((width * channels * depth + 7) // 8))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    (folder / f"{depth}-{colour}.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))
# A packed cache of three pictures (docs/formats.md); the target checks no sums, so they are 0.
shapes, records, offset = [(4, 5), (1, 7), (3, 3)], b"", 64
pixels = b"".join(bytes(i * 5 % 256 for i in range(3 * h * w)) for h, w in shapes)
for label, (h, w) in enumerate(shapes):
    records += struct.pack("<QIIII", offset, h, w, label, 0)
    offset += 3 * h * w
json = (b'{"name":"own","short_side":4,"classes":3,"class_names":["a","b","c"],"preprocessing":'
        b'{"mean":[0.5,0.5,0.5],"deviation":[0.25,0.25,0.25]},"train":2,"test":1}')
caches = pathlib.Path(sys.argv[2])
caches.mkdir(parents=True, exist_ok=True)
def cache(name, version, pixels, records, json):
    offset = 64 + len(pixels)
    (caches / name).write_bytes(
        b"tailor packed images\n".ljust(32, b"\0") + struct.pack("<I28x", version)
        + pixels + records + json + b"end of tailor packed images\n".ljust(32, b"\0")
        + struct.pack("<QQQII", offset, len(records), len(json), 0, 0))
cache("three", 1, pixels, records, json)
# Version 2: two channels of 16 bits or floats.
for kind, size in (("U16", 2), ("F32", 4)):
    records = b"".join(struct.pack("<QIIII", 64 + i * 2 * 12 * size, 3, 4, i, 0) for i in range(2))
    json = (b'{"name":"own","short_side":4,"classes":3,"class_names":[],"preprocessing":'
            b'{"mean":[0.5,0.5],"deviation":[0.25,0.25],"range":[-1,2]},"train":1,"test":1,'
            b'"channels":2,"pixels":"%s"}') % kind.encode()
    cache(kind, 2, bytes(i * 3 % 64 for i in range(2 * 2 * 12 * size)), records, json)
PYTHON
    if [ -n "${TAILOR_CORPUS:-}" ]; then cp "$TAILOR_CORPUS"/* "$build/corpus/$target"; fi ;;
  archive)
    python3 - "$build/corpus/archive" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile
folder = pathlib.Path(sys.argv[1])
for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
    with tarfile.open(folder / name, mode, format=tarfile.USTAR_FORMAT) as archive:
        for path, link in (("train/a/0.png", None), ("train/b/1.png", "train/a/0.png"),
                           ("train/b/2.png", "nowhere")):
            info = tarfile.TarInfo(path)
            if link:
                info.type, info.linkname = tarfile.LNKTYPE, link
                archive.addfile(info)
            else:
                info.size = 700
                archive.addfile(info, io.BytesIO(bytes(i * 7 % 251 for i in range(700))))
with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a/0.png", b"x" * 600)
    archive.writestr("b/0.png", bytes(range(200)))
PYTHON
    ;;
  numpy_pickle)
    python3 - "$build/corpus/numpy_pickle" <<'PYTHON'
import pathlib, struct, sys
folder = pathlib.Path(sys.argv[1])
text = lambda s: b"U" + bytes([len(s)]) + s
kinds = (("bytes", b"u1", b"|", 1), ("words", b"i2", b">", 2), ("floats", b"f4", b"<", 4))
for name, kind, order, size in kinds:
    content = bytes(range(6 * size))
    dtype = (b"cnumpy\ndtype\n(" + text(kind) + b"K\0K\1tR(K\3" + text(order)
             + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb")
    array = (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t" + text(b"b")
             + b"tR(K\1(K\2K\3t" + dtype + b"\x89" + text(content) + b"tb")
    (folder / name).write_bytes(
        b"\x80\x02}(" + text(b"labels") + b"](K\1K\5e" + text(b"data") + array + b"u.")
    recent = (b"cnumpy.core.numeric\n_frombuffer\n(\x96" + struct.pack("<Q", 6 * size) + content
              + dtype + b"(K\2K\3t" + text(b"F") + b"tR")
    (folder / (name + "5")).write_bytes(b"\x80\x05}(" + text(b"data") + recent + b"u.")
PYTHON
    ;;
  nemo)
    python3 - "$source/tests/tensors/fixtures" "$build/corpus/nemo" <<'PYTHON'
import io, pathlib, sys, tarfile
fixtures, corpus = map(pathlib.Path, sys.argv[1:])
members = (("./model_config.yaml", b"target: x"),
           ("./model_weights.ckpt", (fixtures / "zip.pt").read_bytes()))
for name, mode in (("a.nemo", "w"), ("gz.nemo", "w:gz")):
    with tarfile.open(corpus / name, mode, format=tarfile.USTAR_FORMAT) as archive:
        for path, data in members:
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
PYTHON
    ;;
  torch_file)
    cp "$source"/tests/tensors/fixtures/*.pt "$build/corpus/$target"
    python3 - "$source/tests/tensors/fixtures" "$build/corpus/$target" <<'PYTHON'
import pathlib, struct, sys, zipfile
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pt")):
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        # Not through archive.read: one fixture has no checksums.
        info = archive.getinfo(name)
        with open(path, "rb") as file:
            file.seek(info.header_offset + 26)
            file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
            pickle = file.read(info.file_size)
        (pathlib.Path(sys.argv[2]) / (path.name + ".pkl")).write_bytes(pickle)
PYTHON
    ;;
esac
length=16384 options=()
# Its seeds are longer, and the target makes them itself. Weighing inputs would take half the time.
[ "$target" != graph ] || length=32768 options=(-entropic=0)
[ ! -f "$source/tests/fuzz/$target.dict" ] || options+=(-dict="$source/tests/fuzz/$target.dict")
exec nice -n 19 "$build/fuzz_$target" -max_total_time="$seconds" -max_len="$length" \
  -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10 -print_final_stats=1 \
  -artifact_prefix="$build/findings/$target/" "${options[@]}" "$build/corpus/$target"
