"""Units whose code asks for a behaviour: the third to fifth characters of the unit code choose it.

A code with a digit in third place, or with letters not in this table, belongs to an ordinary unit. The table here is
the source of the table in README.md (a test compares them).
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.reading import REGISTER, STOP


@dataclass(frozen=True, slots=True)
class Rule:
    """At this point of a filing's way, do this instead. `times` None: always."""

    call: str
    fault: str
    times: int | None = None
    procedure: str | None = None


@dataclass(frozen=True, slots=True)
class Magic:
    """What a family of unit codes does. `provider` (`other`, `portal`, `unnamed`) has it until a stop is done."""

    words: str
    rules: tuple[Rule, ...] = ()
    provider: str = ""


def _transport(words: str, fault: str, times: int | None = 1) -> Magic:
    return Magic(words, (Rule("submit", fault, times),))


def _lost_then(answer: str) -> Magic:
    words = f"A5: processed, reply lost; the same bytes again are answered {answer}"
    return Magic(words, (Rule("submit", "A2", 1), Rule("duplicate", answer)))


def _mail(words: str, fault: str, times: int | None = None) -> Magic:
    return Magic(words, (Rule("mail", fault, times, REGISTER),))


def _stopping(words: str, *rules: Rule) -> Magic:
    return Magic(words, rules, "other")


def _refused(words: str, code: str, call: str = "gate", times: int | None = None, provider: str = "") -> Magic:
    return Magic(words, (Rule(call, f"REFUSE:{code}", times, REGISTER),), provider)


