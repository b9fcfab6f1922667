"""Remote signing set up by command and over HTTP, with a second factor and several certificates."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import asyncpg

from tests.contract.signing.esign import CLIENT, CLIENT_KEY, Esign, esign
from tests.integration.cli.command import Cli

USER = "giamdoc@denlong.example"


def words(service: Esign, tmp_path: Path, *more: str) -> list[str]:
    (tmp_path / "password").write_text("mật khẩu\n")
    (tmp_path / "key").write_text(f"{CLIENT_KEY}\n")
    files = ["--password-file", str(tmp_path / "password"), "--client-key-file", str(tmp_path / "key")]
    return [
        "profile",
        "add-esign",
        "acme",
        "phone",
        "--user",
        USER,
        "--client-id",
        CLIENT,
        "--host",
        service.url,
        *files,
        *more,
    ]


async def test_an_account_is_declared_by_command_with_its_second_factor(cli: Cli, url: str, tmp_path: Path) -> None:
    await cli("tenant", "add", "acme")
    async with esign(tmp_path / "esign") as service:
        none = await cli(*words(service, tmp_path))
        assert (none.status, "MISA eSign refused" in none.err) == (2, True)

        one, two = await service.person(USER, {}, {"name": "Chi nhánh"})
        several = await cli(*words(service, tmp_path))
        assert several.status == 2
        assert one.serial in several.err
        assert two.serial in several.err
        assert (await cli("profile", "list")).status == 1

        await service.person(USER, two_factor=True)
        wrong = await cli(*words(service, tmp_path, "--serial", two.serial, "--otp-stdin"), given="000\n")
        assert (wrong.status, wrong.err.count("\n")) == (2, 1)
        await service.person(USER)
        added = await cli(*words(service, tmp_path, "--serial", two.serial.lower()))
        assert added.status == 0, added.err
        assert "0101234567" in added.out
        (listed,) = (await cli("profile", "list", "--json")).json
        assert (listed["backend"], listed["serial"].lstrip("0")) == ("misa_esign", two.serial)
        assert (await cli("profile", "test", "acme", "phone")).status == 0

        await service.person(USER, two_factor=True)
        await service.expire(USER, refresh=True)
        tested = await cli("profile", "test", "acme", "phone")
        assert (tested.status, "hoso profile login" in tested.out) == (1, True)
        bad = await cli("profile", "login", "acme", "phone", "--otp-stdin", given="000000x\n")
        assert (bad.status, "--resend" in bad.err) == (2, True)
        assert (await cli("profile", "login", "acme", "phone", "--resend")).status == 0
        code = await service.otp(USER)
        good = await cli("profile", "login", "acme", "phone", "--otp-stdin", given=f"{code}\n")
        assert (good.status, good.out.strip()) == (0, "Signing profile phone is logged in at MISA eSign.")
        assert (await cli("profile", "test", "acme", "phone")).status == 0
        assert (await cli("profile", "login", "acme", "other", "--resend")).status == 2
        assert await service.prompts() == []

    db = await asyncpg.connect(url)
    kept = str(await db.fetch("select p::text from store.profile p")) + str(
        await db.fetch("select a::text from store.audit a")
    )
    await db.close()
    for secret in ("mật khẩu", CLIENT_KEY, code):
        assert secret not in kept


async def test_an_account_is_declared_over_http(cli: Cli, tmp_path: Path) -> None:
    await cli("tenant", "add", "acme")
    await cli("tenant", "add", "other")
    keys = [(await cli("key", "add", name, "x", "--scopes", "setup")).out.strip() for name in ("acme", "other")]
    intake = await cli.run("intake")
    try:
        async with esign(tmp_path / "esign") as service, aiohttp.ClientSession(intake.facts["http"]) as http:
            mine, others = ({"Authorization": f"Bearer {key}"} for key in keys)
            (certificate,) = await service.person(USER, {}, two_factor=True)
            body = {
                "name": "phone", "user": USER, "password": "mật khẩu", "client_id": CLIENT, "client_key": CLIENT_KEY,
                "host": service.url,
            }  # fmt: skip
            wanted = await http.post("/v1/profiles/esign", json=body, headers=mine)
            assert (wanted.status, (await wanted.json())["type"].rsplit("/", 1)[-1].rsplit(":", 1)[-1]) == (
                409,
                "code-needed",
            )
            made = await http.post("/v1/profiles/esign", json={**body, "code": await service.otp(USER)}, headers=mine)
            assert made.status == 201, await made.text()
            assert (await made.json())["serial"].lstrip("0") == certificate.serial
            assert (await (await http.post("/v1/profiles/phone/test", headers=mine)).json())["ok"]

            await service.person(USER, two_factor=True)
            await service.expire(USER, refresh=True)
            assert not (await (await http.post("/v1/profiles/phone/test", headers=mine)).json())["ok"]
            login = "/v1/profiles/phone/login"
            assert (await http.post(login, json={"code": "1"}, headers=others)).status == 404
            assert (await http.post(login, json={}, headers=mine)).status == 422
            assert (await http.post(login, json={"code": "000000x"}, headers=mine)).status == 422
            given = await http.post(login, json={"code": await service.otp(USER)}, headers=mine)
            assert await given.json() == {"name": "phone", "logged_in": True}
            assert (await (await http.post("/v1/profiles/phone/test", headers=mine)).json())["ok"]
            for host in ("http://esignapp.example", "ftp://x", "https://a@b"):
                refused = await http.post("/v1/profiles/esign", json={**body, "host": host}, headers=mine)
                assert refused.status == 422
    finally:
        await intake.stop()
