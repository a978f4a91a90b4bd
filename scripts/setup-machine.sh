#!/usr/bin/env bash
# Installs the system programs that live tests use, when this is Debian and we are root. Never fails a run: what is still missing
# is printed, and the tests that need it are reported as skipped with that reason.
set -uo pipefail

# One row per package: the program that proves it is there, the Debian package, what it is for.
needs=(
  'chromium chromium  drives the dashboard as a person would'
  'fish     fish      completes the command line'
  'zsh      zsh       completes the command line'
  'pebble   pebble    issues certificates as a public authority does (ACME)'
  'ip       iproute2  makes addresses and network namespaces for failover'
)

missing_packages() {
  local row program package _purpose
  for row in "${needs[@]}"; do
    read -r program package _purpose <<<"$row"
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || echo "$package"
  done
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  local options=(-qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=2)
  local log
  log=$(mktemp)
  if ! timeout 120 apt-get "${options[@]}" update >"$log" 2>&1 </dev/null ||
    ! timeout 600 apt-get "${options[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
    echo 'setup-machine: apt-get failed, its last lines were:'
    tail -n 5 "$log"
  fi
  rm -f "$log"
}

mapfile -t missing < <(missing_packages)
if ((${#missing[@]} > 0)); then
  if [[ ! -e /etc/debian_version ]] || ! command -v apt-get >/dev/null; then
    echo 'setup-machine: this is not Debian, so nothing is installed'
  elif ((EUID != 0)); then
    echo 'setup-machine: not root, so nothing is installed'
  else
    echo "setup-machine: installing ${missing[*]}"
    install_packages "${missing[@]}"
    hash -r
    mapfile -t missing < <(missing_packages)
  fi
fi

if ((${#missing[@]} > 0)); then
  echo "setup-machine: missing ${missing[*]}; the live tests that need them will be skipped. Next: apt-get install ${missing[*]}"
else
  echo "setup-machine: all ${#needs[@]} programs are here"
fi
exit 0
