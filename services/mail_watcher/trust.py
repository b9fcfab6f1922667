"""Did the agency send this? A verdict on the bytes, before anything in the mail is believed (domain.md §6.2 rule 1).

Everything a reader would believe must be what was signed: exactly one From with one plain address in an allow-listed
domain, no second Subject, Date, To or Message-ID (a signature does not cover an added one), no `l=` (text could be
appended), and a DKIM signature by that very domain (d= equals the domain of From) that covers From and Subject.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import dkim
import dkim.util

from services.mail_watcher.parser import ONCE, ParsedMail, head_of

MAX_SIGNATURES = 5
MAX_BLANKS = 2_000
MAX_CLOCK_ERROR = timedelta(hours=10)
"""How far in the future a signature may say it was made; dkimpy's own figure."""

_LOG = logging.getLogger(f"{__name__}.dkim")
_LOG.setLevel(logging.CRITICAL)  # dkimpy logs a line for every key it cannot read; the verdict says it already


class Policy(StrEnum):
    """What a mailbox demands of a mail."""

    DKIM = "dkim"
    """A DKIM signature that we verify ourselves."""
    AUTH_RESULTS = "auth-results"
    """The receiving server's word: the topmost Authentication-Results, with that server's own id. Safe only when that
    server strips foreign headers with its id."""
    SENDER_ONLY = "sender-only"
    """The address in From, which anybody can write. Only for an agency that signs nothing and a server that says
    nothing."""


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Whom one mailbox believes."""

    domains: frozenset[str] = frozenset({"baohiemxahoi.gov.vn"})
    policy: Policy = Policy.DKIM
    authserv_id: str = ""
    """The receiving server's own id, for `auth-results`."""
    records: Mapping[str, str] = field(default_factory=dict)
    """DKIM keys known without DNS: "selector._domainkey.domain" -> TXT record."""


