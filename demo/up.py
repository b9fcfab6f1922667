"""`make up`: all services in a made-up world, kept running until Ctrl-C. Its data is in var/up and outlives it.

For a real installation use `hoso up` with HOSO_GATEWAY, HOSO_VAULT_KEY_FILE and HOSO_ENVIRONMENT=production (docs/running.md).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import signal
import sys
from pathlib import Path

from app.house import House, house
from demo.keys import Authority
from demo.ports import free_port
from demo.run import TENANT, say
from demo.world import World
from hoso.runtime.failures import HosoError
from hoso.setup.declarations import MailboxSettings

ADDRESS, TAX_CODE = "bhxh@demo.example", "9001234568"


async def main(folder: Path) -> int:
    world = World(folder)
    folder.mkdir(parents=True, exist_ok=True)
    world.end_leftovers()
    stopped = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    try:
        for stale in ("post/post.json", "simulator/simulator.json", "esign/esign.json", "hoso/up.json"):
            (world.folder / stale).unlink(missing_ok=True)
        world.start_post((ADDRESS,))
        world.start_esign()
        post = await world.until("post/post.json", "post")
        world.start_simulator(post["smtp"]["port"])
        await world.until("simulator/simulator.json", "simulator")
        esign = (await world.until("esign/esign.json", "esign"))["url"]
        ports = {f"HOSO_{name}": f"127.0.0.1:{free_port()}" for name in ("HTTP", "AGENT_HTTP")}
        world.also(**ports, HOSO_WEBHOOK_LOOPBACK="true")
        world.start_hoso()
        up = await world.until_up()
        async with house(world.settings(), "up", size=2) as own:
            key = await _set_up(own, world)
        say(f"API            {up['services']['intake']['http']}   (described at /openapi.json)")
        say(f"agency         {world.read('simulator/simulator.json')['url']}   (simulated; its ledger: /ledger)")
        say(f"remote signing {esign}   (simulated; people, phones, ledger: simulator/esign/README.md)")
        say(
            f"workstations   http://{world.settings().agent_http}   (hoso agent-code new {TENANT} PROFILE; hoso agent enrol --server …)"
        )
        say(f"tenant         {TENANT}; a mailbox {ADDRESS}, a signing profile for tax code {TAX_CODE}")
        say(f"API key        {key}")
        for name, facts in up["services"].items():
            say(f"  {name:<13}{facts.get('ops', '')}/metrics   pid {facts.get('pid')}")
        say(f"commands       . {shlex.quote(str(_env(world)))} && .venv/bin/hoso status")
        say("Ctrl-C ends it; the data stays")
        while not stopped.is_set() and world.processes["hoso"].poll() is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), 1)
    except (RuntimeError, HosoError) as error:
        say(str(error))
        return 1
    finally:
        await asyncio.to_thread(world.end)
    return 0


def _env(world: World) -> Path:
    """The file a shell sources so that `hoso …` speaks to this world."""
    file = world.folder / "env"
    known = sorted((name, value) for name, value in world.environment().items() if name.startswith("HOSO_"))
    file.touch(mode=0o600)
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in known))
    return file


async def _set_up(own: House, world: World) -> str:
    await own.set_up.add_tenant(TENANT, "Khách hàng thử nghiệm", "up")
    port = world.read("post/post.json")["boxes"][ADDRESS]["port"]
    await own.set_up.add_mailbox(
        TENANT, ADDRESS, "shared", MailboxSettings("127.0.0.1", port, ADDRESS, tls="none"), world.boxes[ADDRESS], "up"
    )
    if not await own.set_up.profiles(TENANT):
        await own.set_up.add_pkcs12(
            TENANT, "demo", Authority().pkcs12(TAX_CODE, "Công ty thử nghiệm", "demo"), "demo", "up"
        )
    return await own.set_up.add_key(TENANT, "up", ["submit", "read", "setup"], "up")


if __name__ == "__main__":
    make = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    make.add_argument("--var", type=Path, default=Path("var/up"))
    sys.exit(asyncio.run(main(make.parse_args().var)))
