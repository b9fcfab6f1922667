"""How the signer is wired: one group, one topic in, one lane that asks and one that waits for people."""

from __future__ import annotations

from datetime import timedelta

from hoso.runtime.steps import Lane, Service
from hoso.store.states import NoStates
from schemas.topics import topics_read_by
from services.signer.awaiting import AWAIT
from services.signer.handlers import LANE, handle
from services.signer.keys import SigningKeys
from services.signer.performers import SignDossier
from services.signer.ports import Preparations, Profiles, Vault

GROUP = "hoso.signer"


def service(
    profiles: Profiles,
    vault: Vault,
    keys: SigningKeys | None = None,
    preparations: Preparations | None = None,
) -> Service[None]:
    """The signer, ready to be run. `preparations` is needed once a backend of `keys` asks people."""
    performer = SignDossier(profiles, vault, keys or SigningKeys(), preparations)
    # harmless: nothing leaves the house before DossierSigned is on the log; people are asked the same question again
    asking = Lane(performer, at_once=50, timeout=timedelta(seconds=30), harmless=True)
    waiting = Lane(performer, at_once=100, timeout=timedelta(seconds=30), harmless=True)
    return Service(GROUP, topics_read_by(GROUP), NoStates(), handle, {LANE: asking, AWAIT: waiting})
