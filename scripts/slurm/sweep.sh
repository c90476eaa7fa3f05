#!/usr/bin/env bash
# A share of a sweep as a task of a SLURM array; without --array the whole sweep as one job.
# Finished runs are left as they are, interrupted ones go on; before the time limit all save.
# usage, from the top folder (or with TAILOR_SLURM set to this folder):
#   sbatch --array=1-N [SBATCH OPTION...] scripts/slurm/sweep.sh MATRIX|FOLDER [--output DIR] [...]
#SBATCH --job-name=tailor
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
. "${TAILOR_SLURM:-$SLURM_SUBMIT_DIR/scripts/slurm}/go_on.sh"
go_on "$tailor" sweep "$@"
