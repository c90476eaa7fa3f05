#!/usr/bin/env bash
# One training as a SLURM job: it saves when the time limit nears, and goes on after the queue.
# usage, from the top folder (or with TAILOR_SLURM set to this folder):
#   sbatch [SBATCH OPTION...] scripts/slurm/single.sh --config NAME|FILE [--output RUN] [--set ...]
#SBATCH --job-name=tailor
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
. "${TAILOR_SLURM:-$SLURM_SUBMIT_DIR/scripts/slurm}/go_on.sh"
go_on "$tailor" train --auto-resume "$@"
