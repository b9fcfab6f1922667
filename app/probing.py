"""Trying out what people set up: a mailbox is opened, a signing profile signs a sample."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.words import text
from hoso.domain.certificates import facts
from hoso.settings import Settings
from hoso.setup.declarations import Mailbox, Profile

if TYPE_CHECKING:
    from app.house import House


async def probe_mailbox(mailbox: Mailbox, settings: Settings, own: House | None = None) -> tuple[bool, str]:
    """Connect as the mail watcher does, look at the newest mail, leave. Whether it worked, and a sentence. With the house,
    a refresh token that the token service replaces meanwhile is kept."""
    from app.mailboxes import dkim_records, keeper, phrases, watched
    from services.mail_watcher.probe import probe

    save = keeper(own) if own is not None else None
    return await probe(watched(mailbox, settings, dkim_records(settings), phrases(settings), save))


async def probe_profile(
    profile: Profile, now: datetime, remote: Callable[[Profile], Awaitable[None]] | None = None
) -> tuple[bool, str, dict[str, Any]]:
    """Sign a sample in every shape the profile may be used in, and verify it. `now` is the world's time.

    `remote` looks at a profile whose signatures a person approves, on a phone or at a workstation: nobody is asked for a sample."""
    from services.signer.keys import SigningKeys
    from services.signer.keys.port import SignatureAsk, Signatures, UnusableKey
    from services.signer.ports import SigningProfile
    from services.signer.profiles import SHAPES
    from services.signer.profiles.port import BadSignature

    known = facts(profile.certificate)
    found = {
        "tax_codes": list(profile.tax_codes),
        "days_left": (profile.not_after - now).days,
        "serial": profile.serial,
    }
    signing = SigningProfile(profile.id, profile.name, profile.backend, profile.certificate, profile.key)
    shape = SHAPES[signing.shape]
    try:
        prepared = shape.prepare(b"<Hoso><Thu>hoso</Thu><CKy_Dvi/></Hoso>", profile.certificate, now, "Hoso/CKy_Dvi")
        if remote is not None and profile.backend in ("misa_esign", "agent", "pkcs11"):
            await remote(profile)
        else:
            asks = [SignatureAsk(prepared.digest, "probe", "hoso profile test")]
            answer = await SigningKeys().signer(signing).sign("probe", asks)
            if not isinstance(answer, Signatures):
                raise UnusableKey(type(answer).__name__)
            shape.verify(shape.complete(prepared, answer.values[0]), "Hoso/CKy_Dvi")
    except (UnusableKey, BadSignature) as error:
        return False, text("profile.bad", name=profile.name, error=error), {**found, "error": str(error)}
    if not known.not_before <= now <= known.not_after:
        late = text(
            "profile.expired" if now > known.not_after else "profile.early",
            day=f"{(known.not_after if now > known.not_after else known.not_before).astimezone(UTC):%d/%m/%Y}",
        )
        return False, text("profile.bad", name=profile.name, error=late), {**found, "error": late}
    return (
        True,
        text("profile.ok", name=profile.name, tax_codes=", ".join(profile.tax_codes), days=found["days_left"]),
        found,
    )
