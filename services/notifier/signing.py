"""Signatures of webhooks after the Standard Webhooks convention: v1, HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import hmac
import os
from datetime import datetime

PREFIX = "whsec_"


def new_secret() -> str:
    """A new secret as its owner sees it: `whsec_` and base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(os.urandom(32)).decode()


def signed(secret: str, id_: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one delivery."""
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
