"""Units whose code asks for a behaviour: the third to fifth characters of the unit code choose it.

A code with a digit in third place, or with letters not in this table, belongs to an ordinary unit. A first-time dossier
has no unit code: it names families as words of its unit name or licence number, several if it likes, and the unit code
granted to it inherits them. The table here is the source of the table in README.md (a test compares them).
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.reading import ACTIVATING, CHANGE, FIRST, REGISTER, STOP


@dataclass(frozen=True, slots=True)
class Rule:
    """At this point of a filing's way, do this instead. `times` None: always."""

    call: str
    fault: str
    times: int | None = None
    procedure: str | frozenset[str] | None = None

    def applies(self, call: str, procedure: str) -> bool:
        """Whether it is about this point and procedure."""
        if self.call != call:
            return False
        return (
            self.procedure is None
            or procedure == self.procedure
            or (not isinstance(self.procedure, str) and procedure in self.procedure)
        )


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
    return Magic(words, (Rule("mail", fault, times, ACTIVATING),))


def _stopping(words: str, *rules: Rule) -> Magic:
    return Magic(words, rules, "other")


def _refused(words: str, code: str, call: str = "gate", times: int | None = None, provider: str = "") -> Magic:
    return Magic(words, (Rule(call, f"REFUSE:{code}", times, REGISTER),), provider)


def _disbelieved(words: str, fault: str, times: int | None) -> Magic:
    return Magic(words, (Rule("sign", fault, times),))


def _first(words: str, call: str, fault: str, times: int | None = None) -> Magic:
    return Magic(words, (Rule(call, fault, times, FIRST),))


