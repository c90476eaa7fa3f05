#!/usr/bin/env bash
# Runs scripts/slurm on a SLURM of its own: one node on loopback, its files in a temporary folder,
# its daemons gone at the end whatever happens. Needs Debian's slurm-wlm and munge; without them it
# says so and exits with 77. Takes three to five minutes, waiting for the time limit.
# usage: tests/tools/slurm_check.sh [BUILD_FOLDER]
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$source/build/release}" && pwd)
PATH=$PATH:/usr/sbin
for program in munged slurmctld slurmd sbatch srun scontrol; do
  command -v $program >/dev/null ||
    { echo "slurm_check.sh: skipped, no $program here (apt-get install slurm-wlm munge)"; exit 77; }
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/tailor slurm.XXXXXX")  # with a space: every path may have one
daemons=$(mktemp -d "${TMPDIR:-/tmp}/tailor-slurmd.XXXXXX")   # slurm.conf takes none
started=()
end() {
  local status=$?
  trap - EXIT INT TERM
  scancel --user "$(id -un)" --quiet 2>/dev/null || true
  local i
  for ((i = ${#started[@]} - 1; i >= 0; --i)); do kill "${started[i]}" 2>/dev/null || true; done
  for ((i = ${#started[@]} - 1; i >= 0; --i)); do wait "${started[i]}" 2>/dev/null || true; done
  if [ $status -ne 0 ]; then
    tail -n 12 "$daemons"/*.log "$scratch"/*.out 2>/dev/null || true
  fi
  rm -rf "$scratch" "$daemons"
  exit $status
}
trap end EXIT
trap 'exit 130' INT TERM

fail() { echo "slurm_check.sh: $*" >&2; exit 1; }
await() {  # SECONDS COMMAND…: until the command succeeds
  local seconds=$1 i; shift
  for ((i = 0; i < 5 * seconds; ++i)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  fail "after $seconds s still not: $*"
}

# --- a SLURM of one node
host=$(hostname -s)
base=$((20000 + $$ % 20000))
cat >"$daemons/slurm.conf" <<END
ClusterName=tailor
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmdPort=$((base + 1))
AuthType=auth/munge
AuthInfo=socket=$daemons/munge.socket,cred_expire=5
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$daemons/state
SlurmdSpoolDir=$daemons/spool
SlurmctldPidFile=$daemons/slurmctld.pid
SlurmdPidFile=$daemons/slurmd.pid
SlurmctldLogFile=$daemons/slurmctld.log
SlurmdLogFile=$daemons/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 Gres=gpu:2
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
printf 'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n' >"$daemons/gres.conf"  # stand for GPUs
export SLURM_CONF=$daemons/slurm.conf
mkdir "$daemons/state" "$daemons/spool"
head -c 1024 /dev/urandom >"$daemons/munge.key"
chmod 600 "$daemons/munge.key"
daemon() { "$@" >>"$daemons/daemons.log" 2>&1 & started+=($!); }
daemon munged --foreground --force --key-file="$daemons/munge.key" \
  --socket="$daemons/munge.socket" --pid-file="$daemons/munged.pid" \
  --log-file="$daemons/munged.log" --seed-file="$daemons/munge.seed"
await 10 test -S "$daemons/munge.socket"
daemon slurmctld -D
daemon slurmd -D
await 20 sh -c 'sinfo --noheader --format=%T | grep -qx idle'

# --- what is trained: NAME EPOCHS, of one teacher
configuration() {
  cat <<END
{"network": {"family": "resnet_cifar", "depth": 8, "width": 4},
 "data": {"name": "synthetic", "train_size": 240, "validation": 40, "test_size": 40,
          "augment": ["pad_crop", "flip"]},
 "teacher": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.05},
             "schedule": {"kind": "cosine"}},
 "surgery": {"kind": "remove", "alpha": 1},
 "train": {"epochs": $1, "batch_size": 32, "optimizer": {"lr": 0.05}},
 "runtime": {"threads": 1}}
END
}
json() {  # FILE EXPRESSION: of the file's value, v
  python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"
}
state() {  # JOB: its state, restarts, exit code and signal, as "COMPLETED 1 0:0"
  scontrol show job "$1" --oneliner |
    sed -E 's/.* JobState=([A-Z]+).* Restarts=([0-9]+).* ExitCode=([0-9]+:[0-9]+).*/\1 \2 \3/'
}
ended() { [[ $(state "$1") =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT) ]]; }
requeued() { [[ $(state "$1") =~ ^[A-Z]+\ [1-9] ]]; }
same_run() {  # FOLDER FOLDER: ended with the same weights and figures
  local key
  for key in weights_sha256 last best teacher; do
    [ "$(json "$1/summary.json" "v['$key']")" = "$(json "$2/summary.json" "v['$key']")" ] ||
      fail "$1 and $2 differ in $key"
  done
}
export TAILOR=$build/tailor TAILOR_LOG=info
slurm=$source/scripts/slurm
common=(--cpus-per-task=1 --parsable)
mkdir "$scratch/a sweep"
cd "$scratch"

# One configuration is finished before the array begins; its epochs say how many take a minute.
configuration 20 >"a sweep/finished.json"
"$TAILOR" train --config "a sweep/finished.json" --output "the runs/finished" >/dev/null 2>&1
finished=$(stat -c %Y.%s "the runs/finished/summary.json")
seconds=$(json "the runs/finished/summary.json" "v['seconds'] / v['epochs']")
configuration 4 >"a sweep/short.json"
configuration "$(python3 -c "print(round(60 / $seconds))")" >"a sweep/slow.json"

echo "slurm: a single run, to its end without interruption, and meanwhile"
export TAILOR_SLURM=$slurm
single=$(sbatch "${common[@]}" --output=single.out "$slurm/single.sh" \
  --config "a sweep/slow.json" --output "alone/slow")

echo "slurm: an array whose time limit comes within half a minute: finished, short and slow"
array=$("$slurm/submit_array.sh" "a sweep" "the runs" "${common[@]}" --time=1 --signal=B:USR1@59)
await 120 ended "${array}_2"
await 200 requeued "${array}_3"
scontrol update JobId="${array}_3" TimeLimit=15 || true  # once is enough; unless it has just ended
await 400 ended "${array}_3"
await 200 ended "$single"
[ "$(state "$single")" = "COMPLETED 0 0:0" ] || fail "the single run: $(state "$single")"
[[ $(state "${array}_2") =~ ^COMPLETED\ [01]\ 0:0$ ]] ||  # SLURM looks every 30 s, maybe just then
  fail "the short run: $(state "${array}_2")"
[[ $(state "${array}_3") =~ ^COMPLETED\ [1-9][0-9]*\ 0:0$ ]] ||
  fail "expected a slow run that was requeued and completed, got $(state "${array}_3")"
grep -q "saved at epoch" "the runs/slow/train.log" || fail "the slow run was not saved"
grep -q "goes back into the queue" "slurm-${array}_3.out" || fail "go_on.sh did not say so"
same_run "alone/slow" "the runs/slow"
[ "$finished" = "$(stat -c %Y.%s "the runs/finished/summary.json")" ] || fail "finished was touched"
echo "slurm: requeued $(state "${array}_3" | cut -d' ' -f2) times, the slow run is the single one"

again=$("$slurm/submit_array.sh" "a sweep" "the runs" 2>&1)
[[ $again == *" 0 of 3 configurations "* ]] || fail "nothing was left to submit: $again"
job=$(sbatch "${common[@]}" --array=1 "$slurm/array.sh" "$(ls "the runs"/array.*)" "the runs")
await 60 ended "${job}_1"
grep -q "is finished already" "slurm-${job}_1.out" || fail "a finished run was not skipped"

echo "slurm: a job step of one task, signalled through srun, and what is not requeued"
job=$(sbatch "${common[@]}" --ntasks-per-node=1 --gpus-per-node=1 --output=gpus.out \
  "$slurm/gpus.sh" --config "a sweep/slow.json" --set train.epochs=60 --output "the runs/step")
await 60 grep -q "student, epoch 5" gpus.out
scancel --signal=USR1 --batch "$job"
await 120 ended "$job"
[ "$(state "$job")" = "COMPLETED 1 0:0" ] || fail "the job step: $(state "$job")"
grep -q "saved at epoch" gpus.out || fail "the job step was not saved"

echo "slurm: a sweep of three runs as an array of two, and one that is signalled"
printf '{"names": "s{train.seed}", "axes": {"train.seed": [1, 2, 3]}, "base": %s}\n' \
  "$(configuration 4)" >matrix.json
job=$(sbatch "${common[@]}" --array=1-2 --output=sweep-%a.out "$slurm/sweep.sh" matrix.json \
  --output "the sweep")
await 120 ended "${job}_1"
await 120 ended "${job}_2"
for task in 1 2; do
  [[ $(state "${job}_$task") == "COMPLETED 0 0:0" ]] || fail "task $task: $(state "${job}_$task")"
done
grep -q "task 1 of 2: 2 of 3 runs" sweep-1.out || fail "the first task has another share"
grep -q "s2: finished" sweep-2.out || fail "the second task has not trained its share"
[ "$("$TAILOR" sweep matrix.json --output "the sweep" --list | grep -c finished)" = 3 ] ||
  fail "the sweep is not finished"
job=$(sbatch "${common[@]}" --output=long.out "$slurm/sweep.sh" matrix.json --only s2 \
  --set train.epochs=60 --output "the long sweep")
await 60 grep -qs "student, epoch 5" "the long sweep/s2.log"
scancel --signal=USR1 --batch "$job"
await 120 ended "$job"
[ "$(state "$job")" = "COMPLETED 1 0:0" ] || fail "the long sweep: $(state "$job")"
grep -q "saved at epoch" "the long sweep/s2.log" || fail "the long sweep was not saved"

job=$(sbatch "${common[@]}" --output=cancelled.out "$slurm/single.sh" \
  --config "a sweep/slow.json" --set train.epochs=100000 --output "the runs/cancelled")
await 60 grep -q "student, epoch 5" cancelled.out
scancel "$job"
await 30 grep -q "saved at epoch" "the runs/cancelled/train.log"
await 30 ended "$job"
[[ $(state "$job") == "CANCELLED 0 "* ]] || fail "the cancelled run: $(state "$job")"

job=$(sbatch "${common[@]}" --output=wrong.out "$slurm/single.sh" --config nowhere.json)
await 30 ended "$job"
[ "$(state "$job")" = "FAILED 0 2:0" ] || fail "a wrong configuration: $(state "$job")"
[ -z "$(squeue --noheader)" ] || fail "left in the queue: $(squeue)"
echo "slurm: passed"
