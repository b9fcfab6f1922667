"""`hoso vault`: the key-encryption keys, and erasing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.opening import Actor, audit, read_uuid, working
from app.commands.showing import say
from app.words import text

if TYPE_CHECKING:
    from app.house import House

app = typer.Typer(no_args_is_help=True, help="The key-encryption keys, and erasing.")
ERASABLE = ("code", "personal", "evidence")


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Keep it outside the database's backups.")],
    rotate: Annotated[
        bool,
        typer.Option(
            "--rotate",
            help="FILE exists: put a new key before its old ones; then restart all services, then hoso vault rewrap.",
        ),
    ] = False,
) -> None:
    """Make a key file that only its owner can read; HOSO_VAULT_KEY_FILE names it. Never overwrites.

    Example: hoso vault new-key /etc/hoso/vault.key
    """
    from hoso.runtime.failures import HosoError
    from hoso.store.vault import KeyRing

    try:
        if rotate:
            KeyRing.read(file)
            _put_before(file)
        else:
            KeyRing.make(file)
    except FileExistsError as error:
        raise HosoError(text("file.exists", file=error.filename or file)) from error
    except OSError as error:
        raise HosoError(text("file.unwritable", file=file, why=error.strerror)) from error
    say(text("vault.made", file=file))


def _put_before(file: Path) -> None:
    """A new key as the file's first line, under a name no other has; the file is replaced at once."""
    import secrets

    from hoso.store.vault import KeyRing

    fresh = file.with_name(file.name + ".new")
    KeyRing.make(fresh)
    key = fresh.read_text().partition(":")[2]
    fresh.write_text(f"k{secrets.token_hex(6)}:{key}{file.read_text()}")
    fresh.replace(file)


async def _nobody_holds_old_keys(own: House) -> None:
    """A service reads the key file once, at its start: what is wrapped with a key it does not know it could not open."""
    from datetime import UTC, datetime

    from app.log_views import members
    from hoso.runtime.failures import HosoError

    file = own.settings.vault_key_file or own.settings.var / "vault.key"
    changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    old = sorted({row["group"].removeprefix("hoso.") for row in await members(own.db.pool) if row["since"] < changed})
    if old:
        raise HosoError(text("vault.running", file=file, services=", ".join(old)))


@app.command("rewrap")
def rewrap(actor: Actor = "") -> None:
    """Wrap every data key with the first key of the file; afterwards the others may go.

    Refused while services run that started before the file changed: restart them first.

    Example: hoso vault rewrap
    """

    async def job(own: House) -> int:
        await _nobody_holds_old_keys(own)
        count = await own.vault.rewrap()
        await audit(own.db.pool, actor, None, "vault.rewrap", count=count)
        return count

    say(text("vault.rewrapped", count=working(job)))


@app.command("erase")
def erase(
    enrolment: Annotated[str, typer.Argument(metavar="ENROLMENT", help="The enrolment's id.")],
    purpose: Annotated[str, typer.Option("--purpose", help="code, personal or evidence.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: Actor = "",
) -> None:
    """Erase what the vault keeps of an enrolment for one purpose, for good: its key is destroyed.

    Example: hoso vault erase 0192f0c1-7c1e-7000-8000-000000000001 --purpose personal
    """
    from hoso.runtime.failures import SettingsError

    scope = read_uuid(enrolment)
    if purpose not in ERASABLE:
        raise SettingsError(text("option.bad", option="--purpose", given=purpose, allowed=", ".join(ERASABLE)))
    if not yes:
        typer.confirm(text("prompt.sure"), abort=True)

    async def job(own: House) -> None:
        await own.vault.erase(scope, purpose)
        await audit(own.db.pool, actor, None, "vault.erase", enrolment=scope, purpose=purpose)

    working(job)
    say(text("vault.erased", enrolment=scope, purpose=purpose))
