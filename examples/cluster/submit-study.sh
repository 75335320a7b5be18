#!/bin/bash
# Plans a study and submits its cells to SLURM: ./submit-study.sh DIRECTORY --kind seeds --teacher resnet56 …
# Arguments after the directory are settings of `reviewkd study plan`. The directory must be on a file system that all
# nodes share, under the same path. Options of sbatch, such as a partition: in SBATCH_* variables.
set -euo pipefail

if [[ $# -eq 0 || $1 == -* ]]; then
  echo "usage: $0 DIRECTORY --kind seeds --teacher resnet56 … (settings of \`reviewkd study plan\`)" >&2
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
directory=$(realpath -m "$1")
shift
${REVIEWKD:-node_modules/.bin/reviewkd} study plan "$directory" "$@"

# The cells that can begin at once, and those that learn from the teacher that the study trains as cell 0.
cells() {
  ${REVIEWKD:-node_modules/.bin/reviewkd} study plan "$directory" --json |
    node -p "JSON.parse(require('fs').readFileSync(0)).cells.filter((cell) => $1).map((cell) => cell.index).join(',')"
}
free=$(cells 'cell.waitsFor === null')
waiting=$(cells 'cell.waitsFor !== null')

first=$(sbatch --parsable --array="$free" "$here/study-array.sbatch" "$directory")
jobs=$first
if [[ -n $waiting ]]; then
  second=$(sbatch --parsable --array="$waiting" --dependency="afterok:${first}_0" --kill-on-invalid-dep=yes \
    "$here/study-array.sbatch" "$directory")
  jobs+=:$second
fi
# Also after a failure: the results say which cells are missing.
sbatch --dependency="afterany:$jobs" --job-name=study-results --output=%x-%j.log \
  --wrap "${REVIEWKD:-node_modules/.bin/reviewkd} study collect '$directory'"
