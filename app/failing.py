"""What a command's end says to the shell.

0   done, or yes
1   nothing found, or no
2   settings, usage, or anything a person can mend: one sentence on stderr
70  a service stopped itself (too many units held for one reason): starting it again would do the same again
75  the database cannot be reached: try again later
"""

from __future__ import annotations

from hoso.runtime.failures import HosoError, SettingsError

OK, NO, WRONG, BRAKED, AWAY = 0, 1, 2, 70, 75


class DatabaseAway(HosoError):
    """No database answers, or it went away meanwhile."""


def status_of(error: HosoError) -> int:
    """The exit status an error ends a command with."""
    nobody = not isinstance(error, SettingsError) and str(error).startswith(
        "no database answers"
    )  # hoso.store.postgres says so
    return AWAY if isinstance(error, DatabaseAway) or nobody else WRONG


def sentence(error: BaseException, language: str = "en") -> str:
    """The error as one line; in Vietnamese where the error brings it (`vi`, as Unanswerable does)."""
    said = getattr(error, "vi", "") if language == "vi" else ""
    return " ".join((said or str(error)).split()) or type(error).__name__
