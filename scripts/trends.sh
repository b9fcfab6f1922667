#!/usr/bin/env bash
# The environment of services/ops/trends.py: .venv-trends, exactly what requirements-trends.lock names. docs/trends.md
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/beside.sh .venv-trends requirements-trends.lock
