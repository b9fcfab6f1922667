"""Every dossier kind hoso can write. A new kind is one file, its schema, its printed form and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hoso.dossiers import change, first_code, register, stop
from hoso.dossiers.form import Form

KINDS: Mapping[str, Form[Any]] = {form.kind: form for form in (register.FORM, change.FORM, stop.FORM, first_code.FORM)}
