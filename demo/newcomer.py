"""`python -m demo.newcomer`: one made-up customer for an installation that starts empty (compose/compose.yaml).

A tenant with a mailbox on the made-up mail host, a signing key and an API key; and the simulated agency's DKIM record as
hoso reads it. Again is harmless: what is there stays. hoso itself is set up by the commands of docs/running.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from app.house import House, house
from demo.keys import Authority
from hoso.runtime.failures import HosoError
from hoso.settings import load
from hoso.setup.declarations import MailboxSettings

TENANT, ADDRESS, TAX_CODE = "demo", "bhxh@demo.example", "9001234568"
BY = "compose"


def write_records(dkim: Path, file: Path) -> None:
    """The agency's DKIM records, from the file that the simulator writes to the one HOSO_DKIM_RECORDS names."""
    told = json.loads(dkim.read_text("utf-8"))
    keys = [one for one in (told, told.get("impostor")) if one]
    records = {f"{one['selector']}._domainkey.{one['domain']}": one["record"] for one in keys}
    _write(file, json.dumps(records))


def _write(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)


async def settle(own: House, box: dict[str, Any], key_file: Path) -> None:
    """Make the customer. `box`: where its mailbox is, as demo/post.py tells."""
    await own.set_up.add_tenant(TENANT, "Khách hàng thử nghiệm", BY)
    where = MailboxSettings(box["host"], box["port"], box["user"], tls="none")
    await own.set_up.add_mailbox(TENANT, ADDRESS, "shared", where, box["password"], BY)
    if not await own.set_up.profiles(TENANT):
        container = Authority().pkcs12(TAX_CODE, "Công ty thử nghiệm", BY)
        await own.set_up.add_pkcs12(TENANT, "demo", container, BY, BY)
    if not key_file.exists():
        _write(key_file, await own.set_up.add_key(TENANT, BY, ["submit", "read", "setup"], BY) + "\n")


async def main(given: argparse.Namespace) -> int:
    try:
        settings = load()
        if settings.environment != "test":
            raise HosoError("a made-up customer is for the environment `test` only")
        write_records(given.dkim, given.records)
        box = json.loads(given.post.read_text("utf-8"))["boxes"][ADDRESS]
        async with house(settings, "newcomer", size=2) as own:
            await settle(own, box, given.key)
    except (HosoError, OSError, KeyError) as error:
        print(f"demo.newcomer: {error!r}", file=sys.stderr)
        return 1
    print(f"tenant {TENANT}, mailbox {ADDRESS}, tax code {TAX_CODE}; its API key is in {given.key}")
    return 0


if __name__ == "__main__":
    make = argparse.ArgumentParser(prog="python -m demo.newcomer", description=__doc__.split("\n")[0])
    make.add_argument("--post", type=Path, required=True, metavar="FILE", help="post.json of the made-up mail host")
    make.add_argument("--dkim", type=Path, required=True, metavar="FILE", help="dkim.json of the simulated agency")
    make.add_argument("--records", type=Path, required=True, metavar="FILE", help="what HOSO_DKIM_RECORDS names")
    make.add_argument("--key", type=Path, required=True, metavar="FILE", help="where the API key is written, once")
    sys.exit(asyncio.run(main(make.parse_args())))
