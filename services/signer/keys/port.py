"""What signs: a key file here, a token or a remote service elsewhere. One method wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, Protocol
from uuid import UUID

from hoso.runtime.steps import NotYet
from services.signer.ports import SigningProfile


class UnusableKey(Exception):
    """The profile's key cannot sign; the message is a Vietnamese sentence that says why."""


@dataclass(frozen=True, slots=True)
class SignatureAsk:
    """One signature that is wanted."""

    digest: bytes
    """SHA-256 of what is signed."""
    name: str
    """The document, as its signer knows it: at most 100 characters."""
    display: str
    """What a person sees before agreeing."""
    kept: UUID | None = None
    """Where the whole prepared document (`Prepared.to_bytes()`) is sealed in the vault, when people are asked."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """Raw PKCS#1 v1.5 values, one for each ask, in their order."""

    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """The person said no."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody answered in time; asking anew is allowed."""

    text: str = ""


Reason = Literal["approval", "agent-offline", "token-absent", "pin-suspect", "login"]
"""Why a signature waits, as `SignatureAwaited.reason`."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """NotYet, and for whom: somebody has to do something, or a token has to come back."""

    reason: Reason
    text: str
    """A Vietnamese sentence: what is awaited and how to mend it."""
    ask_again: timedelta


Answer = Signatures | NotYet | Waiting | Declined | Expired


class KeySigner(Protocol):
    """One key, opened."""

    asks_people: ClassVar[bool]
    """True: signing may take minutes and costs somebody's attention, so what is asked is stored before."""

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        """Sign all of `asks` in one approval, or none.

        Asking twice under one `name` is asking once: after NotYet or Waiting, or in another process, the same question goes on.
        Raises Transient or OutcomeUnknown (`hoso.runtime.failures`) for what the network does, UnusableKey for a key
        that will not do.
        """
        ...


class Backend(Protocol):
    """Makes a KeySigner of a profile. Raises UnusableKey."""

    @property
    def asks_people(self) -> bool: ...

    def __call__(self, profile: SigningProfile) -> KeySigner: ...