MAGIC: dict[str, Magic] = {
    # other providers and business refusals
    "C00": Magic(
        "A10: registered with another I-VAN: CE007 that names it, by the officer, until a stop is done", (), "other"
    ),
    "C01": Magic("A10: CE007 that names nobody; a stop that names anybody is taken", (), "unnamed"),
    "C02": Magic("A10: registered at the state portal: CE044 until a stop is done", (), "portal"),
    "C03": _stopping(
        "A10: CE007, and the stop is answered SIM011 already stopped; then registering passes",
        Rule("gate", "ALREADY-STOPPED", 1, STOP),
    ),
    "C04": _stopping(
        "A10: as C00, but CE007 comes at the gate instead of from the officer", Rule("gate", "PROVIDER", None, REGISTER)
    ),
    "C05": Magic("A10: as C02, but CE044 comes at the gate", (Rule("gate", "PROVIDER", None, REGISTER),), "portal"),
    "C06": _refused("unknown code CE999 from the officer, always", "CE999", "decision"),
    "C07": _refused("unknown code CE999 from the officer, first time only", "CE999", "decision", 1),
    "C08": Magic(
        "SIM007 wrong certificate until the unit signs with another certificate than the first",
        (Rule("gate", "FIRST-CERTIFICATE"),),
    ),
    "C09": Magic("SIM006 signature refused, first time only", (Rule("gate", "REFUSE:SIM006", 1),)),
    # units
    "U01": Magic("SIM001: the agency knows no such unit", (Rule("gate", "REFUSE:SIM001"),)),
    "U03": Magic("SIM003: managed by another agency, whichever is named", (Rule("gate", "REFUSE:SIM003"),)),
    "U05": Magic("SIM005: its certificates are revoked", (Rule("gate", "REFUSE:SIM005"),)),
    "U15": Magic("SIM015: the unit is locked", (Rule("gate", "REFUSE:SIM015"),)),
    # system busy
    "S01": Magic("SIM099 system busy once at the gate, then success", (Rule("gate", "REFUSE:SIM099", 1),)),
    "S02": Magic("SIM099 twice, then success", (Rule("gate", "REFUSE:SIM099", 2),)),
    "S04": Magic("SIM099 four times, then success", (Rule("gate", "REFUSE:SIM099", 4),)),
    "S07": Magic("SIM099 seven times, then success", (Rule("gate", "REFUSE:SIM099", 7),)),
    "S09": Magic("SIM099 always", (Rule("gate", "REFUSE:SIM099"),)),
    # stop flows (all begin with CE007 that names the provider)
    "T01": _stopping(
        "stop mail without dossier number and unit code, only the unit's name", Rule("mail", "BARE", None, STOP)
    ),
    "T02": _stopping("stop mail never comes on the first attempt", Rule("mail", "NEVER", 1, STOP)),
    "T03": _stopping(
        "stop is refused by mail and by the officer (SIM012), first time only",
        Rule("decision", "REFUSE:SIM012", 1, STOP),
    ),
    "T04": _stopping("stop is answered SIM099 twice, then success", Rule("gate", "REFUSE:SIM099", 2, STOP)),
    "T05": _stopping("stop mail twice", Rule("mail", "TWICE", None, STOP)),
    "T06": _stopping("stop mail two hours late", Rule("mail", "LATE", None, STOP)),
    "T07": _stopping("stop filed, reply lost (A2)", Rule("submit", "A2", 1, STOP)),
    "T08": _stopping("stop mail before the decision can be seen", Rule("officer", "MAIL-EARLY", None, STOP)),
    "T09": _stopping(
        "stop mail never comes, stop dossiers are accepted again and again",
        Rule("mail", "NEVER", None, STOP),
        Rule("gate", "STOP-AGAIN", None, STOP),
    ),
    # transport of a filing
    "F01": _transport("A1: connection dropped before processing, once", "A1"),
    "F02": _transport("A2: processed, reply lost by a reset, once", "A2"),
    "F03": _transport("A3: hangs until the caller gives up, not processed, once", "A3"),
    "F13": _transport("A3: hangs until the caller gives up, processed then, once", "A3P"),
    "F04": _transport("A4: reply lost; processed and visible to a query only --late-seconds later, once", "A4"),
    "F05": _lost_then("409"),
    "F15": _lost_then("208"),
    "F25": _lost_then("500"),
    "F06": _transport("A6: a false duplicate, 409 though never seen, once", "A6"),
    "F16": _transport("A6: a false duplicate, always", "A6", None),
    "F07": _transport("A7: 429 with Retry-After: 1, twice", "A7", 2),
    "F08": _transport("A8: HTML 502, not processed, once", "A8-502"),
    "F18": _transport("A8: HTML 502, processed, once", "A8-502P"),
    "F28": _transport("A8: truncated XML, not processed, once", "A8-TRUNC"),
    "F38": _transport("A8: truncated XML, processed, once", "A8-TRUNCP"),
    "F48": _transport("A8: reply in a wrong charset, not processed, once", "A8-CHARSET"),
    "F58": _transport("A8: reply in a wrong charset, processed, once", "A8-CHARSETP"),
    "F09": Magic("A9: the decision can be seen before the receipt has its number", (Rule("officer", "NUMBER-LAST"),)),
    "F19": Magic("A9: every reply and every step twice", (Rule("replies", "A9-TWICE"),)),
    "F29": Magic("A9: steps out of order", (Rule("replies", "A9-ORDER"),)),
    "F11": Magic("A11: dossier number empty for 3 s", (Rule("officer", "NUMBER-LATE"),)),
    "F12": _transport("503 with X-Processed: no, twice", "503", 2),
    "F22": _transport("bare 503, not processed, once", "503-BARE"),
    "F32": _transport("bare 503, processed, once", "503-BAREP"),
    # the other calls
    "P01": Magic("activation carried out, reply lost, once", (Rule("activate", "A2", 1),)),
    "P02": Magic("activation: HTML 502 without being carried out, once", (Rule("activate", "A8-502", 1),)),
    "P03": Magic("replies: HTML 502, twice", (Rule("replies", "A8-502", 2),)),
    "P04": Magic("roster: HTML 502, twice", (Rule("roster", "A8-502", 2),)),
    "P05": Magic("look-up (find): HTML 502, twice", (Rule("submit", "A2", 1), Rule("find", "A8-502", 2))),
    "P06": Magic("activation: 429 with Retry-After: 1, twice", (Rule("activate", "A7", 2),)),
    "P07": Magic("activation hangs, not carried out, once", (Rule("activate", "A3", 1),)),
    "P08": Magic("roster: truncated JSON, once", (Rule("roster", "A8-TRUNC", 1),)),
    # activation mails
    "M01": _mail("mail twice, with different Message-IDs", "TWICE"),
    "M02": _mail("mail two hours late", "LATE"),
    "M03": _mail("before the true mail a forged one, wrong code, another domain, unsigned", "FORGED"),
    "M13": _mail(
        "before the true mail a forged one, wrong code, another domain, signed by that domain", "FORGED-SIGNED"
    ),
    "M23": _mail("before the true mail a forged one, wrong code, the agency's address, unsigned", "FORGED-SPOOFED"),
    "M04": Magic(
        "the first activation code is answered SIM014 expired; the next filing's code works",
        (Rule("activate", "EXPIRE", 1),),
    ),
    "M14": _mail("mail delivered 25 h late with a code that is then expired, once", "STALE", 1),
    "M05": _mail("text in NFD", "NFD"),
    "M06": _mail("text in windows-1258, and says so", "CP1258"),
    "M07": _mail("text in UTF-8 that calls itself iso-8859-1", "MISLABELLED"),
    "M08": _mail("mail never comes on the first attempt", "NEVER", 1),
    "M09": _mail("mail never comes", "NEVER"),
    "M10": _mail("multipart/alternative with a plain part", "MULTIPART"),
    "M11": Magic("mail before the decision can be seen", (Rule("officer", "MAIL-EARLY", None, REGISTER),)),
    "M12": _mail("mail without a DKIM signature, once", "UNSIGNED", 1),
}


def magic_of(unit_code: str) -> Magic | None:
    """The behaviour a unit code asks for, if any."""
    return MAGIC.get(unit_code[2:5]) if len(unit_code) == 7 else None
