#!/usr/bin/env bash
# docker/build.sh cpu|cuda [OPTION OF BUILD ...]: builds an image and tries it. ENGINE=podman takes that one;
# NAME=registry.example.com/curation gives it the name under which you push it.
set -euo pipefail

kind=${1:?usage: docker/build.sh cpu|cuda [OPTION OF BUILD ...]}
cd "$(dirname "$0")/.."
engine=${ENGINE:-docker}
if ! "$engine" info >/dev/null 2>&1; then
  echo "$engine is not there or its daemon does not run: start it, or name another engine with ENGINE=podman" >&2
  exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
ray=$(sed -n 's/^ray==//p' constraints.txt)
image=${NAME:-curation}:$version-ray$ray-$kind
"$engine" build --file "docker/Dockerfile.$kind" --tag "$image" "${@:2}" .

if [[ $("$engine" run --rm "$image" id -u) == 0 ]]; then
  echo "$image runs as root" >&2
  exit 1
fi
[[ $kind != cuda ]] || "$engine" run --rm "$image" python -c "import cuml, raft_dask.common.nccl"
"$engine" run --rm --interactive --shm-size=1g "$image" bash -s <docker/smoke.sh
echo "$image is built, and works"
