"""Which mailboxes a mail host has and who is led to them: boxes.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CannotStart(Exception):
    """The message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Box:
    """One mailbox: its address, and how a reader logs in. An empty password is made up."""

    address: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Which mailboxes there are, and which other addresses lead to them (`*@domain` leads all the rest of a domain)."""

    boxes: tuple[Box, ...]
    aliases: dict[str, str]

    def mailbox_of(self, recipient: str) -> str | None:
        """The mailbox of a recipient: by its own name, as an alias, without its plus-part, or by its domain."""
        address = recipient.lower()
        local, _, domain = address.rpartition("@")
        known = {box.address for box in self.boxes}
        for name in (address, f"{local.partition('+')[0]}@{domain}", f"*@{domain}"):
            if name in self.aliases:
                return self.aliases[name]
            if name in known:
                return name
        return None


def read_plan(file: Path) -> Plan:
    """Read boxes.json: {"boxes": ["a@x" or {"address", "user", "password"}], "aliases": {"b@x": "a@x"}}. Raises
    CannotStart."""
    try:
        told = json.loads(file.read_text("utf-8"))
        boxes = tuple(_box(one) for one in told["boxes"])
        plan = Plan(boxes, {str(k).lower(): str(v).lower() for k, v in told.get("aliases", {}).items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotStart(
            f'{file} is no list of mailboxes ({error}): write {{"boxes": ["a@demo.example"], "aliases": {{}}}}.'
        ) from error
    lost = set(plan.aliases.values()) - {box.address for box in boxes}
    if lost or not boxes:
        raise CannotStart(
            f"{file}: aliases lead to mailboxes that are not there: {', '.join(sorted(lost)) or 'no mailbox at all'}."
        )
    return plan


def _box(told: Any) -> Box:
    if isinstance(told, str):
        told = {"address": told}
    address = str(told["address"]).lower()
    return Box(address, str(told.get("user", address)), str(told.get("password", "")))
