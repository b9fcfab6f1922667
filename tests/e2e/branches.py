"""A branch as a scenario knows it: the row that asked for it, its filings in the agency's ledger, its signed documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lxml import etree

ITS = "(unit_code = ?1 or (unit_name = ?2 and (unit_code = '' or ?1 = '-')))"
"""Which filings of the agency's ledger are a branch's."""
FORMS = {"04_DK-IVAN": "register", "05_SD-IVAN": "change", "06_NG-IVAN": "stop"}


@dataclass
class Branch:
    """A row, and what hoso calls it."""

    tenant: str
    fields: dict[str, str]
    enrolment: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    """The last answer to a request for it."""
    batch: str = ""

    @property
    def unit_code(self) -> str:
        return self.fields["unit_code"]

    @property
    def name(self) -> str:
        return self.fields["name"]

    @property
    def key(self) -> tuple[str, str]:
        """For `ITS`: names are shared by branches, except those of newcomers, who have nothing else."""
        return self.fields.get("unit_code") or "-", self.name


@dataclass(frozen=True, slots=True)
class Document:
    """One signed form as the agency took it in."""

    data: bytes

    @property
    def fields(self) -> dict[str, str]:
        """What stands in it, by element name; the signature is left out."""
        root = etree.fromstring(self.data, etree.XMLParser(resolve_entities=False, no_network=True))
        content = root.find("NoiDung")
        assert content is not None
        return {
            str(node.tag): node.text or "" for node in content.iter() if isinstance(node.tag, str) and not len(node)
        }

    @property
    def signed_at(self) -> str:
        """When it was signed, as its signature says: the same words signed again have the same signature value."""
        root = etree.fromstring(self.data, etree.XMLParser(resolve_entities=False, no_network=True))
        return str(root.findtext(".//{*}SigningTime"))
