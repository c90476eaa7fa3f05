#!/usr/bin/env bash
# What scripts/slurm does, without a SLURM: stand-ins for sbatch, scontrol and tailor note what they
# are asked for. tests/tools/slurm_check.sh runs the same scripts for real.
# usage: tests/tools/slurm_scripts.sh
set -euo pipefail
slurm=$(cd "$(dirname "$0")/../../scripts/slurm" && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tailor slurm.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
mkdir bin
for program in sbatch scontrol; do
  printf '#!/bin/sh\nprintf "%%s|" %s "$@" >>"%s/asked"\n' $program "$scratch" >bin/$program
done
# Trains until SIGUSR1, then "saves"; with a configuration that is wrong it fails.
cat >bin/tailor <<'END'
#!/usr/bin/env bash
printf '%s|' "$@" >>"$ASKED"
[[ "$*" != *wrong.json* ]] || exit 3
[[ "$*" != *short.json* ]] || exit 0
trap 'exit 138' USR1
touch "$ASKED.started"
while :; do sleep 0.05; done
END
chmod +x bin/*
export PATH=$scratch/bin:$PATH TAILOR=tailor TAILOR_SLURM=$slurm ASKED=$scratch/asked

failures=0
expect() {  # WHAT EXPECTED GOT
  [ "$2" = "$3" ] && return
  printf '%s: expected\n  %s\ngot\n  %s\n' "$1" "$2" "$3" >&2
  failures=$((failures + 1))
}
asked() { cat asked 2>/dev/null || true; rm -f asked; }

# --- the list of an array: what is finished is left out
mkdir -p "a sweep" out/two
for name in one three two; do echo '{}' >"a sweep/$name.json"; done
"$slurm/submit_array.sh" "a sweep" out --time=5 2>said
list=$(ls out/array.*)
expect submitted "sbatch|--array=1,2,3|--time=5|$slurm/array.sh|$scratch/$list|$scratch/out|" \
  "$(asked)"
touch out/two/summary.json
rm "$list"
"$slurm/submit_array.sh" "a sweep" out 2>said
list=$(ls out/array.*)
expect "one is finished" "sbatch|--array=1,2|$slurm/array.sh|$scratch/$list|$scratch/out|" \
  "$(asked)"
mkdir out/one out/three
touch out/{one,three}/summary.json
"$slurm/submit_array.sh" "a sweep" out 2>said
expect "all are finished" "" "$(asked)"
expect said "submit_array.sh: 0 of 3 configurations in $scratch/a sweep are left to do" \
  "$(cat said)"
mkdir empty
status=0; "$slurm/submit_array.sh" empty out 2>said || status=$?
expect "no configurations" 2 "$status"

# --- a task takes its line
export SLURM_JOB_ID=9
echo "$scratch/a sweep/short.json" >list
SLURM_ARRAY_JOB_ID=9 SLURM_ARRAY_TASK_ID=1 "$slurm/array.sh" list "$scratch/out"
expect "a task" \
  "train|--auto-resume|--config|$scratch/a sweep/short.json|--output|$scratch/out/short|" "$(asked)"
status=0; SLURM_ARRAY_TASK_ID=2 "$slurm/array.sh" list out 2>said || status=$?
expect "a line that is not there" "2 array.sh: list has no line 2" "$status $(cat said)"

# --- a task of a sweep takes its share by itself
SLURM_ARRAY_JOB_ID=9 SLURM_ARRAY_TASK_ID=1 "$slurm/sweep.sh" short.json --output runs
expect "a share" "sweep|short.json|--output|runs|" "$(asked)"

# --- signals: the time limit's requeues, an order to stop does not, nor does a failure
signalled() {  # SIGNAL: single.sh gets it while it trains; its exit status and what was asked for
  local status=0
  rm -f asked.started
  "$slurm/single.sh" --config long.json >said 2>&1 &
  until [ -e asked.started ]; do sleep 0.05; done
  kill -"$1" $!
  wait $! || status=$?
  echo "$status $(asked)"
}
train="train|--auto-resume|--config|long.json|"
expect "the time limit" "0 ${train}scontrol|requeue|9|" "$(signalled USR1)"
expect "the last task of an array, which has the array's number" "0 ${train}scontrol|requeue|9_4|" \
  "$(export SLURM_ARRAY_JOB_ID=9 SLURM_ARRAY_TASK_ID=4; signalled USR1)"
expect "an order to stop" "138 $train" "$(signalled TERM)"
printf '#!/bin/sh\nexit 1\n' >bin/scontrol
expect "no requeueing here" "138 $train" "$(signalled USR1)"
expect "no requeueing here, said" "1" "$(grep -c "submit the same again" said)"
status=0; "$slurm/single.sh" --config wrong.json || status=$?
expect "a failure" 3 "$status"
status=0; TAILOR=no/tailor "$slurm/single.sh" 2>said || status=$?
expect "no program" "2 go_on.sh: no/tailor is no program: build it, or set TAILOR to it" \
  "$status $(cat said)"

[ $failures -eq 0 ] || exit 1
echo "submission, tasks and signals are as expected"
