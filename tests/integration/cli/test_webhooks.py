"""Webhooks, notices and public events as people and producing systems handle them."""

from __future__ import annotations

import json
from uuid import uuid4

from standardwebhooks import Webhook

from hoso.store.postgres import Database
from services.notifier.projection import Projection
from tests.integration.cli.command import Cli
from tests.integration.cli.test_http import Api, api
from tests.integration.notifier.stage import Receiver, progressed, receiving, says
from tests.unit.ops.heard import at

__all__ = ["api"]


async def happened(db: Database, *stages: str, tenant: str = "acme") -> None:
    """The notifier has heard these."""
    async with db.pool.acquire() as tx, tx.transaction():
        for n, stage in enumerate(stages):
            event = at(n, progressed(uuid4(), stage), tenant=tenant)
            await Projection(False).save(tx, {event.subject: (event,)})


async def test_a_webhook_by_the_command_line(cli: Cli, db: Database) -> None:
    await cli("tenant", "add", "acme")
    refused = await cli("webhook", "add", "acme", "http://hr.acme.vn/hook")
    assert (refused.status, "https" in refused.err) == (2, True)
    inside = await cli("webhook", "add", "acme", "https://127.1/hook")
    assert (inside.status, "not an address of the internet" in inside.err) == (2, True)
    nobody = await cli("webhook", "add", "nobody", "https://hr.acme.vn/hook", HOSO_LANGUAGE="vi")
    assert (nobody.status, "Không có khách hàng “nobody”" in nobody.err) == (2, True)
    none = await cli("webhook", "test", str(uuid4()), HOSO_LANGUAGE="vi")
    assert (none.status, "Không có webhook" in none.err) == (2, True)
    async with receiving(Receiver([says(204), says(500)])) as receiver:
        plain = await cli("webhook", "add", "acme", receiver.url)
        assert plain.status == 2, "this machine only where a setting says so"
        loopback = {"HOSO_WEBHOOK_LOOPBACK": "true"}
        added = await cli("webhook", "add", "acme", receiver.url, "--json", **loopback)
        assert added.status == 0, added.err
        id_, secret = added.json["webhook"], added.json["secret"]
        assert (await cli("webhook", "test", id_, **loopback)).status == 0
        headers, body = receiver.heard[0]
        assert Webhook(secret).verify(body, headers)["type"] == "vn.hoso.webhook.test.v1"
        failed = await cli("webhook", "test", id_, "--json", **loopback)
        assert (failed.status, failed.json["status"]) == (1, 500)
        inner = await cli("webhook", "test", id_, "--json")
        assert "not an address of the internet" in inner.json["error"]
    listed = await cli("webhook", "list", "--json")
    assert (listed.json[0]["url"], secret in listed.out) == (receiver.url, False)
    await happened(db, "filed", "enrolled")
    assert (await cli("webhook", "replay", id_, "--after", "1")).status == 0
    assert (await cli("webhook", "replay", id_, "--after", "9")).status == 2
    assert (await cli("webhook", "list", "--json")).json[0]["behind"] == 1
    assert (await cli("webhook", "remove", id_)).status == 0
    assert (await cli("webhook", "list")).status == 1
    said = await db.pool.fetch("select what from store.audit where what like 'webhook.%' order by n")
    assert [row["what"] for row in said] == ["webhook.add", "webhook.replay", "webhook.remove"]


async def test_who_gets_mails(cli: Cli) -> None:
    await cli("tenant", "add", "acme")
    assert (await cli("notify", "set", "acme", "--to", "not an address")).status == 2
    assert (await cli("notify", "set", "acme", "--to", "a@b.vn", "--lang", "fr")).status == 2
    done = await cli("notify", "set", "acme", "--to", "Lan@acme.vn", "--gather", "15m", "--lang", "en")
    assert (done.status, "mails are off" in done.err) == (0, True)
    (row,) = (await cli("notify", "list", "--json")).json
    assert (row["addresses"], row["language"], row["gather"]) == (["lan@acme.vn"], "en", 900)
    assert "HOSO_SMTP" in (await cli("check")).out


async def test_events_over_http_by_cursor(api: Api, db: Database) -> None:
    await happened(db, "signing", "filed", "enrolled")
    await happened(db, "cancelled", tenant="globex")
    status, page = await api("GET", "/v1/events?limit=2")
    assert (status, [event["data"]["stage"] for event in page["events"]], page["next"]) == (
        200,
        ["signing", "filed"],
        "2",
    )
    status, rest = await api("GET", f"/v1/events?after={page['next']}")
    assert [event["data"]["stage"] for event in rest["events"]] == ["enrolled"]
    status, end = await api("GET", f"/v1/events?after={rest['next']}")
    assert (status, end) == (200, {"events": [], "next": "3"})
    other = (await api("GET", "/v1/events", "globex"))[1]
    assert [(event["data"]["stage"], event["cursor"]) for event in other["events"]] == [("cancelled", "1")]


async def test_webhooks_over_http(api: Api, db: Database) -> None:
    for url in ("http://hr.acme.vn/", "https://u:p@hr.acme.vn/", "http://127.0.0.1/"):
        status, problem = await api("POST", "/v1/webhooks", json={"url": url})
        assert (status, problem["type"]) == (422, "urn:hoso:problem:webhook-url")
    status, made = await api("POST", "/v1/webhooks", json={"url": "https://hr.acme.vn/hook"})
    assert (status, made["secret"].startswith("whsec_")) == (201, True)
    status, seen = await api("GET", "/v1/webhooks")
    assert (status, seen["webhooks"][0]["id"], made["secret"] in json.dumps(seen)) == (200, made["id"], False)
    for method, path in (("DELETE", ""), ("POST", "/replay")):
        assert (await api(method, f"/v1/webhooks/{made['id']}{path}", "globex"))[0] == 404
    await db.pool.execute("update notifier.endpoint set disabled_at = now(), error = 'HTTP 500'")
    tasks = (await api("GET", "/v1/tasks"))[1]["tasks"]
    assert [task["cause"] for task in tasks] == ["webhook-off"]
    assert (await api("GET", f"/v1/tasks/{tasks[0]['task']}"))[0] == 200
    assert (await api("GET", "/v1/tasks", "globex"))[1] == {"tasks": []}
    assert (await api("POST", f"/v1/webhooks/{made['id']}/replay"))[0] == 202
    assert (await api("GET", "/v1/tasks"))[1] == {"tasks": []}
    assert (await api("DELETE", f"/v1/webhooks/{made['id']}"))[0] == 204
