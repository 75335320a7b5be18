#!/usr/bin/env bash
# The device's part of `npm run gpu:kit`. Unpacks Node, which a GPU machine may lack, and starts main.mjs, in the root of a copy of the working tree:
#   bash scripts/gpu/device/run.sh proof|quick|data|train [options]      (--help lists them)
set -euo pipefail
device=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export GPU_WORK=${GPU_WORK:-/tmp/reviewkd-gpu}
export OUT=${OUT:-$GPU_WORK/out}
mkdir -p "$GPU_WORK"/{kit,node} "$OUT"

# The kit is copied only for the first call: later ones on the same machine use this copy.
if [[ -d .gpu ]]; then
  rm -rf "$GPU_WORK/kit"
  cp -r .gpu "$GPU_WORK/kit"
fi
archive=$GPU_WORK/kit/node.tar.xz
node=$GPU_WORK/node/bin/node
if [[ ! -x $node || $archive -nt $node ]]; then
  if [[ ! -f $archive ]]; then
    echo "invalid kit: expected .gpu/node.tar.xz, received none in $PWD. Copy .gpu, which \`npm run gpu:kit\` packs." >&2
    exit 1
  fi
  tar -xJf "$archive" -C "$GPU_WORK/node" 2>/dev/null || python3 -m tarfile -e "$archive" "$GPU_WORK/node" # tar needs xz, Python has its own
  touch "$node"
fi
exec "$node" "$device/main.mjs" "$@"
