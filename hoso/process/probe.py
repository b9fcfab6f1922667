"""`python -m hoso.process.probe`: whether the service with these settings is healthy. For health checks of containers.

Asks /health where HOSO_OPS says, with HOSO_OPS_TOKEN. Exit 0: healthy; 1: not, or no answer. Imports nothing of hoso, so it is
quick enough to be asked every few seconds.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

EVERY_ADDRESS = ("0.0.0.0", "[::]", "")


def healthy(address: str, token: str, seconds: float = 5.0) -> bool:
    """Whether /health answers 200."""
    host, _, port = address.rpartition(":")
    asked = urllib.request.Request(f"http://{'127.0.0.1' if host in EVERY_ADDRESS else host}:{port}/health")
    if token:
        asked.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(os.environ.get("HOSO_OPS", ""), os.environ.get("HOSO_OPS_TOKEN", "")) else 1)
