#!/usr/bin/env bash
# Trains the runs behind docs/results/cifar10_resnet20.md on the real CIFAR-10: two teachers, and
# from them students that differ in one thing only.
# usage: scripts/results_cifar10.sh DATA OUT [THREADS]
# 2.5 hours on 2 idle cores; finished runs are kept, interrupted ones go on.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
data=$1 out=$2 threads=${3:-0}
tailor=${TAILOR:-$(dirname "$0")/../build/release/tailor}

run() {  # NAME CONFIG [--set …]: one student, 16 epochs, all with the same schedule
  local name=$1 config=$2; shift 2
  if [ -e "$out/$name/config.json" ]; then
    "$tailor" train --resume "$out/$name" >/dev/null
  else
    "$tailor" train --config "$config" --output "$out/$name" \
      --set data.root="$data" --set runtime.threads="$threads" \
      --set teacher.epochs=16 --set train.epochs=16 --set surgery.alpha=1 \
      --set train.schedule.hold_epochs=10 "$@" >/dev/null
  fi
}

run remover             resnet20_remove
run unaltered           resnet20_remove  --set surgery.kind=none
run shortener_before    resnet20_shorten
run distillation_only   resnet20_remove  --set surgery.first_epoch=0 --set surgery.at_once=9
run shortener_after     resnet20_shorten --set network.join=after_activation --set teacher.epochs=12
