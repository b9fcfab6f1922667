"""A filed document, read safely and checked against the agency's own schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from lxml import etree

from simulator.refusals import Refusal

MAX_BYTES = 256 * 1024
MAX_FIRST_BYTES = 5 * 1024 * 1024
"""A first-time dossier carries scans."""
MAX_DEPTH = 24
REGISTER = "04_DK-IVAN"
CHANGE = "05_SD-IVAN"
STOP = "06_NG-IVAN"
FIRST = "604"
"""The first-time dossier with TK3-TS (domain.md §4.5, §4.8)."""
ACTIVATING = frozenset({REGISTER, FIRST})
"""Procedures whose mail carries an activation code."""
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
DTD = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
ENTITY = re.compile(rb"&(?!(amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)")


@dataclass(frozen=True, slots=True)
class Changed:
    """One THAYDOI of a 05: which field, what it was said to be, what it shall be."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FirstTime:
    """What only a first-time dossier says."""

    licence: str
    province: str
    address: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a dossier that the agency looks at. Texts are stripped of outer space."""

    root: etree._Element
    unit_code: str
    tax_code: str
    unit_name: str
    agency: str
    place: str
    drawn_up: date
    email: str
    provider_code: str
    provider_name: str
    serial: str
    phone: str = ""
    address: str = ""
    changes: tuple[Changed, ...] = ()
    first: FirstTime | None = None


def parser() -> etree.XMLParser:
    """A parser that loads nothing and expands nothing."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=False,
        remove_pis=False,
    )


TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "forms.xsd", parser()))


def parse(body: bytes, at_most: int = MAX_BYTES) -> etree._Element:
    """The document's root. Refuses what is too large, too deep, not XML, or has a DOCTYPE or entities of its own."""
    if len(body) > at_most:
        raise Refusal("SIM034", f"{len(body)} byte")
    if DTD.search(body) or ENTITY.search(body):
        raise Refusal("SIM018")
    if b"\0" in body:
        raise Refusal("SIM017", "chỉ nhận UTF-8")
    try:
        root = etree.fromstring(body, parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal("SIM017") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal("SIM018")
    if TOO_DEEP(root):
        raise Refusal("SIM039")
    return root


def day(text: str) -> date:
    """A date as request forms write it, dd/MM/yyyy."""
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()
    except ValueError as error:
        raise Refusal("SIM036", text) from error


def valid(root: etree._Element, schema: etree.XMLSchema) -> etree._Element:
    """The NoiDung of a document that fits its schema. Refuses any other."""
    content = root.find("NoiDung")
    if content is None or len(content) == 0:
        raise Refusal("SIM009" if root.tag == "Hoso" else "SIM008")
    try:
        schema.assertValid(root)
    except etree.DocumentInvalid as error:
        raise Refusal("SIM008", str(error)[:200]) from error
    return content


def texts(content: etree._Element) -> dict[str, str]:
    """The fields of a form by name, stripped."""
    return {str(element.tag): (element.text or "").strip() for element in content if isinstance(element.tag, str)}


def read(root: etree._Element, procedure: str) -> Form:
    """The form in a document. Refuses a document that is not the procedure's form."""
    content = valid(root, SCHEMA)
    fields = texts(content)
    has = ("EMAIL" in fields, "DS_THAYDOI" in fields)
    if has != (procedure != STOP, procedure == CHANGE):
        raise Refusal("SIM008", f"tờ khai không phải của thủ tục {procedure}")
    if procedure == STOP:
        day(fields["NGAY_NGUNG"])
    changes = [texts(one) for one in content.iterfind("DS_THAYDOI/THAYDOI")]
    return Form(
        root=root,
        unit_code=fields["MA_DVI"],
        tax_code=fields["MST"],
        unit_name=fields["TEN_DVI"],
        agency=fields["MA_COQUAN"],
        place=fields["DIADIEM"],
        drawn_up=day(fields["NGAY_LAP"]),
        email=fields.get("EMAIL", ""),
        provider_code=fields["MA_IVAN"],
        provider_name=fields["TEN_IVAN"],
        serial=content.findtext("TTCKY/SERIAL") or "",
        phone=fields.get("DIEN_THOAI", ""),
        address=fields["DIACHI_LHE"],
        changes=tuple(Changed(one["TRUONG"], one["CU"], one["MOI"]) for one in changes),
    )
