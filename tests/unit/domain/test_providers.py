"""Providers by code, name and product."""

from __future__ import annotations

import pytest

from hoso.domain.identifiers import BadValue
from hoso.domain.providers import provider_of, providers, read_provider
from schemas.units import PORTAL


def test_each_provider_is_found_by_code_name_product_and_as_the_template_writes_it() -> None:
    for provider in providers():
        for text in (
            provider.code,
            provider.name,
            provider.product or provider.name,
            f"{provider.code} - {provider.name}",
        ):
            assert read_provider(text).value == provider.code, text


@pytest.mark.parametrize("typed", ["VSS", "cổng BHXH", "Cổng thông tin BHXH Việt Nam", "CONG BHXH"])
def test_the_portal_is_a_provider(typed: str) -> None:
    assert read_provider(typed).value == PORTAL


@pytest.mark.parametrize("typed", ["", "-", "không", "Chưa có", "Chưa"])
def test_no_provider(typed: str) -> None:
    assert read_provider(typed).value == ""


@pytest.mark.parametrize(
    ("typed", "code"),
    [("110", "00110"), ("misa", "00110"), ("Viettel", "00050"), ("TS24", "00001"), ("1Office", "00115")],
)
def test_ordinary_ways(typed: str, code: str) -> None:
    assert read_provider(typed).value == code


def test_code_and_name_have_to_fit() -> None:
    with pytest.raises(BadValue, match="không cùng"):
        read_provider("00110 - Viettel")
    assert read_provider("00110 - tên gì đó").notes


@pytest.mark.parametrize("typed", ["abc", "99999", "5 năm nay"])
def test_others_are_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        read_provider(typed)


def test_unknown_codes_raise() -> None:
    with pytest.raises(KeyError):
        provider_of("99999")