@dataclass(frozen=True, slots=True)
class Trusted:
    how: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Why nothing in the mail is believed."""

    why: str


Verdict = Trusted | Quarantined

_SIGNATURE = re.compile(rb"^dkim-signature[ \t]*:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_RESULTS = re.compile(rb"^authentication-results[ \t]*:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_COMMENT = re.compile(r"\([^()]{0,200}\)")


def _tags(value: bytes) -> dict[str, str]:
    """The tag=value list of a signature, blanks removed; of a tag given twice the last, dkimpy refuses it anyway."""
    pairs = (part.partition(b"=") for part in b"".join(value.split()).split(b";"))
    return {name.decode("ascii", "replace"): text.decode("ascii", "replace") for name, _, text in pairs if name}


def _signatures(raw: bytes) -> list[dict[str, str]]:
    return [_tags(found.group(1)) for found in _SIGNATURE.finditer(head_of(raw) + b"\n")]


def key_names(raw: bytes, trust: TrustSettings) -> list[str]:
    """The DNS names whose TXT records `judge` will ask for: only keys of allow-listed domains, at most
    MAX_SIGNATURES."""
    if trust.policy is not Policy.DKIM:
        return []
    names = [
        f"{tags['s']}._domainkey.{tags['d']}".lower()
        for tags in _signatures(raw)[:MAX_SIGNATURES]
        if tags.get("d", "").lower() in trust.domains and re.fullmatch(r"[A-Za-z0-9._-]{1,120}", tags.get("s", ""))
    ]
    return list(dict.fromkeys(name for name in names if name not in trust.records))


def judge(
    raw: bytes, mail: ParsedMail, trust: TrustSettings, records: Mapping[str, str], arrived_at: datetime
) -> Verdict:
    """Whether to believe the mail. Pure; `records` are the TXT records that were found for `key_names`.

    A signature's own dates are held against `arrived_at`, the world's time at arrival, not against the machine's clock.
    """
    twice = [name for name in ONCE if mail.counts.get(name, 0) > 1]
    if twice:
        return Quarantined(f"it has more than one header {', '.join(twice)}")
    if not mail.sender:
        return Quarantined("it has not exactly one plain sender")
    domain = mail.sender.rpartition("@")[2]
    if domain not in trust.domains:
        return Quarantined("its sender is not on the list of this mailbox")
    if trust.policy is Policy.SENDER_ONLY:
        return Trusted("sender only")
    if trust.policy is Policy.AUTH_RESULTS:
        return _results(raw, domain, trust.authserv_id)
    return _verified(raw, domain, {**records, **trust.records}, arrived_at)


def _verified(raw: bytes, domain: str, records: Mapping[str, str], arrived_at: datetime) -> Verdict:
    signatures = _signatures(raw)
    if not signatures:
        return Quarantined("it carries no DKIM signature")
    if any(len(run) > MAX_BLANKS for run in re.findall(rb"[ \t]+", raw)):
        return Quarantined("it holds long runs of blanks")  # dkimpy's canonicalisation is quadratic in them

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        found = records.get(name.decode("ascii", "replace").rstrip(".").lower())
        return found.encode() if found is not None else None

    why = f"no DKIM signature of {domain} verifies"
    for nth, tags in enumerate(signatures[:MAX_SIGNATURES]):
        if tags.get("d", "").lower() != domain:
            continue
        if "l" in tags:
            why = "its DKIM signature leaves room to append text (l=)"
            continue
        if not {"from", "subject"} <= set(tags.get("h", "").lower().split(":")):
            why = "its DKIM signature does not cover From and Subject"
            continue
        if not _well_formed(tags, domain) or not _in_time(tags, arrived_at):
            why = "its DKIM signature is malformed or out of its time"
            continue
        try:
            if _matches(raw, nth, txt):
                return Trusted(f"dkim {domain}")
        except dkim.ValidationError:
            continue  # the body is not what was signed
        except Exception:  # dkimpy raises assorted errors on malformed signatures; all mean "not verified"
            why = "its DKIM signature cannot be read"
    return Quarantined(why)


def _well_formed(tags: Mapping[str, str], domain: str) -> bool:
    """What RFC 6376 §3.5 demands; rsa-sha1 is refused (RFC 8301)."""
    return (
        tags.get("v") == "1"
        and tags.get("a") in ("rsa-sha256", "ed25519-sha256")
        and all(re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", tags.get(name, "")) for name in ("b", "bh"))
        and re.fullmatch(r"[A-Za-z0-9._-]{1,120}", tags.get("s", "")) is not None
        and (tags.get("i", f"@{domain}").lower().endswith((f"@{domain}", f".{domain}")))
    )


def _in_time(tags: Mapping[str, str], arrived_at: datetime) -> bool:
    made, ends = tags.get("t", "0"), tags.get("x", "99999999999")
    if not (re.fullmatch(r"\d{1,12}", made) and re.fullmatch(r"\d{1,12}", ends)):
        return False
    at = arrived_at.timestamp()
    return int(made) <= at + MAX_CLOCK_ERROR.total_seconds() and at <= int(ends)


def _matches(raw: bytes, nth: int, txt: Callable[..., bytes | None]) -> bool:
    """dkimpy's verification without its check of dates, which asks the machine's clock."""
    verifier = dkim.DKIM(raw, logger=_LOG)
    header = [pair for pair in verifier.headers if pair[0].lower() == b"dkim-signature"][nth]
    tags = dkim.util.parse_tag_value(header[1])
    signed = [name.strip().lower() for name in tags[b"h"].split(b":")]
    return bool(verifier.verify_sig(tags, signed, header, txt))


def _results(raw: bytes, domain: str, authserv_id: str) -> Verdict:
    found = _RESULTS.search(head_of(raw) + b"\n")
    if not authserv_id or found is None:
        return Quarantined("the receiving server says nothing about its sender")
    text = _COMMENT.sub(" ", found.group(1).decode("ascii", "replace").lower())
    server, *results = [part.split() for part in text.split(";")]
    if not server or server[0] != authserv_id.lower():
        return Quarantined("what is said about its sender is not by this mailbox's server")
    if any(_passes(words, domain) for words in results):
        return Trusted(f"authentication-results {domain}")
    return Quarantined(f"the receiving server does not say that {domain} signed it")


def _passes(words: Iterable[str], domain: str) -> bool:
    method, *properties = list(words) or [""]
    if method == "dkim=pass":
        return f"header.d={domain}" in properties
    return method == "dmarc=pass" and f"header.from={domain}" in properties
