"""What people set up before a sheet is handed in: the tenant, its mailboxes, its keys and tokens, its files, and whom hoso tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.house import House
from demo.api import Api
from demo.keys import Authority
from demo.outside import NOTICES, Producer
from demo.sheet import Beside, Needs, contact_mode, way_of
from demo.signing import Phone, Workstation, module
from demo.world import World
from hoso.runtime.ids import uuid7
from hoso.setup.declarations import MailboxSettings
from services.notifier.endpoints import Endpoints
from services.signer.desk_agents import new_code

TENANT = "demo"
BY = "demo"


@dataclass
class Preparing:
    """One world being set up for one sheet and what lies beside it."""

    own: House
    world: World
    phone: Phone | None
    say: Callable[[str], None]
    authority: Authority
    desk: str
    """Where workstations speak to hoso."""
    _workstations: int = 0

    async def tenant(self, addresses: tuple[str, ...]) -> str:
        """The tenant with its mailboxes and an API key, which is returned."""
        set_up = self.own.set_up
        await set_up.add_tenant(TENANT, "Khách hàng thử nghiệm", BY)
        boxes = self.world.read("post/post.json")["boxes"]
        for address in addresses:
            settings = MailboxSettings("127.0.0.1", boxes[address]["port"], address, tls="none")
            password = self.world.boxes[address]
            await set_up.add_mailbox(TENANT, address, contact_mode(address), settings, password, BY)
        return await set_up.add_key(TENANT, BY, ["submit", "read", "setup"], BY)

    async def sign_with(self, api: Api, profiles: tuple[tuple[str, str, str], ...]) -> None:
        """Every profile that rows name, or need. Key files last: a row that names no profile takes the newest of its tax code."""
        for name, tax_code, employer in sorted(profiles, key=lambda one: way_of(one[0]) == "pkcs12"):
            way = way_of(name)
            if way == "misa_esign" and self.phone is not None:
                await self.phone.declare(api, name, tax_code, employer)
            elif way == "agent" and (library := module()) is not None:
                await self._token(library, name, tax_code, employer)
            else:
                if way == "agent":
                    self.say(f"  softhsm2 is not installed: “{name}” signs with a key file instead of a USB token")
                await self.key_file(name, tax_code, employer)

    async def key_file(self, name: str, tax_code: str, employer: str) -> None:
        """A profile that signs with a key file."""
        data = await asyncio.to_thread(self.authority.pkcs12, tax_code, employer, "demo")
        await self.own.set_up.add_pkcs12(TENANT, name, data, "demo", BY)

    async def _token(self, library: str, name: str, tax_code: str, employer: str) -> None:
        self._workstations += 1
        station = Workstation(self.world, library, self._workstations)
        await asyncio.to_thread(station.plug_in, self.authority, tax_code, employer)
        async with self.own.db.pool.acquire() as tx, tx.transaction():
            _, code = await new_code(tx, TENANT, name, BY, timedelta(minutes=30))
        await asyncio.to_thread(station.enrol, self.desk, code)

    async def listeners(self, api: Api, producer: Producer) -> None:
        """A webhook, and mails to the person in charge."""
        made = await api.ask("POST", "/v1/webhooks", {"url": producer.url})
        producer.secret = made["secret"]
        endpoints = Endpoints(self.own.db.pool, self.own.vault, uuid7)
        gather = timedelta(minutes=30)
        await endpoints.tell(TENANT, [NOTICES], to_unit=False, language="vi", gather=gather, actor=BY)

    async def papers(self, api: Api, needs: Needs, beside: Beside, gateway: str) -> None:
        """Files that rows name, the organisation's feed, and what the agency has long known."""
        for name in needs.attachments:
            data = beside.attachment(name)
            if data is None:
                self.say(f"  {name} is named by a row and lies neither beside the sheet nor in attachments")
            elif why := await api.attach(name, data):
                self.say(f"  {name} was not taken: {why}")
        if units := beside.organisation:
            feed: dict[str, Any] = await api.ask("PUT", "/v1/org/units", {"units": units})
            self.say(f"  organisation: {feed['added']} units added, {feed['refused']} refused")
        if known := beside.known:
            async with Api(gateway) as agency:
                await agency.ask("POST", "/units", known)
