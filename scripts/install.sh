#!/usr/bin/env bash
# Make .venv and install exactly what requirements-dev.lock names. With uv where it can be had, else with pip.
set -euo pipefail
python=${1:-python3}
cd "$(dirname "$0")/.."
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null; then
    echo "hoso needs Python 3.11 or later: '$python' is not. Name one with: make PYTHON=/path/to/python3.11" >&2
    exit 2
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "Python's venv is missing. Run: apt-get install python3-venv" >&2
    exit 2
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
echo "installing the locked packages into .venv (once)"
if .venv/bin/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then
    export VIRTUAL_ENV="$PWD/.venv"
    .venv/bin/uv pip install --quiet --compile-bytecode --require-hashes -r requirements-dev.lock
    .venv/bin/uv pip install --quiet --no-deps --no-build-isolation -e .
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
