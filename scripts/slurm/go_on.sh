# For the batch scripts beside it, which source it: `go_on COMMAND…` runs a training to its end.
# When the time limit nears (SIGUSR1 from --signal) the training saves, and the job goes back into
# the queue; SIGTERM (scancel, preemption) makes it save only. The exit status is the training's.
tailor=${TAILOR:-${BASH_SOURCE[0]%/*}/../../build/release/tailor}
tailor=$(command -v "$tailor") || {
  echo "go_on.sh: ${TAILOR:-build/release/tailor} is no program: build it, or set TAILOR to it" >&2
  exit 2
}

go_on() {
  local child='' status=0 asked=''
  # SIGUSR1 either way: srun hands it to every task, and a second one never ends a training.
  trap 'asked=${asked:-save}; [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null || :' TERM
  trap 'asked=requeue; [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null || :' USR1
  "$@" &
  child=$!
  [ -z "$asked" ] || kill -USR1 "$child"
  # A trapped signal ends the wait, not the training.
  while status=0; wait "$child" || status=$?; kill -0 "$child" 2>/dev/null; do :; done
  case $asked:$status in
    requeue:138|requeue:143) ;;                # stopped and saved
    *) return "$status" ;;
  esac
  # An array's last task has the number of the array, and that would requeue all of it.
  local job=$SLURM_JOB_ID
  [ -z "${SLURM_ARRAY_TASK_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
  echo "go_on.sh: saved before the time limit; job $job goes back into the queue"
  scontrol requeue "$job" || {
    echo "go_on.sh: it cannot be requeued here; submit the same again to go on" >&2
    return "$status"
  }
}
