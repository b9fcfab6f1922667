"""More looks at the world for scenarios: what was printed, told, refused, registered; and the agency's counter."""

from __future__ import annotations

import asyncio
import email
import email.policy
import imaplib
import inspect
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import aiohttp
import pypdfium2

from demo.keys import Authority
from tests.chaos.sheets import tax_code
from tests.e2e.branches import ITS
from tests.e2e.scene import Branch, Scene


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> bool:
    """Whether it comes true while the world goes on."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if await found if inspect.isawaitable(found) else found:
            return True
        await asyncio.sleep(0.2)
    return False


async def told(scene: Scene, branch: Branch, words: str) -> bool:
    """Whether the branch's story has these words."""
    return words in await scene.story(branch)


async def refused_row(scene: Scene, branch: Branch) -> list[dict[str, Any]]:
    """The errors with which intake refuses the row at the door."""
    status, said = await scene.http(
        branch.tenant, "POST", "/v1/enrolments", branch.fields, {"Idempotency-Key": str(uuid4())}
    )
    assert status == 422, said
    return list(said["errors"])


async def download(scene: Scene, tenant: str, path: str) -> bytes:
    """A file over HTTP."""
    arena = scene.town.arena
    headers = {"Authorization": f"Bearer {arena.keys[tenant]}"}
    url = arena.up()["services"]["intake"]["http"] + path
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


def words_of(pdf: bytes) -> str:
    """All text of a PDF."""
    document = pypdfium2.PdfDocument(pdf)
    return " ".join(page.get_textpage().get_text_bounded() for page in document).replace("\r\n", " ")


async def counter(scene: Scene, path: str, body: Any) -> dict[str, Any]:
    """Something done at the agency's counter, or by hand on its portal."""
    gateway = scene.town.arena.world.settings().gateway
    async with aiohttp.ClientSession() as session, session.post(f"{gateway}{path}", json=body) as answer:
        assert answer.status < 300, await answer.text()
        return dict(await answer.json()) if answer.content_type == "application/json" else {}


def registered(scene: Scene, unit_code: str) -> bool:
    """Whether the agency holds the unit as ours."""
    rows = scene.town.agency("select provider_code from units where unit_code = ?", unit_code)
    return bool(rows) and rows[0]["provider_code"] == scene.town.arena.world.settings().ivan_code


def activations(scene: Scene, branch: Branch) -> list[str]:
    """What the agency answered to each activation code that was tried for the branch, oldest first; "00" is activated."""
    rows = scene.town.agency(
        "select outcome from activations where transaction_id in "
        f"(select transaction_id from filings where {ITS}) order by id",
        *branch.key,
    )
    return [row["outcome"] for row in rows]


async def folder(scene: Scene, address: str, name: str) -> list[EmailMessage]:
    """All mails in a folder of a mailbox, read over IMAP as anybody would who has its password."""
    how = scene.town.arena.world.read("post/post.json")["boxes"][address]

    def read() -> list[EmailMessage]:
        with imaplib.IMAP4(how["host"], how["port"]) as imap:
            imap.login(how["user"], how["password"])
            imap.select(name, readonly=True)
            found = imap.search(None, "ALL")[1][0].split()
            raw = [imap.fetch(number, "(BODY.PEEK[])")[1][0] for number in found]
        return [email.message_from_bytes(one[1], policy=email.policy.default) for one in raw if isinstance(one, tuple)]

    return await asyncio.to_thread(read)


async def tasks(scene: Scene, tenant: str, cause: str | None = None) -> list[dict[str, Any]]:
    """The open tasks of a tenant."""
    _, found = await scene.http(tenant, "GET", f"/v1/tasks?limit=1000{f'&cause={cause}' if cause else ''}")
    return list(found["tasks"])


def a_tax_code() -> str:
    """One that no other scenario has."""
    code = next(free for serial in range(3000, 9000) if (free := tax_code(serial)) not in _TAKEN)
    _TAKEN.add(code)
    return code


async def own_profile(scene: Scene, tenant: str = "demo", employer: str = "") -> tuple[str, str]:
    """A signing profile for an employer of a scenario's own: its name and tax code. A key file, declared over HTTP."""
    code = employer or a_tax_code()
    name = f"MST {code}"
    await put_profile(scene, tenant, name, await key_file(code))
    return name, code


_TAKEN: set[str] = set()
PIN = "một mật khẩu"


async def key_file(code: str) -> bytes:
    """A new PKCS#12 for an employer's tax code."""
    return await asyncio.to_thread(lambda: Authority().pkcs12(code, "Công ty TNHH Hoa Ban", PIN))


async def put_profile(scene: Scene, tenant: str, name: str, key: bytes) -> dict[str, Any]:
    """Declare a key file over HTTP; what is said of its certificate."""
    form = aiohttp.FormData()
    form.add_field("name", name)
    form.add_field("password", PIN)
    form.add_field("pkcs12", key, filename="key.p12")
    arena = scene.town.arena
    url = arena.up()["services"]["intake"]["http"] + "/v1/profiles"
    headers = {"Authorization": f"Bearer {arena.keys[tenant]}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=form) as answer:
        said = dict(await answer.json())
        assert answer.status == 201, said
        return said


def signers(scene: Scene, branch: Branch) -> list[str]:
    """The certificate that each filing of the branch was signed with, as the agency saw it, oldest first."""
    rows = scene.town.agency(f"select certificate from filings where {ITS} order by received_world, rowid", *branch.key)
    return [row["certificate"] for row in rows]
