"""The rules of the enrolment's decisions, from the settings and the tables a deployment may write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hoso.domain.decisions import Rules
from hoso.domain.providers import provider_name
from hoso.domain.provinces import hanoi_agencies, province_of
from hoso.domain.rejections import Rejections, rejections
from hoso.domain.routes import routes
from hoso.domain.workdays import workdays
from hoso.runtime.failures import SettingsError
from hoso.settings import Settings

T = TypeVar("T")


def rejection_table(settings: Settings) -> Rejections:
    """The shipped table with the deployment's rows."""
    return _table("HOSO_REJECTIONS", settings.rejections, rejections, "hoso/domain/data/rejections.json")


def _table(name: str, path: Path | None, read: Callable[..., T], shape: str) -> T:
    """A table of the domain with the rows of a deployment's file. Raises SettingsError that names the file."""
    try:
        return read(*([json.loads(path.read_text("utf-8"))] if path else []))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{name}={path}: {error}; it has the shape of {shape}") from error


def rules(settings: Settings) -> Rules:
    """The bounds of the enrolment's decisions."""
    return Rules(
        rejection_table(settings),
        settings.ivan_code,
        settings.ivan_name or provider_name(settings.ivan_code),
        settings.system_tries,
        settings.attempts,
        settings.stop_mail_wait,
        settings.activation_mail_wait,
        settings.wrong_codes,
        lambda code: province_of(code).name,
        lambda code: next((office.name for office in hanoi_agencies() if office.code == code), ""),
        _table("HOSO_ROUTES", settings.routes, routes, "hoso/domain/data/routes.json"),
        _table(
            "HOSO_WORKDAYS",
            settings.workdays,
            lambda *files: workdays(*(files[0].get(which, ()) for which in ("off", "on")) if files else ()),
            '{"off": [], "on": []}',
        ),
        settings.officer_days,
    )
