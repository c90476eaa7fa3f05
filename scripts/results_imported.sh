#!/usr/bin/env bash
# Imports the published checkpoints and trains the runs behind docs/results/imported.md from them:
# ResNet-20 and ResNet-56 with their skips removed, shortened and left, on the real CIFAR-10.
# usage: scripts/results_imported.sh DATA CHECKPOINTS OUT [THREADS]
# 6 hours on one thread, 3 of them ResNet-56; finished runs are kept, interrupted ones go on.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
data=$1 checkpoints=$2 out=$3 threads=${4:-0}
tailor=${TAILOR:-$(dirname "$0")/../build/release/tailor}
mkdir -p "$out"

import() {  # DEPTH FILE: the checkpoint, and its accuracy on the 10,000 test images
  [ -e "$out/resnet$1/model.ckpt" ] ||
    "$tailor" import "$checkpoints/$2" --network "resnet$1" --output "$out/resnet$1"
  "$tailor" evaluate --checkpoint "$out/resnet$1" --data "$data"
}

run() {  # DEPTH KIND [--set …]: one student of the imported teacher, alpha 1
  local name=resnet$1_$2 depth=$1 kind=$2; shift 2
  if [ -e "$out/$name/config.json" ]; then
    "$tailor" train --resume "$out/$name" >/dev/null
  else
    "$tailor" train --config resnet20_remove --output "$out/$name" \
      --set network.depth="$depth" --set network.shortcut=pad \
      --set teacher.checkpoint="$out/resnet$depth/model.ckpt" \
      --set data.root="$data" --set runtime.threads="$threads" \
      --set surgery.kind="$kind" --set surgery.alpha=1 "$@" >/dev/null
  fi
}

import 20 resnet20-12fca82f.th
import 56 resnet56-4bfd9763.th
for kind in remove shorten none; do
  run 20 $kind --set train.epochs=16 --set train.schedule.hold_epochs=10
done
# An epoch of ResNet-56 takes three times as long: 15,000 of the images, and a rate that does not
# undo the published weights.
for kind in remove shorten none; do
  run 56 $kind --set train.epochs=18 --set train.schedule.hold_epochs=10 \
    --set train.optimizer.lr=0.02 --set train.batch_size=64 --set surgery.at_once=3 \
    --set data.train_size=16000 --set data.validation=1000
done
