"""The simulated service's judge sees what it is there to see; and we speak to nobody whose certificate is not vouched for."""

from __future__ import annotations

import ssl
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hoso.runtime.failures import Transient
from services.signer.keys.misa_account import Account
from services.signer.keys.misa_wire import Line, MisaWire, Wanted
from tests.contract.signing.esign import Esign, esign
from tests.contract.signing.pki import employer

USER = "giamdoc@denlong.example"


async def ask(service: Esign, *documents: Wanted) -> str:
    """One prompt, by somebody who does not care what was asked before."""
    async with Line() as line:
        wire = MisaWire(service.account(USER), line)
        tokens = await wire.login()
        (certificate,) = await wire.certificates(tokens.access)
        return await wire.sign(tokens.access, certificate, "04/ĐK-IVAN", documents)


async def test_one_thing_on_a_phone_twice_or_approved_twice_is_seen(tmp_path: Path) -> None:
    async with esign(tmp_path) as service:
        await service.person(USER, {})
        one, same_bytes = Wanted(str(uuid4()), "một", b"1" * 32), Wanted(str(uuid4()), "một nữa", b"1" * 32)
        await ask(service, one, Wanted(str(uuid4()), "hai", b"2" * 32))
        await service.answer("decline")
        await ask(service, one)
        assert (await service.ledger())["doubles"] == [], "asked anew after a no"
        await ask(service, same_bytes)
        (double,) = (await service.ledger())["doubles"]
        assert double["what"] == "open twice"
        await service.answer("approve")
        (double,) = (await service.ledger())["doubles"]
        assert double["what"] == "approved twice"


async def test_a_service_nobody_vouches_for_is_not_spoken_to(tmp_path: Path) -> None:
    unit, heard = employer(), []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.json_response({})

    pem = tmp_path / "tls.pem"
    key = unit.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(key + unit.pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        async with Line() as line:
            host = f"https://127.0.0.1:{runner.addresses[0][1]}"
            with pytest.raises(Transient, match="certificate"):
                await MisaWire(Account(host, "a", "b", USER, "mật khẩu"), line).login()
    finally:
        await runner.cleanup()
    assert heard == []
