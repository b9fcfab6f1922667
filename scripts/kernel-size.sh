#!/usr/bin/env bash
# The kernel stays small enough to be read in one sitting: hoso/log, hoso/runtime and hoso/store under 2,500 lines together.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=$(find hoso/log hoso/runtime hoso/store -name '*.py' -print0 | xargs -0 cat | wc -l)
echo "kernel: $lines of 2500 lines"
[ "$lines" -lt 2500 ]
