"""The classes of failure, and what the kernel does with each (docs/kernel.md, the failure table).

HosoError                 a sentence for people: what, where, how to mend it
├── SettingsError         cannot start with these settings
├── SchemaMismatch        the database is older or newer than the code
CallFailure
├── Transient             certainly not processed: the call waits and is tried again
├── OutcomeUnknown        may have been processed: reconcile before anything is sent again
└── Invalid               the world will never take it: ends as a failed outcome, the decision sees it
"""

from __future__ import annotations

from datetime import timedelta


class HosoError(Exception):
    """A sentence for people: what is wrong, where, and how to mend it."""


class SettingsError(HosoError):
    """Cannot start with these settings."""


class SchemaMismatch(HosoError):
    """The database's schema is older or newer than this code."""


class CallFailure(Exception):
    """A try of a call did not end."""


class Transient(CallFailure):
    """Certainly not processed (refused connection, 429): the call waits and is simply tried again."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutcomeUnknown(CallFailure):
    """May have been processed: `reconcile` decides before anything is sent again."""


class Invalid(CallFailure):
    """The world will never take this. Raised by a performer, the call ends through `give_up`; by a handler, the unit is held."""
