"""Why an enrolment waits, in English: what `hoso/domain/causes.py` says in Vietnamese."""

from __future__ import annotations

CAUSES_EN: dict[str, str] = {
    "unit-code-held": "The unit code has to be verified before the unit can be registered",
    "no-unit-code": "The unit has no unit code yet: get one from the agency, then enter it",
    "no-profile": "No signing profile fits this tax code: add one (hoso profile add), then choose it",
    "signing": "The dossier could not be signed: mend or choose the signing profile, or sign again",
    "certificate": "The agency refused the certificate: mend it and file again",
    "data": "The agency refused the data: mend the row and send it again, or mend it here",
    "provider": "It is not known which provider holds the unit: say which",
    "unknown-code": "The agency answered with a code nobody knows: read it, then file again or cancel",
    "still-held": "Refused although the old provider was stopped: ask the agency who holds the unit",
    "system-error": "The agency reported a system error again and again: wait, then file again",
    "filing-uncertain": "It is not known whether the agency has the dossier: ask it, answer filed or not-filed",
    "transaction-missing": "The code came, but not the transaction: ask the agency for it, answer filed with it",
    "duplicate": "The agency says it has this already: ask it, answer filed if so, not-filed if it has nothing",
    "earlier-filing": "An earlier enrolment was filed and then cancelled here; whether that filing still stands is not known: "
    "ask the agency",
    "filing-failed": "The dossier could not be sent to the agency: find out why, then file again",
    "stop-mail-missing": "The mail about the stop did not come: ask the agency, answer continue or retry",
    "stop-refused": "The agency refused to stop the old provider: read its mail, then file again",
    "activation-mail-missing": "The mail with the activation code did not come: check the mailbox, file again",
    "code-expired": "The activation code expired several times: check the mailbox, file again",
    "wrong-code": "The agency does not accept the activation code: check the mail, file again",
    "activation-uncertain": "It is not known whether the unit is active: ask the agency, answer continue or retry",
    "roster-failed": "The employees could not be fetched: try again, or go on without them",
    "paper-form": "The province takes first-time dossiers on paper only: print the form, hand it in, answer sent with channel and day",
    "paper-code": "The paper form was handed in: when the agency has given the code, enter it",
    "first-code-refused": "The agency refused the first-time dossier: mend the row, file again",
    "officer-late": "The officer has not answered in his working days: ask the agency, enter what it decided, or wait on",
    "change-late": "The agency has not answered the change dossier: ask it, enter what it decided, or wait on",
    "change-refused": "The agency refused the change dossier: mend the row, file again",
    "activate-by-hand": "This gateway takes no activation code: activate on the portal with the code (hoso tasks code), then answer activated",
}
"""The causes of hoso/domain/causes.py in English."""
