"""A token plugged into the server itself: a child of the signer that signs digests it is given on its standard input.

One JSON object a line in, one out. It ends when its input ends. The same token, PIN rules and lock as at a workstation; what is
asked is not looked at, because whoever writes to this input is the signer that made the document.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from typing import Any

from agent.failures import PinSuspect, TokenAbsent
from agent.pins import PinSource
from agent.usb_token import Token


def serve(token: Token, pin: PinSource) -> None:
    """Answer until the input ends: `{"digests": [hex]}` with `{"signatures": [base64]}` or `{"status", "text"}`."""
    held = ""
    for line in sys.stdin:
        try:
            token.check()
            held = held or pin()
            token.open(held)
            digests = [bytes.fromhex(digest) for digest in json.loads(line)["digests"]]
            said: dict[str, Any] = {"signatures": [b64encode(token.sign(digest)).decode() for digest in digests]}
        except TokenAbsent as error:
            said = {"status": "token-absent", "text": str(error)}
        except PinSuspect as error:
            said = {"status": "pin-suspect", "text": str(error)}
        print(json.dumps(said), flush=True)
