"""`hoso mailbox test`: whether a mailbox can be read, in a sentence."""

from __future__ import annotations

from services.mail_watcher.folders import NONE, beside
from services.mail_watcher.mailbox import Mailbox, MailboxDown, MailboxRefused
from services.mail_watcher.parser import HostileMail, parse
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.trust import Policy


async def probe(settings: MailboxSettings) -> tuple[bool, str]:
    """(whether it works, a sentence for people). Reads the newest mail at most; changes nothing, marks nothing."""
    access = settings.access
    where = f"{access.user} at {access.host}:{access.port}"
    mailbox: Mailbox | None = None
    try:
        mailbox = settings.open()
        await mailbox.connect()
        _, following = await mailbox.status()
        newest = await mailbox.fetch_after(max(0, following - 2), 1)
        others = beside(settings.also, await mailbox.folders(), access.folder)
    except MailboxRefused as refused:
        return False, f"The mailbox of {where} refuses us: {refused}."
    except MailboxDown as down:
        return False, f"The mailbox of {where} cannot be reached: {down}."
    finally:
        if mailbox is not None:
            await mailbox.close()
    said = f"The mailbox of {where} can be read ({', '.join((access.folder, *others.folders))}, TLS {access.tls})."
    if others.missing:
        said += f" It has no folder {', '.join(others.missing)}."
    elif not others.folders and settings.also != NONE:
        said += " It shows no junk folder: name it with --also, or a code in it is not seen."
    trust = settings.trust
    if trust.policy is Policy.SENDER_ONLY:
        said += " Anybody can forge a sender, and this mailbox believes the sender alone."
    if trust.policy is Policy.AUTH_RESULTS and newest and newest[0].raw is not None:
        try:
            parsed = parse(newest[0].raw)
        except HostileMail:
            return True, said
        if not parsed.counts.get("authentication-results"):
            said += (
                " Its newest mail carries no Authentication-Results: with this policy every mail goes into quarantine."
            )
    return True, said
