"""The command `hoso`: `hoso --help` shows everything it can do.

Starting it is quick, because each command imports what it needs when it is called.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from app.commands import (
    agents,
    backups,
    checklists,
    clocks,
    deadletters,
    enrolments,
    heldunits,
    keys,
    looking,
    mailboxes,
    mails,
    organisations,
    papers,
    profiles,
    replacing,
    running,
    sheets,
    tasks,
    tenants,
    topics,
    units,
    upkeep,
    vaults,
    webhooks,
)
from app.words import Language, language

_PLAIN: dict[str, Any] = {
    "no_args_is_help": True,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "add_completion": False,
}
checklists.register(units.app)
replacing.register(profiles.app)
GROUPS = {
    "tenant": tenants.app,
    "key": keys.app,
    "mailbox": mailboxes.app,
    "profile": profiles.app,
    "agent-code": agents.app,
    "sheet": sheets.app,
    "org": organisations.app,
    "enrolment": enrolments.app,
    "tasks": tasks.app,
    "mail": mails.app,
    "form": papers.app,
    "unit": units.app,
    "held": heldunits.held,
    "dead-letters": deadletters.dead,
    "topics": topics.app,
    "clock": clocks.app,
    "vault": vaults.app,
    "webhook": webhooks.webhook,
    "notify": webhooks.notify,
}


def commands(chosen: Language) -> Any:
    """All commands, with help in a language."""
    app = typer.Typer(name="hoso", **_PLAIN)

    @app.callback()
    def hoso() -> None:
        """Enrols an employer's units with Vietnam's electronic social-insurance service.

        First steps: hoso up; then hoso tenant, mailbox, profile and key add; then hoso sheet submit.

        Exit status: 0 done; 1 nothing found, or the answer is no; 2 settings or usage; 70 a service stopped itself;
        75 the database cannot be reached.
        """

    for register in (running.register, upkeep.register, backups.register, looking.register, agents.register):
        register(app)
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    command = typer.main.get_command(app)
    if chosen == "vi":
        from app.help_vi import translate

        translate(command)
    return command


def main(words: list[str] | None = None) -> None:
    """Run the command line and exit. Whatever a person can mend is one sentence on stderr."""
    try:
        commands(language()).main(args=words, prog_name="hoso")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        from app.failing import sentence, status_of
        from hoso.runtime.failures import HosoError

        if type(error).__name__ == "ReadOnlySQLTransactionError":
            from app.words import text

            error = HosoError(text("restore.unopened"))
        if not isinstance(error, HosoError):
            raise
        print(f"hoso: {sentence(error, language())}", file=sys.stderr)
        sys.exit(status_of(error))


if __name__ == "__main__":
    main()
