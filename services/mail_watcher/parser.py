"""Bytes of a mail to what a reader sees, with every limit checked before the standard parser gets them.

The standard parser recurses by nesting, is quadratic in parameters and encoded words, and the modern policy raises on
headers that occur in real mail: so the limits are on bytes, the policy is compat32, and each header is decoded on its
own. `HostileMail` is the only exception that leaves this module.
"""

from __future__ import annotations

import email.header
import email.policy
import email.utils
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser

from services.mail_watcher.markup import seen_text
from services.mail_watcher.text import clean, disguised, turned

MAX_BYTES = 2_000_000
MAX_HEAD_BYTES = 64_000
MAX_HEAD_LINES = 600
MAX_PARAMETER_BYTES = 2_000
MAX_ENCODED_WORDS = 100
MAX_PARTS = 60
MAX_NESTING = 12
MAX_BOUNDARIES = 20
MAX_MARKUP = 400_000
"""Characters of HTML source: pictures may be inside."""
MAX_TEXT = 100_000
"""Characters of text; normalisation may make 18 of one."""
MAX_SECONDS = 0.4

ONCE = ("from", "subject", "date", "to", "message-id")
"""Headers of which a second one would show a reader something else than what was signed."""


class HostileMail(Exception):
    """The mail breaks a limit or cannot be parsed: {0}. Carries no content of the mail."""


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """What a mail says and where it was delivered; the texts may hold a code, so they are not in the repr."""

    sender: str
    """The address in From, lower case; empty when there is not exactly one, written plainly."""
    addressees: tuple[str, ...]
    """Where it was delivered, as far as the mail tells: Delivered-To and its kin, and To; lower case."""
    subject: str = field(repr=False)
    bodies: tuple[str, ...] = field(repr=False)
    """The plain text and the HTML as text, each a whole reading of the mail; cleaned, with lines."""
    message_id: str
    counts: Mapping[str, int] = field(repr=False)
    """How often each header occurs, by lower-case name."""
    encloses: bool
    """True: another mail is attached (forwarded); its content is not in `bodies`."""
    disguised: frozenset[str] = frozenset()
    """Plain words of `bodies` that were written with invisible characters inside, or in letters' other forms."""
    turned: bool = False
    """True: characters that change the direction of text were taken out of `bodies`."""


