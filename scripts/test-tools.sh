#!/usr/bin/env bash
# What the tests need beside Python: a real IMAP server, an independent signature verifier, a JDK, software tokens with a spy,
# Maven and the jars of Apache Kafka, the parser of AsyncAPI.
set -euo pipefail
cd "$(dirname "$0")/.."
needed=()
command -v dovecot >/dev/null || [ -x /usr/sbin/dovecot ] || needed+=(dovecot-imapd dovecot-lmtpd)
command -v xmlsec1 >/dev/null || needed+=(xmlsec1)
command -v java >/dev/null || needed+=(default-jre-headless default-jdk-headless)
command -v mvn >/dev/null || [ -d "${XDG_CACHE_HOME:-$HOME/.cache}/hoso/kafka-4.4.0" ] || needed+=(maven)
tokens=() # a machine without these two skips the tests of USB tokens, or fails them in CI; the others need not wait for them
command -v softhsm2-util >/dev/null || tokens+=(softhsm2)
compgen -G '/usr/lib*/*/pkcs11-spy.so' >/dev/null || tokens+=(opensc-pkcs11)
if [ ${#needed[@]} -eq 0 ] && [ ${#tokens[@]} -eq 0 ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${needed[*]} ${tokens[*]}"
    export DEBIAN_FRONTEND=noninteractive
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
# The AsyncAPI parser: below the user's cache, named by its lock. Without node its test is skipped, in CI it fails.
lock=tests/schemas/asyncapi/package-lock.json
parser="${XDG_CACHE_HOME:-$HOME/.cache}/hoso/asyncapi-$(sha256sum "$lock" | cut -c1-16)"
if [ ! -e "$parser/installed" ] && command -v npm >/dev/null; then
    mkdir -p "$parser"
    cp tests/schemas/asyncapi/package.json "$lock" "$parser/"
    (cd "$parser" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) && touch "$parser/installed" ||
        echo "the AsyncAPI parser could not be installed" >&2
fi
