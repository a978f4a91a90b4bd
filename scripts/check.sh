#!/usr/bin/env bash
# Everything that can be judged without running Haven: format and lint, types, dead code, tidiness. All at once; fails if one does.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

# What a run leaves for the next: both only save time, and are made anew when they do not fit the files.
cache="$PWD/node_modules/.cache/haven"
export NODE_COMPILE_CACHE="$cache/node"

names=()
pids=()
start() {
  names+=("$1")
  (
    began=$(date +%s%N)
    "${@:2}" >"$reports/$1.out" 2>&1 </dev/null
    code=$?
    echo "$((($(date +%s%N) - began) / 1000000))" >"$reports/$1.ms"
    exit "$code"
  ) &
  pids+=($!)
}

start biome biome check --error-on-warnings .
start types tsc -p tsconfig.json --singleThreaded --incremental --tsBuildInfoFile "$cache/types.tsbuildinfo"
start pure-types tsc -p tsconfig.pure.json --singleThreaded --incremental --tsBuildInfoFile "$cache/pure-types.tsbuildinfo"
start knip knip --no-progress --no-config-hints
start tidy node --test --test-isolation=none --test-timeout=30000 --test-reporter=spec 'tools/*.test.ts'

failed=0
for index in "${!names[@]}"; do
  name=${names[$index]}
  mark='ok    '
  if ! wait "${pids[$index]}"; then
    mark='FAILED'
    failed=$((failed + 1))
    cat "$reports/$name.out"
  fi
  printf '%s %-10s %5s ms\n' "$mark" "$name" "$(cat "$reports/$name.ms")"
done

if ((failed > 0)); then
  echo "check: $failed of ${#names[@]} failed"
  exit 1
fi
echo "check: all ${#names[@]} passed in $SECONDS s"
