"""Every event of hoso, in the order one dossier meets them.

Read beside `schemas/topics.py`, which says on which topic each travels, who writes it and who reads it.
Documents, codes, rosters and raw mails never travel: events carry vault references.
"""

from schemas.events.agency import (
    ActivationAnswered,
    ActivationAsked,
    ActivationOutcome,
    DossierDecided,
    DossierReceived,
    FilingAsked,
    FilingUncertain,
    RosterAsked,
    RosterFailed,
    RosterFetched,
    StatusAnswered,
    StatusAsked,
    StepResult,
)
from schemas.events.dossiers import (
    DossierPrepared,
    DossierSigned,
    SignatureAwaited,
    SigningRefused,
)
from schemas.events.mail import (
    ActivationCodeArrived,
    ChangeResultArrived,
    MailAssigned,
    MailCandidate,
    MailExpected,
    MailNumbered,
    MailSettled,
    MailUndecided,
    StopResultArrived,
    UnitCodeResultArrived,
)
from schemas.events.progress import (
    EnrolmentProgressed,
    EnrolmentWarned,
    NoteTaken,
    ReminderDue,
    RequestRefused,
)
from schemas.events.registry import (
    TurnAsked,
    TurnEnded,
    TurnGranted,
    UnitCodeGranted,
    UnitCodeNoted,
)
from schemas.events.requests import (
    CertificateReplaced,
    EmployeesRequested,
    EnrolmentAnswered,
    EnrolmentCancelled,
    EnrolmentRequested,
    EnrolUnit,
    PersonsAnswer,
)

__all__ = [
    "ActivationAnswered",
    "ActivationAsked",
    "ActivationCodeArrived",
    "ActivationOutcome",
    "CertificateReplaced",
    "ChangeResultArrived",
    "DossierDecided",
    "DossierPrepared",
    "DossierReceived",
    "DossierSigned",
    "EnrolUnit",
    "EnrolmentAnswered",
    "EmployeesRequested",
    "EnrolmentCancelled",
    "EnrolmentProgressed",
    "EnrolmentRequested",
    "EnrolmentWarned",
    "FilingAsked",
    "FilingUncertain",
    "MailAssigned",
    "MailCandidate",
    "MailExpected",
    "MailNumbered",
    "MailSettled",
    "MailUndecided",
    "NoteTaken",
    "PersonsAnswer",
    "ReminderDue",
    "RequestRefused",
    "RosterAsked",
    "RosterFailed",
    "RosterFetched",
    "SignatureAwaited",
    "SigningRefused",
    "StatusAnswered",
    "StatusAsked",
    "StepResult",
    "StopResultArrived",
    "TurnAsked",
    "TurnEnded",
    "TurnGranted",
    "UnitCodeGranted",
    "UnitCodeNoted",
    "UnitCodeResultArrived",
]