def _changing(words: str, call: str, fault: str, times: int | None = None) -> Magic:
    return Magic(words, (Rule(call, fault, times, CHANGE),))


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
    "T10": _stopping(
        "stop mail never comes on the first two attempts, each is accepted again; the third one's comes",
        Rule("mail", "NEVER", 2, STOP),
        Rule("gate", "STOP-AGAIN", None, STOP),
    ),
    "T11": _stopping(
        "stop mail of the first attempt 30 h late, of every later attempt never; each is accepted again",
        Rule("mail", "LATE-30", 1, STOP),
        Rule("mail", "NEVER-LATER", None, STOP),
        Rule("gate", "STOP-AGAIN", None, STOP),
    ),
    "T12": _stopping(
        "stop is refused (SIM012), by mail only: the gateway says nothing of it, first time only",
        Rule("decision", "REFUSE:SIM012", 1, STOP),
        Rule("replies", "SILENT", None, STOP),
    ),
    "T13": _stopping("stop is refused (SIM012) always", Rule("decision", "REFUSE:SIM012", None, STOP)),
    "T14": Magic(
        "A10: CE007 names a provider that is not the unit's: its stop is refused SIM012 until the right one is named",
        (Rule("decision", "MISNAMED", None, REGISTER),),
        "other",
    ),
    "T15": _stopping(
        "stop is refused SIM006 for its signature, first time only", Rule("gate", "REFUSE:SIM006", 1, STOP)
    ),
    "T16": _stopping("stop mail is sorted out as spam", Rule("mail", "JUNK", None, STOP)),
    "T17": _stopping(
        "before the true stop mail a forged one that says refused, another domain, unsigned",
        Rule("mail", "FORGED", None, STOP),
    ),
    "T18": _stopping("stop result by the gateway only, no mail ever", Rule("mail", "NEVER", None, STOP)),
    "T22": Magic(
        "state portal as C02, and the stop mail never comes on the first attempt",
        (Rule("mail", "NEVER", 1, STOP), Rule("gate", "STOP-AGAIN", None, STOP)),
        "portal",
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
    # replies that are not to be believed (A12)
    "F42": _disbelieved("A12: the signature of a decision does not verify, three times", "A12-BROKEN", 3),
    "F52": _disbelieved("A12: a decision is signed with a stranger's certificate, three times", "A12-STRANGER", 3),
    "F62": _disbelieved(
        "A12: the text of a decision is turned round after it was signed, three times", "A12-TAMPERED", 3
    ),
    "F72": _disbelieved("A12: a decision is not signed, three times", "A12-UNSIGNED", 3),
    "F82": _disbelieved("A12: the signed decision of another filing, three times", "A12-FOREIGN", 3),
    "F92": _disbelieved("A12: the signature of every decision is broken, always", "A12-BROKEN", None),
    "F45": Magic(
        "A12: taken in, but the receipt is made to say refused; its signature does not verify, once",
        (Rule("submit", "A12-TAMPERED", 1),),
    ),
    # employees
    "R01": Magic("roster: 450 employees, some on two pages", (Rule("roster", "MANY"), Rule("roster", "DOUBLES"))),
    "R02": Magic(
        "roster: changes between fetches: one is gone, one changed, one is new", (Rule("roster", "CHANGING"),)
    ),
    "R03": Magic("roster: no employees", (Rule("roster", "EMPTY"),)),
    "R04": Magic("roster: 450 employees", (Rule("roster", "MANY"),)),
    "R05": Magic(
        "roster: 450 employees, and one more comes while it is paged",
        (Rule("roster", "MANY"), Rule("roster", "GROWING")),
    ),
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
    "M15": _mail("mail sorted out as spam (X-Spam-Flag: YES)", "JUNK"),
    "M16": _mail("two mails with two codes; only the second, five seconds later, is in force", "TWO-CODES"),
    "M17": _mail("plain text only", "PLAIN"),
    # first-time dossiers (by a word of the unit's name or licence number)
    "N00": Magic("granted, like any that names no family"),
    "N01": _first(
        "refused once (SIM044, a paper is missing), granted after it is filed again", "decision", "REFUSE:SIM044", 1
    ),
    "N02": _first("refused always (SIM045, the name)", "decision", "REFUSE:SIM045"),
    "N03": _first("the officer never answers", "review", "SILENT"),
    "N04": _first(
        "the officer answers only when the status is asked after three working days", "review", "UNTIL-ASKED"
    ),
    "N05": _first("activation mail never", "mail", "NEVER"),
    "N06": _first("activation mail never on the first attempt", "mail", "NEVER", 1),
    "N07": _first("activation mail twice, with different Message-IDs", "mail", "TWICE"),
    "N08": _first("activation mails with two codes; only the second is in force", "mail", "TWO-CODES"),
    "N09": Magic("units of one name and tax code: told apart by licence number, so no duplicates"),
    "N10": _first("activation mail sorted out as spam", "mail", "JUNK"),
    "N11": _first("unit-code mail sorted out as spam", "result-mail", "JUNK"),
    "N12": _first("unit-code mail after a forged one, wrong code, another domain, unsigned", "result-mail", "FORGED"),
    "N13": _first(
        "unit-code mail after a forged one, wrong code, another domain, signed by it", "result-mail", "FORGED-SIGNED"
    ),
    "N14": _first(
        "unit-code mail after a forged one, wrong code, the agency's address, unsigned", "result-mail", "FORGED-SPOOFED"
    ),
    "N15": _first("the grant comes by mail only: the gateway says nothing of it", "replies", "SILENT"),
    "N16": _first("the grant is told by the gateway only: no unit-code mail", "result-mail", "NEVER"),
    "N17": Magic(
        "refused once (SIM045) by mail only: the gateway says nothing of it",
        (Rule("decision", "REFUSE:SIM045", 1, FIRST), Rule("replies", "SILENT", None, FIRST)),
    ),
    "N18": _first("unit-code mail twice", "result-mail", "TWICE"),
    "N19": _first("unit-code mail 25 h late", "result-mail", "LATE-25"),
    "N30": _first("the code is answered SIM014 expired, first time only", "activate", "EXPIRE", 1),
    "N31": Magic(
        "the grant is told neither by mail nor by the gateway",
        (Rule("result-mail", "NEVER", None, FIRST), Rule("replies", "SILENT", None, FIRST)),
    ),
    # change dossiers (by unit code, or inherited from the first-time dossier)
    "N20": _changing("change refused (SIM053), first time only", "decision", "REFUSE:SIM053", 1),
    "N21": _changing("change refused (SIM053) always", "decision", "REFUSE:SIM053"),
    "N22": _changing("change result by mail only", "replies", "SILENT"),
    "N23": _changing("change result by the gateway only", "mail", "NEVER"),
    "N24": _changing("an activation mail after the accepted change", "after-change", "ACTIVATION"),
    "N25": Magic(
        "change result neither by mail nor by the gateway",
        (Rule("mail", "NEVER", None, CHANGE), Rule("replies", "SILENT", None, CHANGE)),
    ),
    "N26": _changing("change result mail after a forged one that says the opposite", "mail", "FORGED"),
    "N27": _changing("change answered SIM099 at the gate twice, then success", "gate", "REFUSE:SIM099", 2),
    "N28": _changing("change result mail sorted out as spam", "mail", "JUNK"),
    "N29": _changing("change filed, reply lost (A2)", "submit", "A2", 1),
}


def magic_of(unit_code: str) -> Magic | None:
    """The behaviour a unit code asks for, if any."""
    return MAGIC.get(unit_code[2:5]) if len(unit_code) == 7 else None
