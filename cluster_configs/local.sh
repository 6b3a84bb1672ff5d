#!/usr/bin/env bash
# 1. To try on one machine what a cluster does: a head without CPU slots, two workers with half of the CPUs each.
# 2. `cluster_configs/local.sh curation run JOB.yaml` does that on it, ends it, and exits with the command's status.
# 3. `cluster_configs/local.sh` keeps it until Ctrl-C; meanwhile: RAY_ADDRESS=127.0.0.1:6379 curation run JOB.yaml
set -euo pipefail

port=${PORT:-6379}
cpus=$(($(nproc) / 2))
export RAY_AUTH_MODE=token
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # all nodes end at once: there is nowhere to move work to
ray get-auth-token --generate >/dev/null # in ~/.ray; Ray's commands look there

nodes=()
start() { # start OPTION...: a Ray node, in the background; returns when it has joined
  ray start --block --object-store-memory="${OBJECT_STORE_BYTES:-500000000}" "$@" &
  nodes+=($!)
  until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ! kill -0 $!; do sleep 1; done
  python - "${#nodes[@]}" <<'PYTHON'
import sys, time, ray

def joined():
    try:
        ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="ERROR")
    except ConnectionError:  # the head is not that far yet
        return 0
    return sum(node["Alive"] for node in ray.nodes())

wanted, until = int(sys.argv[1]), time.monotonic() + 120
while (there := joined()) < wanted:
    if time.monotonic() > until:
        sys.exit(f"only {there} of {wanted} Ray nodes came within 2 minutes: see the lines above")
    time.sleep(0.5)
PYTHON
}
end() {
  kill -TERM "${nodes[@]}" 2>/dev/null || true
  wait
}
trap end EXIT
trap 'exit 143' TERM

export RAY_ADDRESS=127.0.0.1:$port
start --head --node-ip-address=127.0.0.1 --port="$port" --num-cpus=0 --num-gpus=0
# One after the other: two that start at the same moment on one machine would take the same sockets.
start --address="$RAY_ADDRESS" --num-cpus="$((cpus > 0 ? cpus : 1))"
start --address="$RAY_ADDRESS" --num-cpus="$((cpus > 0 ? cpus : 1))"

if (($# == 0)); then
  echo "ready: RAY_ADDRESS=$RAY_ADDRESS curation run JOB.yaml"
  wait
else
  "$@"
fi
