"""A process that files one dossier and says what came of it.

    python -m tests.contract.gateway.filer URL CALL SECONDS POINTS

It stops itself at the points armed in the folder, like a service under the chaos suite.
"""

from __future__ import annotations

import asyncio
import sys
from hashlib import sha256

from hoso import points
from hoso.runtime.clock import boottime
from hoso.runtime.failures import CallFailure
from services.submitter.gateway import Dossier
from services.submitter.http_gateway import HttpAgencyGateway

BODY = b"<Hoso>" + b"signed " * 100 + b"</Hoso>"


async def main(url: str, call: str, seconds: str, folder: str) -> str:
    points.arm(folder, "test")
    gateway = HttpAgencyGateway(url, "00110")
    deadline = boottime() + float(seconds)
    try:
        if call == "activate":
            return (await gateway.activate("GD1", "QC0001K", "SECRETCODE", deadline)).outcome
        dossier = Dossier(BODY, sha256(BODY).hexdigest(), "04_DK-IVAN", "QC0001K", "0101243150", None, "a@b.example")
        return (await gateway.submit(dossier, "k", deadline)).outcome
    except CallFailure as error:
        return type(error).__name__
    finally:
        await gateway.close()


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
