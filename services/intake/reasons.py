"""The reasons for stopping a provider that a sheet may give (domain.md §4.2: no list is published, so a deployment may bring its own).

The agency's form knows five codes. A reason of the deployment's own goes as KHAC, with its text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from hoso.domain.identifiers import fold
from hoso.runtime.failures import SettingsError
from schemas.units import StopReason

DEFAULT: StopReason = "CHUYEN_DOI_NHA_CUNG_CAP"
OTHER: StopReason = "KHAC"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its code in the list, how people read it, and the code and text that go onto the form."""

    code: str
    label: str
    filed: StopReason
    text: str = ""
    aliases: tuple[str, ...] = ()


class StopReasons:
    """The list people choose from. Codes, labels and aliases are all understood; case and diacritics do not matter."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self._reasons = tuple(reasons)
        self._by_word: dict[str, Reason] = {}
        for reason in self._reasons:
            for word in (reason.code, reason.label, *reason.aliases):
                self._by_word.setdefault(fold(word), reason)

    @property
    def labels(self) -> list[str]:
        """As people read them, in the order of the list."""
        return [reason.label for reason in self._reasons]

    def named(self, text: str) -> Reason | None:
        """The reason that `text` means; None when the list has none."""
        return self._by_word.get(fold(text))


REASONS = StopReasons(
    (
        Reason(
            DEFAULT,
            "Chuyển đổi nhà cung cấp",
            DEFAULT,
            aliases=("Chuyển đổi đơn vị cung cấp", "Chuyển đổi", "Đổi nhà cung cấp"),
        ),
        Reason("HET_HAN_DICH_VU", "Hết hạn dịch vụ", "HET_HAN_DICH_VU"),
        Reason("NGUNG_HOAT_DONG", "Ngừng hoạt động", "NGUNG_HOAT_DONG"),
        Reason("DANG_KY_NHAM", "Đăng ký nhầm", "DANG_KY_NHAM"),
        Reason(OTHER, "Khác", OTHER),
    )
)
"""The proposal of domain.md §4.2."""


def read_reasons(path: Path | None) -> StopReasons:
    """The list of a deployment: JSON `[{"code": "HET_HAN_DICH_VU", "label": "Hết hạn", "aliases": […]}, …]`; None: `REASONS`.

    A code that the form does not know goes as KHAC with the label as its text. Raises SettingsError.
    """
    if path is None:
        return REASONS
    try:
        rows = json.loads(path.read_text("utf-8"))
        found = [_reason(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f'HOSO_STOP_REASONS={path}: {error}; it is a list of {{"code": "HET_HAN_DICH_VU", "label": "Hết hạn dịch vụ"}}'
        ) from error
    if not any(reason.filed == DEFAULT and not reason.text for reason in found):
        raise SettingsError(f"HOSO_STOP_REASONS={path}: {DEFAULT} is missing; it is what an empty cell means")
    return StopReasons(found)


def _reason(row: dict[str, object]) -> Reason:
    code, label = str(row["code"]), str(row["label"]).strip()
    aliases = row.get("aliases", [])
    if not code or not label or not isinstance(aliases, list):
        raise ValueError(f"a reason needs a code and a label: {row}")
    for known in get_args(StopReason):
        if code == known:
            return Reason(code, label, known, aliases=tuple(map(str, aliases)))
    return Reason(code, label, OTHER, label, tuple(map(str, aliases)))
