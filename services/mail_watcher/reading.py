"""What a mail says: an activation code, the result of a dossier, something else, or nothing that can be relied on.

The rules are domain.md §6.2. Labels are found in text without case and diacritics, values are cut out of the
original; a label and its value may share a line, stand on two lines or in two cells. What is quoted or forwarded
inside is not read.

Anybody can have the agency's words sent to us, so the time is linear in the text: every line is folded and searched for
labels once, and what holds more lines or labels than any mail of the agency is left to a person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from services.mail_watcher.parser import MAX_TEXT, ParsedMail
from services.mail_watcher.phrases import Phrases, standard
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    ChangeResultMail,
    Keys,
    OtherMail,
    Reading,
    StopResultMail,
    UnclearMail,
    UnitCodeResultMail,
    keys_of,
)
from services.mail_watcher.results import Page, reading_of, result_of
from services.mail_watcher.secret import Secret
from services.mail_watcher.text import fold, name_key

MAX_LINES = 2_000
MAX_LABELS = 500
MAX_NAME = 300
_FORWARDED = re.compile(
    r"-- ?(?:forwarded|original|thu da chuyen tiep|tin nhan (?:da )?(?:chuyen tiep|goc)|thu goc)\b"
    r"|begin forwarded message|^(?:on|vao|ngay) .{0,200}(?:wrote|da viet) ?:$"
)
_FORWARD_HEAD = re.compile(r"^(?:from|tu|nguoi gui) ?:.*@")
_FORWARD_SUBJECT = re.compile(r"^(?:subject|chu de|tieu de) ?:")

_LABELS = {
    "unit_code": r"so dinh danh(?: cua)?(?: don vi)?|ma don vi|ma dvi|ma so don vi|"
    r"ma so bhxh(?: cua)? don vi|ma so bhxh|"
    r"ma so bao hiem xa hoi(?: cua)?(?: don vi)?|ma (?:don vi )?bhxh(?: cua don vi)?",
    "tax_code": r"ma so thue(?:/ ?ma ngan sach)?(?: cua)?(?: don vi)?|mst",
    "unit_name": r"ten (?:cua )?(?:don vi|doanh nghiep|nguoi su dung lao dong|to chuc|cong ty)|ten doi tuong|ten dvi",
    "number": r"so ho so|ma ho so|ho so so|so tiep nhan",
    "code": r"ma (?:so )?(?:kich hoat|xac nhan|xac thuc)|activation code",
    "other": r"ma giao dich|ma tra cuu|so tham chieu|dien thoai|hotline|tong dai|duong day nong|"
    r"email|thu dien tu|dia chi|co quan bhxh|ly do|ket qua|trang thai|thoi gian|ngay(?= ?:)|noi dung|"
    r"mat khau|tai khoan|so tai khoan|mst ca nhan",
}
_LABEL = re.compile(
    "(?<![a-z0-9])(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _LABELS.items()) + ")(?![a-z0-9])"
)
_AFTER_LABEL = re.compile(r" ?(?:\([^()]{0,60}\) ?)?(?:cua (?:quy )?don vi |cua ban |la |is )?[:\-–=.|]* ?")
_COLON = re.compile(r" ?(?:\([^()]{0,60}\) ?)?(?:cua (?:quy )?don vi )?[:=]")
_DEAR = re.compile(r"(?<![a-z])kinh gui(?: ?\([^()]{0,60}\))? ?(?P<colon>[:,\-–]?) ?")
_GENERIC = frozenset(
    re.findall(
        r"\w+",
        "quy cac toan the ong ba anh chi khach hang don vi ca nhan nguoi su dung lao dong doanh nghiep cong ty va",
    )
)
"""Words of an address that names nobody ("Kính gửi Quý đơn vị")."""
_UNIT_CODE = re.compile(r"(?<!\w)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{6,8}(?![\w@])")
"""Bounded by letters of any alphabet: what a look-alike stands beside is no code."""
_TAX_CODE = re.compile(r"(?<!\d)\d{10}(?:-?\d{3})?(?!\d)")
_NUMBER = re.compile(r"(?<![\d/])\d{1,7}/20\d{2}/\d{5}(?![\d/])")
_CODE = re.compile(r"(?<![\w/=@.#-])[A-Z0-9]{10}(?![\w/=@-]|\.[A-Za-z0-9])")
_MANY_DIGITS = re.compile(r"\d{10,}")
_WORD = re.compile(r"[a-z0-9]")
_UP_TO_COLON = re.compile(r"[^:]{0,60}: ?")
_DAY = re.compile(r"(?<!\d)24 ?(?:\([^()]{0,40}\) ?)?(?:h\b|gio|tieng|hours?)")
_ANCHOR = re.compile(rf"(?<![a-z0-9])(?:{_LABELS['code']})(?![a-z0-9])")


def _own_lines(all_lines: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """The lines that the sender wrote himself, folded too, and whether something quoted or forwarded was left out."""
    lines: list[str] = []
    own: list[str] = []
    all_folded = [fold(line) for line in all_lines]
    left_out = False
    for at, (line, folded) in enumerate(zip(all_lines, all_folded, strict=True)):
        if line.startswith(">"):
            left_out = True
            continue
        ahead = all_folded[at + 1 : at + 6]
        if _FORWARDED.search(folded) or (
            _FORWARD_HEAD.match(folded) and any(_FORWARD_SUBJECT.match(later) for later in ahead)
        ):
            return lines, own, True
        lines.append(line)
        own.append(folded)
    return lines, own, left_out


def _first_word(folded: str) -> int:
    """Where the first letter or digit stands."""
    found = _WORD.search(folded)
    return found.start() if found else len(folded)


def _bare_label(folded: str) -> re.Match[str] | None:
    """The label that stands alone on a line."""
    found = _LABEL.search(folded)
    if found is None or _first_word(folded) < found.start():
        return None
    rest = _AFTER_LABEL.match(folded, found.end())
    return None if _WORD.search(folded, rest.end() if rest else found.end()) else found


def _run_lengths(bare: Sequence[re.Match[str] | None]) -> list[int]:
    """For each line how many such lines stand together: labels alone, or others."""
    lengths: list[int] = []
    for _, run in groupby(bare, key=lambda label: label is not None):
        length = sum(1 for _ in run)
        lengths += [length] * length
    return lengths


def _labels_in(folded: str) -> list[re.Match[str]]:
    """At the start of a line, or with a colon behind it: names of firms hold words such as "nội dung" too."""
    first = _first_word(folded)
    return [m for m in _LABEL.finditer(folded) if first >= m.start() or _COLON.match(folded, m.end())]


def _labelled(lines: Sequence[str], folded: Sequence[str]) -> list[tuple[str, str, int]]:
    """Every (label, text after it up to the next label, line of the value).

    The value of a label that stands alone is the next line, or, in a row of labels, the same place in the next row.
    """
    found: list[tuple[str, str, int]] = []
    bare = [_bare_label(line) for line in folded]
    lengths = _run_lengths(bare)
    for at, line in enumerate(lines):
        alone = bare[at]
        if alone is not None:
            below = at + (1 if folded[at].rstrip().endswith(":") else lengths[at])
            if alone.lastgroup and below < len(lines) and bare[below] is None:
                found.append((alone.lastgroup, lines[below], below))
            continue
        matches = _labels_in(folded[at])
        for label, following in zip(matches, [*matches[1:], None], strict=False):
            gap = _AFTER_LABEL.match(folded[at], label.end())
            start = gap.end() if gap else label.end()
            if label.lastgroup:
                found.append((label.lastgroup, line[start : following.start() if following else len(line)], at))
    return found


def _continued(lines: Sequence[str], folded: Sequence[str], at: int, value: str) -> str:
    """A name that plain text broke over lines: goes on while lines are long, no sentence ended and no label begins."""
    while (
        at + 1 < len(lines) and len(lines[at]) >= 55 and len(value) <= MAX_NAME and value[-1:] not in ".,;:"
    ) and not (_LABEL.search(folded[at + 1]) or _DEAR.search(folded[at + 1])):
        at += 1
        value = f"{value} {lines[at]}"
    return value


def _as_name(value: str) -> str | None:
    value = value.strip(" \t.,;:|\"'“”")
    return value if 3 <= len(value) <= MAX_NAME and not _is_generic(value) else None


def _is_generic(value: str) -> bool:
    return _GENERIC.issuperset(re.findall(r"\w+", fold(value)))


def _one(values: Iterable[str | None]) -> tuple[str | None, bool]:
    """The only value, or None; and whether there were several different ones."""
    different = dict.fromkeys(value for value in values if value)
    return (next(iter(different)) if len(different) == 1 else None), len(different) > 1


def _keys(lines: Sequence[str], folded: Sequence[str], labelled: Sequence[tuple[str, str, int]]) -> tuple[Keys, str]:
    """Which unit the mail names, and why that is not to be relied on ("" when it is)."""
    codes: list[str | None] = []
    taxes: list[str | None] = []
    names: list[str | None] = []
    numbers: list[str | None] = []
    for label, value, at in labelled:
        if label == "unit_code" and (match := _UNIT_CODE.match(value.lstrip(" \"'“"))):
            codes.append(match.group().upper())
        elif label == "tax_code" and (match := _TAX_CODE.search(value)):
            digits = match.group().replace("-", "")
            taxes.append(digits if len(digits) == 10 else f"{digits[:10]}-{digits[10:]}")
        elif label == "unit_name":
            names.append(_as_name(_continued(lines, folded, at, value)))
        elif label == "number" and (match := _NUMBER.search(value)):
            numbers.append(match.group())
    if not any(names):
        names = [_as_name(value) for value in _addressed(lines, folded)]
    if not any(numbers):
        numbers = [match.group() for line in lines for match in _NUMBER.finditer(line)]
    unit_code, many_codes = _one(codes)
    tax_code, many_taxes = _one(taxes)
    number, many_numbers = _one(numbers)
    spellings = {name_key(name): name for name in names if name}
    why = (
        "it names several unit codes"
        if many_codes
        else "it names several dossiers"
        if many_numbers
        else "it names several tax codes"
        if many_taxes
        else "it names several units"
        if len(spellings) > 1
        else ""
    )
    return Keys(unit_code, next(iter(spellings.values())) if len(spellings) == 1 else None, tax_code, number), why


def _addressed(lines: Sequence[str], folded: Sequence[str]) -> list[str]:
    """Whom the mail addresses: what follows "Kính gửi", on the line or below it."""
    for at, line in enumerate(lines):
        dear = _DEAR.search(folded[at])
        if dear is None or _first_word(folded[at]) < dear.start():
            continue
        value = line[dear.end() :]
        colon = _UP_TO_COLON.match(value)
        if not dear.group("colon") and colon and _is_generic(value[: colon.end()]):
            value = value[colon.end() :]
        if not value.strip(" .:,") and at + 1 < len(lines):
            at, value = at + 1, lines[at + 1]
        following = _labels_in(fold(value))
        if following and following[0].start():
            return [value[: following[0].start()]]
        if value.strip() and not following:
            return [_continued(lines, folded, at, value)]
    return []


def _codes(
    lines: Sequence[str], folded: Sequence[str], labelled: Sequence[tuple[str, str, int]]
) -> tuple[list[str], bool]:
    """The tokens that can be the code, and whether the mail speaks of a code and its 24 hours at all."""
    text, low = "\n".join(lines), "\n".join(folded)
    anchor = _ANCHOR.search(low)
    if anchor is None:
        return [], False
    days = [found.start() for found in _DAY.finditer(low, anchor.end())]
    taken = {m.group() for label, value, _ in labelled if label not in ("code",) for m in _CODE.finditer(value)}
    labelled_codes = {
        m.group() for label, value, _ in labelled if label == "code" and (m := _CODE.match(value.lstrip(" \"'“[(*")))
    }

    digits = Counter(
        text[at : at + 10] for run in _MANY_DIGITS.finditer(text) for at in range(run.start(), run.end() - 9)
    )
    tokens: list[tuple[int, str, bool]] = []
    begins = 0
    for line in lines:
        stripped = line.strip(" .,:;*()[]\"'“”") if len(line) <= MAX_NAME else ""
        for match in _CODE.finditer(line):
            token = match.group()
            before = line[max(0, match.start() - 40) : match.start()].rstrip(" *\"'“[(")
            standing = stripped == token or token in labelled_codes or before.endswith(":")
            tokens.append((begins + match.start(), token, standing))
        begins += len(line) + 1

    def fit(start: int, end: int, strict: bool) -> list[str]:
        chosen: dict[str, bool] = {}
        for at, token, standing in tokens:
            if not start <= at <= end - len(token) or token in taken or (strict and not standing):
                continue
            if token.isdigit():
                if standing and digits[token] == 1 and token[0] != "0":
                    chosen.setdefault(token, False)
            elif token.isalpha():
                if standing:
                    chosen.setdefault(token, False)
            else:
                chosen[token] = True
        return [token for token, mixed in chosen.items() if mixed] or list(chosen)

    found = fit(anchor.end(), max(days), strict=False) if days else []
    return found or fit(anchor.end(), len(text), strict=True), True


def _read_body(subject: str, body: str, disguised: Collection[str], phrases: Phrases) -> Reading:
    all_lines = [line for line in body.split("\n") if line]
    if len(body) > MAX_TEXT or len(all_lines) > MAX_LINES:
        return UnclearMail("it is longer than any mail of the agency")
    lines, folded, left_out = _own_lines(all_lines)
    labelled = _labelled(lines, folded)
    if len(labelled) > MAX_LABELS:
        return UnclearMail("it names more things than any mail of the agency")
    keys, why = _keys(lines, folded, labelled)
    codes, anchored = _codes(lines, folded, labelled)
    page = Page(lines, folded, [value for label, value, _ in labelled if label == "unit_code"], disguised)
    result = result_of(subject, page, keys, phrases)
    if anchored and len(codes) > 1:
        return UnclearMail("it holds several different codes", keys, "activation")
    if anchored and codes:
        if _is_result_too(result):
            return UnclearMail("it holds a code and speaks of the result of a dossier", keys, "activation")
        return UnclearMail(why, keys, "activation") if why else ActivationMail(keys, Secret(codes[0]))
    if isinstance(result, UnclearMail):
        return result
    if result is not None:
        kind, said = result
        if kind.about == "unit-code-result":  # the code it gives is not the one that the unit is known by
            keys, why = _keys(lines, folded, [entry for entry in labelled if entry[0] != "unit_code"])
            keys = replace(keys, unit_code=FIRST_TIME)
        if (reading := reading_of(kind, said, page, keys)) is not None:
            return UnclearMail(why, keys, kind.about) if why and not isinstance(reading, UnclearMail) else reading
    if anchored and _DAY.search("\n".join(folded)):
        return UnclearMail("it speaks of a code and no code can be read in it", keys, "activation")
    if left_out:
        whole = body.replace("\n>", "\n")
        inside = [line for line in whole.split("\n") if line]
        page = Page(inside, [fold(line) for line in inside], [], disguised)
        if _ANCHOR.search(fold(whole)) or result_of(subject, page, keys, phrases) is not None:
            return UnclearMail("the message is only quoted or forwarded in it", keys)
    return OtherMail()


def _is_result_too(result: object) -> bool:
    """Whether a mail with an activation code is also about a dossier's result: a stop in its subject, or another result."""
    if not isinstance(result, tuple):
        return isinstance(result, UnclearMail)
    kind, said = result
    return bool(said.in_subject and (said.accepted is not None or kind.about == "stop-result"))


