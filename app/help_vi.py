"""placeholder"""

from typing import Any


def translate(c: Any) -> None: ...
