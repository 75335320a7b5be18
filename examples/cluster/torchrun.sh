#!/bin/sh
# Trains on one machine, in a process for each GPU, started by PyTorch's torchrun.
#   GPUS=4 sh torchrun.sh [options of reviewkd distill]
# On several machines, run it on each with, for example,
#   TORCHRUN="--nnodes 2 --rdzv-backend c10d --rdzv-endpoint node01:29400 --rdzv-id r56-r20"
set -eu

# After a failure all processes are started again, and continue from the last checkpoint: --resume auto. Without the --,
# torchrun takes --run for an abbreviation of an option of its own.
# shellcheck disable=SC2086 # several words
exec torchrun ${TORCHRUN:-} --nproc-per-node "${GPUS:-4}" --max-restarts 3 --no-python -- \
  node_modules/.bin/reviewkd distill --preset resnet56-resnet20 \
  --teacher-weights runs/teacher/student.safetensors --data cifar100:data/cifar-100-binary \
  --run runs/r56-r20 --resume auto "$@"
