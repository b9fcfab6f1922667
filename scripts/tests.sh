#!/usr/bin/env bash
# Runs pytest with the given words. Many tests kill real processes and wait for real servers, so on a busy machine one may run out of
# its time: what failed is run once more, alone, and said. Red is what fails again, and whatever a judge found (that is never run again).
set -uo pipefail
cd "$(dirname "$0")/.."
python="$1"
shift
red=var/judge-red
rm -f "$red"
"$python" -m pytest "$@"
status=$?
[ "$status" -eq 1 ] || exit "$status"
if [ -e "$red" ]; then
    echo "A judge found something; that is not run again:" >&2
    cat "$red" >&2
    exit 1
fi
echo "== What failed is run once more, alone. It was red above. ==" >&2
"$python" -m pytest "$@" -n 0 --dist no --last-failed --last-failed-no-failures none
again=$?
[ -e "$red" ] && exit 1
exit "$again"
