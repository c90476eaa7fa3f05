#!/usr/bin/env bash
# One training on many GPUs, a task on each; it saves and goes on as single.sh does.
# usage, from the top folder (or with TAILOR_SLURM set to this folder):
#   sbatch [SBATCH OPTION...] scripts/slurm/gpus.sh --config NAME|FILE [--output RUN] [--set ...]
#SBATCH --job-name=tailor
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
. "${TAILOR_SLURM:-$SLURM_SUBMIT_DIR/scripts/slurm}/go_on.sh"
# A task that has stopped does not end one that still saves: who is lost, the tasks notice. Since
# 22.05 srun does not take the job's CPUs a task by itself.
go_on srun --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "$tailor" train --auto-resume "$@"