_PARSER = BytesParser(policy=email.policy.compat32)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
_CONTENT = re.compile(rb"^content-(?:type|disposition|transfer-encoding)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FOLDS = re.compile(rb"[^\n]*\n?(?:[ \t][^\n]*\n?)*")
_BOUNDARY = re.compile(rb'boundary[ \t]*(\*|=[ \t]*"?([^"\s;]{0,80}))', re.IGNORECASE)
_CHARSET = re.compile(
    r"(?:utf-?(?:8|16|16le|16be)|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|(?:windows-|cp)125\d|gb2312|gbk|gb18030|big5|koi8-r)\Z"
)
_SINGLE_BYTE = re.compile(r"us-ascii|ascii|iso-?8859-1\Z|latin|(?:windows-|cp)1252")
_FROM = re.compile(
    r'(?:"[^"<>]{0,500}"|[^<>@",;]{0,500})\s*<([^<>@\s,;]{1,100}@[\w.-]{1,200})>\Z|([^<>@\s,;"()]{1,100}@[\w.-]{1,200})\Z'
)
DELIVERY_HEADERS = ("delivered-to", "x-original-to", "x-delivered-to", "envelope-to", "x-envelope-to", "to")
"""Where a mail may say to which address it came; which of them count is a setting of the mailbox."""


def head_of(raw: bytes) -> bytes:
    """The header block. Raises HostileMail when it is too long or when parsers would disagree where headers begin."""
    end = _HEAD_END.search(raw, 0, MAX_HEAD_BYTES + 4)
    if end is None and len(raw) > MAX_HEAD_BYTES:
        raise HostileMail("the header block is too long")
    head = raw[: end.start() + 1] if end else raw
    if head.count(b"\n") > MAX_HEAD_LINES:
        raise HostileMail("too many header lines")
    if b"\0" in head or _BARE_CR.search(head + b"\n") or b"\nFrom " in head:
        raise HostileMail("the header block is ambiguous")
    return head


def _check(raw: bytes) -> None:
    """Everything that the standard parser does in more than linear time or by recursion is refused here."""
    if len(raw) > MAX_BYTES:
        raise HostileMail("too large")
    head_of(raw)
    for nth, found in enumerate(_CONTENT.finditer(raw)):
        if nth > 3 * MAX_PARTS:
            raise HostileMail("too many parts")
        folded = _FOLDS.match(raw, found.start(), found.start() + MAX_PARAMETER_BYTES + 1)
        if folded and folded.end() - found.start() > MAX_PARAMETER_BYTES:
            raise HostileMail("a content header is too long")
    low = raw.lower()
    if low.count(b"multipart/") + low.count(b"message/") > MAX_NESTING:
        raise HostileMail("nested too deep")
    boundaries: set[bytes] = set()
    for found in _BOUNDARY.finditer(raw):
        if found.group(1) == b"*":
            raise HostileMail("an encoded boundary")
        boundaries.add(found.group(2))
        if len(boundaries) > MAX_BOUNDARIES:
            raise HostileMail("too many boundaries")
    if any(raw.count(b"--" + boundary) > MAX_PARTS for boundary in boundaries):
        raise HostileMail("too many parts")


def _sender(message: Message) -> str:
    """Strict on purpose: the library's address parser can be led to another address than the one people see."""
    values = message.get_all("from") or []
    found = _FROM.match(" ".join(str(values[0]).split())) if len(values) == 1 else None
    return (found.group(1) or found.group(2)).lower() if found else ""


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    text = str(value)
    if len(text) <= MAX_HEAD_BYTES // 8 and text.count("=?") <= MAX_ENCODED_WORDS:
        try:
            text = str(email.header.make_header(email.header.decode_header(value)))
        except (ValueError, LookupError, IndexError, RecursionError, email.errors.MessageError):
            text = str(value)
    try:
        text = text.encode("ascii", "surrogateescape").decode("utf-8") if not text.isascii() else text
    except UnicodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return clean(text).replace("\n", " ").strip()


def _addresses(message: Message, name: str, limit: int) -> list[str]:
    found = []
    for value in (message.get_all(name) or [])[:1]:
        text = str(value)[:MAX_PARAMETER_BYTES]
        try:
            pairs = email.utils.getaddresses([text])
        except (ValueError, IndexError, RecursionError):
            continue
        found += [address.strip().lower() for _, address in pairs[:limit] if "@" in address]
    return found


def _decoded(part: Message, limit: int) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    declared = (part.get_content_charset() or "utf-8").lower()
    if not _CHARSET.match(declared):
        declared = "utf-8"
    chain = ["utf-8", declared] if _SINGLE_BYTE.match(declared) else [declared, "utf-8"]
    for charset in (*chain, "cp1258", "latin-1"):
        try:
            text = data.decode(charset)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    if len(text) > limit:
        raise HostileMail("too much text")
    return text


def _unflowed(text: str) -> str:
    """Joins what format=flowed broke (RFC 3676): a line that ends with a space goes on, except the signature mark."""
    return re.sub(r"(?<!\n--) \r?\n(?!>)", " ", text)


def _read(message: Message, deadline: float) -> tuple[list[str], bool]:
    plain: list[str] = []
    markup: list[str] = []
    encloses = False
    waiting = [message]
    parts = 0
    while waiting:
        part = waiting.pop(0)
        parts += 1
        if parts > MAX_PARTS:
            raise HostileMail("too many parts")
        if time.thread_time() > deadline:
            raise HostileMail("parsing takes too long")
        kind = part.get_content_type()
        if kind.startswith("message/"):
            encloses = True
            continue
        if part.is_multipart():
            waiting[:0] = [inner for inner in part.get_payload() if isinstance(inner, Message)]
            continue
        if part.get_content_disposition() == "attachment":
            continue
        if kind == "text/plain":
            text = _decoded(part, MAX_TEXT)
            plain.append(_unflowed(text) if part.get_param("format") == "flowed" else text)
        elif kind == "text/html":
            markup.append(seen_text(_decoded(part, MAX_MARKUP)))
    wholes = ["\n".join(texts) for texts in (plain, markup) if texts]
    if any(len(whole) > MAX_TEXT for whole in wholes):
        raise HostileMail("too much text")
    return wholes, encloses


def parse(raw: bytes, delivery: Sequence[str] = DELIVERY_HEADERS) -> ParsedMail:
    """The mail in `raw`, at most MAX_BYTES long. Raises HostileMail and nothing else; bounded in time.

    `delivery` names the headers that are believed about where it came to, lower case. Of each only the topmost counts: the
    last server wrote it.
    """
    # The thread's own time on the processor: on a busy machine, or after a stop, a good mail must not pass for a bad one.
    deadline = time.thread_time() + MAX_SECONDS
    _check(raw)
    try:
        message = _PARSER.parsebytes(raw)
        wholes, encloses = _read(message, deadline)
        addressees = [address for name in delivery for address in _addresses(message, name, 20 if name == "to" else 1)]
        return ParsedMail(
            sender=_sender(message),
            addressees=tuple(dict.fromkeys(addressees)),
            subject=_header(message, "subject"),
            bodies=tuple(clean(whole) for whole in wholes),
            message_id=_header(message, "message-id"),
            counts=Counter(name.lower() for name in message),
            encloses=encloses,
            disguised=frozenset().union(*map(disguised, wholes)),
            turned=any(map(turned, wholes)),
        )
    except HostileMail:
        raise
    except Exception as error:  # one poisonous mail must not stop a mailbox
        raise HostileMail(f"cannot be parsed ({type(error).__name__})") from None
