#!/usr/bin/env bash
# The environment of what benchmarks/hops.py --log kafka compares with: .venv-contenders, exactly what benchmarks/requirements.lock names.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/beside.sh .venv-contenders benchmarks/requirements.lock
