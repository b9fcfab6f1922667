"""What can go wrong at a workstation. Every message is a Vietnamese sentence: what, and how to mend it."""

from __future__ import annotations


class AgentError(Exception):
    """Something a person can mend. `status`: the exit status of the program."""

    status = 1


class WrongUsage(AgentError):
    """An option or a file is missing or wrong."""

    status = 2


class NotAsSaid(AgentError):
    """What the server asks to sign is not what it says it is; it is never signed."""


class TokenAbsent(AgentError):
    """The token with the registered certificate is not plugged in."""


class PinSuspect(AgentError):
    """The PIN may be wrong, or one try is left: it is not tried again until a person has said so."""


class TokenBusy(AgentError):
    """Another process of this machine has the token."""


class ServerAway(AgentError):
    """No answer, or one that says: later. Trying again is right."""


class ServerRefuses(AgentError):
    """An answer that will not change by asking again."""

    status = 3

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.code = status
