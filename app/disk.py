"""Room on the disk of HOSO_VAR: below LOW it is told, below REFUSE intake takes nothing new, so that what is under way can end."""

from __future__ import annotations

import shutil
from pathlib import Path

MIB = 1024 * 1024
LOW_MIB = 200
REFUSE_MIB = 100


def existing(var: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    whole = var.absolute()
    return next(p for p in (whole, *whole.parents) if p.exists())


def free_mib(var: Path) -> int:
    """MiB free where this folder lies or will lie."""
    return shutil.disk_usage(existing(var)).free // MIB
