#!/usr/bin/env bash
# Exports and checks the networks that scripts/results_cifar10.sh trained, in both layouts and two
# precisions, and prints the tables of docs/results/cifar10_resnet20.md.
# usage: scripts/results_hardware.sh OUT [RUN...]      (about 10 minutes on 2 cores)
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
out=$1; shift
tailor=${TAILOR:-$(dirname "$0")/../build/release/tailor}
export TAILOR_LOG=warn
field() { python3 -c 'import json, sys; d = json.load(sys.stdin)
for key in sys.argv[1].split("."): d = d[key]
print(d)' "$1"; }
accuracy() {  # CHECKPOINT [FLAG...]
  "$tailor" evaluate --checkpoint "$1" --limit 1000 "${@:2}" --json 2>/dev/null | field accuracy
}

runs=("$@")
[ $# -gt 0 ] || runs=(teacher shortener_before remover)
echo "| network | float32 (LibTorch) | emulated 16,6 | emulated 8,3 |"
echo "|---|---|---|---|"
for run in "${runs[@]}"; do
  checkpoint=$out/$run; [ "$run" != teacher ] || checkpoint=$out/remover/teacher/
  row="| $run | $(accuracy "$checkpoint")"
  for precision in 16,6 8,3; do
    row="$row | $(accuracy "$checkpoint" --backend emulator --precision $precision)"
  done
  echo "$row |"
done
echo
printf '| %s ' network layout precision check vectors multipliers 'FIFO bits' \
  'interval, cycles (model)' 'rms error measured / predicted' 'export, s'
echo "| check, s |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for run in "${runs[@]}"; do
  checkpoint=$out/$run; [ "$run" != teacher ] || checkpoint=$out/remover/teacher/
  for layout in fused stock; do
    for precision in 16,6 8,3; do
      project=$out/projects/$run-$layout-${precision/,/_}
      start=$(date +%s.%N)
      exported=$("$tailor" export --checkpoint "$checkpoint" --precision $precision \
        --layout $layout --vectors 100 --output "$project" --force --json 2>/dev/null)
      middle=$(date +%s.%N)
      checked=$("$tailor" check "$project" --json 2>/dev/null || true)
      end=$(date +%s.%N)
      row="| $run | $layout | $precision"
      row="$row | $(field passed <<<"$checked" | sed 's/True/pass/; s/False/FAIL/')"
      row="$row | $(field vectors <<<"$checked")"
      for key in cost.multipliers cost.fifo_bits cost.interval_cycles_model \
          quantisation.rms_measured; do
        row="$row | $(field $key <<<"$exported")"
      done
      row="$row / $(field quantisation.rms_predicted <<<"$exported")"
      echo "$row | $(python3 -c "print(f'{$middle-$start:.1f} | {$end-$middle:.1f}')") |"
    done
  done
done
