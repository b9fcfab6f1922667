"""Requests for a tenant's topic, as people write them into a file."""

from __future__ import annotations

import json

import pytest

from app.requests import read_requests
from hoso.kafka.strangers import subject_of
from hoso.runtime.failures import HosoError

TOPIC = "enrolment.requests.acme"


@pytest.mark.parametrize("text", ["{", "[]", '{"fields": {}}', '{"request": "x", "fields": {"a": 1}}', "7"])
def test_files_that_hold_no_request(text: str) -> None:
    with pytest.raises(HosoError):
        read_requests(TOPIC, text.encode(), "lan")


@pytest.mark.parametrize("topic", ["mail.received", "enrolment.requests.", "enrolment.requested"])
def test_topics_that_are_not_for_requests(topic: str) -> None:
    with pytest.raises(HosoError, match="is no topic for requests"):
        read_requests(topic, b"{}", "lan")


def test_the_tenant_is_the_topics() -> None:
    text = json.dumps({"request": "r", "fields": {"unit_code": "TZ1234Z"}, "tenant": "globex"})
    tenant, (ask,) = read_requests(TOPIC, text.encode(), "lan")
    assert (tenant, ask.actor) == ("acme", "lan")


def test_one_unit_of_a_tenant_has_one_subject() -> None:
    def of(tenant: str, **fields: str) -> object:
        _, (ask,) = read_requests(TOPIC, json.dumps({"request": "r", "fields": fields}).encode(), "lan")
        return subject_of(tenant, ask)

    assert of("acme", unit_code="tz1234z ") == of("acme", unit_code="TZ1234Z", branch_id="CN-1")
    assert of("acme", unit_code="TZ1234Z") != of("globex", unit_code="TZ1234Z")
    assert of("acme", branch_id="CN-1") != of("acme", branch_id="CN-2")
