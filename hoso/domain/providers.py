"""The providers a unit may be with: the I-VANs by code, name or product, and the agency's own portal."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hoso.domain.identifiers import BadValue, Reading, fold
from schemas.units import PORTAL


@dataclass(frozen=True, slots=True)
class Provider:
    """One I-VAN of the public list, or the portal (`PORTAL`)."""

    code: str
    name: str
    product: str | None = None
    aliases: tuple[str, ...] = ()


_PORTAL = Provider(
    PORTAL,
    "Cổng thông tin BHXH Việt Nam",
    aliases=(
        "VSS",
        "Cổng BHXH",
        "Cổng VSS",
        "Cổng thông tin BHXH",
        "Cổng thông tin điện tử BHXH Việt Nam",
        "Cổng giao dịch điện tử BHXH",
        "Cổng dịch vụ công BHXH",
        "Cổng dịch vụ công BHXH Việt Nam",
        "BHXH Việt Nam",
    ),
)
_NONE = frozenset(("khong", "khongco", "chua", "chuaco", "chuadung", "none", "no", "na", "0"))
_COMPANY = re.compile(
    r"^(công ty|tổng công ty|tập đoàn)\s+(cổ phần|cp|tnhh|trách nhiệm hữu hạn)?\s*|\s+việt nam$", re.IGNORECASE
)


@cache
def providers() -> tuple[Provider, ...]:
    """All providers, the portal last."""
    text = (resources.files("hoso.domain") / "data" / "ivans.json").read_text(encoding="utf-8")
    rows = json.loads(text)["ivans"]
    listed = tuple(Provider(r["code"], r["name"], r.get("product"), tuple(r.get("aliases", ()))) for r in rows)
    return (*listed, _PORTAL)


@cache
def _by_word() -> dict[str, str]:
    words: dict[str, str] = {}
    for provider in providers():
        for word in (provider.name, _COMPANY.sub("", provider.name), provider.product or "", *provider.aliases):
            if word:
                words.setdefault(fold(word), provider.code)
    return words


def provider_of(code: str) -> Provider:
    """The provider with this code. Raises KeyError."""
    for provider in providers():
        if provider.code == code:
            return provider
    raise KeyError(code)


def read_provider(text: str) -> Reading:
    """The provider's code from a code, name or product, also "00110 - MISA"; "" when the text says there is none."""
    if not text.strip("-– ") or fold(text) in _NONE:
        return Reading("")
    words = _by_word()
    found = words.get(fold(text)) or words.get(fold(_COMPANY.sub("", text.strip())))
    if found is not None:
        return Reading(found)
    coded = re.match(rf"\s*({PORTAL}|[0-9]{{1,5}})\b", text, re.IGNORECASE)
    code = coded.group(1).upper() if coded else ""
    code = code.zfill(5) if code.isdigit() else code
    if coded is None or code not in {provider.code for provider in providers()}:
        raise BadValue(
            f"Không có nhà cung cấp I-VAN nào là “{text}”.",
            "Chọn trong trang “Danh mục” của mẫu (ví dụ 00110 - MISA); "
            "đang dùng cổng của cơ quan BHXH thì ghi “Cổng BHXH”.",
        )
    name = text[coded.end() :].strip(" -–:.")
    named = words.get(fold(name)) or words.get(fold(_COMPANY.sub("", name)))
    if named is not None and named != code:
        raise BadValue(f"“{text}”: mã {code} và tên không cùng một nhà cung cấp.", f"Ghi mã {named} hoặc chỉ ghi tên.")
    if name and named is None:
        return Reading(code, (f"Không rõ “{name}”; đã lấy theo mã {code}: {provider_of(code).name}.",))
    return Reading(code)


def provider_name(code: str) -> str:
    """The name written on a form; the code itself for a provider the public list does not have."""
    try:
        return provider_of(code).name
    except KeyError:
        return code


def provider_in(text: str) -> str | None:
    """The I-VAN an agency's sentence names, by code or by name; None when it names nobody or several."""
    codes = {provider.code for provider in providers() if provider.code != PORTAL}
    found = {code for code in re.findall(r"(?<![0-9])[0-9]{5}(?![0-9])", text) if code in codes}
    if not found:
        folded = fold(text)
        found = {code for word, code in _by_word().items() if code != PORTAL and len(word) >= 6 and word in folded}
    return found.pop() if len(found) == 1 else None
