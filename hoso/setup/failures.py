"""What is said, in both languages, where something cannot be set up."""

from __future__ import annotations

from hoso.runtime.failures import HosoError


class NotSetUp(HosoError):
    """What cannot be set up as asked; str() in English, `vi` in Vietnamese."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi


def no_tenant(tenant: str) -> NotSetUp:
    """The error that says: there is no such tenant."""
    return NotSetUp(
        f"Không có khách hàng “{tenant}”; tạo bằng `hoso tenant add {tenant}`.",
        f"there is no tenant '{tenant}'; make it with `hoso tenant add {tenant}`",
    )
