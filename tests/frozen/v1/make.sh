#!/usr/bin/env bash
# How the files beside this one were made: `make.sh TAILOR FOLDER` writes them into a new folder.
# No test runs it: a later program writes later files, and these have to stay readable.
set -euo pipefail
tailor=$(realpath "$1") here=$(dirname "$(realpath "$0")")
mkdir "$2" && cd "$2"
cp "$here"/{network,flat,run}.json .

# A finished run, and one that was stopped in epoch 1, between its two alterations: by the clock, so
# another time it stands at another step.
"$tailor" train --config run.json --output runs/finished
"$tailor" train --config run.json --output runs/stopped & student=$!
until grep -qs 'epoch 1: shortened' runs/stopped/train.log; do sleep 0.05; done
sleep 0.4 && kill -INT $student && wait $student || [ $? -eq 130 ]

# Projects: of the finished run, and of initial weights, whose graph has no witness of LibTorch.
"$tailor" export --checkpoint runs/finished/last.ckpt --output trained
"$tailor" export --network flat.json --untrained --layout stock --vectors 3 --output flat

# Pictures of noise.
python3 - <<'PY'
import random
square, flat = (32, 32, 3), (9, 11, 3)
for name, shape in ("picture0", square), ("picture1", square), ("flat0", flat), ("flat1", flat):
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    noise = random.Random(name).randbytes(shape[0] * shape[1] * shape[2])
    start = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    open(name + ".npy", "wb").write(start + noise)
PY

pack() {  # archive, files: nothing of this machine or hour
  tar --sort=name --mtime=2026-11-28 --owner=0 --group=0 --numeric-owner --exclude=.lock \
    --exclude=train.log --exclude='*teacher-*/last.ckpt' -cf - "${@:2}" | xz -9e >"$1"
}
pack runs.tar.xz runs
pack trained.tar.xz trained/{graph,design}.safetensors
pack flat.tar.xz flat
rm -r runs trained flat network.json flat.json run.json