def _merged(one: Reading, other: Reading) -> Reading:
    """Plain text and HTML say the same mail twice; where they differ it is not to be relied on."""
    if isinstance(one, OtherMail):
        return other
    if isinstance(other, OtherMail) or one == other:
        return one
    keys = _joined(keys_of(one), keys_of(other))
    match one, other:
        case ActivationMail(), ActivationMail() if keys and one.code == other.code:
            return replace(one, keys=keys)
        case StopResultMail(), StopResultMail() if keys and one.accepted == other.accepted:
            return replace(one, keys=keys)
        case ChangeResultMail(), ChangeResultMail() if keys and one.accepted == other.accepted:
            return replace(one, keys=keys)
        case UnitCodeResultMail(), UnitCodeResultMail() if keys and (one.granted, one.unit_code) == (
            other.granted,
            other.unit_code,
        ):
            return replace(one, keys=keys)
        case UnclearMail(), _:
            return one
    return UnclearMail("its text and its HTML differ", keys_of(one))


def _joined(one: Keys, other: Keys) -> Keys | None:
    name_differs = one.unit_name and other.unit_name and name_key(one.unit_name) != name_key(other.unit_name)
    pairs = [(getattr(one, key), getattr(other, key)) for key in ("unit_code", "tax_code", "number")]
    if name_differs or any(a and b and a != b for a, b in pairs):
        return None
    code, tax, number = (a or b for a, b in pairs)
    return Keys(code, one.unit_name or other.unit_name, tax, number)


def read(mail: ParsedMail, phrases: Phrases | None = None) -> Reading:
    """What `mail` says. Pure; says nothing about whether the sender is to be trusted (`trust.py`)."""
    reading: Reading = OtherMail()
    for body in mail.bodies:
        reading = _merged(reading, _read_body(mail.subject, body, mail.disguised, phrases or standard()))
    if isinstance(reading, OtherMail) and mail.encloses:
        return UnclearMail("it only carries another mail inside")
    if isinstance(reading, UnitCodeResultMail) and mail.turned:
        return UnclearMail("it turns the direction of its text round", reading.keys, "unit-code-result")
    return reading
