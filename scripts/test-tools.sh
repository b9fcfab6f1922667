#!/usr/bin/env bash
# What the tests need beside Python: a real IMAP server, an independent signature verifier, a JDK, a second PostgreSQL.
set -euo pipefail
needed=()
command -v dovecot >/dev/null || [ -x /usr/sbin/dovecot ] || needed+=(dovecot-imapd dovecot-lmtpd)
command -v xmlsec1 >/dev/null || needed+=(xmlsec1)
command -v java >/dev/null || needed+=(default-jre-headless default-jdk-headless)
[ ${#needed[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${needed[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null
    apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
else
    echo "Some tests need programs that are not here. To install them run:" >&2
    echo "    sudo apt-get install --no-install-recommends ${needed[*]}" >&2
    echo "Those tests are skipped now." >&2
fi
