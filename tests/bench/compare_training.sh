#!/usr/bin/env bash
# Training throughput of one build of tailor over that of another (ResNet-20, synthetic set):
# `compare_training.sh A B [ROUNDS]` trains with each in turn and prints the median of the ratios.
set -euo pipefail
a=$(realpath "$1") b=$(realpath "$2") rounds=${3:-5}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cat >"$work/config.json" <<'JSON'
{"network": {"depth": 20}, "train": {"epochs": 1},
 "data": {"name": "synthetic", "train_size": 1280, "test_size": 10, "validation": 0}}
JSON
rate() {  # program: images a second in one epoch
  rm -rf "$work/run"
  TAILOR_LOG=off "$1" train --config "$work/config.json" --output "$work/run" >/dev/null
  sed 's/.*"images_per_s":\([0-9.e+]*\).*/\1/' "$work/run/metrics.jsonl"
}
for _ in $(seq "$rounds"); do
  first=$(rate "$a") second=$(rate "$b")
  echo "$first $second" | awk '{printf "%.1f images/s, %.1f images/s: %.3f\n", $1, $2, $2 / $1}'
done | tee /dev/stderr | sed 's/.*: //' | sort -n |
  awk '{r[NR] = $1} END {print "median", r[int((NR + 1) / 2)]}'
