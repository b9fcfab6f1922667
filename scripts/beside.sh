#!/usr/bin/env bash
# An environment beside .venv: `beside.sh FOLDER LOCK`. For packages whose own needs do not go together with the product's.
set -euo pipefail
folder=$1 lock=$2
cd "$(dirname "$0")/.."
mark="$folder/$(sha256sum "$lock" | cut -c1-16)"
[ -e "$mark" ] && exit 0
[ -x .venv/bin/python ] || bash scripts/install.sh "${PYTHON:-python3}"
rm -rf "$folder"
.venv/bin/python -m venv "$folder"
echo "installing $lock into $folder (once)"
if [ -x .venv/bin/uv ]; then
    VIRTUAL_ENV="$PWD/$folder" .venv/bin/uv pip install --quiet --compile-bytecode --require-hashes -r "$lock"
else
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
fi
touch "$mark"
