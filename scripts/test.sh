#!/usr/bin/env bash
# All tests: prepares the machine, then unit and live tests with one summary. Arguments are parts of paths: npm test -- gateway
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

bash scripts/setup-machine.sh
exec node scripts/run-tests.ts all "$@"
