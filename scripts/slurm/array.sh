#!/usr/bin/env bash
# One configuration of many as a task of a SLURM array, which submit_array.sh submits.
# A finished run is left as it is, an interrupted one goes on; before the time limit it saves.
# usage: sbatch --array=1-N [SBATCH OPTION...] scripts/slurm/array.sh LIST OUTPUT
#SBATCH --job-name=tailor
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A_%a.out
set -euo pipefail
. "${TAILOR_SLURM:-$SLURM_SUBMIT_DIR/scripts/slurm}/go_on.sh"
list=$1 output=$2
config=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$list")
[ -n "$config" ] || { echo "array.sh: $list has no line $SLURM_ARRAY_TASK_ID" >&2; exit 2; }
run=$output/$(basename "$config" .json)
go_on "$tailor" train --auto-resume --config "$config" --output "$run"
